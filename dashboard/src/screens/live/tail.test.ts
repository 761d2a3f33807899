import { describe, expect, it } from 'vitest'

import type { EventRowFragment } from '../../api/generated.ts'
import { KEPT, ROOM, Tail } from './tail.ts'

const row = (id: number) => ({ id: String(id) }) as EventRowFragment
const ids = (tail: Tail) => tail.state.rows.map(({ id }) => Number(id))

describe('the tail', () => {
  it('shows the newest first, and remembers the last it holds', () => {
    const tail = new Tail()
    tail.begin([row(2), row(1)], 'c2')
    tail.take(row(3), 'c3')
    tail.take(row(4), 'c4')
    expect(ids(tail)).toEqual([2, 1])
    expect(tail.flush()).toBe(true)
    expect(ids(tail)).toEqual([4, 3, 2, 1])
    expect(tail.cursor).toBe('c4')
    expect(tail.flush()).toBe(false)
  })

  it('stands still while it is paused, counts what waits, and shows it all when it goes on', () => {
    const tail = new Tail()
    tail.begin([row(1)], 'c1')
    tail.pause()
    tail.take(row(2), 'c2')
    tail.take(row(3), 'c3')
    expect(tail.flush()).toBe(true)
    expect(ids(tail)).toEqual([1])
    expect(tail.state.waiting).toBe(2)
    tail.resume()
    expect(ids(tail)).toEqual([3, 2, 1])
    expect(tail.state.waiting).toBe(0)
  })

  it('stops when there is no more room, before the first that it does not hold', () => {
    const tail = new Tail()
    tail.begin([], undefined)
    tail.pause()
    for (let n = 1; n < ROOM; n += 1) expect(tail.take(row(n), `c${n}`)).toBe(true)
    expect(tail.take(row(ROOM), `c${ROOM}`)).toBe(false)
    expect(tail.take(row(ROOM + 1), 'late')).toBe(false)
    expect(tail.cursor).toBe(`c${ROOM}`)
    tail.flush()
    expect(tail.state.full).toBe(true)
    tail.resume()
    expect(ids(tail)[0]).toBe(ROOM)
    expect(tail.state.full).toBe(false)
  })

  it('keeps the latest few hundred', () => {
    const tail = new Tail()
    tail.begin([], undefined)
    for (let n = 1; n <= KEPT + 10; n += 1) tail.take(row(n), `c${n}`)
    tail.flush()
    expect(ids(tail)).toHaveLength(KEPT)
    expect(ids(tail)[0]).toBe(KEPT + 10)
  })

  it('goes on from where the service says, and owns to a gap where there is one', () => {
    const tail = new Tail()
    tail.begin([row(1)], 'c1')
    tail.missed('c7')
    expect(tail.cursor).toBe('c7')
    expect(tail.state.gap).toBe(false)
    tail.missed(undefined)
    expect(tail.cursor).toBeUndefined()
    expect(tail.state.gap).toBe(true)
  })
})

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { follow, type Source } from './follow.ts'

type Told = Parameters<Source['subscribe']>[1]

/** A client that remembers what was subscribed to, and lets the test speak for the service. */
function stand() {
  const operations: { after: unknown; sink: Told; stopped: boolean }[] = []
  const source: Source = {
    subscribe(payload, sink) {
      const operation = { after: payload.variables?.after, sink: sink as Told, stopped: false }
      operations.push(operation)
      return () => {
        operation.stopped = true
      }
    },
  }
  const last = () => operations[operations.length - 1]!
  return { source, operations, last }
}

/** Follows numbers whose cursors are the numbers themselves. */
function numbers(source: Source) {
  const seen: number[] = []
  const notes: string[] = []
  let after: string | undefined
  const stop = follow<{ n: number }>(
    source,
    {
      payload: () => ({ query: 'subscription', variables: { after } }),
      next: ({ n }) => {
        seen.push(n)
        after = String(n)
      },
      gap: (from) => {
        notes.push(`gap ${from}`)
        after = from
      },
      refused: (error) => notes.push(`refused ${error.message}`),
    },
    () => 1,
  )
  return { seen, notes, stop }
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('following', () => {
  it('goes on after the last cursor when the socket breaks', () => {
    const { source, operations, last } = stand()
    const { seen } = numbers(source)
    last().sink.next({ data: { n: 1 } } as never)
    last().sink.next({ data: { n: 2 } } as never)
    last().sink.error({ code: 1006, reason: '' })
    vi.advanceTimersByTime(500)
    expect(operations).toHaveLength(2)
    expect(last().after).toBe('2')
    last().sink.next({ data: { n: 3 } } as never)
    expect(seen).toEqual([1, 2, 3])
  })

  it('goes on when the service ends the stream, as one that stops does', () => {
    const { source, operations, last } = stand()
    const { seen } = numbers(source)
    last().sink.next({ data: { n: 1 } } as never)
    last().sink.complete()
    vi.advanceTimersByTime(500)
    expect(operations).toHaveLength(2)
    expect(last().after).toBe('1')
    last().sink.next({ data: { n: 2 } } as never)
    expect(seen).toEqual([1, 2])
  })

  it('waits longer after each failure, and no longer than eight seconds', () => {
    const { source, operations, last } = stand()
    numbers(source)
    for (const wait of [500, 1_000, 2_000, 4_000, 8_000, 8_000]) {
      const before = operations.length
      last().sink.error({ code: 1006 })
      vi.advanceTimersByTime(wait - 1)
      expect(operations).toHaveLength(before)
      vi.advanceTimersByTime(1)
      expect(operations).toHaveLength(before + 1)
    }
  })

  it('goes on from where the service says when it was too slow', () => {
    const { source, last } = stand()
    const { notes } = numbers(source)
    last().sink.error([{ message: 'too slow', extensions: { code: 'RESUME', after: '17' } }] as never)
    vi.advanceTimersByTime(0)
    expect(notes).toEqual(['gap 17'])
    expect(last().after).toBe('17')
  })

  it('says that something is missing when its cursor is past retention', () => {
    const { source, last } = stand()
    const { notes } = numbers(source)
    last().sink.next({ data: { n: 1 } } as never)
    last().sink.next({ data: null, errors: [{ message: 'old', extensions: { code: 'CURSOR_EXPIRED' } }] } as never)
    vi.advanceTimersByTime(0)
    expect(notes).toEqual(['gap undefined'])
    expect(last().after).toBeUndefined()
  })

  it('ends with the words of the service when it may not', () => {
    const { source, operations, last } = stand()
    const { notes } = numbers(source)
    last().sink.error([{ message: 'needs READ', extensions: { code: 'FORBIDDEN' } }] as never)
    vi.advanceTimersByTime(60_000)
    expect(notes).toEqual(['refused needs READ'])
    expect(operations).toHaveLength(1)
  })

  it('stays while the database is away, and ends without a key', () => {
    const { source, operations, last } = stand()
    numbers(source)
    last().sink.next({ errors: [{ message: 'away', extensions: { code: 'UNAVAILABLE' } }] } as never)
    expect(operations).toHaveLength(1)
    last().sink.error({ code: 4403, reason: 'Forbidden' })
    vi.advanceTimersByTime(60_000)
    expect(operations).toHaveLength(1)
  })

  it('hears nothing any more once it was stopped', () => {
    const { source, operations, last } = stand()
    const { seen, stop } = numbers(source)
    stop()
    expect(last().stopped).toBe(true)
    last().sink.next({ data: { n: 1 } } as never)
    last().sink.error({ code: 1006 })
    vi.advanceTimersByTime(60_000)
    expect(seen).toEqual([])
    expect(operations).toHaveLength(1)
  })
})

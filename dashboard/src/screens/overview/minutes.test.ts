import { describe, expect, it } from 'vitest'

import { minutesTo, SHOWN, stacked, sum, wanted } from './minutes.ts'

const now = Date.parse('2026-11-24T12:00:30Z')
const counts = { delivered: 5, deferred: 1, bounced: 2, complained: 0 }

describe('minutes', () => {
  it('are thirty, the last of them the one that runs', () => {
    const minutes = minutesTo(now)
    expect(minutes).toHaveLength(SHOWN)
    expect(new Date(minutes.at(-1)!).toISOString()).toBe('2026-11-24T12:00:00.000Z')
    expect(new Date(minutes[0]!).toISOString()).toBe('2026-11-24T11:31:00.000Z')
  })

  it('that are over are read once, those that may still grow again', () => {
    const minutes = minutesTo(now)
    expect(wanted(minutes, new Map())).toEqual([...minutes].reverse())
    const all = new Map(minutes.map((at) => [at, counts]))
    expect(wanted(minutes, all)).toEqual(minutes.slice(-3).reverse())
    all.delete(minutes[4]!)
    expect(wanted(minutes, all)).toEqual([...minutes.slice(-3).reverse(), minutes[4]])
  })

  it('add up', () => {
    expect(sum([counts, counts])).toEqual({ delivered: 10, deferred: 2, bounced: 4, complained: 0 })
    expect(sum([])).toEqual({ delivered: 0, deferred: 0, bounced: 0, complained: 0 })
  })

  it('stack with the whole first, so that each bar covers what is below it', () => {
    expect(stacked([{ at: 0, ...counts }])).toEqual([[8], [8], [6], [5]])
  })
})

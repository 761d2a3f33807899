import { useEffect, useState } from 'react'
import { type Client, useClient } from 'urql'

import { MinuteDocument } from '../../api/generated.ts'

export const OUTCOMES = ['delivered', 'deferred', 'bounced', 'complained'] as const
export type Outcome = (typeof OUTCOMES)[number]
export type Counts = Record<Outcome, number>

export interface Minute extends Counts {
  /** Its beginning, in milliseconds. */
  at: number
}

/** How many minutes are shown. */
export const SHOWN = 30
/** Mailgun's reports come late: so many of the latest minutes may still grow. */
const OPEN = 3
const MINUTE = 60_000
const AT_ONCE = 4
/** Between two looks at the open minutes. */
const PAUSE = 2_000

const none: Counts = { delivered: 0, deferred: 0, bounced: 0, complained: 0 }

/** The beginnings of the minutes to show, the oldest first. */
export function minutesTo(now: number): number[] {
  const last = Math.floor(now / MINUTE) * MINUTE
  return Array.from({ length: SHOWN }, (_, index) => last - (SHOWN - 1 - index) * MINUTE)
}

/** Those to ask for: what was never read, and what may have grown; the latest first, since it is looked at first. */
export function wanted(minutes: readonly number[], known: ReadonlyMap<number, Counts>): number[] {
  return minutes.filter((at, index) => !known.has(at) || index >= minutes.length - OPEN).reverse()
}

export function sum(minutes: readonly Counts[]): Counts {
  const total = { ...none }
  for (const minute of minutes) for (const outcome of OUTCOMES) total[outcome] += minute[outcome]
  return total
}

/** For each outcome the height of its bar on those before it, the top one first: drawn over each other they stack. */
export function stacked(minutes: readonly Minute[]): number[][] {
  return OUTCOMES.map((_, index) =>
    minutes.map((minute) => OUTCOMES.slice(0, index + 1).reduce((height, outcome) => height + minute[outcome], 0)),
  ).reverse()
}

async function read(client: Client, at: number): Promise<Counts | undefined> {
  const range = { since: new Date(at).toISOString(), until: new Date(at + MINUTE).toISOString() }
  const { data } = await client.query(MinuteDocument, { at: range }, { requestPolicy: 'network-only' }).toPromise()
  if (data === undefined) return undefined
  const { delivered, deferred, bounced, complained } = data
  return {
    delivered: delivered.totalCount,
    deferred: deferred.totalCount,
    bounced: bounced.totalCount,
    complained: complained.totalCount,
  }
}

/** The outcomes of the last minutes; the open ones are read again whenever `changed` is another value. */
export function useMinutes(changed: unknown, now: number): { minutes: Minute[]; ready: boolean } {
  const client = useClient()
  const [known, setKnown] = useState<ReadonlyMap<number, Counts>>(new Map())
  const current = Math.floor(now / MINUTE)

  useEffect(() => {
    let stopped = false
    const look = async () => {
      const queue = wanted(minutesTo(Date.now()), known)
      const found = new Map<number, Counts>()
      const work = async () => {
        for (let at = queue.shift(); at !== undefined && !stopped; at = queue.shift()) {
          const counts = await read(client, at)
          if (counts !== undefined) found.set(at, counts)
        }
      }
      await Promise.all(Array.from({ length: AT_ONCE }, work))
      if (!stopped) setKnown((before) => new Map([...before, ...found]))
    }
    const timer = setTimeout(look, known.size === 0 ? 0 : PAUSE)
    return () => {
      stopped = true
      clearTimeout(timer)
    }
    // Not for `known`: what was read is no reason to read again.
  }, [client, changed, current])

  const minutes = minutesTo(now).map((at) => ({ at, ...(known.get(at) ?? none) }))
  return { minutes, ready: known.size > 0 }
}

import { useSyncExternalStore } from 'react'

import { useCell } from '../api/use.ts'
import { clock, distance, span, whole, zone } from './format.ts'

// One clock for the whole page: every age on it moves in the same moment.
const listeners = new Set<() => void>()
let now = Date.now()
let timer: ReturnType<typeof setInterval> | undefined

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  timer ??= setInterval(() => {
    now = Date.now()
    for (const each of listeners) each()
  }, 1_000)
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0) {
      clearInterval(timer)
      timer = undefined
    }
  }
}

/** This second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now)
}

/** A time as the clock shows it, in the zone that was chosen. */
export function Time({ at, seconds = true }: { at: string; seconds?: boolean }) {
  const zoned = useCell(zone)
  const date = new Date(at)
  return <time dateTime={at} title={whole(date, zoned)}>{clock(date, zoned, new Date(), seconds)}</time>
}

/** How long ago, or how far ahead. */
export function Ago({ at }: { at: string }) {
  const zoned = useCell(zone)
  const date = new Date(at)
  return <time dateTime={at} title={whole(date, zoned)}>{distance(date.getTime(), useNow())}</time>
}

/** How long it has been since. */
export function Age({ since }: { since: string }) {
  return <time dateTime={since}>{span(useNow() - new Date(since).getTime())}</time>
}

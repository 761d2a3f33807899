import { Cell } from '../api/connection.ts'

export type Zone = 'local' | 'utc'

const PLACE = 'mailmind.zone'

function storedZone(): Zone {
  return typeof localStorage !== 'undefined' && localStorage.getItem(PLACE) === 'utc' ? 'utc' : 'local'
}

/** In which zone times are shown; kept on this machine. */
export const zone = new Cell<Zone>(storedZone())

export function setZone(value: Zone): void {
  localStorage.setItem(PLACE, value)
  zone.set(value)
}

const counts = new Intl.NumberFormat('en')

/** A count; one that stopped counting says that there are more. */
export function count(n: number, capped = false): string {
  return capped ? `${counts.format(n)}+` : counts.format(n)
}

/** A count and its noun: `1 email`, `2,000 emails`. */
export function counted(n: number, one: string, many = `${one}s`, capped = false): string {
  return `${count(n, capped)} ${n === 1 && !capped ? one : many}`
}

/** A part of a whole; never 0 % of something, nor 100 % of less than all. */
export function share(part: number, whole: number): string {
  if (whole === 0) return '–'
  const percent = (part / whole) * 100
  if (part > 0 && percent < 0.1) return '<0.1%'
  if (part < whole && percent > 99.9) return '>99.9%'
  return `${percent.toFixed(percent > 0 && percent < 10 ? 1 : 0)}%`
}

const DAY = 86_400

/** A span in its two largest units: `4s`, `2m 05s`, `3h 20m`, `5d 2h`. */
export function span(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1_000))
  const pair = (n: number) => String(n).padStart(2, '0')
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m ${pair(seconds % 60)}s`
  if (seconds < DAY) return `${Math.floor(seconds / 3_600)}h ${pair(Math.floor((seconds % 3_600) / 60))}m`
  return `${Math.floor(seconds / DAY)}d ${Math.floor((seconds % DAY) / 3_600)}h`
}

/** A span that somebody set, in whole days or hours where it is: `30 days`, `13 hours`, `45m 00s`. */
export function period(seconds: number): string {
  if (seconds > 0 && seconds % DAY === 0) return counted(seconds / DAY, 'day')
  if (seconds > 0 && seconds % 3_600 === 0) return counted(seconds / 3_600, 'hour')
  return span(seconds * 1_000)
}

/** How long ago, or how far ahead: `now`, `12s ago`, `in 3h 20m`. */
export function distance(at: number, now: number): string {
  const gone = now - at
  if (Math.abs(gone) < 1_000) return 'now'
  return gone > 0 ? `${span(gone)} ago` : `in ${span(-gone)}`
}

const formats = new Map<string, Intl.DateTimeFormat>()

function format(zoned: Zone, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${zoned} ${JSON.stringify(options)}`
  let made = formats.get(key)
  if (made === undefined) {
    made = new Intl.DateTimeFormat('en-GB', { ...options, ...(zoned === 'utc' ? { timeZone: 'UTC' } : {}) })
    formats.set(key, made)
  }
  return made
}

/** The time of day, with the date unless it is today, and with the year unless it is this one. */
export function clock(at: Date, zoned: Zone, now: Date, seconds = true): string {
  const time = format(zoned, { hour: '2-digit', minute: '2-digit', ...(seconds ? { second: '2-digit' } : {}) }).format(at)
  const day = format(zoned, { day: '2-digit', month: 'short' })
  if (day.format(at) === day.format(now) && at.getFullYear() === now.getFullYear()) return time
  const dated = at.getFullYear() === now.getFullYear() ? day : format(zoned, { day: '2-digit', month: 'short', year: 'numeric' })
  return `${dated.format(at)}, ${time}`
}

/** All of it, for whoever asks by hovering. */
export function whole(at: Date, zoned: Zone): string {
  return format(zoned, { dateStyle: 'full', timeStyle: 'long' }).format(at)
}

/** A constant as words: `HARD_BOUNCE` is "Hard bounce". */
export function phrase(constant: string): string {
  const lower = constant.toLowerCase().replaceAll('_', ' ')
  return lower.charAt(0).toUpperCase() + lower.slice(1)
}

export function bytes(n: number): string {
  if (n < 1_024) return `${n} B`
  if (n < 1_048_576) return `${(n / 1_024).toFixed(1)} kB`
  return `${(n / 1_048_576).toFixed(1)} MB`
}

import type { ReactNode } from 'react'

interface IconProps {
  className?: string
}

/** An icon beside a word says the same as the word, so a screen reader hears the word alone. */
function icon(drawing: ReactNode) {
  return function Icon({ className = 'size-4' }: IconProps) {
    return (
      <svg
        viewBox="0 0 16 16"
        className={`shrink-0 ${className}`}
        fill="none"
        stroke="currentColor"
        strokeWidth="1.5"
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden="true"
        focusable="false"
      >
        {drawing}
      </svg>
    )
  }
}

const full = { fill: 'currentColor', stroke: 'none' }
const cut = { stroke: 'var(--surface)' }

export const Overview = icon(<path d="M2.5 13.5v-4m3.67 4v-8m3.66 8v-6m3.67 6v-11" />)
export const Envelope = icon(<><rect x="1.75" y="3.25" width="12.5" height="9.5" rx="1.75" /><path d="m2.25 4.5 5.75 4.25 5.75-4.25" /></>)
export const Pulse = icon(<path d="M1.5 8h3l2-5 3 10 2-5h3" />)
export const Shield = icon(<><path d="M8 1.75 13.25 3.5v4.25c0 3.25-2.25 5.5-5.25 6.5-3-1-5.25-3.25-5.25-6.5V3.5z" /><path d="M5.5 8h5" /></>)
export const Cog = icon(<><circle cx="8" cy="8" r="2" /><path d="M8 1.75v2m0 8.5v2M1.75 8h2m8.5 0h2M3.6 3.6 5 5m6 6 1.4 1.4m0-8.8L11 5m-6 6-1.4 1.4" /></>)
export const Megaphone = icon(<path d="M2 6.5v3h2.5l7 3.25v-9.5L4.5 6.5zm3 3 .75 3.75h1.75L7 10.5m6.5-4.25v3.5" />)
export const Letter = icon(<><path d="M3.5 1.75h6l3 3v9.5h-9z" /><path d="M5.75 7.5h4.5m-4.5 2.25h4.5M5.75 12h2.5" /></>)
export const Pause = icon(<path d="M5.5 3.5v9m5-9v9" />)
export const Play = icon(<path d="M5 3.25v9.5l7.5-4.75z" fill="currentColor" />)
export const Search = icon(<><circle cx="7" cy="7" r="4.25" /><path d="m10.25 10.25 3.25 3.25" /></>)
export const Close = icon(<path d="m4 4 8 8m0-8-8 8" />)
export const Down = icon(<path d="m4.5 6.25 3.5 3.5 3.5-3.5" />)
export const Left = icon(<path d="M9.75 4.5 6.25 8l3.5 3.5" />)
export const Right = icon(<path d="M6.25 4.5 9.75 8l-3.5 3.5" />)
export const More = icon(<><circle cx="3.5" cy="8" r="1.1" {...full} /><circle cx="8" cy="8" r="1.1" {...full} /><circle cx="12.5" cy="8" r="1.1" {...full} /></>)
export const Sun = icon(<><circle cx="8" cy="8" r="2.75" /><path d="M8 1.5v1.25m0 10.5v1.25M1.5 8h1.25m10.5 0h1.25M3.4 3.4l.9.9m7.4 7.4.9.9m0-9.2-.9.9m-7.4 7.4-.9.9" /></>)
export const Moon = icon(<path d="M13.25 9.5A5.75 5.75 0 0 1 6.5 2.75a5.75 5.75 0 1 0 6.75 6.75z" />)
export const Half = icon(<><circle cx="8" cy="8" r="5.75" /><path d="M8 2.25a5.75 5.75 0 0 1 0 11.5z" {...full} /></>)
export const Exit = icon(<path d="M6.5 2.5h-3a1 1 0 0 0-1 1v9a1 1 0 0 0 1 1h3m3.5-2.5 3-3-3-3m2.75 3H6.5" />)
export const Plus = icon(<path d="M8 3.25v9.5M3.25 8h9.5" />)
export const Upload = icon(<path d="M8 10.5v-8m-3 3 3-3 3 3m-8.5 5v2a1 1 0 0 0 1 1h9a1 1 0 0 0 1-1v-2" />)
export const Download = icon(<path d="M8 2.5v8m-3-3 3 3 3-3m-8.5 3v2a1 1 0 0 0 1 1h9a1 1 0 0 0 1-1v-2" />)
export const Retry = icon(<path d="M13 8a5 5 0 1 1-1.5-3.5L13 6m0-3.5V6H9.5" />)
export const Copy = icon(<><rect x="5.25" y="5.25" width="8.25" height="8.25" rx="1.5" /><path d="M10.75 5.25v-1.5a1.25 1.25 0 0 0-1.25-1.25H3.75A1.25 1.25 0 0 0 2.5 3.75V9.5a1.25 1.25 0 0 0 1.25 1.25h1.5" /></>)
export const Table = icon(<><rect x="2" y="2.75" width="12" height="10.5" rx="1.5" /><path d="M2 6.25h12M6.5 6.25v7" /></>)
export const Keyboard = icon(<><rect x="1.5" y="4" width="13" height="8" rx="1.5" /><path d="M4.25 6.75h.01m2.49 0h.01m2.49 0h.01m2.49 0h.01M5 9.5h6" /></>)
export const Flask = icon(<path d="M6 1.75h4m-3.25 0V6L3 12.5a1.25 1.25 0 0 0 1.1 1.75h7.8A1.25 1.25 0 0 0 13 12.5L9.25 6V1.75M4.75 10h6.5" />)

// One shape for each thing that can be said of an email or an event: the shape tells it without the colour.
export const Clock = icon(<><circle cx="8" cy="8" r="5.75" /><path d="M8 4.75V8l2.25 1.5" /></>)
export const Ring = icon(<circle cx="8" cy="8" r="5.75" strokeDasharray="2.4 2.1" />)
export const Way = icon(<><circle cx="8" cy="8" r="5.75" /><path d="M5.25 8h5.5M8.5 5.75 10.75 8 8.5 10.25" /></>)
export const Question = icon(<><circle cx="8" cy="8" r="5.75" /><path d="M6.5 6.4a1.6 1.6 0 1 1 2.3 1.45c-.5.25-.8.6-.8 1.15M8 11h.01" /></>)
export const Tick = icon(<><circle cx="8" cy="8" r="6.5" {...full} /><path d="m5.25 8.25 2 2 3.75-4.25" {...cut} /></>)
export const Sent = icon(<><circle cx="8" cy="8" r="5.75" /><path d="m5.5 8.25 1.75 1.75 3.25-3.75" /></>)
export const Wait = icon(<><circle cx="8" cy="8" r="5.75" /><path d="M6.5 5.75v4.5m3-4.5v4.5" /></>)
export const Cross = icon(<><circle cx="8" cy="8" r="6.5" {...full} /><path d="m5.75 5.75 4.5 4.5m0-4.5-4.5 4.5" {...cut} /></>)
export const Back = icon(<><circle cx="8" cy="8" r="6.5" {...full} /><path d="M11 10V8.5A1.75 1.75 0 0 0 9.25 6.75H5.5m1.75-2L5.25 6.75l2 2" {...cut} /></>)
export const Flag = icon(<path d="M3.75 14V2.5m0 .5c3-1.5 5 1.5 8.5 0v6c-3.5 1.5-5.5-1.5-8.5 0" fill="currentColor" />)
export const Slash = icon(<><circle cx="8" cy="8" r="5.75" /><path d="m4 12 8-8" /></>)
export const Late = icon(<><path d="M4 2h8M4 14h8M5 2c0 3.5 2.25 4.25 3 6 .75-1.75 3-2.5 3-6M5 14c0-3.5 2.25-4.25 3-6 .75 1.75 3 2.5 3 6" /></>)
export const Eye = icon(<><path d="M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8z" /><circle cx="8" cy="8" r="1.75" /></>)
export const Pointer = icon(<path d="m3.5 2.5 9.5 4-4 1.75L7.25 12.5z" />)
export const Leave = icon(<><path d="M9.5 2.5h3a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1h-3M10 8H2.5m2.75-2.75L2.5 8l2.75 2.75" /></>)
export const Warning = icon(<><path d="M8 2.25 14.5 13.5h-13z" /><path d="M8 6.5v3m0 2v.01" /></>)

export function Mark({ className = 'size-6' }: IconProps) {
  return (
    <svg viewBox="0 0 32 32" className={`shrink-0 ${className}`} aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" fill="#4f46e5" />
      <path d="M8 11.5h16v10H8zm.5.5 7.5 6 7.5-6" fill="none" stroke="#fff" strokeWidth="2" strokeLinejoin="round" />
    </svg>
  )
}

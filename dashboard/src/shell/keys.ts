import { useEffect, useRef } from 'react'

/** What keys do, by their sequence: `g e`, `/`, `j`. */
export type Keys = Record<string, (event: KeyboardEvent) => void>

/** Between the keys of a sequence. */
const SOON = 1_000

/** Whether what is typed belongs to whatever has the focus. */
function isTyped(event: KeyboardEvent): boolean {
  const { target } = event
  if (!(target instanceof HTMLElement)) return false
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)
}

/** Listens while the component is there; not in fields, not over an open dialog, not with Ctrl, Alt or Meta. */
export function useKeys(keys: Keys): void {
  const current = useRef(keys)
  current.current = keys
  useEffect(() => {
    let first = ''
    let at = 0
    const down = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyped(event)) return
      if (document.querySelector('dialog[open]') !== null) return
      const sequence = first !== '' && Date.now() - at < SOON ? `${first} ${event.key}` : event.key
      const act = current.current[sequence] ?? current.current[event.key]
      first = sequence === event.key ? event.key : ''
      at = Date.now()
      if (act !== undefined) {
        event.preventDefault()
        act(event)
      }
    }
    document.addEventListener('keydown', down)
    return () => document.removeEventListener('keydown', down)
  }, [])
}

/** The keys that a page names for `?`. */
export const shortcuts: readonly { keys: string; does: string }[] = [
  { keys: 'Ctrl K', does: 'Go anywhere, find an address or an email' },
  { keys: 'g o', does: 'Overview' },
  { keys: 'g e', does: 'Emails' },
  { keys: 'g l', does: 'Live' },
  { keys: 'g c', does: 'Campaigns' },
  { keys: 'g t', does: 'Templates' },
  { keys: 'g s', does: 'Suppressions' },
  { keys: 'g ,', does: 'Settings' },
  { keys: '/', does: 'Search on this screen' },
  { keys: 'j  k', does: 'Next, previous row' },
  { keys: 'Enter', does: 'Open the row' },
  { keys: 'n  p', does: 'Next, previous page' },
  { keys: 'Space', does: 'Pause or resume the live tail' },
  { keys: 'Esc', does: 'Close what is open' },
  { keys: '?', does: 'These keys' },
]

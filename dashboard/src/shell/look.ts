import { Cell } from '../api/connection.ts'

/** Light or dark; `system` is whatever the machine has. */
export type Look = 'system' | 'light' | 'dark'

const PLACE = 'mailmind.look'
const darkness = typeof matchMedia === 'undefined' ? undefined : matchMedia('(prefers-color-scheme: dark)')

export const look = new Cell<Look>('system')

function show(): void {
  const chosen = look.get()
  const dark = chosen === 'dark' || (chosen === 'system' && darkness?.matches === true)
  document.documentElement.dataset.theme = dark ? 'dark' : 'light'
}

/** Takes up what was chosen last time, and follows the machine where nothing was. */
export function startLook(): void {
  const stored = localStorage.getItem(PLACE)
  if (stored === 'light' || stored === 'dark') look.set(stored)
  look.subscribe(show)
  darkness?.addEventListener('change', show)
  show()
}

export function setLook(chosen: Look): void {
  if (chosen === 'system') localStorage.removeItem(PLACE)
  else localStorage.setItem(PLACE, chosen)
  look.set(chosen)
}

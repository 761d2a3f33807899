import { Cell } from '../api/connection.ts'
import { useCell } from '../api/use.ts'
import { IconButton } from './button.tsx'
import { Close } from './icons.tsx'

interface Notice {
  id: number
  text: string
}

const notices = new Cell<readonly Notice[]>([])
const STAY = 6_000
let last = 0

function drop(id: number): void {
  notices.set(notices.get().filter((notice) => notice.id !== id))
}

/** Says what was just done; gone after a while. */
export function tell(text: string): void {
  last += 1
  const id = last
  notices.set([...notices.get().slice(-2), { id, text }])
  setTimeout(() => drop(id), STAY)
}

export function Notices() {
  const shown = useCell(notices)
  return (
    <div role="status" aria-live="polite" className="pointer-events-none fixed inset-x-0 bottom-16 z-50 flex flex-col items-center gap-2 p-4 md:bottom-0">
      {shown.map(({ id, text }) => (
        <div key={id} className="pointer-events-auto flex max-w-md items-center gap-2 rounded-lg bg-text py-1 ps-3 pe-1 text-surface shadow-lift">
          <span>{text}</span>
          <IconButton label="Dismiss" className="text-surface hover:text-text" onClick={() => drop(id)}><Close /></IconButton>
        </div>
      ))}
    </div>
  )
}

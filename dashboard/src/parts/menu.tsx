import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from 'react'

import { Button } from './button.tsx'

interface MenuProps {
  /** On the button. */
  label: ReactNode
  name?: string
  children: (close: () => void) => ReactNode
  quiet?: boolean
}

/** A button that opens a list of things to do; arrows move in it, Escape closes it. */
export function Menu({ label, name, children, quiet = false }: MenuProps) {
  const [open, setOpen] = useState(false)
  const root = useRef<HTMLDivElement>(null)
  const id = useId()

  useEffect(() => {
    if (!open) return
    root.current?.querySelector<HTMLElement>('[role^="menuitem"]')?.focus()
    const away = (event: Event) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false)
    }
    document.addEventListener('mousedown', away)
    return () => document.removeEventListener('mousedown', away)
  }, [open])

  const close = () => {
    setOpen(false)
    root.current?.querySelector('button')?.focus()
  }
  const move = (event: KeyboardEvent) => {
    if (!open) return
    const items = [...(root.current?.querySelectorAll<HTMLElement>('[role^="menuitem"]') ?? [])]
    const at = items.indexOf(document.activeElement as HTMLElement)
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key]
    if (to !== undefined) {
      event.preventDefault()
      items[to % items.length]?.focus()
    } else if (event.key === 'Escape') {
      event.stopPropagation()
      close()
    } else if (event.key === 'Tab') {
      setOpen(false)
    }
  }

  return (
    <div ref={root} className="relative" onKeyDown={move}>
      <Button
        tone={quiet ? 'quiet' : 'plain'}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        aria-label={name}
        title={name}
        onClick={() => setOpen(!open)}
      >
        {label}
      </Button>
      {open && (
        <div
          id={id}
          role="menu"
          className="absolute end-0 z-30 mt-1 max-h-96 min-w-52 overflow-y-auto rounded-lg border border-line bg-surface p-1 shadow-lift"
        >
          {children(close)}
        </div>
      )}
    </div>
  )
}

export function MenuItem({
  onClick,
  children,
  checked,
  danger = false,
}: {
  onClick: () => void
  children: ReactNode
  /** One of several that can be on. */
  checked?: boolean
  danger?: boolean
}) {
  return (
    <button
      type="button"
      role={checked === undefined ? 'menuitem' : 'menuitemcheckbox'}
      aria-checked={checked}
      tabIndex={-1}
      onClick={onClick}
      className={`flex w-full items-center gap-2 rounded-md px-2 py-1.5 text-start hover:bg-sunken focus-visible:bg-sunken ${danger ? 'text-bad' : ''}`}
    >
      {checked !== undefined && (
        <span aria-hidden="true" className={`grid size-3.5 place-items-center rounded border text-[10px] leading-none ${checked ? 'border-accent bg-accent text-on-accent' : 'border-edge'}`}>
          {checked && '✓'}
        </span>
      )}
      {children}
    </button>
  )
}

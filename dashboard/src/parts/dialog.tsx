import { type FormEvent, type ReactNode, useEffect, useId, useRef } from 'react'

import { Button, IconButton } from './button.tsx'
import { Close } from './icons.tsx'

interface DialogProps {
  title: string
  onClose: () => void
  children: ReactNode
  /** Beside the page's edge, over its whole height, instead of in its middle. */
  drawer?: boolean
  /** Beside the title. */
  extra?: ReactNode
  wide?: boolean
}

/** The browser's own dialog: it keeps the focus within, gives it back, and closes by Escape. */
export function Dialog({ title, onClose, children, drawer = false, extra, wide = false }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const heading = useId()
  useEffect(() => {
    const element = dialog.current
    if (element === null || element.open) return
    element.showModal()
    // The browser would begin with the button that closes it.
    const body = element.querySelector('[data-body]')
    const first = body?.querySelector<HTMLElement>('[data-first]') ?? body?.querySelector<HTMLElement>('input, select, textarea, a, button')
    first?.focus()
  }, [])
  const place = drawer
    ? 'm-0 ms-auto h-dvh max-h-none w-full max-w-[600px] border-s animate-[slide_160ms_ease-out]'
    : `m-auto w-[calc(100%-2rem)] max-h-[calc(100dvh-4rem)] rounded-xl border ${wide ? 'max-w-2xl' : 'max-w-md'}`
  return (
    <dialog
      ref={dialog}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      onMouseDown={(event) => {
        if (event.target === dialog.current) onClose()
      }}
      className={`overflow-hidden border-line bg-surface text-text shadow-lift ${place}`}
    >
      <div className={`flex flex-col ${drawer ? 'h-full' : 'max-h-[calc(100dvh-4rem)]'}`}>
        <header className="flex shrink-0 items-center gap-2 border-b border-line ps-4 pe-2 py-2">
          <h2 id={heading} className="clip min-w-0 flex-1 text-sm">{title}</h2>
          {extra}
          <IconButton label="Close" onClick={onClose}><Close /></IconButton>
        </header>
        <div data-body="" className="min-h-0 flex-1 overflow-y-auto">{children}</div>
      </div>
    </dialog>
  )
}

/** Asks for what something needs, and does it. */
export function FormDialog({
  title,
  children,
  verb,
  keep = 'Close',
  onSubmit,
  onClose,
  busy,
  disabled = false,
  wide = false,
}: {
  title: string
  children: ReactNode
  /** What the button says; it names what is done, never "OK". */
  verb: string
  /** What the button beside it says. */
  keep?: string
  onSubmit: () => Promise<void>
  onClose: () => void
  busy: boolean
  disabled?: boolean
  wide?: boolean
}) {
  const submit = (event: FormEvent) => {
    event.preventDefault()
    void onSubmit()
  }
  return (
    <Dialog title={title} onClose={onClose} wide={wide}>
      <form onSubmit={submit} className="flex flex-col gap-3 p-4">
        {children}
        <div className="mt-1 flex justify-end gap-2">
          <Button onClick={onClose}>{keep}</Button>
          <Button tone="main" type="submit" busy={busy} disabled={disabled}>{verb}</Button>
        </div>
      </form>
    </Dialog>
  )
}

/** Asks before something is done that can't be taken back. */
export function Confirm({
  title,
  children,
  verb,
  keep = 'Keep as it is',
  onConfirm,
  onClose,
  busy = false,
  disabled = false,
  problem,
  tone = 'danger',
}: {
  title: string
  children: ReactNode
  /** What the button says; it names what is done, never "OK". */
  verb: string
  /** What the button beside it says. */
  keep?: string
  onConfirm: () => void
  onClose: () => void
  busy?: boolean
  disabled?: boolean
  problem?: string | undefined
  tone?: 'danger' | 'main'
}) {
  return (
    <Dialog title={title} onClose={onClose}>
      <div className="flex flex-col gap-3 p-4">
        {children}
        {problem !== undefined && <p role="alert" className="text-bad">{problem}</p>}
        <div className="mt-1 flex justify-end gap-2">
          <Button onClick={onClose}>{keep}</Button>
          <Button tone={tone} busy={busy} disabled={disabled} onClick={onConfirm} data-first="">{verb}</Button>
        </div>
      </div>
    </Dialog>
  )
}

import type { ButtonHTMLAttributes, ReactNode } from 'react'

type Tone = 'main' | 'plain' | 'quiet' | 'danger'

const tones: Record<Tone, string> = {
  main: 'bg-accent text-on-accent hover:bg-accent-strong border-transparent',
  plain: 'bg-surface text-text border-line hover:bg-sunken shadow-shade',
  quiet: 'bg-transparent text-muted border-transparent hover:bg-sunken hover:text-text',
  danger: 'bg-surface text-bad border-line hover:bg-bad-soft shadow-shade',
}

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  tone?: Tone
  busy?: boolean
  /** Within a row or a heading. */
  small?: boolean
  children: ReactNode
}

/** A button; while it is busy it can't be pressed again, and keeps its width. */
export function Button({ tone = 'plain', busy = false, small = false, className = '', children, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      aria-busy={busy}
      disabled={busy || rest.disabled}
      className={`inline-flex ${small ? 'h-7' : 'h-8'} shrink-0 items-center justify-center gap-1.5 rounded-lg border px-2.5 font-medium whitespace-nowrap transition-colors disabled:opacity-55 ${tones[tone]} ${className}`}
    >
      {children}
    </button>
  )
}

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  /** What it does, for whoever does not see the icon, and on hovering. */
  label: string
  children: ReactNode
}

export function IconButton({ label, className = '', children, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      aria-label={label}
      title={label}
      className={`inline-grid size-8 shrink-0 place-items-center rounded-lg text-muted transition-colors hover:bg-sunken hover:text-text disabled:opacity-40 ${className}`}
    >
      {children}
    </button>
  )
}

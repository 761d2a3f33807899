import type { ReactNode } from 'react'

/** A part of a screen with a heading. */
export function Panel({
  title,
  extra,
  children,
  className = '',
}: {
  title: string
  extra?: ReactNode
  children: ReactNode
  className?: string
}) {
  return (
    <section aria-label={title} className={`panel flex min-w-0 flex-col ${className}`}>
      <header className="flex min-h-11 items-center gap-2 border-b border-line px-4 py-1.5">
        <h2 className="flex-1 text-[0.8125rem]">{title}</h2>
        {extra}
      </header>
      {children}
    </section>
  )
}

/** A screen's name, and what can be done on it. */
export function Head({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="mb-4 flex min-h-8 flex-wrap items-center gap-x-3 gap-y-2">
      <h1 className="me-auto text-lg tracking-tight">{title}</h1>
      {children}
    </div>
  )
}

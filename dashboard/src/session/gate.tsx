import type { ReactNode } from 'react'

import { Mark } from '../parts/icons.tsx'

/** What is seen instead of the page while nobody is signed in. */
export function Gate({
  title,
  words,
  busy = false,
  children,
}: {
  title?: string
  words?: string
  busy?: boolean
  children?: ReactNode
}) {
  return (
    <main className="grid min-h-dvh place-items-center p-6" aria-busy={busy}>
      <div className="w-full max-w-sm">
        <div className="mb-6 flex items-center gap-2.5 text-base font-semibold">
          <Mark className="size-7" />
          MailMind
        </div>
        {busy ? (
          <p className="text-muted" role="status">Opening…</p>
        ) : (
          <>
            {title !== undefined && <h1 className="mb-1 text-lg">{title}</h1>}
            {words !== undefined && <p className="mb-5 text-muted">{words}</p>}
            <div className="flex flex-wrap gap-2">{children}</div>
          </>
        )}
      </div>
    </main>
  )
}

import type { ReactNode } from 'react'

import { isForbidden, words } from '../api/use.ts'
import { Button } from './button.tsx'
import { Shield, Tick, Warning } from './icons.tsx'

/** Nothing is here, and what would be. */
export function Empty({ title, children, good = false }: { title: string; children?: ReactNode; good?: boolean }) {
  return (
    <div className="flex flex-1 flex-col items-center justify-center gap-1 px-6 py-10 text-center">
      {good && <Tick className="mb-1 size-5 text-good" />}
      <p className="text-sm font-medium">{title}</p>
      <div className="max-w-md text-muted">{children}</div>
    </div>
  )
}

interface Failed {
  networkError?: Error | undefined
  graphQLErrors?: readonly { message: string; extensions?: Record<string, unknown> | undefined }[] | undefined
}

/** It could not be read: for want of a scope, or of an answer. */
export function Problem({ error, again }: { error: Failed; again?: () => void }) {
  const forbidden = isForbidden(error)
  const [first] = error.graphQLErrors ?? []
  const text = first === undefined ? 'The service does not answer. It is asked again as soon as it does.' : words(error)
  return (
    <div role="alert" className="flex flex-col items-center gap-2 px-6 py-12 text-center">
      {forbidden ? <Shield className="size-5 text-muted" /> : <Warning className="size-5 text-warn" />}
      <p className="text-sm font-medium">{forbidden ? 'Your key may not see this' : 'This could not be read'}</p>
      <p className="max-w-md text-muted">{text}</p>
      {!forbidden && again !== undefined && <Button onClick={again}>Try again</Button>}
    </div>
  )
}

/** The place of what is being read, of about its size. */
export function Loading({ rows = 8 }: { rows?: number }) {
  return (
    <div role="status" aria-label="Reading" className="animate-[breathe_1.6s_ease-in-out_infinite]">
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className="flex h-10 items-center gap-4 border-b border-line px-4 last:border-0">
          <span className="h-3 w-20 rounded bg-sunken" />
          <span className="h-3 flex-1 rounded bg-sunken" />
          <span className="h-3 w-24 rounded bg-sunken" />
        </div>
      ))}
    </div>
  )
}

import { type FormEvent, useState } from 'react'

import { useCell } from '../api/use.ts'
import { Button } from '../parts/button.tsx'
import { Field, Input } from '../parts/field.tsx'
import { Gate } from './gate.tsx'
import { recognise, session, signIn } from './session.ts'

/** Asks for a credential, and lets nobody in whom the service does not know. */
export function SignIn() {
  const { ended } = useCell(session)
  const [credential, setCredential] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string>()

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    const asked = credential.trim()
    if (asked === '') return setProblem('Paste a key first.')
    setBusy(true)
    const known = await recognise(asked)
    setBusy(false)
    if (known === 'known') signIn(asked)
    else setProblem(known === 'unknown' ? 'The service does not know this key, or it has ended.' : 'The service does not answer.')
  }

  return (
    <Gate title="Sign in" words="With an API key, or a token of your own login (JWT). It is kept in this tab and forgotten when you close it.">
      <form onSubmit={submit} className="flex w-full flex-col gap-3">
        {ended !== undefined && (
          <p role="status" className="rounded-lg bg-warn-soft px-3 py-2 text-warn">{ended}</p>
        )}
        <Field label="API key or token" problem={problem}>
          <Input
            type="password"
            name="credential"
            autoComplete="current-password"
            placeholder="mm_live_…"
            value={credential}
            autoFocus
            onChange={(event) => {
              setCredential(event.target.value)
              setProblem(undefined)
            }}
            className="h-9 font-mono"
          />
        </Field>
        <Button tone="main" type="submit" busy={busy} className="h-9">Sign in</Button>
        <p className="text-faint">
          <code className="font-mono">cargo run</code> prints a key at its first start;{' '}
          <code className="font-mono">mailmind key create</code> makes others.
        </p>
      </form>
    </Gate>
  )
}

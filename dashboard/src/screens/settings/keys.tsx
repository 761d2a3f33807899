import { useState } from 'react'

import { type ApiScope, CreateKeyDocument, type KeyRowFragment, RevokeKeyDocument } from '../../api/generated.ts'
import { useAct } from '../../api/use.ts'
import { Confirm, FormDialog } from '../../parts/dialog.tsx'
import { Field, Input, Select } from '../../parts/field.tsx'
import { tell } from '../../parts/notices.tsx'
import { Secret } from './secret.tsx'

const SCOPES: readonly [ApiScope, string][] = [
  ['READ', 'See everything but contents; addresses are masked'],
  ['REVEAL', 'See one masked address at a time, for a reason that is kept'],
  ['SEND', 'Send emails'],
  ['MANAGE', 'Cancel, retry, pause, suppress, and read contents'],
  ['ADMIN', 'Everything, API keys included'],
]

const ENDS = [
  ['', 'Never'],
  ['30', 'In 30 days'],
  ['90', 'In 90 days'],
  ['365', 'In a year'],
] as const

export function CreateKey({ onClose }: { onClose: () => void }) {
  const { act, busy, problem } = useAct(CreateKeyDocument, 'createApiKey')
  const [name, setName] = useState('')
  const [scopes, setScopes] = useState<ApiScope[]>(['READ'])
  const [days, setDays] = useState('')
  const [from, setFrom] = useState('')
  const [secret, setSecret] = useState<string>()

  const submit = async () => {
    const allowedAddresses = from.split(/[\s,]+/).filter((each) => each !== '')
    const expiresAt = days === '' ? null : new Date(Date.now() + Number(days) * 86_400_000).toISOString()
    const done = await act({ input: { name: name.trim(), scopes, allowedAddresses, expiresAt } })
    if (done?.secret != null) setSecret(done.secret)
  }
  if (secret !== undefined) return <Secret title="Your new key" secret={secret} onClose={onClose} />
  return (
    <FormDialog title="New API key" verb="Make the key" busy={busy} disabled={scopes.length === 0} onSubmit={submit} onClose={onClose}>
      <Field label="Name" hint="Who or what it is for." problem={problem}>
        <Input required data-first="" placeholder="Shop, order emails" value={name} onChange={(event) => setName(event.target.value)} />
      </Field>
      <fieldset className="flex flex-col gap-1.5">
        <legend className="mb-1 font-medium">What it may do</legend>
        {SCOPES.map(([scope, means]) => (
          <label key={scope} className="flex items-start gap-2.5">
            <input
              type="checkbox"
              className="mt-0.5 size-4 accent-[var(--accent)]"
              checked={scopes.includes(scope)}
              onChange={(event) => setScopes(event.target.checked ? [...scopes, scope] : scopes.filter((each) => each !== scope))}
            />
            <span><span className="font-medium">{scope}</span> <span className="text-muted">{means}</span></span>
          </label>
        ))}
      </fieldset>
      <Field label="Ends">
        <Select value={days} onChange={(event) => setDays(event.target.value)} className="w-full">
          {ENDS.map(([value, word]) => <option key={value} value={value}>{word}</option>)}
        </Select>
      </Field>
      <Field label="Only from" hint="Addresses or networks, by commas; empty for anywhere.">
        <Input placeholder="10.0.0.0/8" value={from} onChange={(event) => setFrom(event.target.value)} />
      </Field>
    </FormDialog>
  )
}

export function RevokeKey({ apiKey, onClose }: { apiKey: KeyRowFragment; onClose: () => void }) {
  const { act, busy, problem } = useAct(RevokeKeyDocument, 'revokeApiKey')
  return (
    <Confirm
      title={`Revoke “${apiKey.name}”`}
      verb="Revoke the key"
      busy={busy}
      problem={problem}
      onClose={onClose}
      onConfirm={async () => {
        if ((await act({ id: apiKey.id })) === undefined) return
        tell('Revoked.')
        onClose()
      }}
    >
      <p className="text-muted">Whoever uses it is refused within seconds. This can’t be taken back.</p>
    </Confirm>
  )
}

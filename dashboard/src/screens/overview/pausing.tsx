import { useState } from 'react'

import { PauseDocument, type Priority, ResumeDocument, type Scope } from '../../api/generated.ts'
import { useAct } from '../../api/use.ts'
import { Confirm, FormDialog } from '../../parts/dialog.tsx'
import { Field, Input, Select } from '../../parts/field.tsx'
import { count, counted, phrase } from '../../parts/format.ts'
import { tell } from '../../parts/notices.tsx'

/** What `pause` and `resume` are to be about; nothing is everything. */
export type Part = Scope | undefined

export function partName(scope: string, subject: string | null | undefined): string {
  if (scope === 'QUEUE') return 'The whole queue'
  if (scope === 'PRIORITY') return `Priority ${phrase(subject ?? '').toLowerCase()}`
  return `${phrase(scope)} ${subject ?? ''}`
}

/** The argument that names what a pause covers. */
export function part(scope: string, subject: string | null | undefined): Part {
  if (subject == null) return undefined
  if (scope === 'PRIORITY') return { priority: subject as Priority }
  return scope === 'DOMAIN' ? { domain: subject } : { campaignId: subject }
}

const ENDS = [
  ['', 'Until somebody resumes it'],
  ['15', 'For 15 minutes'],
  ['60', 'For an hour'],
  ['480', 'For 8 hours'],
] as const

export function PauseDialog({ waiting, onClose }: { waiting: number; onClose: () => void }) {
  const [what, setWhat] = useState('QUEUE')
  const [domain, setDomain] = useState('')
  const [reason, setReason] = useState('')
  const [minutes, setMinutes] = useState('')
  const { act, busy, problem } = useAct(PauseDocument, 'pause')

  const submit = async () => {
    const scope = what === 'QUEUE' ? undefined : what === 'DOMAIN' ? part('DOMAIN', domain.trim()) : part('PRIORITY', what)
    const until = minutes === '' ? null : new Date(Date.now() + Number(minutes) * 60_000).toISOString()
    const done = await act({ scope: scope ?? null, reason: reason.trim() || null, until })
    if (done === undefined) return
    tell('Paused. Emails wait and spend no try.')
    onClose()
  }
  return (
    <FormDialog title="Pause sending" verb="Pause" keep="Keep sending" busy={busy} onSubmit={submit} onClose={onClose}>
      <p className="text-muted">
        Emails go on being accepted and wait. Those already under way are finished. {counted(waiting, 'email')} {waiting === 1 ? 'waits' : 'wait'} now.
      </p>
      <Field label="What">
        <Select value={what} onChange={(event) => setWhat(event.target.value)} className="w-full">
          <option value="QUEUE">The whole queue</option>
          <option value="HIGH">Priority high</option>
          <option value="NORMAL">Priority normal</option>
          <option value="LOW">Priority low</option>
          <option value="DOMAIN">A sending domain</option>
        </Select>
      </Field>
      {what === 'DOMAIN' && (
        <Field label="Sending domain">
          <Input required placeholder="mg.example.com" value={domain} onChange={(event) => setDomain(event.target.value)} />
        </Field>
      )}
      <Field label="For how long">
        <Select value={minutes} onChange={(event) => setMinutes(event.target.value)} className="w-full">
          {ENDS.map(([value, word]) => <option key={value} value={value}>{word}</option>)}
        </Select>
      </Field>
      <Field label="Why" hint="Everybody who asks why an email waits is told this.">
        <Input maxLength={500} placeholder="Wrong template in the digest" value={reason} onChange={(event) => setReason(event.target.value)} />
      </Field>
      {problem !== undefined && <p role="alert" className="text-bad">{problem}</p>}
    </FormDialog>
  )
}

export function ResumeConfirm({ scope, subject, waiting, onClose }: { scope: string; subject: string | null; waiting: number; onClose: () => void }) {
  const { act, busy, problem } = useAct(ResumeDocument, 'resume')
  const whole = scope === 'QUEUE'
  return (
    <Confirm
      title={whole ? 'Resume sending' : `Resume: ${partName(scope, subject)}`}
      verb="Resume"
      tone="main"
      busy={busy}
      problem={problem}
      onClose={onClose}
      onConfirm={async () => {
        const done = await act({ scope: part(scope, subject) ?? null })
        if (done === undefined) return
        tell(`${counted(done.ended, 'pause')} ended.`)
        onClose()
      }}
    >
      <p className="text-muted">
        {whole ? 'Every pause ends, those of single priorities and domains too.' : 'This pause ends.'} {count(waiting)} waiting {waiting === 1 ? 'email goes' : 'emails go'} out as fast as Mailgun takes them.
      </p>
    </Confirm>
  )
}

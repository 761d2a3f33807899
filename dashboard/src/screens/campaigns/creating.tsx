import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { useClient } from 'urql'

import { AddRecipientsDocument, type CampaignPageFragment, CancelCampaignDocument, CreateCampaignDocument, LaunchCampaignDocument, type Priority, type RecipientInput } from '../../api/generated.ts'
import { useAct, useService, words } from '../../api/use.ts'
import { Button } from '../../parts/button.tsx'
import { Confirm, Dialog } from '../../parts/dialog.tsx'
import { Field, Input, Select, TextArea } from '../../parts/field.tsx'
import { count, counted } from '../../parts/format.ts'
import { tell } from '../../parts/notices.tsx'
import { type Read, readRecipients } from './recipients.ts'

type Campaign = CampaignPageFragment

export function CreateCampaign({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate()
  const { act, busy, problem } = useAct(CreateCampaignDocument, 'createCampaign')
  const [name, setName] = useState('')
  const [from, setFrom] = useState('')
  const [subject, setSubject] = useState('')
  const [html, setHtml] = useState('')
  const [text, setText] = useState('')
  const [priority, setPriority] = useState<Priority>('NORMAL')
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    const content = { inline: { subject: subject.trim(), html: html.trim() || null, text: text.trim() || null } }
    const done = await act({ input: { name: name.trim(), from: from.trim() || null, priority, content, testMode: false, transactional: false } })
    if (done?.campaign == null) return
    onClose()
    void navigate({ to: '/campaigns/$id', params: { id: done.campaign.id } })
  }
  return (
    <Dialog wide title="New campaign" onClose={onClose}>
      <form onSubmit={submit} className="flex flex-col gap-3 p-4">
        <div className="grid gap-3 sm:grid-cols-2">
          <Field label="Name" hint="For people here; recipients don’t see it.">
            <Input required data-first="" placeholder="Spring news" value={name} onChange={(event) => setName(event.target.value)} />
          </Field>
          <Field label="Priority">
            <Select value={priority} className="w-full" onChange={(event) => setPriority(event.target.value as Priority)}>
              <option value="HIGH">High</option>
              <option value="NORMAL">Normal</option>
              <option value="LOW">Low</option>
            </Select>
          </Field>
        </div>
        <Field label="From" hint="Empty for noreply@ and the first sending domain.">
          <Input placeholder="Shop <news@mg.example.com>" value={from} onChange={(event) => setFrom(event.target.value)} />
        </Field>
        <Field label="Subject" hint="{{ first_name }} is a recipient’s variable.">
          <Input required placeholder="Hello {{ first_name }}" value={subject} onChange={(event) => setSubject(event.target.value)} />
        </Field>
        <Field label="HTML">
          <TextArea spellCheck={false} className="min-h-28 font-mono text-xs" value={html} onChange={(event) => setHtml(event.target.value)} />
        </Field>
        <Field label="Text">
          <TextArea value={text} onChange={(event) => setText(event.target.value)} />
        </Field>
        {problem !== undefined && <p role="alert" className="text-bad">{problem}</p>}
        <div className="mt-1 flex justify-end gap-2">
          <Button onClick={onClose}>Close</Button>
          <Button tone="main" type="submit" busy={busy}>Create the draft</Button>
        </div>
      </form>
    </Dialog>
  )
}

/** Recipients that go in one call. */
const GROUP = 5_000

interface Sum {
  added: number
  duplicates: number
  refused: number
  suppressed: number
  why: string[]
}

/** Adds the recipients of a file, after saying what would become of them. */
export function ImportRecipients({ campaign, onClose }: { campaign: Campaign; onClose: () => void }) {
  const client = useClient()
  const { watch } = useService()
  const [read, setRead] = useState<Read>()
  const [sum, setSum] = useState<Sum>()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string>()

  const add = async (recipients: RecipientInput[], dryRun: boolean): Promise<Sum | undefined> => {
    const total: Sum = { added: 0, duplicates: 0, refused: 0, suppressed: 0, why: [] }
    for (let at = 0; at < recipients.length; at += GROUP) {
      const part = recipients.slice(at, at + GROUP)
      const { data, error } = await client.mutation(AddRecipientsDocument, { campaignId: campaign.id, recipients: part, dryRun }).toPromise()
      if (data === undefined) {
        setProblem(`${words(error)} The same file may be imported again: nobody is added twice.`)
        return undefined
      }
      const { added, duplicates, refused, suppressed, userErrors } = data.addRecipients
      total.added += added
      total.duplicates += duplicates
      total.refused += refused
      total.suppressed += suppressed
      total.why.push(...userErrors.map(({ field, message }) => `${part[Number(field?.[1])]?.address ?? 'A row'}: ${message}`))
    }
    return total
  }
  const look = async (text: string) => {
    setProblem(undefined)
    setSum(undefined)
    const found = readRecipients(text)
    if (typeof found === 'string') return setProblem(found)
    setRead(found)
    setBusy(true)
    setSum(await add(found.recipients, true))
    setBusy(false)
  }
  const commit = async () => {
    setBusy(true)
    const total = await add(read?.recipients ?? [], false)
    setBusy(false)
    watch.ask()
    if (total === undefined) return
    tell(`${counted(total.added, 'recipient')} added.`)
    onClose()
  }
  return (
    <Dialog title="Import recipients" onClose={onClose}>
      <div className="flex flex-col gap-3 p-4">
        <Field label="CSV file" hint="Columns address and name; each other column is a variable of the content." problem={problem}>
          <input
            type="file"
            accept=".csv,text/csv,text/plain"
            className="w-full rounded-lg border border-edge/45 bg-surface text-muted file:me-3 file:h-8 file:border-0 file:border-e file:border-line file:bg-sunken file:px-3 file:font-medium file:text-text"
            onChange={async (event) => {
              const [file] = event.target.files ?? []
              if (file !== undefined) await look(await file.text())
            }}
          />
        </Field>
        {busy && <p role="status" className="text-muted">{sum === undefined ? 'Looking…' : 'Adding…'}</p>}
        {!busy && sum !== undefined && (
          <div role="status" className="rounded-lg border border-line bg-canvas px-3 py-2.5">
            <p><strong className="font-semibold" data-testid="import-count">{counted(sum.added, 'recipient')}</strong> would be added.</p>
            <p className="text-muted">
              {count(sum.duplicates)} are there already, {count(sum.refused + (read?.bad ?? 0))} can’t be taken, {count(sum.suppressed)} must not be mailed at the moment.
            </p>
            {sum.why.length > 0 && (
              <details className="mt-1">
                <summary className="text-warn">Why not</summary>
                <ul className="mt-1 max-h-32 overflow-y-auto text-muted">{sum.why.slice(0, 200).map((line, index) => <li key={index}>{line}</li>)}</ul>
              </details>
            )}
          </div>
        )}
        <div className="mt-1 flex justify-end gap-2">
          <Button onClick={onClose}>Close</Button>
          <Button tone="main" busy={busy} disabled={sum === undefined || sum.added === 0} onClick={commit}>
            {sum === undefined ? 'Import' : `Import ${counted(sum.added, 'recipient')}`}
          </Button>
        </div>
      </div>
    </Dialog>
  )
}

export function Launch({ campaign, onClose }: { campaign: Campaign; onClose: () => void }) {
  const { act, busy, problem } = useAct(LaunchCampaignDocument, 'launchCampaign')
  const [at, setAt] = useState('')
  const n = campaign.ledger.total
  return (
    <Confirm
      title={`Launch “${campaign.name}”`}
      verb={`Launch to ${counted(n, 'recipient')}`}
      tone="main"
      busy={busy}
      disabled={n === 0}
      problem={problem}
      onClose={onClose}
      onConfirm={async () => {
        if ((await act({ id: campaign.id, sendAt: at === '' ? null : new Date(at).toISOString() })) === undefined) return
        tell(at === '' ? 'Launched.' : 'Launched for later.')
        onClose()
      }}
    >
      <p className="text-muted">
        {n === 0 ? 'It has no recipients yet: import them first.' : 'Its content is frozen, and each recipient gets an email. Who must not be mailed gets none.'}
      </p>
      <Field label="When" hint="Empty for now.">
        <Input type="datetime-local" value={at} onChange={(event) => setAt(event.target.value)} />
      </Field>
    </Confirm>
  )
}

export function CancelCampaign({ campaign, onClose }: { campaign: Campaign; onClose: () => void }) {
  const { act, busy, problem } = useAct(CancelCampaignDocument, 'cancelCampaign')
  const { pending, scheduled, queued } = campaign.ledger
  return (
    <Confirm
      title={`Cancel “${campaign.name}”`}
      verb="Cancel the campaign"
      busy={busy}
      problem={problem}
      onClose={onClose}
      onConfirm={async () => {
        if ((await act({ id: campaign.id })) === undefined) return
        tell('The campaign is cancelled.')
        onClose()
      }}
    >
      <p className="text-muted">
        For good: {counted(pending, 'recipient')} without an email {pending === 1 ? 'gets' : 'get'} none, and {counted(scheduled + queued, 'waiting email')} {scheduled + queued === 1 ? 'is' : 'are'} cancelled. What is under way is asked to stop.
      </p>
    </Confirm>
  )
}

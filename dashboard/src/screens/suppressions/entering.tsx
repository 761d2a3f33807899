import { useState } from 'react'
import { useClient } from 'urql'

import { SuppressDocument, SuppressManyDocument, type SuppressInput, type SuppressionReason } from '../../api/generated.ts'
import { useAct, useService, words } from '../../api/use.ts'
import { Button } from '../../parts/button.tsx'
import { Dialog, FormDialog } from '../../parts/dialog.tsx'
import { Field, FileInput, Input, Select } from '../../parts/field.tsx'
import { count, counted } from '../../parts/format.ts'
import { tell } from '../../parts/notices.tsx'
import { REASONS, reasons } from '../../parts/status.tsx'
import { readEntries, type Read } from './file.ts'

const ENDS = [
  ['', 'Until somebody lifts it'],
  ['7', 'In 7 days'],
  ['30', 'In 30 days'],
  ['365', 'In a year'],
] as const

export function AddDialog({ onClose }: { onClose: () => void }) {
  const { act, busy, problem } = useAct(SuppressDocument, 'suppress')
  const [target, setTarget] = useState('')
  const [reason, setReason] = useState<SuppressionReason>('MANUAL')
  const [note, setNote] = useState('')
  const [days, setDays] = useState('')

  const submit = async () => {
    const expiresAt = days === '' ? null : new Date(Date.now() + Number(days) * 86_400_000).toISOString()
    const done = await act({ input: { target: target.trim(), reason, note: note.trim() || null, expiresAt } })
    if (done === undefined) return
    const stopped = done.suppressed + done.remaining > 0 ? ` ${counted(done.suppressed + done.remaining, 'waiting email')} stopped.` : ''
    const inFlight = done.inFlight.length > 0 ? ` ${counted(done.inFlight.length, 'email')} under way may still arrive.` : ''
    tell(`${target.trim()} is suppressed.${stopped}${inFlight}`)
    onClose()
  }
  return (
    <FormDialog title="Suppress an address or a domain" verb="Suppress" busy={busy} onSubmit={submit} onClose={onClose}>
      <Field label="Address or domain" hint="A domain means every address at it." problem={problem}>
        <Input required data-first="" autoCapitalize="off" spellCheck={false} placeholder="ann@example.com" value={target} onChange={(event) => setTarget(event.target.value)} />
      </Field>
      <Field label="Reason" hint={reasons[reason].means}>
        <Select value={reason} onChange={(event) => setReason(event.target.value as SuppressionReason)} className="w-full">
          {REASONS.map((each) => <option key={each} value={each}>{reasons[each].word}</option>)}
        </Select>
      </Field>
      <Field label="Ends">
        <Select value={days} onChange={(event) => setDays(event.target.value)} className="w-full">
          {ENDS.map(([value, word]) => <option key={value} value={value}>{word}</option>)}
        </Select>
      </Field>
      <Field label="Note">
        <Input maxLength={500} placeholder="Asked by phone" value={note} onChange={(event) => setNote(event.target.value)} />
      </Field>
      <p className="text-muted">Emails that wait for it end as Suppressed. Nothing goes to it from now on.</p>
    </FormDialog>
  )
}

/** Rows that go in one call. */
const GROUP = 1_000

interface Sum {
  entered: number
  stopped: number
  refused: string[]
}

/** Enters a file, after saying what would become of it. */
export function ImportDialog({ onClose }: { onClose: () => void }) {
  const client = useClient()
  const { watch } = useService()
  const [text, setText] = useState<string>()
  const [name, setName] = useState('')
  const [given, setGiven] = useState('')
  const [read, setRead] = useState<Read>()
  const [sum, setSum] = useState<Sum>()
  const [done, setDone] = useState(0)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string>()

  const enter = async (inputs: SuppressInput[], dryRun: boolean): Promise<Sum | undefined> => {
    const total: Sum = { entered: 0, stopped: 0, refused: [] }
    for (let at = 0; at < inputs.length; at += GROUP) {
      setDone(at)
      const { data, error } = await client.mutation(SuppressManyDocument, { inputs: inputs.slice(at, at + GROUP), dryRun }).toPromise()
      if (data === undefined) {
        setProblem(`${words(error)} ${count(total.entered)} were entered before that; the same file may be imported again.`)
        return undefined
      }
      const { entered, suppressed, remaining, userErrors } = data.suppressMany
      total.entered += entered
      total.stopped += suppressed + remaining
      for (const { field, message } of userErrors) {
        const index = Number(field?.[1] ?? Number.NaN)
        total.refused.push(`${inputs[at + index]?.target ?? 'A row'}: ${message}`)
      }
    }
    return total
  }

  const look = async (file: string, reason: string) => {
    setProblem(undefined)
    setSum(undefined)
    setRead(undefined)
    const entries = readEntries(file, (reason || undefined) as SuppressionReason | undefined)
    if (typeof entries === 'string') return setProblem(entries)
    setBusy(true)
    setRead(entries)
    setSum(await enter(entries.inputs, true))
    setBusy(false)
  }
  const commit = async () => {
    if (read === undefined) return
    setBusy(true)
    const total = await enter(read.inputs, false)
    setBusy(false)
    watch.ask()
    if (total === undefined) return
    tell(`${counted(total.entered, 'entry', 'entries')} entered, ${counted(total.stopped, 'waiting email')} stopped.`)
    onClose()
  }
  const refused = [...(read?.bad.map(({ row, why }) => `Row ${row}: ${why}`) ?? []), ...(sum?.refused ?? [])]

  return (
    <Dialog title="Import suppressions" onClose={onClose}>
      <div className="flex flex-col gap-3 p-4">
        <Field
          label="CSV file"
          hint="A list of addresses, one of Mailgun’s exports, or our own: address, reason, note, expires_at."
          problem={problem}
        >
          <FileInput
            onFile={async (file) => {
              const content = await file.text()
              setName(file.name)
              setText(content)
              await look(content, given)
            }}
          />
        </Field>
        <Field label="Reason">
          <Select
            value={given}
            className="w-full"
            onChange={(event) => {
              setGiven(event.target.value)
              if (text !== undefined) void look(text, event.target.value)
            }}
          >
            <option value="">As the file says</option>
            {REASONS.map((reason) => <option key={reason} value={reason}>{reasons[reason].word}</option>)}
          </Select>
        </Field>
        {busy && <p role="status" className="text-muted">{sum === undefined ? 'Looking' : 'Entering'}… {count(done)} of {count(read?.inputs.length ?? 0)}</p>}
        {!busy && sum !== undefined && read !== undefined && (
          <div role="status" className="rounded-lg border border-line bg-canvas px-3 py-2.5">
            <p><strong className="font-semibold" data-testid="import-count">{counted(sum.entered, 'entry', 'entries')}</strong> would be entered from {name}.</p>
            <p className="text-muted">{counted(sum.stopped, 'waiting email')} would be stopped.</p>
            {refused.length > 0 && (
              <details className="mt-1">
                <summary className="text-warn">{counted(refused.length, 'row')} can’t be entered</summary>
                <ul className="mt-1 max-h-32 overflow-y-auto text-muted">{refused.slice(0, 200).map((line, index) => <li key={index}>{line}</li>)}</ul>
              </details>
            )}
          </div>
        )}
        <div className="mt-1 flex justify-end gap-2">
          <Button onClick={onClose}>Close</Button>
          <Button tone="main" busy={busy} disabled={sum === undefined || sum.entered === 0} onClick={commit}>
            {sum === undefined ? 'Import' : `Import ${counted(sum.entered, 'entry', 'entries')}`}
          </Button>
        </div>
      </div>
    </Dialog>
  )
}

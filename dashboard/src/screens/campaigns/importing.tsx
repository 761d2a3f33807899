import { useState } from 'react'
import { useClient } from 'urql'

import { AddRecipientsDocument, type CampaignPageFragment, type RecipientInput } from '../../api/generated.ts'
import { useService, words } from '../../api/use.ts'
import { Button } from '../../parts/button.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { Field, FileInput } from '../../parts/field.tsx'
import { count, counted } from '../../parts/format.ts'
import { tell } from '../../parts/notices.tsx'
import { type Read, readRecipients } from './recipients.ts'

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
export function ImportRecipients({ campaign, onClose }: { campaign: CampaignPageFragment; onClose: () => void }) {
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
          <FileInput onFile={async (file) => look(await file.text())} />
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

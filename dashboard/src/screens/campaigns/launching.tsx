import { useState } from 'react'

import { CancelCampaignDocument, type CampaignPageFragment, LaunchCampaignDocument } from '../../api/generated.ts'
import { useAct } from '../../api/use.ts'
import { Confirm } from '../../parts/dialog.tsx'
import { Field, Input } from '../../parts/field.tsx'
import { counted } from '../../parts/format.ts'
import { tell } from '../../parts/notices.tsx'

type Campaign = CampaignPageFragment

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

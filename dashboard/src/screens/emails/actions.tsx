import { type FormEvent, useState } from 'react'

import {
  CancelEmailDocument,
  type EmailLifeFragment,
  RescheduleEmailDocument,
  ResolveEmailDocument,
  RetryEmailDocument,
} from '../../api/generated.ts'
import { useAct } from '../../api/use.ts'
import { Button } from '../../parts/button.tsx'
import { Confirm, Dialog } from '../../parts/dialog.tsx'
import { Field, Input } from '../../parts/field.tsx'
import { Clock, Retry, Slash } from '../../parts/icons.tsx'
import { tell } from '../../parts/notices.tsx'
import { useMay } from '../../session/viewer.tsx'

type Email = EmailLifeFragment
export type Action = 'cancel' | 'retry' | 'reschedule' | 'resolve'

/** What can be done about an email where it stands; the service decides anew. */
export function actionsOf(email: Pick<Email, 'status' | 'cancelRequested' | 'suppression'>): Action[] {
  switch (email.status) {
    case 'SCHEDULED':
    case 'QUEUED':
      return ['reschedule', 'cancel']
    case 'SENDING':
      return email.cancelRequested ? [] : ['cancel']
    case 'UNCONFIRMED':
      return email.cancelRequested ? ['resolve'] : ['resolve', 'cancel']
    case 'FAILED':
      return ['retry']
    case 'SUPPRESSED':
      return email.suppression == null ? ['retry'] : []
    default:
      return []
  }
}

export function Actions({ email }: { email: Email }) {
  const manages = useMay('MANAGE')
  const [open, setOpen] = useState<Action>()
  const retry = useAct(RetryEmailDocument, 'retryEmail')
  const actions = actionsOf(email)
  if (!manages || actions.length === 0) return null
  const close = () => setOpen(undefined)
  return (
    <div className="mt-3 flex flex-wrap gap-2">
      {actions.includes('retry') && (
        <Button
          tone="main"
          busy={retry.busy}
          onClick={async () => {
            if ((await retry.act({ id: email.id })) !== undefined) tell('Queued again, with all its tries.')
          }}
        >
          <Retry />
          Retry
        </Button>
      )}
      {actions.includes('resolve') && <Button tone="main" onClick={() => setOpen('resolve')}>Say what became of it</Button>}
      {actions.includes('reschedule') && <Button onClick={() => setOpen('reschedule')}><Clock />Reschedule</Button>}
      {actions.includes('cancel') && <Button tone="danger" onClick={() => setOpen('cancel')}><Slash />Cancel</Button>}
      {retry.problem !== undefined && <p role="alert" className="w-full text-bad">{retry.problem}</p>}
      {open === 'cancel' && <Cancel email={email} onClose={close} />}
      {open === 'reschedule' && <Reschedule email={email} onClose={close} />}
      {open === 'resolve' && <Resolve email={email} onClose={close} />}
    </div>
  )
}

interface ActionProps {
  email: Email
  onClose: () => void
}

function Cancel({ email, onClose }: ActionProps) {
  const { act, busy, problem } = useAct(CancelEmailDocument, 'cancelEmail')
  const underWay = email.status === 'SENDING' || email.status === 'UNCONFIRMED'
  return (
    <Confirm
      title="Cancel this email"
      verb="Cancel the email"
      busy={busy}
      problem={problem}
      onClose={onClose}
      onConfirm={async () => {
        if ((await act({ id: email.id })) === undefined) return
        tell(underWay ? 'Asked to stop.' : 'Cancelled.')
        onClose()
      }}
    >
      <p className="text-muted">
        {underWay
          ? 'It is under way: it ends as Cancelled only if it turns out not to have left.'
          : 'It is not sent, and can’t be taken up again: send it anew if it is needed after all.'}
      </p>
    </Confirm>
  )
}

/** The value of a `datetime-local` field for a time, in the machine's own zone. */
export function localField(at: Date): string {
  const pair = (n: number) => String(n).padStart(2, '0')
  return `${at.getFullYear()}-${pair(at.getMonth() + 1)}-${pair(at.getDate())}T${pair(at.getHours())}:${pair(at.getMinutes())}`
}

function Reschedule({ email, onClose }: ActionProps) {
  const { act, busy, problem } = useAct(RescheduleEmailDocument, 'rescheduleEmail')
  const [at, setAt] = useState(() => localField(new Date(Math.max(Date.now() + 3_600_000, Date.parse(email.sendAt)))))
  const move = async (sendAt: string) => {
    if ((await act({ id: email.id, sendAt })) === undefined) return
    tell('Moved.')
    onClose()
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    void move(new Date(at).toISOString())
  }
  return (
    <Dialog title="Reschedule this email" onClose={onClose}>
      <form onSubmit={submit} className="flex flex-col gap-3 p-4">
        <Field label="Send at" hint={`In the time zone of this machine (${Intl.DateTimeFormat().resolvedOptions().timeZone}).`} problem={problem}>
          <Input type="datetime-local" required value={at} onChange={(event) => setAt(event.target.value)} />
        </Field>
        <div className="mt-1 flex justify-end gap-2">
          <Button disabled={busy} onClick={() => move(new Date().toISOString())}>Send now</Button>
          <Button tone="main" type="submit" busy={busy}>Reschedule</Button>
        </div>
      </form>
    </Dialog>
  )
}

function Resolve({ email, onClose }: ActionProps) {
  const { act, busy, problem } = useAct(ResolveEmailDocument, 'resolveEmail')
  const say = async (sent: boolean) => {
    if ((await act({ id: email.id, sent })) === undefined) return
    tell(sent ? 'Taken as sent.' : 'It goes again.')
    onClose()
  }
  return (
    <Dialog title="Did Mailgun get it?" onClose={onClose}>
      <div className="flex flex-col gap-3 p-4">
        <p className="text-muted">
          Mailgun’s answer never came. Look for this recipient in Mailgun’s own log, then say what you found: sent again although Mailgun has it, it arrives twice.
        </p>
        {problem !== undefined && <p role="alert" className="text-bad">{problem}</p>}
        <div className="mt-1 flex flex-wrap justify-end gap-2">
          <Button tone="danger" busy={busy} onClick={() => say(false)}>It has not: send it again</Button>
          <Button tone="main" busy={busy} onClick={() => say(true)}>Mailgun has it</Button>
        </div>
      </div>
    </Dialog>
  )
}

import { useEffect, useState } from 'react'

import { CancelEmailsDocument, type EmailFilter, RetryFailedEmailsDocument } from '../../api/generated.ts'
import { useAct } from '../../api/use.ts'
import { Confirm } from '../../parts/dialog.tsx'
import { count, counted } from '../../parts/format.ts'
import { tell } from '../../parts/notices.tsx'

/** At most so many are retried by one press; the rest by the next. */
const LIMIT = 100_000

interface BulkProps {
  filter: EmailFilter
  /** Which emails they are, in words. */
  which: string
  onClose: () => void
}

interface Counted {
  n: number
  capped: boolean
}

/** Cancels all that match, after saying how many they are. */
export function CancelAll({ filter, which, onClose }: BulkProps) {
  const { act, busy, problem } = useAct(CancelEmailsDocument, 'cancelEmails')
  const [found, setFound] = useState<Counted>()
  useEffect(() => {
    void act({ filter, dryRun: true }).then((payload) => {
      if (payload !== undefined) setFound({ n: payload.cancelled + payload.asked + payload.remaining, capped: payload.remainingIsCapped })
    })
  }, [])
  return (
    <Confirm
      title="Cancel emails"
      verb={found === undefined ? 'Counting…' : `Cancel ${counted(found.n, 'email', 'emails', found.capped)}`}
      busy={busy}
      disabled={found === undefined || found.n === 0}
      problem={problem}
      onClose={onClose}
      onConfirm={async () => {
        const done = await act({ filter, dryRun: false })
        if (done === undefined) return
        const more = done.remaining > 0 ? ` ${count(done.remaining, done.remainingIsCapped)} more are being cancelled.` : ''
        tell(`${counted(done.cancelled, 'email')} cancelled, ${count(done.asked)} under way asked to stop.${more}`)
        onClose()
      }}
    >
      <Found found={found} none="None of them waits: there is nothing to cancel." some={`${which} wait or are under way and end as Cancelled. One that has already left may still arrive.`} />
    </Confirm>
  )
}

/** Queues all that failed and match anew, after saying how many they are. */
export function RetryAll({ filter, which, onClose }: BulkProps) {
  const { act, busy, problem } = useAct(RetryFailedEmailsDocument, 'retryFailedEmails')
  const [found, setFound] = useState<Counted>()
  useEffect(() => {
    void act({ filter, limit: LIMIT, dryRun: true }).then((payload) => {
      if (payload !== undefined) setFound({ n: payload.retried + payload.remaining, capped: payload.remainingIsCapped })
    })
  }, [])
  return (
    <Confirm
      title="Retry failed emails"
      verb={found === undefined ? 'Counting…' : `Retry ${counted(found.n, 'email', 'emails', found.capped)}`}
      tone="main"
      busy={busy}
      disabled={found === undefined || found.n === 0}
      problem={problem}
      onClose={onClose}
      onConfirm={async () => {
        const done = await act({ filter, limit: LIMIT, dryRun: false })
        if (done === undefined) return
        const more = done.remaining > 0 ? ` ${count(done.remaining, done.remainingIsCapped)} more follow.` : ''
        tell(`${counted(done.retried, 'email')} queued again.${more}`)
        onClose()
      }}
    >
      <Found found={found} none="None of them has failed: there is nothing to retry." some={`${which} failed and are queued again, each with all its tries. None of them is known to have reached anybody.`} />
    </Confirm>
  )
}

function Found({ found, none, some }: { found: Counted | undefined; none: string; some: string }) {
  if (found === undefined) return <p className="text-muted" role="status">Counting…</p>
  if (found.n === 0) return <p className="text-muted">{none}</p>
  return (
    <p className="text-muted">
      <strong className="font-semibold text-text" data-testid="bulk-count">{counted(found.n, 'email', 'emails', found.capped)}</strong> {some}
    </p>
  )
}

import { type SuppressionReason, UnsuppressDocument } from '../../api/generated.ts'
import { useAct } from '../../api/use.ts'
import { Confirm } from '../../parts/dialog.tsx'
import { tell } from '../../parts/notices.tsx'
import { reasons } from '../../parts/status.tsx'

/** Lifts one reason, or all, after saying what that means. */
export function LiftConfirm({ target, reason, onClose }: { target: string; reason: SuppressionReason | undefined; onClose: () => void }) {
  const { act, busy, problem } = useAct(UnsuppressDocument, 'unsuppress')
  const risky = reason === 'COMPLAINT' || reason === 'UNSUBSCRIBE' || reason === undefined
  return (
    <Confirm
      title={`Lift: ${target}`}
      verb="Lift it"
      busy={busy}
      problem={problem}
      onClose={onClose}
      onConfirm={async () => {
        const done = await act({ target, reasons: reason === undefined ? null : [reason] })
        if (done === undefined) return
        const still = done.stillBlockedBy.map((entry) => reasons[entry.reason].word.toLowerCase()).join(', ')
        tell(still === '' ? `${target} may be mailed again.` : `Lifted. ${target} is still blocked: ${still}.`)
        onClose()
      }}
    >
      <p className="text-muted">
        {reason === undefined ? 'Whatever blocks it is lifted.' : `“${reasons[reason].word}” no longer blocks it.`} Emails that ended as Suppressed stay so until they are retried.
      </p>
      {risky && (
        <p className="rounded-lg bg-warn-soft px-3 py-2 text-warn">
          Its owner may have asked for no more mail. Lift it only if they asked for it again: mail that nobody wants costs the reputation of every sender here.
        </p>
      )}
    </Confirm>
  )
}

import { Link } from '@tanstack/react-router'

import type { EmailStatus, QueueNowFragment } from '../../api/generated.ts'
import { count, share } from '../../parts/format.ts'
import { Panel } from '../../parts/panel.tsx'
import { statuses } from '../../parts/status.tsx'

type Ledger = QueueNowFragment['ledger']

interface Step {
  word: string
  means: string
  n: number
}

/** Where emails come through, and how many; each step holds those of the next. */
export function steps(ledger: Ledger): Step[] {
  const delivered = ledger.delivered + ledger.complained
  const handed = ledger.sent + ledger.deferred + ledger.bounced + delivered
  return [
    { word: 'Accepted', means: 'Taken in by this service, but for those cleaned away since', n: ledger.total - ledger.pending - ledger.cleaned },
    { word: 'With Mailgun', means: 'Handed over, whatever became of them', n: handed },
    { word: 'Delivered', means: 'Taken by the recipients’ servers, complaints included', n: delivered },
  ]
}

/** What does not go on, in the order in which it leaves. */
const leaving: readonly { status: EmailStatus; field: keyof Ledger }[] = [
  { status: 'SUPPRESSED', field: 'suppressed' },
  { status: 'CANCELLED', field: 'cancelled' },
  { status: 'FAILED', field: 'failed' },
  { status: 'EXPIRED', field: 'expired' },
  { status: 'DEFERRED', field: 'deferred' },
  { status: 'BOUNCED', field: 'bounced' },
  { status: 'COMPLAINED', field: 'complained' },
]

export function Funnel({ ledger }: { ledger: Ledger }) {
  const [first, ...rest] = steps(ledger)
  const whole = first?.n ?? 0
  return (
    <Panel title="Delivery">
      <div className="flex flex-1 flex-col gap-4 p-4">
        <ol className="flex flex-col gap-3">
          {[first, ...rest].map((step) => step !== undefined && (
            <li key={step.word} title={step.means}>
              <div className="mb-1 flex items-baseline gap-2">
                <span className="flex-1">{step.word}</span>
                <span className="font-semibold" data-testid={`funnel-${step.word}`}>{count(step.n)}</span>
                <span className="w-12 text-end text-muted">{share(step.n, whole)}</span>
              </div>
              <div aria-hidden="true" className="h-1.5 rounded-full bg-sunken">
                <div className="h-full rounded-full bg-accent" style={{ width: `${whole === 0 ? 0 : (step.n / whole) * 100}%` }} />
              </div>
            </li>
          ))}
        </ol>
        <ul className="mt-auto grid grid-cols-2 gap-x-5 border-t border-line pt-3">
          {leaving.map(({ status, field }) => {
            const { icon: Icon, colour, word, means } = statuses[status]
            const n = ledger[field]
            return (
              <li key={status}>
                <Link to="/emails" search={{ status }} title={means} className="flex items-center gap-1.5 rounded py-0.5 hover:text-accent">
                  <Icon className={`size-3.5 ${n === 0 ? 'text-faint' : colour}`} />
                  <span className="flex-1 text-muted">{word}</span>
                  <span className={n === 0 ? 'text-faint' : ''}>{count(n)}</span>
                </Link>
              </li>
            )
          })}
        </ul>
      </div>
    </Panel>
  )
}

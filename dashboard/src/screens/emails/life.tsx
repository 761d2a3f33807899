import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'

import type { EmailLifeFragment, TimelineKind } from '../../api/generated.ts'
import { sentence } from '../../api/use.ts'
import { phrase, span } from '../../parts/format.ts'
import * as icons from '../../parts/icons.tsx'
import { Badge, reasons } from '../../parts/status.tsx'
import { Ago, Time } from '../../parts/time.tsx'

type Icon = (props: { className?: string }) => ReactNode

const kinds: Record<TimelineKind, [Icon, string]> = {
  ACCEPTED: [icons.Envelope, 'text-muted'],
  ATTEMPT: [icons.Way, 'text-info'],
  BOUNCED: [icons.Back, 'text-bad'],
  CANCELLED: [icons.Slash, 'text-muted'],
  CANCEL_REQUESTED: [icons.Slash, 'text-muted'],
  CLICKED: [icons.Pointer, 'text-muted'],
  COMPLAINED: [icons.Flag, 'text-odd'],
  DEFERRED: [icons.Wait, 'text-warn'],
  DELIVERED: [icons.Tick, 'text-good'],
  EXPIRED: [icons.Late, 'text-muted'],
  FAILED: [icons.Cross, 'text-bad'],
  HELD: [icons.Pause, 'text-warn'],
  OPENED: [icons.Eye, 'text-muted'],
  REJECTED: [icons.Cross, 'text-bad'],
  REPORTED: [icons.Question, 'text-muted'],
  RETRY: [icons.Retry, 'text-warn'],
  SCHEDULED: [icons.Clock, 'text-muted'],
  SENT: [icons.Sent, 'text-info'],
  SUPPRESSED: [icons.Shield, 'text-muted'],
  UNCONFIRMED: [icons.Question, 'text-warn'],
  UNSUBSCRIBED: [icons.Leave, 'text-odd'],
  WAITING: [icons.Ring, 'text-muted'],
}

/** What happened to an email, in order and in words. */
export function Life({ email }: { email: EmailLifeFragment }) {
  return (
    <div className="flex flex-col gap-5 p-4">
      {email.suppression != null && <WhySuppressed suppression={email.suppression} />}
      <ol aria-label="What happened">
        {email.timeline.map(({ at, kind, words }, index) => {
          const [Icon, colour] = kinds[kind]
          const last = index === email.timeline.length - 1
          return (
            <li key={`${at} ${kind} ${index}`} className="relative flex gap-3 pb-3.5 last:pb-0">
              {!last && <span aria-hidden="true" className="absolute start-[7.5px] top-5 bottom-0.5 w-px bg-line" />}
              <Icon className={`mt-0.5 size-4 bg-surface ${colour}`} />
              <p className="min-w-0 flex-1">{sentence(words)}</p>
              <span className="shrink-0 text-muted"><Time at={at} /></span>
            </li>
          )
        })}
      </ol>
      {email.attempts.length > 0 && <Attempts attempts={email.attempts} most={email.maxAttempts} />}
      <Engagement email={email} />
    </div>
  )
}

function WhySuppressed({ suppression }: { suppression: NonNullable<EmailLifeFragment['suppression']> }) {
  const { reason, scope, target, note, occurredAt, expiresAt } = suppression
  return (
    <section aria-label="Why suppressed" className="rounded-lg border border-line bg-canvas px-3 py-2.5">
      <p className="flex flex-wrap items-center gap-x-3 font-medium">
        <Badge look={reasons[reason]} />
        {scope === 'DOMAIN' ? `Nobody at ${target} may be mailed` : 'This recipient may not be mailed'}
      </p>
      <p className="mt-1 text-muted">
        {reasons[reason].means} Since <Ago at={occurredAt} />, {expiresAt == null ? 'until somebody lifts it' : <>ends <Ago at={expiresAt} /></>}.
        {note != null && note !== '' && <> {sentence(note)}</>}
      </p>
      <Link to="/suppressions" search={{ ask: target }} className="mt-1 inline-block text-accent hover:underline">All of what is known of it</Link>
    </section>
  )
}

function Attempts({ attempts, most }: { attempts: EmailLifeFragment['attempts']; most: number }) {
  return (
    <section aria-label="Tries">
      <h3 className="mb-1.5">Tries <span className="font-normal text-muted">of {most} at most</span></h3>
      <table className="w-full">
        <thead className="text-muted">
          <tr>
            <th scope="col" className="w-8 py-1">#</th>
            <th scope="col" className="py-1">Outcome</th>
            <th scope="col" className="py-1 text-end">Answer</th>
            <th scope="col" className="py-1 text-end">Took</th>
            <th scope="col" className="py-1 text-end">Began</th>
          </tr>
        </thead>
        {attempts.map(({ number, outcome, httpStatus, error, startedAt, finishedAt }, index) => (
          <tbody key={index} className="border-t border-line">
            <tr>
              <td className="py-1.5 text-muted">{number}</td>
              <td>{outcome == null ? 'Under way' : phrase(outcome)}</td>
              <td className="text-end">{httpStatus ?? '–'}</td>
              <td className="text-end whitespace-nowrap">{finishedAt == null ? '–' : took(startedAt, finishedAt)}</td>
              <td className="text-end whitespace-nowrap text-muted"><Time at={startedAt} /></td>
            </tr>
            {error != null && <tr><td /><td colSpan={4} className="pb-2 text-muted">{error}</td></tr>}
          </tbody>
        ))}
      </table>
    </section>
  )
}

function took(from: string, to: string): string {
  const milliseconds = Date.parse(to) - Date.parse(from)
  return milliseconds < 1_000 ? `${milliseconds} ms` : span(milliseconds)
}

function Engagement({ email: { opens, clicks } }: { email: EmailLifeFragment }) {
  if (opens.count + opens.machineCount + clicks.count + clicks.machineCount === 0) return null
  return (
    <section aria-label="Opens and clicks">
      <h3 className="mb-1.5">Opens and clicks</h3>
      <dl className="grid grid-cols-2 gap-3">
        {([['Opened', opens], ['Clicked', clicks]] as const).map(([word, { count, machineCount, firstAt }]) => (
          <div key={word} className="rounded-lg border border-line px-3 py-2">
            <dt className="text-muted">{word}</dt>
            <dd>
              <span className="text-base font-semibold">{count}</span> by people
              {machineCount > 0 && <span className="text-muted">, {machineCount} by machines</span>}
              {firstAt != null && <span className="block text-muted">First <Time at={firstAt} /></span>}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

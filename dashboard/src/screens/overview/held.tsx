import { useState } from 'react'

import type { OverviewQuery, QueueNowFragment } from '../../api/generated.ts'
import { sentence } from '../../api/use.ts'
import { Button } from '../../parts/button.tsx'
import { Pause, Slash, Wait } from '../../parts/icons.tsx'
import { Panel } from '../../parts/panel.tsx'
import { Empty, Loading, Problem } from '../../parts/states.tsx'
import { Ago } from '../../parts/time.tsx'
import { useMay } from '../../session/viewer.tsx'
import { ResumeConfirm } from './pausing.tsx'

type Hold = OverviewQuery['holds'][number]

/** Everything that makes emails wait, and why. */
export function Held({
  holds,
  breakers,
  error,
  waiting,
  title = 'Held',
}: {
  holds: readonly Hold[] | undefined
  breakers: QueueNowFragment['breakers']
  error?: Parameters<typeof Problem>[0]['error'] | undefined
  waiting: number
  title?: string
}) {
  const manages = useMay('MANAGE')
  const [resuming, setResuming] = useState<Hold>()
  return (
    <Panel title={title}>
      {holds === undefined ? (
        error === undefined ? <Loading rows={3} /> : <Problem error={error} />
      ) : holds.length + breakers.length === 0 ? (
        <Empty good title="Nothing is held">Every email that is due may go.</Empty>
      ) : (
        <ul>
          {breakers.map((breaker) => (
            <li key={breaker.domain ?? ''} className="flex gap-3 border-b border-line px-4 py-2.5 last:border-0">
              <Slash className="mt-0.5 size-4 text-bad" />
              <div className="min-w-0">
                <p className="font-medium">{breaker.domain == null ? 'The way to Mailgun is closed' : `The way to Mailgun is closed for ${breaker.domain}`}</p>
                {breaker.reason != null && <p className="text-muted">{sentence(breaker.reason)}</p>}
                <p className="text-muted">
                  {breaker.openedAt != null && <>Since <Ago at={breaker.openedAt} />. </>}
                  {breaker.probeAt != null && <>One email tries it again <Ago at={breaker.probeAt} />.</>}
                </p>
              </div>
            </li>
          ))}
          {holds.map((hold) => (
            <li key={`${hold.cause} ${hold.scope} ${hold.subject}`} className="flex items-start gap-3 border-b border-line px-4 py-2.5 last:border-0">
              {hold.cause === 'PAUSE' ? <Pause className="mt-0.5 size-4 text-warn" /> : <Wait className="mt-0.5 size-4 text-warn" />}
              <div className="min-w-0 flex-1">
                <p>{sentence(hold.description)}</p>
                <p className="text-muted">Since <Ago at={hold.createdAt} />{hold.until != null && <>, ends <Ago at={hold.until} /></>}</p>
              </div>
              {manages && hold.cause === 'PAUSE' && <Button small onClick={() => setResuming(hold)}>Resume</Button>}
            </li>
          ))}
        </ul>
      )}
      {resuming !== undefined && (
        <ResumeConfirm scope={resuming.scope} subject={resuming.subject ?? null} waiting={waiting} onClose={() => setResuming(undefined)} />
      )}
    </Panel>
  )
}

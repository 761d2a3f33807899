import { Link } from '@tanstack/react-router'
import { type ReactNode, useState } from 'react'

import { OverviewDocument, QueueDocument, type QueueNowFragment } from '../../api/generated.ts'
import { useFresh } from '../../api/use.ts'
import { Button } from '../../parts/button.tsx'
import { count, phrase } from '../../parts/format.ts'
import { Cross, Pause, Play } from '../../parts/icons.tsx'
import { Head, Panel } from '../../parts/panel.tsx'
import { Empty, Loading, Problem } from '../../parts/states.tsx'
import { Age, Ago } from '../../parts/time.tsx'
import { useMay } from '../../session/viewer.tsx'
import { Alerts } from './alerts.tsx'
import { Funnel } from './funnel.tsx'
import { Held } from './held.tsx'
import { Outcomes } from './outcomes.tsx'
import { PauseDialog, ResumeConfirm } from './pausing.tsx'
import { ReportWarnings } from './reports.tsx'

/** How the queue stands, and what needs somebody. */
export function Overview() {
  const manages = useMay('MANAGE')
  const { result: queue, ask } = useFresh(QueueDocument, {})
  const stats = queue.data?.queueStats
  // What the tallies say is how one knows that the rest may be another.
  const changed = JSON.stringify([stats?.ledger, stats?.pauses, stats?.breakers])
  const { result: rest } = useFresh(OverviewDocument, {}, { changed, pause: 2_000 })
  const [dialog, setDialog] = useState<'pause' | 'resume'>()

  if (stats === undefined) {
    return (
      <>
        <Head title="Overview" />
        <div className="panel">{queue.error === undefined ? <Loading /> : <Problem error={queue.error} again={ask} />}</div>
      </>
    )
  }
  const latest = rest.data?.latest.nodes[0]
  return (
    <>
      <Head title="Overview">
        <span className="hidden text-muted sm:inline">
          {latest === undefined ? 'Mailgun has reported nothing yet' : <>Mailgun last reported <Ago at={latest.recordedAt} /></>}
        </span>
        {manages &&
          (stats.paused ? (
            <Button tone="main" onClick={() => setDialog('resume')}><Play />Resume</Button>
          ) : (
            <Button onClick={() => setDialog('pause')}><Pause />Pause</Button>
          ))}
      </Head>
      <Alerts />
      {stats.paused && <PausedBar stats={stats} />}
      <ReportWarnings domains={stats.reconciliation} />
      <Numbers stats={stats} />
      <div className="mt-4 grid grid-cols-[minmax(0,1fr)] gap-4 lg:grid-cols-3">
        <Outcomes changed={changed} />
        <Funnel ledger={stats.ledger} />
        <Lanes lanes={stats.lanes} />
        <Held holds={rest.data?.holds} breakers={stats.breakers} error={rest.error} waiting={stats.waiting} />
        <Failures groups={rest.data?.failures} />
      </div>
      {dialog === 'pause' && <PauseDialog waiting={stats.waiting} onClose={() => setDialog(undefined)} />}
      {dialog === 'resume' && <ResumeConfirm scope="QUEUE" subject={null} waiting={stats.waiting} onClose={() => setDialog(undefined)} />}
    </>
  )
}

function PausedBar({ stats }: { stats: QueueNowFragment }) {
  const pause = stats.pauses.find(({ scope }) => scope === 'QUEUE')
  return (
    <p role="status" className="mb-4 flex flex-wrap items-center gap-x-2 rounded-lg bg-warn-soft px-4 py-2.5 text-warn">
      <Pause />
      <strong className="font-semibold">Sending is paused</strong>
      {pause !== undefined && <span>since <Ago at={pause.createdAt} />{pause.until != null && <>, ends <Ago at={pause.until} /></>}</span>}
      {pause?.reason != null && <span>· {pause.reason}</span>}
    </p>
  )
}

function Numbers({ stats }: { stats: QueueNowFragment }) {
  const numbers: { word: string; means: string; n: ReactNode; tone?: string; status?: string }[] = [
    { word: 'Waiting', means: 'Due, and waiting for a free slot or the end of a hold', n: count(stats.waiting), status: 'QUEUED' },
    { word: 'Sending', means: 'Being handed to Mailgun', n: count(stats.active - stats.unconfirmed), status: 'SENDING' },
    { word: 'Unconfirmed', means: 'Perhaps with Mailgun: its answer never came', n: count(stats.unconfirmed), status: 'UNCONFIRMED', ...(stats.unconfirmed > 0 ? { tone: 'text-warn' } : {}) },
    { word: 'Scheduled', means: 'Due later, waits between tries included', n: count(stats.delayed), status: 'SCHEDULED' },
    { word: 'Failed', means: 'Ended without Mailgun; they can be retried', n: count(stats.failed), status: 'FAILED', ...(stats.failed > 0 ? { tone: 'text-bad' } : {}) },
    { word: 'Sent a minute', means: 'Accepted by Mailgun in the last minute', n: count(Math.round(stats.sentPerMinute)) },
    {
      word: 'Oldest waiting',
      means: 'How long the longest waiting email that nothing holds has been due',
      n: stats.oldestWaitingAt == null ? <span className="text-faint">–</span> : <Age since={stats.oldestWaitingAt} />,
    },
  ]
  return (
    <dl className="panel grid grid-cols-2 overflow-hidden sm:grid-cols-4 lg:grid-cols-7">
      {numbers.map(({ word, means, n, tone = '', status }) => (
        <div key={word} title={means} className="-ms-px -mt-px flex flex-col-reverse max-lg:last:col-span-2 justify-end border-s border-t border-line px-4 py-3">
          <dt className="text-muted">
            {status === undefined ? word : <Link to="/emails" search={{ status }} className="rounded hover:text-accent hover:underline">{word}</Link>}
          </dt>
          <dd className={`text-xl leading-7 font-semibold tracking-tight ${tone}`} data-testid={`number-${word}`}>{n}</dd>
        </div>
      ))}
    </dl>
  )
}

function Lanes({ lanes }: { lanes: QueueNowFragment['lanes'] }) {
  const order = { HIGH: 0, NORMAL: 1, LOW: 2 }
  const sorted = [...lanes].sort((one, other) => order[one.priority] - order[other.priority])
  return (
    <Panel title="By priority">
      <table className="w-full">
        <thead className="text-muted">
          <tr>
            <th scope="col" className="px-4 py-2">Priority</th>
            <th scope="col" className="py-2 ps-2 text-end">Waiting</th>
            <th scope="col" className="py-2 ps-2 text-end" title="Sending or unconfirmed">Active</th>
            <th scope="col" className="py-2 ps-2 text-end">Later</th>
            <th scope="col" className="px-4 py-2 text-end">Oldest</th>
          </tr>
        </thead>
        <tbody>
          {sorted.map(({ priority, waiting, active, delayed, oldestDueAt }) => (
            <tr key={priority} className="border-t border-line">
              <th scope="row" className="px-4 py-2">
                <Link to="/emails" search={{ priority }} className="rounded hover:text-accent">{phrase(priority)}</Link>
              </th>
              {[waiting, active, delayed].map((n, index) => (
                <td key={index} className={`py-2 text-end ${n === 0 ? 'text-faint' : ''}`}>{count(n)}</td>
              ))}
              <td className="px-4 py-2 text-end whitespace-nowrap">{oldestDueAt == null ? <span className="text-faint">–</span> : <Age since={oldestDueAt} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  )
}

interface Group {
  cause: string
  status: string
  count: number
}

function Failures({ groups }: { groups: readonly Group[] | undefined }) {
  return (
    <Panel
      title="Failed or held, by cause"
      extra={<Link to="/emails" search={{ view: 'causes' }} className="text-accent hover:underline">All</Link>}
    >
      {groups === undefined ? (
        <Loading rows={3} />
      ) : groups.length === 0 ? (
        <Empty good title="Nothing stands still">No email has failed, and none is held.</Empty>
      ) : (
        <ul>
          {groups.map(({ cause, status, count: n }) => (
            <li key={`${status} ${cause}`} className="flex items-start gap-3 border-b border-line px-4 py-2.5 last:border-0">
              {status === 'FAILED' ? <Cross className="mt-0.5 size-4 text-bad" /> : <Pause className="mt-0.5 size-4 text-warn" />}
              <span className="line-clamp-2 min-w-0 flex-1" title={cause}>{cause}</span>
              <span className="text-end"><span className="font-medium">{count(n)}</span> <span className="text-muted">{status === 'FAILED' ? 'failed' : 'waiting'}</span></span>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  )
}

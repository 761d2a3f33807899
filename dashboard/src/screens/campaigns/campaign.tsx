import { getRouteApi, Link } from '@tanstack/react-router'
import { lazy, type ReactNode, Suspense, useState } from 'react'
import { useSubscription } from 'urql'

import { CampaignChangedDocument, CampaignDocument, type CampaignPageFragment, type CampaignQuery, type EmailStatus, PauseDocument, ResumeDocument } from '../../api/generated.ts'
import { useAct, useFresh } from '../../api/use.ts'
import { Button } from '../../parts/button.tsx'
import { count, share } from '../../parts/format.ts'
import { Overview as Bars, Pause, Play, Retry, Slash, Table, Upload, Way } from '../../parts/icons.tsx'
import { tell } from '../../parts/notices.tsx'
import { Head, Panel } from '../../parts/panel.tsx'
import { patiently } from '../../parts/patiently.ts'
import { Empty, Loading, Problem } from '../../parts/states.tsx'
import { Badge, statuses } from '../../parts/status.tsx'
import { Ago, Time } from '../../parts/time.tsx'
import { useMay } from '../../session/viewer.tsx'
import { RetryAll } from '../emails/bulk.tsx'
import { Progress } from './campaigns.tsx'
import { ImportRecipients } from './importing.tsx'
import { CancelCampaign, Launch } from './launching.tsx'
import { campaignStatuses } from './looks.ts'

const Chart = lazy(patiently(() => import('../../parts/chart.tsx')))
const route = getRouteApi('/campaigns/$id')

type Shown = CampaignPageFragment
type Point = NonNullable<CampaignQuery['campaign']>['history'][number]
type Open = 'import' | 'launch' | 'cancel' | 'retry'

/** One campaign: how far it is, what became of its emails, and what can be done. */
export function Campaign() {
  const { id } = route.useParams()
  const [told, setTold] = useState(0)
  const { result, ask } = useFresh(CampaignDocument, { id }, { changed: told, pause: 3_000 })
  const campaign = result.data?.campaign
  // The cache puts the numbers in their place; the history is asked for again.
  useSubscription({ query: CampaignChangedDocument, variables: { id }, pause: campaign == null }, (_before, news) => {
    setTold((n) => n + 1)
    return news
  })
  if (campaign == null) {
    return (
      <div className="panel">
        {result.data !== undefined ? (
          <Empty title="There is no such campaign"><Link to="/campaigns" className="text-accent underline">All campaigns</Link></Empty>
        ) : result.error === undefined ? <Loading /> : <Problem error={result.error} again={ask} />}
      </div>
    )
  }
  return (
    <>
      <Link to="/campaigns" className="text-muted hover:text-accent">Campaigns</Link>
      <Head title={campaign.name}>
        <Badge look={campaignStatuses[campaign.status]} />
        <Acts campaign={campaign} />
      </Head>
      {campaign.heldBy != null && <p className="mb-4 rounded-lg bg-warn-soft px-4 py-2.5 text-warn">Waits: {campaign.heldBy}</p>}
      <div className="grid grid-cols-[minmax(0,1fr)] gap-4 lg:grid-cols-3">
        <Metrics campaign={campaign} />
        <History history={campaign.history} />
        <Ledger campaign={campaign} />
        <About campaign={campaign} />
      </div>
    </>
  )
}

function Acts({ campaign }: { campaign: Shown }) {
  const manages = useMay('MANAGE')
  const [open, setOpen] = useState<Open>()
  const pause = useAct(PauseDocument, 'pause')
  const resume = useAct(ResumeDocument, 'resume')
  if (!manages) return null
  const { status, ledger } = campaign
  const scope = { campaignId: campaign.id }
  const close = () => setOpen(undefined)
  const goes = status === 'RUNNING' || status === 'SCHEDULED'
  return (
    <>
      {ledger.failed > 0 && <Button onClick={() => setOpen('retry')}><Retry />Retry {count(ledger.failed)} failed</Button>}
      {status !== 'CANCELLED' && <Button onClick={() => setOpen('import')}><Upload />Recipients</Button>}
      {goes && (
        <Button busy={pause.busy} onClick={async () => (await pause.act({ scope, reason: null, until: null })) !== undefined && tell('The campaign is paused.')}>
          <Pause />Pause
        </Button>
      )}
      {status === 'PAUSED' && (
        <Button tone="main" busy={resume.busy} onClick={async () => (await resume.act({ scope })) !== undefined && tell('The campaign’s own pause is ended.')}>
          <Play />Resume
        </Button>
      )}
      {(status === 'DRAFT' || status === 'SCHEDULED') && <Button tone="main" onClick={() => setOpen('launch')}><Way />Launch</Button>}
      {status !== 'CANCELLED' && status !== 'COMPLETED' && <Button tone="danger" onClick={() => setOpen('cancel')}><Slash />Cancel</Button>}
      {(pause.problem ?? resume.problem) !== undefined && <p role="alert" className="w-full text-bad">{pause.problem ?? resume.problem}</p>}
      {open === 'import' && <ImportRecipients campaign={campaign} onClose={close} />}
      {open === 'launch' && <Launch campaign={campaign} onClose={close} />}
      {open === 'cancel' && <CancelCampaign campaign={campaign} onClose={close} />}
      {open === 'retry' && <RetryAll filter={{ campaignId: campaign.id }} which="of this campaign" onClose={close} />}
    </>
  )
}

const rate = (value: number | null | undefined) => (value == null ? '' : `${(value * 100).toFixed(1)}%`)

function Metrics({ campaign: { metrics: m } }: { campaign: Shown }) {
  const numbers: [string, number, string, string][] = [
    ['Sent', m.sent, '', 'Emails that Mailgun accepted'],
    ['Delivered', m.delivered, rate(m.deliveryRate), 'Of those sent'],
    ['Opened', m.uniqueOpened, rate(m.openRate), `By people, each email once; ${count(m.opened)} in all. Machines opened ${count(m.uniqueMachineOpened)}.`],
    ['Clicked', m.uniqueClicked, rate(m.clickRate), `By people, each email once; ${count(m.clicked)} in all. Machines clicked in ${count(m.uniqueMachineClicked)}.`],
    ['Bounced', m.bounced, rate(m.bounceRate), `${count(m.hardBounced)} for good, ${count(m.softBounced)} for now`],
    ['Complained', m.complained, rate(m.complaintRate), 'Reported as spam, of those delivered'],
    ['Unsubscribed', m.unsubscribed, '', 'By a link of this campaign'],
  ]
  return (
    <dl className="panel grid grid-cols-2 overflow-hidden sm:grid-cols-4 lg:col-span-3 lg:grid-cols-7">
      {numbers.map(([word, n, part, means]) => (
        <div key={word} title={means} className="-ms-px -mt-px flex flex-col-reverse justify-end border-s border-t border-line px-4 py-3 max-lg:last:col-span-2">
          <dt className="text-muted">{word}</dt>
          <dd className="flex items-baseline gap-2 text-xl leading-7 font-semibold tracking-tight">
            <span data-testid={`metric-${word}`}>{count(n)}</span>
            {part !== '' && <span className="text-[0.8125rem] leading-4 font-normal tracking-normal text-muted">{part}</span>}
          </dd>
        </div>
      ))}
    </dl>
  )
}

const colours = ['--bar-bad', '--bar-good']

function History({ history }: { history: readonly Point[] }) {
  const [asTable, setAsTable] = useState(false)
  const times = history.map(({ at }) => Date.parse(at) / 1_000)
  const bars = [
    history.map(({ metrics: m }) => m.delivered + m.bounced),
    history.map(({ metrics: m }) => m.delivered),
  ]
  // One bar needs a place beside it, or it would be as wide as the chart.
  const HOUR = 3_600
  const [first, last] = [times[0] ?? 0, times.at(-1) ?? 0]
  const padded = { times: [first - HOUR, ...times, last + HOUR], bars: bars.map((each) => [0, ...each, 0]) }
  return (
    <Panel
      title="By hour"
      className="lg:col-span-2"
      extra={<Button tone="quiet" className="-me-2" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>{asTable ? <Bars /> : <Table />}{asTable ? 'Chart' : 'Table'}</Button>}
    >
      {history.length === 0 ? (
        <Empty title="Nothing yet">What becomes of its emails is shown here by the hour.</Empty>
      ) : asTable ? (
        <div className="max-h-64 overflow-y-auto px-4 py-2" tabIndex={0} role="region" aria-label="By hour as a table">
          <table className="w-full">
            <thead className="text-muted">
              <tr>{['Hour', 'Sent', 'Delivered', 'Opened', 'Clicked', 'Bounced', 'Complained'].map((word, index) => <th key={word} scope="col" className={`py-1 ${index === 0 ? '' : 'text-end'}`}>{word}</th>)}</tr>
            </thead>
            <tbody>
              {[...history].reverse().map(({ at, metrics: m }) => (
                <tr key={at} className="border-t border-line">
                  <th scope="row" className="py-1 font-normal"><Time at={at} seconds={false} /></th>
                  {[m.sent, m.delivered, m.uniqueOpened, m.uniqueClicked, m.bounced, m.complained].map((n, index) => <td key={index} className={`text-end ${n === 0 ? 'text-faint' : ''}`}>{count(n)}</td>)}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <div className="p-4">
          <ul className="mb-2 flex flex-wrap gap-x-5 text-muted">
            {([['Delivered', 'bg-bar-good'], ['Bounced', 'bg-bar-bad']] as const).map(([word, bar]) => (
              <li key={word} className="flex items-center gap-1.5"><span aria-hidden="true" className={`size-2 rounded-sm ${bar}`} />{word}</li>
            ))}
          </ul>
          <Suspense fallback={<div className="h-[184px]" />}><Chart times={padded.times} bars={padded.bars} colours={colours} step={HOUR} /></Suspense>
        </div>
      )}
    </Panel>
  )
}

const rows: readonly [EmailStatus, keyof Shown['ledger']][] = [
  ['SCHEDULED', 'scheduled'], ['QUEUED', 'queued'], ['SENDING', 'sending'], ['UNCONFIRMED', 'unconfirmed'], ['SENT', 'sent'], ['DEFERRED', 'deferred'],
  ['DELIVERED', 'delivered'], ['BOUNCED', 'bounced'], ['COMPLAINED', 'complained'], ['FAILED', 'failed'], ['SUPPRESSED', 'suppressed'], ['CANCELLED', 'cancelled'], ['EXPIRED', 'expired'],
]

/** Every recipient stands in one row; the rows add up to the last. */
function Ledger({ campaign: { id, ledger } }: { campaign: Shown }) {
  const line = (word: ReactNode, n: number) => (
    <>
      <th scope="row" className="px-4 py-1 font-normal">{word}</th>
      <td className={`py-1 text-end ${n === 0 ? 'text-faint' : ''}`}>{count(n)}</td>
      <td className="w-16 px-4 py-1 text-end text-muted">{n === 0 ? '' : share(n, ledger.total)}</td>
    </>
  )
  return (
    <Panel title="Where its recipients stand" className="lg:row-span-2">
      <table className="my-2 w-full">
        <tbody>
          <tr title="Their emails are still to be made">{line('No email yet', ledger.pending)}</tr>
          {rows.map(([status, field]) => (
            <tr key={status}>{line(<Link to="/emails" search={{ campaign: id, status }} className="flex rounded hover:text-accent"><Badge look={statuses[status]} /></Link>, ledger[field])}</tr>
          ))}
          {ledger.cleaned > 0 && <tr title="Cleaned away since">{line('Cleaned', ledger.cleaned)}</tr>}
          <tr className="border-t border-line font-semibold">
            <th scope="row" className="px-4 pt-2 pb-1 font-semibold">Recipients</th>
            <td className="pt-2 pb-1 text-end" data-testid="ledger-total">{count(ledger.total)}</td>
            <td />
          </tr>
        </tbody>
      </table>
    </Panel>
  )
}

function About({ campaign }: { campaign: Shown }) {
  const items: [string, ReactNode][] = [
    ['Progress', <Progress key="p" value={campaign.progress} />],
    ['Done', campaign.estimatedFinish == null ? undefined : <>About <Time at={campaign.estimatedFinish} />, <Ago at={campaign.estimatedFinish} /></>],
    ['Subject', campaign.subject || campaign.template?.subject || undefined],
    ['Template', campaign.template == null ? undefined : <Link to="/templates/$id" params={{ id: campaign.template.id }} className="text-accent hover:underline">{campaign.template.name}</Link>],
    ['From', campaign.from],
    ['Answers to', campaign.replyTo ?? undefined],
    ['Tags', campaign.tags.join(', ') || undefined],
    ['Created', <Time key="c" at={campaign.createdAt} />],
    ['Launched', campaign.launchedAt == null ? undefined : <Time at={campaign.launchedAt} />],
    ['Begins', campaign.sendAt == null ? undefined : <Time at={campaign.sendAt} />],
    ['Not after', campaign.deliverBy == null ? undefined : <Time at={campaign.deliverBy} />],
    ['Cancelled', campaign.cancelledAt == null ? undefined : <Time at={campaign.cancelledAt} />],
    ['Batches', campaign.batch ? 'Up to 1,000 recipients go to Mailgun in one call' : undefined],
    ['Sandbox', campaign.sandbox ? 'Nothing of it is delivered' : undefined],
    ['Emails', <Link key="e" to="/emails" search={{ campaign: campaign.id }} className="text-accent hover:underline">Show its emails</Link>],
  ]
  return (
    <Panel title="About it" className="lg:col-span-2">
      <dl className="grid grid-cols-[7rem_minmax(0,1fr)] gap-x-4 gap-y-2 p-4 sm:max-w-xl">
        {items.map(([word, value]) => value !== undefined && <div key={word} className="contents"><dt className="text-muted">{word}</dt><dd>{value}</dd></div>)}
      </dl>
    </Panel>
  )
}

import { AlertsDocument, type AlertNowFragment } from '../../api/generated.ts'
import { useFresh } from '../../api/use.ts'
import { Slash, Tick, Warning } from '../../parts/icons.tsx'
import { Panel } from '../../parts/panel.tsx'
import { Age, Ago } from '../../parts/time.tsx'
import { parted, typed } from './alerting.ts'

/** What somebody should look at, and what to do; nothing while nothing is wrong and nothing was within the last day. */
export function Alerts() {
  const { result } = useFresh(AlertsDocument, {})
  const alerts = result.data?.alerts ?? []
  if (alerts.length === 0) return null
  const { raised, over } = parted(alerts)
  return (
    <div id="alerts" className="mb-4 scroll-mt-16">
      <Panel title="Alerts">
        {raised.length === 0 ? (
          <p className="flex items-center gap-2 px-4 py-2.5"><Tick className="size-4 text-good" />Nothing is wrong now.</p>
        ) : (
          <ul>{raised.map((alert) => <Raised key={key(alert)} alert={alert} />)}</ul>
        )}
        {over.length > 0 && (
          <details className="border-t border-line">
            <summary className="cursor-pointer px-4 py-2.5 text-muted hover:text-text">
              {over.length === 1 ? 'One that is over' : `${over.length} that are over`}, of the last day
            </summary>
            <ul>{over.map((alert) => <Over key={key(alert)} alert={alert} />)}</ul>
          </details>
        )}
      </Panel>
    </div>
  )
}

const key = ({ name, subject, since }: AlertNowFragment) => `${name} ${subject} ${since}`

function Raised({ alert: { name, severity, summary, advice, runbook, since, toldAt } }: { alert: AlertNowFragment }) {
  const grave = severity === 'PAGE'
  return (
    <li className="flex gap-3 border-b border-line px-4 py-3 last:border-0">
      {grave ? <Slash className="mt-0.5 size-4 text-bad" /> : <Warning className="mt-0.5 size-4 text-warn" />}
      <div className="min-w-0 flex-1">
        <p className="font-medium">{summary}</p>
        <p>{typed(advice).map((part, at) => (at % 2 === 0 ? part : <code key={at} className="rounded bg-sunken px-1 font-mono text-2xs">{part}</code>))}</p>
        <p className="text-muted [overflow-wrap:anywhere]">
          <span className={grave ? 'font-medium text-bad' : 'font-medium text-warn'}>{grave ? 'Now' : 'Soon'}</span>
          {' · '}{name}{' · for '}<Age since={since} />
          {toldAt != null && <>{' · told '}<Ago at={toldAt} /></>}
          {' · '}{runbook}
        </p>
      </div>
    </li>
  )
}

function Over({ alert: { name, summary, since, resolvedAt } }: { alert: AlertNowFragment }) {
  return (
    <li className="flex gap-3 border-t border-line px-4 py-2.5">
      <Tick className="mt-0.5 size-4 text-good" />
      <div className="min-w-0 flex-1">
        <p>{summary}</p>
        <p className="text-muted">{name} · from <Ago at={since} />{resolvedAt != null && <> · over <Ago at={resolvedAt} /></>}</p>
      </div>
    </li>
  )
}

import { RetentionDocument } from '../../api/generated.ts'
import { useFresh } from '../../api/use.ts'
import { count, period } from '../../parts/format.ts'
import { Panel } from '../../parts/panel.tsx'
import { Loading, Problem } from '../../parts/states.tsx'
import { Ago } from '../../parts/time.tsx'

/** The rules that somebody may set, in words; others are the service’s own housekeeping. */
const words: Record<string, string> = {
  bodies: 'What emails say',
  webhooks: 'Raw webhooks',
  events: 'Delivery events',
  emails: 'Finished emails',
  'webhook tokens': 'Webhook tokens',
  'idempotency keys': 'Idempotency keys',
  'audit log': 'Audit log',
}

/** How long things are kept, and what went. */
export function Kept() {
  const { result, ask } = useFresh(RetentionDocument, {})
  const rules = result.data?.retention.filter((rule) => rule.variable != null)
  return (
    <Panel title="How long things are kept" className="lg:col-span-3">
      {rules === undefined ? (
        result.error === undefined ? <Loading rows={6} /> : <Problem error={result.error} again={ask} />
      ) : (
        <table className="w-full">
          <thead className="hidden border-b border-line text-muted md:table-header-group">
            <tr>
              <th scope="col" className="py-2 ps-4">What</th>
              <th scope="col" className="py-2">Set by</th>
              <th scope="col" className="py-2 text-end">Kept for</th>
              <th scope="col" className="py-2 text-end">Last looked at</th>
              <th scope="col" className="py-2 pe-4 text-end">Removed so far</th>
            </tr>
          </thead>
          <tbody>
            {rules.map(({ name, variable, afterSeconds, lastRunAt, removedInAll }) => (
              <tr key={name} data-testid={`kept-${name}`} className="border-b border-line last:border-0 max-md:grid max-md:gap-1 max-md:px-4 max-md:py-3">
                <th scope="row" className="md:py-2 md:ps-4">{words[name] ?? name}</th>
                <td className="font-mono text-xs text-muted md:py-2">{variable}</td>
                <td className="md:py-2 md:text-end"><span className="text-muted md:hidden">Kept for </span>{period(afterSeconds)}</td>
                <td className="text-muted md:py-2 md:text-end"><span className="md:hidden">Last looked at: </span>{lastRunAt == null ? 'not yet' : <Ago at={lastRunAt} />}</td>
                <td className="md:py-2 md:pe-4 md:text-end">{count(removedInAll)}<span className="text-muted md:hidden"> removed so far</span></td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  )
}

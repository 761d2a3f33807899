import type { ReactNode } from 'react'

import type { QueueNowFragment } from '../../api/generated.ts'
import { count, span } from '../../parts/format.ts'
import { Tick, Warning } from '../../parts/icons.tsx'
import { Panel } from '../../parts/panel.tsx'
import { Empty } from '../../parts/states.tsx'
import { Ago, Time } from '../../parts/time.tsx'

type Reconciliation = QueueNowFragment['reconciliation'][number]

/** What keeps reports of Mailgun from coming, where something does. */
export function ReportWarnings({ domains }: { domains: readonly Reconciliation[] }) {
  return domains.flatMap(({ domain, silentSince, failingSince }) => [
    silentSince != null && (
      <Bar key={`${domain} silent`}>
        Mailgun’s webhooks for {domain} have been silent since <Ago at={silentSince} />, although events happen. They are read from its log, later than usual.
      </Bar>
    ),
    failingSince != null && (
      <Bar key={`${domain} failing`}>
        Mailgun’s log for {domain} has not been readable since <Ago at={failingSince} />. What no webhook brings is missing until it is.
      </Bar>
    ),
  ])
}

function Bar({ children }: { children: ReactNode }) {
  return (
    <p role="status" className="mb-4 flex gap-2 rounded-lg bg-warn-soft px-4 py-2.5 text-warn">
      <Warning className="mt-0.5 size-4" />
      <span>{children}</span>
    </p>
  )
}

/** How far Mailgun’s log was read for what no webhook brought. */
export function Reports({ domains }: { domains: readonly Reconciliation[] }) {
  return (
    <Panel title="Reports from Mailgun" className="lg:col-span-3">
      {domains.length === 0 ? (
        <Empty title="Its log was not read yet">Every few minutes it is searched for what no webhook brought.</Empty>
      ) : (
        <table className="w-full">
          <thead className="hidden border-b border-line text-muted md:table-header-group">
            <tr>
              <th scope="col" className="py-2 ps-4">Sending domain</th>
              <th scope="col" className="py-2">Webhooks</th>
              <th scope="col" className="py-2">Log</th>
              <th scope="col" className="py-2 text-end">Complete until</th>
              <th scope="col" className="py-2 pe-4 text-end" title="Events that no webhook had brought, ever">Found in the log</th>
            </tr>
          </thead>
          <tbody>
            {domains.map(({ domain, checkedThrough, lagSeconds, recovered, failingSince, silentSince }) => (
              <tr key={domain} className="border-b border-line last:border-0 max-md:grid max-md:gap-1 max-md:px-4 max-md:py-3">
                <th scope="row" className="md:py-2 md:ps-4">{domain}</th>
                <td className="md:py-2"><State since={silentSince} good="They come" bad="Silent" what="Webhooks" /></td>
                <td className="md:py-2"><State since={failingSince} good="It is read" bad="Not readable" what="Log" /></td>
                <td className="text-muted md:py-2 md:text-end"><span className="md:hidden">Complete until </span><Time at={checkedThrough} seconds={false} />, {span(lagSeconds * 1_000)} ago</td>
                <td className="md:py-2 md:pe-4 md:text-end">{count(recovered)}<span className="text-muted md:hidden"> found in the log</span></td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  )
}

function State({ since, good, bad, what }: { since: string | null | undefined; good: string; bad: string; what: string }) {
  return (
    <span className="flex items-center gap-1.5">
      {since == null ? <Tick className="size-4 text-good" /> : <Warning className="size-4 text-warn" />}
      <span className="text-muted md:hidden">{what}:</span>
      {since == null ? good : <span>{bad} since <Ago at={since} /></span>}
    </span>
  )
}

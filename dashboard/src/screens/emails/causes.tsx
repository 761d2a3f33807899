import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { useQuery } from 'urql'

import { type EmailFilter, FailuresDocument, type FailuresQuery, QueueDocument } from '../../api/generated.ts'
import { useFresh } from '../../api/use.ts'
import { Button } from '../../parts/button.tsx'
import { count } from '../../parts/format.ts'
import { Cross, Pause, Retry } from '../../parts/icons.tsx'
import { useRows } from '../../parts/rows.ts'
import { Empty, Loading, Problem } from '../../parts/states.tsx'
import { useMay } from '../../session/viewer.tsx'
import { RetryAll } from './bulk.tsx'
import type { Search } from './filters.ts'

type Group = FailuresQuery['failures'][number]

/** What stands still, by what it failed of or what holds it: a thousand failures are mostly three causes. */
export function Causes({ filter }: { filter: EmailFilter }) {
  const manages = useMay('MANAGE')
  const [queue] = useQuery({ query: QueueDocument })
  const changed = JSON.stringify([queue.data?.queueStats.ledger, queue.data?.queueStats.pauses])
  const { result, ask } = useFresh(FailuresDocument, { filter }, { changed })
  const [retrying, setRetrying] = useState<Group>()
  const groups = result.data?.failures
  useRows()

  if (groups === undefined) {
    return <div className="panel">{result.error === undefined ? <Loading /> : <Problem error={result.error} again={ask} />}</div>
  }
  if (groups.length === 0) {
    return (
      <div className="panel">
        <Empty good title="Nothing stands still">No email has failed, and none is held.</Empty>
      </div>
    )
  }
  return (
    <ul className="panel">
      {groups.map((group) => {
        const failed = group.status === 'FAILED'
        return (
          <li key={`${group.status} ${group.cause}`} className="flex flex-wrap items-start gap-x-4 gap-y-2 border-b border-line px-4 py-3 last:border-0">
            <p className="w-20 shrink-0 max-sm:flex max-sm:w-full max-sm:items-baseline max-sm:gap-1.5">
              <span className="block text-lg leading-6 font-semibold" data-testid="cause-count">{count(group.count)}</span>
              <span className="text-muted">{group.count === 1 ? 'email' : 'emails'}</span>
            </p>
            <div className="min-w-0 flex-1 basis-60">
              <p className="flex items-start gap-2 font-medium">
                {failed ? <Cross className="mt-0.5 size-4 text-bad" /> : <Pause className="mt-0.5 size-4 text-warn" />}
                <span>{group.cause}</span>
              </p>
              <p className="mt-0.5 ps-6 text-muted">
                {failed ? 'Failed' : 'Waiting'}; for example{' '}
                <Link to="/emails" data-row="" search={(before) => ({ ...before, email: group.sample.id }) as Search} className="text-accent hover:underline">
                  {group.sample.to}
                </Link>
              </p>
            </div>
            {failed && (
              <div className="flex gap-2">
                <Link
                  to="/emails"
                  search={({ view: _view, ...before }) => ({ ...before, status: 'FAILED', cause: group.cause }) as Search}
                  className="inline-flex h-8 items-center rounded-lg border border-line px-2.5 font-medium hover:bg-sunken"
                >
                  Show them
                </Link>
                {manages && <Button onClick={() => setRetrying(group)}><Retry />Retry</Button>}
              </div>
            )}
          </li>
        )
      })}
      {retrying !== undefined && (
        <RetryAll filter={{ ...filter, cause: retrying.cause }} which="of this cause" onClose={() => setRetrying(undefined)} />
      )}
    </ul>
  )
}

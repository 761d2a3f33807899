import { getRouteApi, Link } from '@tanstack/react-router'
import { memo, useMemo, useState } from 'react'
import { useQuery } from 'urql'

import { EmailsDocument, type EmailRowFragment, QueueDocument } from '../../api/generated.ts'
import { useFresh } from '../../api/use.ts'
import { phrase } from '../../parts/format.ts'
import { Down, Pause, Retry, Slash } from '../../parts/icons.tsx'
import { Choice } from '../../parts/choice.tsx'
import { Menu, MenuItem } from '../../parts/menu.tsx'
import { Pager } from '../../parts/pager.tsx'
import { Head } from '../../parts/panel.tsx'
import { PlainLink } from '../../parts/plain-link.tsx'
import { useArrivals, useRows } from '../../parts/rows.ts'
import { Empty, Loading, Problem } from '../../parts/states.tsx'
import { Badge, statuses } from '../../parts/status.tsx'
import { Time } from '../../parts/time.tsx'
import { useMay } from '../../session/viewer.tsx'
import { CancelAll, RetryAll } from './bulk.tsx'
import { Causes } from './causes.tsx'
import { Drawer } from './drawer.tsx'
import { FilterBar } from './filter-bar.tsx'
import { filterOf, isNarrowed, pageOf, type Search } from './filters.ts'

const route = getRouteApi('/emails')

/** Every email, what became of it, and what can be done about it. */
export function Emails() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const manages = useMay('MANAGE')
  const [bulk, setBulk] = useState<'cancel' | 'retry'>()
  // What narrows the list in times counts from when it was asked for, so that pages stay pages of one list.
  const { email: _open, tab: _tab, ...asked } = search
  const key = JSON.stringify(asked)
  const filter = useMemo(() => filterOf(asked, Date.now()), [key])
  const byCause = search.view === 'causes'

  const change = (part: { [Name in keyof Search]?: string | undefined }) => {
    void navigate({ search: (before) => ({ ...before, after: undefined, before: undefined, ...part }) as typeof search, replace: true })
  }
  const which = isNarrowed(search) ? 'that match the filter' : 'of the whole queue'

  return (
    <>
      <Head title="Emails">
        <Choice name="View" value={byCause ? 'causes' : 'list'} choices={[['list', 'List'], ['causes', 'By cause']]} onChange={(view) => change({ view: view === 'list' ? undefined : view })} />
        {manages && (
          <Menu label={<>All that match<Down /></>} name="Act on all that match">
            {(close) => (
              <>
                <MenuItem onClick={() => { close(); setBulk('retry') }}><Retry className="size-4 text-muted" />Retry the failed…</MenuItem>
                <MenuItem danger onClick={() => { close(); setBulk('cancel') }}><Slash className="size-4" />Cancel the waiting…</MenuItem>
              </>
            )}
          </Menu>
        )}
      </Head>
      <FilterBar search={search} onChange={change} />
      {byCause ? (
        <Causes filter={filter} />
      ) : (
        <List search={search} filter={filter} listKey={key} onGo={(place) => change(place)} />
      )}
      {bulk === 'cancel' && <CancelAll filter={filter} which={which} onClose={() => setBulk(undefined)} />}
      {bulk === 'retry' && <RetryAll filter={filter} which={which} onClose={() => setBulk(undefined)} />}
      {search.email !== undefined && (
        <Drawer
          id={search.email}
          tab={search.tab}
          onTab={(tab) => void navigate({ search: (before) => ({ ...before, tab }) as typeof search, replace: true })}
          onClose={() => void navigate({ search: ({ email: _email, tab: _shown, ...before }) => before })}
        />
      )}
    </>
  )
}

function List({
  search,
  filter,
  listKey,
  onGo,
}: {
  search: Search
  filter: ReturnType<typeof filterOf>
  listKey: string
  onGo: (place: { after?: string; before?: string }) => void
}) {
  const [queue] = useQuery({ query: QueueDocument })
  const changed = JSON.stringify(queue.data?.queueStats.ledger)
  const variables = useMemo(() => ({ filter, ...pageOf(search) }), [listKey])
  const { result, ask } = useFresh(EmailsDocument, variables, { changed })
  const emails = result.data?.emails
  const nodes = emails?.nodes ?? []
  const arrivals = useArrivals(nodes.map(({ id }) => id), listKey)
  // Where a row leads to, but for the row itself: the same as long as the list is.
  const here = useMemo<Search>(() => {
    const { email: _open, tab: _tab, ...rest } = search
    return rest
  }, [listKey])
  useRows()

  if (emails === undefined) {
    return <div className="panel">{result.error === undefined ? <Loading rows={12} /> : <Problem error={result.error} again={ask} />}</div>
  }
  const oldest = search.order === 'oldest'
  return (
    <div className="panel" aria-busy={result.stale}>
      {nodes.length === 0 ? (
        isNarrowed(search) ? (
          <Empty title="No email matches">Widen the filter, or clear it.</Empty>
        ) : (
          <Empty title="No email yet">Send one by the API, and it appears here as it goes.</Empty>
        )
      ) : (
        <table className="w-full table-fixed">
          <thead className="hidden border-b border-line text-muted md:table-header-group">
            <tr>
              <th scope="col" className="w-36 py-2 ps-4">Status</th>
              <th scope="col" className="w-[32%] py-2">To</th>
              <th scope="col" className="py-2">Subject</th>
              <th scope="col" className="w-24 py-2">Priority</th>
              <th scope="col" className="w-40 py-2 pe-4 text-end" aria-sort={oldest ? 'ascending' : 'descending'}>
                <Link to="/emails" search={({ after: _after, before: _before, order: _order, ...rest }) => (oldest ? rest : { ...rest, order: 'oldest' })} className="rounded hover:text-text">
                  Accepted {oldest ? '↑' : '↓'}
                </Link>
              </th>
            </tr>
          </thead>
          <tbody>
            {nodes.map((email) => <Row key={email.id} email={email} arrived={arrivals.has(email.id)} search={here} />)}
          </tbody>
        </table>
      )}
      <Pager info={emails.pageInfo} total={emails.totalCount} capped={emails.totalCountIsCapped} noun={emails.totalCount === 1 ? 'email' : 'emails'} onGo={onGo} />
    </div>
  )
}

const Row = memo(function Row({ email, arrived, search }: { email: EmailRowFragment; arrived: boolean; search: Search }) {
  const look = statuses[email.status]
  const Icon = look.icon
  return (
    <tr className={`relative border-b border-line last:border-0 hover:bg-sunken/60 ${arrived ? 'animate-[arrive_1.6s_ease-out]' : ''}`}>
      <td className="hidden py-2 ps-4 md:table-cell"><Badge look={look} /></td>
      <td className="py-2 ps-4 md:ps-0">
        <span className="flex items-center gap-2.5">
          <Icon className={`size-4 md:hidden ${look.colour}`} />
          <span className="min-w-0 flex-1">
            <PlainLink
              to="/emails"
              search={{ ...search, email: email.id }}
              data-row=""
              className="clip block font-medium after:absolute after:inset-0 focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent"
            >
              {email.to}
            </PlainLink>
            <span className="clip block text-muted md:hidden">{look.word} · {email.subject || 'No subject'}</span>
          </span>
        </span>
      </td>
      <td className="hidden py-2 pe-4 md:table-cell">
        <span className="flex items-center gap-2">
          <span className="clip text-muted">{email.subject || <em className="text-faint">No subject</em>}</span>
          {email.heldBy != null && (
            <span className="inline-flex shrink-0 items-center gap-1 rounded bg-warn-soft px-1.5 text-warn" title={email.heldBy}><Pause className="size-3" />held</span>
          )}
          {email.cancelRequested && <span className="shrink-0 rounded bg-sunken px-1.5 text-muted">asked to stop</span>}
        </span>
      </td>
      <td className="hidden py-2 text-muted md:table-cell">{phrase(email.priority)}</td>
      <td className="w-28 py-2 pe-4 text-end whitespace-nowrap text-muted md:w-40"><Time at={email.createdAt} /></td>
    </tr>
  )
})

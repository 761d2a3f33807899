import { getRouteApi, Link } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { useClient, useQuery } from 'urql'

import { listed } from '../../address.ts'
import { ExportSuppressionsDocument, QueueDocument, SuppressionCountsDocument, type SuppressionFilter, type SuppressionRowFragment, SuppressionsDocument } from '../../api/generated.ts'
import { useFresh, words } from '../../api/use.ts'
import { Button } from '../../parts/button.tsx'
import { save } from '../../parts/csv.ts'
import { Select } from '../../parts/field.tsx'
import { count, counted } from '../../parts/format.ts'
import { Download, Plus, Upload } from '../../parts/icons.tsx'
import { tell } from '../../parts/notices.tsx'
import { Pager, paged } from '../../parts/pager.tsx'
import { Head } from '../../parts/panel.tsx'
import { useRows } from '../../parts/rows.ts'
import { Empty, Loading, Problem } from '../../parts/states.tsx'
import { Badge, REASONS, reasons } from '../../parts/status.tsx'
import { Ago, Time } from '../../parts/time.tsx'
import { useMay } from '../../session/viewer.tsx'
import { SearchBox } from '../emails/filter-bar.tsx'
import { Asked } from './asking.tsx'
import { AddDialog, ImportDialog } from './entering.tsx'
import { writeEntries } from './file.ts'
import { LiftConfirm } from './lifting.tsx'

const route = getRouteApi('/suppressions')
const PAGE = 50

const origins = { EVENT: 'Mailgun’s report', MANUAL: 'By hand', PROVIDER: 'Mailgun’s list' }

/** Who must not be mailed, and why. */
export function Suppressions() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const client = useClient()
  const manages = useMay('MANAGE')
  const [dialog, setDialog] = useState<'add' | 'import'>()
  const [lifting, setLifting] = useState<SuppressionRowFragment>()
  const [exporting, setExporting] = useState<number>()
  const { ask: asked, ...listing } = search
  const key = JSON.stringify(listing)
  const filter = useMemo(() => {
    const made: SuppressionFilter = {}
    const [reason] = listed(search.reason, REASONS)
    if (reason !== undefined) made.reason = reason
    if (search.active !== undefined) made.active = search.active === 'yes'
    if (search.search !== undefined) made.search = search.search
    return made
  }, [key])
  const variables = useMemo(() => ({ filter, ...paged(search, PAGE) }), [key])
  // A complaint or a bounce moves the tallies; then somebody may have joined the list.
  const [queue] = useQuery({ query: QueueDocument })
  const ledger = queue.data?.queueStats.ledger
  const changed = JSON.stringify([ledger?.bounced, ledger?.complained, ledger?.suppressed])
  const { result, ask } = useFresh(SuppressionsDocument, variables, { changed })
  const { result: counts } = useFresh(SuppressionCountsDocument, {}, { changed })
  const entries = result.data?.suppressions
  useRows()

  const change = (part: Partial<Record<keyof typeof search, string | undefined>>) => {
    void navigate({ search: (before) => ({ ...before, after: undefined, before: undefined, ...part }) as typeof search, replace: true })
  }
  const exportAll = async () => {
    const all: SuppressionRowFragment[] = []
    let after: string | null | undefined
    setExporting(0)
    do {
      // Not page by page: what is handed out stays in the audit log.
      const { data, error } = await client.mutation(ExportSuppressionsDocument, { filter, ...(after == null ? {} : { after }) }).toPromise()
      if (data === undefined) {
        tell(`The export stopped. ${words(error)}`)
        return setExporting(undefined)
      }
      all.push(...data.exportSuppressions.suppressions)
      after = data.exportSuppressions.after
      setExporting(all.length)
    } while (after != null)
    save(`suppressions-${new Date().toISOString().slice(0, 10)}.csv`, writeEntries(all))
    tell(`${counted(all.length, 'entry', 'entries')} exported.`)
    return setExporting(undefined)
  }
  const narrowed = search.reason !== undefined || search.active !== undefined || search.search !== undefined

  return (
    <>
      <Head title="Suppressions">
        <Button busy={exporting !== undefined} onClick={exportAll}>
          <Download />
          <span className="max-sm:sr-only">{exporting === undefined ? 'Export' : count(exporting)}</span>
        </Button>
        {manages && <Button onClick={() => setDialog('import')}><Upload /><span className="max-sm:sr-only">Import</span></Button>}
        {manages && <Button tone="main" onClick={() => setDialog('add')}><Plus />Suppress</Button>}
      </Head>
      <Counts counts={counts.data?.suppressionStats} />
      <div className="my-3 flex flex-wrap items-center gap-2" role="search">
        {manages && <SearchBox value={search.search} onChange={(value) => change({ search: value })} label="Address or domain" placeholder="Address, domain, or a part" />}
        <Select aria-label="Reason" value={search.reason ?? ''} onChange={(event) => change({ reason: event.target.value || undefined })}>
          <option value="">Any reason</option>
          {REASONS.map((reason) => <option key={reason} value={reason}>{reasons[reason].word}</option>)}
        </Select>
        <Select aria-label="State" value={search.active ?? ''} onChange={(event) => change({ active: event.target.value || undefined })}>
          <option value="">Blocking or not</option>
          <option value="yes">Blocking</option>
          <option value="no">No longer</option>
        </Select>
        {narrowed && <Button tone="quiet" onClick={() => change({ search: undefined, reason: undefined, active: undefined })}>Clear</Button>}
      </div>
      <div className="panel" aria-busy={result.stale}>
        {entries === undefined ? (
          result.error === undefined ? <Loading rows={10} /> : <Problem error={result.error} again={ask} />
        ) : (
          <>
            {entries.nodes.length === 0 ? (
              narrowed ? <Empty title="No entry matches">Widen the filter, or clear it.</Empty> : <Empty title="Nobody is suppressed">Whoever bounces for good, complains or unsubscribes is entered here by itself.</Empty>
            ) : (
              <table className="w-full table-fixed">
                <thead className="hidden border-b border-line text-muted md:table-header-group">
                  <tr>
                    <th scope="col" className="py-2 ps-4">Address or domain</th>
                    <th scope="col" className="w-40 py-2">Reason</th>
                    <th scope="col" className="w-36 py-2">Origin</th>
                    <th scope="col" className="w-36 py-2 text-end">Since</th>
                    <th scope="col" className="w-36 py-2 text-end">Ends</th>
                    <th scope="col" className="w-20 py-2 pe-4"><span className="sr-only">Lift</span></th>
                  </tr>
                </thead>
                <tbody>
                  {entries.nodes.map((entry) => (
                    <Row key={entry.id} entry={entry} onLift={manages && entry.active ? () => setLifting(entry) : undefined} />
                  ))}
                </tbody>
              </table>
            )}
            <Pager info={entries.pageInfo} total={entries.totalCount} capped={entries.totalCountIsCapped} noun={entries.totalCount === 1 ? 'entry' : 'entries'} onGo={change} />
          </>
        )}
      </div>
      {dialog === 'add' && <AddDialog onClose={() => setDialog(undefined)} />}
      {dialog === 'import' && <ImportDialog onClose={() => setDialog(undefined)} />}
      {lifting !== undefined && <LiftConfirm target={lifting.target} reason={lifting.reason} onClose={() => setLifting(undefined)} />}
      {asked !== undefined && <Asked target={asked} onClose={() => void navigate({ search: ({ ask: _ask, ...before }) => before })} />}
    </>
  )
}

interface StatCounts {
  total: number
  hardBounces: number
  softBounces: number
  complaints: number
  unsubscribes: number
  manual: number
  expired: number
}

function Counts({ counts }: { counts: StatCounts | undefined }) {
  const numbers: [string, number | undefined, string][] = [
    ['All', counts?.total, 'Entries that were not lifted'],
    ['Hard bounces', counts?.hardBounces, 'There is no such mailbox: for ever'],
    ['Soft bounces', counts?.softBounces, 'Mail came back for now: for 7 days'],
    ['Complaints', counts?.complaints, 'Reported as spam: for ever'],
    ['Unsubscribes', counts?.unsubscribes, 'Opted out'],
    ['By hand', counts?.manual, 'Entered by somebody'],
    ['Expired', counts?.expired, 'Their time is over; they leave the list by themselves'],
  ]
  return (
    <dl className="panel grid grid-cols-2 overflow-hidden sm:grid-cols-4 lg:grid-cols-7">
      {numbers.map(([word, n, means]) => (
        <div key={word} title={means} className="-ms-px -mt-px flex flex-col-reverse max-lg:last:col-span-2 justify-end border-s border-t border-line px-4 py-2.5">
          <dt className="text-muted">{word}</dt>
          <dd className={`text-lg leading-6 font-semibold tracking-tight ${n === 0 ? 'text-faint' : ''}`} data-testid={`count-${word}`}>{n === undefined ? '–' : count(n)}</dd>
        </div>
      ))}
    </dl>
  )
}

function Row({ entry, onLift }: { entry: SuppressionRowFragment; onLift: (() => void) | undefined }) {
  const look = reasons[entry.reason]
  const Icon = look.icon
  const hardness = entry.bounceType?.toLowerCase()
  const ends = !entry.active ? 'No longer' : entry.expiresAt == null ? 'Never' : <Ago at={entry.expiresAt} />
  return (
    <tr className="relative border-b border-line last:border-0 hover:bg-sunken/60">
      <td className="py-2 ps-4">
        <span className="flex items-center gap-2.5">
          <Icon className={`size-4 md:hidden ${look.colour}`} />
          <span className="min-w-0 flex-1">
            <Link
              to="/suppressions"
              search={(before) => ({ ...before, ask: entry.target })}
              data-row=""
              className={`clip block font-medium after:absolute after:inset-0 focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent ${entry.active ? '' : 'text-muted'}`}
              title={entry.note ?? undefined}
            >
              {entry.target}
              {entry.scope === 'DOMAIN' && <span className="ms-2 rounded bg-sunken px-1.5 font-normal text-muted">whole domain</span>}
            </Link>
            <span className="clip block text-muted md:hidden">{look.word}{hardness !== undefined && `, ${hardness}`} · {origins[entry.source]}</span>
          </span>
        </span>
      </td>
      <td className="hidden py-2 md:table-cell"><Badge look={look} more={hardness} /></td>
      <td className="hidden py-2 text-muted md:table-cell">{origins[entry.source]}</td>
      <td className="hidden py-2 text-end whitespace-nowrap text-muted md:table-cell"><Time at={entry.createdAt} seconds={false} /></td>
      <td className="hidden py-2 text-end whitespace-nowrap text-muted md:table-cell">{ends}</td>
      <td className="w-20 py-1.5 pe-4 text-end">
        {onLift !== undefined && <Button small className="relative z-[1]" aria-label={`Lift ${entry.target}`} onClick={onLift}>Lift</Button>}
      </td>
    </tr>
  )
}

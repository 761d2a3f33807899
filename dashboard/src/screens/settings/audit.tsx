import { type ReactNode, useMemo, useState } from 'react'

import { AuditLogDocument, type AuditRowFragment, KeysDocument } from '../../api/generated.ts'
import { useFresh } from '../../api/use.ts'
import { Button } from '../../parts/button.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { Select } from '../../parts/field.tsx'
import { count } from '../../parts/format.ts'
import { Pager, paged, type Place } from '../../parts/pager.tsx'
import { Panel } from '../../parts/panel.tsx'
import { Empty, Loading, Problem } from '../../parts/states.tsx'
import { Badge } from '../../parts/status.tsx'
import { Time } from '../../parts/time.tsx'
import { useMay } from '../../session/viewer.tsx'
import { SearchBox } from '../emails/filter-bar.tsx'
import { changes, filterOf, OUTCOMES, outcomes, type Wanted, who } from './auditing.ts'

const PAGE = 10

/** Who did what, from where, and what came of it. */
export function Audit() {
  const admin = useMay('ADMIN')
  const [wanted, setWanted] = useState<Wanted>({})
  const [place, setPlace] = useState<Place>({})
  const [shown, setShown] = useState<AuditRowFragment>()
  const variables = useMemo(() => ({ filter: filterOf(wanted), ...paged(place, PAGE) }), [wanted, place])
  const { result, ask } = useFresh(AuditLogDocument, variables, { paused: !admin })
  const { result: keys } = useFresh(KeysDocument, {}, { paused: !admin })
  const log = result.data?.auditLog
  const change = (part: Wanted) => {
    setWanted((before) => ({ ...before, ...part }))
    setPlace({})
  }
  const narrowed = Object.values(wanted).some((each) => each !== undefined && each !== false)

  if (!admin) {
    return (
      <Panel title="Audit log" className="lg:col-span-3">
        <Empty title="Your key may not see the audit log">A key with the scope ADMIN may see who did what.</Empty>
      </Panel>
    )
  }
  return (
    <Panel title="Audit log" className="lg:col-span-3" extra={<Button small onClick={ask} busy={result.fetching || result.stale}>Look again</Button>}>
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-4 py-2.5" role="search" aria-label="In the audit log">
        <SearchBox value={wanted.about} onChange={(about) => change({ about })} label="About" placeholder="An id or an address" />
        <SearchBox value={wanted.operation} onChange={(operation) => change({ operation })} label="Operation" placeholder="Operation" small />
        <SearchBox value={wanted.origin} onChange={(origin) => change({ origin })} label="From" placeholder="IP address" small />
        <Select aria-label="Who" value={wanted.actor ?? ''} onChange={(event) => change({ actor: event.target.value || undefined })}>
          <option value="">Anybody</option>
          <option value="admin">ADMIN_API_KEY</option>
          {keys.data?.apiKeys.map((key) => <option key={key.id} value={key.id}>{key.name}</option>)}
        </Select>
        <Select
          aria-label="Outcome"
          value={wanted.outcome ?? ''}
          onChange={(event) => change({ outcome: OUTCOMES.find((each) => each === event.target.value) })}
        >
          <option value="">Any outcome</option>
          {OUTCOMES.map((outcome) => <option key={outcome} value={outcome}>{outcomes[outcome].word}</option>)}
        </Select>
        <label className="flex items-center gap-1.5">
          <input
            type="checkbox"
            className="size-4 accent-[var(--accent)]"
            checked={wanted.sends === true}
            onChange={(event) => change({ sends: event.target.checked })}
          />
          Sends too
        </label>
        {narrowed && <Button tone="quiet" onClick={() => { setWanted({}); setPlace({}) }}>Clear</Button>}
      </div>
      {log === undefined ? (
        result.error === undefined ? <Loading rows={6} /> : <Problem error={result.error} again={ask} />
      ) : (
        <>
          {log.nodes.length === 0 ? (
            log.pageInfo.hasNextPage ? (
              <Empty title="None so far">There are many entries to look through; go on to the next page.</Empty>
            ) : narrowed ? (
              <Empty title="No entry matches">Widen the search, or clear it.</Empty>
            ) : (
              <Empty title="Nothing was done yet">Whoever changes something leaves an entry here.</Empty>
            )
          ) : (
            <table className="w-full table-fixed">
              <thead className="hidden border-b border-line text-muted md:table-header-group">
                <tr>
                  <th scope="col" className="w-36 py-2 ps-4">When</th>
                  <th scope="col" className="py-2">What</th>
                  <th scope="col" className="w-32 py-2">Outcome</th>
                  <th scope="col" className="w-44 py-2">Who</th>
                  <th scope="col" className="w-40 py-2 pe-4">From</th>
                </tr>
              </thead>
              <tbody>
                {log.nodes.map((entry) => <Row key={entry.id} entry={entry} onOpen={() => setShown(entry)} />)}
              </tbody>
            </table>
          )}
          <Pager info={log.pageInfo} total={log.totalCount} capped={log.totalCountIsCapped} noun={log.totalCount === 1 ? 'entry' : 'entries'} onGo={setPlace} />
        </>
      )}
      {shown !== undefined && <Entry entry={shown} onClose={() => setShown(undefined)} />}
    </Panel>
  )
}

function Row({ entry, onOpen }: { entry: AuditRowFragment; onOpen: () => void }) {
  return (
    <tr data-testid="audit-row" className="relative border-b border-line last:border-0 hover:bg-sunken/60 max-md:grid max-md:grid-cols-[minmax(0,1fr)] max-md:gap-0.5 max-md:px-4 max-md:py-2">
      <td className="text-muted md:py-2 md:ps-4"><Time at={entry.at} /></td>
      <td className="md:py-2 md:pe-4">
        <button
          type="button"
          onClick={onOpen}
          className="clip block w-full text-start font-medium after:absolute after:inset-0 focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent"
        >
          {entry.operation}
        </button>
        {entry.subject != null && <span className="clip block font-mono text-xs text-muted">{entry.subject}</span>}
      </td>
      <td className="md:py-2"><Badge look={outcomes[entry.outcome]} /></td>
      <td className="md:py-2 md:pe-4"><span className="clip block">{who(entry)}</span></td>
      <td className="text-muted md:py-2 md:pe-4"><span className="clip block">{entry.origin ?? '–'}</span></td>
    </tr>
  )
}

function Entry({ entry, onClose }: { entry: AuditRowFragment; onClose: () => void }) {
  const rows: [string, ReactNode][] = [
    ['When', <Time key="at" at={entry.at} />],
    ['Outcome', <Badge key="outcome" look={outcomes[entry.outcome]} more={entry.code ?? undefined} />],
    ['Who', who(entry)],
    ['From', entry.origin ?? 'This machine’s command line'],
    ['By', <span key="via" className="font-mono text-xs break-all">{entry.via}</span>],
    ['About', entry.subject == null ? '–' : <span key="subject" className="font-mono text-xs break-all">{entry.subject}</span>],
    ['Did', `${count(entry.done)} ${entry.done === 1 ? 'thing' : 'things'}`],
  ]
  if (entry.reason != null) rows.push(['Why', entry.reason])
  const told = changes(entry.before, entry.after)
  return (
    <Dialog drawer title={entry.operation} onClose={onClose}>
      <div className="flex flex-col gap-5 p-4">
        <dl className="grid grid-cols-[6rem_minmax(0,1fr)] gap-x-4 gap-y-2">
          {rows.map(([word, value]) => (
            <div key={word} className="contents"><dt className="text-muted">{word}</dt><dd>{value}</dd></div>
          ))}
        </dl>
        {told.length > 0 && (
          <section aria-label="Before and after">
            <h3 className="mb-1.5">Before and after</h3>
            <table className="w-full table-fixed">
              <thead className="border-b border-line text-muted">
                <tr>
                  <th scope="col" className="w-32 py-1.5">Field</th>
                  <th scope="col" className="py-1.5">Before</th>
                  <th scope="col" className="py-1.5">After</th>
                </tr>
              </thead>
              <tbody>
                {told.map(([name, before, after]) => (
                  <tr key={name} className={`border-b border-line align-top last:border-0 ${before === after ? 'text-muted' : ''}`}>
                    <th scope="row" className="py-1.5 pe-2 font-normal">{name}</th>
                    <td className="py-1.5 pe-2 font-mono text-xs break-words">{before ?? ''}</td>
                    <td className="py-1.5 font-mono text-xs break-words">{after ?? ''}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </section>
        )}
        <section aria-label="Asked for">
          <h3 className="mb-1.5">Asked for</h3>
          {entry.arguments == null ? (
            <p className="text-muted">Nothing besides.</p>
          ) : (
            <>
              <pre className="overflow-x-auto rounded-lg border border-line bg-canvas p-3 font-mono text-xs whitespace-pre-wrap">{JSON.stringify(entry.arguments, undefined, 2)}</pre>
              <p className="mt-1.5 text-faint">Texts are never kept: … stands for them, and a number for how long a list was.</p>
            </>
          )}
        </section>
      </div>
    </Dialog>
  )
}

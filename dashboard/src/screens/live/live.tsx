import { getRouteApi } from '@tanstack/react-router'
import { memo, useMemo } from 'react'

import { listed } from '../../address.ts'
import type { DeliveryEventFilter, EventRowFragment } from '../../api/generated.ts'
import { Button } from '../../parts/button.tsx'
import { count } from '../../parts/format.ts'
import { Down, Pause, Play, Warning } from '../../parts/icons.tsx'
import { Menu, MenuItem } from '../../parts/menu.tsx'
import { Head } from '../../parts/panel.tsx'
import { PlainLink } from '../../parts/plain-link.tsx'
import { useRows } from '../../parts/rows.ts'
import { Empty, Loading } from '../../parts/states.tsx'
import { Badge, EVENTS, events } from '../../parts/status.tsx'
import { Time } from '../../parts/time.tsx'
import { useKeys } from '../../shell/keys.ts'
import { SearchBox } from '../emails/filter-bar.tsx'
import { detail } from './detail.ts'
import { MOVING, ROOM, useTail } from './tail.ts'

const route = getRouteApi('/live')

/** What Mailgun reports, as it is recorded. */
export function Live() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const types = listed(search.type, EVENTS)
  const key = JSON.stringify(search)
  const filter = useMemo(() => {
    const made: DeliveryEventFilter = {}
    if (types.length > 0) made.type = types
    if (search.address !== undefined) made.address = search.address
    if (search.email !== undefined) made.emailId = search.email
    if (search.campaign !== undefined) made.campaignId = search.campaign
    return made
  }, [key])
  const { rows, waiting, full, gap, paused, toggle, loading, problem } = useTail(filter)
  useRows()
  useKeys({ ' ': toggle })

  const change = (part: Partial<Record<keyof typeof search, string | undefined>>) => {
    void navigate({ search: (before) => ({ ...before, ...part }) as typeof search, replace: true })
  }
  const [only] = types
  const label = only === undefined ? 'Any event' : types.length === 1 ? events[only].word : `${types.length} events`
  return (
    <>
      <Head title="Live">
        <span role="status" className={paused ? 'text-warn' : 'text-muted'} data-testid="tail-state">
          {paused ? `Paused · ${count(waiting, full)} new` : 'Following'}
        </span>
        <Button tone={paused ? 'main' : 'plain'} onClick={toggle} title="Space">
          {paused ? <><Play />Resume</> : <><Pause />Pause</>}
        </Button>
      </Head>
      <div className="mb-3 flex flex-wrap items-center gap-2" role="search">
        <SearchBox value={search.address} onChange={(address) => change({ address })} label="Recipient" placeholder="Recipient’s address" />
        <Menu label={<>{label}<Down /></>} name={`Events: ${label}`}>
          {() =>
            EVENTS.map((type) => {
              const { icon: Icon, colour, word } = events[type]
              const on = types.includes(type)
              const next = on ? types.filter((each) => each !== type) : [...types, type]
              return (
                <MenuItem key={type} checked={on} onClick={() => change({ type: next.join(',') || undefined })}>
                  <Icon className={`size-4 ${colour}`} />
                  {word}
                </MenuItem>
              )
            })
          }
        </Menu>
        {Object.values(search).some((value) => value !== undefined) && (
          <Button tone="quiet" onClick={() => change({ type: undefined, address: undefined, email: undefined, campaign: undefined })}>Clear</Button>
        )}
      </div>
      {full && <p role="status" className="mb-3 text-muted">{count(ROOM)} wait. It stopped there, and reads the rest when you resume.</p>}
      {gap && (
        <p role="alert" className="mb-3 flex items-center gap-2 rounded-lg bg-warn-soft px-3 py-2 text-warn">
          <Warning />Some events between these are past retention and can’t be shown.
        </p>
      )}
      <div className="panel">
        {problem !== undefined ? (
          <Empty title="The tail could not be read">{problem}</Empty>
        ) : loading && rows.length === 0 ? (
          <Loading rows={12} />
        ) : rows.length === 0 ? (
          <Empty title="Nothing yet">Events appear here as Mailgun reports them.</Empty>
        ) : (
          <table className="w-full table-fixed">
            <thead className="hidden border-b border-line text-muted md:table-header-group">
              <tr>
                <th scope="col" className="w-28 py-2 ps-4">Happened</th>
                <th scope="col" className="w-36 py-2">Event</th>
                <th scope="col" className="w-[28%] py-2">Recipient</th>
                <th scope="col" className="py-2 pe-4">Details</th>
              </tr>
            </thead>
            <tbody>
              {(paused ? rows : rows.slice(0, MOVING)).map((event) => <Row key={event.id} event={event} />)}
            </tbody>
          </table>
        )}
      </div>
    </>
  )
}

const Row = memo(function Row({ event }: { event: EventRowFragment }) {
  const told = detail(event)
  const look = events[event.type]
  const Icon = look.icon
  const address = event.address ?? 'Nobody named'
  return (
    <tr className="relative border-b border-line last:border-0 hover:bg-sunken/60">
      <td className="hidden py-1.5 ps-4 whitespace-nowrap text-muted md:table-cell"><Time at={event.occurredAt} /></td>
      <td className="hidden py-1.5 md:table-cell"><Badge look={look} /></td>
      <td className="py-2 ps-4 md:py-1.5 md:ps-0">
        <span className="flex items-center gap-2.5">
          <Icon className={`size-4 md:hidden ${look.colour}`} />
          <span className="min-w-0 flex-1">
            {event.email == null ? (
              <span className="clip block">{address}</span>
            ) : (
              <PlainLink
                to="/emails"
                search={{ email: event.email.id }}
                data-row=""
                className="clip block after:absolute after:inset-0 focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent"
              >
                {address}
              </PlainLink>
            )}
            <span className="clip block text-muted md:hidden">{look.word}{told !== '' && ` · ${told}`}</span>
          </span>
        </span>
      </td>
      <td className="hidden py-1.5 pe-4 md:table-cell">
        <span className="clip block text-muted" title={told}>
          {told}
          {event.copy && <span className="ms-1.5 rounded bg-sunken px-1.5">copy</span>}
          {event.source === 'RECONCILED' && <span className="ms-1.5 rounded bg-sunken px-1.5" title="Found in Mailgun’s log: its webhook never came">from the log</span>}
        </span>
      </td>
      <td className="w-20 py-2 pe-4 text-end text-muted md:hidden"><Time at={event.occurredAt} /></td>
    </tr>
  )
})

import { getRouteApi, Link } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { useQuery } from 'urql'

import { listed } from '../../address.ts'
import { type CampaignFilter, type CampaignRowFragment, CampaignsDocument, QueueDocument } from '../../api/generated.ts'
import { useFresh } from '../../api/use.ts'
import { Button } from '../../parts/button.tsx'
import { Select } from '../../parts/field.tsx'
import { count } from '../../parts/format.ts'
import { Plus } from '../../parts/icons.tsx'
import { Pager, paged } from '../../parts/pager.tsx'
import { Head } from '../../parts/panel.tsx'
import { useRows } from '../../parts/rows.ts'
import { Empty, Loading, Problem } from '../../parts/states.tsx'
import { Badge } from '../../parts/status.tsx'
import { Time } from '../../parts/time.tsx'
import { useMay } from '../../session/viewer.tsx'
import { Chip, SearchBox } from '../emails/filter-bar.tsx'
import { CreateCampaign } from './creating.tsx'
import { CAMPAIGN_STATUSES, campaignStatuses } from './looks.ts'

const route = getRouteApi('/campaigns')
const PAGE = 25

/** Every campaign, and how far each is. */
export function Campaigns() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const manages = useMay('MANAGE')
  const [creating, setCreating] = useState(false)
  const key = JSON.stringify(search)
  const variables = useMemo(() => {
    const filter: CampaignFilter = {}
    const status = listed(search.status, CAMPAIGN_STATUSES)
    if (status.length > 0) filter.status = status
    if (search.name !== undefined) filter.name = search.name
    if (search.template !== undefined) filter.templateId = search.template
    return { filter, ...paged(search, PAGE) }
  }, [key])
  const [queue] = useQuery({ query: QueueDocument })
  const changed = JSON.stringify([queue.data?.queueStats.ledger, queue.data?.queueStats.pauses])
  const { result, ask } = useFresh(CampaignsDocument, variables, { changed, pause: 2_000 })
  const campaigns = result.data?.campaigns
  useRows()

  const change = (part: Partial<Record<keyof typeof search, string | undefined>>) => {
    void navigate({ search: (before) => ({ ...before, after: undefined, before: undefined, ...part }) as typeof search, replace: true })
  }
  const narrowed = search.status !== undefined || search.name !== undefined || search.template !== undefined
  return (
    <>
      <Head title="Campaigns">
        {manages && <Button tone="main" onClick={() => setCreating(true)}><Plus />New campaign</Button>}
      </Head>
      <div className="mb-3 flex flex-wrap items-center gap-2" role="search">
        <SearchBox value={search.name} onChange={(name) => change({ name })} label="Name" placeholder="A part of the name" />
        <Select aria-label="Status" value={search.status ?? ''} onChange={(event) => change({ status: event.target.value || undefined })}>
          <option value="">Any status</option>
          {CAMPAIGN_STATUSES.map((status) => <option key={status} value={status}>{campaignStatuses[status].word}</option>)}
        </Select>
        {search.template !== undefined && <Chip label="One template" onRemove={() => change({ template: undefined })} />}
        {narrowed && <Button tone="quiet" onClick={() => change({ status: undefined, name: undefined, template: undefined })}>Clear</Button>}
      </div>
      <div className="panel" aria-busy={result.stale}>
        {campaigns === undefined ? (
          result.error === undefined ? <Loading /> : <Problem error={result.error} again={ask} />
        ) : (
          <>
            {campaigns.nodes.length === 0 ? (
              narrowed ? <Empty title="No campaign matches">Widen the filter, or clear it.</Empty> : <Empty title="No campaign yet">One content for many recipients: create one, import its recipients, launch it.</Empty>
            ) : (
              <table className="w-full table-fixed">
                <thead className="hidden border-b border-line text-muted md:table-header-group">
                  <tr>
                    <th scope="col" className="py-2 ps-4">Campaign</th>
                    <th scope="col" className="w-32 py-2">Status</th>
                    <th scope="col" className="w-44 py-2">Progress</th>
                    <th scope="col" className="w-24 py-2 text-end">Recipients</th>
                    <th scope="col" className="w-24 py-2 text-end">Delivered</th>
                    <th scope="col" className="w-24 py-2 text-end">Bounced</th>
                    <th scope="col" className="w-36 py-2 pe-4 text-end">Created</th>
                  </tr>
                </thead>
                <tbody>
                  {campaigns.nodes.map((campaign) => <Row key={campaign.id} campaign={campaign} />)}
                </tbody>
              </table>
            )}
            <Pager info={campaigns.pageInfo} total={campaigns.totalCount} capped={campaigns.totalCountIsCapped} noun={campaigns.totalCount === 1 ? 'campaign' : 'campaigns'} onGo={change} />
          </>
        )}
      </div>
      {creating && <CreateCampaign onClose={() => setCreating(false)} />}
    </>
  )
}

function Row({ campaign }: { campaign: CampaignRowFragment }) {
  const { ledger } = campaign
  const look = campaignStatuses[campaign.status]
  const delivered = ledger.delivered + ledger.complained
  return (
    <tr className="relative border-b border-line last:border-0 hover:bg-sunken/60">
      <td className="py-2 ps-4">
        <Link
          to="/campaigns/$id"
          params={{ id: campaign.id }}
          data-row=""
          className="clip block font-medium after:absolute after:inset-0 focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent"
        >
          {campaign.name}
        </Link>
        <span className="clip block text-muted max-md:hidden">{campaign.subject || campaign.template?.subject || 'No subject'}</span>
        <span className="clip block text-muted md:hidden">{look.word} · {count(delivered)} of {count(ledger.total)} delivered</span>
      </td>
      <td className="hidden py-2 md:table-cell"><Badge look={look} /></td>
      <td className="hidden py-2 pe-6 md:table-cell"><Progress value={campaign.progress} /></td>
      <td className="hidden py-2 text-end md:table-cell">{count(ledger.total)}</td>
      <td className="hidden py-2 text-end md:table-cell">{count(delivered)}</td>
      <td className={`hidden py-2 text-end md:table-cell ${ledger.bounced === 0 ? 'text-faint' : ''}`}>{count(ledger.bounced)}</td>
      <td className="w-28 py-2 pe-4 text-end whitespace-nowrap text-muted"><Time at={campaign.createdAt} seconds={false} /></td>
    </tr>
  )
}

/** How far it is: a bar for the eye, and the number. Never full before it is. */
export function Progress({ value }: { value: number }) {
  const percent = value >= 1 ? 100 : Math.min(99, Math.floor(value * 100))
  return (
    <span className="flex items-center gap-2">
      <span aria-hidden="true" className="h-1.5 flex-1 rounded-full bg-sunken">
        <span className="block h-full rounded-full bg-accent" style={{ width: `${percent}%` }} />
      </span>
      <span className="w-10 text-end whitespace-nowrap">{percent}%</span>
    </span>
  )
}

import { listed, moment } from '../../address.ts'
import type { EmailFilter, Priority } from '../../api/generated.ts'
import { paged } from '../../parts/pager.tsx'
import { STATUSES } from '../../parts/status.tsx'

export const PRIORITIES: readonly Priority[] = ['HIGH', 'NORMAL', 'LOW']

/** What the address of this screen may say. */
export interface Search {
  view?: string
  status?: string
  cause?: string
  address?: string
  domain?: string
  campaign?: string
  priority?: string
  since?: string
  until?: string
  order?: string
  after?: string
  before?: string
  email?: string
  tab?: string
}

/** What narrows the list. */
export const NARROWING = ['status', 'cause', 'address', 'domain', 'campaign', 'priority', 'since', 'until'] as const

export function isNarrowed(search: Search): boolean {
  return NARROWING.some((name) => search[name] !== undefined)
}

/** The filter that an address means. */
export function filterOf(search: Search, now: number): EmailFilter {
  const filter: EmailFilter = {}
  const status = listed(search.status, STATUSES)
  if (status.length > 0) filter.status = status
  if (search.cause !== undefined) filter.cause = search.cause
  if (search.address !== undefined) filter.address = search.address
  if (search.domain !== undefined) filter.domain = search.domain
  if (search.campaign !== undefined) filter.campaignId = search.campaign
  const [priority] = listed(search.priority, PRIORITIES)
  if (priority !== undefined) filter.priority = priority
  const since = moment(search.since, now)
  const until = moment(search.until, now)
  if (since !== undefined || until !== undefined) filter.createdAt = { since, until }
  return filter
}

export const PAGE = 50

/** The page that an address means: the first, the one after a cursor, or the one before it. */
export function pageOf(search: Search) {
  const direction = search.order === 'oldest' ? ('ASC' as const) : ('DESC' as const)
  return { order: { field: 'CREATED_AT' as const, direction }, ...paged(search, PAGE) }
}

import type { EndpointRowFragment } from '../../../api/generated.ts'
import { counted, phrase } from '../../../parts/format.ts'

export type Tone = 'good' | 'warn' | 'bad' | 'muted'

/** How an endpoint is, in a word or two, and how much of a worry that is. */
export function state(endpoint: Pick<EndpointRowFragment, 'enabled' | 'disabledBecause' | 'failingSince'>): { words: string; tone: Tone } {
  if (!endpoint.enabled) {
    if (endpoint.disabledBecause === 'FAILING') return { words: 'Disabled: it failed for days', tone: 'bad' }
    if (endpoint.disabledBecause === 'GONE') return { words: 'Disabled: it says it is gone', tone: 'bad' }
    return { words: 'Disabled', tone: 'muted' }
  }
  return endpoint.failingSince == null ? { words: 'Well', tone: 'good' } : { words: 'Failing', tone: 'warn' }
}

/** What an endpoint hears of, in a line. */
export function wants({ types, campaignIds, sendingDomains, tags }: Pick<EndpointRowFragment, 'types' | 'campaignIds' | 'sendingDomains' | 'tags'>): string {
  const parts = [types.length === 0 ? 'Everything' : types.map(phrase).join(', ')]
  if (sendingDomains.length > 0) parts.push(`of ${sendingDomains.join(', ')}`)
  if (tags.length > 0) parts.push(`tagged ${tags.join(', ')}`)
  if (campaignIds.length > 0) parts.push(`of ${counted(campaignIds.length, 'campaign')}`)
  return parts.join(' ')
}

/** The words of a field that holds several, by commas or line breaks. */
export function several(text: string): string[] {
  return text.split(/[\s,]+/).filter((each) => each !== '')
}

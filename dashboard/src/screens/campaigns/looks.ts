import type { CampaignStatus } from '../../api/generated.ts'
import type { Look } from '../../parts/status.tsx'
import * as icons from '../../parts/icons.tsx'

/** Where a campaign can stand. */
export const campaignStatuses: Record<CampaignStatus, Look> = {
  DRAFT: { icon: icons.Ring, colour: 'text-muted', word: 'Draft', means: 'It was not launched yet.' },
  SCHEDULED: { icon: icons.Clock, colour: 'text-muted', word: 'Scheduled', means: 'It was launched for a later time.' },
  RUNNING: { icon: icons.Way, colour: 'text-info', word: 'Running', means: 'Its emails are made, wait, or are under way.' },
  PAUSED: { icon: icons.Wait, colour: 'text-warn', word: 'Paused', means: 'A pause keeps what is open of it.' },
  COMPLETED: { icon: icons.Tick, colour: 'text-good', word: 'Completed', means: 'Every email has come to an end.' },
  CANCELLED: { icon: icons.Slash, colour: 'text-muted', word: 'Cancelled', means: 'Nothing of it is sent any more.' },
}

export const CAMPAIGN_STATUSES = Object.keys(campaignStatuses) as CampaignStatus[]

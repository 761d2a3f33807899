import type { ReactNode } from 'react'

import type { DeliveryEventType, EmailStatus, SuppressionReason } from '../api/generated.ts'
import * as icons from './icons.tsx'

export interface Look {
  icon: (props: { className?: string }) => ReactNode
  colour: string
  word: string
  /** In a sentence, for whoever does not know the words. */
  means: string
}

/** Where an email can stand: a shape, a colour and a word for each. */
export const statuses: Record<EmailStatus, Look> = {
  SCHEDULED: { icon: icons.Clock, colour: 'text-muted', word: 'Scheduled', means: 'It goes later: its time has not come, or it waits between two tries.' },
  QUEUED: { icon: icons.Ring, colour: 'text-muted', word: 'Queued', means: 'It is due and waits for its turn.' },
  SENDING: { icon: icons.Way, colour: 'text-info', word: 'Sending', means: 'It is being handed to Mailgun at this moment.' },
  UNCONFIRMED: { icon: icons.Question, colour: 'text-warn', word: 'Unconfirmed', means: 'Mailgun may or may not have it: its answer never came.' },
  SENT: { icon: icons.Sent, colour: 'text-info', word: 'Sent', means: 'Mailgun accepted it; the recipient’s server has not answered yet.' },
  DEFERRED: { icon: icons.Wait, colour: 'text-warn', word: 'Deferred', means: 'The recipient’s server refused it for now; Mailgun tries on.' },
  DELIVERED: { icon: icons.Tick, colour: 'text-good', word: 'Delivered', means: 'The recipient’s server took it.' },
  BOUNCED: { icon: icons.Back, colour: 'text-bad', word: 'Bounced', means: 'The recipient’s server refused it for good.' },
  COMPLAINED: { icon: icons.Flag, colour: 'text-odd', word: 'Complained', means: 'The recipient reported it as spam.' },
  FAILED: { icon: icons.Cross, colour: 'text-bad', word: 'Failed', means: 'Mailgun refused it, or its tries are spent. It can be retried.' },
  CANCELLED: { icon: icons.Slash, colour: 'text-muted', word: 'Cancelled', means: 'Somebody stopped it before it left.' },
  SUPPRESSED: { icon: icons.Shield, colour: 'text-muted', word: 'Suppressed', means: 'Its recipient must not be mailed, so it was not sent.' },
  EXPIRED: { icon: icons.Late, colour: 'text-muted', word: 'Expired', means: 'Its time was over before Mailgun could take it.' },
}

export const STATUSES = Object.keys(statuses) as EmailStatus[]

/** What Mailgun can report. */
export const events: Record<DeliveryEventType, Look> = {
  ACCEPTED: { icon: icons.Sent, colour: 'text-info', word: 'Accepted', means: 'Mailgun took it in.' },
  DELIVERED: { icon: icons.Tick, colour: 'text-good', word: 'Delivered', means: 'The recipient’s server took it.' },
  DEFERRED: { icon: icons.Wait, colour: 'text-warn', word: 'Deferred', means: 'Refused for now; Mailgun tries on.' },
  BOUNCED: { icon: icons.Back, colour: 'text-bad', word: 'Bounced', means: 'It will not be delivered.' },
  REJECTED: { icon: icons.Cross, colour: 'text-bad', word: 'Rejected', means: 'Mailgun refused it after taking it in.' },
  COMPLAINED: { icon: icons.Flag, colour: 'text-odd', word: 'Complained', means: 'Reported as spam.' },
  UNSUBSCRIBED: { icon: icons.Leave, colour: 'text-odd', word: 'Unsubscribed', means: 'Asked for no more.' },
  OPENED: { icon: icons.Eye, colour: 'text-muted', word: 'Opened', means: 'Opened, by a person or a machine.' },
  CLICKED: { icon: icons.Pointer, colour: 'text-muted', word: 'Clicked', means: 'A link was followed.' },
  UNKNOWN: { icon: icons.Question, colour: 'text-muted', word: 'Unknown', means: 'Something we know nothing of.' },
}

export const EVENTS = Object.keys(events) as DeliveryEventType[]

export const reasons: Record<SuppressionReason, Look> = {
  BOUNCE: { icon: icons.Back, colour: 'text-bad', word: 'Bounce', means: 'Mail to it came back.' },
  COMPLAINT: { icon: icons.Flag, colour: 'text-odd', word: 'Complaint', means: 'Its owner reported spam.' },
  UNSUBSCRIBE: { icon: icons.Leave, colour: 'text-odd', word: 'Unsubscribe', means: 'Its owner opted out.' },
  MANUAL: { icon: icons.Slash, colour: 'text-muted', word: 'By hand', means: 'Somebody entered it.' },
}

export const REASONS = Object.keys(reasons) as SuppressionReason[]

/** The shape and the word, and what is more particular. */
export function Badge({ look: { icon: Icon, colour, word, means }, more }: { look: Look; more?: string | undefined }) {
  return (
    <span className="flex items-center gap-1.5 whitespace-nowrap" title={means}>
      <Icon className={`size-4 ${colour}`} />
      {word}
      {more !== undefined && <span className="text-muted">{more}</span>}
    </span>
  )
}

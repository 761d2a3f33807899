import type { ReactNode } from 'react'

import { Cog, Envelope, Letter, Megaphone, Overview, Pulse, Shield } from '../parts/icons.tsx'

export interface Place {
  path: '/' | '/emails' | '/live' | '/campaigns' | '/templates' | '/suppressions' | '/settings'
  word: string
  icon: (props: { className?: string }) => ReactNode
  /** After `g`. */
  key: string
  /** What it is for, in the palette. */
  means: string
}

/** Every screen, in the order of the navigation. */
export const places: readonly Place[] = [
  { path: '/', word: 'Overview', icon: Overview, key: 'o', means: 'How the queue stands' },
  { path: '/emails', word: 'Emails', icon: Envelope, key: 'e', means: 'Find emails, and what became of them' },
  { path: '/live', word: 'Live', icon: Pulse, key: 'l', means: 'What Mailgun reports, as it comes' },
  { path: '/campaigns', word: 'Campaigns', icon: Megaphone, key: 'c', means: 'One content for many recipients' },
  { path: '/templates', word: 'Templates', icon: Letter, key: 't', means: 'What emails and campaigns say' },
  { path: '/suppressions', word: 'Suppressions', icon: Shield, key: 's', means: 'Who must not be mailed' },
  { path: '/settings', word: 'Settings', icon: Cog, key: ',', means: 'Keys, holds, health' },
]

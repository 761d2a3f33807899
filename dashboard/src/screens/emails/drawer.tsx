import { useState } from 'react'
import { useSubscription } from 'urql'

import { EmailChangedDocument, EmailLifeDocument, type EmailLifeFragment, EmailToldDocument } from '../../api/generated.ts'
import { useFresh } from '../../api/use.ts'
import { Dialog } from '../../parts/dialog.tsx'
import { Empty, Loading, Problem } from '../../parts/states.tsx'
import { Badge, statuses } from '../../parts/status.tsx'
import { Actions } from './actions.tsx'
import { Content } from './content.tsx'
import { Details } from './details.tsx'
import { Life } from './life.tsx'
import { Reveal } from './revealing.tsx'

const TABS = [
  [undefined, 'Life'],
  ['content', 'Content'],
  ['details', 'Details'],
] as const

interface DrawerProps {
  id: string
  tab: string | undefined
  onTab: (tab: string | undefined) => void
  onClose: () => void
}

/** One email: its whole life, what it says, and what can be done about it; it moves as the email does. */
export function Drawer({ id, tab, onTab, onClose }: DrawerProps) {
  const [told, setTold] = useState<string>()
  const { result, ask } = useFresh(EmailLifeDocument, { id }, { changed: told })
  const email = result.data?.email
  // Followed from where the first answer ends.
  const [from, setFrom] = useState<string | null>()
  if (from === undefined && email != null) setFrom(email.events.pageInfo.startCursor ?? null)
  useSubscription({ query: EmailToldDocument, variables: { id, after: from ?? null }, pause: from === undefined }, (_before, news) => {
    setTold(news.deliveryEventAdded.cursor)
    return news
  })
  // The cache puts what it tells into the email above.
  useSubscription({ query: EmailChangedDocument, variables: { id }, pause: email == null })

  return (
    <Dialog drawer title={email?.to ?? 'Email'} onClose={onClose} extra={email != null && <Badge look={statuses[email.status]} />}>
      {result.data === undefined ? (
        result.error === undefined ? <Loading /> : <Problem error={result.error} again={ask} />
      ) : email == null ? (
        <Empty title="There is no such email">It was cleaned away, or the address of this page is not whole.</Empty>
      ) : (
        <Shown email={email} tab={tab} onTab={onTab} />
      )}
    </Dialog>
  )
}

function Shown({ email, tab, onTab }: { email: EmailLifeFragment; tab: string | undefined; onTab: DrawerProps['onTab'] }) {
  return (
    <>
      <div className="px-4 pt-4 pb-3">
        <p className="text-base leading-6 font-semibold">{email.subject || <em className="font-normal text-faint">No subject</em>}</p>
        <p className="mt-0.5 text-muted">{statuses[email.status].means}</p>
        {email.heldBy != null && <p className="mt-2 rounded-lg bg-warn-soft px-3 py-2 text-warn">Waits: {email.heldBy}</p>}
        {email.cancelRequested && (
          <p className="mt-2 rounded-lg bg-sunken px-3 py-2 text-muted">Somebody asked to stop it: it ends as Cancelled if it turns out not to have left.</p>
        )}
        <Actions email={email} />
        <Reveal id={email.id} />
      </div>
      <div role="tablist" aria-label="About this email" className="sticky top-0 z-10 flex gap-4 border-b border-line bg-surface px-4">
        {TABS.map(([value, word]) => {
          const shown = tab === value
          return (
            <button
              key={word}
              type="button"
              role="tab"
              id={`tab-${word}`}
              aria-selected={shown}
              aria-controls="tab-panel"
              onClick={() => onTab(value)}
              className={`-mb-px border-b-2 py-2 font-medium ${shown ? 'border-accent' : 'border-transparent text-muted hover:text-text'}`}
            >
              {word}
            </button>
          )
        })}
      </div>
      <div role="tabpanel" id="tab-panel" aria-labelledby={`tab-${TABS.find(([value]) => value === tab)?.[1] ?? 'Life'}`}>
        {tab === 'content' ? <Content id={email.id} /> : tab === 'details' ? <Details email={email} /> : <Life email={email} />}
      </div>
    </>
  )
}

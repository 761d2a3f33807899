import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'

import type { EmailLifeFragment } from '../../api/generated.ts'
import { IconButton } from '../../parts/button.tsx'
import { phrase } from '../../parts/format.ts'
import { Copy } from '../../parts/icons.tsx'
import { tell } from '../../parts/notices.tsx'
import { Time } from '../../parts/time.tsx'

const policies = {
  VERIFY: 'Asked for in Mailgun’s log before it is sent again',
  RESEND: 'Sent again after a short wait',
  HOLD: 'A person decides',
}

/** What was asked of an email, and when what happened. */
export function Details({ email }: { email: EmailLifeFragment }) {
  const time = (at: string | null | undefined) => (at == null ? undefined : <Time at={at} />)
  const list = (addresses: readonly string[]) => (addresses.length === 0 ? undefined : addresses.join(', '))
  const rows: [string, ReactNode][] = [
    ['Id', <span key="id" className="flex items-center gap-1"><code className="font-mono text-xs">{email.id}</code><CopyButton text={email.id} /></span>],
    ['From', email.from],
    ['To', <Link key="to" to="/emails" search={{ address: email.to }} className="text-accent hover:underline">{email.to}</Link>],
    ['Cc', list(email.cc)],
    ['Bcc', list(email.bcc)],
    ['Left out', email.omitted.length === 0 ? undefined : <>{list(email.omitted)} <span className="text-muted">(must not be mailed)</span></>],
    ['Priority', phrase(email.priority)],
    ['Kind', email.transactional ? 'Transactional: an unsubscribe does not stop it' : undefined],
    ['Tags', list(email.tags)],
    ['Test mode', email.testMode ? 'Mailgun accepts it and does not deliver it' : undefined],
    ['Sandbox', email.sandbox ? 'Accepted for the sandbox: never delivered' : undefined],
    ['If unconfirmed', policies[email.onUnconfirmed]],
    ['Accepted', time(email.createdAt)],
    ['To be sent', time(email.sendAt)],
    ['Next try', time(email.dueAt)],
    ['Not after', time(email.deliverBy)],
    ['Sent', time(email.sentAt)],
    ['Delivered', time(email.deliveredAt)],
    ['Ended', time(email.finishedAt)],
  ]
  return (
    <dl className="grid grid-cols-[7rem_minmax(0,1fr)] gap-x-4 gap-y-2 p-4">
      {rows.map(([word, value]) =>
        value === undefined ? null : (
          <div key={word} className="contents">
            <dt className="text-muted">{word}</dt>
            <dd className="min-w-0">{value}</dd>
          </div>
        ),
      )}
    </dl>
  )
}

export function CopyButton({ text }: { text: string }) {
  return (
    <IconButton
      label="Copy"
      className="size-6"
      onClick={async () => {
        await navigator.clipboard.writeText(text)
        tell('Copied.')
      }}
    >
      <Copy className="size-3.5" />
    </IconButton>
  )
}

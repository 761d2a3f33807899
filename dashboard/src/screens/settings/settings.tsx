import { type ReactNode, useEffect, useState } from 'react'
import { useQuery } from 'urql'

import { HoldsDocument, KeysDocument, type KeyRowFragment, QueueDocument } from '../../api/generated.ts'
import { useCell, useFresh, useService } from '../../api/use.ts'
import { Button } from '../../parts/button.tsx'
import { phrase } from '../../parts/format.ts'
import { Plus } from '../../parts/icons.tsx'
import { Head, Panel } from '../../parts/panel.tsx'
import { Empty, Loading, Problem } from '../../parts/states.tsx'
import { Ago, Time } from '../../parts/time.tsx'
import { useMay, useViewer } from '../../session/viewer.tsx'
import { Held } from '../overview/held.tsx'
import { Reports } from '../overview/reports.tsx'
import { Audit } from './audit.tsx'
import { Endpoints } from './endpoints/endpoints.tsx'
import { CreateKey, RevokeKey } from './keys.tsx'
import { Kept } from './kept.tsx'

/** Who may use the API, what makes emails wait, and how the service is. */
export function Settings() {
  const [queue] = useQuery({ query: QueueDocument })
  const stats = queue.data?.queueStats
  const changed = JSON.stringify([stats?.pauses, stats?.breakers])
  const { result: holds } = useFresh(HoldsDocument, {}, { changed })
  return (
    <>
      <Head title="Settings" />
      <div className="grid grid-cols-[minmax(0,1fr)] gap-4 lg:grid-cols-3">
        <Keys />
        <Endpoints />
        <Audit />
        <Reports domains={stats?.reconciliation ?? []} />
        <Kept />
        <Service />
        <Health />
        <Held title="Holds" holds={holds.data?.holds} breakers={stats?.breakers ?? []} error={holds.error} waiting={stats?.waiting ?? 0} />
      </div>
    </>
  )
}

function Keys() {
  const admin = useMay('ADMIN')
  const [dialog, setDialog] = useState<'create' | KeyRowFragment>()
  const { result, ask } = useFresh(KeysDocument, {}, { paused: !admin })
  const keys = result.data?.apiKeys
  return (
    <Panel
      title="API keys"
      className="lg:col-span-3"
      extra={admin && <Button tone="main" small onClick={() => setDialog('create')}><Plus />New key</Button>}
    >
      {!admin ? (
        <Empty title="Your key may not see keys">A key with the scope ADMIN may see, make and end them.</Empty>
      ) : keys === undefined ? (
        result.error === undefined ? <Loading rows={3} /> : <Problem error={result.error} again={ask} />
      ) : keys.length === 0 ? (
        <Empty title="No keys">Whoever has ADMIN_API_KEY or a token can make the first.</Empty>
      ) : (
        <table className="w-full table-fixed">
          <thead className="hidden border-b border-line text-muted md:table-header-group">
            <tr>
              <th scope="col" className="py-2 ps-4">Name</th>
              <th scope="col" className="w-48 py-2">Begins with</th>
              <th scope="col" className="w-44 py-2">May</th>
              <th scope="col" className="w-32 py-2 text-end">Last used</th>
              <th scope="col" className="w-32 py-2 text-end">Ends</th>
              <th scope="col" className="w-24 py-2 pe-4"><span className="sr-only">Revoke</span></th>
            </tr>
          </thead>
          <tbody>
            {keys.map((key) => (
              <tr key={key.id} className={`border-b border-line last:border-0 ${key.revokedAt == null ? '' : 'text-faint'}`}>
                <td className="py-2 ps-4">
                  <span className="clip block font-medium">{key.name}</span>
                  <span className="block text-muted md:hidden">{key.scopes.map(phrase).join(', ')}</span>
                  {key.allowedAddresses.length > 0 && <span className="clip block text-muted">From {key.allowedAddresses.join(', ')}</span>}
                </td>
                <td className="hidden py-2 font-mono text-xs md:table-cell">{key.prefix}…</td>
                <td className="hidden py-2 text-muted md:table-cell">{key.scopes.map(phrase).join(', ')}</td>
                <td className="hidden py-2 text-end text-muted md:table-cell">{key.lastUsedAt == null ? 'Never' : <Ago at={key.lastUsedAt} />}</td>
                <td className="hidden py-2 text-end text-muted md:table-cell">
                  {key.revokedAt != null ? 'Revoked' : key.expiresAt == null ? 'Never' : <Ago at={key.expiresAt} />}
                </td>
                <td className="w-24 py-1.5 pe-4 text-end">
                  {key.revokedAt == null && <Button tone="danger" small aria-label={`Revoke ${key.name}`} onClick={() => setDialog(key)}>Revoke</Button>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {dialog === 'create' && <CreateKey onClose={() => setDialog(undefined)} />}
      {dialog !== undefined && dialog !== 'create' && <RevokeKey apiKey={dialog} onClose={() => setDialog(undefined)} />}
    </Panel>
  )
}

function Service() {
  const { version, sandbox, features, scopes, key } = useViewer()
  const rows: [string, ReactNode][] = [
    ['Version', version],
    ['Mode', sandbox ? 'Sandbox: nothing is delivered' : 'Live: emails go to Mailgun'],
    ['This process', features.includes('workers') ? 'Takes requests and sends' : 'Takes requests; others send'],
    ['Work travels', features.includes('redis') ? 'Through Redis' : 'In process'],
    ['Signed in with', key?.name ?? 'The administrator’s key, or a token'],
    ['Which may', scopes.map(phrase).join(', ')],
    ['Key ends', key?.expiresAt == null ? 'Never by itself' : <Time key="ends" at={key.expiresAt} seconds={false} />],
  ]
  return (
    <Panel title="Service">
      <dl className="grid grid-cols-[7.5rem_minmax(0,1fr)] gap-x-4 gap-y-2 p-4">
        {rows.map(([word, value]) => (
          <div key={word} className="contents"><dt className="text-muted">{word}</dt><dd>{value}</dd></div>
        ))}
      </dl>
    </Panel>
  )
}

const parts: Record<string, string> = {
  status: 'State',
  database: 'Database',
  lanes: 'Lanes',
  redis: 'Redis',
  news: 'News travel',
  works: 'This process sends',
  mode: 'Mode',
}

const ROUND = 10_000

/** What `/health/ready` says, asked every ten seconds while it is looked at. */
function Health() {
  const beat = useCell(useService().watch.beat)
  const [health, setHealth] = useState<Record<string, unknown>>()
  const [away, setAway] = useState(false)
  useEffect(() => {
    const look = async () => {
      if (document.hidden) return
      try {
        const response = await fetch('/health/ready')
        setHealth((await response.json()) as Record<string, unknown>)
        setAway(false)
      } catch {
        setAway(true)
      }
    }
    void look()
    const timer = setInterval(look, ROUND)
    return () => clearInterval(timer)
  }, [beat])
  return (
    <Panel title="Health">
      {away ? (
        <Empty title="The service does not answer">It is asked again every ten seconds.</Empty>
      ) : health === undefined ? (
        <Loading rows={4} />
      ) : (
        <dl className="grid grid-cols-[7.5rem_minmax(0,1fr)] gap-x-4 gap-y-2 p-4">
          {Object.entries(health).map(([name, value]) => (
            <div key={name} className="contents">
              <dt className="text-muted">{parts[name] ?? name}</dt>
              <dd>{value === true ? 'yes' : value === false ? 'no' : String(value).replaceAll('_', ' ')}</dd>
            </div>
          ))}
        </dl>
      )}
    </Panel>
  )
}

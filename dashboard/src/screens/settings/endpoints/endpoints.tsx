import { type ReactNode, useState } from 'react'

import { DisableEndpointDocument, EndpointsDocument, type EndpointRowFragment } from '../../../api/generated.ts'
import { useAct, useFresh } from '../../../api/use.ts'
import { Button } from '../../../parts/button.tsx'
import { Confirm } from '../../../parts/dialog.tsx'
import { count, counted } from '../../../parts/format.ts'
import { Plus } from '../../../parts/icons.tsx'
import { Menu, MenuItem } from '../../../parts/menu.tsx'
import { tell } from '../../../parts/notices.tsx'
import { Panel } from '../../../parts/panel.tsx'
import { Empty, Loading, Problem } from '../../../parts/states.tsx'
import { Ago } from '../../../parts/time.tsx'
import { useMay } from '../../../session/viewer.tsx'
import { Delete, Enable, Replay, Rotate, Trial } from './acts.tsx'
import { Dead } from './dead.tsx'
import { Form } from './form.tsx'
import { state, type Tone, wants } from './said.ts'

const tones: Record<Tone, string> = { good: 'text-good', warn: 'text-warn', bad: 'text-bad', muted: 'text-muted' }

type Doing = 'change' | 'rotate' | 'try' | 'disable' | 'enable' | 'delete' | 'dead' | 'replay'

/** Applications that are told of delivery events. */
export function Endpoints() {
  const manages = useMay('MANAGE')
  const admin = useMay('ADMIN')
  const [creating, setCreating] = useState(false)
  const [chosen, setChosen] = useState<{ id: string; doing: Doing }>()
  const { result, ask } = useFresh(EndpointsDocument, {}, { paused: !manages })
  const endpoints = result.data?.eventEndpoints
  const endpoint = endpoints?.find((each) => each.id === chosen?.id)
  const close = () => setChosen(undefined)
  const done = () => {
    close()
    ask()
  }
  return (
    <Panel
      title="Applications that are told of events"
      className="lg:col-span-3"
      extra={admin && <Button tone="main" small onClick={() => setCreating(true)}><Plus />New endpoint</Button>}
    >
      {!manages ? (
        <Empty title="Your key may not see endpoints">A key with the scope MANAGE may see them and have events told again; ADMIN may enter them.</Empty>
      ) : endpoints === undefined ? (
        result.error === undefined ? <Loading rows={2} /> : <Problem error={result.error} again={ask} />
      ) : endpoints.length === 0 ? (
        <Empty title="None is told">An endpoint is posted each delivery event, signed, until it takes it.</Empty>
      ) : (
        <ul>
          {endpoints.map((each) => (
            <Row key={each.id} endpoint={each} admin={admin} onDo={(doing) => setChosen({ id: each.id, doing })} />
          ))}
        </ul>
      )}
      {creating && <Form onClose={() => setCreating(false)} onDone={ask} />}
      {endpoint !== undefined && chosen?.doing === 'change' && <Form endpoint={endpoint} onClose={close} onDone={ask} />}
      {endpoint !== undefined && chosen?.doing === 'rotate' && <Rotate endpoint={endpoint} onClose={close} />}
      {endpoint !== undefined && chosen?.doing === 'try' && <Trial endpoint={endpoint} onClose={close} />}
      {endpoint !== undefined && chosen?.doing === 'disable' && <Disable endpoint={endpoint} onClose={done} />}
      {endpoint !== undefined && chosen?.doing === 'enable' && <Enable endpoint={endpoint} onClose={done} />}
      {endpoint !== undefined && chosen?.doing === 'delete' && <Delete endpoint={endpoint} onClose={done} />}
      {endpoint !== undefined && chosen?.doing === 'dead' && <Dead endpoint={endpoint} onClose={done} />}
      {endpoint !== undefined && chosen?.doing === 'replay' && <Replay endpoint={endpoint} onClose={done} />}
    </Panel>
  )
}

function Row({ endpoint, admin, onDo }: { endpoint: EndpointRowFragment; admin: boolean; onDo: (doing: Doing) => void }) {
  const { words, tone } = state(endpoint)
  const facts: ReactNode[] = [
    <span key="taken">{counted(endpoint.taken, 'event')} taken{endpoint.lastTakenAt != null && <>, the last <Ago at={endpoint.lastTakenAt} /></>}</span>,
  ]
  if (endpoint.waiting.totalCount > 0) facts.push(<span key="waiting">{count(endpoint.waiting.totalCount, endpoint.waiting.totalCountIsCapped)} tried again</span>)
  if ((endpoint.behind ?? 0) > 0) facts.push(<span key="behind">{counted(endpoint.behind ?? 0, 'event')} not offered yet</span>)
  const item = (doing: Doing, label: string, close: () => void) => (
    <MenuItem
      danger={doing === 'delete'}
      onClick={() => {
        close()
        onDo(doing)
      }}
    >
      {label}
    </MenuItem>
  )
  return (
    <li data-testid="endpoint" className="flex flex-wrap items-start gap-x-4 gap-y-1 border-b border-line px-4 py-3 last:border-0">
      <div className="min-w-0 flex-1 basis-80">
        <p className="clip font-medium">{endpoint.description ?? endpoint.url}</p>
        {endpoint.description != null && <p className="clip font-mono text-xs text-muted">{endpoint.url}</p>}
        <p className="text-muted">{wants(endpoint)}</p>
        <p className="flex flex-wrap gap-x-3 text-muted">{facts}</p>
        {endpoint.lastError != null && <p className="text-bad">Last try: {endpoint.lastError}</p>}
      </div>
      <div className="flex items-center gap-2">
        <span data-testid="endpoint-state" className={`font-medium ${tones[tone]}`}>{words}</span>
        {endpoint.dead.totalCount > 0 && (
          <Button small onClick={() => onDo('dead')}>{counted(endpoint.dead.totalCount, 'dead letter', 'dead letters', endpoint.dead.totalCountIsCapped)}</Button>
        )}
        <Menu label="Do" name={`Do something with ${endpoint.description ?? endpoint.url}`}>
          {(close) => (
            <>
              {admin && item('try', 'Try it out', close)}
              {admin && item('change', 'Change', close)}
              {admin && item('rotate', 'Replace the secret', close)}
              {item('dead', 'Dead letters', close)}
              {item('replay', 'Tell again', close)}
              {admin && (endpoint.enabled ? item('disable', 'Disable', close) : item('enable', 'Enable', close))}
              {admin && item('delete', 'Take away', close)}
            </>
          )}
        </Menu>
      </div>
    </li>
  )
}

function Disable({ endpoint, onClose }: { endpoint: EndpointRowFragment; onClose: () => void }) {
  const { act, busy, problem } = useAct(DisableEndpointDocument, 'disableEventEndpoint')
  return (
    <Confirm
      title="Disable the endpoint"
      verb="Disable it"
      busy={busy}
      problem={problem}
      onClose={onClose}
      onConfirm={async () => {
        if ((await act({ id: endpoint.id })) === undefined) return
        tell('Disabled.')
        onClose()
      }}
    >
      <p className="text-muted">It is told nothing more. Events wait for it, until it is enabled again.</p>
    </Confirm>
  )
}

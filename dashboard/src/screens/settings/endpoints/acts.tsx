import { useState } from 'react'

import {
  DeleteEndpointDocument,
  type DeliveryEventType,
  EnableEndpointDocument,
  type EndpointRowFragment,
  ReplayDocument,
  RotateSecretDocument,
  TryEndpointDocument,
  type TryEndpointMutation,
} from '../../../api/generated.ts'
import { useAct } from '../../../api/use.ts'
import { Confirm, FormDialog } from '../../../parts/dialog.tsx'
import { Check, Field, Input, Select } from '../../../parts/field.tsx'
import { phrase } from '../../../parts/format.ts'
import { tell } from '../../../parts/notices.tsx'
import { Secret } from '../secret.tsx'

interface Acting {
  endpoint: EndpointRowFragment
  onClose: () => void
}

/** Another secret, and how long the old one signs beside it. */
export function Rotate({ endpoint, onClose }: Acting) {
  const { act, busy, problem } = useAct(RotateSecretDocument, 'rotateEventEndpointSecret')
  const [hours, setHours] = useState('24')
  const [secret, setSecret] = useState<string>()
  if (secret !== undefined) {
    return <Secret title="The endpoint’s new secret" secret={secret} onClose={onClose}>Put it into your application.</Secret>
  }
  const submit = async () => {
    const done = await act({ id: endpoint.id, overlapHours: Number(hours) })
    if (done?.secret != null) setSecret(done.secret)
  }
  return (
    <FormDialog title="Replace the secret" verb="Replace it" busy={busy} onSubmit={submit} onClose={onClose}>
      <Field label="The old one signs beside the new one" hint="Time to put the new one into your application." problem={problem}>
        <Select value={hours} onChange={(event) => setHours(event.target.value)} className="w-full">
          <option value="1">For an hour</option>
          <option value="24">For a day</option>
          <option value="168">For a week</option>
          <option value="0">Not at all: it leaked</option>
        </Select>
      </Field>
    </FormDialog>
  )
}

type Went = NonNullable<TryEndpointMutation['testEventEndpoint']['trial']>

const TYPES: readonly DeliveryEventType[] = ['DELIVERED', 'BOUNCED', 'OPENED', 'CLICKED', 'COMPLAINED', 'UNSUBSCRIBED']

/** An event that never happened, and how it was taken. */
export function Trial({ endpoint, onClose }: Acting) {
  const { act, busy, problem } = useAct(TryEndpointDocument, 'testEventEndpoint')
  const [type, setType] = useState<DeliveryEventType>('DELIVERED')
  const [went, setWent] = useState<Went>()
  const submit = async () => {
    setWent(undefined)
    const done = await act({ id: endpoint.id, type })
    if (done?.trial != null) setWent(done.trial)
  }
  return (
    <FormDialog title="Try the endpoint out" verb="Post it" busy={busy} onSubmit={submit} onClose={onClose}>
      <Field label="An event that never happened" hint="It says so: “test” is true in it." problem={problem}>
        <Select value={type} onChange={(event) => setType(event.target.value as DeliveryEventType)} className="w-full">
          {TYPES.map((each) => <option key={each} value={each}>{phrase(each)}</option>)}
        </Select>
      </Field>
      <p role="status" data-testid="trial" className="min-h-5">
        {went !== undefined && (went.taken
          ? <span className="text-good">It took it: {went.httpStatus}, in {went.tookMs} ms.</span>
          : <span className="text-bad">It did not take it: {went.error}.</span>)}
      </p>
    </FormDialog>
  )
}

export function Enable({ endpoint, onClose }: Acting) {
  const { act, busy, problem } = useAct(EnableEndpointDocument, 'enableEventEndpoint')
  const [skip, setSkip] = useState(false)
  return (
    <Confirm
      title="Enable the endpoint"
      verb="Enable it"
      tone="main"
      busy={busy}
      problem={problem}
      onClose={onClose}
      onConfirm={async () => {
        if ((await act({ id: endpoint.id, skipWaiting: skip })) === undefined) return
        tell('Enabled.')
        onClose()
      }}
    >
      <p className="mb-2 text-muted">It is told everything that was recorded since it was left.</p>
      <Check label="Pass over that" hint="Only what is recorded from now on." checked={skip} onChange={setSkip} />
    </Confirm>
  )
}

export function Delete({ endpoint, onClose }: Acting) {
  const { act, busy, problem } = useAct(DeleteEndpointDocument, 'deleteEventEndpoint')
  return (
    <Confirm
      title="Take the endpoint away"
      verb="Take it away"
      busy={busy}
      problem={problem}
      onClose={onClose}
      onConfirm={async () => {
        if ((await act({ id: endpoint.id })) === undefined) return
        tell('Taken away.')
        onClose()
      }}
    >
      <p className="text-muted">Its secret and its dead letters go with it. This can’t be taken back.</p>
    </Confirm>
  )
}

/** A span of time, told once more. */
export function Replay({ endpoint, onClose }: Acting) {
  const { act, busy, problem } = useAct(ReplayDocument, 'replayEvents')
  const [since, setSince] = useState('')
  const [until, setUntil] = useState('')
  const submit = async () => {
    const at = (text: string) => (text === '' ? null : new Date(text).toISOString())
    const done = await act({ id: endpoint.id, recordedAt: { since: at(since), until: at(until) } })
    if (done === undefined) return
    tell('They are told again.')
    onClose()
  }
  return (
    <FormDialog title="Tell events again" verb="Tell again" busy={busy} onSubmit={submit} onClose={onClose}>
      <p className="text-muted">What was recorded in a span of time is told once more, taken or not, under the same ids.</p>
      <Field label="From" hint="By your clock." problem={problem}>
        <Input required data-first="" type="datetime-local" value={since} onChange={(event) => setSince(event.target.value)} />
      </Field>
      <Field label="To" hint="Until now, where it is empty.">
        <Input type="datetime-local" value={until} onChange={(event) => setUntil(event.target.value)} />
      </Field>
    </FormDialog>
  )
}

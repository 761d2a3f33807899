import { useState } from 'react'

import { CreateEndpointDocument, type DeliveryEventType, type EndpointRowFragment, UpdateEndpointDocument } from '../../../api/generated.ts'
import { beside, elsewhere, useAct } from '../../../api/use.ts'
import { FormDialog } from '../../../parts/dialog.tsx'
import { Field, Input } from '../../../parts/field.tsx'
import { phrase } from '../../../parts/format.ts'
import { tell } from '../../../parts/notices.tsx'
import { Secret } from '../secret.tsx'
import { several } from './said.ts'

const TYPES: readonly DeliveryEventType[] = [
  'ACCEPTED', 'DELIVERED', 'DEFERRED', 'BOUNCED', 'OPENED', 'CLICKED', 'COMPLAINED', 'UNSUBSCRIBED', 'REJECTED', 'UNKNOWN',
]

/** Enters an endpoint, or changes one. */
export function Form({ endpoint, onClose, onDone }: { endpoint?: EndpointRowFragment; onClose: () => void; onDone: () => void }) {
  const create = useAct(CreateEndpointDocument, 'createEventEndpoint')
  const update = useAct(UpdateEndpointDocument, 'updateEventEndpoint')
  const { busy, mistakes, problem } = endpoint === undefined ? create : update
  const [url, setUrl] = useState(endpoint?.url ?? '')
  const [description, setDescription] = useState(endpoint?.description ?? '')
  const [types, setTypes] = useState<readonly DeliveryEventType[]>(endpoint?.types ?? [])
  const [domains, setDomains] = useState(endpoint?.sendingDomains.join(', ') ?? '')
  const [tags, setTags] = useState(endpoint?.tags.join(', ') ?? '')
  const [campaigns, setCampaigns] = useState(endpoint?.campaignIds.join(', ') ?? '')
  const [secret, setSecret] = useState<string>()

  const submit = async () => {
    const input = {
      url: url.trim(),
      description: description.trim() === '' ? null : description.trim(),
      types: [...types],
      campaignIds: several(campaigns),
      sendingDomains: several(domains),
      tags: tags.split(',').map((tag) => tag.trim()).filter((tag) => tag !== ''),
    }
    if (endpoint === undefined) {
      const made = await create.act({ input })
      if (made?.secret == null) return
      onDone()
      setSecret(made.secret)
      return
    }
    if ((await update.act({ id: endpoint.id, input })) === undefined) return
    tell('Changed.')
    onClose()
  }
  if (secret !== undefined) return <Secret title="The endpoint’s secret" secret={secret} onClose={onClose}>Your application knows by it that events are ours.</Secret>
  const rest = mistakes.length === 0 ? problem : elsewhere(mistakes, ['url', 'description', 'sendingDomains', 'tags'])
  return (
    <FormDialog title={endpoint === undefined ? 'New endpoint' : 'Change the endpoint'} verb={endpoint === undefined ? 'Enter the endpoint' : 'Change it'} busy={busy} onSubmit={submit} onClose={onClose}>
      <Field label="URL" hint="Each event is posted there, signed." problem={beside(mistakes, 'url')}>
        <Input required type="url" data-first="" placeholder="https://app.example.com/mail-events" value={url} onChange={(event) => setUrl(event.target.value)} />
      </Field>
      <Field label="What it is" problem={beside(mistakes, 'description')}>
        <Input placeholder="Shop, order status" value={description} onChange={(event) => setDescription(event.target.value)} />
      </Field>
      <fieldset>
        <legend className="mb-1 font-medium">It hears of</legend>
        <div className="grid grid-cols-2 gap-1">
          {TYPES.map((type) => (
            <label key={type} className="flex items-center gap-2">
              <input
                type="checkbox"
                className="size-4 accent-accent"
                checked={types.includes(type)}
                onChange={(event) => setTypes(event.target.checked ? [...types, type] : types.filter((each) => each !== type))}
              />
              {phrase(type)}
            </label>
          ))}
        </div>
        <p className="mt-1 text-faint">Of everything, where none is chosen.</p>
      </fieldset>
      <Field label="Sending domains" hint="By commas; empty for all." problem={beside(mistakes, 'sendingDomains')}>
        <Input value={domains} onChange={(event) => setDomains(event.target.value)} />
      </Field>
      <Field label="Tags" hint="Of emails with one of these; empty for all." problem={beside(mistakes, 'tags')}>
        <Input value={tags} onChange={(event) => setTags(event.target.value)} />
      </Field>
      <Field label="Campaigns" hint="Their ids; empty for all." problem={rest}>
        <Input value={campaigns} onChange={(event) => setCampaigns(event.target.value)} />
      </Field>
    </FormDialog>
  )
}

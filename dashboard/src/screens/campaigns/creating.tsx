import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useQuery } from 'urql'

import { type CampaignContentInput, CreateCampaignDocument, type Priority, type TemplateRowFragment, TemplatesDocument } from '../../api/generated.ts'
import { beside, elsewhere, useAct } from '../../api/use.ts'
import { Choice } from '../../parts/choice.tsx'
import { FormDialog } from '../../parts/dialog.tsx'
import { Check, Field, Input, Select, TextArea } from '../../parts/field.tsx'

/** The most that one page may hold. */
const LARGEST_PAGE = 100
const FIELDS = ['name', 'from', 'replyTo', 'subject', 'html', 'text', 'content', 'inline', 'templateId']

type Chosen = Pick<TemplateRowFragment, 'id' | 'name' | 'subject'>

/** A new draft, of its own content or a template's. */
export function CreateCampaign({ template, onClose }: { template?: Chosen; onClose: () => void }) {
  const navigate = useNavigate()
  const { act, busy, problem, mistakes } = useAct(CreateCampaignDocument, 'createCampaign')
  const [name, setName] = useState('')
  const [from, setFrom] = useState('')
  const [replyTo, setReplyTo] = useState('')
  const [source, setSource] = useState<'inline' | 'template'>(template === undefined ? 'inline' : 'template')
  const [templateId, setTemplateId] = useState(template?.id ?? '')
  const [subject, setSubject] = useState('')
  const [html, setHtml] = useState('')
  const [text, setText] = useState('')
  const [priority, setPriority] = useState<Priority>('NORMAL')
  const [batch, setBatch] = useState(false)
  const [transactional, setTransactional] = useState(false)
  const content: CampaignContentInput =
    source === 'template' ? { template: { templateId } } : { inline: { subject: subject.trim(), html: html.trim() || null, text: text.trim() || null } }
  const submit = async () => {
    const done = await act({
      input: { name: name.trim(), from: from.trim() || null, replyTo: replyTo.trim() || null, priority, content, batch, transactional, testMode: false },
    })
    if (done?.campaign == null) return
    onClose()
    void navigate({ to: '/campaigns/$id', params: { id: done.campaign.id } })
  }
  const left = mistakes.length > 0 ? elsewhere(mistakes, FIELDS) : problem
  return (
    <FormDialog wide title="New campaign" verb="Create the draft" busy={busy} onSubmit={submit} onClose={onClose}>
      <div className="grid gap-3 sm:grid-cols-2">
        <Field label="Name" hint="For people here; recipients don’t see it." problem={beside(mistakes, 'name')}>
          <Input required data-first="" placeholder="Spring news" value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
        <Field label="Priority">
          <Select value={priority} className="w-full" onChange={(event) => setPriority(event.target.value as Priority)}>
            <option value="HIGH">High</option>
            <option value="NORMAL">Normal</option>
            <option value="LOW">Low</option>
          </Select>
        </Field>
        <Field label="From" hint="Empty for noreply@ and the first sending domain." problem={beside(mistakes, 'from')}>
          <Input placeholder="Shop <news@mg.example.com>" value={from} onChange={(event) => setFrom(event.target.value)} />
        </Field>
        <Field label="Answers to" hint="Empty for the same address." problem={beside(mistakes, 'replyTo')}>
          <Input placeholder="desk@example.com" value={replyTo} onChange={(event) => setReplyTo(event.target.value)} />
        </Field>
      </div>
      <div className="flex flex-wrap items-center gap-3">
        <span className="font-medium">What it says</span>
        <Choice name="What it says" value={source} onChange={setSource} choices={[['inline', 'Write it here'], ['template', 'Use a template']]} />
      </div>
      {source === 'template' ? (
        <ChooseTemplate chosen={template} value={templateId} problem={beside(mistakes, 'templateId') ?? beside(mistakes, 'content')} onChange={setTemplateId} />
      ) : (
        <>
          <Field label="Subject" hint="{{ first_name }} is a recipient’s variable." problem={beside(mistakes, 'subject')}>
            <Input required placeholder="Hello {{ first_name }}" value={subject} onChange={(event) => setSubject(event.target.value)} />
          </Field>
          <Field label="HTML" problem={beside(mistakes, 'html')}>
            <TextArea spellCheck={false} className="min-h-28 font-mono text-xs" value={html} onChange={(event) => setHtml(event.target.value)} />
          </Field>
          <Field label="Text" problem={beside(mistakes, 'text') ?? beside(mistakes, 'inline') ?? beside(mistakes, 'content')}>
            <TextArea value={text} onChange={(event) => setText(event.target.value)} />
          </Field>
        </>
      )}
      <Check
        label="Send in batches"
        checked={batch}
        onChange={setBatch}
        hint="Up to 1,000 recipients go to Mailgun in one call, which is faster. The price: when the answer to a call is lost, all of its emails are unconfirmed at once, and some may wait for you to decide whether they were sent."
      />
      <Check
        label="Its recipients asked for it"
        checked={transactional}
        onChange={setTransactional}
        hint="Such as receipts: an unsubscribe does not stop it."
      />
      {left !== undefined && <p role="alert" className="text-bad">{left}</p>}
    </FormDialog>
  )
}

interface ChooseProps {
  chosen: Chosen | undefined
  value: string
  problem: string | undefined
  onChange: (id: string) => void
}

/** One of the newest templates; an older one is chosen on its own page. */
function ChooseTemplate({ chosen, value, problem, onChange }: ChooseProps) {
  const [{ data }] = useQuery({ query: TemplatesDocument, variables: { filter: {}, first: LARGEST_PAGE }, requestPolicy: 'cache-and-network' })
  const listed = data?.templates.nodes ?? []
  const all = chosen === undefined || listed.some(({ id }) => id === chosen.id) ? listed : [chosen, ...listed]
  const shown = all.find(({ id }) => id === value)
  const hint =
    data !== undefined && all.length === 0
      ? 'There is no template yet: write one under Templates.'
      : data?.templates.pageInfo.hasNextPage === true
        ? 'The newest 100. For an older one, begin on the template’s own page.'
        : 'As it stands at the launch: until then, a change of the template changes the campaign.'
  return (
    <>
      <Field label="Template" hint={hint} problem={problem}>
        <Select required value={value} className="w-full" onChange={(event) => onChange(event.target.value)}>
          <option value="">Choose one</option>
          {all.map((template) => <option key={template.id} value={template.id}>{template.name}</option>)}
        </Select>
      </Field>
      {shown?.subject != null && <p className="-mt-1 text-muted">Subject: {shown.subject}</p>}
    </>
  )
}

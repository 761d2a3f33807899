import { getRouteApi, Link, useBlocker, useNavigate } from '@tanstack/react-router'
import { type FormEvent, type ReactNode, useState } from 'react'
import { useQuery } from 'urql'

import { CreateTemplateDocument, TemplateDocument, type TemplatePageFragment, TemplateUsersDocument, UpdateTemplateDocument } from '../../api/generated.ts'
import { beside, elsewhere, type Mistake, useAct, useFresh } from '../../api/use.ts'
import { Button } from '../../parts/button.tsx'
import { Confirm } from '../../parts/dialog.tsx'
import { Field, Input, TextArea } from '../../parts/field.tsx'
import { count, counted } from '../../parts/format.ts'
import { Megaphone } from '../../parts/icons.tsx'
import { tell } from '../../parts/notices.tsx'
import { Head, Panel } from '../../parts/panel.tsx'
import { Empty, Loading, Problem } from '../../parts/states.tsx'
import { Badge } from '../../parts/status.tsx'
import { Time } from '../../parts/time.tsx'
import { useMay } from '../../session/viewer.tsx'
import { CreateCampaign } from '../campaigns/creating.tsx'
import { campaignStatuses } from '../campaigns/looks.ts'
import { Preview } from './preview.tsx'
import { BLANK, contentOf, type Draft, draftOf, FIELDS, isSame } from './writing.ts'

const route = getRouteApi('/templates/$id')

/** A template that is being written for the first time. */
export function NewTemplate() {
  const navigate = useNavigate()
  const { act, busy, mistakes, problem } = useAct(CreateTemplateDocument, 'createTemplate')
  const manages = useMay('MANAGE')
  if (!manages) return <div className="panel"><Empty title="Your key may not write templates">A key with the scope MANAGE may.</Empty></div>
  return (
    <Writing
      title="New template"
      stored={BLANK}
      busy={busy}
      mistakes={mistakes}
      problem={problem}
      onSave={async (draft) => {
        const done = await act({ input: { name: draft.name.trim(), content: contentOf(draft) } })
        if (done?.template == null) return false
        tell('The template is saved.')
        void navigate({ to: '/templates/$id', params: { id: done.template.id }, ignoreBlocker: true, replace: true })
        return true
      }}
    />
  )
}

/** A template: what it says, how that looks, and who uses it. */
export function Template() {
  const { id } = route.useParams()
  const { result, ask } = useFresh(TemplateDocument, { id })
  const template = result.data?.template
  if (template == null) {
    return (
      <div className="panel">
        {result.data !== undefined ? (
          <Empty title="There is no such template"><Link to="/templates" className="text-accent underline">All templates</Link></Empty>
        ) : result.error === undefined ? <Loading /> : <Problem error={result.error} again={ask} />}
      </div>
    )
  }
  return <Stored key={template.id} template={template} />
}

function Stored({ template }: { template: TemplatePageFragment }) {
  const { act, busy, mistakes, problem } = useAct(UpdateTemplateDocument, 'updateTemplate')
  const manages = useMay('MANAGE')
  const [creating, setCreating] = useState(false)
  return (
    <>
      <Writing
        title={template.name}
        stored={draftOf(template)}
        version={template.version}
        busy={busy}
        mistakes={mistakes}
        problem={problem}
        onSave={async (draft) => {
          const done = await act({ id: template.id, input: { name: draft.name.trim(), content: contentOf(draft) } })
          if (done?.template == null) return false
          tell(`Saved as version ${done.template.version}. What was launched or accepted before says what it said.`)
          return true
        }}
        more={manages && <Button onClick={() => setCreating(true)}><Megaphone /><span className="max-sm:sr-only">New campaign with it</span></Button>}
        below={<Users template={template} />}
      />
      {creating && <CreateCampaign template={template} onClose={() => setCreating(false)} />}
    </>
  )
}

interface WritingProps {
  title: string
  stored: Draft
  version?: number
  busy: boolean
  mistakes: readonly Mistake[]
  problem: string | undefined
  /** Answers whether it is saved. */
  onSave: (draft: Draft) => Promise<boolean>
  more?: ReactNode
  below?: ReactNode
}

/** The form beside its preview. What is not saved is not left without a question. */
function Writing({ title, stored, version, busy, mistakes, problem, onSave, more, below }: WritingProps) {
  const manages = useMay('MANAGE')
  const [draft, setDraft] = useState(stored)
  // What the form began with: saved by somebody else meanwhile, the template is another.
  const [base, setBase] = useState({ stored, version })
  const [told, setTold] = useState<readonly Mistake[]>([])
  const changed = !isSame(draft, base.stored)
  if (version !== base.version && !changed) {
    setBase({ stored, version })
    setDraft(stored)
  }
  const blocker = useBlocker({ shouldBlockFn: () => changed, enableBeforeUnload: () => changed, withResolver: true })

  const change = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }))
  const save = async (event?: FormEvent) => {
    event?.preventDefault()
    if (await onSave(draft)) setBase({ stored: draft, version: version === undefined ? undefined : version + 1 })
  }
  // What the preview finds in what is written, and what saving was refused for.
  const wrong = (field: keyof Draft) => (draft[field] === '' ? undefined : beside(told, field)) ?? beside(mistakes, field)
  return (
    <>
      <Link to="/templates" className="text-muted hover:text-accent">Templates</Link>
      <Head title={title}>
        {changed && <span role="status" className="text-warn">Not saved</span>}
        {more}
        {manages && <Button tone="main" busy={busy} disabled={!changed} form="template" type="submit">Save</Button>}
      </Head>
      {version !== base.version && changed && (
        <p role="status" className="mb-4 rounded-lg bg-warn-soft px-4 py-2.5 text-warn">
          Somebody saved version {version} while you were writing. Saving yours replaces it.
        </p>
      )}
      <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-4 lg:grid-cols-2">
        <div className="flex min-w-0 flex-col gap-4">
          <Panel title="What it says" extra={version !== undefined && <span className="text-muted">Version {version}</span>}>
            <form id="template" onSubmit={save} className="flex flex-col gap-3 p-4">
              <Field label="Name" hint="For people here; recipients don’t see it." problem={wrong('name')}>
                <Input required disabled={!manages} maxLength={200} placeholder="Welcome" value={draft.name} onChange={(event) => change({ name: event.target.value })} />
              </Field>
              <Field label="Subject" hint="{{ first_name }} is a recipient’s variable." problem={wrong('subject')}>
                <Input required disabled={!manages} placeholder="Welcome, {{ first_name }}" value={draft.subject} onChange={(event) => change({ subject: event.target.value })} />
              </Field>
              <Field label="HTML" problem={wrong('html')}>
                <TextArea disabled={!manages} spellCheck={false} className="min-h-64 font-mono text-xs leading-5" value={draft.html} onChange={(event) => change({ html: event.target.value })} />
              </Field>
              <Field label="Text" hint="For mail programs that show no HTML." problem={wrong('text') ?? beside(mistakes, 'content')}>
                <TextArea disabled={!manages} className="min-h-32 font-mono text-xs leading-5" value={draft.text} onChange={(event) => change({ text: event.target.value })} />
              </Field>
              {mistakes.length > 0 ? (
                elsewhere(mistakes, FIELDS) !== undefined && <p role="alert" className="text-bad">{elsewhere(mistakes, FIELDS)}</p>
              ) : (
                problem !== undefined && <p role="alert" className="text-bad">{problem}</p>
              )}
            </form>
          </Panel>
          {below}
        </div>
        <Preview draft={draft} onMistakes={setTold} />
      </div>
      {blocker.status === 'blocked' && (
        <Confirm title="Leave without saving?" verb="Leave" keep="Keep writing" onConfirm={blocker.proceed} onClose={blocker.reset}>
          <p className="text-muted">What you wrote since the last save is lost.</p>
        </Confirm>
      )}
    </>
  )
}

/** The campaigns that take their content from it, the newest first. */
function Users({ template: { id, version, createdAt, updatedAt } }: { template: TemplatePageFragment }) {
  const [{ data, error }] = useQuery({ query: TemplateUsersDocument, variables: { id }, requestPolicy: 'cache-and-network' })
  const found = data?.campaigns
  return (
    <Panel title="Who uses it">
      {found === undefined ? (
        error === undefined ? <Loading rows={2} /> : <Problem error={error} />
      ) : found.nodes.length === 0 ? (
        <p className="px-4 py-3 text-muted">No campaign yet.</p>
      ) : (
        <ul>
          {found.nodes.map((campaign) => (
            <li key={campaign.id} className="flex items-center gap-3 border-b border-line px-4 py-2">
              <Link to="/campaigns/$id" params={{ id: campaign.id }} className="clip min-w-0 flex-1 font-medium hover:text-accent">{campaign.name}</Link>
              <span className="text-end text-muted">{counted(campaign.ledger.total, 'recipient')}</span>
              <span className="w-28"><Badge look={campaignStatuses[campaign.status]} /></span>
            </li>
          ))}
        </ul>
      )}
      {found !== undefined && found.totalCount > found.nodes.length && (
        <p className="border-b border-line px-4 py-2">
          <Link to="/campaigns" search={{ template: id }} className="text-accent hover:underline">All {count(found.totalCount, found.totalCountIsCapped)} campaigns</Link>
        </p>
      )}
      <p className="px-4 py-2.5 text-faint">
        {version > 1 && <>Saved {counted(version, 'time')}, last <Time at={updatedAt} seconds={false} />. </>}Made <Time at={createdAt} seconds={false} />.
      </p>
    </Panel>
  )
}

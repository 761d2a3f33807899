import { useEffect, useState } from 'react'
import { useClient, useQuery } from 'urql'

import { type InlineContentInput, RenderContentDocument, type RenderContentQuery, SomeLeadsDocument } from '../../api/generated.ts'
import { type Mistake, sentence, words } from '../../api/use.ts'
import { IconButton } from '../../parts/button.tsx'
import { Field, FileInput, Input } from '../../parts/field.tsx'
import { count } from '../../parts/format.ts'
import { Left, Right } from '../../parts/icons.tsx'
import { Letter } from '../../parts/letter.tsx'
import { Panel } from '../../parts/panel.tsx'
import { readRecipients } from '../campaigns/recipients.ts'
import { given, sampled, type Sample } from './variables.ts'
import { contentOf, type Draft } from './writing.ts'

type Rendered = RenderContentQuery['renderContent']

/** Between the last letter typed and the question how it looks. */
const STILL = 250
const SOMEBODY = 'ann@example.com'

/** How what is being written looks to somebody: rendered by the service, as a send would be. */
export function Preview({ draft, onMistakes }: { draft: Draft; onMistakes: (mistakes: readonly Mistake[]) => void }) {
  const [texts, setTexts] = useState<Record<string, string>>({})
  const [to, setTo] = useState('')
  const [samples, setSamples] = useState<readonly Sample[]>([])
  const [at, setAt] = useState(0)
  const [unread, setUnread] = useState<string>()
  const [{ data }] = useQuery({ query: SomeLeadsDocument })
  const sample = samples[at]
  const recipient = { address: to.trim() || (sample?.address ?? SOMEBODY), ...(sample?.name === undefined ? {} : { name: sample.name }) }
  const { rendered, problem } = useRendered(contentOf(draft), { ...sample?.texts, ...texts }, recipient, onMistakes)
  const names = rendered?.variables ?? []

  const choose = (index: number) => {
    setAt(index)
    setTexts({})
    setTo('')
  }
  const read = async (file: File) => {
    const found = readRecipients(await file.text())
    setUnread(typeof found === 'string' ? found : found.recipients.length === 0 ? 'The file has no recipients.' : undefined)
    setSamples(typeof found === 'string' ? [] : found.recipients.map(sampled))
    choose(0)
  }
  const missing = names.filter((name) => (texts[name] ?? sample?.texts[name] ?? '') === '')
  return (
    <Panel title="Preview">
      <div className="flex flex-col gap-4 p-4">
        <Said rendered={rendered} to={recipient.address} problem={problem} />
        <section aria-label="To whom" className="flex flex-col gap-3 border-t border-line pt-4">
          <h3>To whom</h3>
          <div className="grid gap-3 sm:grid-cols-2">
            <Field label="Recipient">
              <Input list="leads" placeholder={sample?.address ?? SOMEBODY} value={to} onChange={(event) => setTo(event.target.value)} autoCapitalize="off" spellCheck={false} />
            </Field>
            {names.map((name) => (
              <Field key={name} label={name}>
                <Input
                  data-testid={`variable-${name}`}
                  placeholder={sample?.texts[name] ?? `‹${name}›`}
                  value={texts[name] ?? ''}
                  onChange={(event) => setTexts((before) => ({ ...before, [name]: event.target.value }))}
                />
              </Field>
            ))}
          </div>
          <datalist id="leads">
            {data?.leads.nodes.map(({ id, address }) => <option key={id} value={address} />)}
          </datalist>
          {missing.length > 0 && (
            <p className="text-faint">Names in ‹ › stand for what is not filled in. A real recipient without one of them gets no email: theirs fails, and says which is missing.</p>
          )}
          <Field label="Or the recipients of a CSV file" hint="Read here alone; nothing is stored." problem={unread}>
            <FileInput onFile={read} />
          </Field>
          {sample !== undefined && (
            <p className="flex items-center gap-1">
              <span className="me-auto" data-testid="sample">{count(at + 1)} of {count(samples.length)}: {sample.address}</span>
              <IconButton label="Previous recipient" disabled={at === 0} onClick={() => choose(at - 1)}><Left /></IconButton>
              <IconButton label="Next recipient" disabled={at === samples.length - 1} onClick={() => choose(at + 1)}><Right /></IconButton>
            </p>
          )}
        </section>
      </div>
    </Panel>
  )
}

/** Asks how it looks, once nothing was typed for a moment; what came last stays until the next is there. */
function useRendered(content: InlineContentInput, texts: Record<string, string>, recipient: { address: string; name?: string }, onMistakes: (mistakes: readonly Mistake[]) => void) {
  const client = useClient()
  const [rendered, setRendered] = useState<Rendered>()
  const [problem, setProblem] = useState<string>()
  // The service names the variables; with another set of them it is asked once more.
  const names = rendered?.variables ?? []
  const asked = JSON.stringify({ content, variables: given(names, texts, recipient) })
  const blank = content.subject === '' && content.html == null && content.text == null

  useEffect(() => {
    let stale = false
    const timer = setTimeout(async () => {
      if (blank) {
        setRendered(undefined)
        setProblem(undefined)
        onMistakes([])
        return
      }
      const { data, error } = await client.query(RenderContentDocument, JSON.parse(asked), { requestPolicy: 'network-only' }).toPromise()
      if (stale) return
      setProblem(data === undefined ? words(error) : undefined)
      if (data === undefined) return
      const { userErrors, variables } = data.renderContent
      // While it can't be compiled, what was filled in keeps its place.
      const told = variables.length === 0 && userErrors.length > 0
      setRendered((before) => ({ ...data.renderContent, variables: told ? (before?.variables ?? []) : variables }))
      onMistakes(userErrors)
    }, STILL)
    return () => {
      stale = true
      clearTimeout(timer)
    }
  }, [asked, blank, client, onMistakes])

  return { rendered, problem }
}

function Said({ rendered, to, problem }: { rendered: Rendered | undefined; to: string; problem: string | undefined }) {
  if (problem !== undefined) return <p role="alert" className="text-bad">{problem}</p>
  if (rendered === undefined) return <p className="text-muted">Write something, and it is shown here as a recipient would see it.</p>
  if (rendered.userErrors.length > 0) {
    return (
      <div role="status" className="rounded-lg bg-warn-soft px-3 py-2.5 text-warn">
        <p className="font-medium">It can’t be shown yet</p>
        <ul>{rendered.userErrors.map(({ field, message }, index) => <li key={index}>{sentence(`${field?.at(-1) === 'subject' ? 'Subject: ' : ''}${message}`)}</li>)}</ul>
      </div>
    )
  }
  return (
    <div>
      <div className="mb-3 rounded-lg border border-line bg-canvas px-3 py-2.5">
        <p className="text-sm font-semibold" data-testid="preview-subject">{rendered.subject}</p>
        <p className="clip text-muted">To {to}</p>
      </div>
      <Letter html={rendered.html} text={rendered.text} height="h-80" />
    </div>
  )
}

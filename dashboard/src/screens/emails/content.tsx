import { useQuery } from 'urql'

import { EmailContentDocument } from '../../api/generated.ts'
import { bytes } from '../../parts/format.ts'
import { Letter } from '../../parts/letter.tsx'
import { Empty, Loading, Problem } from '../../parts/states.tsx'
import { useMay } from '../../session/viewer.tsx'

/** What an email says, in a frame that can do nothing. */
export function Content({ id }: { id: string }) {
  const may = useMay('MANAGE') || undefined
  const [{ data, error }] = useQuery({ query: EmailContentDocument, variables: { id }, pause: may === undefined })

  if (may === undefined) return <Empty title="Your key may not read contents">A key with the scope MANAGE may.</Empty>
  const content = data?.email?.content
  if (content == null) {
    if (error !== undefined) return <Problem error={error} />
    if (data === undefined) return <Loading rows={4} />
    return <Empty title="No content any more">It is kept as long as retention says, and this email is past it.</Empty>
  }
  const { html, text, headers, attachments } = content
  const metadata = data?.email?.metadata
  return (
    <div className="flex flex-col gap-4 p-4">
      <Letter html={html} text={text} />
      {attachments.length > 0 && (
        <section aria-label="Files">
          <h3 className="mb-1">Files</h3>
          <ul>
            {attachments.map(({ filename, contentType, size }, index) => (
              <li key={index} className="flex gap-3 border-t border-line py-1.5">
                <span className="min-w-0 flex-1">{filename}</span>
                <span className="text-muted">{contentType}</span>
                <span className="w-20 text-end">{bytes(size)}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      {headers.length > 0 && (
        <section aria-label="Headers">
          <h3 className="mb-1">Headers</h3>
          <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-4 gap-y-1 font-mono text-xs">
            {headers.map(({ name, value }, index) => (
              <div key={index} className="contents"><dt className="text-muted">{name}</dt><dd>{value}</dd></div>
            ))}
          </dl>
        </section>
      )}
      {metadata != null && (
        <section aria-label="Metadata">
          <h3 className="mb-1">Metadata</h3>
          <pre tabIndex={0} className="overflow-auto rounded-lg border border-line bg-canvas p-3 font-mono text-xs leading-5">{JSON.stringify(metadata, null, 2)}</pre>
        </section>
      )}
    </div>
  )
}

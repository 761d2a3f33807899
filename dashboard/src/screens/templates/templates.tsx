import { getRouteApi, Link } from '@tanstack/react-router'
import { useMemo } from 'react'

import { type TemplateRowFragment, TemplatesDocument } from '../../api/generated.ts'
import { useFresh } from '../../api/use.ts'
import { Button } from '../../parts/button.tsx'
import { Plus } from '../../parts/icons.tsx'
import { Pager, paged } from '../../parts/pager.tsx'
import { Head } from '../../parts/panel.tsx'
import { useRows } from '../../parts/rows.ts'
import { Empty, Loading, Problem } from '../../parts/states.tsx'
import { Time } from '../../parts/time.tsx'
import { useMay } from '../../session/viewer.tsx'
import { SearchBox } from '../emails/filter-bar.tsx'

const route = getRouteApi('/templates')
const PAGE = 25

/** Every template. */
export function Templates() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const manages = useMay('MANAGE')
  const key = JSON.stringify(search)
  const variables = useMemo(() => {
    const filter = search.name === undefined ? {} : { name: search.name }
    return { filter, ...paged(search, PAGE) }
  }, [key])
  const { result, ask } = useFresh(TemplatesDocument, variables)
  const templates = result.data?.templates
  useRows()

  const change = (part: Partial<Record<keyof typeof search, string | undefined>>) => {
    void navigate({ search: (before) => ({ ...before, after: undefined, before: undefined, ...part }) as typeof search, replace: true })
  }
  return (
    <>
      <Head title="Templates">
        {manages && <Button tone="main" onClick={() => void navigate({ to: '/templates/new' })}><Plus />New template</Button>}
      </Head>
      <div className="mb-3 flex flex-wrap items-center gap-2" role="search">
        <SearchBox value={search.name} onChange={(name) => change({ name })} label="Name" placeholder="A part of the name" />
        {search.name !== undefined && <Button tone="quiet" onClick={() => change({ name: undefined })}>Clear</Button>}
      </div>
      <div className="panel" aria-busy={result.stale}>
        {templates === undefined ? (
          result.error === undefined ? <Loading /> : <Problem error={result.error} again={ask} />
        ) : (
          <>
            {templates.nodes.length === 0 ? (
              search.name !== undefined ? (
                <Empty title="No template matches">Widen the search, or clear it.</Empty>
              ) : (
                <Empty title="No template yet">Write once what many emails and campaigns say, with a variable wherever each recipient reads something else.</Empty>
              )
            ) : (
              <table className="w-full table-fixed">
                <thead className="hidden border-b border-line text-muted md:table-header-group">
                  <tr>
                    <th scope="col" className="w-[32%] py-2 ps-4">Template</th>
                    <th scope="col" className="py-2">Subject</th>
                    <th scope="col" className="w-20 py-2 text-end">Version</th>
                    <th scope="col" className="w-40 py-2 pe-4 text-end">Last saved</th>
                  </tr>
                </thead>
                <tbody>
                  {templates.nodes.map((template) => <Row key={template.id} template={template} />)}
                </tbody>
              </table>
            )}
            <Pager info={templates.pageInfo} total={templates.totalCount} capped={templates.totalCountIsCapped} noun={templates.totalCount === 1 ? 'template' : 'templates'} onGo={change} />
          </>
        )}
      </div>
    </>
  )
}

function Row({ template }: { template: TemplateRowFragment }) {
  return (
    <tr className="relative border-b border-line last:border-0 hover:bg-sunken/60">
      <td className="py-2 ps-4">
        <Link
          to="/templates/$id"
          params={{ id: template.id }}
          data-row=""
          className="clip block font-medium after:absolute after:inset-0 focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent"
        >
          {template.name}
        </Link>
        <span className="clip block text-muted md:hidden">{template.subject}</span>
      </td>
      <td className="hidden py-2 pe-4 md:table-cell"><span className="clip block text-muted">{template.subject}</span></td>
      <td className="hidden py-2 text-end text-muted md:table-cell">{template.version}</td>
      <td className="w-28 py-2 pe-4 text-end whitespace-nowrap text-muted"><Time at={template.updatedAt} seconds={false} /></td>
    </tr>
  )
}

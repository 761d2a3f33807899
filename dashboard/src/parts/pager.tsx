import { Button } from './button.tsx'
import { count } from './format.ts'
import { Left, Right } from './icons.tsx'
import { useKeys } from '../shell/keys.ts'

interface PageInfo {
  startCursor?: string | null | undefined
  endCursor?: string | null | undefined
  hasNextPage: boolean
  hasPreviousPage: boolean
}

/** Which page of a list is shown, by cursors: a page stays the same whatever joins the list meanwhile. */
export type Place = { after?: string; before?: string }

/** That page as the API takes it: `size` from the beginning, after a cursor, or before it. */
export function paged({ after, before }: Place, size: number) {
  if (before !== undefined) return { last: size, before }
  return { first: size, ...(after === undefined ? {} : { after }) }
}

export function Pager({
  info,
  total,
  capped,
  noun,
  onGo,
}: {
  info: PageInfo
  total: number
  capped: boolean
  noun: string
  onGo: (place: Place) => void
}) {
  const { startCursor, endCursor, hasNextPage, hasPreviousPage } = info
  // Back from the second page is the first one, which goes on as things come.
  const back = () => hasPreviousPage && onGo(startCursor == null ? {} : { before: startCursor })
  const on = () => hasNextPage && endCursor != null && onGo({ after: endCursor })
  useKeys({ n: on, p: back })
  return (
    <nav aria-label="Pages" className="flex items-center gap-2 border-t border-line px-4 py-2">
      <span className="me-auto text-muted" data-testid="total">
        {count(total, capped)} {noun}
      </span>
      <Button onClick={() => onGo({})} disabled={!hasPreviousPage}>First</Button>
      <Button aria-label="Previous page" title="Previous page (p)" onClick={back} disabled={!hasPreviousPage}><Left /></Button>
      <Button aria-label="Next page" title="Next page (n)" onClick={on} disabled={!hasNextPage}><Right /></Button>
    </nav>
  )
}

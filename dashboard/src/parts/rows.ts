import { useRef } from 'react'

import { useKeys } from '../shell/keys.ts'

/** Moves among the rows of a screen by `j` and `k`: a row is whatever carries `data-row`. */
export function useRows(): void {
  const go = (by: number) => () => {
    const rows = [...document.querySelectorAll<HTMLElement>('[data-row]')]
    const at = rows.indexOf(document.activeElement as HTMLElement)
    const to = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by))]
    to?.focus()
    to?.scrollIntoView({ block: 'nearest' })
  }
  useKeys({ j: go(1), k: go(-1) })
}

/** Which of these ids were not there before, as long as `page` is the same: what came while one looked on. */
export function useArrivals(ids: readonly string[], page: string): ReadonlySet<string> {
  const known = useRef<{ page: string; ids: Set<string>; came: Set<string> }>(undefined)
  const before = known.current
  if (before === undefined || before.page !== page) {
    if (ids.length > 0) known.current = { page, ids: new Set(ids), came: new Set() }
    return new Set()
  }
  const came = ids.filter((id) => !before.ids.has(id))
  if (came.length > 0) {
    known.current = { page, ids: new Set([...before.ids, ...ids]), came: new Set(came) }
    return known.current.came
  }
  return before.came
}

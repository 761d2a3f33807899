import type { SuppressInput, SuppressionReason, SuppressionRowFragment } from '../../api/generated.ts'
import { readCsv, writeCsv } from '../../parts/csv.ts'
import { REASONS } from '../../parts/status.tsx'

export interface Read {
  inputs: SuppressInput[]
  /** Rows that say nothing that can be entered, by their number in the file. */
  bad: { row: number; why: string }[]
}

/** At the most at once; larger files are for `mailmind suppressions import`. */
export const MOST_ROWS = 50_000

/**
 * The entries of a file: Mailgun's exports, or our own (address, reason, note, expires_at), or a bare list of addresses.
 * `given` is the reason of all rows; without it the column `reason` says, or which of Mailgun's lists has these columns.
 */
export function readEntries(text: string, given: SuppressionReason | undefined): Read | string {
  const [header, ...rest] = readCsv(text)
  if (header === undefined) return 'The file is empty.'
  const bare = header.length === 1 && header[0]?.includes('@') === true
  const names = bare ? ['address'] : header.map((name) => name.toLowerCase())
  const at = (...known: string[]) => names.findIndex((name) => known.includes(name))
  const target = at('address', 'target', 'email')
  if (target < 0) return 'The file has no column “address”.'
  const rows = bare ? [header, ...rest] : rest
  if (rows.length > MOST_ROWS) return `The file has ${rows.length} rows. For more than ${MOST_ROWS}, use “mailmind suppressions import”.`

  const columns = { reason: at('reason'), note: at('error', 'note'), expires: at('expires_at') }
  const usual = given ?? (at('code') >= 0 ? 'BOUNCE' : at('tags') >= 0 ? 'UNSUBSCRIBE' : 'MANUAL')
  const read: Read = { inputs: [], bad: [] }
  rows.forEach((row, index) => {
    const number = index + (bare ? 1 : 2)
    const cell = (column: number) => (column < 0 ? '' : (row[column] ?? ''))
    if (cell(target) === '') return read.bad.push({ row: number, why: 'no address' })
    const named = cell(columns.reason).toUpperCase()
    if (given === undefined && named !== '' && !REASONS.some((reason) => reason === named)) {
      return read.bad.push({ row: number, why: `“${cell(columns.reason)}” is no reason` })
    }
    const input: SuppressInput = { target: cell(target), reason: given ?? ((named || usual) as SuppressionReason) }
    if (cell(columns.note) !== '') input.note = cell(columns.note).slice(0, 500)
    if (cell(columns.expires) !== '') {
      const expires = Date.parse(cell(columns.expires))
      if (Number.isNaN(expires)) return read.bad.push({ row: number, why: 'expires_at is no time' })
      input.expiresAt = new Date(expires).toISOString()
    }
    return read.inputs.push(input)
  })
  return read
}

export function writeEntries(entries: readonly SuppressionRowFragment[]): string {
  const row = ({ target, reason, note, createdAt, expiresAt }: SuppressionRowFragment) => [
    target,
    reason.toLowerCase(),
    note ?? '',
    createdAt,
    expiresAt ?? '',
  ]
  return writeCsv([['address', 'reason', 'note', 'created_at', 'expires_at'], ...entries.map(row)])
}

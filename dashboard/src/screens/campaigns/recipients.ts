import type { RecipientInput } from '../../api/generated.ts'
import { readCsv } from '../../parts/csv.ts'

export interface Read {
  recipients: RecipientInput[]
  /** Rows without an address. */
  bad: number
}

/** The recipients of a file: `address` and `name` are what they say, each other column is a variable of the content. */
export function readRecipients(text: string): Read | string {
  const [header, ...rest] = readCsv(text)
  if (header === undefined) return 'The file is empty.'
  const bare = header.length === 1 && header[0]?.includes('@') === true
  const names = bare ? ['address'] : header
  const at = (...known: string[]) => names.findIndex((name) => known.includes(name.toLowerCase()))
  const address = at('address', 'email')
  if (address < 0) return 'The file has no column “address”.'
  const name = at('name')
  const read: Read = { recipients: [], bad: 0 }
  for (const row of bare ? [header, ...rest] : rest) {
    if ((row[address] ?? '') === '') {
      read.bad += 1
      continue
    }
    const variables = Object.fromEntries(
      names.flatMap((key, column) => (column === address || column === name || (row[column] ?? '') === '' ? [] : [[key, row[column]]])),
    )
    read.recipients.push({
      address: row[address] ?? '',
      ...(name >= 0 && (row[name] ?? '') !== '' ? { name: row[name] } : {}),
      ...(Object.keys(variables).length > 0 ? { variables } : {}),
    })
  }
  return read
}

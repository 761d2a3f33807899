/** What stands behind `?` in the page's address: flat and readable, since people copy it to each other. */
export type Flat = Record<string, string>

export function parse(search: string): Flat {
  return Object.fromEntries(new URLSearchParams(search))
}

export function write(search: Record<string, unknown>): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(search)) {
    if (typeof value === 'string' && value !== '') parameters.set(name, value)
  }
  // Commas and colons mean nothing there, and lists and times are easier to read with them.
  const text = parameters.toString().replaceAll('%2C', ',').replaceAll('%3A', ':').replaceAll('%40', '@')
  return text === '' ? '' : `?${text}`
}

/** Keeps of an address what a screen knows: whatever else stands there is left out. */
export function only<Name extends string>(...names: Name[]) {
  return (search: Record<string, unknown>): Partial<Record<Name, string>> => {
    const kept: Partial<Record<Name, string>> = {}
    for (const name of names) {
      const value = search[name]
      if (typeof value === 'string' && value !== '') kept[name] = value
    }
    return kept
  }
}

/** The members of a list like `FAILED,BOUNCED` that are among the known ones. */
export function listed<Member extends string>(text: string | undefined, known: readonly Member[]): Member[] {
  const asked = (text ?? '').split(',')
  return known.filter((member) => asked.includes(member))
}

const UNITS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** A time as it stands in an address: so long before now (`15m`, `24h`, `7d`), or a moment. */
export function moment(text: string | undefined, now: number): string | undefined {
  if (text === undefined) return undefined
  const span = /^(\d+)([mhd])$/.exec(text)
  if (span !== null) return new Date(now - Number(span[1]) * UNITS[span[2] as keyof typeof UNITS]).toISOString()
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : new Date(at).toISOString()
}

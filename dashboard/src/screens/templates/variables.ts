import type { RecipientInput } from '../../api/generated.ts'

/** What stands for a variable that nobody gave: its own name, in marks that no template has by chance. */
export function standIn(name: string): string {
  return `‹${name}›`
}

/** A value as somebody types it: JSON where it is a list, an object, a number or a truth, else the text itself. */
export function typed(text: string): unknown {
  const trimmed = text.trim()
  if (!/^([[{]|-?\d|true$|false$)/.test(trimmed)) return text
  try {
    return JSON.parse(trimmed) as unknown
  } catch {
    return text
  }
}

type Names = Record<string, unknown>

function isObject(value: unknown): value is Names {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Puts a value where a full name such as `order.total` leads to; what is no object on the way is left as it is. */
function put(into: Names, name: string, value: unknown): void {
  const way = name.split('.')
  const last = way.pop() ?? name
  let at = into
  for (const part of way) {
    at[part] ??= {}
    const next = at[part]
    if (!isObject(next)) return
    at = next
  }
  at[last] ??= value
}

/** The variables of a preview: what was typed, and a stand-in for each of the others that the content uses. */
export function given(names: readonly string[], texts: Readonly<Record<string, string>>, recipient: { address: string; name?: string }): Names {
  const variables: Names = { recipient: { name: '', ...recipient } }
  const filled = names.filter((name) => (texts[name] ?? '') !== '')
  for (const name of filled) put(variables, name, typed(texts[name] ?? ''))
  for (const name of names) if (!filled.includes(name)) put(variables, name, standIn(name))
  return variables
}

/** A recipient of a file, as a preview takes it. */
export interface Sample {
  address: string
  name?: string
  texts: Record<string, string>
}

export function sampled({ address, name, variables }: RecipientInput): Sample {
  const texts = Object.fromEntries(Object.entries((variables ?? {}) as Names).map(([key, value]) => [key, String(value)]))
  return { address, ...(name == null ? {} : { name }), texts }
}

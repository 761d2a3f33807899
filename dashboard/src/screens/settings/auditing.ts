import type { AuditFilter, AuditOutcome, AuditRowFragment } from '../../api/generated.ts'
import * as icons from '../../parts/icons.tsx'
import type { Look } from '../../parts/status.tsx'

/** What came of an operation. */
export const outcomes: Record<AuditOutcome, Look> = {
  DONE: { icon: icons.Tick, colour: 'text-good', word: 'Done', means: 'It was done.' },
  PARTLY: { icon: icons.Tick, colour: 'text-warn', word: 'In part', means: 'A part of it was done, the rest refused.' },
  REFUSED: { icon: icons.Slash, colour: 'text-muted', word: 'Refused', means: 'The caller may not, or had something to mend.' },
  FAILED: { icon: icons.Cross, colour: 'text-bad', word: 'Failed', means: 'It failed; a part of it may have been done.' },
  UNKNOWN: { icon: icons.Question, colour: 'text-warn', word: 'Unknown', means: 'It began, and its end was never written: it may have been done.' },
}

export const OUTCOMES = Object.keys(outcomes) as AuditOutcome[]

/** What somebody looks for, as they write it. */
export interface Wanted {
  outcome?: AuditOutcome | undefined
  actor?: string | undefined
  operation?: string | undefined
  /** An id or an address. */
  about?: string | undefined
  origin?: string | undefined
  sends?: boolean | undefined
}

/** The same as the service is asked for it; sends are left out unless they are wanted. */
export function filterOf({ outcome, actor, operation, about, origin, sends }: Wanted): AuditFilter {
  const filter: AuditFilter = {}
  if (outcome !== undefined) filter.outcomes = [outcome]
  if (actor !== undefined) filter.actorId = actor
  if (operation !== undefined) filter.operation = operation
  if (about !== undefined) {
    if (about.includes('@')) filter.recipient = about
    else filter.subject = about
  }
  if (origin !== undefined) filter.origin = origin
  // Whoever asks for a send by its name or its email wants to see it.
  const named = operation === 'sendEmail' || operation === 'sendEmails' || about?.startsWith('email:') === true
  if (sends !== true && !named) filter.sends = false
  return filter
}

type Actor = Pick<AuditRowFragment, 'actorKind' | 'actorId' | 'apiKey'>

/** Who did it, in a few words. */
export function who({ actorKind, actorId, apiKey }: Actor): string {
  switch (actorKind) {
    case 'API_KEY':
      return apiKey?.name ?? 'An API key'
    case 'ADMIN_KEY':
      return 'ADMIN_API_KEY'
    case 'TOKEN':
      return `Token ${actorId?.slice('token:'.length, 'token:'.length + 8) ?? ''}`.trim()
    case 'COMMAND_LINE':
      return 'Command line'
  }
}

/** Something that was so and is so since; `undefined` where it was not told. */
export type Change = [name: string, before: string | undefined, after: string | undefined]

function told(value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (value === null) return '–'
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function fields(state: unknown): Record<string, unknown> {
  if (state === null || state === undefined) return {}
  // Of things that there may be several of, such as pauses, there is mostly one.
  if (Array.isArray(state) && state.length < 2) return fields(state[0])
  return typeof state === 'object' && !Array.isArray(state) ? (state as Record<string, unknown>) : { state }
}

/** What two states say, field by field, those that differ first. */
export function changes(before: unknown, after: unknown): Change[] {
  const [was, is] = [fields(before), fields(after)]
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])]
  const all = names.map((name): Change => [name, told(was[name]), told(is[name])])
  const differs = ([, a, b]: Change) => (a === b ? 1 : 0)
  return all.sort((a, b) => differs(a) - differs(b))
}

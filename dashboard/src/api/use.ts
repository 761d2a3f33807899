import { createContext, useContext, useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { type AnyVariables, type DocumentInput, useClient, useQuery, type UseQueryResponse } from 'urql'

import type { Cell, Connection } from './connection.ts'
import type { Service } from './service.ts'

export const ServiceContext = createContext<Service | undefined>(undefined)

export function useService(): Service {
  const service = useContext(ServiceContext)
  if (service === undefined) throw new Error('this part needs a session around it')
  return service
}

export function useCell<T>(cell: Cell<T>): T {
  return useSyncExternalStore(cell.subscribe, cell.get)
}

export function useConnection(): Connection {
  return useCell(useService().watch.state)
}

/**
 * A query that stays as new as the page can make it: asked when it is first shown, after each break of the connection, and
 * whenever `changed` is another value, at most once in `pause` milliseconds and not while the page is hidden.
 */
export function useFresh<Data, Variables extends AnyVariables>(
  query: DocumentInput<Data, Variables>,
  variables: Variables,
  { changed, paused = false, pause = 1_000 }: { changed?: unknown; paused?: boolean; pause?: number } = {},
): { result: UseQueryResponse<Data, Variables>[0]; ask: () => void } {
  const beat = useCell(useService().watch.beat)
  const [result, execute] = useQuery({ query, variables, requestPolicy: 'cache-and-network', pause: paused } as never) as UseQueryResponse<Data, Variables>
  const asked = useRef(Date.now())
  const news = `${beat} ${String(changed)}`
  const seen = useRef(news)

  useEffect(() => {
    if (seen.current === news || paused) return
    let timer: ReturnType<typeof setTimeout> | undefined
    const ask = () => {
      // Told again when the page is looked at.
      if (document.hidden) return
      seen.current = news
      asked.current = Date.now()
      execute({ requestPolicy: 'network-only' })
    }
    const due = () => {
      clearTimeout(timer)
      timer = setTimeout(ask, Math.max(0, asked.current + pause - Date.now()))
    }
    due()
    document.addEventListener('visibilitychange', due)
    return () => {
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', due)
    }
  }, [news, paused, pause, execute])

  return { result, ask: () => execute({ requestPolicy: 'network-only' }) }
}

/** What can be mended, and where: the last of `field` names the field of a form. */
export interface Mistake {
  field?: readonly string[] | null | undefined
  message: string
}

interface Refusable {
  userErrors: readonly Mistake[]
}

export interface Act<Data, Variables> {
  /** Does it; answers the payload, or nothing when it was refused, and then `problem` says why. */
  act: (variables: Variables) => Promise<Data | undefined>
  busy: boolean
  /** All that is wrong, in sentences. */
  problem: string | undefined
  /** The same by field, where the service names one. */
  mistakes: readonly Mistake[]
  clear: () => void
}

/** A mutation with the one field `field`, whose userErrors and failures become words. */
export function useAct<Data, Variables extends AnyVariables, Field extends Exclude<keyof Data, '__typename'>>(
  document: DocumentInput<Data, Variables>,
  field: Field,
): Act<Data[Field], Variables> {
  const client = useClient()
  const { watch } = useService()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string>()
  const [mistakes, setMistakes] = useState<readonly Mistake[]>([])
  const act = async (variables: Variables) => {
    setBusy(true)
    setProblem(undefined)
    setMistakes([])
    const { data, error } = await client.mutation(document, variables).toPromise()
    setBusy(false)
    const payload = data?.[field] as (Data[Field] & Refusable) | undefined
    if (error !== undefined || payload === undefined) {
      setProblem(words(error))
      return undefined
    }
    if (payload.userErrors.length > 0) {
      setProblem(told(payload.userErrors))
      setMistakes(payload.userErrors)
      return undefined
    }
    // What was under way when it was done may show how things stood before.
    watch.ask()
    return payload
  }
  const clear = () => {
    setProblem(undefined)
    setMistakes([])
  }
  return { act, busy, problem, mistakes, clear }
}

function told(mistakes: readonly Mistake[]): string | undefined {
  return mistakes.length === 0 ? undefined : mistakes.map(({ message }) => sentence(message)).join(' ')
}

/** Of what is wrong, what stands beside the field of this name. */
export function beside(mistakes: readonly Mistake[], field: string): string | undefined {
  return told(mistakes.filter((mistake) => mistake.field?.at(-1) === field))
}

/** What stands beside none of these. */
export function elsewhere(mistakes: readonly Mistake[], fields: readonly string[]): string | undefined {
  return told(mistakes.filter((mistake) => !fields.includes(mistake.field?.at(-1) ?? '')))
}

interface Failed {
  networkError?: Error | undefined
  graphQLErrors?: readonly { message: string; extensions?: Record<string, unknown> | undefined }[] | undefined
}

/** What went wrong, for a person. */
export function words(error: Failed | undefined): string {
  const [first] = error?.graphQLErrors ?? []
  if (first !== undefined) return sentence(first.message)
  return 'The service does not answer. Your change may or may not have been made: look before you repeat it.'
}

/** Whether it was refused because the key has not the scope. */
export function isForbidden(error: Failed | undefined): boolean {
  return error?.graphQLErrors?.some(({ extensions }) => extensions?.code === 'FORBIDDEN') ?? false
}

/** A message of the service as a sentence of its own. */
export function sentence(message: string): string {
  const trimmed = message.trim()
  const first = trimmed.charAt(0).toUpperCase() + trimmed.slice(1)
  return /[.!?]$/.test(first) ? first : `${first}.`
}

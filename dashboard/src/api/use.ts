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

interface Refusable {
  userErrors: readonly { message: string }[]
}

export interface Act<Data, Variables> {
  /** Does it; answers the payload, or nothing when it was refused, and then `problem` says why. */
  act: (variables: Variables) => Promise<Data | undefined>
  busy: boolean
  problem: string | undefined
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
  const act = async (variables: Variables) => {
    setBusy(true)
    setProblem(undefined)
    const { data, error } = await client.mutation(document, variables).toPromise()
    setBusy(false)
    const payload = data?.[field] as (Data[Field] & Refusable) | undefined
    if (error !== undefined || payload === undefined) {
      setProblem(words(error))
      return undefined
    }
    if (payload.userErrors.length > 0) {
      setProblem(payload.userErrors.map(({ message }) => sentence(message)).join(' '))
      return undefined
    }
    // What was under way when it was done may show how things stood before.
    watch.ask()
    return payload
  }
  return { act, busy, problem, clear: () => setProblem(undefined) }
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

import type { FormattedExecutionResult, Sink, SubscribePayload } from 'graphql-ws'

/** The part of a graphql-ws client that is needed here. */
export interface Source {
  subscribe<T>(payload: SubscribePayload, sink: Sink<FormattedExecutionResult<T, Record<string, unknown>>>): () => void
}

export interface Follower<T> {
  /** What to subscribe to; asked each time anew, so that it can go on after the last cursor. */
  payload: () => SubscribePayload
  next: (data: T) => void
  /** The service says that what came next is past retention, or that the follower was too slow; with the latter, where to go on. */
  gap?: (after: string | undefined) => void
  /** It is over for good: the words of the service. */
  refused?: (error: Error) => void
}

const FIRST_WAIT = 500
const LONGEST_WAIT = 8_000
/** The service closes with it when a key is unknown, expired or revoked. */
export const NO_ACCESS = 4403

/**
 * Keeps a subscription up, whatever happens to the socket: after each break a new operation, with what `payload` says then.
 * The client's own retries would repeat the variables of the first, and with them an old cursor.
 */
export function follow<T>(source: Source, follower: Follower<T>, chance: () => number = Math.random): () => void {
  let stopped = false
  let failures = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let stop: (() => void) | undefined

  const again = (wait: number) => {
    if (stopped) return
    timer = setTimeout(start, wait)
  }
  const later = () => {
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** failures)
    failures += 1
    // Half of it by chance, so that a thousand pages do not come back in the same moment.
    again(wait / 2 + (wait / 2) * chance())
  }
  const judge = (errors: readonly { message: string; extensions?: Record<string, unknown> | undefined }[]) => {
    const [first] = errors
    const code = first?.extensions?.code
    if (code === 'RESUME' || code === 'CURSOR_EXPIRED') {
      const after = first?.extensions?.after
      follower.gap?.(typeof after === 'string' ? after : undefined)
      again(0)
    } else if (code === 'UNAVAILABLE' || code === 'RATE_LIMITED') {
      later()
    } else {
      stopped = true
      follower.refused?.(new Error(first?.message ?? 'The service refused it.'))
    }
  }
  const start = () => {
    // An operation tells its end once; what an old one says after that is not heard.
    let over = false
    const end = (act: () => void) => {
      if (over || stopped) return
      over = true
      act()
    }
    stop = source.subscribe<T>(follower.payload(), {
      next(result) {
        if (over || stopped) return
        if (result.data != null) {
          failures = 0
          follower.next(result.data)
        } else if (result.errors !== undefined && fatal(result)) {
          end(() => judge(result.errors as never))
        }
      },
      error: (cause) =>
        end(() => {
          if (Array.isArray(cause)) judge(cause as never)
          else if (isClose(cause) && cause.code === NO_ACCESS) stopped = true
          else later()
        }),
      // A service that stops ends its streams before it closes: it is no end of what there is to tell.
      complete: () => end(later),
    })
  }
  start()
  return () => {
    stopped = true
    clearTimeout(timer)
    stop?.()
  }
}

/** An event with an error that the service goes on after (the database is away) is only waited out. */
function fatal(result: { errors?: readonly { extensions?: Record<string, unknown> | undefined }[] | undefined }): boolean {
  return result.errors?.[0]?.extensions?.code !== 'UNAVAILABLE'
}

function isClose(cause: unknown): cause is { code: number } {
  return typeof cause === 'object' && cause !== null && 'code' in cause
}

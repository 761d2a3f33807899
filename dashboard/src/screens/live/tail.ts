import { stringifyDocument } from '@urql/core'
import { startTransition, useCallback, useEffect, useRef, useState } from 'react'
import { useClient } from 'urql'

import { follow } from '../../api/follow.ts'
import { type DeliveryEventFilter, EventAddedDocument, type EventAddedSubscription, type EventRowFragment, EventsDocument } from '../../api/generated.ts'
import { useService, words } from '../../api/use.ts'

/** So many of the latest are kept on the page. */
export const KEPT = 200
/** Of these, so many are drawn while they move: nobody reads further down what is pushed on four times a second. */
export const MOVING = 80
/** So many may wait while the tail is paused; then it stops, and goes on from there later. */
export const ROOM = 2_000
const FLUSH = 250

export interface TailState {
  rows: readonly EventRowFragment[]
  /** They came while it was paused. */
  waiting: number
  /** More came than there was room for; they are read when it goes on. */
  full: boolean
  /** Something is missing between what is shown: it is past retention, or came too fast. */
  gap: boolean
}

/** What a tail holds: pure, so that nothing is lost or shown twice by chance. */
export class Tail {
  state: TailState = { rows: [], waiting: 0, full: false, gap: false }
  /** The last event that is held, to go on after. */
  cursor: string | undefined
  #paused = false
  #buffer: EventRowFragment[] = []

  get paused(): boolean {
    return this.#paused
  }

  /** Begins with the latest, the newest first. */
  begin(rows: readonly EventRowFragment[], cursor: string | undefined): void {
    this.cursor = cursor
    this.state = { rows: rows.slice(0, KEPT), waiting: 0, full: false, gap: false }
    this.#buffer = []
  }

  /** Takes one; false when there is no more room and the following has to stop. */
  take(row: EventRowFragment, cursor: string): boolean {
    if (this.#paused && this.#buffer.length >= ROOM) return false
    this.cursor = cursor
    this.#buffer.push(row)
    return !(this.#paused && this.#buffer.length >= ROOM)
  }

  missed(cursor: string | undefined): void {
    if (cursor !== undefined) this.cursor = cursor
    else {
      this.cursor = undefined
      this.state = { ...this.state, gap: true }
    }
  }

  /** Shows what came; while it is paused, only how much. True when something changed. */
  flush(): boolean {
    if (this.#paused) {
      const waiting = this.#buffer.length
      if (waiting === this.state.waiting) return false
      this.state = { ...this.state, waiting, full: waiting >= ROOM }
      return true
    }
    if (this.#buffer.length === 0 && this.state.waiting === 0) return false
    const came = this.#buffer.reverse()
    this.#buffer = []
    this.state = { ...this.state, rows: [...came, ...this.state.rows].slice(0, KEPT), waiting: 0, full: false }
    return true
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.flush()
  }
}

export interface Tailing extends TailState {
  paused: boolean
  toggle: () => void
  loading: boolean
  problem: string | undefined
}

/** Follows delivery events: the latest first, and then each as it is recorded, over breaks and pauses without a gap. */
export function useTail(filter: DeliveryEventFilter): Tailing {
  const client = useClient()
  const { socket } = useService()
  const tail = useRef(new Tail())
  const [state, setState] = useState(tail.current.state)
  const [paused, setPaused] = useState(false)
  const [loading, setLoading] = useState(true)
  const [problem, setProblem] = useState<string>()
  const again = useRef<() => void>(undefined)

  useEffect(() => {
    const held = tail.current
    let stop: (() => void) | undefined
    let gone = false
    setLoading(true)
    setProblem(undefined)

    const start = () => {
      stop?.()
      stop = follow<EventAddedSubscription>(socket, {
        payload: () => ({ query: stringifyDocument(EventAddedDocument), variables: { filter, after: held.cursor } }),
        next: ({ deliveryEventAdded: { cursor, node } }) => {
          if (!held.take(node, cursor)) {
            stop?.()
            stop = undefined
          }
        },
        gap: (after) => held.missed(after),
        refused: (error) => setProblem(error.message),
      })
    }
    again.current = () => {
      if (stop === undefined && !gone) start()
    }
    void client
      .query(EventsDocument, { filter, first: 50 }, { requestPolicy: 'network-only' })
      .toPromise()
      .then(({ data, error }) => {
        if (gone) return
        setLoading(false)
        if (data === undefined) return setProblem(words(error))
        const { edges, pageInfo } = data.deliveryEvents
        held.begin(edges.map(({ node }) => node), pageInfo.startCursor ?? undefined)
        setState(held.state)
        start()
      })
    const timer = setInterval(() => {
      // What somebody does meanwhile comes first.
      if (held.flush()) startTransition(() => setState(held.state))
    }, FLUSH)
    return () => {
      gone = true
      clearInterval(timer)
      stop?.()
    }
  }, [client, socket, filter])

  const toggle = useCallback(() => {
    const held = tail.current
    if (held.paused) {
      held.resume()
      setState(held.state)
      again.current?.()
    } else {
      held.pause()
    }
    setPaused(held.paused)
  }, [])

  return { ...state, paused, toggle, loading, problem }
}

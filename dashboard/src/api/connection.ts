/** How news reaches the page; shown in every screen's head, so that nobody takes an old number for a new one. */
export type Connection =
  /** A socket is open: changes arrive as they happen. */
  | 'live'
  /** It is being opened, for the first time or again. */
  | 'connecting'
  /** It can't be opened for now: the page asks every few seconds. */
  | 'polling'
  /** Not even that is answered. */
  | 'offline'

type Listener = () => void

/** A value that components follow with useSyncExternalStore. */
export class Cell<T> {
  #value: T
  readonly #listeners = new Set<Listener>()

  constructor(value: T) {
    this.#value = value
  }

  get = (): T => this.#value

  set = (value: T): void => {
    if (Object.is(value, this.#value)) return
    this.#value = value
    for (const listener of this.#listeners) listener()
  }

  subscribe = (listener: Listener): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

/** Failed attempts at a socket before the page begins to ask instead. */
const PATIENCE = 2

/** What the socket and the requests tell, and what follows from it for the connection's state. */
export class ConnectionWatch {
  readonly state = new Cell<Connection>('connecting')
  /** Counts how often the page should ask anew: each return of the socket, and each round of polling. */
  readonly beat = new Cell(0)
  #failures = 0
  #wasLive = false

  connected(): void {
    this.#failures = 0
    this.state.set('live')
    // What happened while nobody told us is asked for once; a first connection has just asked.
    if (this.#wasLive) this.ask()
    this.#wasLive = true
  }

  closed(): void {
    this.#failures += 1
    if (this.#failures > PATIENCE) {
      if (this.state.get() !== 'offline') this.state.set('polling')
    } else {
      this.state.set('connecting')
    }
  }

  /** A request was answered, or was not. */
  answered(ok: boolean): void {
    const state = this.state.get()
    if (!ok && state !== 'live') this.state.set('offline')
    if (ok && state === 'offline') this.state.set('polling')
  }

  ask(): void {
    this.beat.set(this.beat.get() + 1)
  }
}

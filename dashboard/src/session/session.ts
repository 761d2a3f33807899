import { Cell } from '../api/connection.ts'

/** What the credential lies under; in this tab alone, and gone when it is closed. */
const PLACE = 'mailmind.credential'

export interface Session {
  credential: string | undefined
  /** Why the last one ended, where the person did not end it. */
  ended?: string
}

function stored(): string | undefined {
  return sessionStorage.getItem(PLACE) ?? undefined
}

export const session = new Cell<Session>({ credential: stored() })

export function signIn(credential: string): void {
  sessionStorage.setItem(PLACE, credential)
  session.set({ credential })
}

/** Forgets the credential, and with it all that was read with it. */
export function signOut(why?: string): void {
  sessionStorage.removeItem(PLACE)
  session.set(why === undefined ? { credential: undefined } : { credential: undefined, ended: why })
}

/** Where a one-time link is exchanged for the key it stands for. */
const EXCHANGE = '/session/link'

/** Takes the one-time code out of the address, so that neither history nor a copied address holds it. */
export function takeLink(place: Location, history: History): string | undefined {
  const code = new URLSearchParams(place.hash.slice(1)).get('link') ?? undefined
  if (code !== undefined) history.replaceState(null, '', place.pathname + place.search)
  return code
}

/** Signs in by a one-time code. */
export async function signInByLink(code: string): Promise<void> {
  try {
    const response = await fetch(EXCHANGE, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ code }),
    })
    if (!response.ok) throw new Error()
    const { key } = (await response.json()) as { key: string }
    signIn(key)
  } catch {
    signOut('This link was used before, or its ten minutes are over. Sign in with an API key.')
  }
}

export type Known = 'known' | 'unknown' | 'away'

/** Asks the service whether it knows a credential, before the page is built on it. */
export async function recognise(credential: string): Promise<Known> {
  try {
    const response = await fetch('/graphql', {
      method: 'POST',
      headers: {
        accept: 'application/graphql-response+json',
        authorization: `Bearer ${credential}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ query: '{ __typename }' }),
    })
    if (response.ok) return 'known'
    return response.status === 401 ? 'unknown' : 'away'
  } catch {
    return 'away'
  }
}

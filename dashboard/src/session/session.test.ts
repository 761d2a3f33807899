// @vitest-environment happy-dom
import { describe, expect, it, vi } from 'vitest'

import { recognise, session, signIn, signInByLink, signOut, takeLink } from './session.ts'

describe('the session', () => {
  it('keeps the credential in this tab alone', () => {
    signIn('mm_test_1')
    expect(sessionStorage.length).toBe(1)
    expect(localStorage.length).toBe(0)
    signOut('Your key was revoked.')
    expect(sessionStorage.length).toBe(0)
    expect(session.get()).toEqual({ credential: undefined, ended: 'Your key was revoked.' })
  })

  it('takes the one-time code out of the address', () => {
    const replaceState = vi.fn()
    const place = { hash: '#link=abc', pathname: '/emails', search: '?status=FAILED' } as Location
    expect(takeLink(place, { replaceState } as unknown as History)).toBe('abc')
    expect(replaceState).toHaveBeenCalledWith(null, '', '/emails?status=FAILED')
    expect(takeLink({ ...place, hash: '' }, { replaceState } as unknown as History)).toBeUndefined()
  })

  it('says so when a link was used before', async () => {
    vi.stubGlobal('fetch', async () => new Response('{}', { status: 401 }))
    await signInByLink('abc')
    expect(session.get().credential).toBeUndefined()
    expect(session.get().ended).toContain('used before')
    vi.stubGlobal('fetch', async () => Response.json({ key: 'mm_test_2' }))
    await signInByLink('def')
    expect(session.get().credential).toBe('mm_test_2')
    signOut()
  })

  it('tells a key that is unknown from a service that is away', async () => {
    const cases = [
      [async () => Response.json({ data: {} }), 'known'],
      [async () => new Response('', { status: 401 }), 'unknown'],
      [async () => new Response('', { status: 503 }), 'away'],
      [async () => Promise.reject(new TypeError('Failed to fetch')), 'away'],
    ] as const
    for (const [answer, expected] of cases) {
      vi.stubGlobal('fetch', answer)
      expect(await recognise('k')).toBe(expected)
    }
  })
})

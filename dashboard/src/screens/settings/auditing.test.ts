import { describe, expect, it } from 'vitest'

import { changes, filterOf, who } from './auditing.ts'

describe('the audit log', () => {
  it.each([
    [{}, { sends: false }],
    [{ sends: true }, {}],
    [{ outcome: 'REFUSED', actor: 'admin' }, { outcomes: ['REFUSED'], actorId: 'admin', sends: false }],
    [{ about: 'ann@example.com' }, { recipient: 'ann@example.com', sends: false }],
    [{ about: 'domain:example.com' }, { subject: 'domain:example.com', sends: false }],
    [{ about: 'email:7' }, { subject: 'email:7' }],
    [{ operation: 'sendEmails' }, { operation: 'sendEmails' }],
    [{ operation: 'pause', origin: '192.0.2.1' }, { operation: 'pause', origin: '192.0.2.1', sends: false }],
  ] as const)('asked for %o is filtered so', (wanted, filter) => {
    expect(filterOf(wanted)).toEqual(filter)
  })

  it('names who did something', () => {
    const key = { id: 'api-key:7', name: 'shop' }
    expect(who({ actorKind: 'API_KEY', actorId: key.id, apiKey: key })).toBe('shop')
    expect(who({ actorKind: 'ADMIN_KEY', actorId: 'admin', apiKey: null })).toBe('ADMIN_API_KEY')
    expect(who({ actorKind: 'TOKEN', actorId: 'token:01980000-0000-7000', apiKey: null })).toBe('Token 01980000')
    expect(who({ actorKind: 'COMMAND_LINE', actorId: null, apiKey: null })).toBe('Command line')
  })

  it('shows first what changed', () => {
    const before = { name: 'spring', status: 'QUEUED', until: null }
    expect(changes(before, { name: 'spring', status: 'CANCELLED', until: '2027' })).toEqual([
      ['status', 'QUEUED', 'CANCELLED'],
      ['until', '–', '2027'],
      ['name', 'spring', 'spring'],
    ])
    expect(changes(null, { asked: 3 })).toEqual([['asked', undefined, '3']])
    expect(changes([{ subject: 'LOW' }], [])).toEqual([['subject', 'LOW', undefined]])
    expect(changes([1, 2], null)).toEqual([['state', '[1,2]', undefined]])
    expect(changes(null, null)).toEqual([])
  })
})

import { describe, expect, it } from 'vitest'

import { readEntries, writeEntries } from './file.ts'

describe('a file of suppressions', () => {
  it.each([
    ['a bare list', 'ann@example.com\nexample.org\n', [{ target: 'ann@example.com', reason: 'MANUAL' }, { target: 'example.org', reason: 'MANUAL' }]],
    ['Mailgun’s bounces', 'address,code,error,created_at\nann@example.com,550,no such user,x\n', [{ target: 'ann@example.com', reason: 'BOUNCE', note: 'no such user' }]],
    ['Mailgun’s unsubscribes', 'address,tags,created_at\nann@example.com,*,x\n', [{ target: 'ann@example.com', reason: 'UNSUBSCRIBE' }]],
    [
      'our own',
      'address,reason,note,expires_at\nann@example.com,complaint,,2027-01-01\n',
      [{ target: 'ann@example.com', reason: 'COMPLAINT', expiresAt: '2027-01-01T00:00:00.000Z' }],
    ],
  ])('%s is read', (_name, text, inputs) => {
    expect(readEntries(text, undefined)).toEqual({ inputs, bad: [] })
  })

  it('has one reason for all rows where somebody says so', () => {
    expect(readEntries('address,reason\nann@example.com,bounce\n', 'MANUAL')).toEqual({
      inputs: [{ target: 'ann@example.com', reason: 'MANUAL' }],
      bad: [],
    })
  })

  it('has its bad rows named', () => {
    expect(readEntries('address,reason,expires_at\n,bounce,\na@b.c,whim,\na@b.c,bounce,soon\n', undefined)).toEqual({
      inputs: [],
      bad: [
        { row: 2, why: 'no address' },
        { row: 3, why: '“whim” is no reason' },
        { row: 4, why: 'expires_at is no time' },
      ],
    })
  })

  it('is refused when it is empty or something else', () => {
    expect(readEntries('', undefined)).toContain('empty')
    expect(readEntries('name,age\nann,7\n', undefined)).toContain('address')
  })

  it('is written as it can be read', () => {
    const entry = { target: 'ann@example.com', reason: 'BOUNCE', note: 'no, "never"', createdAt: '2026-11-24T10:00:00Z', expiresAt: null }
    const text = writeEntries([entry as never])
    expect(readEntries(text, undefined)).toEqual({
      inputs: [{ target: 'ann@example.com', reason: 'BOUNCE', note: 'no, "never"' }],
      bad: [],
    })
  })
})

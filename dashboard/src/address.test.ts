import { describe, expect, it } from 'vitest'

import { listed, moment, only, parse, write } from './address.ts'

describe('the address', () => {
  it('says everything and reads as it was written', () => {
    const search = { status: 'FAILED,BOUNCED', address: 'ann+1@example.com', since: '2026-11-24T10:00:00Z' }
    expect(write(search)).toBe('?status=FAILED,BOUNCED&address=ann%2B1@example.com&since=2026-11-24T10:00:00Z')
    expect(parse(write(search))).toEqual(search)
  })

  it('leaves out what is empty', () => {
    expect(write({ status: undefined, address: '' })).toBe('')
  })

  it('keeps what a screen knows', () => {
    expect(only('status', 'after')({ status: 'SENT', after: '', other: 'x', order: 7 })).toEqual({ status: 'SENT' })
  })

  it('reads lists, and passes over what it does not know', () => {
    expect(listed('SENT,NONSENSE,FAILED', ['FAILED', 'SENT'] as const)).toEqual(['FAILED', 'SENT'])
    expect(listed(undefined, ['FAILED'] as const)).toEqual([])
  })

  it('reads times before now and moments', () => {
    const now = Date.parse('2026-11-24T12:00:00Z')
    expect(moment('15m', now)).toBe('2026-11-24T11:45:00.000Z')
    expect(moment('7d', now)).toBe('2026-11-17T12:00:00.000Z')
    expect(moment('2026-11-24T10:00:00Z', now)).toBe('2026-11-24T10:00:00.000Z')
    expect(moment('yesterday', now)).toBeUndefined()
    expect(moment(undefined, now)).toBeUndefined()
  })
})

import { expect, test } from 'vitest'

import { several, state, wants } from './said.ts'

test('how an endpoint is', () => {
  const well = { enabled: true, disabledBecause: null, failingSince: null }
  expect(state(well)).toEqual({ words: 'Well', tone: 'good' })
  expect(state({ ...well, failingSince: '2026-01-01T00:00:00Z' })).toEqual({ words: 'Failing', tone: 'warn' })
  expect(state({ ...well, enabled: false, disabledBecause: 'BY_HAND' })).toEqual({ words: 'Disabled', tone: 'muted' })
  expect(state({ ...well, enabled: false, disabledBecause: 'FAILING' }).tone).toBe('bad')
  expect(state({ ...well, enabled: false, disabledBecause: 'GONE' }).words).toBe('Disabled: it says it is gone')
})

test('what an endpoint hears of', () => {
  const all = { types: [], campaignIds: [], sendingDomains: [], tags: [] }
  expect(wants(all)).toBe('Everything')
  expect(wants({ ...all, types: ['BOUNCED', 'COMPLAINED'] })).toBe('Bounced, Complained')
  expect(wants({ ...all, sendingDomains: ['mg.example.com'], tags: ['receipt'], campaignIds: ['a', 'b'] })).toBe(
    'Everything of mg.example.com tagged receipt of 2 campaigns',
  )
})

test('several words in one field', () => {
  expect(several(' a, b\nc,, ')).toEqual(['a', 'b', 'c'])
  expect(several('')).toEqual([])
})

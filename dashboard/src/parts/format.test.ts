import { describe, expect, it } from 'vitest'

import { bytes, clock, count, counted, distance, period, phrase, share, span } from './format.ts'

describe('numbers', () => {
  it.each([
    [0, false, '0'],
    [1_234_567, false, '1,234,567'],
    [10_000, true, '10,000+'],
  ])('%i reads %s', (n, capped, expected) => {
    expect(count(n, capped)).toBe(expected)
  })

  it('have their noun in the right number', () => {
    expect(counted(1, 'email')).toBe('1 email')
    expect(counted(0, 'email')).toBe('0 emails')
    expect(counted(2, 'reply', 'replies')).toBe('2 replies')
    expect(counted(1, 'email', 'emails', true)).toBe('1+ emails')
  })

  it.each([
    [0, 0, '–'],
    [0, 10, '0%'],
    [1, 100_000, '<0.1%'],
    [5, 100, '5.0%'],
    [99_999, 100_000, '>99.9%'],
    [3, 3, '100%'],
    [1, 3, '33%'],
  ])('%i of %i is %s', (part, of, expected) => {
    expect(share(part, of)).toBe(expected)
  })

  it.each([
    [512, '512 B'],
    [2_048, '2.0 kB'],
    [3_145_728, '3.0 MB'],
  ])('%i bytes are %s', (n, expected) => {
    expect(bytes(n)).toBe(expected)
  })
})

describe('times', () => {
  it.each([
    [-5, '0s'],
    [59_999, '59s'],
    [125_000, '2m 05s'],
    [12_000_000, '3h 20m'],
    [439_200_000, '5d 2h'],
  ])('%i ms are %s', (milliseconds, expected) => {
    expect(span(milliseconds)).toBe(expected)
  })

  it.each([
    [2_592_000, '30 days'],
    [86_400, '1 day'],
    [46_800, '13 hours'],
    [90_000, '25 hours'],
    [2_700, '45m 00s'],
    [0, '0s'],
  ])('of %i s that somebody set is %s', (seconds, expected) => {
    expect(period(seconds)).toBe(expected)
  })

  it('lie before or after now', () => {
    expect(distance(1_000, 1_200)).toBe('now')
    expect(distance(0, 12_000)).toBe('12s ago')
    expect(distance(12_000_000, 0)).toBe('in 3h 20m')
  })

  it('have their date unless it is today', () => {
    const now = new Date('2026-11-24T12:00:00Z')
    expect(clock(new Date('2026-11-24T09:05:07Z'), 'utc', now)).toBe('09:05:07')
    expect(clock(new Date('2026-11-23T09:05:07Z'), 'utc', now, false)).toBe('23 Nov, 09:05')
    expect(clock(new Date('2025-11-24T09:05:07Z'), 'utc', now, false)).toBe('24 Nov 2025, 09:05')
  })
})

it('constants become words', () => {
  expect(phrase('NOT_HANDED_OVER')).toBe('Not handed over')
})

import { describe, expect, it } from 'vitest'

import { filterOf, isNarrowed, pageOf } from './filters.ts'

const now = Date.parse('2026-11-24T12:00:00Z')

describe('the filter of an address', () => {
  it('holds what the address says, and nothing else', () => {
    expect(filterOf({}, now)).toEqual({})
    expect(
      filterOf({ status: 'FAILED,NONSENSE', address: 'ann@example.com', priority: 'HIGH', since: '1h', email: 'x' }, now),
    ).toEqual({
      status: ['FAILED'],
      address: 'ann@example.com',
      priority: 'HIGH',
      createdAt: { since: '2026-11-24T11:00:00.000Z', until: undefined },
    })
  })

  it('is one whatever page is shown and whatever is open', () => {
    expect(isNarrowed({ after: 'x', email: 'y', view: 'causes', order: 'oldest' })).toBe(false)
    expect(isNarrowed({ cause: 'refused' })).toBe(true)
  })
})

describe('the page of an address', () => {
  it('is the first, one after, or one before', () => {
    expect(pageOf({})).toMatchObject({ first: 50, order: { direction: 'DESC' } })
    expect(pageOf({ after: 'a', order: 'oldest' })).toMatchObject({ first: 50, after: 'a', order: { direction: 'ASC' } })
    expect(pageOf({ before: 'b' })).toEqual({ last: 50, before: 'b', order: { field: 'CREATED_AT', direction: 'DESC' } })
  })
})

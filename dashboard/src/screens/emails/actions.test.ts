// @vitest-environment happy-dom
import { expect, it } from 'vitest'

import { STATUSES } from '../../parts/status.tsx'
import { actionsOf, localField } from './actions.tsx'

it('each email can be acted on from where it stands', () => {
  const plain = { cancelRequested: false, suppression: null }
  expect(Object.fromEntries(STATUSES.map((status) => [status, actionsOf({ ...plain, status }).join(' ')]))).toEqual({
    SCHEDULED: 'reschedule cancel',
    QUEUED: 'reschedule cancel',
    SENDING: 'cancel',
    UNCONFIRMED: 'resolve cancel',
    SENT: '',
    DEFERRED: '',
    DELIVERED: '',
    BOUNCED: '',
    COMPLAINED: '',
    FAILED: 'retry',
    CANCELLED: '',
    SUPPRESSED: 'retry',
    EXPIRED: '',
  })
})

it('one that was asked to stop is not asked twice', () => {
  const asked = { cancelRequested: true, suppression: null }
  expect(actionsOf({ ...asked, status: 'SENDING' })).toEqual([])
  expect(actionsOf({ ...asked, status: 'UNCONFIRMED' })).toEqual(['resolve'])
})

it('one to a blocked recipient is not retried', () => {
  expect(actionsOf({ status: 'SUPPRESSED', cancelRequested: false, suppression: {} as never })).toEqual([])
})

it('a time stands in its field as the machine reads it', () => {
  expect(localField(new Date(2026, 10, 4, 9, 5))).toBe('2026-11-04T09:05')
})

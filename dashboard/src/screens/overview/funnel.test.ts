import { expect, it } from 'vitest'

import { steps } from './funnel.tsx'

it('each step holds those of the next', () => {
  const ledger = {
    total: 100, pending: 10, cleaned: 8, scheduled: 4, queued: 3, sending: 2, unconfirmed: 1, sent: 5, deferred: 2,
    delivered: 60, bounced: 4, complained: 1, failed: 3, cancelled: 2, suppressed: 4, expired: 1,
  }
  expect(steps(ledger).map(({ n }) => n)).toEqual([82, 72, 61])
})

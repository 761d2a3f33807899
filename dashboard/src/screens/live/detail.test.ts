import { expect, it } from 'vitest'

import type { EventRowFragment } from '../../api/generated.ts'
import { detail } from './detail.ts'

it.each([
  [{ __typename: 'Bounced', bounceType: 'HARD', smtpCode: 550, enhancedCode: '5.1.1', message: '5.1.1 no such user', reason: 'bounce' }, 'hard bounce · 550 5.1.1 · no such user'],
  [{ __typename: 'Deferred', smtpCode: 421, enhancedCode: null, message: null, reason: 'generic' }, '421 · generic'],
  [{ __typename: 'Clicked', url: 'https://example.com/', bot: null, client: 'Firefox', country: 'DE' }, 'https://example.com/ · with Firefox · DE'],
  [{ __typename: 'Opened', bot: 'apple', client: 'Mail', country: null }, 'by a machine (apple)'],
  [{ __typename: 'Unknown', name: 'list_member_uploaded' }, 'list_member_uploaded'],
  [{ __typename: 'Delivered', email: { id: '1', subject: 'Hello' } }, 'Hello'],
  [{ __typename: 'Delivered', email: null }, ''],
])('%j tells %s', (event, expected) => {
  expect(detail(event as unknown as EventRowFragment)).toBe(expected)
})

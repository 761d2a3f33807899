import { describe, expect, it } from 'vitest'

import { readRecipients } from './recipients.ts'

describe('a file of recipients', () => {
  it('holds addresses, names, and a variable in each other column', () => {
    expect(readRecipients('email,Name,first_name,plan\nann@example.com,Ann B,Ann,pro\nbob@example.com,,Bob,\n,x,y,z\n')).toEqual({
      recipients: [
        { address: 'ann@example.com', name: 'Ann B', variables: { first_name: 'Ann', plan: 'pro' } },
        { address: 'bob@example.com', variables: { first_name: 'Bob' } },
      ],
      bad: 1,
    })
  })

  it('may be a bare list', () => {
    expect(readRecipients('ann@example.com\nbob@example.com\n')).toEqual({
      recipients: [{ address: 'ann@example.com' }, { address: 'bob@example.com' }],
      bad: 0,
    })
  })

  it('is refused without a column of addresses', () => {
    expect(readRecipients('first_name\nAnn\n')).toContain('address')
    expect(readRecipients('')).toContain('empty')
  })
})

import { describe, expect, it } from 'vitest'

import { given, typed } from './variables.ts'

const recipient = { address: 'ann@example.com' }

describe('the variables of a preview', () => {
  it.each([
    ['Ann', 'Ann'],
    ['12', 12],
    ['-1.5', -1.5],
    ['true', true],
    ['truely', 'truely'],
    ['[1, 2]', [1, 2]],
    ['{"a": 1}', { a: 1 }],
    ['12 May', '12 May'],
    ['[now]', '[now]'],
    ['null', 'null'],
  ])('%s is what it looks like', (text, value) => expect(typed(text)).toEqual(value))

  it('have a stand-in where nothing was typed', () => {
    expect(given(['first_name', 'city'], { city: 'Rome' }, recipient)).toEqual({
      recipient: { address: 'ann@example.com', name: '' },
      first_name: '‹first_name›',
      city: 'Rome',
    })
  })

  it('lie where their full names lead', () => {
    const made = given(['order.total', 'order.lines'], { 'order.total': '5' }, { ...recipient, name: 'Ann' })
    expect(made).toEqual({ recipient: { address: 'ann@example.com', name: 'Ann' }, order: { total: 5, lines: '‹order.lines›' } })
  })

  it('keep a value that was typed as a whole', () => {
    expect(given(['order', 'order.total'], { order: '{"total": 7}' }, recipient).order).toEqual({ total: 7 })
    expect(given(['order.total', 'order'], { order: 'none' }, recipient).order).toBe('none')
  })
})

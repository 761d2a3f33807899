import { describe, expect, it } from 'vitest'

import { beside, elsewhere, type Mistake } from './use.ts'

const mistakes: Mistake[] = [
  { field: ['input', 'content', 'html'], message: 'can’t be compiled: unexpected end, in line 2' },
  { field: ['input', 'name'], message: 'is the name of another template' },
  { field: null, message: 'the database is away' },
]

describe('what is wrong with a form', () => {
  it('stands beside its field', () => {
    expect(beside(mistakes, 'html')).toBe('Can’t be compiled: unexpected end, in line 2.')
    expect(beside(mistakes, 'name')).toBe('Is the name of another template.')
    expect(beside(mistakes, 'subject')).toBeUndefined()
  })

  it('is told below the form where no field has it', () => {
    expect(elsewhere(mistakes, ['html', 'name'])).toBe('The database is away.')
    expect(elsewhere(mistakes, ['html'])).toBe('Is the name of another template. The database is away.')
    expect(elsewhere(mistakes.slice(0, 2), ['html', 'name'])).toBeUndefined()
  })
})

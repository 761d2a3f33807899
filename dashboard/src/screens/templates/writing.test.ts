import { expect, it } from 'vitest'

import { BLANK, contentOf, isSame } from './writing.ts'

it('a body of nothing but blanks is none, and others stay as they are written', () => {
  const content = contentOf({ ...BLANK, subject: ' Hi ', html: '  <p>a</p>\n', text: ' \n' })
  expect(content).toEqual({ subject: 'Hi', html: '  <p>a</p>\n', text: null })
})

it('a draft is another once any part of it is', () => {
  expect(isSame(BLANK, { ...BLANK })).toBe(true)
  for (const part of ['name', 'subject', 'html', 'text']) expect(isSame(BLANK, { ...BLANK, [part]: 'x' })).toBe(false)
})

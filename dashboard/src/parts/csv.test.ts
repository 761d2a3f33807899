import { describe, expect, it } from 'vitest'

import { readCsv, writeCsv } from './csv.ts'

describe('comma-separated values', () => {
  it.each([
    ['a,b\nc,d', [['a', 'b'], ['c', 'd']]],
    ['\uFEFFaddress\r\nann@example.com\r\n\r\n', [['address'], ['ann@example.com']]],
    ['"a ""b"", c",d', [['a "b", c', 'd']]],
    ['"two\nlines",x', [['two\nlines', 'x']]],
    [' a , "b" ', [['a', 'b']]],
    ['', []],
  ])('%j is read', (text, expected) => {
    expect(readCsv(text)).toEqual(expected)
  })

  it('come back as they were written', () => {
    const rows = [['address', 'note'], ['ann@example.com', 'said "no", twice\nin a row']]
    expect(readCsv(writeCsv(rows))).toEqual(rows)
  })

  it('hold no formula', () => {
    expect(writeCsv([['=HYPERLINK("http://evil.example")']])).toBe('"\'=HYPERLINK(""http://evil.example"")"\r\n')
  })
})

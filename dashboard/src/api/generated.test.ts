import { readFile } from 'node:fs/promises'

import { generate } from '@graphql-codegen/cli'
import { expect, it } from 'vitest'

import config from '../../codegen.ts'

it('the typed documents are those of the schema and of the operations as they stand (else: npm run codegen)', async () => {
  const made = await generate({ ...config, silent: true, errorsOnly: true }, false)
  for (const { filename, content } of made as { filename: string; content: string }[]) {
    expect(await readFile(filename, 'utf8')).toBe(content)
  }
  expect(made).toHaveLength(1)
}, 30_000)

import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

import type { Plugin } from 'vite'

const brotli = promisify(brotliCompress)
const zip = promisify(gzip)

/** Lays a .br and a .gz beside each file that text makes worth it, so that the service compresses nothing while it runs. */
export function compressed(): Plugin {
  let directory = ''
  return {
    name: 'compressed',
    apply: 'build',
    configResolved(config) {
      directory = join(config.root, config.build.outDir)
      if (config.build.outDir.startsWith('/')) directory = config.build.outDir
    },
    async closeBundle() {
      const files = await readdir(directory, { recursive: true })
      await Promise.all(
        files.filter((name) => /\.(js|css|html|svg)$/.test(name)).map((name) => compress(join(directory, name))),
      )
    },
  }
}

async function compress(path: string): Promise<void> {
  const plain = await readFile(path)
  const [small, zipped] = await Promise.all([
    brotli(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
    zip(plain, { level: 9 }),
  ])
  await Promise.all([writeFile(`${path}.br`, small), writeFile(`${path}.gz`, zipped)])
}

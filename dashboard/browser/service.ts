import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where Cargo puts what it builds. */
const TARGET = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('../../target', import.meta.url))
const BINARY = process.env.MAILMIND ?? join(TARGET, 'debug/mailmind')
const PATIENCE = 30_000

/** Waits until this answers something, and answers that; says what it waited for when it does not. */
export async function until<T>(what: string, look: () => Promise<T | undefined | false>, patience = PATIENCE): Promise<T> {
  const end = Date.now() + patience
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

type Letter = Record<string, unknown>

/** The program, from an empty directory, with what it printed at its first start. */
export class Service {
  url = ''
  key = ''
  link = ''
  #sandbox = ''
  #process: ChildProcess | undefined
  readonly #directory: string
  readonly #settings: Record<string, string>

  private constructor(directory: string, settings: Record<string, string>) {
    this.#directory = directory
    this.#settings = settings
  }

  /** Starts it, with more in its environment. */
  static async start(settings: Record<string, string> = {}): Promise<Service> {
    const service = new Service(await mkdtemp(join(tmpdir(), 'mailmind-')), settings)
    const printed = await service.up('127.0.0.1:0')
    service.key = /mm_test_\w+/.exec(printed)?.[0] ?? ''
    service.link = /http:\/\/\S+#link=\w+/.exec(printed)?.[0] ?? ''
    return service
  }

  /** Starts it on this address, over what it had stored; answers what it printed. */
  async up(listen: string): Promise<string> {
    const child = spawn(BINARY, ['serve'], {
      cwd: this.#directory,
      env: { PATH: process.env.PATH, LISTEN: listen, RUST_LOG: 'warn', ...this.#settings },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#process = child
    let printed = ''
    child.stdout?.on('data', (text) => {
      printed += text
    })
    await until('the program to start', async () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${printed}`)
      return printed.includes('Try it')
    })
    this.url = /listens on (\S+)/.exec(printed)?.[1] ?? ''
    this.#sandbox = /sandbox +(http:\S+)/.exec(printed)?.[1] ?? ''
    return printed
  }

  get address(): string {
    return new URL(this.url).host
  }

  async down(): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await ended
  }

  async stop(): Promise<void> {
    await this.down()
    await rm(this.#directory, { recursive: true, force: true })
  }

  /** What the API says. */
  async ask<T = Record<string, never>>(query: string, variables: unknown = {}): Promise<T> {
    const response = await fetch(`${this.url}/graphql`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    })
    const { data, errors } = (await response.json()) as { data: T; errors?: unknown }
    if (errors !== undefined) throw new Error(JSON.stringify(errors))
    return data
  }

  /** Sends emails, each answered by its id. */
  async send(...letters: Letter[]): Promise<string[]> {
    const inputs = letters.map((letter) => ({ content: { inline: { subject: 'Hello', text: 'Hello there.' } }, ...letter }))
    const { sendEmails } = await this.ask<{ sendEmails: { emails: { id: string }[] } }>(
      'mutation ($inputs: [SendEmailInput!]!) { sendEmails(inputs: $inputs) { emails { id } userErrors { message } } }',
      { inputs },
    )
    return sendEmails.emails.map(({ id }) => id)
  }

  /** What the sandbox does wrong from now on. */
  fail(...faults: Record<string, unknown>[]): Promise<void> {
    return this.#tell('faults', faults)
  }

  /** Has the sandbox report nothing from now on. */
  silence(): Promise<void> {
    return this.#tell('webhooks', { silence: 'all' })
  }

  async #tell(what: string, settings: unknown): Promise<void> {
    const response = await fetch(`${this.#sandbox}/_sandbox/${what}`, {
      method: 'PUT',
      headers: { authorization: `Basic ${btoa('api:sandbox')}`, 'content-type': 'application/json' },
      body: JSON.stringify(settings),
    })
    if (!response.ok) throw new Error(await response.text())
  }

  async await(id: string, status: string): Promise<void> {
    await until(`${id} to be ${status}`, async () => {
      const { email } = await this.ask<{ email: { status: string } }>('query ($id: ID!) { email(id: $id) { status } }', { id })
      return email.status === status
    })
  }
}

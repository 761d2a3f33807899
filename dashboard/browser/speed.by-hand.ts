import { createHmac, randomBytes } from 'node:crypto'

import type { Browser, CDPSession, Page } from 'playwright-core'
import { afterAll, beforeAll, it } from 'vitest'

import { launch, open } from './look.ts'
import { type Answer, answerOf, type Cost, costOf, quantile } from './measuring.ts'
import { Service, until } from './service.ts'

/** Behind the list. */
const EMAILS = Number(process.env.EMAILS ?? 100_000)
/** Of these, so many are with Mailgun, and events are about them. */
const SENT = Math.min(10_000, EMAILS / 2)
const EVENTS_A_SECOND = 200
const WATCHED = 10_000
const TIMES = 7
const SIGNING_KEY = 'a-key-that-signs-nothing-real'
const MOST = 1_000
const PATIENCE = 600_000

let service: Service
let browser: Browser
let page: Page
let devtools: CDPSession
const sent: string[] = []

beforeAll(async () => {
  service = await Service.start({ MAILGUN_WEBHOOK_SIGNING_KEY: SIGNING_KEY, MAILGUN_BULK_CONCURRENCY: '50' })
  await service.silence()
  sent.push(...(await fill(SENT)))
  await until('them to be sent', async () => (await ledger()).sent === SENT, PATIENCE)
  await service.ask('mutation { pause { userErrors { message } } }')
  await fill(EMAILS - SENT)
  browser = await launch()
  const opened = await open(browser, { key: service.key, measured: true })
  page = opened.page
  devtools = await opened.context.newCDPSession(page)
  await devtools.send('Performance.enable')
})

afterAll(async () => {
  await browser?.close()
  await service?.stop()
})

async function ledger(): Promise<Record<'sent' | 'total', number>> {
  return (await service.ask<{ queueStats: { ledger: Record<'sent' | 'total', number> } }>('{ queueStats { ledger { sent total } } }')).queueStats.ledger
}

/** Accepts so many emails, several calls at a time. */
async function fill(n: number): Promise<string[]> {
  const ids: string[] = []
  const calls = Array.from({ length: Math.ceil(n / MOST) }, (_, call) => Math.min(MOST, n - call * MOST))
  const caller = async () => {
    for (let size = calls.shift(); size !== undefined; size = calls.shift()) {
      const priority = (['HIGH', 'NORMAL', 'LOW'] as const)[calls.length % 3]
      const letters = Array.from({ length: size }, () => ({ to: `reader+${randomBytes(4).toString('hex')}@example.com`, priority }))
      ids.push(...(await service.send(...letters)))
    }
  }
  await Promise.all([caller(), caller(), caller(), caller()])
  return ids
}

/** Brings signed webhooks at this rate until it is told to stop; answers how many were taken. */
function events(rate: number): () => Promise<number> {
  const BEAT = 50
  let taken = 0
  let told = 0
  const open = new Set<Promise<void>>()
  const begun = Date.now()
  const timer = setInterval(() => {
    for (const due = ((Date.now() - begun) * rate) / 1_000; told < due; told += 1) {
      const brought: Promise<void> = bring(told).then((ok) => {
        if (ok) taken += 1
        open.delete(brought)
      })
      open.add(brought)
    }
  }, BEAT)
  return async () => {
    clearInterval(timer)
    await Promise.all(open)
    return taken
  }
}

async function bring(n: number): Promise<boolean> {
  const uuid = sent[n % sent.length]?.split(':')[1] ?? ''
  const timestamp = String(Math.floor(Date.now() / 1_000))
  const token = randomBytes(25).toString('hex')
  const signature = createHmac('sha256', SIGNING_KEY).update(timestamp + token).digest('hex')
  const data = {
    event: n < sent.length ? 'delivered' : 'opened',
    id: randomBytes(11).toString('hex'),
    timestamp: Date.now() / 1_000,
    recipient: 'reader@example.com',
    domain: { name: 'sandbox.mailmind.test' },
    'user-variables': { 'email-id': uuid },
    message: { headers: { 'message-id': `${uuid}@sandbox.mailmind.test` } },
  }
  const response = await fetch(`${service.url}/webhooks/mailgun`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ signature: { timestamp, token, signature }, 'event-data': data }),
  })
  return response.ok
}

const ms = (n: number) => n.toFixed(1)

it('is measured', async () => {
  const costs: Record<string, Record<string, string | number>> = {}
  const answers: Record<string, Record<string, string | number>> = {}
  const goes = async (path: string) => {
    await page.goto(service.url + path)
    await page.getByTestId('connection').getByText('Live').waitFor()
    await page.waitForLoadState('networkidle')
  }
  const cost = async (name: string) => {
    const { frames, p50, p95, longest, dropped, longTasks, longestTask, busy }: Cost = await costOf(page, devtools, WATCHED)
    costs[name] = { frames, 'p50 ms': ms(p50), 'p95 ms': ms(p95), 'longest ms': ms(longest), dropped, 'long tasks': longTasks, 'longest task ms': ms(longestTask), 'main thread %': ms(busy) }
  }
  const answer = async (name: string, act: () => Promise<unknown>, there: string, back: () => Promise<unknown>) => {
    const taken: Answer[] = []
    for (let n = 0; n < TIMES; n += 1) {
      taken.push(await answerOf(page, act, there))
      await back()
    }
    const sorted = (part: keyof Answer) => taken.map((each) => each[part]).toSorted((a, b) => a - b)
    const [paint, data] = [sorted('paint'), sorted('data')]
    answers[name] = { 'paint p50': ms(quantile(paint, 0.5)), 'paint worst': ms(paint.at(-1) ?? 0), 'data p50': ms(quantile(data, 0.5)), 'data worst': ms(data.at(-1) ?? 0) }
  }

  await goes('/emails')
  await cost('emails, nothing comes')
  const begun = Date.now()
  const stop = events(EVENTS_A_SECOND)
  await cost(`emails, ${EVENTS_A_SECOND} events a second`)
  const rows = page.locator('[data-row]')
  const settled = () => page.waitForTimeout(300)
  await answer('open an email', () => rows.nth(3).click(), `document.querySelector('[aria-label="What happened"] li')`, async () => {
    await page.keyboard.press('Escape')
    await settled()
  })
  await answer(
    'close it',
    () => page.keyboard.press('Escape'),
    `document.querySelector('dialog[open]') === null`,
    () => rows.nth(3).click(),
  )
  await page.keyboard.press('Escape')
  await answer('next page', () => page.keyboard.press('n'), `document.querySelector('[data-row]')?.href.includes('after=') && location.search.includes('after=')`, async () => {
    await goes('/emails')
  })
  await page.getByLabel('Priority').focus()
  await answer(
    'filter by priority',
    () => page.keyboard.press('h'),
    `location.search.includes('priority=HIGH') && [...document.querySelectorAll('tbody tr')].every((row) => row.children[3].textContent === 'High') && document.querySelector('tbody tr')`,
    async () => {
      await goes('/emails')
      await page.getByLabel('Priority').focus()
    },
  )
  const link = (name: string) => page.getByRole('navigation', { name: 'Screens' }).first().getByRole('link', { name })
  const heading = (name: string) => `document.querySelector('h1')?.textContent === '${name}'`
  const toEmails = async () => {
    await link('Emails').click()
    await rows.first().waitFor()
    await settled()
  }
  await answer('go to Live', () => link('Live').click(), `${heading('Live')} && document.querySelector('[data-row]')`, toEmails)
  await answer('go to Campaigns', () => link('Campaigns').click(), `${heading('Campaigns')} && document.querySelector('main .panel p')`, toEmails)
  await answer('go to Overview', () => link('Overview').click(), `${heading('Overview')} && document.querySelector('[data-testid="number-Waiting"]')`, toEmails)
  await goes('/live')
  await cost(`live, ${EVENTS_A_SECOND} events a second`)
  await answer('pause the tail', () => page.keyboard.press('Space'), `document.querySelector('[data-testid="tail-state"]')?.textContent?.startsWith('Paused')`, async () => {
    await settled()
    await page.keyboard.press('Space')
    await settled()
  })
  await goes('/')
  await cost(`overview, ${EVENTS_A_SECOND} events a second`)
  const taken = await stop()
  const seconds = (Date.now() - begun) / 1_000
  console.log(`${(await ledger()).total} emails, ${taken} events in ${seconds.toFixed(0)} s: ${(taken / seconds).toFixed(0)} a second`)
  console.table(costs)
  console.table(answers)
})

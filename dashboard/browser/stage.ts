import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'

import { launch, open } from './look.ts'
import { Service, until } from './service.ts'

/** What a file of tests plays on: a service of its own, and for each test a page that is signed in. */
export let service: Service
export let browser: Browser
export let page: Page
/** What the page's console said. */
export let complaints: string[]
let close: () => Promise<void>

beforeAll(async () => {
  service = await Service.start()
  browser = await launch()
})

afterAll(async () => {
  await browser.close()
  await service.stop()
})

beforeEach(async () => {
  const opened = await open(browser, { key: service.key })
  page = opened.page
  complaints = opened.complaints
  close = () => opened.context.close()
})

afterEach(async () => {
  await close()
})

export const row = (text: string) => page.getByRole('row').filter({ hasText: text })

/** Waits until an element says this. */
export const says = (testid: string, text: string) => until(`${testid} to say ${text}`, async () => (await page.getByTestId(testid).textContent())?.trim() === text)

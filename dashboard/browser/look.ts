import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { expect } from 'vitest'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const PICTURES = fileURLToPath(new URL('../screenshots/', import.meta.url))

/** Debian's browser, or the one that is named. */
export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] })
}

export interface Look {
  key?: string
  width?: number
  dark?: boolean
  /** Lets in what measures the page, which the page's policy would not. */
  measured?: boolean
}

/** A page of this look, signed in where a key is given; it fails the test that makes the browser complain. */
export async function open(browser: Browser, { key, width = 1280, dark = false, measured = false }: Look = {}): Promise<{ page: Page; context: BrowserContext; complaints: string[] }> {
  const context = await browser.newContext({
    viewport: { width, height: width < 500 ? 844 : 800 },
    colorScheme: dark ? 'dark' : 'light',
    permissions: ['clipboard-write'],
    bypassCSP: measured,
  })
  if (key !== undefined) {
    await context.addInitScript((credential) => {
      // Frames of an email's content have no storage, as they should.
      if (window === window.top) sessionStorage.setItem('mailmind.credential', credential)
    }, key)
  }
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  return { page, context, complaints }
}

interface Violation {
  id: string
  help: string
  nodes: { target: string[]; failureSummary: string }[]
}

/** Looks for what keeps somebody from using the page, as it stands. */
export async function expectAccessible(page: Page): Promise<void> {
  // Evaluated by the debugger: the page's own policy would not let a script in.
  await page.evaluate(AXE)
  // A moment of an animation is no colour that anybody reads.
  await page.evaluate(() => Promise.all(document.getAnimations().filter((each) => each.effect?.getComputedTiming().iterations !== Infinity).map((each) => each.finished)))
  const violations = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run: (options: unknown) => Promise<{ violations: Violation[] }> } }
    return (await axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })).violations
  })
  const told = violations.map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.map((node) => `  ${node.target.join(' ')}: ${node.failureSummary}`).join('\n')}`)
  expect(told).toEqual([])
}

/** Nothing is wider than the page. */
export async function expectToFit(page: Page): Promise<void> {
  const [wide, width] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth] as const)
  expect(wide).toBeLessThanOrEqual(width)
}

/** Keeps a picture, for people; the folder is ignored by git. */
export async function picture(page: Page, name: string): Promise<void> {
  await mkdir(PICTURES, { recursive: true })
  await page.screenshot({ path: `${PICTURES}${name}.png` })
}

import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { expectAccessible, expectToFit, launch, open, picture } from './look.ts'
import { scene } from './scene.ts'
import { Service } from './service.ts'

const SCREENS = [
  ['overview', '/', 'Overview'],
  ['overview-table', '/?chart=table', 'Overview'],
  ['emails', '/emails', 'Emails'],
  ['causes', '/emails?view=causes', 'Emails'],
  ['live', '/live', 'Live'],
  ['campaigns', '/campaigns', 'Campaigns'],
  ['campaign', '/campaigns/:launched', 'Autumn news'],
  ['draft', '/campaigns/:campaign', 'Spring news'],
  ['templates', '/templates', 'Templates'],
  ['template', '/templates/:template', 'Order shipped'],
  ['new-template', '/templates/new', 'New template'],
  ['suppressions', '/suppressions', 'Suppressions'],
  ['settings', '/settings', 'Settings'],
] as const

/** The most that a first load may weigh, compressed, until the overview's numbers stand. The chart comes after them. */
const FIRST_LOAD = 150_000

let service: Service
let browser: Browser
/** What stands for `:name` in a path. */
let ids: Record<string, string> = {}
const at = (path: string) => service.url + path.replace(/:(\w+)/, (_, name: string) => ids[name] ?? '')

beforeAll(async () => {
  service = await Service.start()
  browser = await launch()
  ids = await scene(service)
})

afterAll(async () => {
  await browser.close()
  await service.stop()
})

describe.each([
  ['light', 1280, false],
  ['dark', 1280, true],
  ['light', 390, false],
  ['dark', 390, true],
])('%s, %i pixels wide', (look, width, dark) => {
  it.each(SCREENS)('%s can be used by everybody, and fits', async (name, path, heading) => {
    const { page, context, complaints } = await open(browser, { key: service.key, width, dark })
    await page.goto(at(path))
    await page.getByRole('heading', { level: 1, name: heading }).waitFor()
    await page.getByTestId('connection').getByText('Live').waitFor()
    await page.waitForLoadState('networkidle')
    await expectAccessible(page)
    await expectToFit(page)
    await picture(page, `${name}-${width}-${look}`)
    expect(complaints).toEqual([])
    await context.close()
  })

  it('so can an email, its content, and the dialogs', async () => {
    const { page, context, complaints } = await open(browser, { key: service.key, width, dark })
    await page.goto(`${service.url}/emails?status=BOUNCED&order=oldest`)
    await page.locator('tbody a').first().click()
    await page.getByRole('list', { name: 'What happened' }).waitFor()
    await expectAccessible(page)
    await picture(page, `email-${width}-${look}`)
    await page.getByRole('tab', { name: 'Content' }).click()
    await page.getByTitle('What the email says').waitFor()
    expect(await page.frameLocator('iframe').getByRole('heading').textContent()).toBe('Hello')
    await expectAccessible(page)
    await page.getByRole('tab', { name: 'Details' }).click()
    await expectAccessible(page)
    await expectToFit(page)
    for (const [path, button, title] of [
      ['/', 'Pause', 'Pause sending'],
      ['/suppressions', 'Suppress', 'Suppress an address or a domain'],
      ['/suppressions', 'Import', 'Import suppressions'],
      ['/settings', 'New key', 'New API key'],
      ['/campaigns', 'New campaign', 'New campaign'],
      ['/campaigns/:campaign', 'Launch', 'Launch “Spring news”'],
    ] as const) {
      await page.goto(at(path))
      await page.getByRole('button', { name: button, exact: true }).click()
      await page.getByRole('dialog', { name: title }).waitFor()
      await expectAccessible(page)
      await expectToFit(page)
      await picture(page, `dialog-${button.toLowerCase().replace(' ', '-')}-${width}-${look}`)
    }
    expect(complaints).toEqual([])
    await context.close()
  })
})

it('the first load is light', async () => {
  const { page, context } = await open(browser, { key: service.key })
  const sizes: Promise<number>[] = []
  page.on('response', (response) => {
    const { pathname } = new URL(response.url())
    if (/^\/(assets\/.*)?$/.test(pathname) && !pathname.startsWith('/assets/chart')) {
      sizes.push(response.request().sizes().then(({ responseBodySize }) => responseBodySize))
    }
  })
  await page.goto(service.url)
  await page.getByTestId('number-Waiting').waitFor()
  await page.waitForLoadState('networkidle')
  const whole = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
  expect(whole).toBeGreaterThan(50_000)
  expect(whole).toBeLessThan(FIRST_LOAD)
  await context.close()
})

it('what is not there is not answered with a page', async () => {
  for (const [path, status] of [['/assets/gone.js', 404], ['/nothing', 404], ['/emails', 200]] as const) {
    expect((await fetch(service.url + path)).status).toBe(status)
  }
})

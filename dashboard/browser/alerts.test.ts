import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'

import { expectAccessible, expectToFit, launch, open, picture } from './look.ts'
import { Service, until } from './service.ts'

let service: Service
let browser: Browser

// A minute of alerts in a tenth of a second.
beforeAll(async () => {
  service = await Service.start({ TIMING_ALERT_DIVISOR: '600' })
  browser = await launch()
})

afterAll(async () => {
  await browser.close()
  await service.stop()
})

const raised = async () => {
  const { alerts } = await service.ask<{ alerts: { name: string; resolvedAt: string | null }[] }>('{ alerts { name resolvedAt } }')
  return alerts.filter(({ resolvedAt }) => resolvedAt === null).map(({ name }) => name)
}

const badge = (page: Page) => page.getByTestId('alerts')

it('an alert is on every screen while it goes on, and what to do on the overview', async () => {
  await service.fail({ kind: '401' })
  await service.send(...Array.from({ length: 3 }, (_, n) => ({ to: `ann+${n}@example.com` })))
  await until('the alert', async () => (await raised()).join() === 'breaker_open')
  for (const [look, width, dark] of [['light', 1280, false], ['dark', 1280, true], ['light', 390, false], ['dark', 390, true]] as const) {
    const { page, context, complaints } = await open(browser, { key: service.key, width, dark })
    await page.goto(`${service.url}/settings`)
    await badge(page).waitFor()
    expect((await badge(page).textContent())?.replace(/\W/g, '')).toBe('1alert')
    await expectAccessible(page)
    await expectToFit(page)
    await picture(page, `alerts-badge-${width}-${look}`)
    await badge(page).click()
    const list = page.getByRole('region', { name: 'Alerts' })
    await list.getByText('The way to Mailgun is closed').waitFor()
    await list.getByText('queueStats { breakers { reason } }').waitFor()
    await list.getByText('docs/troubleshooting.md#the-queue-is-not-processing').waitFor()
    await page.waitForLoadState('networkidle')
    await expectAccessible(page)
    await expectToFit(page)
    await picture(page, `alerts-${width}-${look}`)
    expect(complaints).toEqual([])
    await context.close()
  }
})

it('it goes by itself when it is over, and is still told of', async () => {
  const { page, context, complaints } = await open(browser, { key: service.key, dark: true })
  await page.goto(service.url)
  await badge(page).waitFor()
  await service.fail()
  await until('the end of the alert', async () => (await raised()).length === 0)
  await badge(page).waitFor({ state: 'detached' })
  const list = page.getByRole('region', { name: 'Alerts' })
  await list.getByText('Nothing is wrong now.').waitFor()
  await list.getByText('One that is over').click()
  await list.getByText('The way to Mailgun is closed').waitFor()
  await expectAccessible(page)
  await expectToFit(page)
  await picture(page, 'alerts-over-1280-dark')
  expect(complaints).toEqual([])
  await context.close()
})

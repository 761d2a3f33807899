import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { expectAccessible, expectToFit, launch, open, picture } from './look.ts'
import { Service, until } from './service.ts'

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
const ids: Record<string, string> = {}
const at = (path: string) => service.url + path.replace(/:(\w+)/, (_, name: string) => ids[name] ?? '')

const WORDS = `<div style="font-family: sans-serif; max-width: 32rem; margin: auto; color: #222">
  <h1 style="color: #345">Your order is on its way</h1>
  <p>Dear {{ first_name }},</p>
  <p>order <b>{{ order.number }}</b> left our warehouse today and is with you by {{ order.arrives }}.</p>
  <p><a href="{{ order.link }}">Follow it</a></p>
</div>`

beforeAll(async () => {
  service = await Service.start()
  browser = await launch()
  await service.fail({ kind: '400', to: 'refused', message: 'to parameter is not a valid address' })
  const people = ['ann', 'bob', 'open', 'click', 'machineopen', 'defer', 'mailboxfull', 'bounce', 'complain', 'unsubscribe']
  const subjects = ['Your order has shipped', 'Weekly digest', 'Invoice 2026-1143', 'Welcome aboard']
  const letters = Array.from({ length: 60 }, (_, n) => ({
    to: `${people[n % people.length]}+${n}@example.com`,
    priority: (['HIGH', 'NORMAL', 'LOW'] as const)[n % 3],
    content: { inline: { subject: subjects[n % subjects.length], text: 'Hello.', html: '<h1 style="color:#345">Hello</h1>' } },
  }))
  const { createCampaign } = await service.ask<{ createCampaign: { campaign: { id: string } } }>(
    'mutation ($input: CampaignInput!) { createCampaign(input: $input) { campaign { id } } }',
    { input: { name: 'Spring news', content: { inline: { subject: 'Hello {{ first_name }}', text: 'Hi' } } } },
  )
  ids.campaign = createCampaign.campaign.id
  await service.send(...letters, { to: 'refused+1@example.com' }, { to: 'refused+2@example.com' })
  await until('everything to be told', async () => {
    const { queueStats } = await service.ask<{ queueStats: { ledger: Record<string, number> } }>(
      '{ queueStats { ledger { failed complained delivered bounced } } }',
    )
    const { failed, complained, delivered, bounced } = queueStats.ledger
    return failed === 2 && complained === 6 && bounced === 12 && delivered === 42
  })
  await launched(people)
})

/** A campaign of a template that has come to its end. */
async function launched(people: string[]): Promise<void> {
  const content = { subject: 'Order {{ order.number }} is on its way', html: WORDS, text: 'Dear {{ first_name }}, it is on its way.' }
  const { createTemplate } = await service.ask<{ createTemplate: { template: { id: string } } }>(
    'mutation ($input: TemplateInput!) { createTemplate(input: $input) { template { id } } }',
    { input: { name: 'Order shipped', content } },
  )
  ids.template = createTemplate.template.id
  const { createCampaign } = await service.ask<{ createCampaign: { campaign: { id: string } } }>(
    'mutation ($input: CampaignInput!) { createCampaign(input: $input) { campaign { id } } }',
    { input: { name: 'Autumn news', content: { template: { templateId: ids.template } }, tags: ['autumn'] } },
  )
  ids.launched = createCampaign.campaign.id
  const order = { number: '2026-1143', arrives: 'Friday', link: 'https://shop.example/orders/1143' }
  const recipients = Array.from({ length: 80 }, (_, n) => ({ address: `${people[n % people.length]}+autumn${n}@example.com`, variables: { first_name: 'Ann', order } }))
  await service.ask(
    `mutation ($id: ID!, $recipients: [RecipientInput!]!) {
      addRecipients(campaignId: $id, recipients: $recipients) { added }
      launchCampaign(id: $id) { campaign { id } }
    }`,
    { id: ids.launched, recipients },
  )
  await until('the campaign to be told', async () => {
    const { campaign } = await service.ask<{ campaign: { status: string; ledger: Record<string, number> } }>(
      'query ($id: ID!) { campaign(id: $id) { status ledger { delivered bounced complained } } }',
      { id: ids.launched },
    )
    const { delivered, bounced, complained } = campaign.ledger
    return campaign.status === 'COMPLETED' && delivered === 56 && bounced === 16 && complained === 8
  })
}

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

import { afterEach, describe, expect, it } from 'vitest'

import { open } from './look.ts'
import { until } from './service.ts'
import { browser, complaints, page, says, service } from './stage.ts'

afterEach(() => {
  expect(complaints).toEqual([])
})

/** A draft for these addresses. */
async function draft(name: string, ...addresses: string[]): Promise<string> {
  const { createCampaign } = await service.ask<{ createCampaign: { campaign: { id: string } } }>(
    'mutation ($input: CampaignInput!) { createCampaign(input: $input) { campaign { id } } }',
    { input: { name, content: { inline: { subject: name, text: 'Hello' } } } },
  )
  const { id } = createCampaign.campaign
  await service.ask('mutation ($id: ID!, $recipients: [RecipientInput!]!) { addRecipients(campaignId: $id, recipients: $recipients) { added } }', {
    id,
    recipients: addresses.map((address) => ({ address })),
  })
  return id
}

interface Standing {
  campaign: { status: string; ledger: Record<'total' | 'delivered' | 'failed' | 'pending', number> }
}

async function stands(id: string): Promise<Standing['campaign']> {
  return (await service.ask<Standing>('query ($id: ID!) { campaign(id: $id) { status ledger { total delivered failed pending } } }', { id })).campaign
}

/** A day that has not come anywhere. */
const tomorrow = () => new Date(Date.now() + 36 * 3_600_000).toISOString().slice(0, 10)

const people = (n: number, name = 'reader') => Array.from({ length: n }, (_, index) => `${name}+${index}@example.com`)

describe('a campaign', () => {
  it('is launched for later, paused, resumed, and launched at once', async () => {
    const id = await draft('Later', ...people(10))
    await page.goto(`${service.url}/campaigns/${id}`)
    await page.getByRole('button', { name: 'Launch' }).click()
    await page.getByLabel('When').fill(`${tomorrow()}T03:04`)
    await page.getByRole('button', { name: 'Launch to 10 recipients' }).click()
    await page.getByRole('button', { name: 'Pause' }).waitFor()
    expect((await stands(id)).status).toBe('SCHEDULED')
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByRole('button', { name: 'Resume' }).waitFor()
    expect((await stands(id)).status).toBe('PAUSED')
    await page.getByRole('button', { name: 'Resume' }).click()
    await page.getByRole('button', { name: 'Pause' }).waitFor()
    expect((await stands(id)).status).toBe('SCHEDULED')
    await page.getByRole('button', { name: 'Launch' }).click()
    await page.getByRole('button', { name: 'Launch to 10 recipients' }).click()
    await until('its end', async () => (await stands(id)).ledger.delivered === 10)
    await says('metric-Delivered', '10')
  })

  it('is cancelled, and nobody gets an email', async () => {
    const id = await draft('Never', ...people(4, 'never'))
    const asked = 'mutation ($id: ID!, $sendAt: DateTime) { launchCampaign(id: $id, sendAt: $sendAt) { campaign { id } } }'
    await service.ask(asked, { id, sendAt: `${tomorrow()}T03:04:00Z` })
    expect((await stands(id)).status).toBe('SCHEDULED')
    await page.goto(`${service.url}/campaigns/${id}`)
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('button', { name: 'Cancel the campaign' }).click()
    await until('it to be cancelled', async () => (await stands(id)).status === 'CANCELLED')
    expect((await stands(id)).ledger).toMatchObject({ total: 4, delivered: 0 })
  })

  it('has its failed emails retried, and tells by the hour what became of all', async () => {
    await service.fail({ kind: '400', to: 'refused', message: 'to parameter is not a valid address' })
    const id = await draft('Refused', 'refused+1@example.com', 'refused+2@example.com', 'taken@example.com')
    await service.ask('mutation ($id: ID!) { launchCampaign(id: $id) { campaign { id } } }', { id })
    await until('two failures', async () => (await stands(id)).ledger.failed === 2)
    await service.fail()
    await page.goto(`${service.url}/campaigns/${id}`)
    await page.getByRole('button', { name: 'Retry 2 failed' }).click()
    await says('bulk-count', '2 emails')
    await page.getByRole('button', { name: 'Retry 2 emails' }).click()
    await until('all of it', async () => (await stands(id)).ledger.delivered === 3)
    await says('metric-Delivered', '3')
    await page.getByRole('button', { name: 'Table' }).click()
    const table = page.getByRole('region', { name: 'By hour as a table' })
    interface Asked {
      campaign: { history: { metrics: Record<'sent' | 'delivered', number> }[] }
    }
    const { campaign } = await service.ask<Asked>('query ($id: ID!) { campaign(id: $id) { history { metrics { sent delivered } } } }', { id })
    const sums = campaign.history.map(({ metrics }) => [String(metrics.sent), String(metrics.delivered)]).reverse()
    await until('the same hours', async () => {
      const rows = await table.locator('tbody tr').all()
      const told = await Promise.all(rows.map(async (row) => (await row.locator('td').allTextContents()).slice(0, 2)))
      return JSON.stringify(told) === JSON.stringify(sums)
    })
  })
})

describe('an email', () => {
  it('that nobody knows of is resolved by a person', async () => {
    await service.fail({ kind: '500_accepted', to: 'lost' })
    const [id, other] = await service.send({ to: 'lost+1@example.com', onUnconfirmed: 'HOLD' }, { to: 'lost+2@example.com', onUnconfirmed: 'HOLD' })
    for (const each of [id, other]) await service.await(each!, 'UNCONFIRMED')
    await service.fail()
    await page.goto(`${service.url}/emails?email=${id}`)
    await page.getByRole('button', { name: 'Say what became of it' }).click()
    await page.getByRole('button', { name: 'Mailgun has it' }).click()
    await page.getByText('Taken as sent.').waitFor()
    await service.await(id!, 'SENT')
    await page.goto(`${service.url}/emails?email=${other}`)
    await page.getByRole('button', { name: 'Say what became of it' }).click()
    await page.getByRole('button', { name: 'It has not: send it again' }).click()
    await service.await(other!, 'SENT')
    const { email } = await service.ask<{ email: { attempts: unknown[] } }>('query ($id: ID!) { email(id: $id) { attempts { startedAt } } }', { id: other })
    expect(email.attempts.length).toBe(2)
    await until('both tries', async () => (await page.getByRole('dialog').locator('tbody').count()) === 2)
  })

  it('that waits is cancelled', async () => {
    const [id] = await service.send({ to: 'ann@example.com', sendAt: new Date(Date.now() + 3_600_000).toISOString() })
    await page.goto(`${service.url}/emails?email=${id}`)
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('button', { name: 'Cancel the email' }).click()
    await service.await(id!, 'CANCELLED')
    await page.getByRole('dialog').getByText('Cancelled').first().waitFor()
  })
})

it('on a phone every screen is a thumb away', async () => {
  const phone = await open(browser, { key: service.key, width: 390 })
  await phone.page.goto(service.url)
  for (const name of ['Templates', 'Suppressions', 'Settings']) {
    await phone.page.getByRole('button', { name: 'More' }).click()
    await phone.page.getByRole('dialog', { name: 'More' }).getByRole('link', { name }).click()
    await phone.page.getByRole('heading', { level: 1, name }).waitFor()
    expect(await phone.page.getByRole('dialog').count()).toBe(0)
  }
  for (const name of ['Emails', 'Campaigns', 'Live', 'Overview']) {
    await phone.page.getByRole('navigation', { name: 'Screens' }).last().getByRole('link', { name }).click()
    await phone.page.getByRole('heading', { level: 1, name }).waitFor()
  }
  expect(phone.complaints).toEqual([])
  await phone.context.close()
})

import { describe, expect, it } from 'vitest'

import { open } from './look.ts'
import { until } from './service.ts'
import { browser, complaints, page, row, service } from './stage.ts'

const subject = (text: string) => page.getByTestId('preview-subject').getByText(text, { exact: true }).waitFor()
const frame = () => page.frameLocator('iframe[title="What the email says"]')
const id = () => decodeURIComponent(new URL(page.url()).pathname.split('/').pop() ?? '')

interface Stored {
  template: { name: string; subject: string; html: string | null; text: string | null; version: number }
}
const stored = async (of: string) => (await service.ask<Stored>('query ($id: ID!) { template(id: $id) { name subject html text version } }', { id: of })).template

async function made(name: string): Promise<string> {
  const content = { subject: `${name}, {{ first_name }}`, html: '<p>Dear {{ first_name }}</p>' }
  const asked = 'mutation ($input: TemplateInput!) { createTemplate(input: $input) { template { id } } }'
  return (await service.ask<{ createTemplate: { template: { id: string } } }>(asked, { input: { name, content } })).createTemplate.template.id
}

describe('a template', () => {
  it('is written, seen as its recipient will, saved, and written anew', async () => {
    await page.goto(`${service.url}/templates`)
    await page.getByText('No template yet').waitFor()
    await page.getByRole('button', { name: 'New template' }).click()
    await page.getByLabel('Name', { exact: true }).fill('Welcome')
    await page.getByLabel('Subject').fill('Welcome, {{ first_name }}')
    await page.getByLabel('HTML', { exact: true }).fill('<h1>Dear {{ first_name }}</h1><p>{{ recipient.address }}, {{ order.total }}</p>')
    await subject('Welcome, ‹first_name›')
    await page.getByTestId('variable-first_name').fill('Ann')
    await page.getByTestId('variable-order.total').fill('<12>')
    await page.getByLabel('Recipient', { exact: true }).fill('bob@example.com')
    await subject('Welcome, Ann')
    await frame().getByText('bob@example.com, <12>').waitFor()
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('heading', { level: 1, name: 'Welcome' }).waitFor()
    const html = '<h1>Dear {{ first_name }}</h1><p>{{ recipient.address }}, {{ order.total }}</p>'
    expect(await stored(id())).toEqual({ name: 'Welcome', subject: 'Welcome, {{ first_name }}', html, text: null, version: 1 })
    expect(await page.getByRole('button', { name: 'Save' }).isDisabled()).toBe(true)

    await page.getByLabel('Text').fill('Dear {{ first_name }}')
    await page.getByText('Not saved').waitFor()
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('Saved as version 2').waitFor()
    await page.getByText('Not saved').waitFor({ state: 'detached' })
    expect(await stored(id())).toMatchObject({ text: 'Dear {{ first_name }}', version: 2 })
    expect(complaints).toEqual([])
  })

  it('that can’t be rendered says where, and is not saved', async () => {
    const of = await made('Mended')
    await page.goto(`${service.url}/templates/${of}`)
    await subject('Mended, ‹first_name›')
    await page.getByLabel('HTML', { exact: true }).fill('<p>\n{% if %}</p>')
    // Beside its field, before anybody saves it.
    await page.locator('form').getByText('in line 2.').waitFor()
    expect(await page.getByLabel('HTML', { exact: true }).getAttribute('aria-invalid')).toBe('true')
    await page.getByRole('button', { name: 'Save' }).click()
    await until('the refusal', async () => (await page.getByRole('button', { name: 'Save' }).getAttribute('aria-busy')) === 'false')
    expect((await stored(of)).version).toBe(1)
    await page.getByLabel('HTML', { exact: true }).fill('<a href="{{ link }}">Go</a>')
    await page.getByTestId('variable-link').fill('javascript:alert(1)')
    await page.locator('form').getByText('only http, https, mailto and tel may').waitFor()
    await page.getByTestId('variable-link').fill('https://example.com')
    await frame().getByRole('link', { name: 'Go' }).waitFor()
    expect(await frame().getByRole('link', { name: 'Go' }).getAttribute('href')).toBe('https://example.com')
    await made('Taken')
    await page.getByLabel('Name', { exact: true }).fill('Taken')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('Is the name of another template.').waitFor()
    expect(await page.getByLabel('Name', { exact: true }).getAttribute('aria-invalid')).toBe('true')
    expect(complaints).toEqual([])
  })

  it('is seen with the recipients of a file, one after the other', async () => {
    await page.goto(`${service.url}/templates/${await made('Filed')}`)
    await subject('Filed, ‹first_name›')
    const text = 'address,first_name\nann@example.com,Ann\nbob@example.com,Bob\n'
    await page.getByLabel('CSV file').setInputFiles({ name: 'leads.csv', mimeType: 'text/csv', buffer: Buffer.from(text) })
    await subject('Filed, Ann')
    await page.getByRole('button', { name: 'Next recipient' }).click()
    await subject('Filed, Bob')
    expect(await page.getByTestId('sample').textContent()).toBe('2 of 2: bob@example.com')
  })

  it('is not left with unsaved changes unless somebody says so', async () => {
    const of = await made('Guarded')
    await page.goto(`${service.url}/templates/${of}`)
    await subject('Guarded, ‹first_name›')
    await page.getByLabel('Subject').fill('Something else')
    await page.getByRole('link', { name: 'Emails' }).first().click()
    const asked = page.getByRole('dialog', { name: 'Leave without saving?' })
    await asked.getByRole('button', { name: 'Keep writing' }).click()
    await asked.waitFor({ state: 'detached' })
    expect(await page.getByLabel('Subject').inputValue()).toBe('Something else')
    await page.getByRole('link', { name: 'Emails' }).first().click()
    await asked.getByRole('button', { name: 'Leave' }).click()
    await page.getByRole('heading', { level: 1, name: 'Emails' }).waitFor()
    expect((await stored(of)).subject).toBe('Guarded, {{ first_name }}')
  })
})

it('templates are found by name, and an address shows the same page again', async () => {
  for (let n = 0; n < 30; n += 1) await made(`Listed ${n}`)
  await page.goto(`${service.url}/templates`)
  await page.getByLabel('Name', { exact: true }).fill('listed')
  await page.keyboard.press('Enter')
  const { templates } = await service.ask<{ templates: { totalCount: number } }>('{ templates(filter: { name: "LISTED" }) { totalCount } }')
  expect(templates.totalCount).toBe(30)
  await until('all of them', async () => (await page.getByTestId('total').textContent()) === '30 templates')
  expect(await page.locator('[data-row]').count()).toBe(25)
  await page.getByRole('button', { name: 'Next page' }).click()
  await until('the second page', async () => (await page.locator('[data-row]').count()) === 5)
  const second = await page.locator('[data-row]').allTextContents()
  await page.reload()
  await page.locator('[data-row]').first().waitFor()
  expect(await page.locator('[data-row]').allTextContents()).toEqual(second)
})

it('a campaign takes a template, in batches, and the template tells who uses it', async () => {
  const of = await made('Newsletter')
  await page.goto(`${service.url}/campaigns`)
  await page.getByRole('button', { name: 'New campaign' }).click()
  const dialog = page.getByRole('dialog', { name: 'New campaign' })
  await dialog.getByLabel('Name', { exact: true }).fill('May news')
  await dialog.getByRole('button', { name: 'Use a template' }).click()
  await dialog.getByLabel('Template').selectOption({ label: 'Newsletter' })
  await dialog.getByLabel('Send in batches').check()
  await dialog.getByLabel('From').fill('nobody')
  await dialog.getByRole('button', { name: 'Create the draft' }).click()
  await until('what is wrong with it', async () => (await dialog.getByLabel('From').getAttribute('aria-invalid')) === 'true')
  await dialog.getByLabel('From').fill('')
  await dialog.getByRole('button', { name: 'Create the draft' }).click()
  await page.getByRole('heading', { level: 1, name: 'May news' }).waitFor()
  const campaign = id()
  const text = ['address,first_name', ...Array.from({ length: 12 }, (_, n) => `reader+${n}@example.com,Ann`)].join('\n')
  await page.getByRole('button', { name: 'Recipients' }).click()
  await page.getByLabel('CSV file').setInputFiles({ name: 'list.csv', mimeType: 'text/csv', buffer: Buffer.from(text) })
  await page.getByRole('button', { name: 'Import 12 recipients' }).click()
  await until('them', async () => (await page.getByTestId('ledger-total').textContent()) === '12')
  await page.getByRole('button', { name: 'Launch' }).click()
  await page.getByRole('button', { name: 'Launch to 12 recipients' }).click()
  interface Asked {
    campaign: { batch: boolean; subject: string; template: { id: string }; ledger: { delivered: number } }
  }
  const told = await until('its end', async () => {
    const asked = 'query ($id: ID!) { campaign(id: $id) { batch subject template { id } ledger { delivered } } }'
    const { campaign: found } = await service.ask<Asked>(asked, { id: campaign })
    return found.ledger.delivered === 12 && found
  })
  expect(told).toEqual({ batch: true, subject: 'Newsletter, {{ first_name }}', template: { id: of }, ledger: { delivered: 12 } })
  await page.getByRole('link', { name: 'Newsletter' }).click()
  await page.getByRole('heading', { level: 1, name: 'Newsletter' }).waitFor()
  const users = page.getByRole('region', { name: 'Who uses it' })
  await users.getByText('12 recipients').waitFor()
  expect(await users.getByRole('listitem').count()).toBe(1)
  await page.getByRole('button', { name: 'New campaign with it' }).click()
  const again = page.getByRole('dialog', { name: 'New campaign' })
  await until('the template to be chosen', async () => (await again.getByLabel('Template').inputValue()) === of)
  await page.keyboard.press('Escape')
  await page.goto(`${service.url}/campaigns?template=${of}`)
  await row('May news').waitFor()
  expect(await page.getByTestId('total').textContent()).toBe('1 campaign')
  expect(complaints).toEqual([])
})

it('who may only read sees templates and can’t write them', async () => {
  const of = await made('Read only')
  const asked = 'mutation { createApiKey(input: { name: "Reader", scopes: [READ] }) { secret } }'
  const { createApiKey } = await service.ask<{ createApiKey: { secret: string } }>(asked)
  const reader = await open(browser, { key: createApiKey.secret })
  await reader.page.goto(`${service.url}/templates/${of}`)
  await reader.page.getByTestId('preview-subject').getByText('Read only, ‹first_name›').waitFor()
  expect(await reader.page.getByLabel('Subject').isDisabled()).toBe(true)
  expect(await reader.page.getByRole('button', { name: 'Save' }).count()).toBe(0)
  await reader.page.goto(`${service.url}/templates/new`)
  await reader.page.getByText('Your key may not write templates').waitFor()
  expect(reader.complaints).toEqual([])
  await reader.context.close()
})

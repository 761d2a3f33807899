import { createHmac } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'

import { expectAccessible, expectToFit, launch, open, picture } from './look.ts'
import { Service, until } from './service.ts'

interface Heard {
  id: string
  signatures: string
  signed: string
  payload: { type: string; test?: boolean; data: { recipient: string } }
}

let service: Service
let browser: Browser
let page: Page
let complaints: string[]
let listener: Server
let url = ''
let status = 204
const heard: Heard[] = []

/** Whether it was signed with this secret, by the recipe of the documentation. */
function isOurs({ signed, signatures }: Heard, secret: string): boolean {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  return signatures.split(' ').includes(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`)
}

beforeAll(async () => {
  listener = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const header = (name: string) => String(request.headers[name])
      const id = header('webhook-id')
      heard.push({ id, signatures: header('webhook-signature'), signed: `${id}.${header('webhook-timestamp')}.${body}`, payload: JSON.parse(body) })
      response.writeHead(status).end()
    })
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/events`
  service = await Service.start({ OUTBOUND_PRIVATE_NETWORKS: '127.0.0.0/8' })
  browser = await launch()
  ;({ page, complaints } = await open(browser, { key: service.key }))
})

afterAll(async () => {
  await browser.close()
  await service.stop()
  listener.close()
})

const endpoint = () => page.getByTestId('endpoint')
const act = async (label: string) => {
  await page.getByRole('button', { name: 'Do something with the shop' }).click()
  await page.getByRole('menuitem', { name: label }).click()
}

it('an application is entered, told, and given another secret', async () => {
  await page.goto(`${service.url}/settings`)
  await page.getByText('None is told').waitFor()
  await page.getByRole('button', { name: 'New endpoint' }).click()
  await page.getByLabel('URL').fill('https://10.0.0.1/')
  await page.getByLabel('What it is').fill('the shop')
  await page.getByLabel('Delivered').check()
  await page.getByLabel('Bounced').check()
  await page.getByRole('button', { name: 'Enter the endpoint' }).click()
  await page.getByText('leads to an address that is not public', { exact: false }).waitFor()
  await page.getByLabel('URL').fill(url)
  await page.getByRole('button', { name: 'Enter the endpoint' }).click()
  const secret = (await page.getByTestId('secret').textContent()) ?? ''
  await page.getByRole('button', { name: 'I have it' }).click()
  await endpoint().getByText('Delivered, Bounced').waitFor()

  await service.send({ to: 'bob@example.org' })
  const told = await until('the delivery to be told', async () => heard.find(({ payload }) => payload.type === 'email.delivered'))
  expect(isOurs(told, secret)).toBe(true)
  expect(told.payload.data.recipient).toBe('bob@example.org')

  await act('Replace the secret')
  await page.getByRole('button', { name: 'Replace it' }).click()
  const next = (await page.getByTestId('secret').textContent()) ?? ''
  await page.getByRole('button', { name: 'I have it' }).click()
  await act('Try it out')
  await page.getByLabel('An event that never happened').selectOption('BOUNCED')
  await page.getByRole('button', { name: 'Post it' }).click()
  await page.getByTestId('trial').getByText('It took it: 204').waitFor()
  const tried = heard.find(({ payload }) => payload.test === true)
  expect(tried?.payload.type).toBe('email.bounced')
  expect(tried !== undefined && isOurs(tried, secret) && isOurs(tried, next)).toBe(true)
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click()
  expect(complaints).toEqual([])
})

it('what it does not take is seen, and told again', async () => {
  status = 410
  await service.send({ to: 'cyn@example.org' })
  await page.reload()
  await until('it to be disabled', async () => {
    await page.reload()
    await endpoint().waitFor()
    return (await page.getByTestId('endpoint-state').textContent()) === 'Disabled: it says it is gone'
  })
  await endpoint().getByText('answered 410: it is gone for good').waitFor()
  await endpoint().getByText('1 tried again').waitFor()
  status = 204
  const before = heard.length
  await act('Enable')
  await page.getByRole('button', { name: 'Enable it' }).click()
  await page.getByTestId('endpoint-state').getByText('Well').waitFor()
  const again = await until('it to be told again', async () => heard[before])
  expect(again.payload.data.recipient).toBe('cyn@example.org')

  await act('Tell again')
  const replay = page.getByRole('dialog')
  await replay.getByLabel('From').fill('2020-01-01T00:00')
  await replay.getByRole('button', { name: 'Tell again' }).click()
  await until('all to be told again', async () => heard.length >= before + 3)
  await act('Dead letters')
  await page.getByRole('dialog', { name: 'Dead letters' }).getByText('None', { exact: true }).waitFor()
  await expectAccessible(page)
  await page.keyboard.press('Escape')
  expect(complaints).toEqual([])
})

it.each([[1280, false], [390, true]] as const)('%i pixels wide it can be used by everybody', async (width, dark) => {
  const seen = await open(browser, { key: service.key, width, dark })
  await seen.page.goto(`${service.url}/settings`)
  await seen.page.getByTestId('endpoint').waitFor()
  await expectAccessible(seen.page)
  await expectToFit(seen.page)
  await picture(seen.page, `endpoints-${width}`)
  expect(seen.complaints).toEqual([])
  await seen.context.close()
})

it('it is changed, disabled, and taken away', async () => {
  await act('Change')
  await page.getByLabel('Delivered').uncheck()
  await page.getByLabel('Tags').fill('receipt, invoice')
  await page.getByRole('button', { name: 'Change it' }).click()
  await endpoint().getByText('Bounced tagged receipt, invoice').waitFor()
  await act('Disable')
  await page.getByRole('button', { name: 'Disable it' }).click()
  await page.getByTestId('endpoint-state').getByText('Disabled').waitFor()
  await act('Take away')
  await page.getByRole('button', { name: 'Take it away' }).click()
  await page.getByText('None is told').waitFor()
  expect(complaints).toEqual([])
})

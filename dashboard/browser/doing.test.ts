import { describe, expect, it } from 'vitest'

import { expectAccessible, open } from './look.ts'
import { until } from './service.ts'
import { browser, complaints, page, row, says, service } from './stage.ts'

const LEDGER = '{ queueStats { waiting completed failed delayed ledger { total delivered failed suppressed } } }'
interface Stats {
  queueStats: { waiting: number; completed: number; failed: number; delayed: number; ledger: Record<'total' | 'delivered' | 'failed' | 'suppressed', number> }
}
const stats = async () => (await service.ask<Stats>(LEDGER)).queueStats

describe('signing in', () => {
  it('by the printed link works once', async () => {
    const first = await open(browser)
    await first.page.goto(service.link)
    await first.page.getByRole('heading', { name: 'Overview' }).waitFor()
    expect(first.page.url()).not.toContain('link')
    expect(first.complaints).toEqual([])
    await first.context.close()
    const second = await open(browser)
    await second.page.goto(service.link)
    await second.page.getByText('This link was used before').waitFor()
    await second.context.close()
  })

  it('needs a key that the service knows', async () => {
    const stranger = await open(browser)
    await stranger.page.goto(`${service.url}/emails?status=SENT`)
    await stranger.page.getByLabel('API key or token').fill('mm_test_00000000_nonsense')
    await stranger.page.keyboard.press('Enter')
    await stranger.page.getByText('does not know this key').waitFor()
    await stranger.page.getByLabel('API key or token').fill(service.key)
    await stranger.page.keyboard.press('Enter')
    await stranger.page.getByRole('heading', { name: 'Emails' }).waitFor()
    expect(stranger.page.url()).toContain('status=SENT')
    await stranger.page.getByRole('button', { name: 'Sign out' }).click()
    await stranger.page.getByLabel('API key or token').waitFor()
    expect(await stranger.page.evaluate(() => sessionStorage.length)).toBe(0)
    await stranger.context.close()
  })
})

describe('emails', () => {
  it('arrive in the list and change as they go', async () => {
    await page.goto(`${service.url}/emails`)
    await page.getByTestId('total').waitFor()
    const [id] = await service.send({ to: 'click+first@example.com', content: { inline: { subject: 'Watch me', text: 'Hi' } } })
    await row('click+first@example.com').getByText('Delivered').first().waitFor()
    const { ledger } = await stats()
    await says('total', `${ledger.total} email${ledger.total === 1 ? '' : 's'}`)
    await row('click+first@example.com').getByRole('link').click()
    const drawer = page.getByRole('dialog', { name: 'click+first@example.com' })
    await drawer.getByText('Watch me').waitFor()
    const email = await until('the click', async () => {
      const asked = 'query ($id: ID!) { email(id: $id) { timeline { kind } } }'
      const { email } = await service.ask<{ email: { timeline: { kind: string }[] } }>(asked, { id })
      return email.timeline.some(({ kind }) => kind === 'CLICKED') && email
    })
    await until('the whole life', async () => (await drawer.getByRole('list', { name: 'What happened' }).getByRole('listitem').count()) === email.timeline.length)
    await page.keyboard.press('Escape')
    await drawer.waitFor({ state: 'detached' })
    expect(complaints).toEqual([])
  })

  it('are paged by cursors, and an address shows the same page again', async () => {
    await service.send(...Array.from({ length: 60 }, (_, n) => ({ to: `page+${n}@paged.example`, priority: 'LOW' })))
    const total = (await service.ask<{ emails: { totalCount: number } }>('{ emails(filter: { priority: LOW }) { totalCount } }')).emails.totalCount
    await page.goto(`${service.url}/emails?priority=LOW`)
    await says('total', `${total} emails`)
    const first = await page.locator('[data-row]').first().textContent()
    expect(await page.locator('[data-row]').count()).toBe(50)
    await page.getByRole('button', { name: 'Next page' }).click()
    await until('the second page', async () => (await page.locator('[data-row]').count()) === total - 50)
    const second = await page.locator('[data-row]').allTextContents()
    await page.reload()
    await page.locator('[data-row]').first().waitFor()
    expect(await page.locator('[data-row]').allTextContents()).toEqual(second)
    await page.getByRole('button', { name: 'Previous page' }).click()
    await until('the first page', async () => (await page.locator('[data-row]').first().textContent()) === first)
  })

  it('that failed are grouped by cause, and the group is retried', async () => {
    await service.fail({ kind: '400', to: 'refused', message: 'to parameter is not a valid address' }, { kind: '400', to: 'other', message: 'something else' })
    const ids = await service.send({ to: 'refused+1@example.com' }, { to: 'refused+2@example.com' }, { to: 'other@example.com' })
    for (const id of ids) await service.await(id, 'FAILED')
    await service.fail()
    await page.goto(`${service.url}/emails?view=causes`)
    const { failures } = await service.ask<{ failures: { cause: string; count: number }[] }>('{ failures { cause count } }')
    const group = failures.find(({ count }) => count === 2)!
    const item = page.getByRole('listitem').filter({ hasText: group.cause })
    await until('both causes', async () => (await page.getByTestId('cause-count').count()) === 2)
    expect(await item.getByTestId('cause-count').textContent()).toBe('2')
    await item.getByRole('link', { name: 'Show them' }).click()
    await says('total', '2 emails')
    await page.goBack()
    await item.getByRole('button', { name: 'Retry' }).click()
    expect(await page.getByTestId('bulk-count').textContent()).toBe('2 emails')
    await page.getByRole('button', { name: 'Retry 2 emails' }).click()
    await service.await(ids[0]!, 'DELIVERED')
    await service.await(ids[1]!, 'DELIVERED')
    expect((await stats()).failed).toBe(1)
    await until('one cause', async () => (await page.getByTestId('cause-count').count()) === 1)
    await page.goto(`${service.url}/emails?email=${ids[2]}`)
    await page.getByRole('dialog').getByRole('button', { name: 'Retry' }).click()
    await page.getByRole('dialog').getByText('Delivered').first().waitFor()
  })

  it('that wait are rescheduled, and cancelled all at once', async () => {
    const sendAt = new Date(Date.now() + 3_600_000).toISOString()
    const [id] = await service.send({ to: 'later+1@example.com', sendAt }, { to: 'later+2@example.com', sendAt })
    await page.goto(`${service.url}/emails?status=SCHEDULED&email=${id}`)
    const drawer = page.getByRole('dialog', { name: 'later+1@example.com' })
    await drawer.getByRole('button', { name: 'Reschedule' }).click()
    const tomorrow = new Date(Date.now() + 24 * 3_600_000)
    const day = `${tomorrow.getFullYear()}-${String(tomorrow.getMonth() + 1).padStart(2, '0')}-${String(tomorrow.getDate()).padStart(2, '0')}`
    await page.getByLabel('Send at').fill(`${day}T03:04`)
    await page.getByRole('dialog', { name: 'Reschedule this email' }).getByRole('button', { name: 'Reschedule' }).click()
    await until('the new time', async () => {
      const { email } = await service.ask<{ email: { sendAt: string } }>('query ($id: ID!) { email(id: $id) { sendAt } }', { id })
      return Date.parse(email.sendAt) === Date.parse(`${day}T03:04`)
    })
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Act on all that match' }).click()
    await page.getByRole('menuitem', { name: 'Cancel the waiting' }).click()
    await page.getByRole('button', { name: 'Cancel 2 emails' }).click()
    await page.getByText('2 emails cancelled').waitFor()
    await service.await(id!, 'CANCELLED')
    expect((await stats()).delayed).toBe(0)
    await page.getByText('No email matches').waitFor()
  })
})

describe('the queue', () => {
  it('is paused with a reason, counts what waits, and goes on', async () => {
    await page.goto(service.url)
    await page.getByRole('button', { name: 'Pause', exact: true }).click()
    await page.getByLabel('Why').fill('Wrong template')
    await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click()
    await page.getByText('Sending is paused').waitFor()
    const ids = await service.send({ to: 'held+1@example.com' }, { to: 'held+2@example.com' }, { to: 'held+3@example.com' })
    await says('number-Waiting', String((await stats()).waiting))
    expect((await stats()).waiting).toBe(3)
    await page.getByRole('region', { name: 'Held', exact: true }).getByText('Wrong template').waitFor()
    await page.goto(`${service.url}/emails?email=${ids[0]}`)
    await page.getByRole('dialog').getByText('Wrong template').first().waitFor()
    await page.goto(service.url)
    await page.getByRole('button', { name: 'Resume', exact: true }).first().click()
    await page.getByRole('dialog').getByRole('button', { name: 'Resume' }).click()
    await service.await(ids[2]!, 'DELIVERED')
    await says('number-Waiting', '0')
    const { ledger } = await stats()
    await says('funnel-Accepted', String(ledger.total))
    await says('funnel-Delivered', String(ledger.delivered))
  })

  it('shows outcomes by minute as the events have them', async () => {
    await page.goto(`${service.url}/?chart=table`)
    const since = new Date(Date.now() - 29 * 60_000).toISOString()
    const { deliveryEvents } = await service.ask<{ deliveryEvents: { totalCount: number } }>(
      'query ($since: DateTime) { deliveryEvents(filter: { type: [DELIVERED], occurredAt: { since: $since } }) { totalCount } }',
      { since },
    )
    await says('outcome-delivered', String(deliveryEvents.totalCount))
  })
})

describe('the live tail', () => {
  it('pauses and goes on without a gap', async () => {
    await page.goto(`${service.url}/live?type=DELIVERED`)
    await page.getByTestId('tail-state').getByText('Following').waitFor()
    const [before] = await service.send({ to: 'tail+before@example.com' })
    await service.await(before!, 'DELIVERED')
    await row('tail+before@example.com').waitFor()
    await page.keyboard.press('Space')
    const ids = await service.send(...Array.from({ length: 5 }, (_, n) => ({ to: `tail+${n}@example.com` })))
    for (const id of ids) await service.await(id, 'DELIVERED')
    await says('tail-state', 'Paused · 5 new')
    expect(await row('tail+3@example.com').count()).toBe(0)
    await page.keyboard.press('Space')
    await row('tail+3@example.com').waitFor()
    const { deliveryEvents } = await service.ask<{ deliveryEvents: { nodes: { address: string }[] } }>(
      '{ deliveryEvents(first: 20, filter: { type: [DELIVERED] }) { nodes { address } } }',
    )
    const shown = await page.locator('[data-row]').allTextContents()
    expect(shown.slice(0, 20)).toEqual(deliveryEvents.nodes.map(({ address }) => address))
  })
})

describe('suppressions', () => {
  it('are added, stop an email, and are lifted', async () => {
    await page.goto(`${service.url}/suppressions`)
    await page.getByRole('button', { name: 'Suppress', exact: true }).click()
    await page.getByLabel('Address or domain').last().fill('nobody@blocked.example')
    await page.getByLabel('Note').fill('Asked by phone')
    await page.getByRole('dialog').getByRole('button', { name: 'Suppress' }).click()
    await row('nobody@blocked.example').waitFor()
    const { suppressionStats } = await service.ask<{ suppressionStats: { manual: number } }>('{ suppressionStats { manual } }')
    await says('count-By hand', String(suppressionStats.manual))
    const [id] = await service.send({ to: 'nobody@blocked.example' })
    await service.await(id!, 'SUPPRESSED')
    await page.goto(`${service.url}/emails?email=${id}`)
    await page.getByRole('region', { name: 'Why suppressed' }).getByText('Asked by phone').waitFor()
    await page.getByRole('link', { name: 'All of what is known of it' }).click()
    await page.getByText('It must not be mailed').waitFor()
    await page.getByRole('button', { name: 'Lift…' }).click()
    await page.getByRole('button', { name: 'Lift it' }).click()
    await page.getByText('It may be mailed').waitFor()
    await page.goto(`${service.url}/emails?email=${id}`)
    await page.getByRole('dialog').getByRole('button', { name: 'Retry' }).click()
    await service.await(id!, 'DELIVERED')
  })

  it('are imported after a count, and exported', async () => {
    await page.goto(`${service.url}/suppressions`)
    await page.getByRole('button', { name: 'Import' }).click()
    const text = 'address,reason,note\na@imported.example,complaint,"said, no"\nimported.example,manual,\nnot an address,manual,\n'
    await page.getByLabel('CSV file').setInputFiles({ name: 'list.csv', mimeType: 'text/csv', buffer: Buffer.from(text) })
    await says('import-count', '2 entries')
    await page.getByText('1 row can’t be entered').waitFor()
    const count = async () => (await service.ask<{ suppressionStats: { total: number } }>('{ suppressionStats { total } }')).suppressionStats.total
    const before = await count()
    await page.getByRole('button', { name: 'Import 2 entries' }).click()
    await row('a@imported.example').waitFor()
    expect(await count()).toBe(before + 2)
    await page.getByLabel('Address or domain').fill('imported')
    await page.keyboard.press('Enter')
    await says('total', '2 entries')
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export' }).click()])
    const chunks: Buffer[] = []
    for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer)
    const rows = Buffer.concat(chunks).toString('utf8').trim().split('\r\n')
    expect(rows[0]).toBe('address,reason,note,created_at,expires_at')
    expect(rows.slice(1).map((line) => line.split(',')[0]).sort()).toEqual(['a@imported.example', 'imported.example'])
  })
})

it('a campaign is created, gets its recipients, is launched, and adds up', async () => {
  await page.goto(`${service.url}/campaigns`)
  await page.getByRole('button', { name: 'New campaign' }).click()
  await page.getByLabel('Name', { exact: true }).last().fill('Spring news')
  await page.getByLabel('Subject').fill('Hello {{ first_name }}')
  await page.getByLabel('Text').fill('Hi {{ first_name }}')
  await page.getByRole('button', { name: 'Create the draft' }).click()
  await page.getByRole('heading', { level: 1, name: 'Spring news' }).waitFor()
  const id = decodeURIComponent(new URL(page.url()).pathname.split('/').pop() ?? '')
  await page.getByRole('button', { name: 'Recipients' }).click()
  const people = Array.from({ length: 20 }, (_, n) => `${n % 4 === 0 ? 'bounce' : 'click'}+spring${n}@example.com,Ann`)
  const text = ['address,first_name', ...people, people[0], 'no address,Bob'].join('\n')
  await page.getByLabel('CSV file').setInputFiles({ name: 'list.csv', mimeType: 'text/csv', buffer: Buffer.from(text) })
  await says('import-count', '20 recipients')
  await page.getByRole('button', { name: 'Import 20 recipients' }).click()
  await says('ledger-total', '20')
  await page.getByRole('button', { name: 'Launch' }).click()
  await page.getByRole('button', { name: 'Launch to 20 recipients' }).click()
  interface Asked {
    campaign: { ledger: Record<'delivered' | 'bounced' | 'total', number>; metrics: Record<'delivered' | 'bounced' | 'uniqueClicked', number> }
  }
  const { campaign } = await until('all of it to be told', async () => {
    const asked = 'query ($id: ID!) { campaign(id: $id) { ledger { delivered bounced total } metrics { delivered bounced uniqueClicked } } }'
    const found = await service.ask<Asked>(asked, { id })
    return found.campaign.metrics.uniqueClicked === 15 && found.campaign.metrics.bounced === 5 && found
  })
  expect(campaign.ledger).toEqual({ delivered: 15, bounced: 5, total: 20 })
  await says('metric-Delivered', String(campaign.metrics.delivered))
  await says('metric-Clicked', String(campaign.metrics.uniqueClicked))
  await page.getByText('Completed').first().waitFor()
  await page.getByRole('link', { name: 'Show its emails' }).click()
  await says('total', '20 emails')
  expect(complaints).toEqual([])
})

describe('keys', () => {
  it('are made, shown once, see what they may, and end', async () => {
    await page.goto(`${service.url}/settings`)
    await page.getByRole('button', { name: 'New key' }).click()
    await page.getByLabel('Name').fill('A reader')
    await page.getByRole('button', { name: 'Make the key' }).click()
    const secret = (await page.getByTestId('secret').textContent()) ?? ''
    await page.getByRole('button', { name: 'I have it' }).click()
    await row('A reader').waitFor()

    const reader = await open(browser, { key: secret })
    await reader.page.goto(`${service.url}/emails`)
    await reader.page.locator('[data-row]').first().waitFor()
    for (const address of await reader.page.locator('[data-row]').allTextContents()) expect(address).toMatch(/^.?\*\*\*@/)
    expect(await reader.page.getByRole('button', { name: 'Act on all that match' }).count()).toBe(0)
    await reader.page.locator('[data-row]').first().click()
    await reader.page.getByRole('tab', { name: 'Content' }).click()
    await reader.page.getByText('Your key may not read contents').waitFor()
    await reader.page.goto(`${service.url}/settings`)
    await reader.page.getByText('Your key may not see keys').waitFor()
    const { retention } = await service.ask<{ retention: { name: string; removedInAll: number }[] }>('{ retention { name removedInAll } }')
    const bodies = retention.find((rule) => rule.name === 'bodies')
    await expect.poll(() => reader.page.getByTestId('kept-bodies').textContent()).toContain('30 days')
    expect(await reader.page.getByTestId('kept-bodies').textContent()).toContain(String(bodies?.removedInAll))
    await reader.page.goto(service.url)
    await reader.page.getByTestId('number-Waiting').waitFor()
    expect(await reader.page.getByRole('button', { name: 'Pause', exact: true }).count()).toBe(0)
    expect(reader.complaints).toEqual([])

    await page.getByRole('button', { name: 'Revoke A reader' }).click()
    await page.getByRole('button', { name: 'Revoke the key' }).click()
    await row('A reader').getByText('Revoked').waitFor()
    await until('the reader to be out', async () => {
      await reader.page.reload()
      return (await reader.page.getByText('Your key is not known any more').count()) === 1
    })
    await reader.context.close()
  })
})

it('an address is shown for a reason to whoever may have it shown', async () => {
  const made = await service.ask<{ createApiKey: { secret: string } }>('mutation { createApiKey(input: { name: "Support", scopes: [READ, REVEAL] }) { secret userErrors { code field message } } }')
  const support = await open(browser, { key: made.createApiKey.secret })
  await support.page.goto(`${service.url}/emails`)
  await support.page.locator('[data-row]').first().click()
  await support.page.getByRole('button', { name: 'Show the address…' }).click()
  await support.page.getByLabel('Why').fill('Ticket 4711')
  await expectAccessible(support.page)
  await support.page.getByRole('button', { name: 'Show it' }).click()
  await expect.poll(() => support.page.getByTestId('revealed').textContent()).toMatch(/^[^*]+@/)
  expect(support.complaints).toEqual([])
  await support.context.close()
  await page.goto(`${service.url}/settings`)
  await page.getByRole('region', { name: 'Audit log' }).getByRole('button', { name: 'revealAddress' }).click()
  await page.getByRole('dialog', { name: 'revealAddress' }).getByText('Ticket 4711').waitFor()
})

it('what was done is told in the audit log, and found there', async () => {
  await page.goto(`${service.url}/settings`)
  const log = page.getByRole('region', { name: 'Audit log' })
  const entries = log.getByTestId('audit-row')
  const total = () => log.getByTestId('total').textContent()
  await entries.first().waitFor()
  expect(await entries.getByText('sendEmail', { exact: true }).count()).toBe(0)
  const acts = await total()
  await log.getByLabel('Sends too').check()
  await expect.poll(total).not.toBe(acts)
  await log.getByRole('button', { name: 'Clear' }).click()
  await log.getByLabel('Operation').fill('revokeApiKey')
  await page.keyboard.press('Enter')
  await expect.poll(total).toBe('1 entry')
  await log.getByRole('button', { name: 'revokeApiKey' }).click()
  const entry = page.getByRole('dialog', { name: 'revokeApiKey' })
  await entry.getByText('revokedAt').waitFor()
  await entry.getByText('POST /graphql').waitFor()
  await expectAccessible(page)
  await page.keyboard.press('Escape')
  await log.getByRole('button', { name: 'Clear' }).click()
  await log.getByLabel('About').fill('imported.example')
  await page.keyboard.press('Enter')
  await expect.poll(total).toBe('0 entries')
  await log.getByText('No entry matches').waitFor()
  expect(complaints).toEqual([])
})

it('everything is reached by keys', async () => {
  await page.goto(service.url)
  await page.getByRole('heading', { name: 'Overview' }).waitFor()
  const on = (name: string) => page.getByRole('heading', { level: 1, name }).waitFor()
  for (const [keys, name] of [['gl', 'Live'], ['gc', 'Campaigns'], ['gt', 'Templates'], ['gs', 'Suppressions'], ['g,', 'Settings'], ['go', 'Overview'], ['ge', 'Emails']] as const) {
    for (const key of keys) await page.keyboard.press(key)
    await on(name)
  }
  await page.locator('[data-row]').first().waitFor()
  await page.keyboard.press('j')
  await page.keyboard.press('j')
  const chosen = await page.locator('[data-row]').nth(1).textContent()
  await page.keyboard.press('Enter')
  await page.getByRole('dialog', { name: chosen ?? '' }).waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await page.keyboard.press('/')
  await page.keyboard.type('click+first@example.com')
  await page.keyboard.press('Enter')
  await says('total', '1 email')
  await page.keyboard.press('Escape')
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keys' }).waitFor()
  await page.keyboard.press('Escape')
  await page.keyboard.press('Control+k')
  await page.keyboard.type('bob@example.com')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await on('Suppressions')
  await page.getByRole('dialog', { name: 'bob@example.com' }).getByText('It may be mailed').waitFor()
})

it('times are told in UTC or in the machine’s own zone, and the choice stays', async () => {
  await page.goto(`${service.url}/emails`)
  await page.getByRole('switch', { name: 'Times in UTC' }).click()
  const { emails } = await service.ask<{ emails: { nodes: { createdAt: string }[] } }>('{ emails(first: 1) { nodes { createdAt } } }')
  const at = emails.nodes[0]!.createdAt.slice(11, 19)
  await until('UTC', async () => (await page.locator('tbody time').first().textContent())?.endsWith(at))
  await page.reload()
  expect(await page.getByRole('switch', { name: 'Times in UTC' }).getAttribute('aria-checked')).toBe('true')
})

it('a lost connection is told, and on return nothing is missing', async () => {
  await page.goto(`${service.url}/live`)
  await page.getByTestId('connection').getByText('Live').waitFor()
  await page.getByTestId('tail-state').getByText('Following').waitFor()
  const overview = await open(browser, { key: service.key })
  await overview.page.goto(service.url)
  await overview.page.getByTestId('connection').getByText('Live').waitFor()
  const { address } = service
  await service.down()
  await page.getByTestId('connection').getByText(/Connecting|Polling|Offline/).waitFor()
  await overview.page.getByTestId('connection').getByText('Offline').waitFor()
  await service.up(address)
  // Before the page is back: only what it reads after the last cursor can show it.
  const [id] = await service.send({ to: 'missed@example.com' })
  await service.await(id!, 'DELIVERED')
  await page.getByTestId('connection').getByText('Live').waitFor()
  await row('missed@example.com').first().waitFor()
  const { deliveryEvents } = await service.ask<{ deliveryEvents: { nodes: { address: string }[] } }>(
    '{ deliveryEvents(first: 20) { nodes { address } } }',
  )
  const told = deliveryEvents.nodes.map(({ address: to }) => to).join()
  await until('every event in its place', async () => (await page.locator('[data-row]').allTextContents()).slice(0, 20).join() === told)
  await overview.page.getByTestId('connection').getByText('Live').waitFor()
  const total = String((await stats()).ledger.total)
  await until('the number', async () => (await overview.page.getByTestId('funnel-Accepted').textContent()) === total)
  await overview.context.close()
})

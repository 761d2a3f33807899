import { fileURLToPath } from 'node:url'

import { it } from 'vitest'

import { launch, open } from './look.ts'
import { letters, scene } from './scene.ts'
import { Service } from './service.ts'

const PLACE = fileURLToPath(new URL('../../docs/pictures/', import.meta.url))
/** So many rounds of letters a quarter of a minute apart, so that the chart has something to show. */
const ROUNDS = Number(process.env.ROUNDS ?? 16)
const APART = 15_000

it('the README’s pictures are taken', async () => {
  const service = await Service.start()
  const browser = await launch()
  for (let round = 0; round < ROUNDS; round += 1) {
    // The same addresses are suppressed by then: others.
    await service.send(...letters(20 + ((round * 7) % 30)).map((letter) => ({ ...letter, to: String(letter.to).replace('@', `.${round}@`) })))
    await new Promise((resolve) => setTimeout(resolve, APART))
  }
  await service.fail({ kind: '400', to: 'refused', message: 'to parameter is not a valid address' })
  const { launched } = await scene(service, false)
  await service.send(...letters(24).map((letter) => ({ ...letter, to: String(letter.to).replace('@', '.last@'), sendAt: new Date(Date.now() + 3_600_000).toISOString() })))
  await service.send({ to: 'click+order@example.com', content: { inline: { subject: 'Your order has shipped', text: 'Hello.' } } })
  const { page, context } = await open(browser, { key: service.key })
  await page.setViewportSize({ width: 1200, height: 740 })
  const take = async (name: string, path: string, there: string, opened?: string) => {
    await page.goto(service.url + path)
    if (opened !== undefined) await page.getByText(opened).first().click()
    await page.getByText(there).first().waitFor()
    await page.waitForLoadState('networkidle')
    await page.screenshot({ path: `${PLACE}${name}.jpg`, type: 'jpeg', quality: 72 })
  }
  await take('overview', '/', 'Outcomes per minute')
  await take('email', '/emails', 'followed', 'click+order@example.com')
  await take('campaign', `/campaigns/${launched}`, 'Completed')
  await context.close()
  await browser.close()
  await service.stop()
})

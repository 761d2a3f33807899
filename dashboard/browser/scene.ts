import { type Service, until } from './service.ts'

const PEOPLE = ['ann', 'bob', 'open', 'click', 'machineopen', 'defer', 'mailboxfull', 'bounce', 'complain', 'unsubscribe']
const SUBJECTS = ['Your order has shipped', 'Weekly digest', 'Invoice 2026-1143', 'Welcome aboard']

const WORDS = `<div style="font-family: sans-serif; max-width: 32rem; margin: auto; color: #222">
  <h1 style="color: #345">Your order is on its way</h1>
  <p>Dear {{ first_name }},</p>
  <p>order <b>{{ order.number }}</b> left our warehouse today and is with you by {{ order.arrives }}.</p>
  <p><a href="{{ order.link }}">Follow it</a></p>
</div>`

/** Sixty emails to all kinds of people, two that Mailgun refuses, a draft, a template, and a campaign of it that has come to its end. */
export async function scene(service: Service, alone = true): Promise<Record<'campaign' | 'template' | 'launched', string>> {
  await service.fail({ kind: '400', to: 'refused', message: 'to parameter is not a valid address' })
  const campaign = await drafted(service, 'Spring news', { inline: { subject: 'Hello {{ first_name }}', text: 'Hi' } })
  await service.send(...letters(60), { to: 'refused+1@example.com' }, { to: 'refused+2@example.com' })
  // Counted where nothing else was sent.
  if (alone) await until('everything to be told', async () => {
    const { queueStats } = await service.ask<{ queueStats: { ledger: Record<string, number> } }>(
      '{ queueStats { ledger { failed complained delivered bounced } } }',
    )
    const { failed, complained, delivered, bounced } = queueStats.ledger
    return failed === 2 && complained === 6 && bounced === 12 && delivered === 42
  })
  const content = { subject: 'Order {{ order.number }} is on its way', html: WORDS, text: 'Dear {{ first_name }}, it is on its way.' }
  const { createTemplate } = await service.ask<{ createTemplate: { template: { id: string } } }>(
    'mutation ($input: TemplateInput!) { createTemplate(input: $input) { template { id } } }',
    { input: { name: 'Order shipped', content } },
  )
  const template = createTemplate.template.id
  const launched = await drafted(service, 'Autumn news', { template: { templateId: template } })
  await launch(service, launched)
  return { campaign, template, launched }
}

/** So many letters, to each kind of people in turn. */
export function letters(n: number): Record<string, unknown>[] {
  return Array.from({ length: n }, (_, index) => ({
    to: `${PEOPLE[index % PEOPLE.length]}+${index}@example.com`,
    priority: (['HIGH', 'NORMAL', 'LOW'] as const)[index % 3],
    content: { inline: { subject: SUBJECTS[index % SUBJECTS.length], text: 'Hello.', html: '<h1 style="color:#345">Hello</h1>' } },
  }))
}

async function drafted(service: Service, name: string, content: unknown): Promise<string> {
  const { createCampaign } = await service.ask<{ createCampaign: { campaign: { id: string } } }>(
    'mutation ($input: CampaignInput!) { createCampaign(input: $input) { campaign { id } } }',
    { input: { name, content, tags: ['news'] } },
  )
  return createCampaign.campaign.id
}

async function launch(service: Service, id: string): Promise<void> {
  const order = { number: '2026-1143', arrives: 'Friday', link: 'https://shop.example/orders/1143' }
  const recipients = Array.from({ length: 80 }, (_, n) => ({
    address: `${PEOPLE[n % PEOPLE.length]}+autumn${n}@example.com`,
    variables: { first_name: 'Ann', order },
  }))
  await service.ask(
    `mutation ($id: ID!, $recipients: [RecipientInput!]!) {
      addRecipients(campaignId: $id, recipients: $recipients) { added }
      launchCampaign(id: $id) { campaign { id } }
    }`,
    { id, recipients },
  )
  await until('the campaign to be told', async () => {
    const { campaign } = await service.ask<{ campaign: { status: string; ledger: Record<string, number> } }>(
      'query ($id: ID!) { campaign(id: $id) { status ledger { delivered bounced complained } } }',
      { id },
    )
    const { delivered, bounced, complained } = campaign.ledger
    return campaign.status === 'COMPLETED' && delivered === 56 && bounced === 16 && complained === 8
  })
}

// mailgun.js, as published, against the sandbox: `node mailgun.mjs` with SANDBOX_URL and SANDBOX_KEY.
import assert from 'node:assert/strict';
import FormData from 'form-data';
import Mailgun from 'mailgun.js';

const { SANDBOX_URL: url, SANDBOX_KEY: key } = process.env;
assert(url && key, 'SANDBOX_URL and SANDBOX_KEY are needed');

// It warns of its own methods that it means to replace.
console.warn = () => {};
const mg = new Mailgun(FormData).client({ username: 'api', key, url });
const stranger = new Mailgun(FormData).client({ username: 'api', key: 'wrong', url });
// A name of its own, so that a second run finds nothing of the first.
const domain = `js-${Date.now()}.example.com`;
const from = `Bob <bob@${domain}>`;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const checks = [];
const check = (name, run) => checks.push([name, run]);

async function until(what, look) {
  const end = Date.now() + 20_000;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert(Date.now() < end, `waited 20s for ${what}`);
    await sleep(50);
  }
}

// The ids of the answers, without angle brackets, as events carry them.
const bare = ({ id }) => id.replace(/^<|>$/g, '');
const events = (query) => mg.events.get(domain, { limit: 100, ...query });
const names = (page) => page.items.map((item) => item.event).sort();

check('a domain is created, shown, listed, verified and updated', async () => {
  const created = await mg.domains.create({ name: domain, wildcard: true });
  assert.equal(created.name, domain);
  assert.equal(created.state, 'unverified');
  assert(created.sending_dns_records.length >= 3 && created.receiving_dns_records.length === 2);
  await assert.rejects(mg.messages.create(domain, { from, to: 'sally@example.com', text: 'hi' }), { status: 403 });
  assert.equal((await mg.domains.verify(domain)).state, 'active');
  assert.equal((await mg.domains.get(domain)).state, 'active');
  assert((await mg.domains.list()).some(({ name }) => name === domain));
  const updated = await mg.domains.update(domain, { spam_action: 'block' });
  assert.equal(updated.spam_action, 'block');
});

check('tracking is shown and switched', async () => {
  const before = await mg.domains.getTracking(domain);
  assert.equal(before.open.active, false);
  const after = await mg.domains.updateTracking(domain, 'open', { active: true });
  assert.equal(after.open.active, true);
});

check('a message is queued, with tags, variables, an attachment and a test mode', async () => {
  const sent = await mg.messages.create(domain, {
    from,
    to: ['sally@example.com', 'Amy <amy@example.com>'],
    subject: 'Hello',
    text: 'Testing',
    'o:tag': ['one', 'two'],
    'v:email-id': 'e1',
    'o:testmode': true,
    attachment: { filename: 'a.txt', data: Buffer.from('contents') },
  });
  assert.equal(sent.status, 200);
  assert.equal(sent.message, 'Queued. Thank you.');
  assert.match(sent.id, /^<.+@.+>$/);
  const page = await until('both deliveries', async () => {
    const found = await events({ 'message-id': bare(sent), event: 'delivered' });
    return found.items.length === 2 && found;
  });
  const [item] = page.items;
  assert.equal(item['delivery-status'].code, 650);
  assert.deepEqual(item.tags, ['one', 'two']);
  assert.deepEqual(item['user-variables'], { 'email-id': 'e1' });
  assert.equal(item.message.attachments[0].filename, 'a.txt');
});

check('a MIME message is taken as text and as a buffer', async () => {
  const mime = `From: bob@${domain}\r\nTo: sally@example.com\r\nSubject: Whole\r\nMessage-Id: <mime-ID@${domain}>\r\n\r\nTesting\r\n`;
  for (const [name, wrap] of [['text', String], ['buffer', Buffer.from]]) {
    const sent = await mg.messages.create(domain, { to: ['sally@example.com'], message: wrap(mime.replace('ID', name)) });
    assert.equal(bare(sent), `mime-${name}@${domain}`);
    const page = await until('its acceptance', async () => {
      const found = await events({ 'message-id': bare(sent), event: 'accepted' });
      return found.items.length === 1 && found;
    });
    assert.equal(page.items[0].message.headers.subject, 'Whole');
  }
});

check('what becomes of a message follows its address', async () => {
  const expected = {
    'bounce+js': ['accepted', 'failed'],
    defer: ['accepted', 'delivered', 'failed'],
    complain: ['accepted', 'complained', 'delivered'],
    click: ['accepted', 'clicked', 'delivered', 'opened'],
  };
  for (const [word, wanted] of Object.entries(expected)) {
    const sent = await mg.messages.create(domain, { from, to: `${word}@example.com`, subject: 'x', text: 'x' });
    const page = await until(`${word}: ${wanted}`, async () => {
      const found = await events({ 'message-id': bare(sent) });
      return found.items.length === wanted.length && found;
    });
    assert.deepEqual(names(page), wanted);
  }
});

check('events are filtered and paged both ways', async () => {
  const failed = await events({ event: 'failed', severity: 'permanent' });
  assert.deepEqual(names(failed), ['failed']);
  const some = await events({ event: 'accepted OR delivered', recipient: 'click@example.com', ascending: 'yes' });
  assert.deepEqual(some.items.map((item) => item.event), ['accepted', 'delivered']);
  const first = await events({ event: 'accepted', ascending: 'yes', begin: '0', limit: 2 });
  assert.equal(first.items.length, 2);
  const second = await mg.events.get(domain, { page: first.pages.next.page });
  assert.equal(second.items.length, 2);
  const ids = (page) => page.items.map((item) => item.id);
  assert(ids(first).every((id) => !ids(second).includes(id)));
  const back = await mg.events.get(domain, { page: second.pages.previous.page });
  assert.deepEqual(ids(back), ids(first));
});

check('logs are listed', async () => {
  const logs = await mg.logs.list({
    start: new Date(Date.now() - 3_600_000),
    end: new Date(Date.now() + 60_000),
    events: ['delivered'],
    include_totals: true,
    filter: { AND: [{ attribute: 'domain', comparator: '=', values: [{ label: domain, value: domain }] }] },
    pagination: { sort: 'timestamp:asc', limit: 2 },
  });
  assert.equal(logs.items.length, 2);
  assert(logs.items.every((item) => item.event === 'delivered' && item.domain.name === domain));
  assert(logs.pagination.next && logs.pagination.total > 2);
});

check('bounces and complaints: created, listed, shown, removed', async () => {
  for (const type of ['bounces', 'complaints']) {
    await mg.suppressions.create(domain, type, { address: 'one+x@example.com' });
    await mg.suppressions.create(domain, type, [{ address: 'two@example.com' }, { address: 'three@example.com' }]);
    assert.equal((await mg.suppressions.get(domain, type, 'one+x@example.com')).address, 'one+x@example.com');
    const listed = await mg.suppressions.list(domain, type, { limit: 1 });
    assert.equal(listed.items.length, 1);
    const next = await mg.suppressions.list(domain, type, { limit: 1, page: listed.pages.next.page });
    assert.notEqual(next.items[0].address, listed.items[0].address);
    for (const name of ['one+x', 'two', 'three']) {
      assert.equal((await mg.suppressions.destroy(domain, type, `${name}@example.com`)).status, 200);
    }
    await assert.rejects(mg.suppressions.get(domain, type, 'two@example.com'), { status: 404 });
  }
});

check('unsubscribes and whitelists: created, shown, removed', async () => {
  await mg.suppressions.create(domain, 'unsubscribes', { address: 'four@example.com', tag: 'news' });
  await mg.suppressions.create(domain, 'unsubscribes', [{ address: 'five@example.com', tags: ['news', 'bills'] }]);
  assert.deepEqual([...(await mg.suppressions.get(domain, 'unsubscribes', 'five@example.com')).tags], ['news', 'bills']);
  const allowed = await mg.suppressions.create(domain, 'whitelists', { domain: 'example.org', reason: 'ours' });
  assert.equal(allowed.value, 'example.org');
  assert.equal((await mg.suppressions.get(domain, 'whitelists', 'example.org')).reason, 'ours');
  assert.equal((await mg.suppressions.destroy(domain, 'whitelists', 'example.org')).status, 200);
  assert.equal((await mg.suppressions.destroy(domain, 'unsubscribes', 'four@example.com')).status, 200);
});

check('who is on a list is not delivered to, and Mailgun says why', async () => {
  for (const [address, code] of [['bounce+js@example.com', 605], ['five@example.com', undefined], ['complain@example.com', 607]]) {
    const sent = await mg.messages.create(domain, { from, to: address, text: 'again', 'o:tag': 'letters' });
    const page = await until(`what became of ${address}`, async () => {
      const found = await events({ 'message-id': bare(sent), event: 'failed OR delivered' });
      return found.items.length === 1 && found;
    });
    assert.equal(page.items[0].severity && page.items[0]['delivery-status'].code, code);
  }
});

check('webhooks: created, listed, shown, updated, removed; none outside this machine', async () => {
  const here = 'http://127.0.0.1:9/hook';
  assert.deepEqual((await mg.webhooks.create(domain, 'delivered', here)).urls, [here]);
  assert.deepEqual(await mg.webhooks.list(domain), { delivered: { urls: [here] } });
  assert.equal((await mg.webhooks.get(domain, 'delivered')).url, here);
  const both = [here, 'http://127.0.0.1:9/other'];
  assert.deepEqual((await mg.webhooks.update(domain, 'delivered', both)).urls, both);
  await assert.rejects(mg.webhooks.create(domain, 'opened', 'https://example.com/hook'), { status: 400 });
  await mg.webhooks.destroy(domain, 'delivered');
  await assert.rejects(mg.webhooks.get(domain, 'delivered'), { status: 404 });
});

check('addresses are validated', async () => {
  assert.equal((await mg.validate.get('sally@example.com')).result, 'deliverable');
  assert.equal((await mg.validate.get('bounce@example.com')).result, 'undeliverable');
  assert.equal((await mg.validate.get('example.com')).result, 'undeliverable');
});

check('mistakes are refused with their status and words', async () => {
  const wrong = { from, to: 'sallyexample.com', text: 'x' };
  await assert.rejects(mg.messages.create(domain, wrong), (error) => {
    assert.equal(error.status, 400);
    assert.match(error.details, /to parameter is not a valid address/);
    return true;
  });
  await assert.rejects(stranger.messages.create(domain, { ...wrong, to: 'a@b.example' }), { status: 401 });
  await assert.rejects(stranger.domains.list(), { status: 401 });
});

check('a domain is deleted', async () => {
  assert.match((await mg.domains.destroy(domain)).message, /will be deleted/);
  await assert.rejects(mg.domains.get(domain), { status: 404 });
  await assert.rejects(mg.messages.create(domain, { from, to: 'sally@example.com', text: 'x' }), { status: 404 });
});

let failed = 0;
for (const [name, run] of checks) {
  try {
    await run();
    console.log(`ok: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED: ${name}\n${error.stack ?? error} ${error.details ?? ''}`);
  }
}
process.exit(failed ? 1 : 0);

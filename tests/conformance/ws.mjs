// Speaks graphql-transport-ws with the service at URL by the bearer KEY: through the client of graphql-ws as an application would, and
// through a bare socket where that client would never do what is tried. Ends badly when anything is answered otherwise than
// the protocol says (graphql-ws, PROTOCOL.md).

import assert from 'node:assert/strict'
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'

const { URL: base = 'http://127.0.0.1:8080', KEY: key } = process.env
const url = `${base.replace(/^http/, 'ws')}/graphql`
const good = { authorization: `Bearer ${key}` }
const LIMIT = 10_000
const nothing = async () => {}

const cases = {
  async 'the client asks, changes, follows and is told what is wrong'() {
    const client = createClient({ url, webSocketImpl: WebSocket, connectionParams: good, lazy: false, retryAttempts: 0 })
    const closed = new Promise((resolve) => client.on('closed', resolve))
    const first = async (payload) => {
      for await (const result of client.iterate(payload)) return result
    }
    const asked = await first({ query: '{ viewer { version } }' })
    assert.equal(typeof asked.data.viewer.version, 'string')
    const name = await first({ query: 'query A { viewer { sandbox } } query B { viewer { version } }', operationName: 'B' })
    assert.deepEqual(Object.keys(name.data.viewer), ['version'])
    const clean = 'mutation($at: DateTime) { cleanQueue(finishedBefore: $at) { removed userErrors { code } } }'
    const changed = await first({ query: clean, variables: { at: '2020-01-01T00:00:00Z' } })
    assert.deepEqual(changed.data.cleanQueue, { removed: 0, userErrors: [] })
    const followed = await first({ query: 'subscription { queueStatsUpdated { waiting ledger { total } } }' })
    assert.equal(typeof followed.data.queueStatsUpdated.ledger.total, 'number')
    const fault = await first({ query: '{ emails(first: 1000) { nodes { id } } }' })
    assert.equal(fault.errors[0].extensions.code, 'BAD_USER_INPUT')
    const refused = await first({ query: '{ nothing }' }).then(() => undefined, (errors) => errors)
    assert.equal(refused[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED')
    const unparsable = await first({ query: '{ nothing' }).then(() => undefined, (errors) => errors)
    assert.equal(unparsable[0].extensions.code, 'GRAPHQL_PARSE_FAILED')
    await client.dispose()
    assert.equal((await closed).code, 1000)
  },

  async 'a key in the head of the request lets in, too'() {
    const socket = await Socket.open({ headers: good })
    await socket.say({ type: 'connection_init' })
    assert.deepEqual(await socket.hear(), { type: 'connection_ack' })
  },

  async 'a ping is answered with its payload, before the beginning and after'() {
    const socket = await Socket.open()
    await socket.say({ type: 'ping', payload: { n: 1 } })
    assert.deepEqual(await socket.hear(), { type: 'pong', payload: { n: 1 } })
    await socket.begin()
    await socket.say({ type: 'ping' })
    assert.deepEqual(await socket.hear(), { type: 'pong' })
  },

  async 'an operation is followed until the client has enough of it'() {
    const socket = await Socket.open()
    await socket.begin()
    const follow = { query: 'subscription { queueStatsUpdated { active } }' }
    await socket.say({ type: 'subscribe', id: 'a', payload: follow })
    assert.equal((await socket.hear()).type, 'next')
    await socket.say({ type: 'complete', id: 'a' })
    await socket.say({ type: 'complete', id: 'never heard of' })
    // Its id is free again.
    await socket.say({ type: 'subscribe', id: 'a', payload: { query: '{ viewer { version } }' } })
    assert.equal((await socket.hear()).type, 'next')
    assert.deepEqual(await socket.hear(), { type: 'complete', id: 'a' })
  },

  async 'the seventeenth operation is refused and the socket stays'() {
    const socket = await Socket.open()
    await socket.begin()
    const payload = { query: 'subscription { queueStatsUpdated { active } }' }
    for (let id = 1; id <= 17; id++) await socket.say({ type: 'subscribe', id: `${id}`, payload })
    const heard = await socket.until((message) => message.type === 'error')
    assert.deepEqual([heard.id, heard.payload[0].extensions.code], ['17', 'RATE_LIMITED'])
  },

  'a socket without the sub-protocol is closed': closes(4406, nothing, { protocol: [] }),
  // The client would close it itself, since none of its own protocols was chosen.
  async 'a socket with another one does not open'() {
    const refused = await Socket.open({ protocol: ['graphql-ws'] }).catch((error) => error)
    assert.match(refused.message, /subprotocol/)
  },

  'nonsense is closed': closes(4400, (socket) => socket.say('nonsense')),
  'a message of no known type is closed': closes(4400, (socket) => socket.say({ type: 'start', id: '1', payload: { query: '{ a }' } })),
  'bytes are closed': closes(4400, (socket) => socket.say(Buffer.from('{}'))),
  'asking before the beginning is closed': closes(4401, (socket) => socket.say({ type: 'subscribe', id: '1', payload: { query: '{ a }' } })),
  'a wrong key is closed': closes(4403, (socket) => socket.say({ type: 'connection_init', payload: { authorization: 'Bearer wrong' } })),
  'no key is closed': closes(4403, (socket) => socket.say({ type: 'connection_init' })),
  'no beginning is closed': closes(4408, nothing),
  'a second beginning is closed': closes(4429, async (socket) => {
    await socket.begin()
    await socket.say({ type: 'connection_init', payload: good })
  }),
  'an id in use is closed': closes(4409, async (socket) => {
    await socket.begin()
    const payload = { query: 'subscription { queueStatsUpdated { active } }' }
    await socket.say({ type: 'subscribe', id: 'a', payload })
    await socket.say({ type: 'subscribe', id: 'a', payload })
  }),
  'a message too large is closed': closes(1009, (socket) => socket.say('x'.repeat(1024 * 1024 + 1))),

  async 'a page from elsewhere is not let in'() {
    const refused = await Socket.open({ headers: { ...good, origin: 'https://evil.example' } }).catch((error) => error)
    assert.match(refused.message, /403/)
  },
}

// A socket that says what it is told to and keeps what it hears.
class Socket {
  static async open({ protocol = ['graphql-transport-ws'], headers = {} } = {}) {
    const socket = new Socket()
    socket.ws = new WebSocket(url, protocol, { headers })
    socket.heard = []
    socket.closed = new Promise((resolve) => socket.ws.on('close', resolve))
    socket.ws.on('message', (data) => {
      socket.heard.push(JSON.parse(data))
      socket.wake?.()
    })
    await new Promise((resolve, reject) => socket.ws.on('open', resolve).on('error', reject))
    return socket
  }

  async say(message) {
    this.ws.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message))
  }

  async hear() {
    while (this.heard.length === 0) await new Promise((resolve) => (this.wake = resolve))
    return this.heard.shift()
  }

  async until(awaited) {
    for (;;) {
      const message = await this.hear()
      if (awaited(message)) return message
    }
  }

  async begin() {
    await this.say({ type: 'connection_init', payload: good })
    assert.deepEqual(await this.hear(), { type: 'connection_ack' })
  }
}

// What is done on a new socket ends it with this code.
function closes(code, act, how) {
  return async () => {
    const socket = await Socket.open(how)
    await act(socket)
    assert.equal(await socket.closed, code)
  }
}

let wrong = 0
for (const [name, run] of Object.entries(cases)) {
  let timer
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`took longer than ${LIMIT} ms`)), LIMIT)))
  const error = await Promise.race([run(), late]).then(() => undefined, (error) => error)
  clearTimeout(timer)
  if (error) wrong += 1
  console.log(error ? `WRONG ${name}: ${error.message}` : `ok    ${name}`)
}
console.log(`${Object.keys(cases).length - wrong}/${Object.keys(cases).length}`)
process.exit(wrong === 0 ? 0 : 1)

// Follows deliveryEventAdded with the client of graphql-ws as an application would that must miss nothing: whenever it is cut off it
// goes on after its last cursor. Here it cuts itself off, at random by SEED: after some events, or after some milliseconds, whatever
// it is doing then. Prints the id of each event, in the order it heard of them, until the one of type LAST.

import assert from 'node:assert/strict'
import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'

const { URL: base, KEY: key, SEED: seed, AFTER: first, LAST: last } = process.env
const url = `${base.replace(/^http/, 'ws')}/graphql`
const query = `subscription Follow($after: String) {
  deliveryEventAdded(after: $after) { cursor node { id type } }
}`

// mulberry32: small, and the same everywhere.
let state = Number(seed)
function chance() {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

let after = first
let over = false
let cuts = 0

// One connection, to its end.
async function follow() {
  let socket
  let cut = false
  const cutOff = () => {
    cut = socket !== undefined
    socket?.terminate()
  }
  class Watched extends WebSocket {
    constructor(...args) {
      super(...args)
      socket = this
    }
  }
  const client = createClient({ url, webSocketImpl: Watched, connectionParams: { authorization: `Bearer ${key}` }, retryAttempts: 0 })
  const byTime = chance() < 0.3
  const timer = byTime ? setTimeout(cutOff, chance() * 60) : undefined
  let left = byTime ? Infinity : 1 + Math.floor(chance() * 40)
  try {
    for await (const { data, errors } of client.iterate({ query, variables: { after } })) {
      assert.equal(errors, undefined, JSON.stringify(errors))
      const { cursor, node } = data.deliveryEventAdded
      after = cursor
      console.log(node.id)
      over = node.type === last
      if (over) return
      left -= 1
      if (left === 0) cutOff()
    }
    assert.fail('the service ended it')
  } catch (why) {
    if (!cut) throw why
    cuts += 1
  } finally {
    clearTimeout(timer)
    client.terminate()
  }
}

while (!over) await follow()
console.log(`cut off ${cuts} times`)
process.exit(0)

// Runs graphql-http's audits of GraphQL over HTTP against the service at URL with the bearer KEY. Ends badly unless all of them pass.

import { serverAudits } from 'graphql-http'

const { URL: base = 'http://127.0.0.1:8080', KEY: key } = process.env
const url = `${base}/graphql`

const fetchFn = (input, init = {}) => fetch(input, { ...init, headers: { ...init.headers, authorization: `Bearer ${key}` } })

const results = []
for (const audit of serverAudits({ url, fetchFn })) results.push(await audit.fn())

const passed = results.filter((result) => result.status === 'ok').length
for (const { id, name, status, reason } of results) if (status !== 'ok') console.error(`${status} ${id} ${name}: ${reason}`)
console.log(`${passed}/${results.length}`)
process.exitCode = passed === results.length && passed >= 61 ? 0 : 1

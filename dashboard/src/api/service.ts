import { type Cache, cacheExchange, type KeyingConfig } from '@urql/exchange-graphcache'
import { Client, fetchExchange, subscriptionExchange } from '@urql/core'
import { type Client as Socket, createClient } from 'graphql-ws'

import { ConnectionWatch } from './connection.ts'
import { follow, NO_ACCESS } from './follow.ts'
import { AlertsDocument, type AlertsChangedSubscription, QueueDocument, type QueueChangedSubscription } from './generated.ts'

/** Everything the page has of the service: one for each sign-in, thrown away at sign-out with all that was read. */
export interface Service {
  client: Client
  socket: Socket
  watch: ConnectionWatch
  close: () => void
}

/** Between two rounds while no socket can be had. */
const ROUND = 5_000

const embedded: KeyingConfig[string] = () => null

/** What has no id is kept where it was asked. */
const keys: KeyingConfig = Object.fromEntries(
  [
    'Alert', 'Attachment', 'Attempt', 'AuditEntryConnection', 'Breaker', 'CampaignConnection', 'DeliveryEventConnection', 'DeliveryEventEdge', 'EmailConnection', 'EmailContent',
    'EmailHeader', 'Engagement', 'EventDispatchConnection', 'EventEndpointSecret', 'EventEndpointTrial', 'EventReplay', 'FailureGroup', 'Hold', 'LaneStats', 'Ledger', 'Metrics', 'MetricsPoint', 'PageInfo', 'Pause', 'QueueStats',
    'Reconciliation', 'RenderedContent', 'Retention', 'RetentionRule', 'SuppressionConnection', 'SuppressionFact', 'SuppressionState', 'SuppressionStats', 'TemplateConnection',
    'LeadConnection', 'TimelineEntry', 'Viewer',
  ].map((type) => [type, embedded]),
)

/** After these, what was listed or counted is asked anew wherever it is shown; a dry run changes nothing. */
function forget(...fields: string[]) {
  return (_result: unknown, args: Record<string, unknown>, cache: Cache) => {
    if (args.dryRun === true) return
    for (const { fieldName, arguments: args } of cache.inspectFields('Query')) {
      if (fields.includes(fieldName)) cache.invalidate('Query', fieldName, args)
    }
  }
}

const emailsChanged = forget('emails', 'failures', 'queueStats')
const listChanged = forget('suppressions', 'suppressionStats', 'suppression')

function cache() {
  return cacheExchange({
    keys,
    updates: {
      Subscription: {
        alertsUpdated(result, _args, store) {
          const { alertsUpdated } = result as AlertsChangedSubscription
          store.updateQuery({ query: AlertsDocument }, () => ({ __typename: 'Query', alerts: alertsUpdated }))
        },
        queueStatsUpdated(result, _args, store) {
          const { queueStatsUpdated } = result as QueueChangedSubscription
          store.updateQuery({ query: QueueDocument }, () => ({ __typename: 'Query', queueStats: queueStatsUpdated }))
        },
      },
      Mutation: {
        pause: forget('holds', 'queueStats', 'failures'),
        resume: forget('holds', 'queueStats', 'failures'),
        createCampaign: forget('campaigns'),
        createTemplate: forget('templates'),
        launchCampaign: emailsChanged,
        cancelCampaign: emailsChanged,
        cancelEmails: emailsChanged,
        retryFailedEmails: emailsChanged,
        sendEmail: emailsChanged,
        suppress: listChanged,
        suppressMany: listChanged,
        unsuppress: listChanged,
        createApiKey: forget('apiKeys'),
        createEventEndpoint: forget('eventEndpoints'),
        deleteEventEndpoint: forget('eventEndpoints'),
        redriveEventDispatches: forget('eventEndpoints', 'eventEndpoint'),
      },
    },
  })
}

/** Opens it for this credential; `refused` is called once the service no longer takes it. */
export function open(credential: string, refused: () => void): Service {
  const watch = new ConnectionWatch()
  const authorization = `Bearer ${credential}`
  const url = new URL('/graphql', location.href)
  const socketUrl = new URL(url)
  socketUrl.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'

  const socket = createClient({
    url: socketUrl.href,
    connectionParams: { authorization },
    // Each follower comes back by itself, with its own cursor.
    retryAttempts: 0,
    keepAlive: 12_000,
    lazyCloseTimeout: 2_000,
    on: {
      connected: () => watch.connected(),
      closed: (event) => {
        const { code } = event as { code?: number }
        if (code === NO_ACCESS) refused()
        // 1000 is our own end, when nobody follows anything any more.
        else if (code !== 1000) watch.closed()
      },
    },
  })

  const asking: typeof fetch = async (input, init) => {
    try {
      const response = await fetch(input, init)
      if (response.status === 401) refused()
      watch.answered(response.status < 500)
      return response
    } catch (cause) {
      if ((cause as Error).name !== 'AbortError') watch.answered(false)
      throw cause
    }
  }

  const client = new Client({
    url: url.href,
    preferGetMethod: false,
    fetch: asking,
    fetchOptions: { headers: { authorization } },
    exchanges: [
      cache(),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query, variables }) => ({
          subscribe: (sink) => ({
            unsubscribe: follow<Record<string, unknown>>(socket, {
              payload: () => ({ query: query ?? '', variables: variables as Record<string, unknown> }),
              next: (data) => sink.next({ data }),
              refused: (error) => sink.error(error),
            }),
          }),
        }),
      }),
    ],
  })

  const round = setInterval(() => {
    const state = watch.state.get()
    if (state === 'polling' || state === 'offline') watch.ask()
  }, ROUND)

  return {
    client,
    socket,
    watch,
    close: () => {
      clearInterval(round)
      void socket.dispose()
    },
  }
}

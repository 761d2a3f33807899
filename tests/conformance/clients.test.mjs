// The clients that applications use, as their manuals have it: each does a query, a mutation, a subscription and an error.
// URL and KEY name a serving process in sandbox mode.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { ApolloClient, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql, split } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { getMainDefinition } from "@apollo/client/utilities";
import { Client, fetchExchange, subscriptionExchange } from "@urql/core";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const { URL: url, KEY: key } = process.env;
const authorization = `Bearer ${key}`;

const QUERY = "query Version { viewer { version sandbox } }";
const MUTATION = `mutation Send($input: SendEmailInput!) {
  sendEmail(input: $input) { email { id status } userErrors { code field message } }
}`;
const SUBSCRIPTION = "subscription Stats { queueStatsUpdated { completed ledger { total } } }";
const ERROR = 'query Wrong { emails(after: "nonsense") { nodes { id } } }';
const letter = {
  input: { to: "ann@example.com", content: { inline: { subject: "Hello", text: "Hi Ann" } } },
};

/** A graphql-transport-ws connection, as all three take one. */
function socket() {
  return createClient({
    url: `${url.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    retryAttempts: 0,
  });
}

/** The first event of a subscription that meets `wanted`; then it is left. */
function first(subscribe, wanted) {
  return new Promise((resolve, reject) => {
    let leave = () => {};
    const next = (data) => {
      if (!wanted(data)) return;
      resolve(data);
      setImmediate(() => leave());
    };
    leave = subscribe({ next, error: reject, complete: () => reject(new Error("it ended without one")) });
  });
}

/** What each client has to do, told in its own words by `ways`. */
function does(name, ways) {
  describe(name, { timeout: 30_000 }, () => {
    after(() => ways.close());

    test("asks", async () => {
      const { viewer } = await ways.ask(QUERY);
      assert.equal(viewer.sandbox, true);
    });

    test("does", async () => {
      const { sendEmail } = await ways.ask(MUTATION, letter);
      assert.deepEqual(sendEmail.userErrors, []);
      assert.match(sendEmail.email.id, /^email:/);
    });

    test("follows: what it does is told", async () => {
      let before;
      await first(
        (sink) => ways.follow(SUBSCRIPTION, sink),
        ({ queueStatsUpdated: { ledger } }) => {
          if (before === undefined) {
            before = ledger.total;
            ways.ask(MUTATION, letter).catch(assert.fail);
          }
          return ledger.total > before;
        },
      );
    });

    test("is told an error with its code", async () => {
      const error = await ways.fail(ERROR);
      assert.equal(error.extensions.code, "BAD_USER_INPUT");
      assert.deepEqual(error.path, ["emails"]);
    });
  });
}

const ws = socket();
const over = (client, query, variables) =>
  new Promise((resolve, reject) => {
    let last;
    client.subscribe({ query, variables }, { next: (value) => (last = value), error: reject, complete: () => resolve(last) });
  });
does("graphql-ws", {
  ask: async (query, variables) => (await over(ws, query, variables)).data,
  fail: async (query) => (await over(ws, query)).errors[0],
  follow: (query, { next, ...sink }) => ws.subscribe({ query }, { next: ({ data }) => next(data), ...sink }),
  close: () => ws.dispose(),
});

const urqlSocket = socket();
const urql = new Client({
  url: `${url}/graphql`,
  preferGetMethod: false,
  fetchOptions: { headers: { authorization } },
  exchanges: [
    fetchExchange,
    subscriptionExchange({
      forwardSubscription: ({ query, variables }) => ({
        subscribe: (sink) => ({ unsubscribe: urqlSocket.subscribe({ query, variables }, sink) }),
      }),
    }),
  ],
});
const urqlDoes = (query, variables) =>
  (query.startsWith("mutation") ? urql.mutation(query, variables) : urql.query(query, variables)).toPromise();
does("urql", {
  ask: async (query, variables) => {
    const { data, error } = await urqlDoes(query, variables);
    assert.equal(error, undefined);
    return data;
  },
  fail: async (query) => (await urqlDoes(query, {})).error.graphQLErrors[0],
  follow: (query, { next, error }) =>
    urql.subscription(query, {}).subscribe((result) => (result.error ? error(result.error) : next(result.data))).unsubscribe,
  close: () => urqlSocket.dispose(),
});

const apolloSocket = socket();
const apollo = new ApolloClient({
  cache: new InMemoryCache(),
  link: split(
    ({ query }) => getMainDefinition(query).operation === "subscription",
    new GraphQLWsLink(apolloSocket),
    new HttpLink({ uri: `${url}/graphql`, headers: { authorization } }),
  ),
  defaultOptions: { query: { fetchPolicy: "no-cache" } },
});
const apolloDoes = async (text, variables) => {
  const document = gql(text);
  const mutates = getMainDefinition(document).operation === "mutation";
  const { data } = await (mutates
    ? apollo.mutate({ mutation: document, variables })
    : apollo.query({ query: document, variables }));
  return data;
};
does("Apollo Client", {
  ask: apolloDoes,
  fail: async (query) => {
    const refused = await apolloDoes(query).then(() => undefined, (error) => error);
    assert.ok(CombinedGraphQLErrors.is(refused));
    return refused.errors[0];
  },
  follow: (query, { next, ...sink }) => {
    const following = apollo.subscribe({ query: gql(query), fetchPolicy: "no-cache" });
    const subscription = following.subscribe({ next: ({ data }) => next(data), ...sink });
    return () => subscription.unsubscribe();
  },
  close: () => {
    apollo.stop();
    apolloSocket.dispose();
  },
});

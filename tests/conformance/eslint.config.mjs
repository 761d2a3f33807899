// How the contract reads: graphql-eslint's recommended rules for schemas and its Relay rules, over schema.graphql.
import graphql from "@graphql-eslint/eslint-plugin";

/** Types that are part of another thing or a number about many, so that no id names one of them alone. */
const VALUES = [
  "Alert", "Attachment", "Attempt", "Breaker", "EmailContent", "EmailHeader", "Engagement", "EventEndpointSecret",
  "EventEndpointTrial", "EventReplay", "FailureGroup", "Hold", "LaneStats",
  "Ledger", "Metrics", "MetricsPoint", "Pause", "QueueStats", "Reconciliation", "RenderedContent", "Retention", "RetentionRule",
  "SuppressionFact", "SuppressionState", "SuppressionStats", "SuppressionSync", "TimelineEntry", "UserError", "Viewer",
];

export default [
  {
    files: ["**/*.graphql"],
    languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema: "schema.graphql" } } },
    plugins: { "@graphql-eslint": graphql },
    rules: {
      ...graphql.configs["flat/schema-recommended"].rules,
      ...graphql.configs["flat/schema-relay"].rules,
      // A short list that always comes whole, such as an email's attempts, is no connection.
      "@graphql-eslint/relay-edge-types": [
        "error",
        { withEdgeSuffix: true, shouldImplementNode: true, listTypeCanWrapOnlyEdgeType: false },
      ],
      "@graphql-eslint/strict-id-in-types": [
        "error",
        { exceptions: { types: [...VALUES, "PageInfo"], suffixes: ["Payload", "Connection", "Edge"] } },
      ],
    },
  },
];

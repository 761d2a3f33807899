// What clients rely on is not taken from them unawares: released.graphql is the contract of the last release, and each change
// of schema.graphql that would break a client has to be named in docs/api-changes.md. A release copies the one over the other.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CriticalityLevel, diff } from "@graphql-inspector/core";
import { buildSchema } from "graphql";

const here = (path) => readFileSync(new URL(path, import.meta.url), "utf8");

/** The paths of breaking changes (`Query.email.id`) that `notes` does not name in backticks. */
async function unnoted(before, after, notes) {
  const changes = await diff(buildSchema(before), buildSchema(after));
  const breaking = changes.filter((change) => change.criticality.level === CriticalityLevel.Breaking);
  return breaking.filter((change) => !notes.includes(`\`${change.path}\``)).map((change) => change.path);
}

test("a change that breaks clients needs a note, one that adds to the contract needs none", async () => {
  const before = "type Query { old: Int kept: Int }";
  assert.deepEqual(await unnoted(before, "type Query { kept: Int }", ""), ["Query.old"]);
  assert.deepEqual(await unnoted(before, "type Query { kept: Int }", "- `Query.old`: use kept."), []);
  assert.deepEqual(await unnoted(before, "type Query { old: Int kept: Int more: Int }", ""), []);
});

test("schema.graphql breaks nothing of the last release without a note", async () => {
  const notes = here("../../docs/api-changes.md");
  assert.deepEqual(await unnoted(here("released.graphql"), here("../../schema.graphql"), notes), []);
});

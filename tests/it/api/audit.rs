//! The audit log as an operator meets it: every mutation and every command that changes something leaves an entry, whoever asks and
//! whatever comes of it, and no entry holds what a person wrote or where they are reached.

mod entry;
mod mutations;

use jobs::Store;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tests::client::Client;
use tests::database::Backend;

use super::{SEND, Served, letter};

on_both! {
    entries_are_found_by_what_they_have
    where_no_entry_can_be_written_nothing_is_done
}

/// Stands in every text that a mutation takes.
const CANARY: &str = "canary-2f9c";
const ADDRESS: &str = "canary-2f9c@example.org";

const LOG: &str = "query($first: Int, $after: String, $filter: AuditFilter) { auditLog(first: $first, after: $after, filter: $filter) {
  nodes { id at operation outcome code actorKind actorId apiKey { name } origin via subject done reason arguments before after }
  pageInfo { hasNextPage endCursor } totalCount totalCountIsCapped } }";

/// The entries that are meant, the newest first.
async fn entries(served: &Served, filter: Value) -> Vec<Value> {
    let data = served.client.query(LOG, json!({ "filter": filter, "first": 100 })).await;
    data["auditLog"]["nodes"].as_array().unwrap().clone()
}

/// The newest entry of an operation.
async fn latest(served: &Served, operation: &str) -> Value {
    let mut found = entries(served, json!({ "operation": operation })).await;
    assert!(!found.is_empty(), "{operation} has no entry");
    found.remove(0)
}

async fn key(served: &Served, scopes: &str, name: &str) -> Client {
    let made = served.command(&["key", "create", "--scope", scopes, "--name", name]).await;
    Client::new(&served.url, made.last().unwrap())
}

async fn entries_are_found_by_what_they_have(backend: Backend) {
    let served = Served::on(backend).await;
    let shop = key(&served, "send,manage", "shop").await;
    served.client.query("mutation { resume { ended } }", json!({})).await;
    let id = shop.send_email(letter(json!({ "sendAt": "2027-06-01T09:00:00Z" }))).await;
    let middle = served.client.query("{ auditLog(first: 1) { nodes { at } } }", json!({})).await["auditLog"]["nodes"]
        [0]["at"]
        .clone();
    shop.query("mutation { resume { ended } }", json!({})).await;
    shop.query("mutation($id: ID!) { cancelEmail(id: $id) { email { id } } }", json!({ "id": id })).await;
    shop.try_query("mutation { createApiKey(input: { name: \"x\", scopes: [READ] }) { secret } }", json!({}))
        .await
        .unwrap();
    let all = entries(&served, json!({})).await;
    let names = |found: &[Value]| -> Vec<String> {
        found.iter().map(|entry| entry["operation"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&all), ["createApiKey", "cancelEmail", "resume", "sendEmail", "resume", "key create"]);
    let actor = &all[0]["actorId"];
    let cases = [
        (json!({ "actorId": actor }), vec!["createApiKey", "cancelEmail", "resume", "sendEmail"]),
        (json!({ "actorId": actor, "sends": false }), vec!["createApiKey", "cancelEmail", "resume"]),
        (json!({ "actorId": "admin" }), vec!["resume"]),
        (json!({ "operation": "resume", "actorId": actor }), vec!["resume"]),
        (json!({ "outcomes": ["REFUSED"] }), vec!["createApiKey"]),
        (json!({ "outcomes": ["DONE"], "actorId": actor }), vec!["cancelEmail", "resume", "sendEmail"]),
        (json!({ "outcomes": ["PARTLY", "FAILED"] }), vec![]),
        (json!({ "subject": id }), vec!["cancelEmail", "sendEmail"]),
        (json!({ "origin": "127.0.0.1", "sends": false }), vec!["createApiKey", "cancelEmail", "resume", "resume"]),
        (json!({ "origin": "::ffff:127.0.0.1", "sends": true }), vec!["sendEmail"]),
        (json!({ "origin": "192.0.2.1" }), vec![]),
        (json!({ "sends": false }), vec!["createApiKey", "cancelEmail", "resume", "resume", "key create"]),
        (json!({ "until": middle }), vec!["resume", "key create"]),
        (json!({ "from": middle, "operation": "resume" }), vec!["resume"]),
        (json!({ "recipient": "nobody@example.org" }), vec![]),
    ];
    for (filter, expected) in cases {
        assert_eq!(names(&entries(&served, filter.clone()).await), expected, "{filter}");
    }
    // Page by page it is the same, and the number is told.
    let (mut walked, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = served.client.query(LOG, json!({ "first": 4, "after": after })).await["auditLog"].take();
        assert_eq!((&page["totalCount"], &page["totalCountIsCapped"]), (&json!(6), &json!(false)));
        walked.extend(page["nodes"].as_array().unwrap().clone());
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(walked, all);
    for (filter, words) in [
        (json!({ "actorId": "ann" }), "actorId is neither an API key's id nor admin nor token: and a UUID"),
        (json!({ "origin": "here" }), "origin is no IP address"),
    ] {
        let answer = served.client.try_query(LOG, json!({ "filter": filter })).await.unwrap();
        assert_eq!(answer["errors"][0]["message"], words);
    }
    let node = "query($id: ID!) { node(id: $id) { id ... on AuditEntry { operation } } nodes(ids: [$id]) { id } }";
    let one = served.client.query(node, json!({ "id": all[0]["id"] })).await;
    assert_eq!((&one["node"]["operation"], &one["nodes"][0]["id"]), (&json!("createApiKey"), &all[0]["id"]));
    let refused = shop.try_query(node, json!({ "id": all[0]["id"] })).await.unwrap();
    assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN");
    let refused = shop.try_query(LOG, json!({})).await.unwrap();
    assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN", "the log is for administrators");
}

async fn where_no_entry_can_be_written_nothing_is_done(backend: Backend) {
    let served = Served::on(backend).await;
    let store = Store::connect(&served.database.url).await.unwrap();
    store.write().execute_unprepared("ALTER TABLE audit_log RENAME TO audit_log_gone").await.unwrap();
    let paused = served.client.try_query("mutation { pause { pause { reason } } }", json!({})).await.unwrap();
    assert_eq!(paused["errors"][0]["extensions"]["code"], "INTERNAL_SERVER_ERROR");
    let input = json!({ "input": letter(json!({ "sendAt": "2027-06-01T09:00:00Z" })) });
    let sent = served.client.try_query(SEND, input.clone()).await.unwrap();
    assert_eq!(sent["errors"][0]["extensions"]["code"], "INTERNAL_SERVER_ERROR");
    let stats = served.client.queue_stats().await;
    assert_eq!((&stats["paused"], &stats["ledger"]["total"]), (&json!(false), &json!(0)));
    store.write().execute_unprepared("ALTER TABLE audit_log_gone RENAME TO audit_log").await.unwrap();
    served.mutate(SEND, input).await;
    assert_eq!(latest(&served, "sendEmail").await["done"], 1);
}

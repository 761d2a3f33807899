//! The audit log as an operator meets it: every mutation and every command that changes something leaves an entry, whoever asks and
//! whatever comes of it, and no entry holds what a person wrote or where they are reached.

use entity::audit_entry;
use jobs::Store;
use reqwest::Method;
use sea_orm::{ConnectionTrait, EntityTrait};
use serde_json::{Value, json};
use tests::client::{Client, http};
use tests::database::Backend;
use tests::patience::{SOON, until};

use super::ws::Socket;
use super::{KEY, SEND, SEND_MANY, Served, letter, mailmind};

on_both! {
    every_mutation_leaves_an_entry_with_its_key_and_where_it_came_from
    what_changes_is_told_before_and_after
    a_send_is_one_entry_however_many_emails_it_has
    a_masked_address_is_shown_for_a_reason_that_stays
    a_command_leaves_an_entry_too
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

/// Every mutation, with a canary in all that a person writes.
fn mutations() -> Vec<(&'static str, Value)> {
    let email = "email:01980000-0000-7000-8000-000000000007";
    let campaign = "campaign:01980000-0000-7000-8000-000000000007";
    let content = json!({ "subject": CANARY, "html": CANARY, "text": CANARY });
    let send = json!({ "from": "Ann <ann@example.com>", "to": format!("{CANARY} <{ADDRESS}>"), "cc": [ADDRESS], "bcc": [ADDRESS],
        "replyTo": ADDRESS, "headers": { "X-Canary": CANARY }, "content": { "inline": content }, "tags": [CANARY],
        "metadata": { CANARY: CANARY }, "idempotencyKey": CANARY, "sendAt": "2027-06-01T09:00:00Z" });
    let bare = json!({ "from": "Ann <ann@example.com>", "headers": { "X-Canary": CANARY }, "replyTo": ADDRESS,
        "metadata": { CANARY: CANARY }, "tags": [CANARY], "content": { "inline": content }, "name": "spring" });
    vec![
        ("mutation($a: SendEmailInput!) { sendEmail(input: $a) { email { id } } }", json!({ "a": send })),
        (
            "mutation($a: [SendEmailInput!]!) { sendEmails(inputs: $a) { emails { id } } }",
            json!({ "a": [send, { "to": CANARY, "content": { "inline": content } }] }),
        ),
        ("mutation($a: ID!) { cancelEmail(id: $a) { email { id } } }", json!({ "a": email })),
        ("mutation($a: ID!) { retryEmail(id: $a) { email { id } } }", json!({ "a": CANARY })),
        (
            "mutation($a: ID!) { rescheduleEmail(id: $a, sendAt: \"2027-06-01T09:00:00Z\") { email { id } } }",
            json!({ "a": email }),
        ),
        ("mutation($a: ID!) { resolveEmail(id: $a, sent: true) { email { id } } }", json!({ "a": ADDRESS })),
        (
            "mutation($a: EmailFilter!) { cancelEmails(filter: $a) { cancelled } }",
            json!({ "a": { "address": ADDRESS } }),
        ),
        (
            "mutation($a: EmailFilter) { retryFailedEmails(filter: $a) { retried } }",
            json!({ "a": { "address": ADDRESS, "cause": CANARY } }),
        ),
        (
            "mutation($a: String, $b: Scope) { pause(reason: $a, scope: $b) { pause { reason } } }",
            json!({ "a": CANARY, "b": { "domain": CANARY } }),
        ),
        ("mutation { resume { ended } }", json!({})),
        ("mutation { cleanQueue { removed } }", json!({})),
        (
            "mutation($a: ApiKeyInput!) { createApiKey(input: $a) { secret } }",
            json!({ "a": { "name": "the shop", "scopes": ["READ"] } }),
        ),
        ("mutation($a: ID!) { revokeApiKey(id: $a) { apiKey { id } } }", json!({ "a": CANARY })),
        (
            "mutation($a: SuppressInput!) { suppress(input: $a) { suppression { id } } }",
            json!({ "a": { "target": ADDRESS, "note": CANARY } }),
        ),
        (
            "mutation($a: [SuppressInput!]!) { suppressMany(inputs: $a) { entered } }",
            json!({ "a": [{ "target": ADDRESS, "note": CANARY }] }),
        ),
        ("mutation($a: String!) { unsuppress(target: $a) { lifted { id } } }", json!({ "a": ADDRESS })),
        ("mutation { cleanSuppressions { archived } }", json!({})),
        (
            "mutation($a: SuppressionFilter) { exportSuppressions(filter: $a) { after } }",
            json!({ "a": { "reason": "MANUAL" } }),
        ),
        ("mutation($a: String) { syncSuppressions(domain: $a) { syncs { domain } } }", json!({ "a": CANARY })),
        ("mutation($a: CampaignInput!) { createCampaign(input: $a) { campaign { id } } }", json!({ "a": bare })),
        (
            "mutation($a: ID!, $b: [RecipientInput!]!) { addRecipients(campaignId: $a, recipients: $b) { added } }",
            json!({ "a": campaign, "b": [{ "address": ADDRESS, "name": CANARY, "variables": { CANARY: CANARY } }] }),
        ),
        ("mutation($a: ID!) { launchCampaign(id: $a) { campaign { id } } }", json!({ "a": campaign })),
        ("mutation($a: ID!) { cancelCampaign(id: $a) { campaign { id } } }", json!({ "a": campaign })),
        (
            "mutation($a: TemplateInput!) { createTemplate(input: $a) { template { id } } }",
            json!({ "a": { "name": "welcome", "content": content } }),
        ),
        (
            "mutation($a: ID!, $b: TemplateInput!) { updateTemplate(id: $a, input: $b) { template { id } } }",
            json!({ "a": CANARY, "b": { "name": "welcome", "content": content } }),
        ),
        (
            "mutation($a: EventEndpointInput!) { createEventEndpoint(input: $a) { secret } }",
            json!({ "a": { "url": format!("https://localhost/{CANARY}?to={ADDRESS}"), "description": CANARY, "tags": [CANARY] } }),
        ),
        (
            "mutation($a: ID!, $b: EventEndpointInput!) { updateEventEndpoint(id: $a, input: $b) { eventEndpoint { id } } }",
            json!({ "a": CANARY, "b": { "url": format!("https://localhost/{CANARY}") } }),
        ),
        ("mutation($a: ID!) { disableEventEndpoint(id: $a) { eventEndpoint { id } } }", json!({ "a": CANARY })),
        ("mutation($a: ID!) { enableEventEndpoint(id: $a) { eventEndpoint { id } } }", json!({ "a": CANARY })),
        ("mutation($a: ID!) { rotateEventEndpointSecret(id: $a) { secret } }", json!({ "a": CANARY })),
        ("mutation($a: ID!) { deleteEventEndpoint(id: $a) { deletedId } }", json!({ "a": CANARY })),
        ("mutation($a: ID!) { testEventEndpoint(id: $a) { trial { taken } } }", json!({ "a": CANARY })),
        ("mutation($a: ID!) { redriveEventDispatches(endpointId: $a) { redriven } }", json!({ "a": CANARY })),
        (
            "mutation($a: ID!, $b: DateTimeRange!) { replayEvents(endpointId: $a, recordedAt: $b) { replay { told } } }",
            json!({ "a": CANARY, "b": { "since": "2026-01-01T00:00:00Z" } }),
        ),
        ("mutation($a: EmailAddress!) { exportRecipient(address: $a) { after } }", json!({ "a": ADDRESS })),
        ("mutation($a: EmailAddress!) { eraseRecipient(address: $a) { emails } }", json!({ "a": ADDRESS })),
        (
            "mutation($a: ID!, $b: String!) { revealAddress(id: $a, reason: $b) { address } }",
            json!({ "a": CANARY, "b": format!("asked by {ADDRESS}") }),
        ),
    ]
}

/// The root field of a mutation of the list.
fn name(document: &str) -> &str {
    let field = document.split_once('{').unwrap().1.trim_start();
    &field[..field.find(|c: char| !c.is_alphanumeric()).unwrap()]
}

async fn every_mutation_leaves_an_entry_with_its_key_and_where_it_came_from(backend: Backend) {
    let served = Served::on(backend).await;
    let asked = "{ __schema { mutationType { fields { name } } } }";
    let schema = served.client.query(asked, json!({})).await;
    let fields = schema["__schema"]["mutationType"]["fields"].as_array().unwrap();
    let mut known: Vec<&str> = fields.iter().map(|field| field["name"].as_str().unwrap()).collect();
    let mutations = mutations();
    let mut tried: Vec<&str> = mutations.iter().map(|(document, _)| name(document)).collect();
    known.sort_unstable();
    tried.sort_unstable();
    assert_eq!(tried, known, "each mutation is tried");

    let (admin, reader) = (key(&served, "admin", "auditor").await, key(&served, "read", "reader").await);
    for (document, variables) in &mutations {
        let name = name(document);
        for (client, who) in [(&admin, "auditor"), (&reader, "reader")] {
            client.try_query(document, variables.clone()).await.unwrap();
            let entry = latest(&served, name).await;
            assert_eq!((&entry["apiKey"]["name"], &entry["actorKind"]), (&json!(who), &json!("API_KEY")), "{entry}");
            assert_eq!((&entry["origin"], &entry["via"]), (&json!("127.0.0.1"), &json!("POST /graphql")), "{entry}");
            let refused = (&entry["outcome"], &entry["code"]) == (&json!("REFUSED"), &json!("FORBIDDEN"));
            assert_eq!(refused, who == "reader" && name != "exportSuppressions", "{entry}");
            assert!(!matches!(entry["outcome"].as_str(), Some("UNKNOWN" | "FAILED")), "{entry}");
            if let Some(fields) = variables.as_object().filter(|fields| !fields.is_empty()) {
                assert_eq!(
                    entry["arguments"].as_object().map_or(0, |told| told.len().min(1)),
                    1,
                    "{fields:?}: {entry}"
                );
            }
        }
    }
    let store = Store::connect(&served.database.url).await.unwrap();
    let all = audit_entry::Entity::find().all(store.read()).await.unwrap();
    assert!(all.len() >= 2 * mutations.len());
    let said = format!("{all:?}");
    // But in a reason, where people write what they like, and of which addresses alone are masked.
    assert!(said.contains("asked by c***@example.org"), "{said}");
    assert!(!said.contains(CANARY), "{said}");
}

async fn what_changes_is_told_before_and_after(backend: Backend) {
    let served = Served::with(backend, |launch| launch.env("MAILGUN_DOMAIN", "example.com")).await;
    let client = &served.client;
    let pause = "mutation($reason: String) { pause(scope: { priority: LOW }, reason: $reason) { pause { reason } } }";
    client.query(pause, json!({ "reason": "for bob@example.org" })).await;
    client.query(pause, json!({ "reason": "more" })).await;
    let entry = latest(&served, "pause").await;
    assert_eq!((&entry["subject"], &entry["outcome"]), (&json!("priority:LOW"), &json!("DONE")));
    assert_eq!(entry["before"][0]["reason"], "for b***@example.org");
    assert_eq!(entry["after"][0]["reason"], "more");
    client.query("mutation { resume { ended } }", json!({})).await;
    let entry = latest(&served, "resume").await;
    assert_eq!(
        (&entry["before"][0]["subject"], &entry["after"], &entry["done"]),
        (&json!("LOW"), &json!([]), &json!(1))
    );

    let id = client.send_email(letter(json!({ "sendAt": "2027-06-01T09:00:00Z" }))).await;
    let cancel = "mutation($id: ID!) { cancelEmail(id: $id) { email { id } } }";
    client.query(cancel, json!({ "id": id })).await;
    let entry = latest(&served, "cancelEmail").await;
    assert_eq!(entry["subject"], *id);
    assert_eq!((&entry["before"]["status"], &entry["after"]["status"]), (&json!("SCHEDULED"), &json!("CANCELLED")));
    client.query("mutation($id: ID!) { retryEmail(id: $id) { email { id } } }", json!({ "id": id })).await;
    let entry = latest(&served, "retryEmail").await;
    assert_eq!((&entry["outcome"], &entry["code"]), (&json!("REFUSED"), &json!("NOT_RETRYABLE")), "{entry}");
    assert_eq!((&entry["after"], &entry["done"]), (&Value::Null, &json!(0)));

    let suppress =
        "mutation { suppress(input: { target: \"bob@example.org\", note: \"he asked\" }) { suppression { id } } }";
    let entered = client.query(suppress, json!({})).await["suppress"]["suppression"]["id"].clone();
    let entry = latest(&served, "suppress").await;
    assert_eq!((&entry["subject"], &entry["before"]["blockedBy"]), (&entered, &json!([])));
    assert_eq!(entry["after"]["blockedBy"][0]["reason"], "MANUAL");
    // Over a path, whose parameter is the address.
    let lift = format!("{}/api/email-reliability/suppression/bob@example.org", served.url);
    http().delete(lift).bearer_auth(KEY).send().await.unwrap().error_for_status().unwrap();
    let entry = latest(&served, "unsuppress").await;
    assert_eq!(entry["via"], "DELETE /api/email-reliability/suppression/{email}");
    assert_eq!((&entry["subject"], &entry["after"]["blockedBy"]), (&entered, &json!([])));
    assert_eq!(entry["before"]["blockedBy"][0]["reason"], "MANUAL");
    let about = entries(&served, json!({ "recipient": "Bob@Example.org" })).await;
    let about: Vec<&Value> = about.iter().map(|entry| &entry["operation"]).collect();
    assert_eq!(about, ["unsuppress", "suppress"], "found by the address that none of them holds");

    let export = "mutation($after: String) { exportSuppressions(after: $after) { suppressions { target } after userErrors { message } } }";
    let exported = client.query(export, json!({})).await["exportSuppressions"].take();
    assert_eq!((&exported["suppressions"][0]["target"], &exported["after"]), (&json!("bob@example.org"), &Value::Null));
    assert_eq!(latest(&served, "exportSuppressions").await["done"], 1);

    let template = "mutation($name: String!) { createTemplate(input: { name: $name, content: { subject: \"s\", text: \"t\" } }) { template { id } } }";
    let id = client.query(template, json!({ "name": "welcome" })).await["createTemplate"]["template"]["id"].clone();
    let update = "mutation($id: ID!) { updateTemplate(id: $id, input: { name: \"goodbye\", content: { subject: \"s\", text: \"t\" } }) { template { id } } }";
    client.query(update, json!({ "id": id })).await;
    let entry = latest(&served, "updateTemplate").await;
    assert_eq!(
        (&entry["subject"], &entry["before"]["name"], &entry["after"]["name"]),
        (&id, &json!("welcome"), &json!("goodbye"))
    );

    let made = client
        .query(
            "mutation { createApiKey(input: { name: \"shop\", scopes: [SEND] }) { apiKey { id } secret } }",
            json!({}),
        )
        .await;
    let (id, secret) = (&made["createApiKey"]["apiKey"]["id"], made["createApiKey"]["secret"].as_str().unwrap());
    let entry = latest(&served, "createApiKey").await;
    assert_eq!((&entry["subject"], &entry["after"]["scopes"]), (id, &json!(["SEND"])));
    client.query("mutation($id: ID!) { revokeApiKey(id: $id) { apiKey { id } } }", json!({ "id": id })).await;
    let entry = latest(&served, "revokeApiKey").await;
    assert!(entry["before"]["revokedAt"].is_null() && entry["after"]["revokedAt"].is_string(), "{entry}");
    let all = json!(entries(&served, json!({})).await).to_string();
    assert!(!all.contains(secret.rsplit_once('_').unwrap().1) && !all.contains("bob@"), "{all}");
}

async fn a_send_is_one_entry_however_many_emails_it_has(backend: Backend) {
    let served = Served::on(backend).await;
    served.client.query("mutation { pause { pause { reason } } }", json!({})).await;
    let once = json!({ "input": letter(json!({ "idempotencyKey": "once", "priority": "HIGH" })) });
    let sent = served.mutate(SEND, once.clone()).await;
    let entry = latest(&served, "sendEmail").await;
    assert_eq!(
        (&entry["subject"], &entry["done"], &entry["outcome"]),
        (&sent["email"]["id"], &json!(1), &json!("DONE"))
    );
    assert_eq!(entry["arguments"]["input"]["priority"], "HIGH");
    assert_eq!((&entry["actorKind"], &entry["actorId"]), (&json!("ADMIN_KEY"), &json!("admin")));
    served.mutate(SEND, once).await;
    let again = latest(&served, "sendEmail").await;
    assert!(again["id"] != entry["id"] && again["done"] == 0 && again["outcome"] == "DONE", "{again}");
    assert_eq!(again["subject"], sent["email"]["id"], "the email that it repeats");
    let other = json!({ "input": letter(json!({ "idempotencyKey": "once", "to": "carol@example.org" })) });
    served.mutate(SEND, other).await;
    let entry = latest(&served, "sendEmail").await;
    assert_eq!((&entry["outcome"], &entry["code"], &entry["done"]), (&json!("REFUSED"), &json!("CONFLICT"), &json!(0)));

    let many: Vec<Value> = (0..700).map(|i| letter(json!({ "to": format!("reader{i}@example.org") }))).collect();
    served.mutate(SEND_MANY, json!({ "inputs": many })).await;
    let entry = latest(&served, "sendEmails").await;
    assert_eq!((&entry["done"], &entry["outcome"], &entry["subject"]), (&json!(700), &json!("DONE"), &Value::Null));
    assert_eq!(entry["arguments"], json!({ "inputs": 700 }));
    served.mutate(SEND_MANY, json!({ "inputs": [letter(json!({})), letter(json!({ "to": "nobody" }))] })).await;
    let entry = latest(&served, "sendEmails").await;
    assert_eq!((&entry["done"], &entry["outcome"], &entry["code"]), (&json!(1), &json!("PARTLY"), &json!("INVALID")));
    served.mutate(SEND_MANY, json!({ "inputs": [letter(json!({ "to": "nobody" }))] })).await;
    let entry = latest(&served, "sendEmails").await;
    assert_eq!((&entry["done"], &entry["outcome"]), (&json!(0), &json!("REFUSED")));
    let sends = entries(&served, json!({ "sends": true })).await;
    assert_eq!(sends.len(), 6);

    // Over a path and a socket.
    let path = format!("{}/api/email-reliability/queue/send", served.url);
    let posted = http().request(Method::POST, path).bearer_auth(KEY).json(&letter(json!({}))).send().await.unwrap();
    assert_eq!(posted.status(), 202);
    assert_eq!(latest(&served, "sendEmail").await["via"], "POST /api/email-reliability/queue/send");
    let mut socket = Socket::begun(&served, KEY).await;
    socket.ask("1", "mutation { resume { ended } }").await;
    until("the entry of a socket", SOON, async || {
        let found = entries(&served, json!({ "operation": "resume" })).await;
        (found.first()?["via"] == "WebSocket /graphql").then_some(())
    })
    .await;
}

const REVEAL: &str = "mutation($id: ID!, $reason: String!) { revealAddress(id: $id, reason: $reason) {
  address copies userErrors { code field message } } }";

async fn a_masked_address_is_shown_for_a_reason_that_stays(backend: Backend) {
    let served = Served::on(backend).await;
    let id = served
        .client
        .send_email(letter(
            json!({ "to": "Bob <bob@example.org>", "cc": ["carol@example.org"], "sendAt": "2027-06-01T09:00:00Z" }),
        ))
        .await;
    let (reader, support) = (key(&served, "read", "board").await, key(&served, "read,reveal", "support").await);
    for client in [&reader, &support] {
        let shown = client.query("query($id: ID!) { email(id: $id) { to } }", json!({ "id": id })).await;
        assert_eq!(shown["email"]["to"], "b***@example.org");
    }
    let asked = json!({ "id": id, "reason": "ticket 4711 of bob@example.org" });
    let refused = reader.try_query(REVEAL, asked.clone()).await.unwrap();
    assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN");
    let shown = support.query(REVEAL, asked).await["revealAddress"].take();
    assert_eq!((&shown["address"], &shown["copies"]), (&json!("bob@example.org"), &json!(["carol@example.org"])));
    let entry = latest(&served, "revealAddress").await;
    assert_eq!(
        (&entry["apiKey"]["name"], &entry["subject"], &entry["done"]),
        (&json!("support"), &json!(id), &json!(2))
    );
    assert_eq!(entry["reason"], "ticket 4711 of b***@example.org");
    assert_eq!(entries(&served, json!({ "recipient": "bob@example.org" })).await, [entry]);

    let entered = "mutation { suppress(input: { target: \"Dave@example.org\" }) { suppression { id } } }";
    let entered = served.client.query(entered, json!({})).await["suppress"]["suppression"]["id"].clone();
    let shown = support.query(REVEAL, json!({ "id": entered, "reason": "a call" })).await["revealAddress"].take();
    assert_eq!((&shown["address"], &shown["copies"]), (&json!("dave@example.org"), &json!([])));
    for (variables, expected) in [
        (json!({ "id": "email:01980000-0000-7000-8000-000000000007", "reason": "a call" }), "NOT_FOUND id"),
        (json!({ "id": "nonsense", "reason": "a call" }), "NOT_FOUND id"),
        (json!({ "id": id, "reason": " " }), "INVALID reason"),
    ] {
        let payload = support.query(REVEAL, variables).await["revealAddress"].take();
        assert_eq!((super::mistakes(&payload), &payload["address"]), (vec![expected.to_owned()], &Value::Null));
    }
}

async fn a_command_leaves_an_entry_too(backend: Backend) {
    let served = Served::on(backend).await;
    let file = served.data.path().join("list.csv");
    std::fs::write(&file, format!("address,note\n{ADDRESS},{CANARY}\nnot an address,\n")).unwrap();
    let people = served.data.path().join("people.csv");
    std::fs::write(&people, format!("address,name\n{ADDRESS},{CANARY}\n")).unwrap();
    let template = "mutation { createTemplate(input: { name: \"news\", content: { subject: \"s\", text: \"t\" } }) { template { id } } }";
    served.client.query(template, json!({})).await;
    let made = served.command(&["key", "create", "--name", "the shop"]).await;
    let prefix = made.last().unwrap().rsplit_once('_').unwrap().0.to_owned();
    served.command(&["key", "revoke", &prefix]).await;
    served.command(&["suppressions", "import", "--reason", "manual", file.to_str().unwrap()]).await;
    served.command(&["suppressions", "export"]).await;
    served.command(&["campaign", "import", "--template", "news", "--name", "spring", people.to_str().unwrap()]).await;
    served.command(&["keyring", "rotate"]).await;
    served.command(&["replay"]).await;
    served.command(&["restored"]).await;
    let failed = mailmind(
        &["campaign", "import", "--template", "nothing", "--name", "x", people.to_str().unwrap()],
        &served.data,
        &served.database,
    );
    assert!(!failed.start().ended(SOON).await.success());
    let found = entries(&served, json!({})).await;
    let of_command = found.iter().filter(|entry| entry["actorKind"] == "COMMAND_LINE").rev();
    let told: Vec<Value> = of_command.map(|e| json!([e["operation"], e["outcome"], e["done"], e["via"]])).collect();
    let line = |name: &str, done: i64| json!([name, "DONE", done, "command line"]);
    let expected = [
        line("key create", 1),
        line("key revoke", 1),
        line("suppressions import", 1),
        line("suppressions export", 1),
        line("campaign import", 1),
        line("keyring rotate", 0),
        line("replay", 0),
        line("restored", 1),
        json!(["campaign import", "FAILED", 0, "command line"]),
    ];
    assert_eq!(told, expected);
    let revoked = latest(&served, "key revoke").await;
    assert!(revoked["before"]["revokedAt"].is_null() && revoked["after"]["revokedAt"].is_string(), "{revoked}");
    assert_eq!(
        (&revoked["after"]["name"], &revoked["origin"], &revoked["actorId"]),
        (&json!("the shop"), &Value::Null, &Value::Null)
    );
    assert_eq!(latest(&served, "suppressions import").await["after"], json!({ "entered": 1, "skipped": 1 }));
    let all = json!(found).to_string();
    assert!(!all.contains(CANARY) && !all.contains(made.last().unwrap().rsplit_once('_').unwrap().1), "{all}");
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

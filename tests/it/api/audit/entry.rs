//! What an entry says: how things stood before and after, how much was done, and why an address was shown.

use reqwest::Method;
use serde_json::{Value, json};
use tests::client::http;
use tests::database::Backend;
use tests::patience::{SOON, until};

use super::{ADDRESS, CANARY, entries, key, latest};
use crate::api::ws::Socket;
use crate::api::{KEY, SEND, SEND_MANY, Served, letter, mailmind, mistakes};

on_both! {
    what_changes_is_told_before_and_after
    a_send_is_one_entry_however_many_emails_it_has
    a_masked_address_is_shown_for_a_reason_that_stays
    a_command_leaves_an_entry_too
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
        assert_eq!((mistakes(&payload), &payload["address"]), (vec![expected.to_owned()], &Value::Null));
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

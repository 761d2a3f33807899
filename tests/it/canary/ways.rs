//! Every way through the program, each with canaries in all that it takes: as it should be, and as it should not.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::Clock;
use futures::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::json;
use tests::client::http;
use tests::patience::{SOON, until, until_true};
use tests::webhook::Told;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use uuid::Uuid;

use super::emails::{ask, letter, send};
use super::{DOMAIN, KEY, Served, World};
use crate::dispatch::listener::{Listener, Say};

/// Endpoints as they should be, one of which takes nothing, and endpoints as they should not. Answers who is told.
pub async fn endpoints(served: &Served) -> Listener {
    const CREATE: &str = "mutation($input: EventEndpointInput!) {
      createEventEndpoint(input: $input) { eventEndpoint { id } userErrors { code message } } }";
    const TRY: &str = "mutation($id: ID!) { testEventEndpoint(id: $id) { trial { taken error } } }";
    let told = Listener::start().await;
    told.say(|_, _| Say::Status(500));
    for url in [
        format!("{}/kanarie-path?token=kanarie", told.url()),
        "https://localhost:1/kanarie".to_owned(),
        "https://nobody.invalid/kanarie".to_owned(),
    ] {
        let input = json!({ "url": url, "description": "kanarie-shop" });
        let made = ask(served, CREATE, json!({ "input": input })).await;
        let id = made["data"]["createEventEndpoint"]["eventEndpoint"]["id"].clone();
        assert!(id.is_string(), "{made}");
        ask(served, TRY, json!({ "id": id })).await;
    }
    for wrong in ["kanarie", "https://kanarie:kanarie@example.com/", "https://10.0.0.1/kanarie"] {
        ask(served, CREATE, json!({ "input": { "url": wrong, "tags": ["kanarie".repeat(100)] } })).await;
    }
    told
}

/// Documents that are none, and more than may be asked.
pub async fn documents(served: &Served) {
    let deep = format!("{{ {} kanarie {} }}", "node { ".repeat(200), "} ".repeat(200));
    let many: String = (0..2_000).map(|i| format!("kanarie{i}: viewer {{ __typename }} ")).collect();
    for document in [
        "kanarie",
        "{ kanarie }",
        "query Kanarie { viewer { kanarie } }",
        "{ email(id: \"kanarie\") { id } }",
        "{ email(id: \"email:kanarie\") { id } }",
        "{ emails(after: \"kanarie\") { nodes { id } } }",
        "{ emails(filter: { to: \"kanarie@@\" }) { nodes { id } } }",
        "{ deliveryEvents(filter: { kanarie: 1 }) { nodes { id } } }",
        "mutation { suppress(input: { target: \"kanarie\", reason: KANARIE }) { userErrors { code } } }",
        &deep,
        &format!("{{ {many} }}"),
    ] {
        let answer = ask(served, document, json!({ "kanarie": "kanarie" })).await;
        assert!(answer.is_object(), "{document:.60} is answered");
    }
    let post = |body: String| http().post(format!("{}/graphql", served.url)).bearer_auth(KEY).body(body);
    for body in [
        "kanarie".to_owned(),
        "{\"query\":\"kanarie".to_owned(),
        format!("{{\"query\":\"{}\"}}", "kanarie".repeat(300_000)),
    ] {
        let _ = post(body.clone()).send().await;
        let _ = post(body).header("content-type", "application/json").send().await;
    }
    let mut request = format!("{}/graphql", served.url.replacen("http", "ws", 1)).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    for first in [
        json!({ "type": "connection_init", "payload": { "authorization": "Bearer kanarie-key" } }),
        json!({ "type": "kanarie" }),
        json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {KEY}") } }),
    ] {
        let (mut socket, _) = connect_async(request.clone()).await.unwrap();
        let subscribe = json!({ "id": "kanarie", "type": "subscribe", "payload": {
            "query": "subscription($after: String) { deliveryEventAdded(after: $after) { node { recipient } } }",
            "variables": { "after": "kanarie" },
        } });
        for message in [first, subscribe] {
            let _ = socket.send(Message::text(message.to_string())).await;
        }
        while let Ok(Some(Ok(_))) = tokio::time::timeout(Duration::from_millis(300), socket.next()).await {}
    }
}

/// REST, with and without a key, and paths that are none.
pub async fn paths(served: &Served) {
    const REST: &str = "/api/email-reliability";
    let wrong = json!({ "to": "kanarie@@", "kanarie": "kanarie" });
    let cases = [
        (Method::POST, format!("{REST}/queue/send"), letter("kanarie-rest@example.org", json!({}))),
        (Method::POST, format!("{REST}/queue/send"), wrong.clone()),
        (Method::GET, format!("{REST}/queue/job/kanarie"), json!({})),
        (Method::DELETE, format!("{REST}/queue/job/kanarie"), json!({})),
        (Method::POST, format!("{REST}/queue/retry-failed?kanarie=kanarie"), wrong.clone()),
        (Method::GET, format!("{REST}/delivery-events/email/kanarie-to@example.org"), json!({})),
        (Method::GET, format!("{REST}/delivery-events/campaign/kanarie"), json!({})),
        (
            Method::POST,
            format!("{REST}/suppression/add"),
            json!({ "target": "kanarie-rest@example.org", "note": "kanarie" }),
        ),
        (Method::POST, format!("{REST}/suppression/add"), wrong),
        (Method::GET, format!("{REST}/suppression/kanarie-rest@example.org"), json!({})),
        (Method::DELETE, format!("{REST}/suppression/kanarie-rest@example.org"), json!({})),
        (Method::GET, format!("{REST}/kanarie"), json!({})),
        (Method::GET, "/kanarie?token=kanarie".to_owned(), json!({})),
        (Method::GET, "/u/kanarie".to_owned(), json!({})),
        (Method::POST, "/u/kanarie?kanarie=kanarie".to_owned(), json!({})),
    ];
    for (method, path, body) in cases {
        for key in [KEY, "kanarie-no-key", "mm_live_kanarie"] {
            let asked = http().request(method.clone(), format!("{}{path}", served.url)).bearer_auth(key).json(&body);
            let asked = asked.header("cookie", "session=kanarie").header("user-agent", "kanarie-agent");
            asked
                .header("x-forwarded-for", "kanarie")
                .header("origin", "https://kanarie.example")
                .send()
                .await
                .unwrap();
        }
    }
}

/// Entries that are made, refused, lifted and asked for.
pub async fn suppressions(served: &Served) {
    const SUPPRESS: &str = "mutation($input: SuppressInput!) { suppress(input: $input) { userErrors { message } } }";
    for input in [
        json!({ "target": "kanarie-listed@example.org", "note": "kanarie-note" }),
        json!({ "target": "kanarie.example.net", "note": "kanarie-note" }),
        json!({ "target": "kanarie-listed@@example.org" }),
        json!({ "target": "kanarie-listed@example.org", "note": "kanarie".repeat(1_000) }),
    ] {
        ask(served, SUPPRESS, json!({ "input": input })).await;
    }
    send(served, letter("kanarie-listed@example.org", json!({}))).await;
    const MANY: &str =
        "mutation($inputs: [SuppressInput!]!) { suppressMany(inputs: $inputs) { userErrors { message } } }";
    let inputs = json!([{ "target": "kanarie-many@example.org" }, { "target": "kanarie@@" }]);
    ask(served, MANY, json!({ "inputs": inputs })).await;
    ask(served, "{ suppression(address: \"kanarie-listed@example.org\") { blocked by { note } } }", json!({})).await;
    ask(served, "mutation { unsuppress(target: \"kanarie-many@example.org\") { providerLift } }", json!({})).await;
    ask(served, "mutation { syncSuppressions(domain: \"kanarie.example\") { userErrors { message } } }", json!({}))
        .await;
}

/// Campaigns that are filled, launched and cancelled, with recipients for whom their template says nothing.
pub async fn campaigns(served: &Served) {
    const CREATE: &str =
        "mutation($input: CampaignInput!) { createCampaign(input: $input) { campaign { id } userErrors { message } } }";
    const ADD: &str = "mutation($id: ID!, $recipients: [RecipientInput!]!) {
      addRecipients(campaignId: $id, recipients: $recipients) { added userErrors { message } } }";
    let content = |text: &str| json!({ "inline": { "subject": "kanarie {{ name }}", "text": text } });
    for batch in [false, true] {
        let input = json!({
            "name": "kanarie campaign",
            "from": format!("kanarie-from@{DOMAIN}"),
            "content": content("kanarie {{ kanarie.deep.down }}"),
            "metadata": { "kanarie": "kanarie" },
            "batch": batch,
        });
        let made = ask(served, CREATE, json!({ "input": input })).await;
        let id = made["data"]["createCampaign"]["campaign"]["id"].clone();
        assert!(id.is_string(), "{made}");
        let recipients = json!([
            { "address": "kanarie-c1@example.org", "name": "Kanarie", "variables": { "kanarie": { "deep": { "down": "kanarie" } } } },
            { "address": "kanarie-c2@example.org", "variables": { "kanarie": "kanarie" } },
            { "address": "kanarie-broken@example.org", "variables": { "kanarie": { "deep": { "down": "kanarie" } } } },
            { "address": "kanarie@@", "variables": {} },
            { "address": "kanarie-c3@example.org", "variables": ["kanarie"] },
        ]);
        ask(served, ADD, json!({ "id": id, "recipients": recipients })).await;
        let good = json!([recipients[0], recipients[1], recipients[2]]);
        let added = ask(served, ADD, json!({ "id": id, "recipients": good })).await;
        assert_eq!(added["data"]["addRecipients"]["userErrors"], json!([]), "{added}");
        ask(served, "mutation($id: ID!) { launchCampaign(id: $id) { userErrors { message } } }", json!({ "id": id }))
            .await;
        const RATHER: &str =
            "query($id: ID!) { campaign(id: $id) { ledger { queued scheduled sending pending failed } } }";
        let done = async || {
            let answer = ask(served, RATHER, json!({ "id": id })).await;
            let ledger = &answer["data"]["campaign"]["ledger"];
            (ledger["pending"] == 0 && ledger["failed"] != 0).then_some(())
        };
        until("the recipient for whom it says nothing to fail", SOON, done).await;
        ask(served, "mutation($id: ID!) { cancelCampaign(id: $id) { userErrors { message } } }", json!({ "id": id }))
            .await;
    }
    let wrong =
        json!({ "name": "kanarie", "from": "kanarie@@", "content": content("{{ kanarie | kanarie }} {% kanarie") });
    ask(served, CREATE, json!({ "input": wrong })).await;
}

/// Templates that say something, and that don't; keys that are made and ended.
pub async fn templates_and_keys(served: &Served) {
    const CREATE: &str =
        "mutation($input: TemplateInput!) { createTemplate(input: $input) { userErrors { message } } }";
    for text in ["kanarie {{ name }}", "{{ kanarie | kanarie }}", "{% kanarie"] {
        let content = json!({ "subject": "kanarie", "text": text });
        ask(served, CREATE, json!({ "input": { "name": "Spring", "content": content } })).await;
        const RENDER: &str = "query($content: InlineContentInput!, $variables: JSON) {
          renderContent(content: $content, variables: $variables) { subject } }";
        ask(served, RENDER, json!({ "content": content, "variables": { "name": "kanarie" } })).await;
    }
    const KEYS: &str =
        "mutation($input: ApiKeyInput!) { createApiKey(input: $input) { key apiKey { id } userErrors { message } } }";
    let made = ask(served, KEYS, json!({ "input": { "name": "reports", "scopes": ["READ"] } })).await;
    let id = &made["data"]["createApiKey"]["apiKey"]["id"];
    ask(served, "mutation($id: ID!) { revokeApiKey(id: $id) { userErrors { message } } }", json!({ "id": id })).await;
    let pause =
        "mutation { pause(scope: { domain: \"kanarie.example\" }, reason: \"kanarie\") { userErrors { message } } }";
    ask(served, pause, json!({})).await;
    ask(served, "mutation { resume(scope: { domain: \"kanarie.example\" }) { ended } }", json!({})).await;
}

/// Webhooks of every kind about these emails; forged, unreadable, too large, unknown and old ones.
pub async fn webhooks(served: &Served, emails: &[Uuid]) {
    let now = Clock::system().now();
    let told = |event: &str, email: Uuid| {
        let told = Told::new(event, email, "kanarie-to@example.org", now);
        let client = json!({ "user-agent": "kanarie-agent", "client-name": "kanarie" });
        told.with("ip", "kanarie-ip")
            .with("client-info", client)
            .with("geolocation", json!({ "city": "kanarie-city" }))
            .with("url", "https://example.com/kanarie-url?kanarie=kanarie")
            .with(
                "delivery-status",
                json!({ "code": 550, "message": "kanarie-to@example.org is kanarie", "description": "kanarie" }),
            )
    };
    let kinds = ["accepted", "delivered", "opened", "clicked", "failed", "complained", "unsubscribed", "kanarie-kind"];
    for (i, kind) in kinds.iter().enumerate() {
        let told = told(kind, emails[i % emails.len()]);
        let body = told.body(now, &format!("kanarie-token-{i}"));
        assert_eq!(bring(served, body.to_vec()).await, 200, "{kind}");
        // The same token for another event.
        bring(served, told.with("id", "kanarie-another").body(now, "kanarie-token-0").to_vec()).await;
    }
    let event = told("delivered", emails[0]);
    let old: DateTime<Utc> = now - TimeDelta::hours(13);
    assert_eq!(bring(served, event.body(old, "kanarie-old").to_vec()).await, 200);
    let forged = String::from_utf8(event.body(now, "kanarie-forged").to_vec()).unwrap();
    assert_eq!(bring(served, forged.replace("kanarie-forged", "kanarie-forgery").into_bytes()).await, 401);
    for body in [
        "kanarie".to_owned(),
        "{\"kanarie\":".to_owned(),
        json!({ "event-data": "kanarie" }).to_string(),
        "kanarie".repeat(60_000),
    ] {
        assert_ne!(bring(served, body.into_bytes()).await, 200);
    }
}

async fn bring(served: &Served, body: Vec<u8>) -> u16 {
    let post = http().post(format!("{}/webhooks/mailgun", served.url)).header("content-type", "application/json");
    post.body(body).send().await.map_or(0, |answer| answer.status().as_u16())
}

/// What is asked about one person.
pub async fn people(served: &Served) {
    let done = async || {
        let answer =
            ask(served, "mutation { exportRecipient(address: \"kanarie-to@example.org\") { __typename } }", json!({}));
        answer.await["data"]["exportRecipient"].is_object()
    };
    until_true("the database to be back", SOON, done).await;
    let erased =
        ask(served, "mutation { eraseRecipient(address: \"kanarie-to@example.org\") { __typename } }", json!({})).await;
    assert!(erased["data"]["eraseRecipient"].is_object(), "{erased}");
    ask(served, "mutation { eraseRecipient(address: \"kanarie@@\") { __typename } }", json!({})).await;
    ask(served, "mutation { cleanQueue { __typename } cleanSuppressions { __typename } }", json!({})).await;
}

/// Commands of the program, whose files hold canaries; answers what they wrote.
pub async fn commands(world: &World) -> Vec<String> {
    let file = |name: &str, text: &str| {
        let path = world.data.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let listed = file(
        "listed.csv",
        "address,reason,note\nkanarie-file@example.org,bounce,kanarie\nkanarie@@,bounce,kanarie\nkanarie-file2@example.org,whim,x\n",
    );
    let people =
        file("people.csv", "address,name,plan\nkanarie-p1@example.org,Kanarie,kanarie\nkanarie@@,Kanarie,kanarie\n");
    // The names of keys, templates and campaigns are the operator's own words.
    let commands: [&[&str]; 6] = [
        &["suppressions", "import", &listed],
        &["campaign", "import", &people, "--template", "Spring", "--name", "spring"],
        &["key", "create", "--name", "for a test"],
        &["key", "list"],
        &["keyring", "status"],
        &["check"],
    ];
    let mut wrote = Vec::new();
    for args in commands {
        let process = world.launch(args).start();
        process.ended(SOON).await;
        wrote.extend(process.output());
    }
    wrote
}

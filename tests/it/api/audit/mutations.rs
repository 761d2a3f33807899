//! Every mutation there is leaves an entry, and no entry holds what was said.

use entity::audit_entry;
use jobs::Store;
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use tests::database::Backend;

use super::{ADDRESS, CANARY, key, latest};
use crate::api::Served;

on_both! {
    every_mutation_leaves_an_entry_with_its_key_and_where_it_came_from
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

//! Endpoints through the API: entered, told, changed, and taken away.

use std::time::Duration;

use serde_json::{Value, json};
use tests::client::Client;
use tests::database::Backend;
use tests::patience::{SOON, until, until_true};
use tests::process::Launch;

use super::{KEY, Served, address, letter, mailmind, mistakes};
use crate::dispatch::listener::{Listener, Say};

on_both! {
    an_application_is_told_of_the_life_of_an_email
    endpoints_are_changed_tried_out_and_taken_away
    what_is_dead_is_listed_and_tried_anew
    who_may_do_what_with_endpoints
    a_killed_service_tells_what_it_had_not
}

const CREATE: &str = "mutation($input: EventEndpointInput!) { createEventEndpoint(input: $input) {
  eventEndpoint { id url enabled types secrets { expiresAt } } secret userErrors { code field message } } }";

const STANDS: &str = "query($id: ID!) { eventEndpoint(id: $id) { id url description enabled disabledBecause failingSince lastError
  heldUntil taken behind types campaignIds sendingDomains tags secrets { createdAt expiresAt }
  dispatches(first: 10) { totalCount nodes { id state type tries httpStatus error tookMs dueAt event { id address type } } }
  replays { told finishedAt } } }";

async fn served(backend: Backend) -> Served {
    Served::with(backend, |launch| launch.env("OUTBOUND_PRIVATE_NETWORKS", "127.0.0.0/8")).await
}

async fn entered(served: &Served, listener: &Listener, input: Value) -> (String, String) {
    let mut whole = json!({ "url": listener.url() });
    whole.as_object_mut().unwrap().extend(input.as_object().unwrap().clone());
    let payload = served.mutate(CREATE, json!({ "input": whole })).await;
    assert_eq!(payload["userErrors"], json!([]));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&payload["eventEndpoint"]["id"]), text(&payload["secret"]))
}

async fn stands(client: &Client, id: &str) -> Value {
    client.query(STANDS, json!({ "id": id })).await["eventEndpoint"].take()
}

async fn an_application_is_told_of_the_life_of_an_email(backend: Backend) {
    let served = served(backend).await;
    let listener = Listener::start().await;
    let (id, secret) = entered(&served, &listener, json!({ "description": "the shop" })).await;
    let email = served.client.send_email(letter(json!({ "tags": ["receipt"], "metadata": { "order": 42 } }))).await;
    let types = |heard: &[crate::dispatch::listener::Heard]| -> Vec<String> {
        heard.iter().map(|one| one.json()["type"].as_str().unwrap().to_owned()).collect()
    };
    let heard = until("the email's delivery to be told", SOON, async || {
        let heard = listener.heard();
        types(&heard).contains(&"email.delivered".to_owned()).then_some(heard)
    })
    .await;
    let delivered = heard.iter().find(|one| one.json()["type"] == "email.delivered").unwrap();
    assert!(delivered.is_signed_by(&secret));
    let data = &delivered.json()["data"];
    assert_eq!((&data["emailId"], &data["recipient"]), (&json!(email), &json!("bob@example.org")));
    assert_eq!((&data["tags"], &data["metadata"]), (&json!(["receipt"]), &json!({ "order": 42 })));
    // What it is called leads back to it.
    let node =
        served.client.query("query($id: ID!) { node(id: $id) { id __typename } }", json!({ "id": delivered.id() }));
    assert_eq!(node.await["node"], json!({ "id": delivered.id(), "__typename": "Delivered" }));
    let endpoint = until("it to be stored", SOON, async || {
        let endpoint = stands(&served.client, &id).await;
        (endpoint["taken"].as_u64() >= Some(heard.len() as u64)).then_some(endpoint)
    })
    .await;
    assert_eq!((&endpoint["enabled"], &endpoint["failingSince"]), (&json!(true), &json!(null)));
    let dispatch = &endpoint["dispatches"]["nodes"][0];
    assert_eq!(
        (&dispatch["state"], &dispatch["tries"], &dispatch["httpStatus"]),
        (&json!("TAKEN"), &json!(1), &json!(204))
    );
    assert_eq!(dispatch["event"]["address"], "bob@example.org");
    let both = "query($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }";
    let found = served.client.query(both, json!({ "ids": [id, dispatch["id"]] })).await;
    let kinds: Vec<&Value> = found["nodes"].as_array().unwrap().iter().map(|node| &node["__typename"]).collect();
    assert_eq!(kinds, ["EventEndpoint", "EventDispatch"]);
    let logged = served.process.output().join("\n");
    assert!(!logged.contains(&secret) && !logged.contains(&listener.url()) && !logged.contains("bob@"), "{logged}");
}

async fn endpoints_are_changed_tried_out_and_taken_away(backend: Backend) {
    let served = served(backend).await;
    let listener = Listener::start().await;
    let (id, secret) = entered(&served, &listener, json!({ "types": ["BOUNCED", "BOUNCED"] })).await;
    assert_eq!(stands(&served.client, &id).await["types"], json!(["BOUNCED"]));
    let update = "mutation($id: ID!, $input: EventEndpointInput!) { updateEventEndpoint(id: $id, input: $input) {
      eventEndpoint { url description types sendingDomains tags campaignIds } userErrors { code field message } } }";
    let campaign = "campaign:01980000-0000-7000-8000-000000000001";
    let input = json!({ "url": listener.url(), "description": " the shop ", "sendingDomains": ["MG.example.com"],
                        "tags": ["receipt"], "campaignIds": [campaign] });
    let changed = served.mutate(update, json!({ "id": id, "input": input })).await;
    assert_eq!(
        changed["eventEndpoint"],
        json!({ "url": listener.url(), "description": "the shop", "types": [], "sendingDomains": ["mg.example.com"],
                "tags": ["receipt"], "campaignIds": [campaign] })
    );
    for (input, wrong) in [
        (json!({ "url": "https://10.0.0.1/" }), "INVALID input.url"),
        (json!({ "url": "nowhere" }), "INVALID input.url"),
        (json!({ "url": listener.url(), "campaignIds": [campaign, "spring"] }), "NOT_FOUND input.campaignIds.1"),
        (json!({ "url": listener.url(), "tags": [""] }), "INVALID input.tags"),
    ] {
        assert_eq!(mistakes(&served.mutate(update, json!({ "id": id, "input": input })).await), [wrong]);
        assert_eq!(mistakes(&served.mutate(CREATE, json!({ "input": input })).await), [wrong]);
    }
    let rotate = "mutation($id: ID!, $hours: Int! = 24) { rotateEventEndpointSecret(id: $id, overlapHours: $hours) {
      secret eventEndpoint { secrets { expiresAt } } userErrors { code field message } } }";
    let rotated = served.mutate(rotate, json!({ "id": id })).await;
    let new = rotated["secret"].as_str().unwrap().to_owned();
    assert_eq!(rotated["eventEndpoint"]["secrets"].as_array().unwrap().len(), 2);
    let wrong = served.mutate(rotate, json!({ "id": id, "hours": 169 })).await;
    assert_eq!(mistakes(&wrong), ["INVALID overlapHours"]);
    let try_out = "mutation($id: ID!) { testEventEndpoint(id: $id, type: COMPLAINED) {
      trial { taken httpStatus error } userErrors { code field } } }";
    let trial = served.mutate(try_out, json!({ "id": id })).await;
    assert_eq!(trial["trial"], json!({ "taken": true, "httpStatus": 204, "error": null }));
    let heard = listener.heard().remove(0);
    assert!(heard.is_signed_by(&secret) && heard.is_signed_by(&new));
    assert_eq!((heard.json()["type"].as_str(), heard.json()["test"].as_bool()), (Some("email.complained"), Some(true)));
    let disable = "mutation($id: ID!) { disableEventEndpoint(id: $id) {
      eventEndpoint { enabled disabledBecause } userErrors { code field } } }";
    let enable = "mutation($id: ID!) { enableEventEndpoint(id: $id) {
      eventEndpoint { enabled disabledBecause } userErrors { code field } } }";
    let disabled = served.mutate(disable, json!({ "id": id })).await;
    assert_eq!(disabled["eventEndpoint"], json!({ "enabled": false, "disabledBecause": "BY_HAND" }));
    let enabled = served.mutate(enable, json!({ "id": id })).await;
    assert_eq!(enabled["eventEndpoint"], json!({ "enabled": true, "disabledBecause": null }));
    let delete = "mutation($id: ID!) { deleteEventEndpoint(id: $id) { deletedId userErrors { code field } } }";
    assert_eq!(served.mutate(delete, json!({ "id": id })).await["deletedId"], json!(id));
    for document in [delete, disable, enable, try_out, rotate] {
        assert_eq!(mistakes(&served.mutate(document, json!({ "id": id })).await), ["NOT_FOUND id"], "{document}");
    }
    assert_eq!(stands(&served.client, &id).await, json!(null));
    assert_eq!(served.client.query("{ eventEndpoints { id } }", json!({})).await["eventEndpoints"], json!([]));
}

async fn what_is_dead_is_listed_and_tried_anew(backend: Backend) {
    let served = Served::with(backend, |launch| {
        launch.env("OUTBOUND_PRIVATE_NETWORKS", "127.0.0.0/8").env("TIMING_DIVISOR", "20")
    })
    .await;
    let listener = Listener::start().await;
    listener.say(|_, _| Say::Status(500));
    let (id, _) = entered(&served, &listener, json!({ "types": ["DELIVERED"] })).await;
    served.client.send_email(letter(json!({}))).await;
    listener.until_heard(1).await;
    // The last waits are longer than a test has patience for.
    let store = jobs::Store::connect(&served.database.url).await.unwrap();
    let hurry = || async {
        let text = "UPDATE event_dispatches SET due_at = '2020-01-01T00:00:00+00:00' WHERE due_at IS NOT NULL";
        jobs::store::execute(store.write(), store.sql(text, [])).await.unwrap();
    };
    let dead = until("it to be dead", SOON, async || {
        hurry().await;
        let endpoint = stands(&served.client, &id).await;
        let dispatch = endpoint["dispatches"]["nodes"][0].clone();
        (dispatch["state"] == "DEAD").then_some(dispatch)
    })
    .await;
    assert_eq!((&dead["tries"], &dead["dueAt"], &dead["error"]), (&json!(8), &json!(null), &json!("answered 500")));
    listener.say(|_, _| Say::Status(200));
    let redrive =
        "mutation($id: ID!, $filter: RedriveFilter) { redriveEventDispatches(endpointId: $id, filter: $filter) {
      redriven more userErrors { code field } } }";
    let wrong = served.mutate(redrive, json!({ "id": id, "filter": { "ids": ["spring"] } })).await;
    assert_eq!(mistakes(&wrong), ["NOT_FOUND filter.ids.0"]);
    assert_eq!(mistakes(&served.mutate(redrive, json!({ "id": "spring" })).await), ["NOT_FOUND endpointId"]);
    let done = served.mutate(redrive, json!({ "id": id, "filter": { "ids": [dead["id"]] } })).await;
    assert_eq!((&done["redriven"], &done["more"]), (&json!(1), &json!(false)));
    until_true("it to be taken", SOON, async || stands(&served.client, &id).await["taken"] == 1).await;
    let replay = "mutation($id: ID!, $span: DateTimeRange!) { replayEvents(endpointId: $id, recordedAt: $span) {
      replay { since told finishedAt } userErrors { code field } } }";
    let ask = async |span: Value| served.mutate(replay, json!({ "id": id, "span": span })).await;
    assert_eq!(mistakes(&ask(json!({})).await), ["INVALID recordedAt.since"]);
    let backwards = json!({ "since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z" });
    assert_eq!(mistakes(&ask(backwards).await), ["INVALID recordedAt"]);
    let heard = listener.heard().len();
    assert_eq!(ask(json!({ "since": "2020-01-01T00:00:00Z" })).await["userErrors"], json!([]));
    listener.until_heard(heard + 1).await;
    let done = async || stands(&served.client, &id).await["replays"][0]["finishedAt"].is_string();
    until_true("the replay to be done", SOON, done).await;
    let ids = listener.ids();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

async fn who_may_do_what_with_endpoints(backend: Backend) {
    let served = served(backend).await;
    let make = "mutation($scopes: [ApiScope!]!) { createApiKey(input: { name: \"k\", scopes: $scopes }) { secret } }";
    let client = async |scope: &str| {
        let made = served.mutate(make, json!({ "scopes": [scope] })).await;
        Client::new(&served.url, made["secret"].as_str().unwrap())
    };
    let listener = Listener::start().await;
    let (id, _) = entered(&served, &listener, json!({})).await;
    let code = async |client: &Client, document: &str| {
        let answer = client.try_query(document, json!({ "id": id })).await.unwrap();
        answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("fine").to_owned()
    };
    let (reads, manages) = (client("READ").await, client("MANAGE").await);
    for document in ["{ eventEndpoints { id } }", "query($id: ID!) { node(id: $id) { id } }"] {
        assert_eq!(code(&reads, document).await, "FORBIDDEN", "{document}");
        assert_eq!(code(&manages, document).await, "fine", "{document}");
    }
    for document in [
        "mutation($id: ID!) { rotateEventEndpointSecret(id: $id) { secret } }",
        "mutation($id: ID!) { deleteEventEndpoint(id: $id) { deletedId } }",
        "mutation($id: ID!) { testEventEndpoint(id: $id) { trial { taken } } }",
    ] {
        assert_eq!(code(&manages, document).await, "FORBIDDEN", "{document}");
    }
    let redrive = "mutation($id: ID!) { redriveEventDispatches(endpointId: $id) { redriven } }";
    assert_eq!(code(&manages, redrive).await, "fine");
    assert_eq!(
        Client::new(&served.url, KEY).query("{ eventEndpoints { id } }", json!({})).await["eventEndpoints"][0]["id"],
        id
    );
}

async fn a_killed_service_tells_what_it_had_not(backend: Backend) {
    let set = |launch: Launch| launch.env("OUTBOUND_PRIVATE_NETWORKS", "127.0.0.0/8").env("TIMING_DIVISOR", "5");
    let first = Served::with(backend, set).await;
    let listener = Listener::start().await;
    listener.say(|_, _| Say::Hang);
    let (_, secret) = entered(&first, &listener, json!({ "types": ["DELIVERED"] })).await;
    let mut emails = Vec::new();
    for _ in 0..3 {
        emails.push(first.client.send_email(letter(json!({}))).await);
    }
    listener.until_heard(1).await;
    for email in &emails {
        // What the sandbox has not said by then nobody will say.
        first.client.await_status(email, "DELIVERED", SOON).await;
    }
    first.process.kill9().await;
    let before = listener.heard().len();
    listener.say(|_, _| Say::Status(200));
    let next = set(mailmind(&["serve"], &first.data, &first.database)).start();
    address(&next).await;
    // The claim of the one that was killed has to end first.
    until_true("each to be told", Duration::from_secs(60), async || {
        let told = listener.heard().split_off(before);
        let told: Vec<Value> = told.iter().map(|one| one.json()["data"]["emailId"].clone()).collect();
        emails.iter().all(|email| told.contains(&json!(email)))
    })
    .await;
    assert!(listener.heard().iter().all(|one| one.is_signed_by(&secret)));
}

//! Campaigns as callers meet them: made, filled, launched, followed and stopped over GraphQL, imported from a file, and shown by
//! one command.

mod batched;
mod commands;

use serde_json::{Value, json};
use tests::client::Client;
use tests::database::Backend;
use tests::patience::{SOON, until, until_true};

use super::ws::Socket;
use super::{KEY, Served, mistakes, send};

on_both! {
    a_campaign_goes_its_way_and_tells_of_it
    mistakes_are_told_by_field_and_spoil_nothing_else
    ten_thousand_recipients_come_in_one_call
    a_campaign_is_paused_resumed_and_cancelled
    whoever_may_only_read_sees_campaigns_and_changes_none
    a_campaign_that_is_only_a_name_is_none
    what_failed_of_a_campaign_is_retried_alone
    a_history_costs_as_much_as_it_may_answer
}

pub const CREATE: &str = "mutation($input: CampaignInput!) { createCampaign(input: $input) {
  campaign { id name status from replyTo subject priority sandbox progress sendAt ledger { total pending } }
  userErrors { code field message } } }";

pub const ADD: &str = "mutation($id: ID!, $recipients: [RecipientInput!]!, $dryRun: Boolean! = false) {
  addRecipients(campaignId: $id, recipients: $recipients, dryRun: $dryRun) { added duplicates refused suppressed
    campaign { status ledger { total pending } } userErrors { code field message } } }";

pub const LAUNCH: &str = "mutation($id: ID!, $sendAt: DateTime) { launchCampaign(id: $id, sendAt: $sendAt) {
  campaign { status launchedAt sendAt } userErrors { code field message } } }";

pub const CANCEL: &str = "mutation($id: ID!) { cancelCampaign(id: $id) { campaign { status cancelledAt }
  userErrors { code field message } } }";

pub const STANDING: &str = "query($id: ID!) { campaign(id: $id) { status progress heldBy ledger { total pending cleaned
  scheduled queued sending unconfirmed sent deferred delivered bounced complained failed cancelled suppressed expired } } }";

pub fn inline() -> Value {
    json!({ "name": "Spring", "content": { "inline": { "subject": "Spring is here", "text": "Good day" } } })
}

pub fn people(n: usize) -> Vec<Value> {
    (0..n).map(|i| json!({ "address": format!("reader{i}@example.com") })).collect()
}

/// A campaign with so many recipients.
pub async fn made(served: &Served, n: usize) -> String {
    let made = served.mutate(CREATE, json!({ "input": inline() })).await;
    let id = made["campaign"]["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let added = served.mutate(ADD, json!({ "id": id, "recipients": people(n) })).await;
    assert_eq!((&added["added"], mistakes(&added)), (&json!(n), vec![]));
    id
}

/// How it stands, with a ledger that adds up.
pub async fn standing(client: &Client, id: &str) -> Value {
    let campaign = client.query(STANDING, json!({ "id": id })).await["campaign"].take();
    assert_adds_up(&campaign["ledger"]);
    campaign
}

fn assert_adds_up(ledger: &Value) {
    let counts = ledger.as_object().unwrap().iter().filter(|(name, _)| *name != "total");
    assert_eq!(counts.map(|(_, n)| n.as_i64().unwrap()).sum::<i64>(), ledger["total"].as_i64().unwrap(), "{ledger}");
}

async fn a_campaign_goes_its_way_and_tells_of_it(backend: Backend) {
    let served = Served::on(backend).await;
    let input = json!({ "name": "Spring", "from": "News <news@sandbox.mailmind.test>", "replyTo": "desk@example.com",
        "priority": "LOW", "content": { "inline": { "subject": "Spring is here", "html": "<p>Good day</p>" } } });
    let made = served.mutate(CREATE, json!({ "input": input })).await;
    let campaign = &made["campaign"];
    assert_eq!(
        (&campaign["status"], &campaign["from"], &campaign["replyTo"], &campaign["subject"], &campaign["sendAt"]),
        (
            &json!("DRAFT"),
            &json!("news@sandbox.mailmind.test"),
            &json!("desk@example.com"),
            &json!("Spring is here"),
            &Value::Null
        )
    );
    let id = campaign["id"].as_str().unwrap();
    let mut people = people(20);
    people.extend([json!({ "address": "bounce@example.com" }), json!({ "address": "open@example.com" })]);
    let added = served.mutate(ADD, json!({ "id": id, "recipients": people })).await;
    assert_eq!(added["campaign"]["ledger"], json!({ "total": 22, "pending": 22 }));
    let mut socket = Socket::begun(&served, KEY).await;
    let followed = STANDING.replace("query(", "subscription(").replace("campaign(id", "campaignUpdated(id");
    socket.ask_with("1", &followed, json!({ "id": id })).await;
    let mut told = vec![socket.hear().await["payload"]["data"]["campaignUpdated"].take()];
    assert_eq!((&told[0]["status"], &told[0]["progress"]), (&json!("DRAFT"), &json!(0.0)));
    let launched = served.mutate(LAUNCH, json!({ "id": id })).await;
    assert_eq!((mistakes(&launched), &launched["campaign"]["launchedAt"].is_string()), (vec![], &true));
    let through = |campaign: &Value| campaign["ledger"]["delivered"] == 21 && campaign["ledger"]["bounced"] == 1;
    while !through(&told[told.len() - 1]) {
        told.push(socket.hear().await["payload"]["data"]["campaignUpdated"].take());
        assert_adds_up(&told[told.len() - 1]["ledger"]);
    }
    let last = &told[told.len() - 1];
    assert_eq!((&last["status"], &last["progress"]), (&json!("COMPLETED"), &json!(1.0)));
    what_became_of_it(&served, id).await;
}

async fn what_became_of_it(served: &Served, id: &str) {
    let asked =
        "query($id: ID!) { campaign(id: $id) { metrics { sent delivered uniqueOpened hardBounced openRate clickRate }
      history(granularity: DAY) { at metrics { sent delivered } }
      none: metrics(range: { until: \"2020-01-01T00:00:00Z\" }) { sent deliveryRate }
      emails(first: 1, filter: { status: [BOUNCED] }) { totalCount nodes { to campaign { id } } }
      events(first: 100) { nodes { type campaignId campaign { name } } } }
      campaigns(filter: { status: [COMPLETED], name: \"spr\" }) { totalCount nodes { id name } }
      node(id: $id) { id ... on Campaign { name } } nodes(ids: [$id]) { id } }";
    let opened = async || {
        let told = served.client.query(asked, json!({ "id": id })).await;
        // 22 accepted, 21 delivered, one bounced, one opened.
        let all = told["campaign"]["events"]["nodes"].as_array().is_some_and(|events| events.len() == 45);
        (all && told["campaign"]["metrics"]["uniqueOpened"] == 1).then_some(told)
    };
    let told = until("every event to be recorded", SOON, opened).await;
    let campaign = &told["campaign"];
    let metrics = json!({ "sent": 22, "delivered": 21, "uniqueOpened": 1, "hardBounced": 1, "openRate": 1.0 / 21.0, "clickRate": 0.0 });
    assert_eq!(campaign["metrics"], metrics);
    let points = campaign["history"].as_array().unwrap();
    let sum = |name: &str| points.iter().filter_map(|point| point["metrics"][name].as_i64()).sum::<i64>();
    assert_eq!((sum("sent"), sum("delivered")), (22, 21));
    assert_eq!(campaign["none"], json!({ "sent": 0, "deliveryRate": null }));
    let bounced = json!({ "totalCount": 1, "nodes": [{ "to": "bounce@example.com", "campaign": { "id": id } }] });
    assert_eq!(campaign["emails"], bounced);
    let events = campaign["events"]["nodes"].as_array().unwrap();
    assert!(events.iter().all(|e| e["campaignId"] == id && e["campaign"]["name"] == "Spring"));
    assert_eq!(told["campaigns"], json!({ "totalCount": 1, "nodes": [{ "id": id, "name": "Spring" }] }));
    assert_eq!((&told["node"]["name"], &told["nodes"][0]["id"]), (&json!("Spring"), &json!(id)));
}

async fn mistakes_are_told_by_field_and_spoil_nothing_else(backend: Backend) {
    let served = Served::on(backend).await;
    let template = json!({ "template": { "templateId": "email:01980000-0000-7000-8000-000000000007" } });
    let cases = [
        (json!({ "name": "" }), "INVALID input.name"),
        (json!({ "from": "nobody" }), "INVALID input.from"),
        (json!({ "replyTo": "nobody" }), "INVALID input.replyTo"),
        (json!({ "content": { "inline": { "subject": "Hi" } } }), "INVALID input.content.inline"),
        (json!({ "content": template }), "INVALID input.content.template.templateId"),
        (json!({ "headers": { "From": "x" } }), "INVALID input.headers.From"),
    ];
    for (change, expected) in cases {
        let mut input = inline();
        input.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let made = served.mutate(CREATE, json!({ "input": input })).await;
        assert_eq!((mistakes(&made), &made["campaign"]), (vec![expected.to_owned()], &Value::Null), "{change}");
    }
    let id = made(&served, 2).await;
    let given = json!([{ "address": "reader1@example.com" }, { "address": "new@example.com" }, { "address": "nobody@" },
        { "address": "a@example.com", "leadId": "lead" }, { "address": "NEW@example.com" },
        { "address": "b@example.com", "variables": [1] }]);
    for dry_run in [true, false] {
        let added = served.mutate(ADD, json!({ "id": id, "recipients": given, "dryRun": dry_run })).await;
        assert_eq!((&added["added"], &added["duplicates"], &added["refused"]), (&json!(1), &json!(2), &json!(3)));
        let mut wrong = mistakes(&added);
        wrong.sort();
        let expected =
            ["INVALID recipients.2.address", "INVALID recipients.3.leadId", "INVALID recipients.5.variables"];
        assert_eq!(wrong, expected);
        assert_eq!(added["campaign"]["ledger"]["total"], if dry_run { 2 } else { 3 });
    }
    let nobody = "campaign:01980000-0000-7000-8000-000000000007";
    for id in [nobody, "campaign:7", "lead:01980000-0000-7000-8000-000000000007"] {
        let added = served.mutate(ADD, json!({ "id": id, "recipients": people(1) })).await;
        assert_eq!(mistakes(&added), ["NOT_FOUND campaignId"]);
        assert_eq!(mistakes(&served.mutate(LAUNCH, json!({ "id": id })).await), ["NOT_FOUND id"]);
        assert_eq!(mistakes(&served.mutate(CANCEL, json!({ "id": id })).await), ["NOT_FOUND id"]);
    }
    let past = json!({ "id": id, "sendAt": "2020-01-01T00:00:00Z" });
    assert_eq!(mistakes(&served.mutate(LAUNCH, past).await), ["INVALID sendAt"]);
}

async fn ten_thousand_recipients_come_in_one_call(backend: Backend) {
    let served = Served::on(backend).await;
    let id = made(&served, 0).await;
    let with = |n: usize| -> Vec<Value> {
        let of = |i| json!({ "address": format!("reader{i}@example.com"), "name": "Ann", "variables": { "text": "x".repeat(500) } });
        (0..n).map(of).collect()
    };
    let many = served.mutate(ADD, json!({ "id": id, "recipients": with(10_001) })).await;
    assert_eq!((mistakes(&many), &many["added"]), (vec!["LIMIT_EXCEEDED recipients".to_owned()], &json!(0)));
    let would = served.mutate(ADD, json!({ "id": id, "recipients": with(10_000), "dryRun": true })).await;
    assert_eq!((&would["added"], &would["campaign"]["ledger"]["total"]), (&json!(10_000), &json!(0)));
    let added = served.mutate(ADD, json!({ "id": id, "recipients": with(10_000) })).await;
    assert_eq!((&added["added"], &added["campaign"]["ledger"]["pending"]), (&json!(10_000), &json!(10_000)));
    let again = served.mutate(ADD, json!({ "id": id, "recipients": with(10_000) })).await;
    assert_eq!((&again["added"], &again["duplicates"]), (&json!(0), &json!(10_000)));
}

async fn a_campaign_is_paused_resumed_and_cancelled(backend: Backend) {
    let served = Served::on(backend).await;
    let id = made(&served, 5).await;
    let pause = "mutation($id: ID!) { pause(scope: { campaignId: $id }, reason: \"weekend\") { pause { subject } userErrors { code } } }";
    let resume = "mutation($id: ID!) { resume(scope: { campaignId: $id }) { ended userErrors { code } } }";
    assert_eq!(served.mutate(pause, json!({ "id": id })).await["pause"]["subject"], json!(id));
    let launched = served.mutate(LAUNCH, json!({ "id": id })).await;
    assert_eq!(launched["campaign"]["status"], "PAUSED");
    let held = standing(&served.client, &id).await;
    assert!(held["heldBy"].as_str().unwrap().contains("weekend"), "{held}");
    assert_eq!(served.mutate(resume, json!({ "id": id })).await["ended"], 1);
    until_true("it to be through", SOON, async || standing(&served.client, &id).await["status"] == "COMPLETED").await;
    let over = served.mutate(CANCEL, json!({ "id": id })).await;
    assert_eq!(mistakes(&over), ["CONFLICT id"]);

    let later = made(&served, 5).await;
    let launched = served.mutate(LAUNCH, json!({ "id": later, "sendAt": "2027-06-01T09:00:00Z" })).await;
    assert_eq!((&launched["campaign"]["status"], mistakes(&launched)), (&json!("SCHEDULED"), vec![]));
    let cancelled = served.mutate(CANCEL, json!({ "id": later })).await;
    assert_eq!(
        (&cancelled["campaign"]["status"], &cancelled["campaign"]["cancelledAt"].is_string()),
        (&json!("CANCELLED"), &true)
    );
    assert_eq!(mistakes(&served.mutate(LAUNCH, json!({ "id": later })).await), ["CONFLICT id"]);
    let added = served.mutate(ADD, json!({ "id": later, "recipients": people(1) })).await;
    assert_eq!(mistakes(&added), ["CONFLICT campaignId"]);
}

async fn whoever_may_only_read_sees_campaigns_and_changes_none(backend: Backend) {
    let served = Served::on(backend).await;
    let id = made(&served, 1).await;
    let key = served.command(&["key", "create", "--scope", "read"]).await;
    let reader = Client::new(&served.url, key.last().unwrap());
    assert_eq!(standing(&reader, &id).await["status"], "DRAFT");
    let asked = "query($id: ID!) { campaign(id: $id) { subject content { text } metadata } }";
    let answer = reader.try_query(asked, json!({ "id": id })).await.unwrap();
    assert_eq!(answer["data"]["campaign"], json!({ "subject": "Spring is here", "content": null, "metadata": null }));
    assert_eq!(answer["errors"].as_array().unwrap().len(), 2, "{answer}");
    let content = served.client.query(asked, json!({ "id": id })).await;
    assert_eq!(content["campaign"]["content"]["text"], "Good day");
    let changes = [
        (CREATE, json!({ "input": inline() })),
        (ADD, json!({ "id": id, "recipients": people(1) })),
        (LAUNCH, json!({ "id": id })),
        (CANCEL, json!({ "id": id })),
    ];
    for (document, variables) in changes {
        let answer = reader.try_query(document, variables).await.unwrap();
        assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{answer}");
    }
}

async fn a_campaign_that_is_only_a_name_is_none(backend: Backend) {
    let served = Served::on(backend).await;
    let named = "campaign:01980000-0000-7000-8000-000000000009";
    let sent = send(&served, super::letter(json!({ "campaignId": named }))).await;
    let asked = "query($id: ID!, $email: ID!) { campaign(id: $id) { id } email(id: $email) { campaign { id } }
      node(id: $id) { id } emails(filter: { campaignId: $id }) { totalCount } campaigns { totalCount } }";
    let told = served.client.query(asked, json!({ "id": named, "email": sent["email"]["id"] })).await;
    let expected = json!({ "campaign": null, "email": { "campaign": null }, "node": null,
        "emails": { "totalCount": 1 }, "campaigns": { "totalCount": 0 } });
    assert_eq!(told, expected);
    let mut socket = Socket::begun(&served, KEY).await;
    socket.ask("1", &format!("subscription {{ campaignUpdated(id: \"{named}\") {{ id }} }}")).await;
    assert_eq!(socket.hear().await, json!({ "type": "complete", "id": "1" }));
}

async fn what_failed_of_a_campaign_is_retried_alone(backend: Backend) {
    let served = Served::on(backend).await;
    served.break_the_sandbox(json!([{ "kind": "400", "to": "reader", "message": "to parameter is not valid" }])).await;
    let (one, other) = (made(&served, 3).await, made(&served, 2).await);
    for id in [&one, &other] {
        served.mutate(LAUNCH, json!({ "id": id })).await;
        let failed = async || standing(&served.client, id).await["status"] == "COMPLETED";
        until_true("all to have failed", SOON, failed).await;
    }
    served.break_the_sandbox(json!([])).await;
    let retry = "mutation($id: ID!) { retryFailedEmails(filter: { campaignId: $id }) { retried remaining userErrors { code } } }";
    let retried = served.mutate(retry, json!({ "id": one })).await;
    assert_eq!((&retried["retried"], &retried["remaining"]), (&json!(3), &json!(0)));
    until_true("them to arrive", SOON, async || standing(&served.client, &one).await["ledger"]["delivered"] == 3).await;
    assert_eq!(standing(&served.client, &other).await["ledger"]["failed"], 2);
}

async fn a_history_costs_as_much_as_it_may_answer(backend: Backend) {
    let served = Served::on(backend).await;
    let one = "{ campaign(id: \"campaign:01980000-0000-7000-8000-000000000009\") { history { at metrics { sent opened } } } }";
    assert_eq!(served.client.query(one, json!({})).await["campaign"], Value::Null);
    let many = "{ campaigns(first: 100) { nodes { history { at metrics { sent opened } } } } }";
    let answer = served.client.try_query(many, json!({})).await.unwrap();
    assert_eq!(answer["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{answer}");
}

//! What becomes of a message, as the log tells it.

use entity::Clock;
use reqwest::Method;
use serde_json::{Value, json};

use super::Sandboxed;

/// What is told of an event: its name, severity, reason and code.
fn told(event: &Value) -> Value {
    let mut told = json!([event["event"]]);
    let more = [&event["severity"], &event["reason"], &event["delivery-status"]["code"]];
    told.as_array_mut().unwrap().extend(more.into_iter().filter(|field| !field.is_null()).cloned());
    told
}

#[tokio::test]
async fn the_address_says_what_becomes_of_the_message() {
    let sandboxed = Sandboxed::start().await;
    let accepted = || json!(["accepted"]);
    let delivered = || json!(["delivered", 250]);
    let deferred = || json!(["failed", "temporary", "generic", 421]);
    let permanent = |reason: &str, code: u16| json!(["failed", "permanent", reason, code]);
    let cases = [
        ("sally", vec![delivered()]),
        ("bounce", vec![permanent("bounce", 550)]),
        ("BOUNCE+x", vec![permanent("bounce", 550)]),
        ("softbounce", vec![deferred(), permanent("old", 602)]),
        ("mailboxfull", vec![permanent("generic", 552)]),
        ("block", vec![permanent("espblock", 550)]),
        ("old", vec![permanent("old", 602)]),
        ("defer", vec![deferred(), delivered()]),
        ("reject", vec![json!(["rejected"])]),
        ("complain", vec![delivered(), json!(["complained"])]),
        ("complaint+7", vec![delivered(), json!(["complained"])]),
        ("unsubscribe", vec![delivered(), json!(["unsubscribed"])]),
        ("open", vec![delivered(), json!(["opened"])]),
        ("click", vec![delivered(), json!(["opened"]), json!(["clicked"])]),
        ("machineopen", vec![delivered(), json!(["opened"])]),
        ("silent", vec![delivered()]),
    ];
    let mut sent = Vec::new();
    for (local, _) in &cases {
        sent.push(sandboxed.send(&format!("{local}@example.com"), &[]).await);
    }
    for ((local, later), id) in cases.into_iter().zip(sent) {
        let expected: Vec<Value> = std::iter::once(accepted()).chain(later).collect();
        let events = sandboxed.events(&id, expected.len()).await;
        assert_eq!(events.iter().map(told).collect::<Vec<_>>(), expected, "{local}");
        assert!(events.iter().all(|event| event["user-variables"] == json!({}) && event["tags"] == json!([])));
    }
    // By now its events would be in the log, as all that were sent before and after it are.
    let lost = sandboxed.send("lost@example.com", &[]).await;
    let known = sandboxed.send("sally@example.com", &[]).await;
    sandboxed.events(&known, 2).await;
    sandboxed.events(&lost, 0).await;
}

#[tokio::test]
async fn machines_are_told_from_people() {
    let sandboxed = Sandboxed::start().await;
    for (to, bot) in [("open@example.com", ""), ("machineopen@example.com", "apple")] {
        let id = sandboxed.send(to, &[]).await;
        let events = sandboxed.events(&id, 3).await;
        assert_eq!(events[2]["client-info"]["bot"], bot, "{to}");
        assert_eq!(events[2]["message"]["headers"], json!({ "message-id": id }), "of a reader nothing else is told");
    }
}

#[tokio::test]
async fn each_recipient_has_events_of_its_own() {
    let sandboxed = Sandboxed::start().await;
    let more = [
        ("cc", "bounce+cc@example.com, sally@example.com"),
        ("bcc", "defer@example.com"),
        ("v:id", "%recipient.id%"),
        ("o:tag", "letters"),
        ("recipient-variables", r#"{"sally@example.com": {"id": "s7"}}"#),
    ];
    let id = sandboxed.send("sally@example.com", &more).await;
    let events = sandboxed.events(&id, 2 + 2 + 3).await;
    let of =
        |recipient: &str| -> Vec<&Value> { events.iter().filter(|event| event["recipient"] == recipient).collect() };
    assert_eq!(of("sally@example.com").len(), 2, "an address that is named twice gets one message");
    assert_eq!(of("bounce+cc@example.com").len(), 2);
    assert_eq!(of("defer@example.com").len(), 3);
    assert_eq!(of("sally@example.com")[1]["user-variables"], json!({ "id": "s7" }));
    assert!(events.iter().all(|event| event["tags"] == json!(["letters"])));
    let mut ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), events.len(), "no two events have one id");
}

#[tokio::test]
async fn what_an_event_puts_on_a_list_is_not_delivered_to_again() {
    let sandboxed = Sandboxed::start().await;
    let cases = [
        ("bounce+l@example.com", "bounces", 605, "suppress-bounce"),
        ("unsubscribe+l@example.com", "unsubscribes", 606, "suppress-unsubscribe"),
        ("complain+l@example.com", "complaints", 607, "suppress-complaint"),
    ];
    for (to, list, code, reason) in cases {
        let steps = if list == "bounces" { 2 } else { 3 };
        let first = sandboxed.send(to, &[]).await;
        sandboxed.events(&first, steps).await;
        let entry = format!("/v3/mg.example.com/{list}/{}", to.replace('+', "%2B"));
        assert_eq!(sandboxed.get(&entry).await["address"], to);
        let again = sandboxed.send(to, &[]).await;
        let events = sandboxed.events(&again, 2).await;
        assert_eq!(told(&events[1]), json!(["failed", "permanent", reason, code]), "{to}");
        let lifted = sandboxed.request(Method::DELETE, &entry).send().await.unwrap();
        assert_eq!(lifted.status(), 200);
        let lifted = sandboxed.send(to, &[]).await;
        assert_eq!(sandboxed.events(&lifted, steps).await.len(), steps, "{to} is mailed again");
    }
    let soft = sandboxed.send("softbounce@example.com", &[]).await;
    sandboxed.events(&soft, 3).await;
    let entry =
        sandboxed.request(Method::GET, "/v3/mg.example.com/bounces/softbounce@example.com").send().await.unwrap();
    assert_eq!(entry.status(), 404, "only who does not exist enters the list");
}

#[tokio::test]
async fn test_mode_delivers_to_nobody_and_says_650() {
    let sandboxed = Sandboxed::start().await;
    let id = sandboxed.send("bounce@example.com", &[("o:testmode", "yes")]).await;
    let events = sandboxed.events(&id, 2).await;
    assert_eq!(told(&events[1]), json!(["delivered", 650]));
    assert_eq!(events[1]["flags"]["is-test-mode"], true);
    assert_eq!(sandboxed.get("/v3/mg.example.com/bounces").await["items"], json!([]));
}

#[tokio::test]
async fn a_message_leaves_when_its_sender_said() {
    let sandboxed = Sandboxed::start().await;
    let (now, soon, later) = {
        let now = Clock::system().now().timestamp_millis() as f64 / 1e3;
        (now, now + 1.5, now + 3_600.0)
    };
    let waits = sandboxed.send("sally@example.com", &[("o:deliverytime", &later.to_string())]).await;
    let leaves = sandboxed.send("sally@example.com", &[("o:deliverytime", &soon.to_string())]).await;
    let events = sandboxed.events(&leaves, 2).await;
    let at = |event: &Value| event["timestamp"].as_f64().unwrap();
    assert!(at(&events[0]) < now + 1.5 && at(&events[1]) >= soon, "{events:?}");
    assert_eq!(sandboxed.events(&waits, 1).await[0]["event"], "accepted");
}

#[tokio::test]
async fn the_log_is_filtered_and_paged() {
    let sandboxed = Sandboxed::start().await;
    for number in 0..7 {
        let to = if number == 3 { "bounce@example.com".to_owned() } else { format!("n{number}@example.com") };
        let id = sandboxed.send(&to, &[("o:tag", if number < 2 { "early" } else { "late" })]).await;
        sandboxed.events(&id, 2).await;
    }
    let count = async |query: &str| {
        let path = format!("/v3/mg.example.com/events?{query}");
        sandboxed.get(&path).await["items"].as_array().unwrap().len()
    };
    let cases = [
        ("event=accepted", 7),
        ("event=delivered+OR+failed", 7),
        ("event=NOT+accepted+AND+NOT+delivered", 1),
        ("event=failed&severity=permanent", 1),
        ("severity=temporary", 0),
        ("tags=early", 4),
        ("tags=late&event=delivered", 4),
        ("recipient=bounce@example.com", 2),
        ("recipient=n0@example.com+OR+n1@example.com", 4),
        ("subject=hello&event=accepted", 7),
        ("from=bob@mg.example.com&limit=5", 5),
        ("to=n5&event=accepted", 1),
        ("message-id=unknown@mg.example.com", 0),
        // As reported of Mailgun: what is in angle brackets is not looked for at all.
        ("message-id=%3Cunknown@mg.example.com%3E&event=accepted", 7),
        ("begin=0&end=1", 0),
        ("begin=0&ascending=yes&event=accepted", 7),
    ];
    for (query, expected) in cases {
        assert_eq!(count(query).await, expected, "{query}");
    }

    let mut page = sandboxed.get("/v3/mg.example.com/events?begin=0&ascending=yes&event=accepted&limit=3").await;
    let (first, mut seen) = (page.clone(), Vec::new());
    loop {
        let items = page["items"].as_array().unwrap().clone();
        if items.is_empty() {
            break;
        }
        seen.extend(items.iter().map(|event| event["recipient"].as_str().unwrap().to_owned()));
        page = sandboxed.get(page["paging"]["next"].as_str().unwrap()).await;
    }
    let expected: Vec<String> =
        (0..7).map(|n| if n == 3 { "bounce@example.com".to_owned() } else { format!("n{n}@example.com") }).collect();
    assert_eq!(seen, expected);
    // What happens later stands on the page that was empty.
    let next = page["paging"]["next"].as_str().unwrap().to_owned();
    let id = sandboxed.send("new@example.com", &[]).await;
    sandboxed.events(&id, 2).await;
    assert_eq!(sandboxed.get(&next).await["items"][0]["recipient"], "new@example.com");
    let second = sandboxed.get(first["paging"]["next"].as_str().unwrap()).await;
    let back = sandboxed.get(second["paging"]["previous"].as_str().unwrap()).await;
    assert_eq!(back["items"], first["items"]);
    let last = sandboxed.get(first["paging"]["last"].as_str().unwrap()).await;
    assert_eq!(last["items"][2]["recipient"], "new@example.com");
}

#[tokio::test]
async fn the_newer_log_has_the_same_events_in_its_own_shape() {
    let sandboxed = Sandboxed::start().await;
    let mut ids = Vec::new();
    for number in 0..3 {
        let id = sandboxed.send(&format!("n{number}@example.com"), &[("v:email-id", "e7")]).await;
        sandboxed.events(&id, 2).await;
        ids.push(id);
    }
    let ask = async |asked: Value| {
        let request = sandboxed.request(Method::POST, "/v1/analytics/logs").json(&asked);
        super::ok(request.send().await.unwrap()).await
    };
    let pagination = json!({ "sort": "timestamp:asc", "limit": 2 });
    let filter = json!({ "AND": [{ "attribute": "domain", "comparator": "=", "values": [{ "label": "d", "value": "mg.example.com" }] }] });
    let asked = json!({ "events": ["delivered"], "include_totals": true, "filter": filter, "pagination": pagination });
    let page = ask(asked.clone()).await;
    assert_eq!(page["pagination"]["total"], 3);
    let item = &page["items"][0];
    assert_eq!(item["message"]["headers"]["message-id"], ids[0]);
    assert_eq!(
        (&item["user-variables"], &item["domain"]),
        (&json!(r#"{"email-id":"e7"}"#), &json!({ "name": "mg.example.com" }))
    );
    assert!(item["@timestamp"].as_str().unwrap().ends_with('Z') && item["storage"]["url"].is_array());
    let mut next = asked.clone();
    next["pagination"]["token"] = page["pagination"]["next"].clone();
    let rest = ask(next).await;
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    assert_eq!(rest["items"][0]["message"]["headers"]["message-id"], ids[2]);
    let mut other = asked;
    other["filter"]["AND"][0]["comparator"] = json!("!=");
    let nothing = ask(other).await;
    assert_eq!(nothing["items"], json!([]));
    let wrong = json!({ "filter": { "AND": [{ "attribute": "colour", "comparator": "=", "values": [] }] } });
    let refused = sandboxed.request(Method::POST, "/v1/analytics/logs").json(&wrong).send().await.unwrap();
    assert_eq!(refused.status(), 400);
}

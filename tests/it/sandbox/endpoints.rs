//! Each endpoint once, against the shape of what was recorded from Mailgun (or, where nothing was, of what its OpenAPI
//! document shows): status, headers, names and kinds of the fields, and the words of `message`.

use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};

use super::Sandboxed;

/// What a client sends.
enum Sent {
    Nothing,
    Form(&'static [(&'static str, &'static str)]),
    Multipart(&'static [(&'static str, &'static str)]),
    Json(Value),
}

use Sent::{Form, Json, Multipart, Nothing};

impl Sent {
    fn with(self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Nothing => request,
            Form(fields) => request.form(fields),
            Multipart(fields) => request.multipart(
                fields.iter().fold(reqwest::multipart::Form::new(), |form, (name, value)| form.text(*name, *value)),
            ),
            Json(value) => request.json(&value),
        }
    }
}

/// A body reduced to what a client relies on: fields and kinds; of `message`, the words; of a list, its first item.
fn shape(body: &Value) -> Value {
    match body {
        Value::Object(fields) => {
            let shaped = fields.iter().map(|(name, value)| {
                let value = if name == "message" && value.is_string() { value.clone() } else { shape(value) };
                (name.clone(), value)
            });
            shaped.collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().take(1).map(shape).collect(),
        Value::String(_) => json!("text"),
        Value::Number(_) => json!(0),
        Value::Bool(_) => json!(true),
        Value::Null => Value::Null,
    }
}

fn domain() -> Value {
    json!({
        "created_at": "text", "id": "text", "is_disabled": true, "name": "text", "require_tls": true,
        "skip_verification": true, "smtp_login": "text", "spam_action": "text", "state": "text", "type": "text",
        "use_automatic_sender_security": true, "web_prefix": "text", "web_scheme": "text", "wildcard": true,
    })
}

fn record(extra: &str, cached: Value) -> Value {
    let mut record =
        json!({ "is_active": true, "cached": cached, "record_type": "text", "valid": "text", "value": "text" });
    record[extra] = json!("text");
    record
}

fn whole_domain(message: Option<&str>, cached: &Value) -> Value {
    let mut whole = json!({
        "domain": domain(),
        "receiving_dns_records": [record("priority", cached.clone())],
        "sending_dns_records": [record("name", cached.clone())],
    });
    if let Some(message) = message {
        whole["message"] = json!(message);
    }
    whole
}

fn paging() -> Value {
    json!({ "first": "text", "last": "text", "next": "text", "previous": "text" })
}

fn said(message: &str) -> Value {
    json!({ "message": message })
}

fn footers() -> Value {
    json!({ "active": true, "html_footer": "text", "text_footer": "text" })
}

fn urls() -> Value {
    json!({ "urls": ["text"] })
}

/// In the order in which they are asked: what one makes the next finds.
#[rustfmt::skip]
fn exchanges() -> Vec<(&'static str, Sent, u16, Value)> {
    let (none, some) = (json!([]), json!(["text"]));
    let tracking = "Domain tracking settings have been updated";
    let hook = "http://127.0.0.1:9/hook";
    let elsewhere = "https://example.com/hook is not a valid url: the sandbox calls this machine alone (localhost, 127.0.0.1, [::1])";
    let bounce = json!({ "address": "text", "code": "text", "error": "text", "created_at": "text" });
    let unsubscribe = json!({ "address": "text", "tags": ["text"], "created_at": "text" });
    let complaint = json!({ "address": "text", "created_at": "text" });
    let allowed = json!({ "type": "text", "value": "text", "reason": "text", "createdAt": "text" });
    let added = |table: &str| json!({ "address": "text", "message": format!("Address has been added to the {table} table") });
    let removed = |message: &str| json!({ "address": "text", "message": message });
    let account = json!({ "webhook_id": "text", "description": "text", "url": "text", "event_types": ["text"], "created_at": "text" });
    vec![
        ("POST /v3/mg.example.com/messages", Form(&[("from", "bob@mg.example.com"), ("to", "sally@example.com"), ("text", "x")]), 200, json!({ "id": "text", "message": "Queued. Thank you." })),
        ("POST /v3/mg.example.com/messages", Multipart(&[("from", "bob@mg.example.com"), ("to", "sally@example.com"), ("text", "x")]), 200, json!({ "id": "text", "message": "Queued. Thank you." })),
        ("POST /v3/mg.example.com/messages", Form(&[("from", "bob@mg.example.com"), ("to", "sallyexample.com"), ("text", "x")]), 400, said("to parameter is not a valid address. please check documentation")),
        ("POST /v3/unknown.example/messages", Form(&[]), 404, said("Domain not found: unknown.example")),
        ("POST /v3/mg.example.com/messages.mime", Multipart(&[("to", "sally@example.com"), ("message", "Subject: x\r\n\r\nx")]), 200, json!({ "id": "text", "message": "Queued. Thank you." })),
        ("POST /v3/mg.example.com/messages.mime", Multipart(&[("to", "sally@example.com"), ("text", "x")]), 400, said("'message' parameter is not a file")),

        ("POST /v4/domains", Form(&[("name", "new.example.com"), ("wildcard", "true")]), 200, whole_domain(Some("Domain DNS records have been created"), &none)),
        ("POST /v4/domains", Form(&[("name", "new.example.com")]), 400, said("This domain name is already taken")),
        ("POST /v3/new.example.com/messages", Form(&[]), 403, said("Domain new.example.com is not allowed to send: The domain is unverified and requires DNS configuration. Log in to your control panel to view required DNS records.")),
        ("GET /v4/domains", Nothing, 200, json!({ "total_count": 0, "items": [domain()] })),
        ("GET /v4/domains/new.example.com", Nothing, 200, whole_domain(None, &none)),
        ("GET /v4/domains/unknown.example", Nothing, 404, said("Domain not found")),
        ("PUT /v4/domains/new.example.com", Multipart(&[("spam_action", "block")]), 200, whole_domain(Some("Domain has been updated"), &none)),
        ("PUT /v4/domains/new.example.com/verify", Nothing, 200, whole_domain(Some("Domain DNS records have been updated"), &some)),
        ("GET /v3/domains/new.example.com", Nothing, 200, whole_domain(None, &some)),
        ("PUT /v3/domains/new.example.com/verify", Nothing, 200, whole_domain(Some("Domain DNS records have been updated"), &some)),
        ("GET /v3/domains/new.example.com/sending_queues", Nothing, 200, json!({ "regular": { "is_disabled": true }, "scheduled": { "is_disabled": true } })),
        ("GET /v3/domains/new.example.com/tracking", Nothing, 200, json!({ "tracking": { "open": { "active": true, "place_at_the_top": true }, "click": { "active": true }, "unsubscribe": footers(), "web_scheme": "text" } })),
        ("PUT /v3/domains/new.example.com/tracking/open", Form(&[("active", "false")]), 200, json!({ "message": tracking, "open": { "active": true, "place_at_the_top": true } })),
        ("PUT /v3/domains/new.example.com/tracking/click", Form(&[("active", "yes")]), 200, json!({ "message": tracking, "click": { "active": true } })),
        ("PUT /v3/domains/new.example.com/tracking/unsubscribe", Form(&[("active", "false")]), 200, json!({ "message": tracking, "unsubscribe": footers() })),
        ("DELETE /v3/domains/new.example.com", Nothing, 200, said("Domain will be deleted in the background")),
        ("GET /v3/domains/new.example.com", Nothing, 404, said("Domain not found")),

        ("POST /v3/mg.example.com/bounces", Form(&[("address", "test777@example.info"), ("code", "777")]), 200, added("bounces")),
        ("POST /v3/mg.example.com/bounces", Json(json!([{ "address": "a@b.example", "code": "500" }, { "address": "c@d.example" }])), 200, said("2 addresses have been added to the bounces table")),
        ("POST /v3/mg.example.com/bounces", Json(vec![json!({ "address": "a@b.example" }); 1_001].into()), 400, said("Batch size should be less than 1000")),
        ("GET /v3/mg.example.com/bounces/test777@example.info", Nothing, 200, bounce.clone()),
        ("GET /v3/mg.example.com/bounces", Nothing, 200, json!({ "items": [bounce], "paging": paging() })),
        ("DELETE /v3/mg.example.com/bounces/test777@example.info", Nothing, 200, removed("Bounced address has been removed")),
        ("GET /v3/mg.example.com/bounces/test777@example.info", Nothing, 404, said("Address not found in bounces table")),
        ("DELETE /v3/mg.example.com/bounces", Nothing, 200, said("Bounced addresses for this domain have been removed")),
        ("GET /v3/mg.example.com/bounces", Nothing, 200, json!({ "items": [], "paging": paging() })),

        ("POST /v3/mg.example.com/unsubscribes", Form(&[("address", "test777@example.com"), ("tags", "integration")]), 200, added("unsubscribes")),
        ("POST /v3/mg.example.com/unsubscribes", Json(json!([{ "address": "a@b.example", "tags": ["integration"] }])), 200, said("1 addresses have been added to the unsubscribes table")),
        ("GET /v3/mg.example.com/unsubscribes/test777@example.com", Nothing, 200, unsubscribe.clone()),
        ("GET /v3/mg.example.com/unsubscribes", Nothing, 200, json!({ "items": [unsubscribe], "paging": paging() })),
        ("DELETE /v3/mg.example.com/unsubscribes/test777@example.com", Nothing, 200, removed("Unsubscribe event has been removed")),
        ("GET /v3/mg.example.com/unsubscribes/test777@example.com", Nothing, 404, said("Address not found in unsubscribers table")),

        ("POST /v3/mg.example.com/complaints", Multipart(&[("address", "test777@example.com")]), 200, added("complaints")),
        ("POST /v3/mg.example.com/complaints", Json(json!([{ "address": "a@b.example" }])), 200, said("1 complaint addresses have been added to the complaints table")),
        ("GET /v3/mg.example.com/complaints/test777@example.com", Nothing, 200, complaint.clone()),
        ("GET /v3/mg.example.com/complaints", Nothing, 200, json!({ "items": [complaint], "paging": paging() })),
        ("DELETE /v3/mg.example.com/complaints/test777@example.com", Nothing, 200, removed("Spam complaint has been removed")),
        ("DELETE /v3/mg.example.com/complaints/test777@example.com", Nothing, 404, said("No spam complaints found for this address")),

        ("POST /v3/mg.example.com/whitelists", Multipart(&[("domain", "example.org"), ("reason", "ours")]), 200, json!({ "message": "Address/Domain has been added to the whitelists table", "type": "text", "value": "text" })),
        ("GET /v3/mg.example.com/whitelists/example.org", Nothing, 200, allowed.clone()),
        ("GET /v3/mg.example.com/whitelists", Nothing, 200, json!({ "items": [allowed], "paging": paging() })),
        ("DELETE /v3/mg.example.com/whitelists/example.org", Nothing, 200, json!({ "value": "text", "message": "Whitelist address/domain has been removed" })),
        ("GET /v3/mg.example.com/whitelists/example.org", Nothing, 404, said("Address/Domain not found in allowlist table")),

        ("POST /v3/domains/mg.example.com/webhooks", Form(&[("id", "accepted"), ("url", "http://127.0.0.1:9/hook")]), 200, json!({ "message": "Webhook has been created", "webhook": urls() })),
        ("POST /v3/domains/mg.example.com/webhooks", Form(&[("id", "opened"), ("url", "https://example.com/hook")]), 400, said(elsewhere)),
        ("POST /v3/domains/mg.example.com/webhooks", Form(&[("id", "failed"), ("url", "http://127.0.0.1:9/hook")]), 400, said("'failed' is not a valid webhook name")),
        ("GET /v3/domains/mg.example.com/webhooks/accepted", Nothing, 200, json!({ "webhook": urls() })),
        ("GET /v3/domains/mg.example.com/webhooks", Nothing, 200, json!({ "webhooks": { "accepted": urls() } })),
        ("PUT /v3/domains/mg.example.com/webhooks/accepted", Form(&[("id", "accepted"), ("url", "http://localhost:9/hook")]), 200, json!({ "message": "Webhook has been updated", "webhook": urls() })),
        ("PUT /v3/domains/mg.example.com/webhooks/accepted", Form(&[("url", "https://example.com/hook")]), 400, said(elsewhere)),
        ("DELETE /v3/domains/mg.example.com/webhooks/accepted", Nothing, 200, json!({ "message": "Webhook has been deleted", "webhook": urls() })),
        ("GET /v3/domains/mg.example.com/webhooks/accepted", Nothing, 404, said("Webhook not found")),
        ("GET /v3/domains/unknown.example/webhooks", Nothing, 404, said("Domain not found")),

        ("POST /v4/domains/mg.example.com/webhooks", Form(&[("url", "http://127.0.0.1:9/hook"), ("event_types", "opened"), ("event_types", "clicked")]), 200, json!({ "webhooks": { "opened": urls(), "clicked": urls() } })),
        ("POST /v4/domains/mg.example.com/webhooks", Form(&[("url", "http://127.0.0.1:9/hook"), ("event_types", "clicked")]), 400, said(&format!("Webhook for event type 'clicked' with URL '{hook}' already exists"))),
        ("POST /v4/domains/mg.example.com/webhooks", Form(&[("url", "https://example.com/hook"), ("event_types", "clicked")]), 400, said(elsewhere)),
        ("PUT /v4/domains/mg.example.com/webhooks", Form(&[("url", "http://127.0.0.1:9/hook"), ("event_types", "complained")]), 200, json!({ "webhooks": { "complained": urls() } })),
        ("DELETE /v4/domains/mg.example.com/webhooks?url=http://127.0.0.1:9/hook", Nothing, 200, json!({ "webhooks": {} })),

        ("POST /v1/webhooks", Multipart(&[("url", "http://127.0.0.1:9/hook"), ("event_types", "opened"), ("description", "all of it")]), 200, json!({ "webhook_id": "text" })),
        ("POST /v1/webhooks", Multipart(&[("url", "https://example.com/hook"), ("event_types", "opened")]), 400, said(elsewhere)),
        ("GET /v1/webhooks", Nothing, 200, json!({ "webhooks": [account] })),
        ("DELETE /v1/webhooks?all=true", Nothing, 204, Value::Null),
        ("GET /v1/webhooks/wh_none", Nothing, 404, said("Webhook not found")),

        ("GET /v5/accounts/http_signing_key", Nothing, 200, json!({ "http_signing_key": "text" })),
        ("POST /v5/accounts/http_signing_key", Nothing, 200, json!({ "http_signing_key": "text" })),
        ("GET /v4/address/validate?address=bounce@example.com", Nothing, 200, json!({ "address": "text", "did_you_mean": null, "is_disposable_address": true, "is_role_address": true, "reason": ["text"], "result": "text", "risk": "text", "root_address": null })),
        ("GET /v3/mg.example.com/events?event=opened", Nothing, 200, json!({ "items": [], "paging": paging() })),
        ("GET /v3/mg.example.com/events?event=(opened", Nothing, 400, said("a filter can not be read")),
        ("GET /v3/unknown.example/events", Nothing, 404, said("Domain not found: unknown.example")),
        ("POST /v1/analytics/logs", Json(json!({ "events": ["opened"] })), 200, json!({ "start": "text", "end": "text", "items": [], "pagination": {}, "aggregates": {} })),
    ]
}

#[tokio::test]
async fn each_endpoint_answers_as_it_was_recorded() {
    let sandboxed = Sandboxed::start().await;
    for (line, sent, status, expected) in exchanges() {
        let (method, path) = line.split_once(' ').unwrap();
        let request = sandboxed.request(method.parse().unwrap(), path);
        let answer = sent.with(request).send().await.unwrap();
        let (found, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        assert_eq!(found, status, "{line}: {text}");
        if status != 204 {
            let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{line}: {text}"));
            assert_eq!(shape(&body), expected, "{line}: {text}");
            assert!(text.ends_with('\n'), "{line}");
            let recorded = [
                ("content-type", "application/json; charset=utf-8"),
                ("access-control-allow-origin", "*"),
                ("cache-control", "no-store"),
                ("strict-transport-security", "max-age=63072000; includeSubDomains"),
                ("x-xss-protection", "1; mode=block"),
            ];
            for (name, value) in recorded {
                assert_eq!(headers[name], value, "{line}: {name}");
            }
        }
    }
}

#[tokio::test]
async fn without_the_key_nothing_is_told() {
    let sandboxed = Sandboxed::start().await;
    for (line, _, _, _) in exchanges() {
        let (method, path) = line.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let url = format!("{}{path}", sandboxed.url);
        let nobody = sandboxed.client.request(method.clone(), &url);
        let stranger = sandboxed.client.request(method, &url).basic_auth("api", Some("wrong"));
        for request in [nobody, stranger] {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 401, "{line}");
            let text = answer.text().await.unwrap();
            assert!(text == "Forbidden" || text == "{\"message\":\"Invalid private key\"}\n", "{line}: {text}");
        }
    }
    let domains = sandboxed.get("/v4/domains").await;
    assert_eq!(domains["total_count"], 1, "nothing was made either");
}

#[tokio::test]
async fn a_list_leads_from_page_to_page() {
    let sandboxed = Sandboxed::start().await;
    let entries: Vec<Value> = (0..7).map(|n| json!({ "address": format!("n{n}+x@example.com") })).collect();
    let request = sandboxed.request(Method::POST, "/v3/mg.example.com/complaints").json(&entries);
    super::ok(request.send().await.unwrap()).await;
    let counted = sandboxed.request(Method::GET, "/v3/mg.example.com/complaints").send().await.unwrap();
    let header = |name: &str| counted.headers()[name].to_str().unwrap().parse::<u64>().unwrap();
    assert_eq!((header("x-request-limit"), header("x-request-remaining")), (2_500, 2_498));
    let mut page = sandboxed.get("/v3/mg.example.com/complaints?limit=3").await;
    let (first, mut seen) = (page["items"].clone(), Vec::new());
    while let Some(items) = page["items"].as_array().filter(|items| !items.is_empty()) {
        seen.extend(items.iter().map(|item| item["address"].clone()));
        page = sandboxed.get(page["paging"]["next"].as_str().unwrap()).await;
    }
    let expected: Vec<Value> = entries.iter().map(|entry| entry["address"].clone()).collect();
    assert_eq!(seen, expected);
    let second = sandboxed.get("/v3/mg.example.com/complaints?page=next&address=n2%2Bx@example.com&limit=3").await;
    let back = sandboxed.get(second["paging"]["previous"].as_str().unwrap()).await;
    assert_eq!(back["items"], first);
    let found = sandboxed.get("/v3/mg.example.com/complaints?term=n4").await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_gzipped_message_is_unpacked_up_to_the_limit() {
    use std::io::Write as _;
    let sandboxed = Sandboxed::start().await;
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let post = async |body: Vec<u8>| {
        let request = sandboxed.request(Method::POST, "/v3/mg.example.com/messages").body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.header("content-encoding", "gzip").send().await.unwrap().status().as_u16()
    };
    let form = b"from=bob%40mg.example.com&to=sally%40example.com&text=Testing";
    assert_eq!(post(gzip(form)).await, 200);
    assert_eq!(post(form.to_vec()).await, 400);
    let large = [&form[..], &vec![b'x'; 52_428_800]].concat();
    assert_eq!(post(gzip(&large)).await, 413);
    assert_eq!(sandboxed.get("/_sandbox/stats").await["accepted"], 1);
}

#[tokio::test]
async fn of_a_mime_message_the_envelope_counts() {
    let sandboxed = Sandboxed::start().await;
    let mime = "From: Bob <bob@mg.example.com>\r\nTo: list@example.com\r\nMessage-ID: <whole@mg.example.com>\r\n\
                Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nTesting\r\n";
    let file = reqwest::multipart::Part::text(mime).file_name("a.eml");
    for part in [file, reqwest::multipart::Part::text(mime)] {
        let form = reqwest::multipart::Form::new().text("to", "sally@example.com").text("v:email-id", "e7");
        let request = sandboxed.request(Method::POST, "/v3/mg.example.com/messages.mime");
        let sent = super::ok(request.multipart(form.part("message", part)).send().await.unwrap()).await;
        assert_eq!(sent["id"], "<whole@mg.example.com>");
    }
    let kept = sandboxed.get("/_sandbox/messages?limit=1").await["messages"][0].clone();
    let told = (&kept["from"], &kept["to"], &kept["subject"], &kept["variables"]["email-id"]);
    assert_eq!(
        told,
        (&json!("Bob <bob@mg.example.com>"), &json!(["sally@example.com"]), &json!("Grüße"), &json!("e7"))
    );
}

//! The table of REST paths against the schema it stands on.

#![expect(clippy::unwrap_used, reason = "tests may")]

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::operation::{OPERATIONS, Operation};
use super::problem::Problem;

fn operation(method: Method, path: &str) -> &'static Operation {
    OPERATIONS.iter().find(|operation| operation.method == method && operation.path == path).unwrap()
}

fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
    given.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect()
}

const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

fn variables(operation: &Operation, headers: &HeaderMap, body: &str) -> Result<Value, Problem> {
    let variables = operation.variables(Some("0198"), "", headers, body.as_bytes())?;
    Ok(serde_json::to_value(variables).unwrap())
}

#[test]
fn a_request_becomes_the_variables_of_its_document() {
    let send = operation(Method::POST, "/queue/send");
    let pause = operation(Method::POST, "/queue/pause");
    let job = operation(Method::GET, "/queue/job/{jobId}");
    let named = headers(&[JSON, ("idempotency-key", "\"order 17\"")]);
    let bare = headers(&[JSON, ("idempotency-key", "order 17")]);
    let cases = [
        (job, headers(&[]), "", json!({ "id": "email:0198" })),
        (pause, headers(&[]), "", json!({})),
        (pause, headers(&[JSON]), r#"{ "reason": "weekend" }"#, json!({ "reason": "weekend" })),
        (send, headers(&[JSON]), r#"{ "to": "a@b.example" }"#, json!({ "input": { "to": "a@b.example" } })),
        (send, named, "{}", json!({ "input": { "idempotencyKey": "order 17" } })),
        (send, bare.clone(), "{}", json!({ "input": { "idempotencyKey": "order 17" } })),
        (send, bare, r#"{ "idempotencyKey": "order 17" }"#, json!({ "input": { "idempotencyKey": "order 17" } })),
    ];
    for (operation, headers, body, expected) in cases {
        assert_eq!(variables(operation, &headers, body).unwrap(), expected, "{body}");
    }
}

#[test]
fn an_id_may_come_with_its_kind_or_without() {
    let job = operation(Method::GET, "/queue/job/{jobId}");
    for id in ["0198", "email:0198"] {
        let variables = job.variables(Some(id), "", &HeaderMap::new(), b"").unwrap();
        assert_eq!(serde_json::to_value(variables).unwrap(), json!({ "id": "email:0198" }));
    }
}

#[test]
fn a_query_becomes_variables_of_their_types() {
    let list = operation(Method::GET, "/suppression/list");
    let lift = operation(Method::DELETE, "/suppression/{email}");
    let events = operation(Method::GET, "/delivery-events/campaign/{campaignId}");
    let of_campaign = json!({ "campaignId": "campaign:ann@example.com", "first": 5 });
    let cases = [
        (events, "first=5", Ok(of_campaign)),
        (events, "last=5", Err("last is no key")),
        (list, "first=10&active=true&reason=BOUNCE", Ok(json!({ "first": 10, "active": true, "reason": "BOUNCE" }))),
        (list, "search=a%2Bb%40x", Ok(json!({ "search": "a+b@x" }))),
        (list, "first=ten", Err("first has to be a whole number")),
        (list, "active=yes", Err("active has to be true or false")),
        (list, "first=1&first=2", Err("first is given twice")),
        (list, "frist=1", Err("frist is no key")),
        (lift, "", Ok(json!({ "target": "ann@example.com" }))),
        (lift, "reasons=BOUNCE,MANUAL", Ok(json!({ "target": "ann@example.com", "reasons": ["BOUNCE", "MANUAL"] }))),
        (lift, "target=bob@example.com", Err("target is no key")),
    ];
    for (operation, query, expected) in cases {
        match (operation.variables(Some("ann@example.com"), query, &HeaderMap::new(), b""), expected) {
            (Ok(variables), Ok(expected)) => assert_eq!(serde_json::to_value(variables).unwrap(), expected, "{query}"),
            (Err(problem), Err(words)) => assert!(format!("{problem:?}").contains(words), "{query}: {problem:?}"),
            (found, expected) => panic!("{query}: {found:?} in place of {expected:?}"),
        }
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let send = operation(Method::POST, "/queue/send");
    let pause = operation(Method::POST, "/queue/pause");
    let two_keys = headers(&[JSON, ("idempotency-key", "one")]);
    let text = headers(&[("content-type", "text/plain")]);
    let cases = [
        (pause, headers(&[JSON]), "[]", 400, "the body is no JSON object"),
        (pause, headers(&[JSON]), r#"{ "untill": null }"#, 400, "untill is no key"),
        (pause, text, "{}", 415, "application/json"),
        (send, two_keys, r#"{ "idempotencyKey": "two" }"#, 400, "idempotencyKey is not what the header"),
    ];
    for (operation, headers, body, status, words) in cases {
        let problem = format!("{:?}", variables(operation, &headers, body).unwrap_err());
        assert!(problem.contains(&format!("status: {status}")) && problem.contains(words), "{problem}");
    }
}

#[test]
fn mistakes_decide_the_status_and_lose_the_name_that_the_caller_never_gave() {
    let mistake = |code: &str| json!([{ "code": code, "field": ["input", "to"], "message": "is wrong" }]);
    let cases = [
        ("INVALID", StatusCode::UNPROCESSABLE_ENTITY),
        ("LIMIT_EXCEEDED", StatusCode::UNPROCESSABLE_ENTITY),
        ("NOT_FOUND", StatusCode::NOT_FOUND),
        ("CONFLICT", StatusCode::CONFLICT),
        ("NOT_CANCELLABLE", StatusCode::CONFLICT),
        ("NOT_STORED", StatusCode::SERVICE_UNAVAILABLE),
    ];
    for (code, status) in cases {
        let problem = format!("{:?}", Problem::mistakes(&mistake(code), Some("input")).unwrap());
        assert!(problem.contains(&format!("status: {}", status.as_u16())), "{code}: {problem}");
        assert!(problem.contains("\"to is wrong\"") && !problem.contains("input"), "{problem}");
    }
    assert_eq!(Problem::mistakes(&json!([]), None), None);
}

#[test]
fn each_reference_of_the_description_leads_to_a_schema() {
    let document = super::openapi::document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut found = 0;
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) => {
                if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                    let name = reference.strip_prefix("#/components/schemas/").unwrap();
                    assert!(schemas.get(name).is_some_and(Value::is_object), "{name}");
                    found += 1;
                }
                open.extend(object.values());
            }
            Value::Array(items) => open.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    assert!(found > OPERATIONS.len(), "{found}");
}

#[test]
fn no_two_operations_of_the_description_have_one_id() {
    let document = super::openapi::document();
    let paths = document["paths"].as_object().unwrap().values();
    let ids: Vec<&str> = paths
        .flat_map(|path| path.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), OPERATIONS.len());
    assert_eq!(std::collections::BTreeSet::from_iter(&ids).len(), ids.len(), "{ids:?}");
}

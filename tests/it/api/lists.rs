//! Lists, page by page.

use serde_json::{Value, json};
use tests::database::Backend;

use super::{Served, letter};

on_both! {
    a_list_is_the_same_walked_from_either_end
    a_list_counts_what_its_filter_means
    what_no_list_can_be_is_the_callers_mistake
}

const EMAILS: &str =
    "query($first: Int, $after: String, $last: Int, $before: String, $filter: EmailFilter, $orderBy: EmailOrder) {
  emails(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $orderBy) {
    nodes { id } edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount totalCountIsCapped } }";

async fn page(served: &Served, variables: Value) -> Value {
    served.client.query(EMAILS, variables).await["emails"].take()
}

fn ids(page: &Value) -> Vec<String> {
    page["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect()
}

async fn filled(backend: Backend) -> (Served, Vec<String>) {
    let served = Served::on(backend).await;
    let later = |n: usize| {
        let to = if n.is_multiple_of(2) { "even@example.org" } else { "odd@example.org" };
        letter(json!({ "to": to, "sendAt": "2027-03-01T08:00:00Z" }))
    };
    let mut ids = served.client.send_emails((0..25).map(later).collect()).await;
    ids.reverse();
    (served, ids)
}

async fn a_list_is_the_same_walked_from_either_end(backend: Backend) {
    let (served, newest_first) = filled(backend).await;
    let mut forwards = Vec::new();
    let mut after = Value::Null;
    loop {
        let page = page(&served, json!({ "first": 10, "after": after })).await;
        assert_eq!(page["pageInfo"]["hasPreviousPage"], !forwards.is_empty());
        assert_eq!(page["edges"][0]["cursor"], page["pageInfo"]["startCursor"]);
        forwards.extend(ids(&page));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(forwards, newest_first);
    // Behind the last there is nothing, and the last itself lies before.
    let behind = page(&served, json!({ "first": 10, "after": after })).await;
    assert_eq!(behind["nodes"], json!([]));
    let info = json!({ "hasNextPage": false, "hasPreviousPage": true, "startCursor": null, "endCursor": null });
    assert_eq!(behind["pageInfo"], info);
    let mut backwards = Vec::new();
    let mut before = Value::Null;
    loop {
        let page = page(&served, json!({ "last": 10, "before": before })).await;
        assert_eq!(page["pageInfo"]["hasNextPage"], !backwards.is_empty());
        backwards.splice(0..0, ids(&page));
        before = page["pageInfo"]["startCursor"].clone();
        if page["pageInfo"]["hasPreviousPage"] == false {
            break;
        }
    }
    assert_eq!(backwards, newest_first);
    let mut oldest_first =
        ids(&page(&served, json!({ "first": 100, "orderBy": { "field": "CREATED_AT", "direction": "ASC" } })).await);
    oldest_first.reverse();
    assert_eq!(oldest_first, newest_first);
}

async fn a_list_counts_what_its_filter_means(backend: Backend) {
    let (served, _) = filled(backend).await;
    let cases = [
        (json!({}), 25),
        (json!({ "address": "odd@example.org" }), 12),
        (json!({ "status": ["SCHEDULED"] }), 25),
        (json!({ "status": ["SENT", "FAILED"] }), 0),
        (json!({ "priority": "NORMAL", "domain": "sandbox.mailmind.test" }), 25),
        (json!({ "priority": "HIGH" }), 0),
        (json!({ "createdAt": { "until": "2020-01-01T00:00:00Z" } }), 0),
        (json!({ "createdAt": { "since": "2020-01-01T00:00:00Z" }, "address": "even@example.org" }), 13),
    ];
    for (filter, expected) in cases {
        let page = page(&served, json!({ "first": 2, "filter": filter })).await;
        assert_eq!((&page["totalCount"], &page["totalCountIsCapped"]), (&json!(expected), &json!(false)), "{filter}");
        assert_eq!(ids(&page).len(), expected.min(2));
    }
}

async fn what_no_list_can_be_is_the_callers_mistake(backend: Backend) {
    let served = Served::on(backend).await;
    let cases = [
        json!({ "first": -1 }),
        json!({ "first": 101 }),
        json!({ "first": 1, "last": 1 }),
        json!({ "after": "nonsense" }),
        // Of no list that there is, and of none that there was.
        json!({ "after": "AQAAAAAAAAAAAAAAAAAAAAAA" }),
        json!({ "last": 1, "before": "AQIAAAAAAAAAAAAAAAAAAAAA" }),
        json!({ "after": "AAAAAAAAAAAAAAAAAAAAAA" }),
        json!({ "last": 1, "after": "AQEAAAAAAAAAAAAAAAAAAAAA" }),
        json!({ "filter": { "address": "nobody" } }),
        json!({ "filter": { "campaignId": "x" } }),
        json!({ "filter": { "domain": "no domain" } }),
    ];
    for variables in cases {
        let answer = served.client.try_query(EMAILS, variables.clone()).await.unwrap();
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{variables}: {answer}");
    }
}

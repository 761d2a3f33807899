//! Suppressions and leads as callers meet them: over GraphQL, over plain paths, and as files.

use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Client, http};
use tests::database::Backend;

use super::{KEY, Served, letter, mistakes};

on_both! {
    an_address_is_suppressed_explained_and_lifted
    mistakes_are_told_by_field_and_spoil_nothing_else
    ten_thousand_come_in_one_call
    whoever_may_only_read_sees_no_address_and_can_find_none
    the_plain_paths_do_the_same
    a_list_goes_out_as_a_file_and_comes_back
    mailguns_own_files_are_taken_and_bad_rows_are_named
    a_lead_is_told_with_its_status
}

const SUPPRESS: &str = "mutation($input: SuppressInput!) { suppress(input: $input) {
  suppression { id target scope reason bounceType source note active expiresAt liftedAt }
  suppressed remaining remainingIsCapped inFlight { id } userErrors { code field message } } }";

const SUPPRESS_MANY: &str = "mutation($inputs: [SuppressInput!]!, $dryRun: Boolean! = false) {
  suppressMany(inputs: $inputs, dryRun: $dryRun) { entered suppressed remaining inFlight { id }
    userErrors { code field message } } }";

const UNSUPPRESS: &str = "mutation($target: String!, $reasons: [SuppressionReason!]) {
  unsuppress(target: $target, reasons: $reasons) { lifted { target reason active }
    stillBlockedBy { target reason } userErrors { code field message } } }";

const STATE: &str = "query($address: EmailAddress!) { suppression(address: $address) {
  blocked by { id target reason note } history { lifted reason target note } } }";

async fn state(client: &Client, address: &str) -> Value {
    client.query(STATE, json!({ "address": address })).await["suppression"].take()
}

async fn an_address_is_suppressed_explained_and_lifted(backend: Backend) {
    let served = Served::on(backend).await;
    let later = json!({ "to": "bob@example.org", "sendAt": "2027-06-01T09:00:00Z" });
    let waiting = served.client.send_email(letter(later)).await;
    let input = json!({ "input": { "target": "Bob@Example.org", "note": "asked by phone" } });
    let done = served.mutate(SUPPRESS, input).await;
    let entry = &done["suppression"];
    assert_eq!((&entry["target"], &entry["scope"]), (&json!("bob@example.org"), &json!("ADDRESS")));
    assert_eq!(
        (&entry["reason"], &entry["source"], &entry["active"]),
        (&json!("MANUAL"), &json!("MANUAL"), &json!(true))
    );
    assert_eq!((&done["suppressed"], &done["remaining"], &done["inFlight"]), (&json!(1), &json!(0), &json!([])));
    assert_eq!(served.client.status(&waiting).await, "SUPPRESSED");
    let asked = "query($id: ID!, $entry: ID!) { email(id: $id) { suppression { id } } node(id: $entry) { id ... on Suppression {
        note } } nodes(ids: [$entry, $id]) { id } }";
    let told = served.client.query(asked, json!({ "id": waiting, "entry": entry["id"] })).await;
    assert_eq!((&told["email"]["suppression"]["id"], &told["node"]["id"]), (&entry["id"], &entry["id"]));
    assert_eq!((&told["node"]["note"], &told["nodes"][0]["id"]), (&json!("asked by phone"), &entry["id"]));
    let domain = json!({ "input": { "target": "example.org", "reason": "COMPLAINT" } });
    assert_eq!(served.mutate(SUPPRESS, domain).await["suppression"]["scope"], "DOMAIN");
    let stands = state(&served.client, "BOB@example.org").await;
    assert_eq!((&stands["blocked"], stands["by"].as_array().unwrap().len()), (&json!(true), 2));
    let lifted = served.mutate(UNSUPPRESS, json!({ "target": "bob@example.org" })).await;
    assert_eq!(lifted["lifted"], json!([{ "target": "bob@example.org", "reason": "MANUAL", "active": false }]));
    assert_eq!(lifted["stillBlockedBy"], json!([{ "target": "example.org", "reason": "COMPLAINT" }]));
    served.mutate(UNSUPPRESS, json!({ "target": "example.org", "reasons": ["COMPLAINT"] })).await;
    let stands = state(&served.client, "bob@example.org").await;
    assert_eq!((&stands["blocked"], &stands["by"]), (&json!(false), &json!([])));
    assert!(stands["history"].as_array().unwrap().iter().any(|fact| fact["lifted"] == true));
    let retry = "mutation($id: ID!) { retryEmail(id: $id) { email { status } userErrors { code } } }";
    assert_eq!(served.mutate(retry, json!({ "id": waiting })).await["email"]["status"], "QUEUED");
}

async fn mistakes_are_told_by_field_and_spoil_nothing_else(backend: Backend) {
    let served = Served::on(backend).await;
    let past = "2020-01-01T00:00:00Z";
    let cases = [
        (json!({ "target": "bob@" }), vec!["INVALID input.target"]),
        (json!({ "target": "" }), vec!["INVALID input.target"]),
        (json!({ "target": "a b.example" }), vec!["INVALID input.target"]),
        (json!({ "target": "bob@example.org", "expiresAt": past }), vec!["INVALID input.expiresAt"]),
        (json!({ "target": "bob@example.org", "note": "x".repeat(501) }), vec!["INVALID input.note"]),
    ];
    for (input, expected) in cases {
        let done = served.mutate(SUPPRESS, json!({ "input": input })).await;
        assert_eq!(
            (mistakes(&done), &done["suppression"]),
            (expected.iter().map(|s| (*s).to_owned()).collect(), &Value::Null)
        );
    }
    let inputs = json!([{ "target": "ann@example.org" }, { "target": "nobody@" }, { "target": "example.net" }]);
    let done = served.mutate(SUPPRESS_MANY, json!({ "inputs": inputs })).await;
    assert_eq!((mistakes(&done), &done["entered"]), (vec!["INVALID inputs.1.target".to_owned()], &json!(2)));
    let many: Vec<Value> = (0..10_001).map(|i| json!({ "target": format!("u{i}@example.org") })).collect();
    let done = served.mutate(SUPPRESS_MANY, json!({ "inputs": many })).await;
    assert_eq!((mistakes(&done), &done["entered"]), (vec!["LIMIT_EXCEEDED inputs".to_owned()], &json!(0)));
    let done = served.mutate(UNSUPPRESS, json!({ "target": "no domain" })).await;
    assert_eq!(mistakes(&done), ["INVALID target"]);
}

async fn ten_thousand_come_in_one_call(backend: Backend) {
    let served = Served::on(backend).await;
    let note = "x".repeat(400);
    let inputs: Vec<Value> =
        (0..10_000).map(|i| json!({ "target": format!("reader{i}@example.org"), "note": note })).collect();
    let would = served.mutate(SUPPRESS_MANY, json!({ "inputs": inputs, "dryRun": true })).await;
    assert_eq!((&would["entered"], mistakes(&would)), (&json!(10_000), vec![]));
    let none = "{ suppressionStats { total } suppressions { totalCount } }";
    assert_eq!(served.client.query(none, json!({})).await["suppressionStats"]["total"], 0);
    let done = served.mutate(SUPPRESS_MANY, json!({ "inputs": inputs })).await;
    assert_eq!((&done["entered"], mistakes(&done)), (&json!(10_000), vec![]));
    let stats = served.client.query(none, json!({})).await;
    assert_eq!(
        (&stats["suppressionStats"]["total"], &stats["suppressions"]["totalCount"]),
        (&json!(10_000), &json!(10_000))
    );
}

async fn whoever_may_only_read_sees_no_address_and_can_find_none(backend: Backend) {
    let served = Served::on(backend).await;
    let made = served.command(&["key", "create", "--scope", "read"]).await;
    let reader = Client::new(&served.url, made.last().unwrap());
    let bob =
        json!({ "input": { "target": "bob@example.org", "note": "bob@example.org called", "reason": "COMPLAINT" } });
    served.mutate(SUPPRESS, bob).await;
    served.mutate(SUPPRESS, json!({ "input": { "target": "example.net" } })).await;
    let list = "{ suppressions { nodes { target note } } }";
    let masked = json!([
        { "target": "example.net", "note": null },
        { "target": "b***@example.org", "note": "b***@example.org called" },
    ]);
    assert_eq!(reader.query(list, json!({})).await["suppressions"]["nodes"], masked);
    let stands = state(&reader, "bob@example.org").await.to_string();
    assert!(!stands.contains("bob@") && stands.contains("b***@example.org"), "{stands}");
    for filter in ["search: \"bob\"", "startsWith: \"bo\""] {
        let document = format!("{{ suppressions(filter: {{ {filter} }}) {{ totalCount }} }}");
        let answer = reader.try_query(&document, json!({})).await.unwrap();
        assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{answer}");
        assert_eq!(served.client.query(&document, json!({})).await["suppressions"]["totalCount"], 1);
    }
    let answer = reader.try_query(UNSUPPRESS, json!({ "target": "example.net" })).await.unwrap();
    assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN");
}

async fn call(served: &Served, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let url = format!("{}/api/email-reliability/suppression{path}", served.url);
    let request = http().request(method, url).bearer_auth(KEY);
    let request = if let Some(body) = body { request.json(&body) } else { request };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn the_plain_paths_do_the_same(backend: Backend) {
    let served = Served::on(backend).await;
    for target in ["ann@example.org", "bob+news@example.org", "example.net"] {
        let added = call(&served, Method::POST, "/add", Some(json!({ "target": target }))).await;
        assert_eq!((added.0, &added.1["suppression"]["target"]), (200, &json!(target)));
    }
    let stats = call(&served, Method::GET, "/stats", None).await;
    assert_eq!((stats.0, &stats.1["total"], &stats.1["manual"]), (200, &json!(3), &json!(3)));
    let list = call(&served, Method::GET, "/list?first=2&active=true&reason=MANUAL", None).await.1;
    assert_eq!((list["nodes"].as_array().unwrap().len(), &list["totalCount"]), (2, &json!(3)));
    let after = list["pageInfo"]["endCursor"].as_str().unwrap();
    let rest = call(&served, Method::GET, &format!("/list?after={after}"), None).await.1;
    assert_eq!((rest["nodes"].as_array().unwrap().len(), &rest["nodes"][0]["target"]), (1, &json!("ann@example.org")));
    let bob = call(&served, Method::GET, "/bob%2Bnews@example.org", None).await;
    assert_eq!((bob.0, &bob.1["blocked"]), (200, &json!(true)));
    let lifted = call(&served, Method::DELETE, "/bob%2Bnews@example.org?reasons=MANUAL,BOUNCE", None).await;
    assert_eq!((lifted.0, lifted.1["lifted"].as_array().unwrap().len()), (200, 1));
    assert_eq!(call(&served, Method::GET, "/bob%2Bnews@example.org", None).await.1["blocked"], false);
    assert_eq!(call(&served, Method::DELETE, "/example.net", None).await.1["lifted"][0]["target"], "example.net");
    assert_eq!(call(&served, Method::POST, "/cleanup", None).await, (200, json!({ "archived": 0 })));
    let cases = [
        (Method::GET, "/list?frist=1", None, 400, "BAD_USER_INPUT"),
        (Method::GET, "/list?first=many", None, 400, "BAD_USER_INPUT"),
        (Method::GET, "/list?reason=NONE", None, 400, "BAD_USER_INPUT"),
        (Method::GET, "/nobody", None, 400, "BAD_USER_INPUT"),
        (Method::POST, "/add", Some(json!({ "target": "bob@" })), 422, "INVALID"),
        (Method::POST, "/add", Some(json!({ "targt": "bob@example.org" })), 400, "BAD_USER_INPUT"),
        (Method::DELETE, "/bob@", None, 422, "INVALID"),
    ];
    for (method, path, body, status, code) in cases {
        let answer = call(&served, method, path, body).await;
        assert_eq!((answer.0, &answer.1["code"]), (status, &json!(code)), "{path}: {}", answer.1);
    }
}

/// What a command printed but for its log.
fn printed(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).filter(|line| !line.contains(" INFO ") && !line.contains(" WARN ")).collect()
}

fn file(served: &Served, name: &str, text: &str) -> String {
    let path = served.data.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn a_list_goes_out_as_a_file_and_comes_back(backend: Backend) {
    let served = Served::on(backend).await;
    let inputs = json!([
        { "target": "ann@example.org", "reason": "BOUNCE", "note": "550 no such \"user\", she says" },
        { "target": "bob@example.org", "reason": "BOUNCE", "expiresAt": "2999-01-01T00:00:00Z" },
        { "target": "eve@example.org", "reason": "COMPLAINT" },
        { "target": "example.net", "note": "ours" },
    ]);
    served.mutate(SUPPRESS_MANY, json!({ "inputs": inputs })).await;
    let out = served.command(&["suppressions", "export"]).await;
    let lines = printed(&out);
    assert_eq!((lines.len(), lines[0]), (5, "address,reason,note,created_at,expires_at"), "{lines:?}");
    let bounces = served.command(&["suppressions", "export", "--reason", "bounce", "--mailgun"]).await;
    let bounces = printed(&bounces);
    assert_eq!((bounces.len(), bounces[0]), (3, "address,code,error,created_at"));
    assert!(bounces[1].starts_with("ann@example.org,550,\"no such \"\"user\"\", she says\","), "{bounces:?}");

    let other = Served::on(backend).await;
    let path = file(&other, "list.csv", &lines.join("\n"));
    let would = other.command(&["suppressions", "import", &path, "--dry-run"]).await;
    assert!(printed(&would)[0].starts_with("would enter 4 entries and skip 0 rows"), "{would:?}");
    for _ in 0..2 {
        let done = other.command(&["suppressions", "import", &path]).await;
        assert!(printed(&done)[0].starts_with("entered 4 entries, skipped 0 rows"), "{done:?}");
    }
    let again = other.command(&["suppressions", "export"]).await;
    assert_eq!(printed(&again), lines, "what went out came in, and once");
    let stats = "{ suppressionStats { total hardBounces softBounces complaints manual } }";
    let expected = json!({ "total": 4, "hardBounces": 1, "softBounces": 1, "complaints": 1, "manual": 1 });
    assert_eq!(other.client.query(stats, json!({})).await["suppressionStats"], expected);
}

async fn mailguns_own_files_are_taken_and_bad_rows_are_named(backend: Backend) {
    let served = Served::on(backend).await;
    let bounces = "address,code,error,created_at\n\
         a@example.org,550,\"no, such user\",\"Thu, 13 Oct 2011 18:02:00 UTC\"\n\
         nobody,550,,\n\
         b@example.org,550,\"two\nlines\",\"Thu, 13 Oct 2011 18:02:00 UTC\"\n\
         c@example.org,550,,yesterday\n";
    let done = served.command(&["suppressions", "import", &file(&served, "bounces.csv", bounces)]).await;
    let said = printed(&done).join("\n");
    assert!(said.contains("entered 3 entries, skipped 1 rows"), "a bare word is a domain: {said}");
    assert!(said.contains("line 6: created_at is no time"), "{said}");
    let unsubscribes = "address,tags,created_at\nd@example.org,*,\"Thu, 13 Oct 2011 18:02:00 UTC\"\ne@,*,\n";
    let done = served.command(&["suppressions", "import", &file(&served, "unsubscribes.csv", unsubscribes)]).await;
    let said = printed(&done).join("\n");
    assert!(said.contains("line 3: the address has nothing after the @"), "{said}");
    let complaints = "address,created_at\nf@example.org,\"Thu, 13 Oct 2011 18:02:00 UTC\"\n";
    served.command(&["suppressions", "import", &file(&served, "complaints.csv", complaints)]).await;
    let plain = "address\ng@example.org\n";
    let path = file(&served, "plain.csv", plain);
    served.command(&["suppressions", "import", &path, "--reason", "manual"]).await;
    let stats = "{ suppressionStats { hardBounces unsubscribes complaints manual } }";
    let expected = json!({ "hardBounces": 3, "unsubscribes": 1, "complaints": 1, "manual": 1 });
    assert_eq!(served.client.query(stats, json!({})).await["suppressionStats"], expected);
    let many: String = (0..5_000).map(|i| format!("reader{i}@example.org,2026-01-01T00:00:00Z\n")).collect();
    let path = file(&served, "many.csv", &format!("address,created_at\n{many}"));
    let done = served.command(&["suppressions", "import", &path]).await;
    assert!(printed(&done)[0].starts_with("entered 5000 entries, skipped 0 rows"), "{done:?}");
}

async fn a_lead_is_told_with_its_status(backend: Backend) {
    let served = Served::on(backend).await;
    let lead = "lead:01980000-0000-7000-8000-000000000007";
    let email = served.client.send_email(letter(json!({ "leadId": lead, "to": "Bob@example.org" }))).await;
    served.mutate(SUPPRESS, json!({ "input": { "target": "bob@example.org", "reason": "UNSUBSCRIBE" } })).await;
    let asked = "query($lead: ID!, $email: ID!) { lead(id: $lead) { id address status suppression { reason } }
        email(id: $email) { lead { id } } node(id: $lead) { id }
        leads(filter: { status: [UNSUBSCRIBED] }) { nodes { id } totalCount totalCountIsCapped } }";
    let told = served.client.query(asked, json!({ "lead": lead, "email": email })).await;
    let expected = json!({ "id": lead, "address": "bob@example.org", "status": "UNSUBSCRIBED",
        "suppression": { "reason": "UNSUBSCRIBE" } });
    assert_eq!(
        (&told["lead"], &told["email"]["lead"]["id"], &told["node"]["id"]),
        (&expected, &json!(lead), &json!(lead))
    );
    assert_eq!(told["leads"], json!({ "nodes": [{ "id": lead }], "totalCount": 1, "totalCountIsCapped": false }));
    served.mutate(UNSUPPRESS, json!({ "target": "bob@example.org" })).await;
    let told = served.client.query(asked, json!({ "lead": lead, "email": email })).await;
    assert_eq!((&told["lead"]["status"], &told["lead"]["suppression"]), (&json!("ACTIVE"), &Value::Null));
    let absent = json!({ "lead": "lead:01980000-0000-7000-8000-000000000008", "email": email });
    assert_eq!(served.client.query(asked, absent).await["lead"], Value::Null);
}

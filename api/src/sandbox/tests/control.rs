//! The control surface.

use reqwest::Method;

use super::*;

#[tokio::test]
async fn what_was_accepted_is_shown() {
    let served = Served::start().await;
    let form = hello_but(&[
        ("bcc", "amy@example.com"),
        ("html", "<p>Testing</p>"),
        ("v:email-id", "e1"),
        ("v:campaign-id", "c1"),
        ("o:tag", "welcome"),
        ("h:Message-Id", "<e1@mg.example.com>"),
        ("h:Reply-To", "help@example.com"),
    ]);
    assert_eq!(served.send(&form).await.status(), 200);
    let mut listed = served.get("messages").await;
    let received_at = listed["messages"][0]["received_at"].take();
    assert!(received_at.as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().is_ok());
    assert_eq!(
        listed["messages"],
        json!([{
            "number": 1,
            "received_at": null,
            "deliver_at": null,
            "domain": "mg.example.com",
            "message_id": "<e1@mg.example.com>",
            "from": "bob@mg.example.com",
            "to": ["sally@example.com"],
            "cc": [],
            "bcc": ["amy@example.com"],
            "fates": ["delivered", "delivered"],
            "subject": "Hello",
            "template": null,
            "variables": { "email-id": "e1", "campaign-id": "c1" },
            "options": { "tag": ["welcome"] },
            "headers": { "Message-Id": ["<e1@mg.example.com>"], "Reply-To": ["help@example.com"] },
            "files": [],
            "recipient_variables": null,
            "body_sizes": { "text": 7, "html": 14, "amp_html": 0 },
            "fault": null,
        }])
    );
    let whole = served.get("messages/1").await;
    assert_eq!(whole["bodies"], json!({ "text": "Testing", "html": "<p>Testing</p>", "amp_html": null }));
    assert_eq!(served.control(Method::GET, "messages/2", "").await.status(), 404);
}

#[tokio::test]
async fn messages_are_found_newest_first_by_either_id() {
    let served = Served::start().await;
    for (id, text) in [("e1", "one"), ("e2", "two"), ("e1", "again")] {
        let message_id = format!("<{id}@mg.example.com>");
        let form = hello_but(&[("v:email-id", id), ("h:Message-Id", &message_id), ("text", text)]);
        assert_eq!(served.send(&form).await.status(), 200);
    }
    let cases = [
        ("messages", vec![3, 2, 1]),
        ("messages?limit=2", vec![3, 2]),
        ("messages?email_id=e1", vec![3, 1]),
        ("messages?email_id=e1&limit=1", vec![3]),
        ("messages?message_id=e2@mg.example.com", vec![2]),
        ("messages?message_id=%3Ce2@mg.example.com%3E", vec![2]),
        ("messages?email_id=e9", vec![]),
    ];
    for (path, expected) in cases {
        let listed = served.get(path).await;
        let numbers: Vec<u64> =
            listed["messages"].as_array().unwrap().iter().map(|one| one["number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, expected, "{path}");
    }
}

#[tokio::test]
async fn everything_is_counted_until_it_is_cleared() {
    let served = Served::start().await;
    served.set(json!([{ "kind": "503", "times": 2 }, { "kind": "cut", "times": 1 }])).await;
    for _ in 0..2 {
        assert_eq!(served.hello().await.unwrap().status(), 503);
    }
    served.hello().await.unwrap_err();
    for id in ["e1", "e1", "e1", "e2"] {
        assert_eq!(served.send(&hello_but(&[("v:email-id", id)])).await.status(), 200);
    }
    assert_eq!(served.send(&hello_but(&[("to", "")])).await.status(), 400);
    let counted = json!({
        "requests": 8,
        "by_status": { "200": 4, "400": 1, "503": 2 },
        "cut": 1,
        "under_way": 0,
        "accepted": 4,
        "duplicates": 2,
        "kept": 4,
        "kept_bodies": 4,
    });
    assert_eq!(served.get("stats").await, counted);

    served.delete("messages").await;
    let zero = json!({
        "requests": 0, "by_status": {}, "cut": 0, "under_way": 0, "accepted": 0, "duplicates": 0, "kept": 0, "kept_bodies": 0,
    });
    assert_eq!(served.get("stats").await, zero);
    assert_eq!(served.get("messages").await["messages"], json!([]));
    served.hello().await.unwrap();
    assert_eq!(served.get("messages").await["messages"][0]["number"], 5, "numbers go on");
}

#[tokio::test]
async fn it_wants_the_key_too() {
    let served = Served::start().await;
    for (method, path) in [
        (Method::GET, "messages"),
        (Method::DELETE, "messages"),
        (Method::GET, "messages/1"),
        (Method::GET, "stats"),
        (Method::GET, "faults"),
        (Method::PUT, "faults"),
        (Method::DELETE, "faults"),
    ] {
        let url = served.url(&format!("/_sandbox/{path}"));
        let answer = served.client.request(method, url).basic_auth("api", Some("wrong")).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
    }
}

#[tokio::test]
async fn faults_are_replaced_shown_and_cleared() {
    let served = Served::start().await;
    served.set(json!([{ "kind": "cut" }])).await;
    served
        .set(json!([{ "kind": "500", "times": 3, "to": "@example.com" }, { "kind": "403", "domain": "a.example" }]))
        .await;
    assert_eq!(served.hello().await.unwrap().status(), 500);
    let shown = served.get("faults").await;
    assert_eq!((&shown[0]["kind"], &shown[0]["left"], &shown[0]["struck"]), (&json!("500"), &json!(2), &json!(1)));
    assert_eq!((&shown[1]["kind"], &shown[1]["left"], &shown[1]["struck"]), (&json!("403"), &json!(null), &json!(0)));
    served.delete("faults").await;
    assert_eq!(served.get("faults").await, json!([]));
    assert_eq!(served.hello().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_wrong_fault_is_refused_by_the_name_of_its_field_and_changes_nothing() {
    let served = Served::start().await;
    served.set(json!([{ "kind": "500" }])).await;
    let cases = [
        (r#"[{"kind":"500"},{"times":1}]"#, "[1]: missing field `kind`"),
        (r#"[{"kind":"boom"}]"#, "[0].kind: unknown variant `boom`, expected one of `400`"),
        (r#"[{"kind":"500","times":"3"}]"#, "[0].times: invalid type: string \"3\", expected u64"),
        (r#"[{"kind":"500","times":0}]"#, "[0].times: 1 at least"),
        (r#"[{"kind":"500","chance":1.5}]"#, "[0].chance: from 0 to 1"),
        (r#"[{"kind":"500","tims":1}]"#, "[0].tims: unknown field `tims`"),
        (r#"[{"kind":"latency"}]"#, "[0].after_ms: latency needs it"),
        (r#"[{"kind":"latency","after_ms":120001}]"#, "[0].after_ms: 120000 at most"),
        (r#"{"kind":"500"}"#, "expected a sequence"),
        ("[", "EOF while parsing"),
    ];
    for (body, text) in cases {
        let answer = served.control(Method::PUT, "faults", body).await;
        assert_eq!(answer.status(), 400, "{body}");
        let said: Value = answer.json().await.unwrap();
        assert!(said["message"].as_str().unwrap().contains(text), "{said} for {body}");
    }
    for query in ["messages?limit=ten", "messages?emailid=e1"] {
        let answer = served.control(Method::GET, query, "").await;
        assert_eq!(answer.status(), 400);
        let said: Value = answer.json().await.unwrap();
        let name = if query.contains("limit") { "limit" } else { "emailid" };
        assert!(said["message"].as_str().unwrap().contains(name), "{said}");
    }
    assert_eq!(served.get("faults").await[0]["kind"], "500");
}

#[tokio::test]
async fn a_batch_is_found_by_the_ids_of_each_of_its_recipients() {
    let served = Served::start().await;
    let send = async |ids: [&str; 2]| {
        let [sally, amy] = ids.map(|id| json!({ "email_id": id, "message_id": format!("{id}@mg.example.com") }));
        let variables = json!({ "sally@example.com": sally, "amy@example.com": amy }).to_string();
        let form = hello_but(&[
            ("to", "sally@example.com, Amy <amy@example.com>"),
            ("v:email-id", "%recipient.email_id%"),
            ("h:Message-Id", "<%recipient.message_id%>"),
            ("recipient-variables", &variables),
        ]);
        assert_eq!(served.send(&form).await.status(), 200);
    };
    send(["e1", "e2"]).await;
    send(["e3", "e4"]).await;
    assert_eq!(served.get("stats").await["duplicates"], 0);
    for (query, numbers) in [
        ("email_id=e1", json!([1])),
        ("email_id=e2", json!([1])),
        ("email_id=e4", json!([2])),
        ("email_id=e5", json!([])),
        ("message_id=e2@mg.example.com", json!([1])),
        ("message_id=%3Ce3@mg.example.com%3E&email_id=e4", json!([2])),
        ("message_id=e3@mg.example.com&email_id=e1", json!([])),
    ] {
        let listed = served.get(&format!("messages?{query}")).await;
        let found: Value = listed["messages"].as_array().unwrap().iter().map(|one| one["number"].clone()).collect();
        assert_eq!(found, numbers, "{query}");
    }
    // One of them again is a duplicate; the other is new.
    send(["e1", "e5"]).await;
    assert_eq!(served.get("stats").await["duplicates"], 1);
}

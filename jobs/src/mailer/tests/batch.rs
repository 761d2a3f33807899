//! The form of a call for many: what is each one's own, and where it stands.

use serde_json::json;

use super::*;

fn addressee(n: u128, to: &str, address: &str, variables: Json) -> Addressee {
    let variables = variables.as_object().unwrap().clone();
    Addressee { email_id: Uuid::from_u128(n), to: to.into(), address: address.into(), variables }
}

async fn posted(batch: &Batch) -> Vec<(String, String)> {
    let fake = Fake::start([ok()]).await;
    assert_eq!(response(mailgun(&fake.base(), limits()).post_batch(batch, good()).await).0, 200);
    let seen = fake.seen();
    assert_eq!(seen.len(), 1);
    let urlencoded = "content-type: application/x-www-form-urlencoded\r\n";
    assert!(seen[0].head.contains(urlencoded), "{}", seen[0].head);
    form_urlencoded::parse(&seen[0].body).into_owned().collect()
}

fn given(fields: &[(String, String)]) -> Json {
    let (_, text) = fields.iter().find(|(name, _)| name == "recipient-variables").unwrap();
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn the_form_holds_placeholders_and_the_variables_what_they_stand_for() {
    let mail = Mail {
        campaign_id: Some(Uuid::from_u128(9)),
        subject: "Hello %recipient.v0%".into(),
        unsubscribe: Some("%recipient.unsubscribe%".into()),
        tags: vec!["spring".into()],
        ..mail()
    };
    let ann = json!({ "v0": "Ann \"A\"\n%recipient.v1%", "unsubscribe": "https://x.example/u/1" });
    let bob = json!({ "v0": "Größe", "unsubscribe": "https://x.example/u/2" });
    let addressees = vec![
        addressee(1, "\"A, B\" <ann@example.net>", "ann@example.net", ann),
        addressee(2, "bob@example.net", "bob@example.net", bob),
    ];
    let fields = posted(&Batch { mail, addressees }).await;
    let expected = [
        ("from", "Ann <ann@example.com>"),
        ("to", "\"A, B\" <ann@example.net>"),
        ("to", "bob@example.net"),
        ("subject", "Hello %recipient.v0%"),
        ("html", "<p>Hi</p>"),
        ("h:Message-Id", "<%recipient.message_id%>"),
        ("h:List-Unsubscribe", "<%recipient.unsubscribe%>"),
        ("h:List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("o:tracking-unsubscribe", "no"),
        ("v:email-id", "%recipient.email_id%"),
        ("v:campaign-id", "00000000-0000-0000-0000-000000000009"),
        ("o:tag", "spring"),
    ];
    let (last, common) = fields.split_last().unwrap();
    assert_eq!(common.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(), expected);
    assert_eq!(last.0, "recipient-variables");
    let expected = json!({
        "ann@example.net": {
            "email_id": "00000000-0000-0000-0000-000000000001",
            "message_id": "00000000-0000-0000-0000-000000000001@mg.example.com",
            "unsubscribe": "https://x.example/u/1",
            "v0": "Ann \"A\"\n%recipient.v1%",
        },
        "bob@example.net": {
            "email_id": "00000000-0000-0000-0000-000000000002",
            "message_id": "00000000-0000-0000-0000-000000000002@mg.example.com",
            "unsubscribe": "https://x.example/u/2",
            "v0": "Größe",
        },
    });
    assert_eq!(given(&fields), expected);
}

#[tokio::test]
async fn an_emails_ids_are_ours_whatever_its_variables_are_called() {
    let forged = json!({ "email_id": "forged", "message_id": "forged@example.org", "v0": "x" });
    let fields = posted(&Batch {
        mail: Mail { headers: vec![("message-id".into(), "<forged@example.org>".into())], ..mail() },
        addressees: vec![addressee(1, "ann@example.net", "ann@example.net", forged)],
    })
    .await;
    let id = Uuid::from_u128(1).to_string();
    let expected = json!({ "email_id": id, "message_id": format!("{id}@mg.example.com"), "v0": "x" });
    assert_eq!(given(&fields)["ann@example.net"], expected);
    assert_eq!(fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("h:message-id")).count(), 1);
}

#[tokio::test]
async fn a_thousand_are_named_each_once() {
    let one = |n: u128| {
        let address = format!("reader{n}@example.net");
        addressee(n, &address, &address, json!({ "v0": n.to_string() }))
    };
    let fields = posted(&Batch { mail: mail(), addressees: (0..1_000).map(one).collect() }).await;
    let to: Vec<&str> = fields.iter().filter(|(name, _)| name == "to").map(|(_, to)| to.as_str()).collect();
    let variables = given(&fields);
    let variables = variables.as_object().unwrap();
    assert_eq!((to.len(), variables.len()), (1_000, 1_000));
    let named = |(n, to): (usize, &&str)| variables[*to]["v0"] == json!(n.to_string());
    assert!(to.iter().enumerate().all(named));
}

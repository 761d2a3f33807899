use serde_json::{Value as Json, json};

use super::*;

fn news(kind: Kind) -> News {
    let event = Event {
        seq: 7,
        id: Uuid::from_u128(1),
        kind,
        source: Source::Webhook,
        email_id: Some(Uuid::from_u128(2)),
        campaign_id: Some(Uuid::from_u128(3)),
        copy: false,
        recipient_key: Some("ann@example.com".to_owned()),
        occurred_at: DateTime::UNIX_EPOCH,
        recorded_at: DateTime::UNIX_EPOCH,
        name: None,
        smtp_code: None,
        enhanced_code: None,
        reason: None,
        message: None,
        bounce_type: None,
        attempt: None,
        bot: None,
        client: None,
        country: None,
        url: None,
    };
    let head = Head {
        subject: "never told".to_owned(),
        tags: vec!["receipt".to_owned()],
        metadata: Some(json!({ "order": 42 })),
        ..Head::default()
    };
    News { event, domain: Some("mg.example.com".to_owned()), sandbox: Some(false), lead: None, head: Arc::new(head) }
}

fn told(news: &News) -> Json {
    serde_json::from_slice(&news.body(false).unwrap_or_default()).unwrap_or_default()
}

#[test]
fn what_is_told_of_a_delivery() {
    assert_eq!(
        told(&news(Kind::Delivered)),
        json!({
            "type": "email.delivered",
            "timestamp": "1970-01-01T00:00:00Z",
            "version": 1,
            "data": {
                "eventId": "delivery-event:00000000-0000-0000-0000-000000000001",
                "sequence": 7,
                "emailId": "email:00000000-0000-0000-0000-000000000002",
                "campaignId": "campaign:00000000-0000-0000-0000-000000000003",
                "leadId": null,
                "recipient": "ann@example.com",
                "copy": false,
                "sendingDomain": "mg.example.com",
                "sandbox": false,
                "source": "WEBHOOK",
                "recordedAt": "1970-01-01T00:00:00Z",
                "tags": ["receipt"],
                "metadata": { "order": 42 },
            },
        })
    );
}

#[test]
fn each_kind_adds_what_it_has() {
    let mut bounced = news(Kind::Bounced);
    bounced.event.bounce_type = Some(BounceType::Hard);
    (bounced.event.smtp_code, bounced.event.message) = (Some(550), Some("no such user".to_owned()));
    assert_eq!(
        told(&bounced)["data"]["failure"],
        json!({ "bounceType": "HARD", "smtpCode": 550, "enhancedCode": null, "reason": null, "message": "no such user",
                "attempt": null })
    );
    let mut clicked = news(Kind::Clicked);
    clicked.event.url = Some("https://example.com/offer".to_owned());
    assert_eq!(
        told(&clicked)["data"]["engagement"],
        json!({ "url": "https://example.com/offer", "bot": null, "client": null, "country": null })
    );
    let mut rejected = news(Kind::Rejected);
    rejected.event.reason = Some("not delivering".to_owned());
    assert_eq!(told(&rejected)["data"]["rejection"], json!({ "reason": "not delivering" }));
    let mut unknown = news(Kind::Unknown);
    unknown.event.name = Some("stored".to_owned());
    assert_eq!(told(&unknown)["data"]["unknown"], json!({ "name": "stored" }));
    let names: Vec<Json> = [Kind::Accepted, Kind::Deferred, Kind::Opened, Kind::Complained, Kind::Unsubscribed]
        .map(|kind| told(&news(kind))["type"].clone())
        .into();
    assert_eq!(names, ["email.accepted", "email.deferred", "email.opened", "email.complained", "email.unsubscribed"]);
}

#[test]
fn who_was_erased_is_not_named() {
    let mut erased = news(Kind::Delivered);
    erased.event.recipient_key = Some("0123456789@erased.invalid".to_owned());
    assert_eq!(told(&erased)["data"]["recipient"], Json::Null);
}

#[test]
fn a_test_says_that_it_is_one() {
    let body = news(Kind::Delivered).body(true).unwrap_or_default();
    assert_eq!(serde_json::from_slice::<Json>(&body).unwrap_or_default()["test"], json!(true));
}

#[test]
fn an_endpoint_hears_of_what_it_wants() {
    let one = news(Kind::Delivered);
    let all = Wanted::default();
    let kinds = |kinds: &[Kind]| Wanted { kinds: kinds.to_vec(), ..Wanted::default() };
    let domains =
        |domains: &[&str]| Wanted { domains: domains.iter().map(|d| (*d).to_owned()).collect(), ..all.clone() };
    let tags = |tags: &[&str]| Wanted { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..all.clone() };
    let campaigns =
        |ids: &[u128]| Wanted { campaigns: ids.iter().map(|id| Uuid::from_u128(*id)).collect(), ..all.clone() };
    let both = Wanted { kinds: vec![Kind::Bounced], ..tags(&["receipt"]) };
    for (wanted, wants) in [
        (all.clone(), true),
        (kinds(&[Kind::Bounced, Kind::Delivered]), true),
        (kinds(&[Kind::Bounced]), false),
        (domains(&["other.example.com", "mg.example.com"]), true),
        (domains(&["example.com"]), false),
        (tags(&["invoice", "receipt"]), true),
        (tags(&["invoice"]), false),
        (campaigns(&[3]), true),
        (campaigns(&[4]), false),
        (both, false),
    ] {
        assert_eq!(one.is_wanted(&wanted), wants, "{wanted:?}");
    }
    let mut alone = news(Kind::Delivered);
    (alone.event.campaign_id, alone.domain, alone.head) = (None, None, Arc::default());
    for wanted in [campaigns(&[3]), domains(&["mg.example.com"]), tags(&["receipt"])] {
        assert!(!alone.is_wanted(&wanted), "{wanted:?}");
    }
    assert!(alone.is_wanted(&all));
}

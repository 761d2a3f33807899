//! Whole stories, as a person reads them.

#![expect(clippy::unwrap_used, reason = "tests may")]

use chrono::TimeDelta;
use entity::delivery_event::{Kind as Reported, Source};
use entity::suppression::BounceType;
use entity::{Policy, Priority};
use uuid::Uuid;

use super::*;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-11-24T10:00:00Z").unwrap().to_utc() + TimeDelta::seconds(second)
}

fn email(status: Status, finished: Option<i64>, why: Option<&str>) -> email::Model {
    email::Model {
        id: Uuid::nil(),
        scope: 1,
        lane: Priority::Normal,
        status,
        due_at: status.is_waiting().then(|| at(0)),
        fence: 0,
        attempts: 0,
        lease_until: None,
        fed_at: None,
        resolve_at: None,
        send_at: at(0),
        deliver_by: None,
        content_id: Uuid::nil(),
        content_deleted_at: None,
        campaign_id: None,
        lead_id: None,
        sender: String::new(),
        recipient: String::new(),
        recipient_key: String::new(),
        recipient_mark: None,
        cc: None,
        bcc: None,
        reply_to: None,
        omitted: None,
        on_unconfirmed: Policy::Verify,
        transactional: false,
        test_mode: false,
        sandbox: false,
        cancel_requested: false,
        acceptances: 0,
        heard: false,
        rejected: false,
        last_error: why.map(str::to_owned),
        provider_id: None,
        created_at: at(0),
        updated_at: at(finished.unwrap_or(1)),
        first_try_at: None,
        sent_at: None,
        finished_at: finished.map(at),
    }
}

fn tried(fence: i32, outcome: Outcome, ended: i64, error: Option<&str>, retry: Option<i64>) -> attempt::Model {
    attempt::Model {
        email_id: Uuid::nil(),
        fence,
        outcome,
        http_status: None,
        error: error.map(str::to_owned),
        started_at: at(ended - 1),
        finished_at: at(ended),
        retry_at: retry.map(at),
    }
}

fn told(email: &email::Model, attempts: &[attempt::Model], held: Option<&Leave>) -> String {
    let line = |e: Entry| format!("{} {:?}: {}", e.at.format("%M:%S"), e.kind, e.words);
    entries(email, attempts, &[], held, at(600)).into_iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_story_of_one_that_went_at_the_third_try() {
    let mut sent = email(Status::Sent, Some(9), None);
    sent.sent_at = Some(at(9));
    let tries = [
        tried(1, Outcome::Retry, 2, Some("connection refused"), Some(3)),
        tried(2, Outcome::Held, 4, Some("429 Too Many Requests"), Some(4)),
        tried(3, Outcome::Sent, 9, None, None),
    ];
    assert_eq!(
        told(&sent, &tries, None),
        "00:00 Accepted: accepted into the queue\n\
         00:02 Attempt: it never reached Mailgun: connection refused\n\
         00:02 Retry: the next try is due at 2026-11-24 10:00:03 UTC\n\
         00:04 Attempt: Mailgun asked to wait; the try did not count: 429 Too Many Requests\n\
         00:09 Sent: Mailgun accepted it"
    );
}

#[test]
fn the_story_of_one_that_mailgun_refused() {
    let failed = email(Status::Failed, Some(5), Some("'to' is not a valid address"));
    let tries = [tried(1, Outcome::Failed, 5, Some("'to' is not a valid address"), None)];
    assert_eq!(
        told(&failed, &tries, None),
        "00:00 Accepted: accepted into the queue\n00:05 Failed: Mailgun refused it: 'to' is not a valid address"
    );
}

#[test]
fn the_story_of_one_that_is_scheduled_and_then_cancelled() {
    let mut cancelled = email(Status::Cancelled, Some(30), Some("cancelled on request"));
    cancelled.send_at = at(3600);
    assert_eq!(
        told(&cancelled, &[], None),
        "00:00 Accepted: accepted into the queue\n\
         00:00 Scheduled: to be sent at 2026-11-24 11:00:00 UTC\n\
         00:30 Cancelled: cancelled on request"
    );
}

#[test]
fn the_story_of_one_whose_worker_fell_silent() {
    let mut lost = email(Status::Unconfirmed, None, Some("the worker that held it fell silent"));
    lost.updated_at = at(65);
    lost.resolve_at = Some(at(85));
    lost.cancel_requested = true;
    let tries = [tried(1, Outcome::LeaseRanOut, 62, Some("the worker that held it fell silent"), None)];
    assert_eq!(
        told(&lost, &tries, None),
        "00:00 Accepted: accepted into the queue\n\
         01:02 Unconfirmed: perhaps with Mailgun: the worker that held it fell silent\n\
         01:05 Retry: to be looked for in Mailgun's log at 2026-11-24 10:01:25 UTC\n\
         01:05 CancelRequested: asked to stop; it ends CANCELLED if it turns out not to have left"
    );
    // Later a person knew.
    let mut found = email(Status::Sent, Some(90), None);
    found.sent_at = Some(at(90));
    assert!(told(&found, &tries, None).ends_with("01:30 Sent: found to have been accepted by Mailgun"));
}

#[test]
fn how_a_story_ends() {
    let held = Leave::Held { why: "its campaign is paused: a typo".into(), until: None };
    let mut later = email(Status::Scheduled, None, None);
    later.due_at = Some(at(900));
    let cases = [
        (email(Status::Queued, None, None), None, "10:00 Waiting: waits for a free slot"),
        (email(Status::Queued, None, None), Some(&held), "10:00 Held: its campaign is paused: a typo"),
        (later, Some(&Leave::Open), "10:00 Waiting: waits until 2026-11-24 10:15:00 UTC"),
        (email(Status::Sending, None, None), None, "00:01 Attempt: being handed over to Mailgun"),
        (
            email(Status::Suppressed, Some(0), Some("its address is suppressed by hand")),
            None,
            "00:00 Suppressed: not sent: its address is suppressed by hand",
        ),
        (
            email(Status::Expired, Some(50), Some("its deliverBy is over")),
            None,
            "00:50 Expired: expired: its deliverBy is over",
        ),
        (
            email(Status::Failed, Some(7), Some("not in Mailgun's log")),
            None,
            "00:07 Failed: failed: not in Mailgun's log",
        ),
    ];
    for (email, held, end) in cases {
        let story = told(&email, &[], held);
        assert!(story.ends_with(end), "{story}");
    }
}

fn reported(kind: Reported, at_second: i64) -> Event {
    Event {
        seq: 1,
        id: Uuid::nil(),
        kind,
        source: Source::Webhook,
        email_id: Some(Uuid::nil()),
        campaign_id: None,
        copy: false,
        recipient_key: Some("ann@example.org".into()),
        occurred_at: at(at_second),
        recorded_at: at(at_second),
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
    }
}

#[test]
fn what_mailgun_reported_stands_in_the_story_in_the_order_it_happened() {
    let mut sent = email(Status::Delivered, Some(9), None);
    sent.sent_at = Some(at(9));
    let deferred = Event {
        smtp_code: Some(451),
        reason: Some("generic".into()),
        message: Some("try later".into()),
        ..reported(Reported::Deferred, 12)
    };
    let copy = Event { copy: true, ..reported(Reported::Delivered, 31) };
    // Recorded in another order than they happened.
    let events = [reported(Reported::Delivered, 30), copy, deferred];
    let story = entries(&sent, &[tried(1, Outcome::Sent, 9, None, None)], &events, None, at(600));
    let words: Vec<String> =
        story.iter().map(|e| format!("{} {:?}: {}", e.at.format("%M:%S"), e.kind, e.words)).collect();
    assert_eq!(
        words,
        [
            "00:00 Accepted: accepted into the queue",
            "00:09 Sent: Mailgun accepted it",
            "00:12 Deferred: the recipient's server refused it for now and Mailgun tries on: generic: 451 try later",
            "00:30 Delivered: the recipient's server took it",
            "00:31 Delivered: of the copy to ann@example.org: the recipient's server took it",
        ]
    );
}

#[test]
fn each_kind_of_event_has_its_words() {
    use Reported::{Accepted, Bounced, Clicked, Complained, Opened, Rejected, Unknown, Unsubscribed};
    let some = |text: &str| Some(text.to_owned());
    let hard = Some(BounceType::Hard);
    let cases = [
        (reported(Accepted, 1), "Mailgun reported that it accepted it"),
        (
            Event { bounce_type: hard, reason: some("bounce"), smtp_code: Some(550), ..reported(Bounced, 1) },
            "it bounced, for good: bounce: 550",
        ),
        (reported(Bounced, 1), "it bounced: no reason given"),
        (reported(Opened, 1), "opened"),
        (Event { client: some("Firefox"), country: some("DE"), ..reported(Opened, 1) }, "opened with Firefox in DE"),
        (Event { bot: some("apple"), client: some("Mail"), ..reported(Opened, 1) }, "opened, by a machine (apple)"),
        (
            Event { url: some("https://a.example"), ..reported(Clicked, 1) },
            "somebody followed its link https://a.example",
        ),
        (reported(Complained, 1), "its recipient reported it as spam"),
        (reported(Unsubscribed, 1), "its recipient asked for no more"),
        (Event { reason: some("a virus"), ..reported(Rejected, 1) }, "Mailgun rejected it: a virus"),
        (Event { name: some("teleported"), ..reported(Unknown, 1) }, "Mailgun reported teleported"),
        (reported(Unknown, 1), "Mailgun reported something without a name"),
    ];
    for (event, words) in cases {
        assert_eq!(events::tell(&event).words, words);
    }
}

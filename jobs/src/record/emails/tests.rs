//! Whatever order the events of an email come in, however often, and wherever the end of its hand-over falls among them: it
//! ends the same.

#![expect(clippy::unwrap_used, reason = "tests may")]

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entity::campaign_metrics::Metric;
use entity::suppression::{BounceType, Reason, Source};
use entity::{Policy, Priority, Status};
use proptest::prelude::*;

use super::*;
use crate::event::{Client, Failure, Kind};
use crate::ledger::transition::step;
use crate::ledger::{Facts, Handed, Settlement};
use crate::suppress::facts::standing;

const OWN: &str = "ann@example.org";
const COPY: &str = "bob@example.org";

fn email() -> Uuid {
    Uuid::from_u128(7)
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// Something that happens around an email.
#[derive(Clone, Debug)]
enum Happens {
    /// Mailgun reports; the number makes it one event, however often it is told.
    Event(u128, Event),
    /// Its hand-over ends.
    Settle(Handed),
    /// Its worker falls silent.
    LeaseOver,
    /// Somebody lifts an entry.
    Lift(suppression_fact::Model),
}

fn kinds() -> impl Strategy<Value = Kind> {
    let failure = |reason: &'static str, enhanced: Option<&'static str>| Failure {
        reason: Some(reason.into()),
        enhanced: enhanced.map(str::to_owned),
        ..Failure::default()
    };
    let bot = |bot: Option<&'static str>| Client { bot: bot.map(str::to_owned), ..Client::default() };
    prop_oneof![
        Just(Kind::Accepted),
        Just(Kind::Delivered),
        Just(Kind::Deferred(failure("generic", None))),
        Just(Kind::Bounced(failure("bounce", Some("5.1.1")))),
        Just(Kind::Bounced(failure("old", None))),
        Just(Kind::Bounced(failure("espblock", None))),
        Just(Kind::Bounced(failure("suppress-unsubscribe", None))),
        Just(Kind::Opened(bot(None))),
        Just(Kind::Opened(bot(Some("apple")))),
        Just(Kind::Clicked { url: None, client: bot(None) }),
        Just(Kind::Clicked { url: None, client: bot(Some("generic")) }),
        Just(Kind::Complained),
        Just(Kind::Unsubscribed),
        Just(Kind::Rejected { reason: Some("no".into()) }),
        Just(Kind::Unknown { name: "new".into() }),
    ]
}

/// An event of one of the recipients; its number tells its words and its time from all others'.
fn event(number: u128, kind: Kind, recipient: Option<&str>, hours: i64) -> Event {
    let mut kind = kind;
    match &mut kind {
        Kind::Bounced(failure) | Kind::Deferred(failure) => failure.message = Some(format!("words {number}")),
        Kind::Rejected { reason } => *reason = Some(format!("words {number}")),
        _ => {}
    }
    Event {
        kind,
        id: Some(number.to_string()),
        occurred_at: start() + TimeDelta::hours(hours) + TimeDelta::seconds(number as i64),
        recipient: recipient.map(str::to_owned),
        domain: "mg.example.com".into(),
        message_id: None,
        email: Some(email()),
        tags: Vec::new(),
    }
}

fn lift(number: u128, target: &str, reason: Reason, hours: i64) -> suppression_fact::Model {
    suppression_fact::Model {
        id: Uuid::from_u128(1_000 + number),
        target: target.into(),
        reason,
        sandbox: false,
        lift: true,
        occurred_at: start() + TimeDelta::hours(hours),
        recorded_at: start(),
        expires_at: None,
        bounce_type: None,
        source: Source::Manual,
        note: None,
        event_id: None,
    }
}

/// Events, at most one end of the hand-over (of every kind), perhaps a lease that runs out, and lifts.
fn histories() -> impl Strategy<Value = Vec<Happens>> {
    let recipient = prop_oneof![4 => Just(Some(OWN)), 1 => Just(Some(COPY)), 1 => Just(None)];
    let events = prop::collection::vec((kinds(), recipient, 0..200_i64), 0..9);
    let why = || "words".to_owned();
    let settle = prop::option::of(prop_oneof![
        4 => Just(Handed::Sent { provider_id: "id".into() }),
        1 => Just(Handed::Unconfirmed { why: why() }),
        1 => Just(Handed::Failed { why: why() }),
        1 => Just(Handed::Retry { why: why(), due_at: start() + TimeDelta::days(30) }),
        1 => Just(Handed::NotHandedOver),
    ]);
    let reasons = prop_oneof![Just(Reason::Bounce), Just(Reason::Complaint), Just(Reason::Unsubscribe)];
    let lifts = prop::collection::vec((reasons, any::<bool>(), 0..200_i64), 0..3);
    (events, settle, lifts).prop_map(|(events, settle, lifts)| {
        let mut all: Vec<Happens> = Vec::new();
        for (number, (kind, recipient, hours)) in events.into_iter().enumerate() {
            let number = number as u128;
            all.push(Happens::Event(number, event(number, kind, recipient, hours)));
        }
        all.extend(settle.map(Happens::Settle));
        for (number, (reason, own, hours)) in lifts.into_iter().enumerate() {
            let target = if own { OWN } else { COPY };
            all.push(Happens::Lift(lift(number as u128, target, reason, hours)));
        }
        all
    })
}

/// How it ends.
#[derive(Debug, PartialEq)]
struct End {
    status: Status,
    acceptances: i32,
    rejected: bool,
    why: Option<String>,
    facts: email_facts::Model,
    counts: Counts,
    /// What stands for each address and reason: the entry, and since when it is lifted.
    list: Vec<(String, Reason, Uuid, Option<DateTime<Utc>>)>,
}

fn sending() -> Row {
    Row {
        id: email(),
        lane: Priority::Normal,
        scope: 3,
        status: Status::Sending,
        fence: 1,
        attempts: 0,
        due_at: Some(start()),
        lease_until: Some(start()),
        resolve_at: None,
        send_at: start(),
        deliver_by: None,
        policy: Policy::Verify,
        cancel_requested: false,
        acceptances: 0,
        heard: false,
        rejected: false,
        last_error: None,
        provider_id: None,
        omitted: None,
        first_try_at: Some(start()),
        sent_at: None,
        finished_at: None,
        content_gone: false,
    }
}

fn run(history: &[Happens]) -> End {
    let now = start() + TimeDelta::days(20);
    let basis = Facts {
        now,
        max_tries: 3,
        first_look: TimeDelta::seconds(2),
        snooze: TimeDelta::seconds(5),
        max_age: TimeDelta::days(300),
        suppressed: None,
        pause_ended: None,
        campaign_cancelled: false,
    };
    let known = Known {
        recipient: OWN.into(),
        erased_copies: Vec::new(),
        campaign: None,
        scope: 3,
        sandbox: false,
        batched: false,
        facts: email_facts::Model::none(email()),
        changed: false,
    };
    let mut emails = Emails { known: [(email(), known)].into(), ..Emails::default() };
    let (mut row, mut told, mut facts) = (sending(), BTreeSet::new(), Vec::new());
    for happens in history {
        let cause = match happens {
            Happens::Event(number, event) => {
                if told.insert(*number) {
                    let about = emails.about(&Marks::default(), event);
                    emails.hear(false, Uuid::from_u128(*number), event, &about, now);
                }
                None
            }
            Happens::Settle(handed) => Some(Cause::Settle(Settlement {
                fence: 1,
                doubtful_lease: None,
                handed: handed.clone(),
                http_status: None,
                started_at: now,
                finished_at: now,
            })),
            Happens::LeaseOver => Some(Cause::LeaseOver),
            Happens::Lift(fact) => {
                facts.push(fact.clone());
                None
            }
        };
        for cause in std::mem::take(&mut emails.moves).into_iter().map(|said| said.cause).chain(cause) {
            let _ = step(&mut row, &cause, &basis);
        }
    }
    facts.append(&mut emails.suppressions);
    End {
        status: row.status,
        acceptances: row.acceptances,
        rejected: row.rejected,
        why: row.last_error,
        facts: emails.known.remove(&email()).unwrap().facts,
        counts: emails.counts,
        list: list(&facts),
    }
}

fn list(facts: &[suppression_fact::Model]) -> Vec<(String, Reason, Uuid, Option<DateTime<Utc>>)> {
    let keys: BTreeSet<(String, Reason)> = facts.iter().map(|fact| (fact.target.clone(), fact.reason)).collect();
    let stands = |(target, reason): (String, Reason)| {
        let of: Vec<_> = facts.iter().filter(|fact| fact.target == target && fact.reason == reason).cloned().collect();
        standing(&of).map(|stands| (target, reason, stands.entry.id, stands.lifted_at))
    };
    keys.into_iter().filter_map(stands).collect()
}

/// The events in which something happened to the email itself.
fn own(history: &[Happens]) -> Vec<&Event> {
    let events = history.iter().filter_map(|happens| match happens {
        Happens::Event(_, event) => Some(event),
        _ => None,
    });
    events.filter(|event| event.recipient.as_deref() != Some(COPY)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_any_repetition_ends_the_same(
        (history, shuffled) in histories().prop_flat_map(|history| {
            let twice: Vec<Happens> = history.iter().filter(|h| !matches!(h, Happens::Settle(_))).cloned().collect();
            let all = [history.clone(), twice].concat();
            (Just(history), Just(all).prop_shuffle())
        }),
    ) {
        prop_assert_eq!(run(&history), run(&shuffled));
    }

    #[test]
    fn a_worker_that_falls_silent_at_any_point_changes_nothing_that_mailgun_knows(
        history in histories(),
        at in any::<prop::sample::Index>(),
    ) {
        let mut interrupted = history.clone();
        interrupted.insert(at.index(history.len() + 1), Happens::LeaseOver);
        let (end, other) = (run(&history), run(&interrupted));
        if end.acceptances > 0 {
            prop_assert_eq!(end, other);
        }
    }

    #[test]
    fn the_highest_that_was_said_holds(history in histories()) {
        let end = run(&history);
        let own = own(&history);
        let said = |fits: fn(&Kind) -> bool| own.iter().any(|event| fits(&event.kind));
        let sent = history.iter().any(|h| match h {
            Happens::Settle(Handed::Sent { .. }) => true,
            Happens::Event(_, event) => !matches!(event.kind, Kind::Rejected { .. }),
            _ => false,
        });
        let expected = [
            (said(|k| matches!(k, Kind::Complained)), Status::Complained),
            (said(|k| matches!(k, Kind::Bounced(_))), Status::Bounced),
            (said(|k| matches!(k, Kind::Delivered | Kind::Opened(_) | Kind::Clicked { .. })), Status::Delivered),
            (said(|k| matches!(k, Kind::Rejected { .. })), Status::Failed),
            (said(|k| matches!(k, Kind::Deferred(_))), Status::Deferred),
            (sent, Status::Sent),
        ];
        if let Some((_, status)) = expected.into_iter().find(|(said, _)| *said) {
            prop_assert_eq!(end.status, status);
        }
        prop_assert_eq!(end.acceptances, i32::from(sent), "once, however it was learned");
    }

    #[test]
    fn each_email_is_counted_once_and_each_open_each_time(history in histories()) {
        let end = run(&history);
        let own = own(&history);
        let times = |fits: fn(&Kind) -> bool| own.iter().filter(|event| fits(&event.kind)).count() as i64;
        let open: fn(&Kind) -> bool = |k| matches!(k, Kind::Opened(client) if client.is_human());
        let bounce: fn(&Kind) -> bool = |k| matches!(k, Kind::Bounced(_));
        let hard: fn(&Kind) -> bool = |k| matches!(k, Kind::Bounced(f) if f.bounce_kind() == BounceType::Hard);
        for (metric, n) in [
            (Metric::Opened, times(open)),
            (Metric::UniqueOpened, times(open).min(1)),
            (Metric::Delivered, times(|k| matches!(k, Kind::Delivered)).min(1)),
            (Metric::Bounced, times(bounce).min(1)),
            (Metric::HardBounced, times(hard).min(1)),
            (Metric::SoftBounced, i64::from(times(bounce) > 0 && times(hard) == 0)),
            (Metric::Complained, times(|k| matches!(k, Kind::Complained)).min(1)),
        ] {
            prop_assert_eq!(end.counts.of(metric), n, "{:?}", metric);
        }
        prop_assert_eq!(i64::from(end.facts.opens), times(open));
    }

    #[test]
    fn an_address_is_blocked_by_what_happened_after_its_last_lift_alone(history in histories()) {
        let end = run(&history);
        for (target, reason, entry, lifted_at) in &end.list {
            let lifts = history.iter().filter_map(|h| match h {
                Happens::Lift(fact) if fact.target == *target && fact.reason == *reason => Some(fact.occurred_at),
                _ => None,
            });
            let at = history.iter().find_map(|h| match h {
                Happens::Event(number, event) if Uuid::from_u128(*number) == *entry => Some(event.occurred_at),
                _ => None,
            });
            let lifted = lifts.max();
            prop_assert_eq!(*lifted_at, lifted.filter(|lift| *lift >= at.unwrap()));
        }
    }
}

#[test]
fn what_holds_for_ever_is_not_ended_by_what_passes() {
    let mut emails = Emails::default();
    let soft = Kind::Bounced(Failure { reason: Some("old".into()), ..Failure::default() });
    let hard = Kind::Bounced(Failure { enhanced: Some("5.1.1".into()), ..Failure::default() });
    for (number, kind, hours) in [(1, hard, 1), (2, soft.clone(), 2), (3, soft, 30)] {
        let event = Event { email: None, ..event(number, kind, Some(OWN), hours) };
        let about = emails.about(&Marks::default(), &event);
        emails.hear(true, Uuid::from_u128(number), &event, &about, start());
    }
    let mut facts = emails.suppressions;
    let stands = |facts: &[suppression_fact::Model]| {
        standing(facts).map(|stands| (stands.entry.id.as_u128(), stands.entry.expires_at.is_some(), stands.lifted_at))
    };
    assert!(facts.iter().all(|fact| fact.sandbox), "an email that is not ours is of this process's kind");
    assert_eq!(stands(&facts), Some((1, false, None)));
    facts.push(lift(1, OWN, Reason::Bounce, 10));
    assert_eq!(stands(&facts), Some((3, true, None)), "the latest after the lift");
    facts.push(lift(2, OWN, Reason::Bounce, 40));
    assert_eq!(stands(&facts), Some((3, true, Some(start() + TimeDelta::hours(40)))));
    assert_eq!(stands(&facts[3..]), None, "a lift of nothing");
}

//! The whole table of causes and states, as it must be.

#![expect(clippy::unwrap_used, reason = "tests may")]

use chrono::{DateTime, TimeDelta, Utc};
use entity::{Policy, Priority, Status};
use proptest::prelude::*;
use uuid::Uuid;

use super::transition::{attempt, step};
use super::{Cause, Effect, Facts, Handed, Refusal, Report, Row, Said, Settlement};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn facts() -> Facts {
    Facts {
        now: now(),
        max_tries: 3,
        first_look: TimeDelta::seconds(2),
        snooze: TimeDelta::seconds(5),
        max_age: TimeDelta::days(3),
        suppressed: None,
        pause_ended: None,
        campaign_cancelled: false,
    }
}

/// An email that stands in `status`, claimed for the second time where it is claimed.
pub(crate) fn row(status: Status) -> Row {
    let sending = status == Status::Sending;
    Row {
        id: Uuid::nil(),
        lane: Priority::Normal,
        scope: 1,
        status,
        fence: 2,
        attempts: 0,
        due_at: (status.is_waiting() || sending).then(now),
        lease_until: sending.then(|| now() + TimeDelta::seconds(60)),
        resolve_at: None,
        send_at: now(),
        deliver_by: None,
        policy: if status == Status::Unconfirmed { Policy::Resend } else { Policy::Verify },
        cancel_requested: false,
        acceptances: i32::from(status.is_accepted()),
        heard: false,
        rejected: false,
        last_error: None,
        provider_id: None,
        omitted: None,
        first_try_at: Some(now()),
        sent_at: None,
        finished_at: status.is_finished().then(now),
        content_gone: false,
    }
}

fn report(fence: i32, handed: Handed) -> Cause {
    Cause::Settle(Settlement {
        fence,
        doubtful_lease: None,
        handed,
        http_status: None,
        started_at: now(),
        finished_at: now(),
    })
}

fn said(said: Said) -> Cause {
    Cause::Report(Report { said, at: now(), why: None })
}

fn causes() -> Vec<(&'static str, Cause)> {
    let why = || "words".to_owned();
    let later = now() + TimeDelta::seconds(1);
    vec![
        ("due", Cause::Due),
        ("claim", Cause::Claim { until: later, omitted: None }),
        ("suppress", Cause::Suppress { why: why() }),
        ("wrong mode", Cause::WrongMode { why: "words" }),
        ("campaign cancelled", Cause::CampaignCancelled),
        ("deadline over", Cause::DeadlineOver),
        ("snooze", Cause::Snooze { until: later, why: "words" }),
        ("sent", report(2, Handed::Sent { provider_id: "id".into() })),
        ("sent, old claim", report(1, Handed::Sent { provider_id: "id".into() })),
        ("retry", report(2, Handed::Retry { why: why(), due_at: later })),
        ("retry, old claim", report(1, Handed::Retry { why: why(), due_at: later })),
        ("held", report(2, Handed::Held { why: why() })),
        ("account refused", report(2, Handed::AccountRefused { why: why() })),
        ("unconfirmed", report(2, Handed::Unconfirmed { why: why() })),
        ("failed", report(2, Handed::Failed { why: why() })),
        ("not handed over", report(2, Handed::NotHandedOver)),
        ("lease over", Cause::LeaseOver),
        ("resend", Cause::Resend),
        ("absent", Cause::Absent { fence: 2 }),
        ("absent, old claim", Cause::Absent { fence: 1 }),
        ("look", Cause::Look { fence: 2, at: Some(later), why: None }),
        ("look, old claim", Cause::Look { fence: 1, at: Some(later), why: None }),
        ("cancel", Cause::Cancel),
        ("retry asked", Cause::Retry),
        ("reschedule", Cause::Reschedule { send_at: later }),
        ("resolve, sent", Cause::Resolve { sent: true }),
        ("resolve, not sent", Cause::Resolve { sent: false }),
        ("said accepted", said(Said::Accepted)),
        ("said deferred", said(Said::Deferred)),
        ("said rejected", said(Said::Rejected)),
        ("said delivered", said(Said::Delivered)),
        ("said bounced", said(Said::Bounced)),
        ("said complained", said(Said::Complained)),
    ]
}

/// What a cause does to an email of a state: where it stands then, `noted`, `nothing`, or `-` for a refusal.
fn outcome(cause: &Cause, status: Status) -> String {
    let mut row = row(status);
    let untouched = row.clone();
    match step(&mut row, cause, &facts()) {
        Ok(Effect::Moved) => row.status.name().to_owned(),
        Ok(Effect::Noted) => "noted".into(),
        Ok(Effect::Nothing) => {
            assert_eq!(row, untouched, "nothing changes something");
            "nothing".into()
        }
        Err(_) => {
            assert_eq!(row, untouched, "a refusal changes something");
            "-".into()
        }
    }
}

#[test]
fn every_pair_of_cause_and_state_does_what_the_table_says() {
    let mut table = format!("{:<18}", "");
    table.extend(Status::all().map(|status| format!("{:<12}", status.name())));
    for (name, cause) in causes() {
        table.push_str(&format!("\n{name:<18}"));
        table.extend(Status::all().map(|status| format!("{:<12}", outcome(&cause, status))));
    }
    let lines = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n");
    assert_eq!(lines(&table), lines(include_str!("transitions.txt")), "as it is:\n{}", lines(&table));
}

/// The same settle of an email, after something else was noted on it.
fn unsent(change: impl FnOnce(&mut Row, &mut Facts)) -> Row {
    let (mut row, mut facts) = (row(Status::Sending), facts());
    change(&mut row, &mut facts);
    step(
        &mut row,
        &report(2, Handed::Retry { why: "words".into(), due_at: facts.now + TimeDelta::seconds(1) }),
        &facts,
    )
    .unwrap();
    row
}

type Change = fn(&mut Row, &mut Facts);

#[test]
fn what_leaves_unsent_ends_by_the_first_rule_that_applies() {
    let cancel: Change = |row, _| row.cancel_requested = true;
    let campaign: Change = |_, facts| facts.campaign_cancelled = true;
    let suppress: Change = |_, facts| facts.suppressed = Some("its address is suppressed".into());
    let late: Change = |row, _| row.deliver_by = Some(now());
    let old: Change = |row, _| row.first_try_at = Some(now() - TimeDelta::days(4));
    let cases: [(&[Change], Status); 7] = [
        (&[campaign, suppress, late, old], Status::Cancelled),
        (&[cancel, suppress, late, old], Status::Cancelled),
        (&[suppress, late, old], Status::Suppressed),
        (&[late, old], Status::Expired),
        (&[old], Status::Expired),
        (&[old, |_, facts| facts.pause_ended = Some(now() - TimeDelta::days(2))], Status::Scheduled),
        (&[], Status::Scheduled),
    ];
    for (i, (changes, expected)) in cases.into_iter().enumerate() {
        let row = unsent(|row, facts| changes.iter().for_each(|change| change(row, facts)));
        assert_eq!(row.status, expected, "case {i}");
    }
}

#[test]
fn a_way_that_is_closed_never_spends_the_last_try() {
    let tries = |attempts| unsent(|row, _| row.attempts = attempts);
    assert_eq!([0, 1, 2].map(|n| tries(n).attempts), [1, 2, 2]);
    assert_eq!(tries(2).status, Status::Scheduled);
}

#[test]
fn an_unknown_outcome_spends_a_try_and_is_looked_for() {
    for policy in [Policy::Verify, Policy::Resend, Policy::Hold] {
        let mut row = Row { policy, ..row(Status::Sending) };
        step(&mut row, &report(2, Handed::Unconfirmed { why: "words".into() }), &facts()).unwrap();
        assert_eq!((row.attempts, row.resolve_at), (1, Some(now() + TimeDelta::seconds(2))), "{policy:?}");
    }
}

#[test]
fn resend_waits_for_proof_once_its_tries_are_spent() {
    for (attempts, ok) in [(1, true), (2, true), (3, false), (4, false)] {
        let mut row = Row { attempts, ..row(Status::Unconfirmed) };
        assert_eq!(step(&mut row, &Cause::Resend, &facts()).is_ok(), ok, "{attempts}");
    }
}

#[test]
fn failed_is_said_of_an_email_in_doubt_only_when_it_is_absent_and_its_tries_are_spent() {
    let absent = |change: Change| {
        let (mut row, mut facts) = (Row { policy: Policy::Verify, ..row(Status::Unconfirmed) }, facts());
        change(&mut row, &mut facts);
        step(&mut row, &Cause::Absent { fence: 2 }, &facts).unwrap();
        row.status
    };
    assert_eq!(absent(|row, _| row.attempts = 2), Status::Queued);
    assert_eq!(absent(|row, _| row.attempts = 3), Status::Failed);
    assert_eq!(absent(|row, _| (row.attempts, row.cancel_requested) = (3, true)), Status::Cancelled);
    assert_eq!(
        absent(|row, facts| (row.attempts, facts.suppressed) = (3, Some("suppressed".into()))),
        Status::Suppressed
    );
    assert_eq!(absent(|row, _| (row.attempts, row.deliver_by) = (3, Some(now()))), Status::Expired);
}

#[test]
fn who_has_to_decide_is_told_why() {
    let mut row = Row { last_error: Some("no answer in time".into()), ..row(Status::Unconfirmed) };
    step(&mut row, &Cause::Look { fence: 2, at: None, why: None }, &facts()).unwrap();
    assert_eq!((row.resolve_at, row.last_error.as_deref()), (None, Some("no answer in time")));
    step(&mut row, &Cause::Look { fence: 2, at: None, why: Some("decide") }, &facts()).unwrap();
    assert_eq!((row.status, row.last_error.as_deref()), (Status::Unconfirmed, Some("decide")));
}

#[test]
fn a_report_that_proves_it_never_left_gives_the_try_back() {
    let mut late = Row { attempts: 1, ..row(Status::Unconfirmed) };
    step(&mut late, &report(2, Handed::NotHandedOver), &facts()).unwrap();
    assert_eq!((late.status, late.attempts), (Status::Queued, 0));
}

#[test]
fn a_try_that_an_event_overtook_stands_in_the_history_and_changes_nothing() {
    let late = report(2, Handed::Unconfirmed { why: "no answer in time".into() });
    for status in [Status::Sent, Status::Delivered, Status::Bounced] {
        let mut after = row(status);
        assert_eq!(step(&mut after, &late, &facts()), Ok(Effect::Noted));
        assert_eq!(after, row(status));
        let tried = attempt(&after, &after, &late, &facts(), TimeDelta::seconds(60)).unwrap();
        assert_eq!((tried.fence, tried.outcome), (2, entity::Outcome::Unconfirmed));
    }
}

#[test]
fn a_suppressed_email_is_retried_only_once_the_entry_is_lifted() {
    let mut row = row(Status::Suppressed);
    let still = Facts { suppressed: Some("its address is suppressed".into()), ..facts() };
    assert!(step(&mut row, &Cause::Retry, &still).is_err());
    assert!(step(&mut row, &Cause::Retry, &facts()).is_ok());
}

#[test]
fn an_email_of_a_cancelled_campaign_is_not_retried() {
    for status in [Status::Failed, Status::Suppressed] {
        let mut row = row(status);
        let cancelled = Facts { campaign_cancelled: true, ..facts() };
        assert_eq!(step(&mut row, &Cause::Retry, &cancelled), Err(Refusal::CampaignCancelled));
        assert!(step(&mut row, &Cause::Retry, &facts()).is_ok());
    }
}

#[test]
fn an_email_is_not_moved_past_its_deadline() {
    for status in [Status::Scheduled, Status::Queued] {
        let ends = now() + TimeDelta::minutes(5);
        let mut row = Row { deliver_by: Some(ends), ..row(status) };
        let to = |send_at| Cause::Reschedule { send_at };
        assert_eq!(step(&mut row, &to(ends), &facts()), Err(Refusal::AfterDeadline));
        assert_eq!(step(&mut row, &to(ends - TimeDelta::minutes(1)), &facts()), Ok(Effect::Moved));
    }
}

/// Where an email ends, of these causes in this order, and how often it counts as accepted.
fn end(from: Status, causes: &[Cause]) -> (Status, i32) {
    let mut row = row(from);
    for cause in causes {
        let _ = step(&mut row, cause, &facts());
    }
    (row.status, row.acceptances)
}

#[test]
fn an_event_proves_the_acceptance_that_the_report_of_its_hand_over_speaks_of() {
    let sent = || report(2, Handed::Sent { provider_id: "id".into() });
    for causes in [
        [sent(), said(Said::Accepted), said(Said::Delivered)],
        [said(Said::Accepted), sent(), said(Said::Delivered)],
        [said(Said::Delivered), said(Said::Accepted), sent()],
    ] {
        assert_eq!(end(Status::Sending, &causes), (Status::Delivered, 1), "{causes:?}");
    }
    let again = [said(Said::Accepted), sent(), sent()];
    assert_eq!(end(Status::Sending, &again), (Status::Sent, 2), "a second hand-over is a double");
    let known = [Cause::Resolve { sent: true }, sent()];
    assert_eq!(end(Status::Unconfirmed, &known), (Status::Sent, 1), "a person's word is no hand-over either");
}

#[test]
fn a_rejection_reads_failed_until_something_better_is_heard_and_is_not_sent_again() {
    let sent = || report(2, Handed::Sent { provider_id: "id".into() });
    for (causes, expected) in [
        (vec![sent(), said(Said::Rejected)], (Status::Failed, 1)),
        (vec![said(Said::Rejected), sent()], (Status::Failed, 1)),
        (vec![said(Said::Deferred), said(Said::Rejected)], (Status::Failed, 1)),
        (vec![said(Said::Rejected), said(Said::Deferred), sent()], (Status::Failed, 1)),
        (vec![said(Said::Rejected)], (Status::Failed, 0)),
        (vec![said(Said::Rejected), report(2, Handed::Unconfirmed { why: "words".into() })], (Status::Failed, 0)),
        (vec![said(Said::Rejected), said(Said::Delivered), sent()], (Status::Delivered, 1)),
        (vec![sent(), said(Said::Delivered), said(Said::Rejected)], (Status::Delivered, 1)),
    ] {
        assert_eq!(end(Status::Sending, &causes), expected, "{causes:?}");
        assert_eq!(end(Status::Sending, &[causes, vec![Cause::Retry]].concat()), expected, "it is not retried");
    }
    let ended = [said(Said::Rejected), said(Said::Deferred)];
    assert_eq!(end(Status::Cancelled, &ended[..1]), (Status::Cancelled, 0), "a rejection alone proves nothing");
    assert_eq!(end(Status::Cancelled, &ended), (Status::Failed, 1));
    let mut row = row(Status::Suppressed);
    step(&mut row, &said(Said::Rejected), &facts()).unwrap();
    assert_eq!(step(&mut row, &Cause::Retry, &facts()), Err(Refusal::Rejected));
}

/// Anything that may happen, about this claim or another.
fn any_cause() -> impl Strategy<Value = Cause> {
    let words = || Just("words".to_owned());
    let handed = prop_oneof![
        Just(Handed::Sent { provider_id: "1@mg.example.com".into() }),
        (words(), -5_i64..60).prop_map(|(why, s)| Handed::Retry { why, due_at: now() + TimeDelta::seconds(s) }),
        words().prop_map(|why| Handed::Held { why }),
        words().prop_map(|why| Handed::AccountRefused { why }),
        words().prop_map(|why| Handed::Unconfirmed { why }),
        words().prop_map(|why| Handed::Failed { why }),
        Just(Handed::NotHandedOver),
    ];
    let said = proptest::sample::select(vec![
        Said::Accepted,
        Said::Deferred,
        Said::Rejected,
        Said::Delivered,
        Said::Bounced,
        Said::Complained,
    ]);
    prop_oneof![
        4 => Just(Cause::Claim { until: now() + TimeDelta::seconds(60), omitted: None }),
        4 => (1_i32..6, handed).prop_map(|(fence, handed)| report(fence, handed)),
        2 => said.prop_map(|said| Cause::Report(Report { said, at: now(), why: None })),
        1 => (1_i32..6).prop_map(|fence| Cause::Absent { fence }),
        3 => proptest::sample::select(vec![
            Cause::Due,
            Cause::LeaseOver,
            Cause::Resend,
            Cause::Cancel,
            Cause::Retry,
            Cause::DeadlineOver,
            Cause::Snooze { until: now() + TimeDelta::seconds(1), why: "words" },
            Cause::Suppress { why: "suppressed".into() },
            Cause::Resolve { sent: true },
            Cause::Resolve { sent: false },
            Cause::Reschedule { send_at: now() + TimeDelta::seconds(30) },
        ]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order.
    #[test]
    fn what_mailgun_has_is_never_sent_again_and_a_refused_cause_changes_nothing(
        causes in proptest::collection::vec(any_cause(), 1..40),
        policy in proptest::sample::select(vec![Policy::Verify, Policy::Resend, Policy::Hold]),
    ) {
        let mut row = Row { policy, fence: 0, first_try_at: None, ..row(Status::Queued) };
        for cause in &causes {
            let before = row.clone();
            let answer = step(&mut row, cause, &facts());
            if answer.is_err() {
                prop_assert_eq!(&row, &before, "{:?} was refused", cause);
            }
            prop_assert!(row.fence >= before.fence && row.acceptances >= before.acceptances, "{:?}", cause);
            let claimed = row.fence > before.fence;
            prop_assert!(!claimed || (before.status == Status::Queued && before.acceptances == 0), "{:?}", before);
            if row.acceptances > 0 {
                prop_assert!(row.status.is_accepted() || (row.rejected && row.status == Status::Failed), "{:?}", row);
            }
            prop_assert_eq!(row.lease_until.is_some(), row.status == Status::Sending, "{:?} after {:?}", row, cause);
            prop_assert!(!row.status.is_finished() || row.due_at.is_none(), "{:?} after {:?}", row, cause);
            prop_assert!(!row.status.is_waiting() || row.due_at.is_some(), "{:?} after {:?}", row, cause);
        }
    }
}

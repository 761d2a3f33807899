//! Every metric there is, described and, where its labels are known beforehand, told from the start: a rate of what begins at
//! its first occurrence would miss that one, and an alert on what was never told says nothing.

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, histogram};

use crate::limit::What;

/// A metric's labels and the values that each may have; none where the values are data.
type Labels = &'static [(&'static str, &'static [&'static str])];

enum Kind {
    Counter(Labels),
    /// Read when somebody asks (`health/gauges.rs`).
    Gauge,
    Histogram,
}

struct Metric {
    name: &'static str,
    kind: Kind,
    help: &'static str,
}

const fn counts(name: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter(labels), help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, help }
}

const LANES: &[&str] = &["high", "normal", "low"];

/// Mailgun's own.
const LISTS: &[&str] = &["bounces", "complaints", "unsubscribes"];

/// Names of everything that is limited.
const LIMITS: &[&str] = &{
    let mut names = [""; What::ALL.len()];
    let mut n = 0;
    while n < names.len() {
        names[n] = What::ALL[n].name();
        n += 1;
    }
    names
};

const METRICS: &[Metric] = &[
    counts("mailmind_accepted_total", &[], "Emails that this process took in."),
    counts(
        "mailmind_attempts_total",
        &[
            ("outcome", &["sent", "retry", "held", "account_refused", "unconfirmed", "failed", "not_handed_over"]),
            ("lane", LANES),
        ],
        "Hand-overs to Mailgun by this process, by how they ended.",
    ),
    Metric {
        name: "mailmind_attempt_seconds",
        kind: Kind::Histogram,
        help: "How long a hand-over to Mailgun took, from the request to its answer.",
    },
    counts("mailmind_doubles_total", &[], "Acceptances of an email by Mailgun beyond its first."),
    counts(
        "mailmind_unconfirmed_held_total",
        &[("why", &["policy", "log_broken", "log_too_short", "log_not_allowed", "foreign_ids", "batch_ids"])],
        "Emails in doubt about which Mailgun's log could not decide.",
    ),
    counts("mailmind_unconfirmed_absent_total", &[], "Emails in doubt of which Mailgun's log shows no trace."),
    counts(
        "mailmind_log_failures_total",
        &[("reader", &["resolve", "reconcile"])],
        "Readings of Mailgun's log that broke off.",
    ),
    counts(
        "mailmind_webhooks_total",
        &[(
            "outcome",
            &[
                "taken",
                "repeated",
                "quarantined",
                "token_reused",
                "unsigned",
                "no_key",
                "not_json",
                "too_large",
                "unread",
                "not_stored",
            ],
        )],
        "Webhooks that this process was sent, by what became of them.",
    ),
    counts(
        "mailmind_events_total",
        &[
            (
                "kind",
                &[
                    "accepted",
                    "delivered",
                    "deferred",
                    "bounced",
                    "opened",
                    "clicked",
                    "complained",
                    "unsubscribed",
                    "rejected",
                    "unknown",
                ],
            ),
            ("outcome", &["taken", "repeated", "token_reused", "quarantined"]),
        ],
        "Delivery events that this process was told of, by webhook or by the log.",
    ),
    counts(
        "mailmind_limited_total",
        &[("limit", LIMITS)],
        "What this process refused since a caller had had all that a limit allows, by limit.",
    ),
    counts("mailmind_reconcile_recovered_total", &[], "Events that no webhook had brought, found in Mailgun's log."),
    counts(
        "mailmind_quarantine_total",
        &[("outcome", &["confirmed", "dropped"])],
        "Webhooks in quarantine that were looked up in Mailgun's log.",
    ),
    counts(
        "mailmind_suppression_sync_pulled_total",
        &[("list", LISTS), ("outcome", &["added", "known", "skipped"])],
        "Entries of Mailgun's lists that were read.",
    ),
    counts(
        "mailmind_suppression_sync_told_total",
        &[("list", LISTS), ("kind", &["entry", "lift"]), ("outcome", &["done", "failed", "limited"])],
        "Entries and lifts that Mailgun's lists were told of.",
    ),
    counts(
        "mailmind_suppression_sync_failures_total",
        &[("list", LISTS), ("kind", &["limited", "refused", "not_allowed", "away", "unreadable"])],
        "Readings of Mailgun's lists that broke off.",
    ),
    counts(
        "mailmind_retention_removed_total",
        &[(
            "rule",
            &[
                "bodies",
                "webhooks",
                "events",
                "emails",
                "webhook tokens",
                "idempotency keys",
                "unconfirmed events",
                "ended holds",
                "bulk operations",
                "runs",
                "rates",
                "alerts",
                "alert counts",
                "dispatches",
                "dead letters",
                "replays",
                "endpoint secrets",
                "erasures",
            ],
        )],
        "What went as its time was over, by rule.",
    ),
    counts(
        "mailmind_alert_posts_total",
        &[("outcome", &["taken", "failed"])],
        "Tries of this process to tell whoever listens at ALERT_WEBHOOK_URL.",
    ),
    gauge(
        "mailmind_alert_firing",
        "1 while an alert is raised, over all processes; each says so while it knows of it.",
    ),
    counts(
        "mailmind_dispatches_total",
        &[("outcome", &["taken", "failed", "dead"])],
        "Tries of this process to tell an endpoint of an event, by how they ended: dead was the last one.",
    ),
    Metric {
        name: "mailmind_dispatch_seconds",
        kind: Kind::Histogram,
        help: "How long an endpoint took to answer, or not to.",
    },
    gauge("mailmind_database_up", "1 while the database answers this process."),
    gauge("mailmind_redis_configured", "1 where REDIS_HOST is set."),
    gauge("mailmind_redis_up", "1 while work travels through Redis."),
    gauge("mailmind_lanes", "1 for what carries this process's work, 0 for the other."),
    gauge("mailmind_slots", "Hand-overs that this process may have under way at a time."),
    gauge("mailmind_slots_busy", "Hand-overs that this process has under way."),
    gauge("mailmind_emails", "Emails by lane and status, over all processes."),
    gauge("mailmind_oldest_waiting_seconds", "How long the oldest email has been due that nothing holds."),
    gauge("mailmind_sent_per_minute", "Emails that Mailgun accepted in the last minute, over all processes."),
    gauge("mailmind_holds", "What makes emails wait: pauses, and waits that Mailgun asked for."),
    gauge("mailmind_breakers_open", "Ways to Mailgun, and sending domains, that are closed."),
    gauge("mailmind_reconcile_lag_seconds", "How far behind Mailgun's log was read whole, by sending domain."),
    gauge("mailmind_reconcile_recovered", "Events that no webhook had brought, ever, by sending domain."),
    gauge("mailmind_reconcile_failing", "1 while Mailgun's log can't be read, by sending domain."),
    gauge("mailmind_suppression_sync_failing", "1 while a list of Mailgun's can't be read, by sending domain."),
    gauge(
        "mailmind_suppression_sync_finished_timestamp_seconds",
        "When a list of Mailgun's was last read to its end, by sending domain.",
    ),
    gauge("mailmind_suppression_sync_stuck", "What Mailgun did not take in five tries, by sending domain and list."),
    gauge("mailmind_suppression_sync_pending_entries", "Entries that Mailgun's lists are still to be told of."),
    gauge("mailmind_suppression_sync_pending_lifts", "Lifts that Mailgun's lists are still to be told of."),
    gauge("mailmind_endpoints", "Endpoints that are told of events, by how they are."),
    gauge(
        "mailmind_dispatch_lag_seconds",
        "How long ago the oldest event was recorded that an endpoint was not offered yet.",
    ),
    gauge("mailmind_dispatches_waiting", "Events that an endpoint did not take and is told of again."),
    gauge("mailmind_dispatches_dead", "Events that an endpoint did not take in all its tries."),
    gauge("mailmind_webhooks_silent", "1 while events happen and no webhook brings them, by sending domain."),
];

/// Describes all of them, and tells what has not happened yet as 0.
pub(super) fn begin() {
    for metric in METRICS {
        match metric.kind {
            Kind::Gauge => describe_gauge!(metric.name, metric.help),
            Kind::Histogram => {
                describe_histogram!(metric.name, metric.help);
                let _ = histogram!(metric.name);
            }
            Kind::Counter(labels) => {
                describe_counter!(metric.name, metric.help);
                for values in each(labels) {
                    counter!(metric.name, &values).increment(0);
                }
            }
        }
    }
}

/// Every combination of the labels' values.
fn each(labels: Labels) -> Vec<Vec<(&'static str, &'static str)>> {
    labels.iter().fold(vec![Vec::new()], |begun, (label, values)| {
        let with = |value: &&'static str| {
            let value = *value;
            begun.iter().map(move |before| before.iter().copied().chain([(*label, value)]).collect())
        };
        values.iter().flat_map(with).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_of_labels_is_told() {
        assert_eq!(each(&[]), [Vec::new()]);
        let all = each(&[("outcome", &["sent", "failed"]), ("lane", &["high", "low"])]);
        let told: Vec<String> = all.iter().map(|labels| format!("{labels:?}")).collect();
        assert_eq!(all.len(), 4, "{told:?}");
        assert!(all.contains(&vec![("outcome", "failed"), ("lane", "low")]), "{told:?}");
    }
}

//! The table of alerts. `ops/prometheus/rules.yaml` has the same names, thresholds and times; a test compares.

/// How soon somebody should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// In working hours.
    Warn,
    /// Now: mail does not go, or what was promised is at stake.
    Page,
}

impl Severity {
    /// As the rules of Prometheus have it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Warn => "warn",
            Severity::Page => "page",
        }
    }
}

/// Which alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    QueueStalled,
    OldestAge,
    FailureShare,
    BounceRate,
    ComplaintRate,
    BreakerOpen,
    WebhooksSilent,
    SignatureFailures,
    Doubles,
    Undecided,
    RedisAway,
    DatabaseAway,
    ReconcilerLag,
    LogUnreadable,
    SyncStuck,
    EndpointFailing,
}

/// An alert.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    pub alert: Name,
    /// Everywhere: in the API, the metrics, messages and rules of Prometheus.
    pub name: &'static str,
    pub severity: Severity,
    /// When it is raised, in a sentence.
    pub means: &'static str,
    /// What to do first, in a sentence.
    pub advice: &'static str,
    /// Where more stands: a heading of `docs/troubleshooting.md`.
    pub place: &'static str,
    /// For how many minutes it must be so before it is raised.
    pub hold: u32,
    /// For how many minutes it must be otherwise before it is over.
    pub calm: u32,
    /// The variable that sets its threshold; `None` where nobody can.
    pub variable: Option<&'static str>,
}

/// All alerts.
pub const RULES: &[Rule] = &[
    Rule {
        alert: Name::QueueStalled,
        name: "queue_stalled",
        severity: Severity::Page,
        means: "An email has been due for two minutes, nothing holds it, and none has been sent for a minute.",
        advice: "Start a process that sends, or read the log of the one that should: `mailmind check` says which.",
        place: "the-queue-is-not-processing",
        hold: 5,
        calm: 2,
        variable: None,
    },
    Rule {
        alert: Name::OldestAge,
        name: "oldest_age",
        severity: Severity::Warn,
        means: "An email of a lane that nothing holds has been due for too long: 5 minutes HIGH, 30 NORMAL, 6 hours LOW.",
        advice: "More comes than goes: give each process more slots (MAILGUN_BULK_CONCURRENCY), or start another one.",
        place: "the-queue-is-not-processing",
        hold: 5,
        calm: 5,
        variable: Some("ALERT_OLDEST"),
    },
    Rule {
        alert: Name::FailureShare,
        name: "failure_share",
        severity: Severity::Warn,
        means: "Mailgun refused more than 5 % of at least 100 hand-overs of the last half hour.",
        advice: "`failures` groups them by Mailgun's words; mend the cause, then retry them.",
        place: "emails-fail",
        hold: 5,
        calm: 10,
        variable: Some("ALERT_FAILURE_SHARE"),
    },
    Rule {
        alert: Name::BounceRate,
        name: "bounce_rate",
        severity: Severity::Warn,
        means: "More than 5 % of at least 200 emails of the last six hours bounced.",
        advice: "Pause the campaign whose list is bad before mailbox providers take it out on everything else.",
        place: "high-bounce-rates",
        hold: 10,
        calm: 30,
        variable: Some("ALERT_BOUNCE_RATE"),
    },
    Rule {
        alert: Name::ComplaintRate,
        name: "complaint_rate",
        severity: Severity::Warn,
        means: "More than 0.1 % of at least 1,000 emails that were delivered in a day were reported as spam.",
        advice: "Pause the campaign that people did not want: above 0.3 % mailbox providers refuse the domain.",
        place: "high-bounce-rates",
        hold: 10,
        calm: 30,
        variable: Some("ALERT_COMPLAINT_RATE"),
    },
    Rule {
        alert: Name::BreakerOpen,
        name: "breaker_open",
        severity: Severity::Page,
        means: "The way to Mailgun, or for a sending domain, is closed: it does not answer, or refuses the account.",
        advice: "`queueStats { breakers { reason } }` has Mailgun's words. It is tried again by itself; a key or a bill is not.",
        place: "the-queue-is-not-processing",
        hold: 5,
        calm: 2,
        variable: None,
    },
    Rule {
        alert: Name::WebhooksSilent,
        name: "webhooks_silent",
        severity: Severity::Warn,
        means: "Events of a sending domain happen, and no webhook brings them.",
        advice: "`mailmind check` compares the URL and the signing key with Mailgun's; `mailmind webhooks register` mends the first.",
        place: "the-webhook-is-not-working",
        hold: 5,
        calm: 5,
        variable: None,
    },
    Rule {
        alert: Name::SignatureFailures,
        name: "signature_failures",
        severity: Severity::Warn,
        means: "More than 5 webhooks within 15 minutes were not believed.",
        advice: "Where Mailgun sent them, MAILGUN_WEBHOOK_SIGNING_KEY is wrong: it brings each again for 8 hours only.",
        place: "the-webhook-is-not-working",
        hold: 0,
        calm: 5,
        variable: None,
    },
    Rule {
        alert: Name::Doubles,
        name: "doubles",
        severity: Severity::Warn,
        means: "Mailgun accepted an email a second time within the last hour.",
        advice: "Of the policy RESEND it is to be expected; of any other it breaks the promise: keep the log and look into it.",
        place: "an-email-arrived-twice",
        hold: 0,
        calm: 0,
        variable: None,
    },
    Rule {
        alert: Name::Undecided,
        name: "undecided",
        severity: Severity::Warn,
        means: "Within the last hour emails were found in doubt about which Mailgun's log can't decide.",
        advice: "Each says why in `lastError`; where a person must decide, `resolveEmail` does.",
        place: "emails-are-unconfirmed",
        hold: 0,
        calm: 0,
        variable: None,
    },
    Rule {
        alert: Name::RedisAway,
        name: "redis_away",
        severity: Severity::Warn,
        means: "A process does not reach the Redis that is configured. Email goes all the same, by a detour.",
        advice: "Look at Redis and at the way to it; nothing is to be done here when it is back.",
        place: "redis-is-away",
        hold: 2,
        calm: 2,
        variable: None,
    },
    Rule {
        alert: Name::DatabaseAway,
        name: "database_away",
        severity: Severity::Page,
        means: "A process does not reach the database. Nothing is accepted or sent, and webhooks wait with Mailgun.",
        advice: "Look at PostgreSQL, at its disk, and at the way to it; nothing is to be done here when it is back.",
        place: "the-database-is-away",
        hold: 1,
        calm: 0,
        variable: None,
    },
    Rule {
        alert: Name::ReconcilerLag,
        name: "reconciler_lag",
        severity: Severity::Warn,
        means: "Mailgun's log of a sending domain was last read whole more than two hours ago: missed webhooks are not recovered.",
        advice: "See whether a process with workers runs, and what `mailmind check` says of `log`.",
        place: "the-webhook-is-not-working",
        hold: 10,
        calm: 5,
        variable: None,
    },
    Rule {
        alert: Name::LogUnreadable,
        name: "log_unreadable",
        severity: Severity::Warn,
        means: "Mailgun's log of a sending domain can't be read: nothing tells of missed webhooks and of emails in doubt.",
        advice: "MAILGUN_API_KEY must be a key of the account, not a domain's sending key.",
        place: "the-webhook-is-not-working",
        hold: 30,
        calm: 5,
        variable: None,
    },
    Rule {
        alert: Name::SyncStuck,
        name: "sync_stuck",
        severity: Severity::Warn,
        means: "A suppression list of Mailgun's did not take a change of ours in five tries.",
        advice: "`suppressionSync` has Mailgun's words; it is tried again by itself.",
        place: "mailguns-lists-do-not-follow",
        hold: 0,
        calm: 5,
        variable: None,
    },
    Rule {
        alert: Name::EndpointFailing,
        name: "endpoint_failing",
        severity: Severity::Warn,
        means: "An endpoint takes none of the events it is told of, or was disabled for it.",
        advice: "`eventEndpoints { url lastError }` has what it said; events wait for it, and `enableEventEndpoint` goes on.",
        place: "an-endpoint-takes-no-events",
        hold: 30,
        calm: 5,
        variable: None,
    },
];

/// The rule of this name.
pub fn named(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

impl Name {
    /// Its line of the table.
    pub fn rule(self) -> &'static Rule {
        &RULES[self as usize]
    }
}

impl Rule {
    /// Where more stands, from the top of the repository.
    pub fn runbook(&self) -> String {
        format!("docs/troubleshooting.md#{}", self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_alert_has_one_line_in_its_place() {
        for (at, rule) in RULES.iter().enumerate() {
            assert_eq!(rule.alert as usize, at, "{}", rule.name);
            assert_eq!(rule.alert.rule().name, rule.name);
            assert_eq!(named(rule.name).map(|found| found.alert as usize), Some(at), "{} is there twice", rule.name);
            for sentence in [rule.means, rule.advice] {
                assert!(sentence.ends_with('.'), "{}: {sentence}", rule.name);
            }
        }
    }
}

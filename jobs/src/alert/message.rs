//! What is told of an alert: a sentence for people, and a body that Slack (`text`), Discord (`content`) and whatever takes
//! Alertmanager's webhooks (`alerts`) understand as it is. No person's data is in it. Pure.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::list::Alert;
use super::table::{Name, Rule, Severity};

/// What is wrong, with its figure.
pub(super) fn words(rule: &Rule, subject: &str, value: f64) -> String {
    let n = value.max(0.0) as u64;
    match rule.alert {
        Name::QueueStalled => {
            format!("Nothing is sent, though an email has been due for {} and nothing holds it.", span(value))
        }
        Name::OldestAge => {
            let lane = subject.to_uppercase();
            format!("A {lane} email has been due for {}, and nothing holds it.", span(value))
        }
        Name::FailureShare => format!("Mailgun refused {} of the emails of the last half hour.", percent(value)),
        Name::BounceRate => format!("{} of the emails of the last six hours bounced.", percent(value)),
        Name::ComplaintRate => format!(
            "{} of what was delivered in a day was reported as spam; mailbox providers want less than 0.1 %.",
            percent(value)
        ),
        Name::BreakerOpen if subject.is_empty() => {
            "The way to Mailgun is closed: it does not answer, or refuses the account.".to_owned()
        }
        Name::BreakerOpen => format!("Mailgun refuses emails of {subject}: the way for them is closed."),
        Name::WebhooksSilent => format!("Events of {subject} happen, and no webhook brings them."),
        Name::SignatureFailures => {
            let why = match subject {
                "no_key" => "no signing key is configured",
                "token_reused" => "they bore the token of another event",
                _ => "their signature is missing or wrong",
            };
            format!("{n} webhooks within 15 minutes were not believed: {why}.")
        }
        Name::Doubles if n == 1 => "Mailgun accepted an email a second time within the last hour.".to_owned(),
        Name::Doubles => format!("Mailgun accepted {n} emails a second time within the last hour."),
        Name::Undecided if n == 1 => "An email is in doubt, and Mailgun's log can't decide.".to_owned(),
        Name::Undecided => format!("{n} times within an hour Mailgun's log could not decide about an email in doubt."),
        Name::RedisAway => "A process does not reach Redis. Email goes, by a detour.".to_owned(),
        Name::DatabaseAway => "A process does not reach the database. Nothing is accepted or sent.".to_owned(),
        Name::ReconcilerLag => format!(
            "Mailgun's log of {subject} was last read whole {} ago: missed webhooks are not recovered.",
            span(value)
        ),
        Name::LogUnreadable => format!("Mailgun's log of {subject} can't be read."),
        Name::SyncStuck if n == 1 => format!("The list {subject} of Mailgun's did not take a change of ours."),
        Name::SyncStuck => format!("The list {subject} of Mailgun's did not take {n} changes of ours."),
        Name::EndpointFailing if n == 1 => "An endpoint takes none of the events it is told of.".to_owned(),
        Name::EndpointFailing => format!("{n} endpoints take none of the events they are told of."),
    }
}

/// Minutes, as people say them.
fn span(minutes: f64) -> String {
    let minutes = minutes.max(0.0) as i64;
    let (days, hours) = (minutes / 1_440, minutes / 60);
    match (days, hours) {
        (0, 0) if minutes == 1 => "a minute".to_owned(),
        (0, 0) => format!("{minutes} minutes"),
        (0, 1) => format!("1 hour and {} minutes", minutes - 60),
        (0..2, _) => format!("{hours} hours"),
        _ => format!("{days} days"),
    }
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 10_000.0).round() / 100.0)
}

/// Why it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    Raised,
    /// It goes on since it was last told.
    Still,
    Over,
}

/// What is posted of an alert. `service` is where the service is reached.
pub(super) fn body(alert: &Alert, occasion: Occasion, service: Option<&str>, now: DateTime<Utc>) -> Value {
    let Alert { rule, since, resolved_at, .. } = alert;
    let (head, status) = match occasion {
        Occasion::Raised => ("Alert", "firing"),
        Occasion::Still => ("Still", "firing"),
        Occasion::Over => ("Over", "resolved"),
    };
    let lasted = span((resolved_at.unwrap_or(now) - *since).max(TimeDelta::zero()).as_seconds_f64() / 60.0);
    let summary = alert.words();
    let mut text = format!("{head}: {} ({}). {summary}", rule.name, rule.severity.name());
    text += &match occasion {
        Occasion::Raised => format!(" {}", rule.advice),
        Occasion::Still => format!(" For {lasted} now. {}", rule.advice),
        Occasion::Over => format!(" It lasted {lasted}."),
    };
    if let Some(service) = service {
        text += &format!(" {service}");
    }
    let subject = alert.subject.as_deref();
    told(&Told {
        text,
        status,
        name: rule.name,
        subject,
        severity: rule.severity,
        summary: &summary,
        advice: rule.advice,
        runbook: &rule.runbook(),
        since: *since,
        resolved_at: *resolved_at,
        service,
    })
}

/// What is posted to see whether it arrives.
pub fn test(service: Option<&str>, now: DateTime<Utc>) -> Value {
    let summary = "This is a test: nothing is wrong.";
    told(&Told {
        text: format!("Test: {summary}{}", service.map(|service| format!(" {service}")).unwrap_or_default()),
        status: "resolved",
        name: "test",
        subject: None,
        severity: Severity::Warn,
        summary,
        advice: "Nothing is to be done.",
        runbook: "docs/operating.md#alerts",
        since: now,
        resolved_at: Some(now),
        service,
    })
}

struct Told<'a> {
    text: String,
    status: &'static str,
    name: &'a str,
    subject: Option<&'a str>,
    severity: Severity,
    summary: &'a str,
    advice: &'a str,
    runbook: &'a str,
    since: DateTime<Utc>,
    resolved_at: Option<DateTime<Utc>>,
    service: Option<&'a str>,
}

/// In the shape of Alertmanager's webhooks (version 4), of which one that goes on ends at the year 1.
fn told(of: &Told<'_>) -> Value {
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let key = match of.subject {
        Some(subject) => format!("mailmind/{}/{subject}", of.name),
        None => format!("mailmind/{}", of.name),
    };
    let mut labels = json!({ "alertname": of.name, "severity": of.severity.name() });
    if let Some(subject) = of.subject {
        labels["subject"] = subject.into();
    }
    let annotations = json!({ "summary": of.summary, "description": of.advice, "runbook": of.runbook });
    let service = of.service.unwrap_or_default();
    json!({
        "text": of.text,
        "content": of.text,
        "version": "4",
        "groupKey": key,
        "truncatedAlerts": 0,
        "status": of.status,
        "receiver": "mailmind",
        "groupLabels": { "alertname": of.name },
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": service,
        "alerts": [{
            "status": of.status,
            "labels": labels,
            "annotations": annotations,
            "startsAt": time(of.since),
            "endsAt": of.resolved_at.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), time),
            "generatorURL": service,
            "fingerprint": key,
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::super::table::RULES;
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + 60 * minutes, 0).unwrap_or_default()
    }

    fn alert(name: Name, subject: Option<&str>, value: f64) -> Alert {
        let subject = subject.map(str::to_owned);
        Alert { rule: name.rule(), subject, since: at(0), fired_at: at(5), resolved_at: None, value, told_at: None }
    }

    #[test]
    fn each_alert_says_what_is_wrong_with_its_figure() {
        let cases = [
            (
                Name::QueueStalled,
                None,
                7.9,
                "Nothing is sent, though an email has been due for 7 minutes and nothing holds it.",
            ),
            (Name::OldestAge, Some("low"), 421.0, "A LOW email has been due for 7 hours, and nothing holds it."),
            (Name::FailureShare, None, 0.1234, "Mailgun refused 12.34 % of the emails of the last half hour."),
            (Name::BounceRate, None, 0.5, "50 % of the emails of the last six hours bounced."),
            (
                Name::BreakerOpen,
                Some("mg.example.com"),
                1.0,
                "Mailgun refuses emails of mg.example.com: the way for them is closed.",
            ),
            (
                Name::SignatureFailures,
                Some("no_key"),
                6.0,
                "6 webhooks within 15 minutes were not believed: no signing key is configured.",
            ),
            (Name::Doubles, None, 1.0, "Mailgun accepted an email a second time within the last hour."),
            (
                Name::ReconcilerLag,
                Some("a.example"),
                4_321.0,
                "Mailgun's log of a.example was last read whole 3 days ago: missed webhooks are not recovered.",
            ),
        ];
        for (name, subject, value, expected) in cases {
            assert_eq!(alert(name, subject, value).words(), expected);
        }
        for rule in RULES {
            let told = words(rule, "it", 2.0);
            assert!(told.ends_with('.') && told.len() > 30, "{}: {told}", rule.name);
        }
    }

    #[test]
    fn spans_are_said_as_people_say_them() {
        let cases = [(0.0, "0 minutes"), (1.2, "a minute"), (59.0, "59 minutes"), (61.0, "1 hour and 1 minutes")];
        for (minutes, expected) in
            cases.into_iter().chain([(121.0, "2 hours"), (2_879.0, "47 hours"), (2_880.0, "2 days")])
        {
            assert_eq!(span(minutes), expected, "{minutes}");
        }
    }

    #[test]
    fn a_message_can_be_read_by_people_and_by_what_takes_alertmanagers() {
        let alert = alert(Name::WebhooksSilent, Some("mg.example.com"), 31.0);
        let raised = body(&alert, Occasion::Raised, Some("https://mail.example.com"), at(5));
        assert_eq!(raised["text"], raised["content"]);
        let text = raised["text"].as_str().unwrap_or_default();
        assert!(text.starts_with("Alert: webhooks_silent (warn). Events of mg.example.com happen"), "{text}");
        assert!(text.ends_with("https://mail.example.com"), "{text}");
        let one = &raised["alerts"][0];
        assert_eq!(
            one["labels"],
            json!({ "alertname": "webhooks_silent", "severity": "warn", "subject": "mg.example.com" })
        );
        assert_eq!((&one["status"], &raised["status"]), (&json!("firing"), &json!("firing")));
        assert_eq!(
            (&one["startsAt"], &one["endsAt"]),
            (&json!("2027-01-15T08:00:00Z"), &json!("0001-01-01T00:00:00Z"))
        );
        assert_eq!(one["annotations"]["runbook"], "docs/troubleshooting.md#the-webhook-is-not-working");

        let still = body(&alert, Occasion::Still, None, at(250));
        assert!(still["text"].as_str().is_some_and(|text| text.contains("For 4 hours now.")), "{still}");
        assert_eq!(still["groupKey"], raised["groupKey"], "what is repeated is the same alert");

        let over = body(&Alert { resolved_at: Some(at(90)), ..alert }, Occasion::Over, None, at(91));
        assert_eq!(
            (&over["status"], &over["alerts"][0]["endsAt"]),
            (&json!("resolved"), &json!("2027-01-15T09:30:00Z"))
        );
        assert!(over["text"].as_str().is_some_and(|text| text.ends_with("It lasted 1 hour and 30 minutes.")), "{over}");
        assert_eq!(over["alerts"][0]["fingerprint"], raised["alerts"][0]["fingerprint"]);
    }
}

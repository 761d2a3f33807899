//! Mailgun's log: what becomes of an accepted email, and the two APIs that the log is read by.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::Clock;
use serde_json::{Value, json};
use uuid::Uuid;

use super::dice::Dice;
use super::mailgun::Book;
use crate::mailgun::Asked;
use crate::webhook::Told;

/// Events on one page: few, so that there are pages.
const PAGE: usize = 100;

/// What happens to an email for one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    Accepted,
    Deferred,
    Delivered,
    HardBounce,
    SoftBounce,
    Opened,
    MachineOpened,
    Clicked,
    Complained,
    Unsubscribed,
    Rejected,
}

impl Fate {
    /// What will happen after an acceptance, and when.
    pub fn draw(dice: &mut Dice) -> Vec<(Duration, Fate)> {
        let mut fates = vec![(Duration::ZERO, Fate::Accepted)];
        let later = |dice: &mut Dice| dice.millis(20, 1_500);
        if dice.percent(10) {
            fates.push((later(dice), Fate::Deferred));
        }
        let end = dice.weighted(&[
            (86, Fate::Delivered),
            (4, Fate::HardBounce),
            (4, Fate::SoftBounce),
            (2, Fate::Rejected),
            (2, Fate::Complained),
            (2, Fate::Unsubscribed),
        ]);
        let at = later(dice);
        if matches!(end, Fate::Complained | Fate::Unsubscribed) {
            fates.push((at, Fate::Delivered));
            fates.push((at + later(dice), end));
        } else {
            fates.push((at, end));
        }
        if end == Fate::Delivered {
            for (percent, fate) in [(20, Fate::Opened), (5, Fate::Opened), (5, Fate::MachineOpened), (8, Fate::Clicked)]
            {
                if dice.percent(percent) {
                    fates.push((at + later(dice), fate));
                }
            }
        }
        fates
    }

    /// Mailgun's word.
    pub fn word(self) -> &'static str {
        match self {
            Fate::Accepted => "accepted",
            Fate::Delivered => "delivered",
            Fate::Deferred | Fate::HardBounce | Fate::SoftBounce => "failed",
            Fate::Opened | Fate::MachineOpened => "opened",
            Fate::Clicked => "clicked",
            Fate::Complained => "complained",
            Fate::Unsubscribed => "unsubscribed",
            Fate::Rejected => "rejected",
        }
    }

    /// Whether its address must not be mailed any more.
    pub fn suppresses(self) -> Option<&'static str> {
        match self {
            Fate::HardBounce | Fate::SoftBounce => Some("BOUNCE"),
            Fate::Complained => Some("COMPLAINT"),
            Fate::Unsubscribed => Some("UNSUBSCRIBE"),
            _ => None,
        }
    }

    fn told(self, email: Uuid, recipient: &str, at: DateTime<Utc>) -> Told {
        let new = || Told::new(self.word(), email, recipient, at);
        let client = |bot: &str| json!({ "bot": bot, "client-name": "Firefox", "device-type": "desktop" });
        match self {
            Fate::HardBounce => Told::bounced(email, recipient, at, "bounce", "5.1.1"),
            Fate::SoftBounce => Told::bounced(email, recipient, at, "old", "4.2.2"),
            Fate::Deferred => new()
                .with("severity", "temporary")
                .with("reason", "generic")
                .with("delivery-status", json!({ "code": 451, "message": "later", "retry-seconds": 600 })),
            Fate::Opened => new().with("client-info", client("")),
            Fate::MachineOpened => new().with("client-info", client("gmail")),
            Fate::Clicked => new().with("client-info", client("")).with("url", "https://example.com/"),
            Fate::Rejected => new().with("reject", json!({ "reason": "Sandbox", "description": "no" })),
            Fate::Accepted | Fate::Delivered | Fate::Complained | Fate::Unsubscribed => new(),
        }
    }
}

/// An event of the log.
#[derive(Clone, Debug)]
pub struct Logged {
    pub n: usize,
    pub id: String,
    pub at: DateTime<Utc>,
    pub fate: Fate,
    pub email: Uuid,
    pub recipient: String,
    pub domain: String,
    pub told: Told,
}

impl Logged {
    /// An event that happens now.
    pub fn now(seed: u64, n: usize, fate: Fate, email: Uuid, recipient: String, domain: String, message: &str) -> Self {
        let at = Clock::system().now();
        let id = format!("event-{seed}-{n}");
        let message = message.trim_matches(['<', '>']);
        let told = fate
            .told(email, &recipient, at)
            .with("id", id.clone())
            .with("domain", json!({ "name": domain }))
            .with("message", json!({ "headers": { "message-id": message } }));
        Self { n, id, at, fate, email, recipient, domain, told }
    }
}

/// Answers what is asked of the log. Some accounts may not use the newer API.
pub fn answer(book: &Book, asked: &Asked, newer: bool) -> (u16, String) {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    if asked.method == "POST" && path == "/v1/analytics/logs" {
        if !newer {
            return (403, json!({ "message": "Logs are not part of this plan" }).to_string());
        }
        return match serde_json::from_slice(&asked.body) {
            Ok(body) => (200, logs(book, &body).to_string()),
            Err(error) => (400, error.to_string()),
        };
    }
    let domain = path.strip_prefix("/v3/").and_then(|rest| rest.strip_suffix("/events"));
    match domain {
        Some(domain) if asked.method == "GET" => (200, events(book, domain, query, asked).to_string()),
        _ => (404, "404 page not found".to_owned()),
    }
}

fn logs(book: &Book, body: &Value) -> Value {
    let date = |name: &str| {
        let text = body[name].as_str().unwrap_or_default();
        DateTime::parse_from_rfc2822(text).map(|date| date.with_timezone(&Utc)).unwrap_or_default()
    };
    let domain = body["filter"]["AND"][0]["values"][0]["value"].as_str().unwrap_or_default();
    let words: Vec<&str> = body["events"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let after: usize = body["pagination"]["token"].as_str().and_then(|token| token.parse().ok()).unwrap_or_default();
    let (items, next) = page(book, domain, date("start"), date("end"), &words, after);
    let mut pagination = json!({});
    if let Some(next) = next {
        pagination["next"] = next.to_string().into();
    }
    json!({ "start": body["start"], "end": body["end"], "items": items, "pagination": pagination, "aggregates": {} })
}

fn events(book: &Book, domain: &str, query: &str, asked: &Asked) -> Value {
    let mut pairs: std::collections::HashMap<String, String> =
        form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let date = |name: &str| {
        let seconds = pairs.get(name).and_then(|text| text.parse().ok()).unwrap_or_default();
        DateTime::from_timestamp(seconds, 0).unwrap_or_default()
    };
    let words: Vec<&str> = pairs.get("event").map(|text| text.split(" OR ").collect()).unwrap_or_default();
    let after = pairs.get("after").and_then(|text| text.parse().ok()).unwrap_or_default();
    let (items, next) = page(book, domain, date("begin"), date("end"), &words, after);
    // There is always a next page; one behind the last is empty.
    let next = next.unwrap_or(after + items.len());
    pairs.insert("after".into(), next.to_string());
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
    let host = asked.header("host").unwrap_or_default();
    json!({ "items": items, "paging": { "next": format!("http://{host}/v3/{domain}/events?{query}") } })
}

/// Items in the order of their times, and where the next page begins.
fn page(
    book: &Book,
    domain: &str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    words: &[&str],
    after: usize,
) -> (Vec<Value>, Option<usize>) {
    let meant = |logged: &&Logged| {
        logged.domain == domain
            && (from..=to).contains(&logged.at)
            && (words.is_empty() || words.contains(&logged.fate.word()))
    };
    let all: Vec<&Logged> = book.log.iter().filter(meant).collect();
    let items: Vec<Value> = all.iter().skip(after).take(PAGE).map(|logged| logged.told.0.clone()).collect();
    let next = (after + items.len() < all.len()).then_some(after + items.len());
    (items, next)
}

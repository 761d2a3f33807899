//! Mailgun's log: what becomes of an accepted email, and the two APIs that the log is read by.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::Clock;
use serde_json::{Value, json};
use uuid::Uuid;

use super::dice::Dice;
use super::mailgun::Book;
use crate::mailgun::{Api, Asked, Tells};
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
    pub fn now(
        seed: u64,
        n: usize,
        fate: Fate,
        email: Uuid,
        recipient: String,
        domain: String,
        message: String,
    ) -> Self {
        let at = Clock::system().now();
        let id = format!("event-{seed}-{n}");
        let told = fate
            .told(email, &recipient, at)
            .with("id", id.clone())
            .with("domain", json!({ "name": domain }))
            .with("message", json!({ "headers": { "message-id": message } }));
        Self { n, id, at, fate, email, recipient, domain, told }
    }
}

/// Answers what is asked of the log. Some accounts may not use the newer API. `base` is Mailgun's own address.
pub fn answer(book: &Book, asked: &Asked, newer: bool, base: &str) -> Tells {
    if asked.api == Api::Logs && !newer {
        return Tells::Status(403);
    }
    let meant = |logged: &&Logged| {
        let word = logged.fate.word();
        logged.domain == asked.domain
            && (asked.from..=asked.to).contains(&logged.at)
            && (asked.kinds.is_empty() || asked.kinds.iter().any(|kind| kind == word))
    };
    let all: Vec<&Logged> = book.log.iter().filter(meant).collect();
    let page = all.iter().skip(asked.page * PAGE).take(PAGE);
    let items: Vec<&Value> = page.map(|logged| &logged.told.0).collect();
    let next = asked.page + 1;
    let body = match asked.api {
        Api::Logs => {
            let next = if all.len() > next * PAGE { json!({ "next": next.to_string() }) } else { json!({}) };
            json!({ "start": asked.from.to_rfc2822(), "items": items, "pagination": next })
        }
        Api::Events => {
            // There is always a next page; one behind the last is empty.
            let (from, to, kinds) = (asked.from.timestamp(), asked.to.timestamp(), asked.kinds.join(" OR "));
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("begin", &from.to_string()).append_pair("end", &to.to_string());
            query.append_pair("page", &next.to_string());
            if !kinds.is_empty() {
                query.append_pair("event", &kinds);
            }
            let next = format!("{base}/v3/{}/events?{}", asked.domain, query.finish());
            json!({ "items": items, "paging": { "next": next } })
        }
    };
    Tells::This(200, body.to_string())
}

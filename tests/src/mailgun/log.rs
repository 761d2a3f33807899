//! The fake's log: what it accepted and what a test adds, in the shapes of Mailgun's two logs, on pages of a few.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::state::Accepted;

/// Items on a page: few, so that readings have many.
const PAGE: usize = 2;

/// Which of the two logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// `POST /v1/analytics/logs`.
    Logs,
    /// `GET /v3/{domain}/events`.
    Events,
}

/// A page that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Of which log.
    pub api: Api,
    /// The sending domain.
    pub domain: String,
    /// From then on.
    pub from: DateTime<Utc>,
    /// Until then.
    pub to: DateTime<Utc>,
    /// Which page: 0 is the first.
    pub page: usize,
    /// Events of these kinds; none: of all.
    pub kinds: Vec<String>,
}

/// What the log answers.
#[derive(Clone, Debug)]
pub enum Tells {
    /// The page.
    Page,
    /// This status and nothing readable.
    Status(u16),
    /// Nothing, until whoever asked gives up.
    Silence,
    /// 200 and something that is no log.
    Nonsense,
    /// This status and body: the script keeps a log of its own.
    This(u16, String),
}

/// A test's script for the log.
pub type LogScript = dyn Fn(&Asked) -> Tells + Send + Sync;

/// What the log holds besides what was accepted, and how it answers.
#[derive(Default)]
pub(super) struct Book {
    pub(super) script: Option<Arc<LogScript>>,
    pub(super) items: Vec<Value>,
    pub(super) asked: Vec<Asked>,
}

impl Asked {
    /// From a request; `None` where it is none of the log.
    pub(super) fn read(method: &str, target: &str, body: &[u8]) -> Option<Self> {
        if (method, target) == ("POST", "/v1/analytics/logs") {
            return Self::of_logs(&serde_json::from_slice(body).ok()?);
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (domain, _) = path.strip_prefix("/v3/")?.split_once("/events")?;
        if method != "GET" {
            return None;
        }
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let epoch = |name: &str| DateTime::from_timestamp(value(name)?.parse().ok()?, 0);
        Some(Self {
            api: Api::Events,
            domain: domain.to_owned(),
            from: epoch("begin")?,
            to: epoch("end")?,
            page: value("page").map_or(Some(0), |page| page.parse().ok())?,
            kinds: value("event").map(|kinds| kinds.split(" OR ").map(str::to_owned).collect()).unwrap_or_default(),
        })
    }

    fn of_logs(body: &Value) -> Option<Self> {
        let date = |name: &str| Some(DateTime::parse_from_rfc2822(body[name].as_str()?).ok()?.with_timezone(&Utc));
        let kinds = body["events"].as_array().into_iter().flatten();
        Some(Self {
            api: Api::Logs,
            domain: body["filter"]["AND"][0]["values"][0]["value"].as_str()?.to_owned(),
            from: date("start")?,
            to: date("end")?,
            page: body["pagination"]["token"].as_str().map_or(Some(0), |token| token.parse().ok())?,
            kinds: kinds.filter_map(|kind| kind.as_str().map(str::to_owned)).collect(),
        })
    }

    /// The page, in its log's own shape.
    pub(super) fn answer(&self, messages: &[Accepted], added: &[Value], base: &str) -> Value {
        let accepted = messages.iter().enumerate().map(|(n, message)| item(n, message));
        let mut items: Vec<Value> = accepted.chain(added.iter().cloned()).filter(|item| self.wants(item)).collect();
        items.sort_by(|a, b| time(a).total_cmp(&time(b)));
        let there = items.len() > (self.page + 1) * PAGE;
        let items: Vec<Value> = items.into_iter().skip(self.page * PAGE).take(PAGE).collect();
        let next = self.page + 1;
        match self.api {
            Api::Logs => json!({
                "start": self.from.to_rfc2822(),
                "items": items.into_iter().map(newer).collect::<Vec<_>>(),
                "pagination": if there { json!({ "next": next.to_string() }) } else { json!({}) },
            }),
            Api::Events => {
                let kinds = form_urlencoded::byte_serialize(self.kinds.join(" OR ").as_bytes()).collect::<String>();
                let (from, to) = (self.from.timestamp(), self.to.timestamp());
                let kinds = if kinds.is_empty() { kinds } else { format!("&event={kinds}") };
                let next = format!("{base}/v3/{}/events?begin={from}&end={to}&page={next}{kinds}", self.domain);
                json!({ "items": items, "paging": { "next": next } })
            }
        }
    }

    fn wants(&self, item: &Value) -> bool {
        let kind = item["event"].as_str().unwrap_or_default();
        item["domain"]["name"] == self.domain.as_str()
            && (self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted == kind))
            && (self.from.timestamp() as f64..=self.to.timestamp() as f64).contains(&time(item))
    }
}

fn time(item: &Value) -> f64 {
    item["timestamp"].as_f64().unwrap_or_default()
}

/// That a message was accepted.
fn item(n: usize, message: &Accepted) -> Value {
    json!({
        "event": "accepted",
        "id": format!("accepted-{n}"),
        "timestamp": message.seen_at.timestamp_micros() as f64 / 1e6,
        "recipient": message.to,
        "domain": { "name": message.post.domain() },
        "user-variables": { "email-id": message.email_id },
        "message": { "headers": { "message-id": message.message_id.trim_matches(['<', '>']) } },
    })
}

/// As the Logs API has it: a date for a number, whole seconds, and variables as text.
fn newer(mut item: Value) -> Value {
    let at = DateTime::from_timestamp(time(&item) as i64, 0).unwrap_or_default();
    item["@timestamp"] = at.to_rfc3339().into();
    item["user-variables"] = item["user-variables"].to_string().into();
    if let Some(fields) = item.as_object_mut() {
        fields.remove("timestamp");
    }
    item
}

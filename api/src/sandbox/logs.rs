//! `POST /v1/analytics/logs`: the same log over all domains, in the newer shape.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Mailgun;
use super::answer::{Refusal, ok};
use super::event::Occurrence;
use super::log::{Span, Start};
use super::submission::parse_date;
use super::{form, paging};

/// Mailgun's limit on a page.
const MOST: usize = 100;

pub(super) fn routes() -> Router<Arc<Mailgun>> {
    Router::new().route("/v1/analytics/logs", post(list))
}

#[derive(Default, Deserialize)]
struct Asked {
    start: Option<String>,
    end: Option<String>,
    duration: Option<String>,
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    include_totals: bool,
    #[serde(default)]
    filter: Filter,
    #[serde(default)]
    pagination: Pagination,
}

#[derive(Default, Deserialize)]
struct Filter {
    #[serde(default, rename = "AND")]
    all: Vec<Condition>,
}

#[derive(Deserialize)]
struct Condition {
    attribute: String,
    comparator: String,
    values: Vec<Labelled>,
}

#[derive(Deserialize)]
struct Labelled {
    value: String,
}

#[derive(Default, Deserialize)]
struct Pagination {
    sort: Option<String>,
    token: Option<String>,
    limit: Option<usize>,
}

/// What a page's token says. The span is in it, so that a default one does not move from page to page.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Token {
    span: Span,
    start: Start,
}

impl Condition {
    /// `None` where the attribute or the comparator is none of Mailgun's that the sandbox knows.
    fn holds(&self, event: &Occurrence) -> Option<bool> {
        let message = &event.message;
        let id = event.message_id();
        let recipient_domain = event.recipient().rsplit_once('@').map_or("", |(_, domain)| domain);
        let values: Vec<&str> = match self.attribute.as_str() {
            "domain" => vec![&message.domain],
            "event" => vec![event.name()],
            "message_id" | "message-id" => vec![id.as_str()],
            "recipient" => vec![event.recipient()],
            "recipient_domain" | "recipient-domain" => vec![recipient_domain],
            "from" => vec![&message.from],
            "to" => message.to.iter().map(String::as_str).collect(),
            "subject" => vec![message.subject.as_deref().unwrap_or_default()],
            "severity" => vec![event.severity().unwrap_or_default()],
            "tag" | "tags" => message.tags().iter().map(String::as_str).collect(),
            _ => return None,
        };
        let any = |holds: fn(&str, &str) -> bool| {
            values.iter().any(|value| self.values.iter().any(|wanted| holds(value, &wanted.value)))
        };
        let equal = |value: &str, wanted: &str| value.eq_ignore_ascii_case(wanted);
        let part = |value: &str, wanted: &str| value.to_lowercase().contains(&wanted.to_lowercase());
        Some(match self.comparator.as_str() {
            "=" => any(equal),
            "!=" => !any(equal),
            "contains" => any(part),
            "not contains" => !any(part),
            _ => return None,
        })
    }

    /// An attribute that no event has is refused, whether or not there are events.
    fn check(&self) -> Result<(), Refusal> {
        const ATTRIBUTES: [&str; 13] = [
            "domain",
            "event",
            "message_id",
            "message-id",
            "recipient",
            "recipient_domain",
            "recipient-domain",
            "from",
            "to",
            "subject",
            "severity",
            "tag",
            "tags",
        ];
        if !ATTRIBUTES.contains(&self.attribute.as_str()) {
            return Err(Refusal::Bad(format!("'{}' is not a valid filter attribute", self.attribute)));
        }
        if !["=", "!=", "contains", "not contains"].contains(&self.comparator.as_str()) {
            return Err(Refusal::Bad(format!("'{}' is not a valid filter comparator", self.comparator)));
        }
        Ok(())
    }
}

impl Asked {
    /// From the last day unless told; a duration counts back from the end.
    fn span(&self, now: DateTime<Utc>) -> Result<Span, Refusal> {
        let date = |text: &Option<String>| {
            text.as_deref().map(|text| parse_date(text).ok_or_else(|| Refusal::Date(text.to_owned()))).transpose()
        };
        let to = date(&self.end)?.unwrap_or(now);
        let back = match &self.duration {
            Some(text) => duration(text).ok_or_else(|| Refusal::Bad(format!("'{text}' is not a valid duration")))?,
            None => TimeDelta::days(1),
        };
        let from = if self.duration.is_some() { None } else { date(&self.start)? };
        let ascending = match self.pagination.sort.as_deref() {
            None | Some("timestamp:desc") => false,
            Some("timestamp:asc") => true,
            Some(other) => return Err(Refusal::Bad(format!("'{other}' is not a valid sort"))),
        };
        Ok(Span { ascending, from: Some(from.unwrap_or(to - back)), to: Some(to) })
    }

    fn token(&self, now: DateTime<Utc>) -> Result<Token, Refusal> {
        match self.pagination.token.as_deref() {
            None | Some("") => Ok(Token { span: self.span(now)?, start: Start::First }),
            Some(word) => {
                paging::page(word).ok_or_else(|| Refusal::Bad("pagination token is not one of ours".to_owned()))
            }
        }
    }
}

/// `1d`, `2h`, `1m` for a month, as Mailgun has them.
fn duration(text: &str) -> Option<TimeDelta> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: i64 = number.parse().ok().filter(|number| (1..=1_000).contains(number))?;
    match unit {
        "h" => Some(TimeDelta::hours(number)),
        "d" => Some(TimeDelta::days(number)),
        "m" => Some(TimeDelta::days(30 * number)),
        _ => None,
    }
}

async fn list(State(mailgun): State<Arc<Mailgun>>, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let body = form::unpacked(&head.headers, form::read(body).await?)?;
    let asked: Asked = if body.is_empty() {
        Asked::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| Refusal::Bad(error.to_string()))?
    };
    asked.filter.all.iter().try_for_each(Condition::check)?;
    let token = asked.token(mailgun.clock.now())?;
    let limit = asked.pagination.limit.unwrap_or(MOST).clamp(1, MOST);
    Ok(page(&mailgun, &asked, token, limit, &head.headers))
}

fn page(mailgun: &Mailgun, asked: &Asked, token: Token, limit: usize, headers: &HeaderMap) -> Response {
    let Token { span, start } = token;
    let found = mailgun.log(
        (span, start, limit),
        |_| true,
        |event| {
            (asked.events.is_empty() || asked.events.iter().any(|name| name == event.name()))
                && asked.filter.all.iter().all(|condition| condition.holds(event) == Some(true))
        },
    );
    let mut pagination = json!({});
    if asked.include_totals {
        pagination["total"] = found.total.into();
    }
    // One page that holds everything has none beside it, as recorded.
    if let (Some(first), Some(last)) = (found.events.first(), found.events.last())
        && found.events.len() < found.total
    {
        let word = |start| paging::word(&Token { span, start });
        pagination["first"] = word(Start::First).into();
        pagination["last"] = word(Start::Last).into();
        pagination["previous"] = word(Start::Before(first.place)).into();
        pagination["next"] = word(Start::After(last.place)).into();
    }
    let base = paging::base(headers);
    let date = |at: Option<DateTime<Utc>>| at.map(|at| at.format("%a, %d %b %Y %H:%M:%S -0000").to_string());
    ok(&json!({
        "start": date(span.from),
        "end": date(span.to),
        "items": found.events.iter().map(|event| item(event, mailgun.base(&base))).collect::<Vec<_>>(),
        "pagination": pagination,
        "aggregates": {},
    }))
}

/// An event in the shape of this endpoint: a date for a number, variables as text, and whose it is.
fn item(event: &Occurrence, base: &str) -> Value {
    let Value::Object(mut data) = event.data(base) else { return Value::Null };
    data.remove("timestamp");
    data.remove("campaigns");
    let variables = data.remove("user-variables").unwrap_or_else(|| Map::new().into());
    let text = variables.as_str().map_or_else(|| variables.to_string(), str::to_owned);
    data.insert("user-variables".to_owned(), text.into());
    data.insert("@timestamp".to_owned(), event.at().to_rfc3339_opts(SecondsFormat::Millis, true).into());
    data.insert("domain".to_owned(), json!({ "name": event.message.domain }));
    data.insert("account".to_owned(), json!({ "id": "sandbox" }));
    if let Some(Value::Object(storage)) = data.get_mut("storage")
        && let Some(url) = storage.get_mut("url")
    {
        *url = json!([url.take()]);
    }
    data.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        let cases = [
            ("1d", Some(TimeDelta::days(1))),
            ("12h", Some(TimeDelta::hours(12))),
            ("1m", Some(TimeDelta::days(30))),
            ("d", None),
            ("", None),
            ("0h", None),
            ("1y", None),
            ("5ü", None),
        ];
        for (text, expected) in cases {
            assert_eq!(duration(text), expected, "{text}");
        }
    }
}

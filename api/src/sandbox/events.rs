//! `GET /v3/{domain}/events`: the log as Mailgun's Events API tells it.

mod expression;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::expression::Expression;
use super::Mailgun;
use super::answer::{Refusal, ok};
use super::event::Occurrence;
use super::log::{Span, Start};
use super::paging::{self, Params};
use super::submission::parse_date;

/// Mailgun's limit on a page.
const MOST: usize = 300;

pub(super) fn routes() -> Router<Arc<Mailgun>> {
    Router::new().route("/v3/{domain}/events", get(first)).route("/v3/{domain}/events/{page}", get(further))
}

/// What a page of events was asked with; it travels on in the addresses of the pages beside it.
#[derive(Serialize, Deserialize)]
struct Asked {
    span: Span,
    limit: usize,
    filters: Vec<(Field, String)>,
    start: Start,
}

/// The fields that may be filtered by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Field {
    Event,
    MessageId,
    Recipient,
    Recipients,
    Tags,
    From,
    To,
    Subject,
    Severity,
}

impl Field {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "event" => Self::Event,
            "message-id" => Self::MessageId,
            "recipient" => Self::Recipient,
            "recipients" => Self::Recipients,
            "tags" => Self::Tags,
            "from" => Self::From,
            "to" => Self::To,
            "subject" => Self::Subject,
            "severity" => Self::Severity,
            _ => return None,
        })
    }

    /// Whether the field of this event is, or holds, the word.
    fn holds(self, event: &Occurrence, word: &str) -> bool {
        let message = &event.message;
        let part = |whole: &str| whole.to_lowercase().contains(&word.to_lowercase());
        match self {
            Self::Event => event.name().eq_ignore_ascii_case(word),
            Self::MessageId => event.message_id() == word,
            Self::Recipient => event.recipient().eq_ignore_ascii_case(word),
            Self::Recipients => message.recipients().any(|one| one.eq_ignore_ascii_case(word)),
            Self::Tags => message.tags().iter().any(|tag| tag.eq_ignore_ascii_case(word)),
            Self::From => part(&message.from),
            Self::To => message.to.iter().any(|one| part(one)),
            Self::Subject => message.subject.as_deref().is_some_and(part),
            Self::Severity => event.severity() == Some(word),
        }
    }
}

impl Asked {
    fn of(query: Vec<(String, String)>) -> Result<Self, Refusal> {
        let (mut begin, mut end, mut ascending, mut limit) = (None, None, None, 100);
        let mut filters = Vec::new();
        for (name, value) in query {
            match name.as_str() {
                "begin" => begin = Some(date(&value)?),
                "end" => end = Some(date(&value)?),
                "ascending" => ascending = Some(matches!(value.as_str(), "yes" | "true")),
                "limit" => {
                    let given: usize = value.parse().map_err(|_| Refusal::Bad("limit is not a number".to_owned()))?;
                    limit = given.clamp(1, MOST);
                }
                name => filters.extend(Field::named(name).map(|field| (field, value))),
            }
        }
        // With angle brackets Mailgun does not know the id and answers with whatever there is.
        filters.retain(|(field, value)| *field != Field::MessageId || !value.contains('<'));
        Ok(Self { span: span(begin, end, ascending), limit, filters, start: Start::First })
    }
}

/// Without a word on the direction, events run from `begin` to `end`; without both, from the newest back.
fn span(begin: Option<DateTime<Utc>>, end: Option<DateTime<Utc>>, ascending: Option<bool>) -> Span {
    let ascending = ascending.unwrap_or(match (begin, end) {
        (Some(begin), Some(end)) => begin <= end,
        (Some(_), None) => true,
        (None, _) => false,
    });
    let (from, to) = match (begin, end) {
        (Some(begin), Some(end)) => (Some(begin.min(end)), Some(begin.max(end))),
        (from, to) if ascending => (from, to),
        (to, from) => (from, to),
    };
    Span { ascending, from, to }
}

fn date(text: &str) -> Result<DateTime<Utc>, Refusal> {
    parse_date(text).ok_or_else(|| Refusal::Date(text.to_owned()))
}

async fn first(
    State(mailgun): State<Arc<Mailgun>>,
    Path(domain): Path<String>,
    Params(query): Params,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    mailgun.must_know(&domain)?;
    page(&mailgun, &domain, &Asked::of(query)?, &headers)
}

async fn further(
    State(mailgun): State<Arc<Mailgun>>,
    Path((domain, word)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    mailgun.must_know(&domain)?;
    let asked = paging::page(&word).ok_or_else(|| Refusal::Bad("page is not one of ours".to_owned()))?;
    page(&mailgun, &domain, &asked, &headers)
}

fn page(mailgun: &Mailgun, domain: &str, asked: &Asked, headers: &HeaderMap) -> Result<Response, Refusal> {
    let parsed = asked.filters.iter().map(|(field, text)| Some((*field, Expression::parse(text)?)));
    let filters: Vec<(Field, Expression)> =
        parsed.collect::<Option<_>>().ok_or_else(|| Refusal::Bad("a filter can not be read".to_owned()))?;
    let ids: Vec<&str> =
        filters.iter().filter(|(field, _)| *field == Field::MessageId).filter_map(|(_, id)| id.only()).collect();
    let found = mailgun.log(
        (asked.span, asked.start, asked.limit.clamp(1, MOST)),
        |message| {
            message.domain.eq_ignore_ascii_case(domain)
                && (message.recipient_variables.is_some()
                    || ids.iter().all(|id| message.message_id.trim_matches(['<', '>']) == *id))
        },
        |event| filters.iter().all(|(field, wanted)| wanted.holds(&|word| field.holds(event, word))),
    );
    let base = paging::base(headers);
    let beside = |start| {
        let asked = Asked { span: asked.span, limit: asked.limit, filters: asked.filters.clone(), start };
        format!("{base}/v3/{domain}/events/{}", paging::word(&asked))
    };
    // Past the end a page leads to itself: what has not happened yet will stand there.
    let next = found.events.last().map_or(asked.start, |last| Start::After(last.place));
    let previous = found.events.first().map_or(asked.start, |first| Start::Before(first.place));
    Ok(ok(&json!({
        "items": found.events.iter().map(|event| event.data(mailgun.base(&base))).collect::<Vec<_>>(),
        "paging": {
            "first": beside(Start::First),
            "last": beside(Start::Last),
            "next": beside(next),
            "previous": beside(previous),
        },
    })))
}

//! What is asked of Mailgun's two logs, and what their pages say. Pure. Facts: Mailgun's "Logs" and "Events" pages.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Url;
use serde_json::{Value, json};

use super::{Cursor, LogError, Page, Query};
use crate::event::LogItem;

/// Mailgun's limits on a page.
const LOGS_MOST: usize = 100;
const EVENTS_MOST: usize = 300;

/// The body of `POST /v1/analytics/logs`.
pub(super) fn logs_query(query: &Query, token: Option<&str>) -> Value {
    let mut pagination = json!({ "sort": "timestamp:asc", "limit": LOGS_MOST });
    if let Some(token) = token {
        pagination["token"] = token.into();
    }
    let domain = json!({ "label": query.domain, "value": query.domain });
    let mut body = json!({
        "start": mail_date(floor(query.from)),
        "end": mail_date(ceiling(query.to)),
        "filter": { "AND": [{ "attribute": "domain", "comparator": "=", "values": [domain] }] },
        "pagination": pagination,
    });
    if !query.kinds.words().is_empty() {
        body["events"] = query.kinds.words().into();
    }
    body
}

/// What stands behind the `?` of `GET /v3/{domain}/events`. Both ends: without one Mailgun takes another order.
pub(super) fn events_query(query: &Query) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("begin", floor(query.from).timestamp().to_string()),
        ("end", ceiling(query.to).timestamp().to_string()),
        ("ascending", "yes".to_owned()),
        ("limit", EVENTS_MOST.to_string()),
    ];
    if !query.kinds.words().is_empty() {
        pairs.push(("event", query.kinds.words().join(" OR ")));
    }
    pairs
}

/// A page of the Logs API. It says from when on it has searched: later than asked means that nothing older is kept.
pub(super) fn of_logs(body: &[u8], query: &Query) -> Result<Page, LogError> {
    let json = json(body)?;
    let items = items(&json, query)?;
    let start = json["start"].as_str().and_then(|text| DateTime::parse_from_rfc2822(text).ok());
    if let Some(start) = start.map(|start| start.with_timezone(&Utc))
        && start > ceiling(query.from)
    {
        return Err(LogError::GoesBackTo(start));
    }
    let token = json["pagination"]["next"].as_str().filter(|token| !token.is_empty());
    let next = token.filter(|_| !items.is_empty()).map(|token| Cursor::Logs(token.to_owned()));
    Ok(Page { items, next })
}

/// A page of the Events API. An empty one is the end; any other names the next, which is followed on the same server alone.
pub(super) fn of_events(body: &[u8], base: &Url, query: &Query) -> Result<Page, LogError> {
    let json = json(body)?;
    let items = items(&json, query)?;
    if items.is_empty() {
        return Ok(Page::default());
    }
    let next = json["paging"]["next"].as_str().and_then(|text| Url::parse(text).ok());
    let next = next.ok_or_else(|| LogError::Unreadable("a page names no next one".to_owned()))?;
    if next.origin() != base.origin() {
        return Err(LogError::Unreadable("its next page lies on another server".to_owned()));
    }
    Ok(Page { items, next: Some(Cursor::Events(next)) })
}

fn json(body: &[u8]) -> Result<Value, LogError> {
    serde_json::from_slice(body).map_err(|_| LogError::Unreadable("it was answered with something else".to_owned()))
}

fn items(json: &Value, query: &Query) -> Result<Vec<LogItem>, LogError> {
    let items = json["items"].as_array().ok_or_else(|| LogError::Unreadable("a page has no items".to_owned()))?;
    Ok(items.iter().map(|item| LogItem::read(item, &query.domain, query.to)).collect())
}

fn floor(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at)
}

fn ceiling(at: DateTime<Utc>) -> DateTime<Utc> {
    if at == floor(at) { at } else { floor(at) + TimeDelta::seconds(1) }
}

/// RFC 2822, as both logs take it.
fn mail_date(at: DateTime<Utc>) -> String {
    at.format("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests;

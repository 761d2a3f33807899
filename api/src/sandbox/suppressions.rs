//! `/v3/{domain}/bounces`, `unsubscribes`, `complaints` and `whitelists`: listing with pages, adding one or up to a
//! thousand, removing one or all.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Refusal, date, done, ok};
use super::form::{self, Form};
use super::lists::{Entry, List, Page, Why};
use super::paging::{self, Params};
use super::window::{Window, announce};
use super::{Mailgun, address};

/// Mailgun's limit on a JSON array.
const MOST_AT_ONCE: usize = 1_000;

pub(super) fn routes(window: Arc<Window>) -> Router<Arc<Mailgun>> {
    let routes = [List::Bounces, List::Unsubscribes, List::Complaints, List::Whitelists].into_iter().fold(
        Router::new(),
        |router, list| {
            let all = get(move |state, domain, query, headers| page(list, state, domain, query, headers))
                .post(move |state, domain, request| add(list, state, domain, request))
                .delete(move |state, domain| clear(list, state, domain));
            let one =
                get(move |state, path| show(list, state, path)).delete(move |state, path| remove(list, state, path));
            let words = Words::of(list);
            router
                .route(&format!("/v3/{{domain}}/{}", words.name), all)
                .route(&format!("/v3/{{domain}}/{}/{{address}}", words.name), one)
        },
    );
    routes.layer(from_fn_with_state(window, announce))
}

/// What Mailgun says at each list, as recorded from it or as it documents.
struct Words {
    name: &'static str,
    added: &'static str,
    added_many: &'static str,
    removed: &'static str,
    cleared: &'static str,
    unknown: &'static str,
}

impl Words {
    const fn of(list: List) -> Self {
        match list {
            List::Bounces => Self {
                name: "bounces",
                added: "Address has been added to the bounces table",
                added_many: "addresses have been added to the bounces table",
                removed: "Bounced address has been removed",
                cleared: "Bounced addresses for this domain have been removed",
                unknown: "Address not found in bounces table",
            },
            List::Unsubscribes => Self {
                name: "unsubscribes",
                added: "Address has been added to the unsubscribes table",
                added_many: "addresses have been added to the unsubscribes table",
                removed: "Unsubscribe event has been removed",
                cleared: "Unsubscribe addresses for this domain have been removed",
                unknown: "Address not found in unsubscribers table",
            },
            List::Complaints => Self {
                name: "complaints",
                added: "Address has been added to the complaints table",
                added_many: "complaint addresses have been added to the complaints table",
                removed: "Spam complaint has been removed",
                cleared: "Complaint addresses for this domain have been removed",
                unknown: "No spam complaints found for this address",
            },
            List::Whitelists => Self {
                name: "whitelists",
                added: "Address/Domain has been added to the whitelists table",
                added_many: "addresses have been added to the whitelists table",
                removed: "Whitelist address/domain has been removed",
                cleared: "Whitelist addresses/domains for this domain have been removed",
                unknown: "Address/Domain not found in allowlist table",
            },
        }
    }
}

impl Entry {
    fn json(&self) -> Value {
        let Self { address, since, why } = self;
        let since = date(*since);
        match why {
            Why::Bounce { code, error } => {
                json!({ "address": address, "code": code, "error": error, "created_at": since })
            }
            Why::Unsubscribe { tags } => json!({ "address": address, "tags": tags, "created_at": since }),
            Why::Complaint => json!({ "address": address, "created_at": since }),
            Why::Allowed { by, reason } => {
                json!({ "type": by, "value": address, "reason": reason, "createdAt": since })
            }
        }
    }
}

async fn page(
    list: List,
    State(mailgun): State<Arc<Mailgun>>,
    Path(domain): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    mailgun.must_know(&domain)?;
    let limit = params.number("limit").unwrap_or(100).clamp(1, 1_000);
    let term = params.first("term").unwrap_or_default().to_owned();
    let page = match (params.first("page"), params.first("address").map(str::to_owned)) {
        (Some("next"), Some(address)) => Page::After(address),
        (Some("previous" | "prev"), Some(address)) => Page::Before(address),
        (Some("last"), _) => Page::Last,
        (_, _) => Page::First,
    };
    let entries = mailgun.lists.page(&domain, list, (&page, &term, limit), mailgun.clock.now());
    let here = format!("{}/v3/{domain}/{}", paging::base(&headers), Words::of(list).name);
    let url = |page: Option<&str>, pivot: Option<&Entry>| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(page) = page {
            query.append_pair("page", page);
        }
        if let Some(pivot) = pivot {
            query.append_pair("address", &pivot.address);
        }
        format!("{here}?{}", query.append_pair("limit", &limit.to_string()).append_pair("term", &term).finish())
    };
    let beside =
        |page, pivot: Option<&Entry>| pivot.map_or_else(|| url(None, None), |pivot| url(Some(page), Some(pivot)));
    Ok(ok(&json!({
        "items": entries.iter().map(Entry::json).collect::<Vec<_>>(),
        "paging": {
            "first": url(None, None),
            "last": url(Some("last"), None),
            "next": beside("next", entries.last()),
            "previous": beside("previous", entries.first()),
        },
    })))
}

async fn show(
    list: List,
    State(mailgun): State<Arc<Mailgun>>,
    Path((domain, address)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    mailgun.must_know(&domain)?;
    let found = mailgun.lists.find(&domain, list, &address, mailgun.clock.now());
    found.map(|entry| ok(&entry.json())).ok_or(Refusal::NoSuch(Words::of(list).unknown))
}

async fn remove(
    list: List,
    State(mailgun): State<Arc<Mailgun>>,
    Path((domain, address)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    mailgun.must_know(&domain)?;
    let words = Words::of(list);
    if !mailgun.lists.remove(&domain, list, &address) {
        return Err(Refusal::NoSuch(words.unknown));
    }
    let name = if list == List::Whitelists { "value" } else { "address" };
    Ok(ok(&json!({ name: address, "message": words.removed })))
}

async fn clear(
    list: List,
    State(mailgun): State<Arc<Mailgun>>,
    Path(domain): Path<String>,
) -> Result<Response, Refusal> {
    mailgun.must_know(&domain)?;
    mailgun.lists.clear(&domain, list);
    Ok(done(Words::of(list).cleared))
}

async fn add(
    list: List,
    State(mailgun): State<Arc<Mailgun>>,
    Path(domain): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    mailgun.must_know(&domain)?;
    let (head, body) = request.into_parts();
    let body = form::read(body).await?;
    let (words, now) = (Words::of(list), mailgun.clock.now());
    if !is_json(&head.headers) {
        let given = Given::of_form(&Form::parse(&head.headers, body).await?);
        let entry = given.entry(list, now)?;
        let address = entry.address.clone();
        let by = if let Why::Allowed { by, .. } = entry.why { Some(by) } else { None };
        mailgun.lists.put(&domain, entry).map_err(|_| Refusal::Full)?;
        return Ok(ok(&match by {
            Some(by) => json!({ "message": words.added, "type": by, "value": address }),
            None => json!({ "message": words.added, "address": address }),
        }));
    }
    let given: Vec<Given> = serde_json::from_slice(&form::unpacked(&head.headers, body)?)
        .map_err(|_| Refusal::Bad("Invalid JSON format".to_owned()))?;
    if given.len() > MOST_AT_ONCE {
        return Err(Refusal::Bad("Batch size should be less than 1000".to_owned()));
    }
    let count = given.len();
    let entries: Vec<Entry> = given.into_iter().map(|given| given.entry(list, now)).collect::<Result<_, _>>()?;
    for entry in entries {
        mailgun.lists.put(&domain, entry).map_err(|_| Refusal::Full)?;
    }
    Ok(done(&format!("{count} {}", words.added_many)))
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    declared.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// An entry as a client gives it.
#[derive(Default, Deserialize)]
struct Given {
    address: Option<String>,
    domain: Option<String>,
    code: Option<Value>,
    error: Option<String>,
    tag: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    reason: Option<String>,
    created_at: Option<String>,
}

impl Given {
    fn of_form(form: &Form) -> Self {
        let owned = |name| form.first(name).map(str::to_owned);
        Self {
            address: owned("address"),
            domain: owned("domain"),
            code: owned("code").map(Value::String),
            error: owned("error"),
            tag: owned("tag"),
            // As recorded: a form's `tags` are passed over.
            tags: Vec::new(),
            reason: owned("reason"),
            created_at: owned("created_at"),
        }
    }

    fn entry(self, list: List, now: DateTime<Utc>) -> Result<Entry, Refusal> {
        let since = self.created_at.as_deref().and_then(super::submission::parse_date).unwrap_or(now).min(now);
        if let (List::Whitelists, None, Some(domain)) = (list, &self.address, &self.domain) {
            let why = Why::Allowed { by: "domain", reason: self.reason.unwrap_or_default() };
            return Ok(Entry { address: domain.clone(), since, why });
        }
        let address = self.address.filter(|given| !given.is_empty()).ok_or(Refusal::Missing("address"))?;
        let address = match address::list(&address).as_deref() {
            Some([plain]) => plain.clone(),
            _ => return Err(Refusal::Address("address")),
        };
        let why = match list {
            List::Bounces => Why::Bounce {
                code: self
                    .code
                    .map_or_else(|| "550".to_owned(), |code| code.as_str().map_or(code.to_string(), str::to_owned)),
                error: self.error.unwrap_or_default(),
            },
            List::Unsubscribes => {
                let mut tags = self.tags;
                tags.extend(self.tag);
                if tags.is_empty() {
                    tags.push("*".to_owned());
                }
                Why::Unsubscribe { tags }
            }
            List::Complaints => Why::Complaint,
            List::Whitelists => Why::Allowed { by: "address", reason: self.reason.unwrap_or_default() },
        };
        Ok(Entry { address, since, why })
    }
}

//! The sending domains: `/v4/domains` and `/v3/domains/{name}`. Nothing here asks the DNS: `verify` finds all in place.

mod registry;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, put};
use serde_json::{Value, json};

pub(super) use self::registry::{Domain, Domains, Tracked};
use super::Mailgun;
use super::answer::{Refusal, done, ok};
use super::form::Form;
use super::paging::Params;

const UPDATED: &str = "Domain DNS records have been updated";
const TRACKING: &str = "Domain tracking settings have been updated";

pub(super) fn routes() -> Router<Arc<Mailgun>> {
    Router::new()
        .route("/v4/domains", get(list).post(create))
        .route("/v3/domains", get(list).post(create))
        .route("/v4/domains/{name}", get(show).put(update))
        .route("/v3/domains/{name}", get(show).put(update).delete(remove))
        .route("/v4/domains/{name}/verify", put(verify))
        .route("/v3/domains/{name}/verify", put(verify))
        .route("/v3/domains/{name}/sending_queues", get(sending_queues))
        .route("/v3/domains/{name}/tracking", get(tracking))
        .route("/v3/domains/{name}/tracking/{what}", put(track))
}

async fn list(State(mailgun): State<Arc<Mailgun>>, params: Params) -> Response {
    let wanted = |domain: &Domain| {
        params.first("state").is_none_or(|state| state == domain.state())
            && params.first("search").is_none_or(|part| domain.name.contains(part))
    };
    let all: Vec<Value> = mailgun.domains.all().iter().filter(|domain| wanted(domain)).map(Domain::json).collect();
    let (skip, limit) = (params.number("skip").unwrap_or(0), params.number("limit").unwrap_or(100));
    let items: Vec<&Value> = all.iter().skip(skip).take(limit).collect();
    ok(&json!({ "total_count": all.len(), "items": items }))
}

/// A domain with its DNS records, after a message or without one.
fn whole(message: Option<&str>, domain: &Domain) -> Response {
    let mut body = json!({
        "domain": domain.json(),
        "receiving_dns_records": domain.receiving_records(),
        "sending_dns_records": domain.sending_records(),
    });
    if let Some(message) = message {
        body["message"] = message.into();
    }
    ok(&body)
}

async fn create(State(mailgun): State<Arc<Mailgun>>, form: Form) -> Result<Response, Refusal> {
    let name = form.first("name").filter(|name| !name.is_empty()).ok_or(Refusal::Missing("name"))?;
    if !super::address::is_domain(name) || !name.contains('.') {
        return Err(Refusal::Bad(format!("{name} is not a valid domain name")));
    }
    let mut domain = Domain::unverified(name, mailgun.clock.now());
    domain.set(&form);
    mailgun.domains.create(domain.clone())?;
    Ok(whole(Some("Domain DNS records have been created"), &domain))
}

async fn show(State(mailgun): State<Arc<Mailgun>>, Path(name): Path<String>) -> Result<Response, Refusal> {
    let domain = mailgun.domains.find(&name, mailgun.clock.now()).ok_or(Refusal::NoDomain)?;
    Ok(whole(None, &domain))
}

async fn update(
    State(mailgun): State<Arc<Mailgun>>,
    Path(name): Path<String>,
    form: Form,
) -> Result<Response, Refusal> {
    let domain = mailgun.domains.change(&name, mailgun.clock.now(), |domain| domain.set(&form))?;
    Ok(whole(Some("Domain has been updated"), &domain))
}

async fn verify(State(mailgun): State<Arc<Mailgun>>, Path(name): Path<String>) -> Result<Response, Refusal> {
    let domain = mailgun.domains.change(&name, mailgun.clock.now(), |domain| domain.verified = true)?;
    Ok(whole(Some(UPDATED), &domain))
}

async fn remove(State(mailgun): State<Arc<Mailgun>>, Path(name): Path<String>) -> Result<Response, Refusal> {
    mailgun.domains.remove(&name, mailgun.clock.now())?;
    Ok(done("Domain will be deleted in the background"))
}

async fn sending_queues(State(mailgun): State<Arc<Mailgun>>, Path(name): Path<String>) -> Result<Response, Refusal> {
    mailgun.domains.find(&name, mailgun.clock.now()).ok_or(Refusal::NoDomain)?;
    Ok(ok(&json!({ "regular": { "is_disabled": false }, "scheduled": { "is_disabled": false } })))
}

async fn tracking(State(mailgun): State<Arc<Mailgun>>, Path(name): Path<String>) -> Result<Response, Refusal> {
    let domain = mailgun.domains.find(&name, mailgun.clock.now()).ok_or(Refusal::NoDomain)?;
    Ok(ok(&json!({ "tracking": {
        "open": domain.tracking(Tracked::Open),
        "click": domain.tracking(Tracked::Click),
        "unsubscribe": domain.tracking(Tracked::Unsubscribe),
        "web_scheme": domain.web_scheme,
    } })))
}

async fn track(
    State(mailgun): State<Arc<Mailgun>>,
    Path((name, what)): Path<(String, String)>,
    form: Form,
) -> Result<Response, Refusal> {
    let tracked = Tracked::named(&what).ok_or(Refusal::NoSuch("Not Found"))?;
    let active = form.first("active").ok_or(Refusal::Missing("active"))?.to_owned();
    let active = !matches!(active.as_str(), "no" | "false" | "False" | "0");
    let domain = mailgun.domains.change(&name, mailgun.clock.now(), |domain| domain.track(tracked, active))?;
    Ok(ok(&json!({ "message": TRACKING, what: domain.tracking(tracked) })))
}

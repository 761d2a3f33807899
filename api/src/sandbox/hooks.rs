//! Registering webhooks: `/v3/domains/{domain}/webhooks` by event, `/v4/domains/{domain}/webhooks` by URL, and
//! `/v1/webhooks` for the whole account.

mod account;
mod registry;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

pub(super) use self::registry::{Hook, Hooks, MOST_URLS, Target};
use super::Mailgun;
use super::answer::{Refusal, ok};
use super::form::Form;
use super::paging::Params;

pub(super) fn routes() -> Router<Arc<Mailgun>> {
    Router::new()
        .route("/v3/domains/{domain}/webhooks", get(list).post(create))
        .route("/v3/domains/{domain}/webhooks/{hook}", get(show).put(update).delete(remove))
        .route("/v4/domains/{domain}/webhooks", post(create_by_url).put(update_by_url).delete(remove_by_url))
        .merge(account::routes())
}

/// The URLs of a form, checked: none, too many, or one outside this machine is refused.
fn targets(form: &Form) -> Result<Vec<Target>, Refusal> {
    let mut urls: Vec<Target> = Vec::new();
    for url in form.all("url").filter(|url| !url.is_empty()) {
        let target = Target::parse(url)?;
        if !urls.contains(&target) {
            urls.push(target);
        }
    }
    match urls.len() {
        0 => Err(Refusal::Missing("url")),
        1..=MOST_URLS => Ok(urls),
        _ => Err(Refusal::Bad("Up to 3 URLs can be set for a webhook".to_owned())),
    }
}

fn hook(name: &str) -> Result<Hook, Refusal> {
    Hook::named(name).ok_or_else(|| Refusal::Bad(format!("'{name}' is not a valid webhook name")))
}

/// The event types of a form, as repeated fields or with commas between.
fn hooks(form: &Form) -> Result<Vec<Hook>, Refusal> {
    let names = form.all("event_types").flat_map(|names| names.split(','));
    let hooks: Vec<Hook> = names.map(str::trim).filter(|name| !name.is_empty()).map(hook).collect::<Result<_, _>>()?;
    if hooks.is_empty() { Err(Refusal::Missing("event_types")) } else { Ok(hooks) }
}

fn one(message: &str, urls: &[Target]) -> Response {
    ok(&json!({ "message": message, "webhook": { "urls": urls } }))
}

fn all(mailgun: &Mailgun, domain: &str) -> Response {
    let registered = mailgun.hooks.of_domain(domain);
    let webhooks: Value =
        registered.into_iter().map(|(hook, urls)| (hook.name().to_owned(), json!({ "urls": urls }))).collect();
    ok(&json!({ "webhooks": webhooks }))
}

async fn list(State(mailgun): State<Arc<Mailgun>>, Path(domain): Path<String>) -> Result<Response, Refusal> {
    mailgun.must_have(&domain)?;
    Ok(all(&mailgun, &domain))
}

async fn create(
    State(mailgun): State<Arc<Mailgun>>,
    Path(domain): Path<String>,
    form: Form,
) -> Result<Response, Refusal> {
    mailgun.must_have(&domain)?;
    let hook = hook(form.first("id").ok_or(Refusal::Missing("id"))?)?;
    let urls = targets(&form)?;
    if !mailgun.hooks.urls(&domain, hook).is_empty() {
        return Err(Refusal::Bad(format!("Webhook '{}' already exists", hook.name())));
    }
    mailgun.hooks.set(&domain, hook, urls.clone())?;
    Ok(one("Webhook has been created", &urls))
}

/// The hook of a path, if it is registered, and its URLs.
fn existing(mailgun: &Mailgun, domain: &str, name: &str) -> Result<(Hook, Vec<Target>), Refusal> {
    mailgun.must_have(domain)?;
    let hook = hook(name)?;
    let urls = mailgun.hooks.urls(domain, hook);
    if urls.is_empty() { Err(Refusal::NoSuch("Webhook not found")) } else { Ok((hook, urls)) }
}

async fn show(
    State(mailgun): State<Arc<Mailgun>>,
    Path((domain, name)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let (_, urls) = existing(&mailgun, &domain, &name)?;
    Ok(ok(&json!({ "webhook": { "urls": urls } })))
}

async fn update(
    State(mailgun): State<Arc<Mailgun>>,
    Path((domain, name)): Path<(String, String)>,
    form: Form,
) -> Result<Response, Refusal> {
    let (hook, _) = existing(&mailgun, &domain, &name)?;
    let urls = targets(&form)?;
    mailgun.hooks.set(&domain, hook, urls.clone())?;
    Ok(one("Webhook has been updated", &urls))
}

async fn remove(
    State(mailgun): State<Arc<Mailgun>>,
    Path((domain, name)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let (hook, urls) = existing(&mailgun, &domain, &name)?;
    mailgun.hooks.set(&domain, hook, Vec::new())?;
    Ok(one("Webhook has been deleted", &urls))
}

async fn create_by_url(
    State(mailgun): State<Arc<Mailgun>>,
    Path(domain): Path<String>,
    form: Form,
) -> Result<Response, Refusal> {
    mailgun.must_have(&domain)?;
    let hooks = hooks(&form)?;
    for url in targets(&form)? {
        mailgun.hooks.add(&domain, &url, &hooks)?;
    }
    Ok(all(&mailgun, &domain))
}

async fn update_by_url(
    State(mailgun): State<Arc<Mailgun>>,
    Path(domain): Path<String>,
    form: Form,
) -> Result<Response, Refusal> {
    mailgun.must_have(&domain)?;
    let hooks = hooks(&form)?;
    for url in targets(&form)? {
        if !mailgun.hooks.forget(&domain, url.url().as_str()) {
            return Err(Refusal::NoSuch("Webhook not found"));
        }
        mailgun.hooks.add(&domain, &url, &hooks)?;
    }
    Ok(all(&mailgun, &domain))
}

async fn remove_by_url(
    State(mailgun): State<Arc<Mailgun>>,
    Path(domain): Path<String>,
    params: Params,
) -> Result<Response, Refusal> {
    mailgun.must_have(&domain)?;
    let urls = params.first("url").ok_or(Refusal::Missing("url"))?;
    for url in urls.split(',') {
        mailgun.hooks.forget(&domain, url.trim());
    }
    Ok(all(&mailgun, &domain))
}

//! `/v1/webhooks`: the account's own, called for every domain.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{Hook, MOST_URLS, Target, hooks, targets};
use crate::sandbox::Mailgun;
use crate::sandbox::answer::{Refusal, ok};
use crate::sandbox::form::Form;
use crate::sandbox::paging::Params;

const UNKNOWN: Refusal = Refusal::NoSuch("Webhook not found");
const CONFLICT: Refusal = Refusal::Conflict("unable to add more than 3 urls");

/// A webhook of the account.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AccountHook {
    pub(super) id: String,
    pub(super) description: String,
    pub(super) url: Target,
    pub(super) hooks: Vec<Hook>,
    pub(super) created_at: DateTime<Utc>,
}

impl AccountHook {
    fn of(form: &Form, id: String, created_at: DateTime<Utc>) -> Result<Self, Refusal> {
        let hooks = hooks(form)?;
        let url = targets(form)?.swap_remove(0);
        Ok(Self { id, description: form.first("description").unwrap_or_default().to_owned(), url, hooks, created_at })
    }

    fn json(&self) -> Value {
        json!({
            "webhook_id": self.id,
            "description": self.description,
            "url": self.url,
            "event_types": self.hooks.iter().map(|hook| hook.name()).collect::<Vec<_>>(),
            "created_at": self.created_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        })
    }

    /// Whether with it some event would be told to more URLs than may be.
    fn is_too_many(&self, others: &[Self]) -> bool {
        self.hooks.iter().any(|hook| {
            others.iter().filter(|other| other.id != self.id && other.hooks.contains(hook)).count() >= MOST_URLS
        })
    }
}

pub(super) fn routes() -> Router<Arc<Mailgun>> {
    Router::new()
        .route("/v1/webhooks", get(list).post(create).delete(remove_many))
        .route("/v1/webhooks/{id}", get(show).put(update).delete(remove))
}

/// Whether `webhook_ids` names it; `None` where nothing is named.
fn is_named(params: &Params, hook: &AccountHook) -> Option<bool> {
    params.first("webhook_ids").map(|ids| ids.split(',').any(|id| id.trim() == hook.id))
}

async fn list(State(mailgun): State<Arc<Mailgun>>, params: Params) -> Response {
    let webhooks: Vec<Value> = mailgun.hooks.account(|all| {
        all.iter().filter(|hook| is_named(&params, hook).unwrap_or(true)).map(AccountHook::json).collect()
    });
    ok(&json!({ "webhooks": webhooks }))
}

async fn show(State(mailgun): State<Arc<Mailgun>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let found = mailgun.hooks.account(|all| all.iter().find(|hook| hook.id == id).map(AccountHook::json));
    found.map(|hook| ok(&hook)).ok_or(UNKNOWN)
}

async fn create(State(mailgun): State<Arc<Mailgun>>, form: Form) -> Result<Response, Refusal> {
    let hook = AccountHook::of(&form, format!("wh_{}", mailgun.clock.id().simple()), mailgun.clock.now())?;
    let id = hook.id.clone();
    mailgun.hooks.account(|all| {
        if hook.is_too_many(all) {
            return Err(CONFLICT);
        }
        all.push(hook);
        Ok(())
    })?;
    Ok(ok(&json!({ "webhook_id": id })))
}

async fn update(
    State(mailgun): State<Arc<Mailgun>>,
    Path(id): Path<String>,
    form: Form,
) -> Result<StatusCode, Refusal> {
    let hook = AccountHook::of(&form, id, mailgun.clock.now())?;
    mailgun.hooks.account(|all| {
        let at = all.iter().position(|other| other.id == hook.id).ok_or(UNKNOWN)?;
        if hook.is_too_many(all) {
            return Err(CONFLICT);
        }
        all[at] = AccountHook { created_at: all[at].created_at, ..hook };
        Ok(StatusCode::NO_CONTENT)
    })
}

async fn remove(State(mailgun): State<Arc<Mailgun>>, Path(id): Path<String>) -> StatusCode {
    mailgun.hooks.account(|all| all.retain(|hook| hook.id != id));
    StatusCode::NO_CONTENT
}

async fn remove_many(State(mailgun): State<Arc<Mailgun>>, params: Params) -> StatusCode {
    mailgun.hooks.account(|all| {
        all.retain(|hook| !is_named(&params, hook).unwrap_or(params.first("all") == Some("true")));
    });
    StatusCode::NO_CONTENT
}

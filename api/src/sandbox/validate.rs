//! `GET /v4/address/validate`: what Mailgun would think of an address, which is what the sandbox would make of it.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

use super::Mailgun;
use super::address;
use super::answer::{Refusal, ok};
use super::fate::Fate;
use super::lists::List;
use super::paging::Params;

pub(super) fn routes() -> Router<Arc<Mailgun>> {
    Router::new().route("/v4/address/validate", get(validate))
}

/// Local parts that are read by more than one person.
const ROLES: [&str; 8] = ["abuse", "admin", "help", "info", "noreply", "postmaster", "sales", "support"];

async fn validate(params: Params) -> Result<Response, Refusal> {
    let address = params.first("address").ok_or(Refusal::Missing("address"))?;
    let is_address = address::list(address).is_some_and(|all| all.len() == 1);
    let bounces = Fate::of(address).lists().is_some_and(|(list, _)| list == List::Bounces);
    let (result, risk, reason) = match (is_address, bounces) {
        (false, _) => ("undeliverable", "high", vec!["malformed address"]),
        (true, true) => ("undeliverable", "high", vec!["mailbox_does_not_exist"]),
        (true, false) => ("deliverable", "low", Vec::new()),
    };
    let local = address.split_once('@').map_or(address, |(local, _)| local);
    Ok(ok(&json!({
        "address": address,
        "did_you_mean": null,
        "is_disposable_address": false,
        "is_role_address": ROLES.iter().any(|role| local.eq_ignore_ascii_case(role)),
        "reason": reason,
        "result": result,
        "risk": risk,
        "root_address": null,
    })))
}

//! The Mailgun that a process in sandbox mode carries along, on a loopback port of its own.

use std::net::{Ipv4Addr, SocketAddr};

use entity::Clock;
use reqwest::Url;
use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::config::Setup;
use crate::failure::Failure;
use crate::lifecycle::Lifecycle;
use crate::sandbox::{OutsideThisMachine, Sandbox, Settings};

/// The sandbox's key: it guards nothing but pretence.
pub const KEY: &str = "sandbox";

/// A sandbox that answers.
pub struct Running {
    pub url: String,
    pub key: SecretString,
}

/// What it signs its webhooks with where nothing else is configured.
pub const SIGNING_KEY: &str = "sandbox-signing-key";

/// The one of the configured keys that it signs with, or its own.
pub fn signing_key(configured: &[SecretString]) -> SecretString {
    configured.first().cloned().unwrap_or_else(|| SIGNING_KEY.into())
}

/// A sandbox with these keys that knows any domain and tells `webhooks` of everything, beside those who register.
pub fn of(
    api_key: SecretString,
    signing_key: SecretString,
    webhooks: Option<Url>,
) -> Result<Sandbox, OutsideThisMachine> {
    let (domains, clock) = (Vec::new(), Clock::system());
    Sandbox::new(Settings { api_key, domains, clock, webhooks, signing_key })
}

/// Starts it where the setup asks for one. It outlives the first signal, so that what is open can be finished.
pub async fn start(setup: &Setup, webhooks: Option<Url>, life: &Lifecycle) -> Result<Option<Running>, Failure> {
    if !setup.mode.is_sandbox() {
        return Ok(None);
    }
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let key = SecretString::from(KEY);
    let signing_key = signing_key(&setup.webhook_keys);
    let serving = of(key.clone(), signing_key, webhooks)?.serve(listener, life.hard.clone());
    tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(cause = %error, "The sandbox ended");
        }
    });
    Ok(Some(Running { url, key }))
}

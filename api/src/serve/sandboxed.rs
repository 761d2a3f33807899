//! The Mailgun that a process in sandbox mode carries along, on a loopback port of its own.

use std::net::{Ipv4Addr, SocketAddr};

use entity::Clock;
use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::config::Setup;
use crate::failure::Failure;
use crate::lifecycle::Lifecycle;
use crate::sandbox::{Sandbox, Settings};

/// The sandbox's key: it guards nothing but pretence.
pub const KEY: &str = "sandbox";

/// A sandbox that answers.
pub struct Running {
    pub url: String,
    pub key: SecretString,
}

/// A sandbox with this key that knows any domain.
pub fn of(api_key: SecretString) -> Sandbox {
    Sandbox::new(Settings { api_key, domains: Vec::new(), clock: Clock::system() })
}

/// Starts it where the setup asks for one. It outlives the first signal, so that what is open can be finished.
pub async fn start(setup: &Setup, life: &Lifecycle) -> Result<Option<Running>, Failure> {
    if !setup.mode.is_sandbox() {
        return Ok(None);
    }
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let key = SecretString::from(KEY);
    let serving = of(key.clone()).serve(listener, life.hard.clone());
    tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(cause = %error, "The sandbox ended");
        }
    });
    Ok(Some(Running { url, key }))
}

//! The link that a first start prints: whoever opens it within ten minutes is signed in to the dashboard, once. Its code
//! travels in the fragment, which browsers send to nobody; the page exchanges it for the key that was made at that start. It is
//! kept in this process alone, and forgotten with it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use entity::clock::random_bytes;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use subtle::ConstantTimeEq;

use crate::app::App;
use crate::transport::body::Room;
use crate::transport::refused;

/// Where the page exchanges it.
pub const PATH: &str = "/session/link";

const LIVES: TimeDelta = TimeDelta::minutes(10);
const CODE_BYTES: usize = 16;
/// Bytes of what the page sends.
const MOST: usize = 1024;

/// The link of this process, while it is good.
#[derive(Default)]
pub struct Links {
    open: Mutex<Option<Open>>,
    /// What is read to exchange them.
    room: Room,
}

struct Open {
    code: String,
    key: SecretString,
    until: DateTime<Utc>,
}

impl Links {
    /// A new code for this key, instead of any before it.
    pub fn open(&self, key: SecretString, now: DateTime<Utc>) -> String {
        let code = hex::encode(random_bytes::<CODE_BYTES>());
        *self.lock() = Some(Open { code: code.clone(), key, until: now + LIVES });
        code
    }

    /// The key that a code stands for, which is then used up.
    fn take(&self, code: &str, now: DateTime<Utc>) -> Option<SecretString> {
        let mut open = self.lock();
        let good = open.take_if(|open| open.until <= now || bool::from(open.code.as_bytes().ct_eq(code.as_bytes())))?;
        (now < good.until).then_some(good.key)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the page sends.
#[derive(Deserialize)]
struct Asked {
    code: String,
}

/// Exchanges a code for its key.
pub async fn exchange(State(app): State<App>, headers: HeaderMap, body: Body) -> Response {
    let held = match app.links.room.read(&headers, body, MOST).await {
        Ok(held) => held,
        Err(refusal) => return refusal.into_response(),
    };
    let asked: Option<Asked> = serde_json::from_slice(&held.bytes).ok();
    match asked.and_then(|asked| app.links.take(&asked.code, app.ctx.clock.now())) {
        Some(key) => {
            tracing::info!("Somebody signed in by the link of the first start");
            ([(header::CACHE_CONTROL, "no-store")], Json(json!({ "key": key.expose_secret() }))).into_response()
        }
        None => refused(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", "this link was used, or its time is over"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    #[test]
    fn a_link_is_good_once_and_for_ten_minutes() {
        let (links, now) = (Links::default(), DateTime::UNIX_EPOCH);
        let open = || links.open(SecretString::from("mm_test_1"), now);
        let code = open();
        assert!(links.take("another", now).is_none());
        assert_eq!(links.take(&code, now + LIVES - TimeDelta::seconds(1)).unwrap().expose_secret(), "mm_test_1");
        assert!(links.take(&code, now).is_none(), "used");
        let code = open();
        assert!(links.take(&code, now + LIVES).is_none(), "late");
        assert!(links.take(&code, now).is_none(), "forgotten");
    }
}

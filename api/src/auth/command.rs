//! `mailmind key`: API keys on the command line, beside a running service or without one.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use entity::{ApiScope, Clock, api_key};
use jobs::Store;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};
use secrecy::ExposeSecret;
use serde_json::Value;
use uuid::Uuid;

use super::keys::{self, NewKey};
use super::{Networks, network};
use crate::command::{Key, NewKeyArgs};
use crate::config::{Setup, age};
use crate::failure::Failure;
use crate::{audit, serve};

/// When a key ends: a time, or so long after it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// So long after it was made.
    After(TimeDelta),
    /// At this time.
    At(DateTime<Utc>),
}

impl Expiry {
    /// Reads `90d`, `2027-01-01` (the beginning of that day, UTC) or a time as RFC 3339 has it.
    ///
    /// # Errors
    /// That it is none of these.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Ok(span) = age(text) {
            return Ok(Expiry::After(span));
        }
        if let Ok(day) = text.parse::<NaiveDate>() {
            return Ok(Expiry::At(day.and_time(NaiveTime::MIN).and_utc()));
        }
        let time = DateTime::parse_from_rfc3339(text);
        time.map(|time| Expiry::At(time.to_utc()))
            .map_err(|_| "must be a time span up to 365d such as 90d, a day such as 2027-01-01, or a time".to_owned())
    }

    fn time(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Expiry::After(span) => Some(now + span),
            Expiry::At(time) => Some(time).filter(|time| *time > now),
        }
    }
}

/// A scope by its name, in capitals or not.
///
/// # Errors
/// That it is none.
pub fn scope(text: &str) -> Result<ApiScope, String> {
    ApiScope::parse(text).ok_or_else(|| "must be read, reveal, send, manage or admin".to_owned())
}

/// An address or a network, as it was given.
///
/// # Errors
/// That it is neither.
pub fn from(text: &str) -> Result<String, String> {
    network::network(text).map(|_| text.trim().to_owned())
}

/// Does what the command line asks.
pub async fn execute(setup: &Setup, asked: Key) -> Result<(), Failure> {
    let (store, clock) = (serve::connect(setup).await?, Clock::system());
    migration::up(store.write()).await?;
    match asked {
        Key::Create(args) => create(setup, &store, &clock, args).await?,
        Key::List => list(&store, &clock).await?,
        Key::Revoke { key } => revoke(&store, &clock, &key).await?,
        // Needs no database, and was answered before.
        Key::Content => {}
    }
    Ok(())
}

async fn create(setup: &Setup, store: &Store, clock: &Clock, args: NewKeyArgs) -> Result<(), Failure> {
    let NewKeyArgs { name, scope, expires, from } = args;
    let expires_at = match expires {
        Some(expiry) => Some(expiry.time(clock.now()).ok_or(Failure::KeyOver)?),
        None => None,
    };
    // Each entry was read when the arguments were.
    let from = Networks::parse(from.iter().map(String::as_str)).unwrap_or_default();
    let new = NewKey { name, scopes: scope.into_iter().collect(), expires_at, from };
    let made = audit::noted(store, clock, "key create", Value::Null, async |entry| {
        let made = keys::create(store, clock, setup.mode.is_sandbox(), new).await?;
        audit::about_key(entry, &made.row);
        Ok(made)
    });
    println!("{}", made.await?.secret.expose_secret());
    Ok(())
}

async fn list(store: &Store, clock: &Clock) -> Result<(), Failure> {
    let now = clock.now();
    for key in keys::all(store).await? {
        println!("{}", line(&key, now));
    }
    Ok(())
}

/// A key in one line.
fn line(key: &api_key::Model, now: DateTime<Utc>) -> String {
    let state = match (key.revoked_at, key.expires_at) {
        (Some(at), _) => format!("revoked {}", time(at)),
        (None, Some(at)) if at <= now => format!("expired {}", time(at)),
        (None, Some(at)) => format!("valid until {}", time(at)),
        (None, None) => "valid".to_owned(),
    };
    let scopes: Vec<&str> = key.scopes.given().map(ApiScope::name).collect();
    let from = match key.allowed_addresses.as_str() {
        "" => "anywhere",
        list => list,
    };
    let used = key.last_used_at.map_or_else(|| "never".to_owned(), time);
    format!("{}  {}…  {}  {state}, from {from}, used {used}  {}", key.id, key.prefix, scopes.join(","), key.name)
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

async fn revoke(store: &Store, clock: &Clock, named: &str) -> Result<(), Failure> {
    let named = named.trim_end_matches('…');
    let mut who = Condition::any().add(api_key::Column::Prefix.eq(named));
    if let Ok(id) = Uuid::parse_str(named) {
        who = who.add(api_key::Column::Id.eq(id));
    }
    let found = api_key::Entity::find().filter(who).one(store.write()).await?;
    let found = found.ok_or_else(|| Failure::NoSuchKey(named.to_owned()))?;
    let revoked = audit::noted(store, clock, "key revoke", Value::Null, async |entry| {
        entry.state_before = Some(keys::state(&found).to_string());
        let key = keys::revoke(store, clock, found).await?;
        audit::about_key(entry, &key);
        Ok(key)
    });
    let key = revoked.await?;
    println!("revoked {}…  {}", key.prefix, key.name);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    #[test]
    fn a_key_ends_after_a_span_or_at_a_day_or_a_time() {
        let now = DateTime::parse_from_rfc3339("2026-11-24T12:00:00Z").unwrap().to_utc();
        let time = |text: &str| Expiry::parse(text).unwrap().time(now).map(|time| time.to_rfc3339());
        assert_eq!(time("90d").unwrap(), "2027-02-22T12:00:00+00:00");
        assert_eq!(time("2027-01-01").unwrap(), "2027-01-01T00:00:00+00:00");
        assert_eq!(time("2027-01-01T08:00:00+02:00").unwrap(), "2027-01-01T06:00:00+00:00");
        assert_eq!(time("2026-11-24"), None, "that is past");
        for text in ["", "soon", "0d", "366d", "2027-02-30", "2027-01-01 08:00"] {
            assert!(Expiry::parse(text).is_err(), "{text:?}");
        }
    }
}

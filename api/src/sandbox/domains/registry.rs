//! Which domains there are. A sandbox that was given none knows every name until it is deleted; one that was given some
//! knows these and what is created.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::sandbox::answer::Refusal;
use crate::sandbox::form::Form;

/// How many names are remembered.
const MOST_DOMAINS: usize = 1_000;

/// A sending domain.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct Domain {
    pub(in crate::sandbox) name: String,
    created_at: DateTime<Utc>,
    pub(super) verified: bool,
    spam_action: String,
    pub(super) web_scheme: String,
    web_prefix: String,
    wildcard: bool,
    require_tls: bool,
    skip_verification: bool,
    tracks_opens: bool,
    tracks_clicks: bool,
    tracks_unsubscribes: bool,
}

/// What Mailgun can track.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::sandbox) enum Tracked {
    Open,
    Click,
    Unsubscribe,
}

impl Tracked {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "open" => Some(Self::Open),
            "click" => Some(Self::Click),
            "unsubscribe" => Some(Self::Unsubscribe),
            _ => None,
        }
    }
}

impl Domain {
    /// As one is created.
    pub(super) fn unverified(name: &str, created_at: DateTime<Utc>) -> Self {
        Self {
            name: name.to_lowercase(),
            created_at,
            verified: false,
            spam_action: "disabled".to_owned(),
            web_scheme: "http".to_owned(),
            web_prefix: "email".to_owned(),
            wildcard: false,
            require_tls: false,
            skip_verification: false,
            tracks_opens: false,
            tracks_clicks: false,
            tracks_unsubscribes: false,
        }
    }

    fn active(name: &str, created_at: DateTime<Utc>) -> Self {
        Self { verified: true, ..Self::unverified(name, created_at) }
    }

    pub(super) fn state(&self) -> &'static str {
        if self.verified { "active" } else { "unverified" }
    }

    /// Takes over the settings that a form names; others are passed over.
    pub(super) fn set(&mut self, form: &Form) {
        let yes = |value: &str| matches!(value, "yes" | "true" | "True" | "1");
        for (name, value) in &form.fields {
            match name.as_str() {
                "spam_action" => self.spam_action.clone_from(value),
                "web_scheme" => self.web_scheme.clone_from(value),
                "web_prefix" => self.web_prefix.clone_from(value),
                "wildcard" => self.wildcard = yes(value),
                "require_tls" => self.require_tls = yes(value),
                "skip_verification" => self.skip_verification = yes(value),
                _ => {}
            }
        }
    }

    pub(super) fn track(&mut self, what: Tracked, active: bool) {
        match what {
            Tracked::Open => self.tracks_opens = active,
            Tracked::Click => self.tracks_clicks = active,
            Tracked::Unsubscribe => self.tracks_unsubscribes = active,
        }
    }

    /// As recorded, with Mailgun's own footers.
    pub(super) fn tracking(&self, what: Tracked) -> Value {
        match what {
            Tracked::Open => json!({ "active": self.tracks_opens, "place_at_the_top": false }),
            Tracked::Click => json!({ "active": self.tracks_clicks }),
            Tracked::Unsubscribe => json!({
                "active": self.tracks_unsubscribes,
                "html_footer": "\n<br>\n<p><a href=\"%unsubscribe_url%\">unsubscribe</a></p>\n",
                "text_footer": "\n\nTo unsubscribe click: <%unsubscribe_url%>\n\n",
            }),
        }
    }

    pub(super) fn json(&self) -> Value {
        let hash = hex::encode(Sha256::digest(&self.name));
        json!({
            "created_at": self.created_at.format("%a, %d %b %Y %H:%M:%S GMT").to_string(),
            "id": hash[..24],
            "is_disabled": false,
            "name": self.name,
            "require_tls": self.require_tls,
            "skip_verification": self.skip_verification,
            "smtp_login": format!("postmaster@{}", self.name),
            "spam_action": self.spam_action,
            "state": self.state(),
            "type": "custom",
            "use_automatic_sender_security": false,
            "web_prefix": self.web_prefix,
            "web_scheme": self.web_scheme,
            "wildcard": self.wildcard,
        })
    }

    /// DKIM, SPF and the tracking host.
    pub(super) fn sending_records(&self) -> Value {
        let name = &self.name;
        let host = format!("{}.{name}", self.web_prefix);
        json!([
            self.record("TXT", Some(&format!("smtp._domainkey.{name}")), "k=rsa; p=c2FuZGJveA=="),
            self.record("TXT", Some(name), "v=spf1 include:mailgun.org ~all"),
            self.record("CNAME", Some(&host), "mailgun.org"),
        ])
    }

    pub(super) fn receiving_records(&self) -> Value {
        json!([self.record("MX", None, "mxa.mailgun.org"), self.record("MX", None, "mxb.mailgun.org")])
    }

    fn record(&self, kind: &str, name: Option<&str>, value: &str) -> Value {
        let cached: &[&str] = if self.verified { &[value] } else { &[] };
        let valid = if self.verified { "valid" } else { "unknown" };
        let mut record =
            json!({ "is_active": true, "cached": cached, "record_type": kind, "valid": valid, "value": value });
        match name {
            Some(name) => record["name"] = name.into(),
            None => record["priority"] = "10".into(),
        }
        record
    }
}

/// The domains by their names in lower case; `None` for one that was deleted.
pub(in crate::sandbox) struct Domains {
    any: bool,
    known: RwLock<BTreeMap<String, Option<Domain>>>,
}

impl Domains {
    /// These, verified; where there are none, any name.
    pub(in crate::sandbox) fn new(names: &[String], now: DateTime<Utc>) -> Self {
        let known = names.iter().map(|name| (name.to_lowercase(), Some(Domain::active(name, now)))).collect();
        Self { any: names.is_empty(), known: RwLock::new(known) }
    }

    /// Whether messages may be sent for it.
    pub(in crate::sandbox) fn admits(&self, name: &str) -> Result<(), Refusal> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match known.get(&name.to_lowercase()) {
            Some(Some(domain)) if domain.verified => Ok(()),
            Some(Some(_)) => Err(Refusal::Unverified(name.to_owned())),
            None if self.any => Ok(()),
            Some(None) | None => Err(Refusal::UnknownDomain(name.to_owned())),
        }
    }

    /// Whether it exists.
    pub(in crate::sandbox) fn knows(&self, name: &str) -> bool {
        !matches!(self.admits(name), Err(Refusal::UnknownDomain(_)))
    }

    pub(super) fn find(&self, name: &str, now: DateTime<Utc>) -> Option<Domain> {
        self.change(name, now, |_| ()).ok()
    }

    pub(super) fn all(&self) -> Vec<Domain> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.values().flatten().cloned().collect()
    }

    pub(super) fn create(&self, domain: Domain) -> Result<(), Refusal> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_DOMAINS {
            return Err(Refusal::Full);
        }
        match known.get(&domain.name) {
            Some(Some(_)) => Err(Refusal::Bad("This domain name is already taken".to_owned())),
            Some(None) | None => {
                known.insert(domain.name.clone(), Some(domain));
                Ok(())
            }
        }
    }

    /// The domain after the change; a name that is known only because any is, is remembered from here on.
    pub(super) fn change(
        &self,
        name: &str,
        now: DateTime<Utc>,
        change: impl FnOnce(&mut Domain),
    ) -> Result<Domain, Refusal> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let key = name.to_lowercase();
        if !known.contains_key(&key) && self.any {
            if known.len() >= MOST_DOMAINS {
                return Err(Refusal::Full);
            }
            known.insert(key.clone(), Some(Domain::active(name, now)));
        }
        let domain = known.get_mut(&key).and_then(Option::as_mut).ok_or(Refusal::NoDomain)?;
        change(domain);
        Ok(domain.clone())
    }

    pub(super) fn remove(&self, name: &str, now: DateTime<Utc>) -> Result<(), Refusal> {
        self.change(name, now, |_| ())?;
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_lowercase(), None);
        Ok(())
    }
}

//! Which URLs are called for which events. None lies outside this machine.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use reqwest::Url;
use serde::{Serialize, Serializer};

use super::account::AccountHook;
use crate::sandbox::answer::Refusal;
use crate::sandbox::fate::{Event, Failure};

/// For one event on one level (Mailgun's limit).
pub(in crate::sandbox) const MOST_URLS: usize = 3;
/// How many domains may have webhooks.
const MOST_DOMAINS: usize = 1_000;

/// A kind of event that can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sandbox) enum Hook {
    Accepted,
    Delivered,
    Opened,
    Clicked,
    Unsubscribed,
    Complained,
    PermanentFail,
    TemporaryFail,
}

impl Hook {
    const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Delivered,
        Self::Opened,
        Self::Clicked,
        Self::Unsubscribed,
        Self::Complained,
        Self::PermanentFail,
        Self::TemporaryFail,
    ];

    /// As Mailgun spells it.
    pub(in crate::sandbox) fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Delivered => "delivered",
            Self::Opened => "opened",
            Self::Clicked => "clicked",
            Self::Unsubscribed => "unsubscribed",
            Self::Complained => "complained",
            Self::PermanentFail => "permanent_fail",
            Self::TemporaryFail => "temporary_fail",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| hook.name() == name)
    }

    /// The one that an event is told by; a rejection is told by none.
    pub(in crate::sandbox) fn of(event: Event) -> Option<Self> {
        Some(match event {
            Event::Accepted => Self::Accepted,
            Event::Delivered | Event::Discarded => Self::Delivered,
            Event::Failed(Failure::Deferred) => Self::TemporaryFail,
            Event::Failed(_) => Self::PermanentFail,
            Event::Rejected => return None,
            Event::Opened(_) => Self::Opened,
            Event::Clicked => Self::Clicked,
            Event::Unsubscribed => Self::Unsubscribed,
            Event::Complained => Self::Complained,
        })
    }
}

/// A URL that may be called.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct Target {
    /// As it was given, and is shown.
    text: String,
    url: Url,
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl Target {
    /// An http or https URL on this machine: the sandbox reaches nobody else.
    pub(in crate::sandbox) fn parse(text: &str) -> Result<Self, Refusal> {
        let url = Url::parse(text).map_err(|error| Refusal::Bad(format!("{text} is not a valid url: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Bad(format!("{text} is not a valid url: http or https")));
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if !local {
            return Err(Refusal::Bad(format!(
                "{text} is not a valid url: the sandbox calls this machine alone (localhost, 127.0.0.1, [::1])"
            )));
        }
        Ok(Self { text: text.to_owned(), url })
    }

    pub(in crate::sandbox) fn url(&self) -> &Url {
        &self.url
    }
}

#[derive(Default)]
pub(in crate::sandbox) struct Hooks {
    /// Whether there is any: what a message costs where nobody listens.
    any: AtomicBool,
    registered: RwLock<Registered>,
}

#[derive(Default)]
struct Registered {
    /// Called for everything, and shown nowhere.
    own: Option<Target>,
    by_domain: HashMap<String, BTreeMap<Hook, Vec<Target>>>,
    account: Vec<AccountHook>,
}

impl Hooks {
    /// With a URL that is called for everything.
    pub(in crate::sandbox) fn calling(own: Option<Target>) -> Self {
        Self {
            any: AtomicBool::new(own.is_some()),
            registered: RwLock::new(Registered { own, ..Registered::default() }),
        }
    }

    /// Whether any webhook is registered at all.
    pub(in crate::sandbox) fn are_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Whom to call for an event of a domain; nobody twice.
    pub(in crate::sandbox) fn targets(&self, domain: &str, hook: Hook) -> Vec<Target> {
        let registered = self.registered.read().unwrap_or_else(PoisonError::into_inner);
        let of_domain = registered.by_domain.get(&domain.to_lowercase()).and_then(|hooks| hooks.get(&hook));
        let of_account = registered.account.iter().filter(|account| account.hooks.contains(&hook));
        let mut targets: Vec<Target> = Vec::new();
        let all = registered.own.iter().chain(of_domain.into_iter().flatten());
        for url in all.chain(of_account.map(|account| &account.url)) {
            if !targets.contains(url) {
                targets.push(url.clone());
            }
        }
        targets
    }

    pub(super) fn of_domain(&self, domain: &str) -> BTreeMap<Hook, Vec<Target>> {
        let registered = self.registered.read().unwrap_or_else(PoisonError::into_inner);
        registered.by_domain.get(&domain.to_lowercase()).cloned().unwrap_or_default()
    }

    pub(super) fn urls(&self, domain: &str, hook: Hook) -> Vec<Target> {
        self.of_domain(domain).remove(&hook).unwrap_or_default()
    }

    /// Puts these URLs in place of those that were called for the event; none removes it.
    pub(super) fn set(&self, domain: &str, hook: Hook, urls: Vec<Target>) -> Result<(), Refusal> {
        self.change(domain, |hooks| {
            if urls.is_empty() {
                hooks.remove(&hook);
            } else {
                hooks.insert(hook, urls);
            }
            Ok(())
        })
    }

    /// Calls `url` for these events too.
    pub(super) fn add(&self, domain: &str, url: &Target, for_hooks: &[Hook]) -> Result<(), Refusal> {
        self.change(domain, |hooks| {
            for hook in for_hooks {
                let there = hooks.get(hook).map_or(&[][..], Vec::as_slice);
                if there.contains(url) {
                    let name = hook.name();
                    return Err(Refusal::Bad(format!(
                        "Webhook for event type '{name}' with URL '{}' already exists",
                        url.text
                    )));
                }
                if there.len() >= MOST_URLS {
                    return Err(Refusal::Bad("Up to 3 URLs can be set for a webhook".to_owned()));
                }
            }
            for hook in for_hooks {
                let urls = hooks.entry(*hook).or_default();
                if !urls.contains(url) {
                    urls.push(url.clone());
                }
            }
            Ok(())
        })
    }

    /// Calls `url` for nothing any more; answers whether it was called for anything.
    pub(super) fn forget(&self, domain: &str, url: &str) -> bool {
        let Ok(gone) = Target::parse(url) else { return false };
        let mut found = false;
        let changed = self.change(domain, |hooks| {
            for urls in hooks.values_mut() {
                let before = urls.len();
                urls.retain(|there| *there != gone);
                found |= urls.len() != before;
            }
            hooks.retain(|_, urls| !urls.is_empty());
            Ok(())
        });
        changed.is_ok() && found
    }

    /// Looks at, or changes, those of the account.
    pub(super) fn account<T>(&self, change: impl FnOnce(&mut Vec<AccountHook>) -> T) -> T {
        let mut registered = self.registered.write().unwrap_or_else(PoisonError::into_inner);
        let answer = change(&mut registered.account);
        self.any.store(registered.are_any(), Ordering::Relaxed);
        answer
    }

    fn change(
        &self,
        domain: &str,
        change: impl FnOnce(&mut BTreeMap<Hook, Vec<Target>>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut registered = self.registered.write().unwrap_or_else(PoisonError::into_inner);
        let key = domain.to_lowercase();
        if registered.by_domain.len() >= MOST_DOMAINS && !registered.by_domain.contains_key(&key) {
            return Err(Refusal::Full);
        }
        let changed = change(registered.by_domain.entry(key).or_default());
        registered.by_domain.retain(|_, hooks| !hooks.is_empty());
        self.any.store(registered.are_any(), Ordering::Relaxed);
        changed
    }
}

impl Registered {
    fn are_any(&self) -> bool {
        self.own.is_some() || !self.account.is_empty() || !self.by_domain.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    #[test]
    fn only_this_machine_may_be_called() {
        let cases = [
            ("http://127.0.0.1:8080/hook", true),
            ("https://localhost/hook", true),
            ("http://[::1]:80/", true),
            ("http://127.1.2.3/", true),
            ("http://example.com/", false),
            ("http://10.0.0.1/", false),
            ("http://169.254.169.254/latest", false),
            ("http://0.0.0.0/", false),
            ("http://localhost.example.com/", false),
            ("http://127.0.0.1.example.com/", false),
            ("http://user@127.0.0.1@example.com/", false),
            ("ftp://127.0.0.1/", false),
            ("file:///etc/hosts", false),
            ("hook", false),
        ];
        for (url, expected) in cases {
            assert_eq!(Target::parse(url).is_ok(), expected, "{url}");
        }
    }

    #[test]
    fn the_same_url_on_two_levels_is_called_once() {
        let own = Target::parse("http://127.0.0.1/hook").unwrap();
        let other = Target::parse("http://127.0.0.1/other").unwrap();
        let hooks = Hooks::calling(Some(own.clone()));
        hooks.set("mg.example.com", Hook::Opened, vec![own.clone(), other.clone()]).unwrap();
        assert_eq!(hooks.targets("MG.example.com", Hook::Opened), [own.clone(), other]);
        assert_eq!(hooks.targets("mg.example.com", Hook::Clicked), std::slice::from_ref(&own));
        assert_eq!(hooks.targets("elsewhere.example", Hook::Opened), [own]);
    }
}

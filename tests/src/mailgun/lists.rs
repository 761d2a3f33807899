//! The fake's suppression lists: `/v3/{domain}/bounces`, `complaints` and `unsubscribes`, on pages of a few.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::lock;

/// Entries on a page: few, so that readings have many.
const PAGE: usize = 2;

/// Mailgun's limit on entries in one call.
const MOST_AT_ONCE: usize = 1_000;

/// What somebody asked of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// GET, POST or DELETE.
    pub method: String,
    /// The sending domain.
    pub domain: String,
    /// `bounces`, `complaints` or `unsubscribes`.
    pub list: String,
    /// The address in the path, or the one that a page lies behind.
    pub address: Option<String>,
    /// What was to be put there.
    pub entries: Vec<Value>,
}

impl Call {
    /// From a request; `None` where it is about no list.
    pub(super) fn read(method: &str, target: &str, body: &[u8]) -> Option<Self> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parts: Vec<&str> = path.strip_prefix("/v3/")?.split('/').collect();
        let (domain, list, address) = match parts[..] {
            [domain, list] => (domain, list, None),
            [domain, list, address] => (domain, list, Some(decoded(address))),
            _ => return None,
        };
        if !["bounces", "complaints", "unsubscribes"].contains(&list) {
            return None;
        }
        let behind = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "address");
        Some(Self {
            method: method.to_owned(),
            domain: domain.to_owned(),
            list: list.to_owned(),
            address: address.or(behind.map(|(_, address)| address.into_owned())),
            entries: serde_json::from_slice(body).unwrap_or_default(),
        })
    }
}

/// A part of a path without its percent signs. A + in it is one.
fn decoded(part: &str) -> String {
    let whole = part.replace('+', "%2B");
    form_urlencoded::parse(whole.as_bytes()).next().map(|(text, _)| text.into_owned()).unwrap_or_default()
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Told {
    /// The status.
    pub status: u16,
    /// After how many seconds to come again.
    pub retry_after: Option<u32>,
    /// The body.
    pub body: String,
}

impl Told {
    /// Mailgun's usual JSON around a text.
    pub fn status(status: u16, message: &str) -> Self {
        Self { status, retry_after: None, body: json!({ "message": message }).to_string() }
    }

    /// Too many requests; come again after so many seconds.
    pub fn limited(seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..Self::status(429, "too many requests") }
    }
}

/// A test's script for the lists: `None` lets them answer by themselves.
type ListScript = dyn Fn(&Call) -> Option<Told> + Send + Sync;

/// The lists of all domains, by address.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) script: Option<Arc<ListScript>>,
    pub(super) asked: Vec<Call>,
    kept: BTreeMap<(String, String), BTreeMap<String, Value>>,
}

impl Lists {
    pub(super) fn put(&mut self, domain: &str, list: &str, entry: Value) {
        let address = entry["address"].as_str().unwrap_or_default().to_lowercase();
        self.kept.entry((domain.to_owned(), list.to_owned())).or_default().insert(address, entry);
    }

    pub(super) fn of(&self, domain: &str, list: &str) -> Vec<Value> {
        let kept = self.kept.get(&(domain.to_owned(), list.to_owned()));
        kept.into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    fn answer(&mut self, call: &Call, base: &str) -> Told {
        match (call.method.as_str(), &call.address) {
            ("GET", behind) => {
                Told { status: 200, retry_after: None, body: self.page(call, behind.as_deref(), base).to_string() }
            }
            ("POST", None) if call.entries.len() > MOST_AT_ONCE => {
                Told::status(400, "Batch size should be less than 1000")
            }
            ("POST", None) => {
                call.entries.iter().for_each(|entry| self.put(&call.domain, &call.list, entry.clone()));
                Told::status(200, &format!("{} addresses have been added", call.entries.len()))
            }
            ("DELETE", Some(address)) => {
                let kept = self.kept.get_mut(&(call.domain.clone(), call.list.clone()));
                match kept.and_then(|kept| kept.remove(&address.to_lowercase())) {
                    Some(_) => Told::status(200, "it has been removed"),
                    None => Told::status(404, "Address not found"),
                }
            }
            _ => Told::status(405, "method not allowed"),
        }
    }

    fn page(&self, call: &Call, behind: Option<&str>, base: &str) -> Value {
        let none = BTreeMap::new();
        let kept = self.kept.get(&(call.domain.clone(), call.list.clone())).unwrap_or(&none);
        let from = behind.map_or(Unbounded, |address| Excluded(address.to_lowercase()));
        let items: Vec<&Value> =
            kept.range::<String, _>((from, Unbounded)).take(PAGE).map(|(_, entry)| entry).collect();
        let last = items.last().and_then(|item| item["address"].as_str()).or(behind).unwrap_or_default();
        let last: String = form_urlencoded::byte_serialize(last.as_bytes()).collect();
        let next = format!("{base}/v3/{}/{}?page=next&address={last}&limit={PAGE}", call.domain, call.list);
        json!({ "items": items, "paging": { "next": next } })
    }
}

pub(super) fn answer(lists: &Mutex<Lists>, call: Call, base: &str) -> Told {
    let script = {
        let mut lists = lock(lists);
        lists.asked.push(call.clone());
        lists.script.clone()
    };
    script.and_then(|script| script(&call)).unwrap_or_else(|| lock(lists).answer(&call, base))
}

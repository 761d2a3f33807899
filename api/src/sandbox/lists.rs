//! Whom Mailgun does not mail for a domain: bounces, unsubscribes, complaints, and the allowlist that keeps addresses off
//! the first. What an event will add stands here from the start, dated to when it takes effect.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use chrono::{DateTime, Utc};

use super::fate::Fate;

/// Of all domains and lists together.
const MOST_ENTRIES: usize = 100_000;

/// One of the four that Mailgun keeps for each domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Bounces,
    Unsubscribes,
    Complaints,
    Whitelists,
}

/// Somebody on a list.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// As it was given; on the allowlist perhaps a domain.
    pub(super) address: String,
    pub(super) since: DateTime<Utc>,
    pub(super) why: Why,
}

/// What a list says of somebody.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Why {
    Bounce {
        code: String,
        error: String,
    },
    /// `*` stands for all mail of the domain.
    Unsubscribe {
        tags: Vec<String>,
    },
    Complaint,
    Allowed {
        by: &'static str,
        reason: String,
    },
}

impl Why {
    fn list(&self) -> List {
        match self {
            Self::Bounce { .. } => List::Bounces,
            Self::Unsubscribe { .. } => List::Unsubscribes,
            Self::Complaint => List::Complaints,
            Self::Allowed { .. } => List::Whitelists,
        }
    }

    /// The entry that an event makes.
    fn of_event(list: List) -> Self {
        match list {
            List::Bounces => Self::Bounce { code: "550".to_owned(), error: "5.1.1 No such mailbox".to_owned() },
            List::Unsubscribes => Self::Unsubscribe { tags: vec!["*".to_owned()] },
            List::Complaints | List::Whitelists => Self::Complaint,
        }
    }
}

/// The lists hold as many as they can.
#[derive(Debug, PartialEq)]
pub(super) struct Full;

/// Where in a list a page begins; lists are in the order of their addresses.
#[derive(Debug, PartialEq)]
pub(super) enum Page {
    First,
    After(String),
    Before(String),
    Last,
}

#[derive(Default)]
pub(super) struct Lists(RwLock<Kept>);

#[derive(Default)]
struct Kept {
    by_domain: HashMap<String, OfDomain>,
    count: usize,
}

/// By address in lower case.
#[derive(Default)]
struct OfDomain {
    bounces: BTreeMap<String, Entry>,
    unsubscribes: BTreeMap<String, Entry>,
    complaints: BTreeMap<String, Entry>,
    whitelists: BTreeMap<String, Entry>,
}

impl OfDomain {
    fn list(&self, list: List) -> &BTreeMap<String, Entry> {
        match list {
            List::Bounces => &self.bounces,
            List::Unsubscribes => &self.unsubscribes,
            List::Complaints => &self.complaints,
            List::Whitelists => &self.whitelists,
        }
    }

    fn list_mut(&mut self, list: List) -> &mut BTreeMap<String, Entry> {
        match list {
            List::Bounces => &mut self.bounces,
            List::Unsubscribes => &mut self.unsubscribes,
            List::Complaints => &mut self.complaints,
            List::Whitelists => &mut self.whitelists,
        }
    }

    /// The list that keeps a message with these tags from `address`, in the order of Mailgun's codes 605, 606, 607.
    fn blocks(&self, address: &str, tags: &[String], now: DateTime<Utc>) -> Option<List> {
        let key = address.to_lowercase();
        let stands = |list| self.list(list).get(&key).filter(|entry| entry.since <= now);
        if stands(List::Bounces).is_some() {
            return Some(List::Bounces);
        }
        if let Some(Entry { why: Why::Unsubscribe { tags: from }, .. }) = stands(List::Unsubscribes)
            && from.iter().any(|from| from == "*" || tags.iter().any(|tag| tag.eq_ignore_ascii_case(from)))
        {
            return Some(List::Unsubscribes);
        }
        stands(List::Complaints).map(|_| List::Complaints)
    }

    fn allows(&self, address: &str) -> bool {
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        self.whitelists.contains_key(address) || self.whitelists.contains_key(domain)
    }
}

impl Lists {
    /// What becomes of a message of `domain` with these tags at each of its recipients.
    pub(super) fn fates<'a>(
        &self,
        domain: &str,
        recipients: impl Iterator<Item = &'a String>,
        tags: &[String],
        now: DateTime<Utc>,
    ) -> Vec<Fate> {
        let kept = self.read();
        let lists = if kept.count == 0 { None } else { kept.by_domain.get(&domain.to_lowercase()) };
        recipients
            .map(|address| match lists.and_then(|lists| lists.blocks(address, tags, now)) {
                Some(list) => Fate::listed(list),
                None => Fate::of(address),
            })
            .collect()
    }

    /// Takes note that an event at `since` puts `address` on a list, unless it is there, allowed, or the lists are full.
    pub(super) fn will_hold(&self, domain: &str, list: List, address: &str, since: DateTime<Utc>) {
        let key = address.to_lowercase();
        let mut kept = self.write();
        let full = kept.count >= MOST_ENTRIES;
        let lists = kept.by_domain.entry(domain.to_lowercase()).or_default();
        if full || lists.list(list).contains_key(&key) || (list == List::Bounces && lists.allows(&key)) {
            return;
        }
        lists.list_mut(list).insert(key, Entry { address: address.to_owned(), since, why: Why::of_event(list) });
        kept.count += 1;
    }

    /// Adds an entry, or puts it in place of the one with its address.
    pub(super) fn put(&self, domain: &str, entry: Entry) -> Result<(), Full> {
        let mut kept = self.write();
        let full = kept.count >= MOST_ENTRIES;
        let list = kept.by_domain.entry(domain.to_lowercase()).or_default().list_mut(entry.why.list());
        let key = entry.address.to_lowercase();
        if full && !list.contains_key(&key) {
            return Err(Full);
        }
        let added = list.insert(key, entry).is_none();
        kept.count += usize::from(added);
        Ok(())
    }

    pub(super) fn find(&self, domain: &str, list: List, address: &str, now: DateTime<Utc>) -> Option<Entry> {
        let kept = self.read();
        let entry = kept.by_domain.get(&domain.to_lowercase())?.list(list).get(&address.to_lowercase())?;
        (entry.since <= now).then(|| entry.clone())
    }

    /// Whether there was such an entry.
    pub(super) fn remove(&self, domain: &str, list: List, address: &str) -> bool {
        let mut kept = self.write();
        let lists = kept.by_domain.get_mut(&domain.to_lowercase());
        let removed = lists.and_then(|lists| lists.list_mut(list).remove(&address.to_lowercase())).is_some();
        kept.count -= usize::from(removed);
        removed
    }

    /// Empties one list of a domain.
    pub(super) fn clear(&self, domain: &str, list: List) {
        let mut kept = self.write();
        let gone = kept.by_domain.get_mut(&domain.to_lowercase()).map(|lists| std::mem::take(lists.list_mut(list)));
        kept.count -= gone.map_or(0, |gone| gone.len());
    }

    /// Up to `limit` entries whose address begins with `term`, in the order of their addresses.
    pub(super) fn page(
        &self,
        domain: &str,
        list: List,
        (page, term, limit): (&Page, &str, usize),
        now: DateTime<Utc>,
    ) -> Vec<Entry> {
        let kept = self.read();
        let Some(lists) = kept.by_domain.get(&domain.to_lowercase()) else { return Vec::new() };
        let (from, to) = match page {
            Page::After(address) => (Excluded(address.to_lowercase()), Unbounded),
            Page::Before(address) => (Unbounded, Excluded(address.to_lowercase())),
            Page::First | Page::Last => (Unbounded, Unbounded),
        };
        let term = term.to_lowercase();
        let entries = lists.list(list).range::<String, _>((from, to));
        let entries =
            entries.filter(|(key, entry)| entry.since <= now && key.starts_with(&term)).map(|(_, entry)| entry);
        match page {
            Page::First | Page::After(_) => entries.take(limit).cloned().collect(),
            Page::Before(_) | Page::Last => {
                let mut last: Vec<Entry> = entries.rev().take(limit).cloned().collect();
                last.reverse();
                last
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Kept> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Kept> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use chrono::TimeDelta;

    use super::*;

    const DOMAIN: &str = "mg.example.com";
    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn fate(lists: &Lists, address: &str, tags: &[&str], now: DateTime<Utc>) -> Fate {
        let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
        lists.fates(DOMAIN, [address.to_owned()].iter(), &tags, now)[0]
    }

    fn put(lists: &Lists, address: &str, why: Why) {
        lists.put(DOMAIN, Entry { address: address.to_owned(), since: NOW, why }).unwrap();
    }

    #[test]
    fn the_lists_decide_before_the_address_does() {
        let lists = Lists::default();
        put(&lists, "Open@Example.com", Why::Complaint);
        assert_eq!(fate(&lists, "open@example.com", &[], NOW), Fate::listed(List::Complaints));
        put(&lists, "open@example.com", Why::Bounce { code: "550".into(), error: String::new() });
        assert_eq!(fate(&lists, "open@example.com", &[], NOW), Fate::listed(List::Bounces));
        assert!(lists.remove(DOMAIN, List::Bounces, "OPEN@example.com"));
        assert!(lists.remove(DOMAIN, List::Complaints, "open@example.com"));
        assert_eq!(fate(&lists, "open@example.com", &[], NOW), Fate::of("open@example.com"));
    }

    #[test]
    fn who_unsubscribed_from_a_tag_gets_the_others() {
        let lists = Lists::default();
        put(&lists, "amy@example.com", Why::Unsubscribe { tags: vec!["News".into()] });
        put(&lists, "bob@example.com", Why::Unsubscribe { tags: vec!["*".into()] });
        let gone = Fate::listed(List::Unsubscribes);
        let cases = [
            ("amy@example.com", "news", gone),
            ("amy@example.com", "bills", Fate::of("amy@example.com")),
            ("bob@example.com", "bills", gone),
        ];
        for (address, tag, expected) in cases {
            assert_eq!(fate(&lists, address, &[tag], NOW), expected, "{address} {tag}");
        }
    }

    #[test]
    fn an_event_lists_its_recipient_from_its_own_time_on() {
        let lists = Lists::default();
        let since = NOW + TimeDelta::milliseconds(500);
        lists.will_hold(DOMAIN, List::Bounces, "bounce@example.com", since);
        assert_eq!(fate(&lists, "bounce@example.com", &[], NOW), Fate::of("bounce@example.com"));
        assert_eq!(lists.find(DOMAIN, List::Bounces, "bounce@example.com", NOW), None);
        assert_eq!(fate(&lists, "bounce@example.com", &[], since), Fate::listed(List::Bounces));
        put(&lists, "example.org", Why::Allowed { by: "domain", reason: String::new() });
        lists.will_hold(DOMAIN, List::Bounces, "bounce@example.org", NOW);
        assert_eq!(lists.find(DOMAIN, List::Bounces, "bounce@example.org", NOW), None, "it is allowed");
    }

    #[test]
    fn a_list_is_paged_both_ways() {
        let lists = Lists::default();
        for name in ["d", "b", "a", "e", "c"] {
            put(&lists, &format!("{name}@example.com"), Why::Complaint);
        }
        let cases = [
            (Page::First, "", "ab"),
            (Page::After("b@example.com".into()), "", "cd"),
            (Page::After("e@example.com".into()), "", ""),
            (Page::Before("c@example.com".into()), "", "ab"),
            (Page::Last, "", "de"),
            (Page::First, "C@", "c"),
        ];
        for (page, term, expected) in cases {
            let entries = lists.page(DOMAIN, List::Complaints, (&page, term, 2), NOW);
            let names: String = entries.iter().map(|entry| &entry.address[..1]).collect();
            assert_eq!(names, expected, "{page:?}");
        }
    }
}

//! Who must not be mailed. Asked at acceptance and again at the gate; where the list can't be asked, nothing is sent.
//!
//! `facts` keeps what suppressed and what lifted, and the list that follows from it; `enter` and `lift` are what a person asks
//! for; `state`, `list` and `tallies` tell how it stands.

pub mod enter;
pub mod facts;
pub mod lift;
pub mod list;
pub mod state;
pub mod tallies;

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use entity::suppression::Reason;
use sea_orm::{ConnectionTrait, Value};
use uuid::Uuid;

use crate::error::Result;
use crate::rows::Rows;
use crate::store::rows;
use crate::{Context, erase};

/// The active entries for a set of addresses and their domains.
#[derive(Clone, Debug, Default)]
pub struct List(HashMap<String, Vec<Reason>>);

impl List {
    /// Asks for the entries that bind any of `keys` (addresses in their key form) at `now`, also those of erased recipients,
    /// which stand under the marks of their addresses. The sandbox is bound by its own entries besides the real ones.
    ///
    /// # Errors
    /// The database's own.
    pub async fn ask<'a>(
        db: &impl ConnectionTrait,
        ctx: &Context,
        now: DateTime<Utc>,
        sandbox: bool,
        keys: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self> {
        let keys: BTreeSet<&str> = keys.into_iter().collect();
        let marks = erase::marks_of(ctx, keys.iter().copied()).await?;
        let plain = keys.iter().flat_map(|key| [Some(*key), domain_of(key)]).flatten();
        let targets: BTreeSet<String> = plain.map(str::to_owned).chain(marks.keys().cloned()).collect();
        if targets.is_empty() {
            return Ok(Self::default());
        }
        let text = "SELECT s.target, s.reason FROM email_suppression_list s JOIN {rows} AS v ON s.target = v.target \
                    WHERE s.lifted_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > $1) AND (NOT s.sandbox OR $2)";
        let asked =
            ctx.store.sql_rows(text, [Value::from(now), Value::from(sandbox)], Rows::new().text("target", targets));
        let mut list = HashMap::<String, Vec<Reason>>::new();
        for row in rows(db, asked).await? {
            let target: String = row.try_get("", "target")?;
            let reason = row.try_get("", "reason")?;
            if let Some(key) = marks.get(&target) {
                list.entry(key.clone()).or_default().push(reason);
            }
            list.entry(target).or_default().push(reason);
        }
        Ok(Self(list))
    }

    /// Why an email must not go to `key`, in words; a transactional one passes an unsubscribe, and that alone.
    pub fn blocks(&self, key: &str, transactional: bool) -> Option<String> {
        [Some(key), domain_of(key)].into_iter().flatten().find_map(|target| {
            let reason = self.0.get(target)?.iter().find(|r| !(transactional && **r == Reason::Unsubscribe))?;
            let what = if target == key { "its address" } else { "its domain" };
            Some(match reason {
                Reason::Bounce => format!("{what} is suppressed: mail to it came back"),
                Reason::Complaint => format!("{what} is suppressed: its owner complained"),
                Reason::Unsubscribe => format!("{what} is suppressed: its owner unsubscribed"),
                Reason::Manual => format!("{what} is suppressed by hand"),
            })
        })
    }
}

pub(crate) fn domain_of(key: &str) -> Option<&str> {
    key.rsplit_once('@').map(|(_, domain)| domain)
}

/// Which of these emails must not be sent now, and why.
///
/// # Errors
/// The database's own.
pub async fn of_emails(
    db: &impl ConnectionTrait,
    ctx: &Context,
    now: DateTime<Utc>,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, String>> {
    let text = "SELECT q.id, q.recipient_key, q.transactional, q.sandbox FROM email_queue q \
                WHERE q.id {ids}";
    let found = rows(db, ctx.store.sql_ids(text, [], ids.iter().copied())).await?;
    let emails: Vec<(Uuid, String, bool, bool)> = found
        .iter()
        .map(|r| {
            Ok((
                r.try_get("", "id")?,
                r.try_get("", "recipient_key")?,
                r.try_get("", "transactional")?,
                r.try_get("", "sandbox")?,
            ))
        })
        .collect::<Result<_>>()?;
    let mut blocked = HashMap::new();
    for mode in [false, true] {
        let of_mode: Vec<_> = emails.iter().filter(|e| e.3 == mode).collect();
        let list = List::ask(db, ctx, now, mode, of_mode.iter().map(|e| e.1.as_str())).await?;
        for (id, key, transactional, _) in of_mode {
            if let Some(why) = list.blocks(key, *transactional) {
                blocked.insert(*id, why);
            }
        }
    }
    Ok(blocked)
}

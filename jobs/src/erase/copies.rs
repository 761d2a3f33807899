//! Emails to others of which an erased address was to have a copy. One that waits goes without it; in one that has ended the
//! mark stands for it.

use entity::address::Mailbox;
use entity::email;
use sea_orm::{FromQueryResult, Value};
use uuid::Uuid;

use super::{Erasure, GROUP};
use crate::Context;
use crate::control::repeat;
use crate::error::Result;
use crate::rows::Rows;
use crate::store::{execute, rows};

/// What is asked of an email with copies. 2 is SENDING, 3 UNCONFIRMED.
const COPIES: &str = "SELECT q.id, q.cc, q.bcc, q.omitted, q.finished_at IS NOT NULL AS ended, \
     q.status IN (2, 3) AS under_way FROM email_queue q";

/// An email with copies.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromQueryResult)]
struct Copies {
    id: Uuid,
    cc: Option<String>,
    bcc: Option<String>,
    omitted: Option<String>,
    ended: bool,
    under_way: bool,
}

impl Copies {
    /// The same without the address, or with the mark in its place; `None` where it is not among them.
    fn without(&self, address: &str, mark: &str) -> Result<Option<Self>> {
        let list = |text: Option<&String>| -> Result<Option<String>> {
            let all = email::Model::mailboxes(text.map(String::as_str));
            let is_meant = |one: &String| Mailbox::parse(one).is_ok_and(|mailbox| mailbox.address.key() == address);
            let kept: Vec<String> = all
                .iter()
                .filter(|one| self.ended || !is_meant(one))
                .map(|one| if is_meant(one) { mark.to_owned() } else { one.clone() })
                .collect();
            Ok(if kept.is_empty() { None } else { Some(serde_json::to_string(&kept)?) })
        };
        let new = Self {
            cc: list(self.cc.as_ref())?,
            bcc: list(self.bcc.as_ref())?,
            omitted: list(self.omitted.as_ref())?,
            ..self.clone()
        };
        Ok((new != *self).then_some(new))
    }
}

/// Takes the address out of the copies. Answers how many emails changed, and how many are still to, once they have ended.
pub(super) async fn erase(ctx: &Context, erasure: &Erasure) -> Result<(u64, u64)> {
    let (mut changed, mut open, mut after) = (0, 0, Uuid::nil());
    loop {
        let (met, more, later) = repeat(|| group(ctx, erasure, after)).await?;
        changed += met;
        open += later;
        match more {
            Some(last) => after = last,
            None => return Ok((changed, open)),
        }
    }
}

async fn group(ctx: &Context, erasure: &Erasure, after: Uuid) -> Result<(u64, Option<Uuid>, u64)> {
    let tx = ctx.store.begin().await?;
    let text = format!(
        "{COPIES} WHERE (q.cc IS NOT NULL OR q.bcc IS NOT NULL) AND q.id > $1 AND q.id <= $2 ORDER BY q.id LIMIT $3"
    );
    let values = [Value::from(after), Value::from(erasure.email_reach), Value::from(GROUP)];
    let found = rows(&tx, ctx.store.sql(&text, values)).await?;
    let all = found.iter().map(|row| Copies::from_query_result(row, "")).collect::<Result<Vec<_>, _>>()?;
    let mut named = Vec::new();
    for one in &all {
        named.extend(one.without(&erasure.address, &erasure.mark)?.map(|_| one.id));
    }
    let mut changed = Vec::new();
    let mut open = 0;
    if !named.is_empty() {
        // Whether it has ended is asked again of those that matter, with their rows held.
        let text = format!("{COPIES} WHERE q.id {{ids}} ORDER BY q.id {}", ctx.store.for_update());
        for row in rows(&tx, ctx.store.sql_ids(&text, [], named)).await? {
            let one = Copies::from_query_result(&row, "")?;
            match one.without(&erasure.address, &erasure.mark)? {
                Some(_) if one.under_way => open += 1,
                Some(new) => changed.push(new),
                None => {}
            }
        }
        let text = "UPDATE email_queue AS q SET cc = v.cc, bcc = v.bcc, omitted = v.omitted FROM {rows} AS v WHERE q.id = v.id";
        let values = Rows::new()
            .uuid("id", changed.iter().map(|one| one.id))
            .text("cc", changed.iter().map(|one| one.cc.clone()))
            .text("bcc", changed.iter().map(|one| one.bcc.clone()))
            .text("omitted", changed.iter().map(|one| one.omitted.clone()));
        execute(&tx, ctx.store.sql_rows(text, [], values)).await?;
        tx.commit().await?;
    }
    let more = all.last().filter(|_| all.len() as i64 == GROUP).map(|one| one.id);
    Ok((changed.len() as u64, more, open))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    #[test]
    fn a_copy_is_left_out_of_what_waits_and_marked_in_what_has_ended() {
        let list = |all: &[&str]| Some(serde_json::to_string(all).unwrap());
        let (ann, bob) = ("Ann <Ann@Example.com>", "bob@example.com");
        let waits = Copies { cc: list(&[ann, bob]), bcc: list(&[ann]), ..Copies::default() };
        let without = waits.without("ann@example.com", "mark@erased.invalid").unwrap().unwrap();
        assert_eq!((without.cc, without.bcc), (list(&[bob]), None));

        let ended = Copies { ended: true, omitted: list(&["ann@example.com"]), ..waits };
        let marked = ended.without("ann@example.com", "mark@erased.invalid").unwrap().unwrap();
        assert_eq!(marked.cc, list(&["mark@erased.invalid", bob]));
        assert_eq!((marked.bcc, marked.omitted), (list(&["mark@erased.invalid"]), list(&["mark@erased.invalid"])));
        assert_eq!(ended.without("eve@example.com", "mark@erased.invalid").unwrap(), None);
    }
}

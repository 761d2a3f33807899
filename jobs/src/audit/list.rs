//! Finding entries, the newest first or last. A page is read from an ordered run of one index, the narrowest of what is asked for;
//! the rest is asked of the rows on the way ([`crate::look`]), so that a page costs the same however many entries there are.

use chrono::{DateTime, Utc};
use entity::audit_entry::{Model, Outcome};
use sea_orm::{ActiveEnum, Statement, Value};
use uuid::Uuid;

use crate::Context;
use crate::error::Result;
use crate::filter::{Order, first_id};
use crate::find::{Page, models};
use crate::look::{self, Looked, Run};
use crate::store::{Dialect, Store, rows};

/// What sends: of these there may be thousands a second.
pub const SENDS: [&str; 2] = ["sendEmail", "sendEmails"];

/// The indexes of all else are only found by these very words.
const ACTS: &str = "a.operation <> 'sendEmail' AND a.operation <> 'sendEmails'";

/// Entries that meet every part that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// From this time on …
    pub from: Option<DateTime<Utc>>,
    /// … and before this one.
    pub until: Option<DateTime<Utc>>,
    pub actor: Option<Uuid>,
    pub operation: Option<String>,
    /// Any of these; all when empty.
    pub outcomes: Vec<Outcome>,
    pub subject: Option<String>,
    /// The address that it is about, as entries have it.
    pub recipient: Option<String>,
    pub origin: Option<String>,
    /// It sends, or it does not.
    pub sends: Option<bool>,
}

impl Filter {
    /// Whether an entry is meant.
    pub fn means(&self, entry: &Model) -> bool {
        let is = |asked: &Option<String>, has: Option<&str>| asked.is_none() || asked.as_deref() == has;
        self.actor.is_none_or(|actor| entry.actor == Some(actor))
            && is(&self.operation, Some(&entry.operation))
            && (self.outcomes.is_empty() || self.outcomes.contains(&entry.outcome))
            && is(&self.subject, entry.subject.as_deref())
            && is(&self.recipient, entry.recipient.as_deref())
            && is(&self.origin, entry.origin.as_deref())
            && self.sends.is_none_or(|sends| SENDS.contains(&&*entry.operation) == sends)
            && self.from.is_none_or(|from| entry.id >= first_id(from))
            && self.until.is_none_or(|until| entry.id < first_id(until))
    }

    /// The index that finds the fewest, what it finds by, and what it holds alone.
    fn way(&self) -> Way {
        let text = |column, index, only, text: &String| Way { by: Some((column, text.clone().into())), index, only };
        let (acts, outcomes) = (self.sends == Some(false), self.outcomes.as_slice());
        if let Some(subject) = &self.subject {
            text("subject", "audit_log_subject", "", subject)
        } else if let Some(recipient) = &self.recipient {
            text("recipient", "audit_log_recipient", "", recipient)
        } else if let &[outcome] = outcomes
            && outcome != Outcome::Done
        {
            let by = Some(("outcome", outcome.to_value().into()));
            Way { by, index: "audit_log_outcome", only: "a.outcome <> 1" }
        } else if let Some(operation) = self.operation.as_ref().filter(|name| !SENDS.contains(&name.as_str())) {
            text("operation", "audit_log_operation", "", operation)
        } else if let Some(actor) = self.actor {
            let by = Some(("actor", actor.into()));
            if acts {
                Way { by, index: "audit_log_acts_actor", only: ACTS }
            } else {
                Way { by, index: "audit_log_actor", only: "" }
            }
        } else if let Some(origin) = &self.origin {
            if acts {
                text("origin", "audit_log_acts_origin", ACTS, origin)
            } else {
                text("origin", "audit_log_origin", "", origin)
            }
        } else if let Some(operation) = &self.operation {
            text("operation", "audit_log_operation", "", operation)
        } else if acts {
            Way { by: None, index: "audit_log_acts", only: ACTS }
        } else {
            Way { by: None, index: "", only: "" }
        }
    }
}

impl Filter {
    /// From which id to which entries can be meant, beyond one in this order: a time span is a span of ids.
    fn ids(&self, from: Option<Uuid>, order: Order) -> (Uuid, Uuid) {
        let mut first = self.from.map_or(0, |from| first_id(from).as_u128());
        let mut last = self.until.map_or(u128::MAX, |until| first_id(until).as_u128().saturating_sub(1));
        match (order, from.map(|id| id.as_u128())) {
            (_, None) => {}
            (Order::Ascending, Some(id)) => first = first.max(id.saturating_add(1)),
            (Order::Descending, Some(id)) => last = last.min(id.saturating_sub(1)),
        }
        (Uuid::from_u128(first), Uuid::from_u128(last))
    }
}

/// How an index finds entries.
struct Way {
    by: Option<(&'static str, Value)>,
    /// Its name; empty for the table's own key.
    index: &'static str,
    only: &'static str,
}

/// A page of entries.
///
/// # Errors
/// The database's own.
pub async fn list(ctx: &Context, filter: &Filter, page: Page, order: Order) -> Result<Looked<Model>> {
    look::page(&Entries { ctx, filter }, page, order).await
}

/// How many entries are meant, and whether there may be more than one looks at.
///
/// # Errors
/// The database's own.
pub async fn count(ctx: &Context, filter: &Filter) -> Result<(u64, bool)> {
    look::count(&Entries { ctx, filter }).await
}

/// Entries by id, as far as they are.
///
/// # Errors
/// The database's own.
pub async fn with_ids(ctx: &Context, ids: &[Uuid]) -> Result<Vec<Model>> {
    let asked = ctx.store.sql_ids("SELECT a.* FROM audit_log a WHERE a.id {ids}", [], ids.iter().copied());
    models(&rows(ctx.store.read(), asked).await?)
}

struct Entries<'a> {
    ctx: &'a Context,
    filter: &'a Filter,
}

impl Run for Entries<'_> {
    type Row = Model;
    type Place = Uuid;

    fn id(row: &Model) -> Uuid {
        row.id
    }

    fn place(row: &Model) -> Uuid {
        row.id
    }

    async fn find(&self, id: Uuid) -> Result<Option<Uuid>> {
        Ok(Some(id))
    }

    async fn next(&self, from: Option<&Uuid>, order: Order, n: u64) -> Result<Vec<Model>> {
        let store = &self.ctx.store;
        let mut found =
            models::<Model>(&rows(store.read(), statement(store, self.filter, from.copied(), order, n)).await?)?;
        let (first, last) = self.filter.ids(from.copied(), order);
        found.retain(|entry| (first..=last).contains(&entry.id));
        Ok(found)
    }

    async fn keep(&self, mut rows: Vec<Model>) -> Result<Vec<Model>> {
        rows.retain(|row| self.filter.means(row));
        Ok(rows)
    }
}

/// The next `n` entries beyond an id, by the one index of [`Filter::way`]; the last of them perhaps past the time span.
pub fn statement(store: &Store, filter: &Filter, from: Option<Uuid>, order: Order, n: u64) -> Statement {
    let mut values = Vec::new();
    let mut bind = |value: Value| {
        values.push(value);
        format!("${}", values.len())
    };
    let Way { by, index, only } = filter.way();
    let word = match order {
        Order::Ascending => "ASC",
        Order::Descending => "DESC",
    };
    let (first, last) = filter.ids(from, order);
    let ids = [(">=", first), ("<=", last)];
    let mut all: Vec<String> = Vec::new();
    let key = match (by, store.dialect()) {
        (None, _) => {
            all.extend(ids.into_iter().map(|(is, id)| format!("a.id {is} {}", bind(id.into()))));
            format!("a.id {word}")
        }
        (Some((column, value)), Dialect::Sqlite) => {
            all.push(format!("a.{column} = {}", bind(value)));
            all.extend(ids.into_iter().map(|(is, id)| format!("a.id {is} {}", bind(id.into()))));
            format!("a.id {word}")
        }
        // In this order only the one index has them: were the column equal to something, the table's own key would do as well, and be
        // preferred where most entries have the same.
        (Some((column, value)), Dialect::Postgres) => {
            let value = bind(value);
            let (is, id, ends) = match order {
                Order::Ascending => (">=", first, "<="),
                Order::Descending => ("<=", last, ">="),
            };
            // It begins at the id. Of the pair it would not know when to end (btree stops by the first of its columns), so there is no
            // second bound on the id: whoever asks leaves out what is past it.
            all.push(format!("(a.{column}, a.id) {is} ({value}, {})", bind(id.into())));
            all.push(format!("a.{column} {ends} {value}"));
            all.push(format!("a.{column} IS NOT NULL"));
            format!("a.{column} {word}, a.id {word}")
        }
    };
    if !only.is_empty() {
        all.push(only.to_owned());
    }
    let all = all.join(" AND ");
    let indexed = match store.dialect() {
        Dialect::Sqlite if !index.is_empty() => format!("INDEXED BY {index}"),
        Dialect::Sqlite | Dialect::Postgres => String::new(),
    };
    let limit = bind(i64::try_from(n).unwrap_or(i64::MAX).into());
    let text = format!("SELECT a.* FROM audit_log a {indexed} WHERE {all} ORDER BY {key} LIMIT {limit}");
    store.sql(text, values)
}

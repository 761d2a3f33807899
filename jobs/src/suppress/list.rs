//! The list itself: pages of what is not archived, found, counted and, when its time is over, archived. A page is read from an
//! ordered run of an index (all entries, those of a reason, those whose target begins so), so its cost does not grow with the
//! list; whatever else is asked for is asked of the rows on the way ([`crate::look`]).

use chrono::{DateTime, Utc};
use entity::suppression::{Model, Reason};
use sea_orm::{ActiveEnum, EntityTrait, Statement, Value};
use uuid::Uuid;

use super::tallies::{self, Deltas, Kind};
use crate::Context;
use crate::control::repeat;
use crate::error::Result;
use crate::filter::Order;
use crate::find::{Page, models};
use crate::look::{self, Looked, Run};
use crate::store::{Dialect, Store, rows};

/// Entries archived in one transaction.
const GROUP: i64 = 500;

/// Entries that meet every part that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The target contains this, in its key form.
    pub search: Option<String>,
    /// The target begins with this, in its key form.
    pub starts_with: Option<String>,
    pub reason: Option<Reason>,
    /// It blocks, or no longer does.
    pub active: Option<bool>,
    /// It ends from this time on …
    pub expires_from: Option<DateTime<Utc>>,
    /// … and before this one; with either, what holds for ever is not meant.
    pub expires_until: Option<DateTime<Utc>>,
}

impl Filter {
    /// Whether an entry is meant, at `now`.
    pub fn means(&self, entry: &Model, now: DateTime<Utc>) -> bool {
        let ends = |holds: &dyn Fn(DateTime<Utc>) -> bool| entry.expires_at.is_some_and(holds);
        self.search.as_ref().is_none_or(|text| entry.target.contains(text.as_str()))
            && self.starts_with.as_ref().is_none_or(|text| entry.target.starts_with(text.as_str()))
            && self.reason.is_none_or(|reason| entry.reason == reason)
            && self.active.is_none_or(|active| entry.active_at(now) == active)
            && self.expires_from.is_none_or(|from| ends(&|at| at >= from))
            && self.expires_until.is_none_or(|until| ends(&|at| at < until))
    }

    /// The tallies alone can count it.
    fn is_tallied(&self) -> bool {
        *self == Self { reason: self.reason, ..Self::default() }
    }
}

/// By what entries are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// When their target was first entered for their reason.
    Age,
    /// Their target, by its bytes.
    Target,
}

/// A page of entries.
///
/// # Errors
/// The database's own.
pub async fn list(ctx: &Context, filter: &Filter, page: Page, sort: Sort, order: Order) -> Result<Looked<Model>> {
    look::page(&Entries { ctx, filter, sort }, page, order).await
}

/// How many entries are meant, and whether there may be more: exact by reason alone, else as far as one looks.
///
/// # Errors
/// The database's own.
pub async fn count(ctx: &Context, filter: &Filter) -> Result<(u64, bool)> {
    if filter.is_tallied() {
        let counts = tallies::counts(ctx).await?.into_iter();
        let meant = counts.filter(|(kind, _)| filter.reason.is_none_or(|reason| kind.reason == reason));
        return Ok((meant.map(|(_, n)| n).sum(), false));
    }
    let sort = if filter.starts_with.is_some() { Sort::Target } else { Sort::Age };
    look::count(&Entries { ctx, filter, sort }).await
}

struct Entries<'a> {
    ctx: &'a Context,
    filter: &'a Filter,
    sort: Sort,
}

impl Run for Entries<'_> {
    type Row = Model;
    type Place = (String, Uuid);

    fn id(row: &Model) -> Uuid {
        row.id
    }

    fn place(row: &Model) -> (String, Uuid) {
        (row.target.clone(), row.id)
    }

    async fn find(&self, id: Uuid) -> Result<Option<(String, Uuid)>> {
        match self.sort {
            // Its place is its id, whether it is there or not.
            Sort::Age => Ok(Some((String::new(), id))),
            Sort::Target => {
                let found = entity::suppression::Entity::find_by_id(id).one(self.ctx.store.read()).await?;
                Ok(found.map(|row| Self::place(&row)))
            }
        }
    }

    async fn next(&self, from: Option<&(String, Uuid)>, order: Order, n: u64) -> Result<Vec<Model>> {
        let (store, from) = (&self.ctx.store, from.map(|(target, id)| (target.as_str(), *id)));
        models(&rows(store.read(), statement(store, self.filter, from, self.sort, order, n)).await?)
    }

    async fn keep(&self, rows: Vec<Model>) -> Result<Vec<Model>> {
        let (now, mode) = (self.ctx.clock.now(), self.ctx.settings.sandbox);
        Ok(rows.into_iter().filter(|row| (mode || !row.sandbox) && self.filter.means(row, now)).collect())
    }
}

/// The next `n` entries beyond a target and id, by an index that is in this order: of the filter it knows the reason (by age) or
/// how the target begins (by target).
pub fn statement(
    store: &Store,
    filter: &Filter,
    from: Option<(&str, Uuid)>,
    sort: Sort,
    order: Order,
    n: u64,
) -> Statement {
    let mut values = Vec::new();
    let mut bind = |value: Value| {
        values.push(value);
        format!("${}", values.len())
    };
    let (beyond, word) = match order {
        Order::Ascending => (">", "ASC"),
        Order::Descending => ("<", "DESC"),
    };
    let target = match store.dialect() {
        Dialect::Postgres => "s.target COLLATE \"C\"",
        Dialect::Sqlite => "s.target",
    };
    let mut all = "s.archived_at IS NULL".to_owned();
    let (index, key) = match (sort, filter.reason) {
        (Sort::Age, Some(reason)) => {
            all += &format!(" AND s.reason = {}", bind(reason.to_value().into()));
            ("email_suppression_list_reason", format!("s.id {word}"))
        }
        (Sort::Age, None) => ("email_suppression_list_age", format!("s.id {word}")),
        (Sort::Target, _) => ("email_suppression_list_name", format!("{target} {word}, s.id {word}")),
    };
    if let (Sort::Target, Some(start)) = (sort, &filter.starts_with) {
        // Behind everything that begins so: there is no greater character.
        let (start, end) = (bind(start.clone().into()), bind(format!("{start}\u{10FFFF}").into()));
        all += &format!(" AND {target} >= {start} AND {target} < {end}");
    }
    match (sort, from) {
        (_, None) => {}
        (Sort::Age, Some((_, id))) => all += &format!(" AND s.id {beyond} {}", bind(id.into())),
        (Sort::Target, Some((name, id))) => {
            let (name, id) = (bind(name.into()), bind(id.into()));
            all += &format!(" AND ({target}, s.id) {beyond} ({name}, {id})");
        }
    }
    let indexed = match store.dialect() {
        Dialect::Postgres => String::new(),
        Dialect::Sqlite => format!("INDEXED BY {index}"),
    };
    let limit = bind(i64::try_from(n).unwrap_or(i64::MAX).into());
    let text = format!("SELECT s.* FROM email_suppression_list s {indexed} WHERE {all} ORDER BY {key} LIMIT {limit}");
    store.sql(text, values)
}

/// Archives what has expired. Answers how many entries.
///
/// # Errors
/// The database's own; what was done by then stays done.
pub async fn archive(ctx: &Context) -> Result<u64> {
    let mut sum = 0;
    loop {
        let archived = repeat(|| archive_group(ctx)).await?;
        sum += archived;
        if archived < GROUP.unsigned_abs() || ctx.stop.is_cancelled() {
            return Ok(sum);
        }
    }
}

async fn archive_group(ctx: &Context) -> Result<u64> {
    let tx = ctx.store.begin().await?;
    let lock = ctx.store.for_update();
    let text = format!(
        "UPDATE email_suppression_list SET archived_at = $1 WHERE archived_at IS NULL AND id IN \
         (SELECT s.id FROM email_suppression_list s WHERE s.expires_at <= $1 AND s.expires_at IS NOT NULL \
          AND s.archived_at IS NULL ORDER BY s.expires_at LIMIT $2 {lock}) RETURNING reason, bounce_type, lifted_at, sandbox"
    );
    let values = [Value::from(ctx.clock.now()), Value::from(GROUP)];
    let archived = rows(&tx, ctx.store.sql(text, values)).await?;
    let mut deltas = Deltas::default();
    for row in &archived {
        deltas.add(Kind::read(row)?, -1);
    }
    deltas.store(&tx, ctx).await?;
    tx.commit().await?;
    Ok(archived.len() as u64)
}

//! Reading emails: by id, by filter page after page, with their tries, contents and holds. Everything for a page is asked in one
//! statement each, and nothing here writes.

pub mod events;

use std::collections::HashMap;

use entity::content::Head;
use entity::sealed::Wrapped;
use entity::{Priority, attempt, email, email_facts, tally};
use sea_orm::{ActiveEnum, EntityTrait, FromQueryResult, QueryResult, Value};
use uuid::Uuid;

use crate::Context;
use crate::error::Result;
use crate::filter::{Clauses, Filter, Order};
use crate::hold::{Holds, Leave};
use crate::rows::Rows;
use crate::store::rows;

/// Counting stops here.
pub const COUNTED: u64 = 10_000;

/// Which part of a list, by places in its order: the ids of emails, the numbers of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Page<P = Uuid> {
    /// The first `n` after the place named, or from the list's beginning.
    First { n: u64, after: Option<P> },
    /// The last `n` before the place named, or from the list's end.
    Last { n: u64, before: Option<P> },
}

impl<P: Copy> Page<P> {
    /// The place it starts from, where it names one.
    pub fn place(&self) -> Option<P> {
        match *self {
            Page::First { after, .. } => after,
            Page::Last { before, .. } => before,
        }
    }
}

/// A part of a list, in the list's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageOf<T> {
    pub items: Vec<T>,
    pub has_previous: bool,
    pub has_next: bool,
}

/// A content in the clear, without the bytes of its attachments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub head: Head,
    pub html: Option<String>,
    pub text: Option<String>,
    /// The keyring's key it is sealed with.
    pub key_id: String,
}

/// The email with this id; `None` when there is none or it was cleaned away.
///
/// # Errors
/// The database's own.
pub async fn email(ctx: &Context, id: Uuid) -> Result<Option<email::Model>> {
    Ok(email::Entity::find_by_id(id).one(ctx.store.read()).await?)
}

/// A page of the emails that meet `filter`, in the order of their ids, which is that of their acceptance. For its cost see
/// [`crate::filter`].
///
/// # Errors
/// The database's own.
pub async fn emails(ctx: &Context, filter: &Filter, page: Page, order: Order) -> Result<PageOf<email::Model>> {
    let (n, from, backwards) = match page {
        Page::First { n, after } => (n, after, false),
        Page::Last { n, before } => (n, before, true),
    };
    let walked = if backwards { order.reversed() } else { order };
    let mut clauses = filter.clauses();
    match (from, walked) {
        (None, _) => {}
        (Some(id), Order::Ascending) => clauses.after(id),
        (Some(id), Order::Descending) => clauses.before(id),
    }
    // One more than asked for says whether there are more.
    let found = clauses.page(&ctx.store, "q.*", walked, n + 1, "");
    let mut items = models::<email::Model>(&rows(ctx.store.read(), found).await?)?;
    let more = items.len() as u64 > n;
    items.truncate(n as usize);
    // Whatever was walked past lies at the cursor or on its other side.
    let passed = match from {
        None => false,
        Some(id) => {
            let mut clauses = filter.clauses();
            match walked {
                Order::Ascending => clauses.up_to(id),
                Order::Descending => clauses.from(id),
            }
            let one = clauses.page(&ctx.store, "q.id", walked.reversed(), 1, "");
            !rows(ctx.store.read(), one).await?.is_empty()
        }
    };
    if backwards {
        items.reverse();
        return Ok(PageOf { items, has_previous: more, has_next: passed });
    }
    Ok(PageOf { items, has_previous: passed, has_next: more })
}

/// How many emails meet `filter`, and whether there may be more: exact from the tallies where they know, else exact up to
/// [`COUNTED`].
///
/// # Errors
/// The database's own.
pub async fn count(ctx: &Context, filter: &Filter) -> Result<(u64, bool)> {
    if filter.is_tallied() {
        return Ok((tallied(ctx, filter).await?, false));
    }
    counted(ctx, filter.clauses()).await
}

/// Counts entry by entry, up to [`COUNTED`].
pub(crate) async fn counted(ctx: &Context, clauses: Clauses) -> Result<(u64, bool)> {
    let found = rows(ctx.store.read(), clauses.count(&ctx.store, COUNTED + 1)).await?;
    let n: i64 = found.first().map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default();
    let n = n.max(0) as u64;
    Ok((n.min(COUNTED), n > COUNTED))
}

async fn tallied(ctx: &Context, filter: &Filter) -> Result<u64> {
    let mut text = "SELECT t.status, CAST(sum(t.n) AS bigint) AS n FROM email_tallies t WHERE t.status < $1".to_owned();
    let mut values = vec![Value::from(tally::PENDING)];
    let mut and = |clause: &str, value: Value| {
        values.push(value);
        text.push_str(&clause.replacen('?', &format!("${}", values.len()), 1));
    };
    if let Some(lane) = filter.priority {
        and(" AND t.lane = ?", Value::from(lane.to_value()));
    }
    if let Some(campaign) = filter.campaign {
        and(" AND t.scope IN (SELECT s.id FROM email_scopes s WHERE s.campaign_id = ?)", Value::from(campaign));
    }
    if let Some(domain) = &filter.domain {
        and(
            " AND t.scope IN (SELECT s.id FROM email_scopes s WHERE s.sending_domain = ?)",
            Value::from(domain.clone()),
        );
    }
    text.push_str(" GROUP BY t.status");
    let mut sum = 0i64;
    for row in rows(ctx.store.read(), ctx.store.sql(text, values)).await? {
        if filter.allows(row.try_get("", "status")?) {
            sum += row.try_get::<i64>("", "n")?;
        }
    }
    Ok(sum.max(0) as u64)
}

/// The tries of these emails, each email's in order.
///
/// # Errors
/// The database's own.
pub async fn attempts(ctx: &Context, ids: &[Uuid]) -> Result<HashMap<Uuid, Vec<attempt::Model>>> {
    let text = "SELECT a.* FROM email_attempts a JOIN {rows} AS v ON a.email_id = v.id ORDER BY a.email_id, a.fence";
    let mut tries: HashMap<Uuid, Vec<attempt::Model>> = HashMap::new();
    for one in models::<attempt::Model>(&ask(ctx, text, ids).await?)? {
        tries.entry(one.email_id).or_default().push(one);
    }
    Ok(tries)
}

/// What is known of these emails beside their status; of one that nothing was reported of, nothing.
///
/// # Errors
/// The database's own.
pub async fn facts(ctx: &Context, ids: &[Uuid]) -> Result<HashMap<Uuid, email_facts::Model>> {
    let text = "SELECT f.* FROM email_facts f JOIN {rows} AS v ON f.email_id = v.id";
    let found = models::<email_facts::Model>(&ask(ctx, text, ids).await?)?;
    Ok(found.into_iter().map(|facts| (facts.email_id, facts)).collect())
}

/// What these contents hold besides their bodies: all that a list of emails shows.
///
/// # Errors
/// The database's own; [`crate::Error::Sealed`] when the keyring can't open one.
pub async fn heads(ctx: &Context, ids: &[Uuid]) -> Result<HashMap<Uuid, Head>> {
    let text = "SELECT c.id, c.key_id, c.wrapped_key, c.head FROM email_contents c JOIN {rows} AS v ON c.id = v.id";
    let sealed = ask(ctx, text, ids).await?;
    sealed.iter().map(|row| Sealed::read(ctx, row).and_then(|s| Ok((s.id, s.head(row)?)))).collect()
}

/// These contents in the clear.
///
/// # Errors
/// As [`heads`].
pub async fn contents(ctx: &Context, ids: &[Uuid]) -> Result<HashMap<Uuid, Opened>> {
    let text = "SELECT c.id, c.key_id, c.wrapped_key, c.head, c.html, c.text FROM email_contents c \
                JOIN {rows} AS v ON c.id = v.id";
    let mut opened = HashMap::new();
    for row in ask(ctx, text, ids).await? {
        let sealed = Sealed::read(ctx, &row)?;
        let content = Opened {
            head: sealed.head(&row)?,
            html: sealed.body(&row, "html")?,
            text: sealed.body(&row, "text")?,
            key_id: row.try_get("", "key_id")?,
        };
        opened.insert(sealed.id, content);
    }
    Ok(opened)
}

/// A content's row with its data key at hand.
struct Sealed {
    id: Uuid,
    key: entity::sealed::DataKey,
}

impl Sealed {
    fn read(ctx: &Context, row: &QueryResult) -> Result<Self> {
        let id = row.try_get("", "id")?;
        let wrapped = Wrapped { key_id: row.try_get("", "key_id")?, wrapped: row.try_get("", "wrapped_key")? };
        Ok(Self { id, key: ctx.keyring.unwrap(&wrapped, entity::content::TABLE, id)? })
    }

    fn head(&self, row: &QueryResult) -> Result<Head> {
        let sealed: Vec<u8> = row.try_get("", "head")?;
        Ok(serde_json::from_slice(&self.key.open(entity::content::TABLE, self.id, "head", &sealed)?)?)
    }

    fn body(&self, row: &QueryResult, column: &str) -> Result<Option<String>> {
        let Some(sealed) = row.try_get::<Option<Vec<u8>>>("", column)? else { return Ok(None) };
        let plain = self.key.open(entity::content::TABLE, self.id, column, &sealed)?;
        Ok(Some(String::from_utf8_lossy(&plain).into_owned()))
    }
}

/// Whether emails that wait in these lanes and scopes may leave at this moment, and why not.
///
/// # Errors
/// The database's own.
pub async fn leaves(ctx: &Context, pairs: &[(Priority, i32)]) -> Result<HashMap<(Priority, i32), Leave>> {
    let now = ctx.clock.now();
    let holds = Holds::load(ctx.store.read(), now).await?;
    let transport = ctx.settings.transport();
    let mut leaves = HashMap::with_capacity(pairs.len());
    for &(lane, scope) in pairs {
        let scope = ctx.scopes.get(ctx.store.read(), &ctx.store, scope).await?;
        leaves.insert((lane, scope.id), holds.over(lane, &scope, &transport, now));
    }
    Ok(leaves)
}

async fn ask(ctx: &Context, text: &str, ids: &[Uuid]) -> Result<Vec<QueryResult>> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    Ok(rows(ctx.store.read(), ctx.store.sql_rows(text, [], Rows::new().uuid("id", ids))).await?)
}

pub(crate) fn models<M: FromQueryResult>(found: &[QueryResult]) -> Result<Vec<M>> {
    Ok(found.iter().map(|row| M::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

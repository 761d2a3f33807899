//! What Mailgun's lists are to be told, noted in the transaction that changes ours: behind the suppressions in the order of
//! locks. A later order about an address takes the place of an earlier one, so the last word is what Mailgun hears.
//!
//! Told is what people enter, import and lift, and who unsubscribes by our own link. What Mailgun reports stands on its list
//! already, so recording an event orders nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::provider_list::List;
use entity::provider_order::{Lift, Model};
use entity::suppression::{self, Reason, Scope};
use entity::suppression_fact;
use sea_orm::{ActiveEnum, DatabaseTransaction, Value};
use tokio::time::Instant;

use super::{Direction, rule};
use crate::Context;
use crate::error::Result;
use crate::find::models;
use crate::rows::Rows;
use crate::store::{execute, rows};

/// How often one looks whether Mailgun's lists have followed.
const LOOK: Duration = Duration::from_millis(50);

/// What is put on a list of each sending domain.
struct Put<'a> {
    domain: &'a str,
    target: &'a str,
    reason: Reason,
    sandbox: bool,
    note: Option<&'a str>,
    since: DateTime<Utc>,
}

/// Orders that what these facts entered, as far as it stands and belongs there, is put on Mailgun's lists.
pub(crate) async fn put(tx: &DatabaseTransaction, ctx: &Context, facts: &[suppression_fact::Model]) -> Result<()> {
    if ctx.settings.suppression_sync != Direction::Both {
        return Ok(());
    }
    let domains = || ctx.settings.domains.iter();
    let told = facts.iter().filter(|fact| !fact.lift && rule::belongs(&fact.target, fact.expires_at, fact.source));
    let puts = told.flat_map(|fact| {
        domains().map(|domain| Put {
            domain,
            target: &fact.target,
            reason: fact.reason,
            sandbox: fact.sandbox,
            note: fact.note.as_deref(),
            since: fact.occurred_at,
        })
    });
    store(tx, ctx, puts.collect()).await
}

/// The same for entries of our list, to the lists of one domain.
pub(super) async fn offer(
    tx: &DatabaseTransaction,
    ctx: &Context,
    domain: &str,
    entries: &[suppression::Model],
) -> Result<()> {
    let puts = entries.iter().map(|entry| Put {
        domain,
        target: &entry.target,
        reason: entry.reason,
        sandbox: entry.sandbox,
        note: entry.note.as_deref(),
        since: entry.occurred_at,
    });
    store(tx, ctx, puts.collect()).await
}

async fn store(tx: &DatabaseTransaction, ctx: &Context, puts: Vec<Put<'_>>) -> Result<()> {
    // In the order of their locks, and each once.
    let puts: BTreeMap<_, _> =
        puts.into_iter().map(|put| ((put.target, rule::list_of(put.reason), put.domain, put.sandbox), put)).collect();
    if puts.is_empty() {
        return Ok(());
    }
    let text = "INSERT INTO email_provider_orders (id, domain, list, sandbox, target, lift, note, occurred_at, ordered_at, \
         due_at, tries) SELECT v.id, v.domain, v.list, v.sandbox, v.target, false, v.note, v.occurred_at, $1, $1, 0 \
         FROM {rows} AS v JOIN email_suppression_list s \
         ON s.target = v.target AND s.reason = v.reason AND s.sandbox = v.sandbox WHERE s.lifted_at IS NULL \
         ORDER BY v.target, v.list, v.domain ON CONFLICT (target, list, domain, sandbox) DO UPDATE SET id = excluded.id, \
         lift = false, note = excluded.note, occurred_at = excluded.occurred_at, ordered_at = excluded.ordered_at, \
         due_at = excluded.due_at, tries = 0, last_error = NULL, done_at = NULL";
    let all = || puts.values();
    let values = Rows::new()
        .uuid("id", all().map(|_| ctx.clock.id()))
        .text("domain", all().map(|put| put.domain.to_owned()))
        .int("list", all().map(|put| rule::list_of(put.reason).to_value()))
        .int("reason", all().map(|put| put.reason.to_value()))
        .flag("sandbox", all().map(|put| put.sandbox))
        .text("target", all().map(|put| put.target.to_owned()))
        .text("note", all().map(|put| rule::words(put.reason, put.note)))
        .time("occurred_at", all().map(|put| put.since));
    execute(tx, ctx.store.sql_rows(text, [Value::from(ctx.clock.now())], values)).await?;
    Ok(())
}

/// Orders that an address is taken off Mailgun's lists of these reasons, but for those on which it `stays` for others. Whether
/// it stands there is not known here: not to find it is as good. Answers whether anything was ordered.
pub(crate) async fn lift(
    tx: &DatabaseTransaction,
    ctx: &Context,
    target: &str,
    reasons: &[Reason],
    stays: &[Reason],
) -> Result<bool> {
    let lists = rule::left(reasons, stays);
    let told = ctx.settings.suppression_sync == Direction::Both && Scope::of(target) == Scope::Address;
    if !told || lists.is_empty() {
        return Ok(false);
    }
    let orders: Vec<(List, &String)> =
        lists.iter().flat_map(|list| ctx.settings.domains.iter().map(|domain| (*list, domain))).collect();
    let text = "INSERT INTO email_provider_orders (id, domain, list, sandbox, target, lift, occurred_at, ordered_at, due_at, \
         tries) SELECT v.id, v.domain, v.list, $2, $3, true, $1, $1, $1, 0 FROM {rows} AS v WHERE true \
         ORDER BY v.list, v.domain ON CONFLICT (target, list, domain, sandbox) DO UPDATE SET id = excluded.id, lift = true, \
         note = NULL, occurred_at = excluded.occurred_at, ordered_at = excluded.ordered_at, due_at = excluded.due_at, \
         tries = 0, last_error = NULL, done_at = NULL";
    let params = [Value::from(ctx.clock.now()), Value::from(ctx.settings.sandbox), Value::from(target)];
    let values = Rows::new()
        .uuid("id", orders.iter().map(|_| ctx.clock.id()))
        .text("domain", orders.iter().map(|(_, domain)| (*domain).clone()))
        .int("list", orders.iter().map(|(list, _)| list.to_value()));
    execute(tx, ctx.store.sql_rows(text, params, values)).await?;
    Ok(true)
}

/// Of these addresses, those that a list of this domain is still to be told to let go of.
pub(super) async fn leaving(
    tx: &DatabaseTransaction,
    ctx: &Context,
    domain: &str,
    list: List,
    targets: &BTreeSet<&str>,
) -> Result<BTreeSet<String>> {
    let text = "SELECT o.target FROM {rows} AS v JOIN email_provider_orders o ON o.target = v.target \
                WHERE o.list = $1 AND o.domain = $2 AND o.sandbox = $3 AND o.lift AND o.done_at IS NULL";
    let values = [Value::from(list.to_value()), Value::from(domain), Value::from(ctx.settings.sandbox)];
    let asked = Rows::new().text("target", targets.iter().map(|target| (*target).to_owned()));
    let found = rows(tx, ctx.store.sql_rows(text, values, asked)).await?;
    Ok(found.iter().map(|row| row.try_get("", "target")).collect::<Result<_, _>>()?)
}

/// Of these addresses, by sending domain, those that Mailgun's lists are still to be told to let go of, and when that is tried
/// next: until then Mailgun keeps what is sent to them back, and says so as if they had bounced. A lift that failed often is
/// none of them: Mailgun may then say what it likes.
pub(crate) async fn lifting(
    tx: &DatabaseTransaction,
    ctx: &Context,
    targets: &[&str],
) -> Result<HashMap<String, BTreeMap<String, DateTime<Utc>>>> {
    let mut lifting: HashMap<String, BTreeMap<String, DateTime<Utc>>> = HashMap::new();
    if ctx.settings.suppression_sync != Direction::Both || targets.is_empty() {
        return Ok(lifting);
    }
    let text = "SELECT o.domain, o.target, max(o.due_at) AS due_at FROM {rows} AS v \
                JOIN email_provider_orders o ON o.target = v.target \
                WHERE o.lift AND o.done_at IS NULL AND o.tries < $1 AND o.sandbox = $2 GROUP BY o.domain, o.target";
    let values = [Value::from(rule::MANY), Value::from(ctx.settings.sandbox)];
    let asked = Rows::new().text("target", targets.iter().map(|target| (*target).to_owned()));
    for row in rows(tx, ctx.store.sql_rows(text, values, asked)).await? {
        let domain: String = row.try_get("", "domain")?;
        // A domain that is no longer ours to send from is told nothing more.
        if ctx.settings.domains.contains(&domain) {
            lifting.entry(domain).or_default().insert(row.try_get("", "target")?, row.try_get("", "due_at")?);
        }
    }
    Ok(lifting)
}

/// Whom a lift was about, of which list, and in which mode.
pub type Lifted = (String, List, bool);

/// How far Mailgun's lists have followed the lifts of these; those of which nothing was ordered are left out.
///
/// # Errors
/// The database's own.
pub async fn lifts(ctx: &Context, asked: &[Lifted]) -> Result<HashMap<Lifted, Lift>> {
    let text = "SELECT o.* FROM {rows} AS v JOIN email_provider_orders o \
                ON o.target = v.target AND o.list = v.list AND o.sandbox = v.sandbox WHERE o.lift";
    let values = Rows::new()
        .text("target", asked.iter().map(|one| one.0.clone()))
        .int("list", asked.iter().map(|one| one.1.to_value()))
        .flag("sandbox", asked.iter().map(|one| one.2));
    let mut orders: HashMap<Lifted, Vec<Model>> = HashMap::new();
    for order in models::<Model>(&rows(ctx.store.read(), ctx.store.sql_rows(text, [], values)).await?)? {
        // A domain that is no longer ours to send from is told nothing more.
        if ctx.settings.domains.contains(&order.domain) {
            orders.entry((order.target.clone(), order.list, order.sandbox)).or_default().push(order);
        }
    }
    Ok(orders.into_iter().filter_map(|(lifted, orders)| Some((lifted, rule::followed(&orders)?))).collect())
}

/// How far Mailgun's lists have followed a lift of these reasons by now: waits for them, for a moment at the most. `None` where
/// nothing was ordered. Whoever lifts and sends at once would otherwise be refused by Mailgun in our own words.
///
/// # Errors
/// The database's own.
pub async fn followed(ctx: &Context, target: &str, reasons: &[Reason], patience: Duration) -> Result<Option<Lift>> {
    let lists: BTreeSet<List> = reasons.iter().map(|reason| rule::list_of(*reason)).collect();
    let asked: Vec<Lifted> = lists.into_iter().map(|list| (target.to_owned(), list, ctx.settings.sandbox)).collect();
    let end = Instant::now() + patience;
    loop {
        let followed = rule::slowest(lifts(ctx, &asked).await?.into_values());
        if followed != Some(Lift::Pending) || Instant::now() >= end {
            return Ok(followed);
        }
        tokio::time::sleep(LOOK).await;
    }
}

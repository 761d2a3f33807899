//! Stories of events.

use entity::email_facts;
use jobs::store::rows;
use sea_orm::{ConnectionTrait, EntityTrait, TransactionTrait, Value};

use super::{Broken, hold, idle};
use crate::app::{App, Plan};
use crate::database::Backend;
use crate::patience::{SOON, until_true};
use crate::webhook::Told;

const READER: &str = "reader@example.org";

/// Somebody saw a webhook and puts its signature before another event.
pub async fn token() -> Result<(), Broken> {
    let app = idle().await;
    let id = app.send_each(1, |draft| draft.to = READER.into()).await[0];
    let now = app.ctx.clock.now();
    let (true_one, forged) = (Told::new("delivered", id, READER, now), Told::new("complained", id, READER, now));
    for told in [true_one, forged] {
        app.engine.recorder.take(told.signed(now, "seen")).await.expect("the database answers");
    }
    let list = entity::suppression::Entity::find().all(app.ctx.store.write()).await.expect("the database answers");
    hold(list.is_empty(), "a forged complaint suppressed an address")
}

/// Mailgun brings an event again, signed anew.
pub async fn dedupe() -> Result<(), Broken> {
    let app = idle().await;
    let id = app.send_each(1, |draft| draft.to = READER.into()).await[0];
    let told = Told::new("opened", id, READER, app.ctx.clock.now());
    for _ in 0..2 {
        app.engine.recorder.take(told.webhook()).await.expect("the database answers");
    }
    let facts = email_facts::Entity::find_by_id(id).one(app.ctx.store.write()).await.expect("the database answers");
    let opens = facts.map_or(0, |facts| facts.opens);
    hold(opens == 1, format!("an event that came twice was counted {opens} times"))
}

/// Two processes record at once, and the one that began first ends last, while somebody follows.
pub async fn seq() -> Result<(), Broken> {
    let app = App::start(Plan::on(Backend::Postgres).without_workers()).await;
    let other = app.another(false).await;
    let ids = app.send_each(2, |draft| draft.to = READER.into()).await;
    let held = app.ctx.store.write().begin().await.expect("a transaction");
    let lock = format!("SELECT id FROM email_queue WHERE id = '{}' FOR UPDATE", ids[0]);
    held.execute_unprepared(&lock).await.expect("its row");
    let told = |n: usize| Told::new("delivered", ids[n], READER, app.ctx.clock.now()).webhook();
    let (recorder, slow) = (app.engine.recorder.clone(), told(0));
    let slow = tokio::spawn(async move { recorder.take(slow).await });
    let waits = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    until_true("the first to wait for the row", SOON, async || {
        let waiting = app.ctx.store.sql(waits, []);
        !rows(app.ctx.store.write(), waiting).await.expect("the database answers").is_empty()
    })
    .await;
    other.engine.recorder.take(told(1)).await.expect("the database answers");
    let seen = read(&app, 0).await;
    held.rollback().await.expect("it ends");
    slow.await.expect("no panic").expect("the database answers");
    let then = read(&app, seen.last().copied().unwrap_or_default()).await;
    hold(seen.len() + then.len() == 2, format!("a follower was given the events {seen:?} and {then:?}, and misses one"))
}

/// The numbers above this one.
async fn read(app: &App, above: i64) -> Vec<i64> {
    let text = "SELECT e.seq FROM email_delivery_events e WHERE e.seq > $1 ORDER BY e.seq";
    let found = rows(app.ctx.store.write(), app.ctx.store.sql(text, [Value::from(above)])).await;
    found.expect("the database answers").iter().map(|row| row.try_get("", "seq").expect("a number")).collect()
}

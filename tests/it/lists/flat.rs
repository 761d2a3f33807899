//! What a page and a count cost, in pages of the database that are read (PostgreSQL) or steps of its machine (SQLite), is the
//! same among few emails and among many, whatever the filter and however the statuses are spread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use entity::{Priority, Status};
use jobs::filter::{Filter, Order};
use jobs::store::rows;
use sea_orm::sqlx::sqlite::SqlitePoolOptions;
use sea_orm::{DatabaseConnection, SqlxSqliteConnector, Statement};
use tests::database::Backend;

use super::queue::{BUSY, LARGE, Queue, RARE, RARE_DOMAIN, SMALL, Spread, UNKNOWN, USUAL_DOMAIN, span};

on_both! {
    a_page_costs_the_same_among_many_sent_as_among_few
    a_page_costs_the_same_among_many_queued_as_among_few
    a_page_costs_the_same_where_what_is_rare_is_oldest
}

/// Every filter whose cost is promised: each part alone and with each status, with some statuses and with time.
fn promised(n: i64) -> Vec<Filter> {
    let none = Filter::default;
    let campaign = |id| Filter { campaign: Some(id), ..none() };
    let address = |key: &str| Filter { address_key: Some(key.into()), ..none() };
    let domain = |name: &str| Filter { domain: Some(name.into()), ..none() };
    let subjects = [
        none(),
        campaign(LARGE),
        campaign(SMALL),
        campaign(UNKNOWN),
        address(BUSY),
        address(RARE),
        address("nobody@example.org"),
        domain(USUAL_DOMAIN),
        domain(RARE_DOMAIN),
        Filter { priority: Some(Priority::High), ..none() },
        Filter { priority: Some(Priority::Normal), domain: Some(USUAL_DOMAIN.into()), ..campaign(LARGE) },
    ];
    let mut statuses: Vec<Vec<Status>> = Status::all().map(|status| vec![status]).collect();
    statuses.push(Vec::new());
    statuses.push(vec![Status::Failed, Status::Expired]);
    statuses.push(vec![Status::Scheduled, Status::Queued, Status::Sending, Status::Unconfirmed]);
    statuses.push(Status::all().filter(|status| status.is_finished()).collect());
    let spans = [(None, None), span(n / 3, n), span(0, n / 2)];
    let mut filters = Vec::new();
    for subject in &subjects {
        for statuses in &statuses {
            for (created_from, created_until) in spans {
                filters.push(Filter { statuses: statuses.clone(), created_from, created_until, ..subject.clone() });
            }
        }
    }
    filters
}

/// Asks and says what it cost.
enum Meter {
    Pages(DatabaseConnection),
    Steps(DatabaseConnection, Arc<AtomicU64>),
}

impl Meter {
    async fn of(queue: &Queue) -> Self {
        match queue.backend() {
            // As readers ask: the connection's settings are part of what is measured.
            Backend::Postgres => Meter::Pages(queue.ctx.store.read().clone()),
            Backend::Sqlite => {
                let steps = Arc::new(AtomicU64::new(0));
                let counted = steps.clone();
                let pool = SqlitePoolOptions::new().max_connections(1).after_connect(move |connection, _| {
                    let counted = counted.clone();
                    Box::pin(async move {
                        let count = move || {
                            counted.fetch_add(1, Ordering::Relaxed);
                            true
                        };
                        connection.lock_handle().await?.set_progress_handler(1, count);
                        Ok(())
                    })
                });
                let pool = pool.connect(queue.url()).await.unwrap();
                Meter::Steps(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool), steps)
            }
        }
    }

    async fn cost(&self, statement: Statement) -> u64 {
        match self {
            Meter::Pages(db) => {
                let sql = format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {}", statement.sql);
                let plan = rows(db, Statement { sql, ..statement }).await.unwrap();
                let plan: serde_json::Value = plan[0].try_get_by_index(0).unwrap();
                let blocks = |kind: &str| plan[0]["Plan"][kind].as_u64().unwrap();
                blocks("Shared Hit Blocks") + blocks("Shared Read Blocks")
            }
            Meter::Steps(db, steps) => {
                let before = steps.load(Ordering::Relaxed);
                rows(db, statement).await.unwrap();
                steps.load(Ordering::Relaxed) - before
            }
        }
    }
}

async fn costs(queue: &Queue, meter: &Meter) -> Vec<(String, u64)> {
    let mut costs = Vec::new();
    for filter in promised(queue.n) {
        let clauses = filter.clauses();
        for order in [Order::Ascending, Order::Descending] {
            let page = clauses.page(&queue.ctx.store, "q.*", order, 26, "");
            costs.push((format!("{order:?} {filter:?}"), meter.cost(page).await));
        }
    }
    costs
}

async fn compare(backend: Backend, usual: Status, spread: Spread) {
    let (few, many) =
        (Queue::of(backend, 2_000, usual, spread).await, Queue::of(backend, 30_000, usual, spread).await);
    let (small, large) = (costs(&few, &Meter::of(&few).await).await, costs(&many, &Meter::of(&many).await).await);
    let mut worst: Vec<_> = small.iter().zip(&large).map(|((filter, few), (_, many))| (*many as i64 - *few as i64, *few, *many, filter)).collect();
    worst.sort();
    for w in worst.iter().rev().take(4) { println!("{w:?}"); }
    println!("max {:?}", worst.iter().map(|w| w.2).max());
}

async fn a_page_costs_the_same_among_many_sent_as_among_few(backend: Backend) {
    compare(backend, Status::Sent, Spread::Even).await;
}

async fn a_page_costs_the_same_among_many_queued_as_among_few(backend: Backend) {
    compare(backend, Status::Queued, Spread::Even).await;
}

async fn a_page_costs_the_same_where_what_is_rare_is_oldest(backend: Backend) {
    compare(backend, Status::Delivered, Spread::Oldest).await;
}

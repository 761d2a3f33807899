//! What a page, a count and a group of a bulk operation cost is the same among few emails and among many, whatever the filter
//! and however the statuses are spread. It is counted in pages of the database (PostgreSQL) or steps of its machine (SQLite).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use entity::{Priority, Status};
use jobs::filter::{Filter, Order};
use jobs::store::rows;
use sea_orm::sqlx::sqlite::SqlitePoolOptions;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, SqlxSqliteConnector, Statement, TransactionTrait, Value,
};
use tests::database::Backend;

use super::queue::{BUSY, LARGE, Queue, RARE, RARE_DOMAIN, SMALL, Spread, UNKNOWN, USUAL_DOMAIN, span};

on_both! {
    a_list_costs_the_same_among_many_sent_as_among_few
    a_list_costs_the_same_among_many_queued_as_among_few
    a_list_costs_the_same_where_what_is_rare_is_oldest
}

async fn a_list_costs_the_same_among_many_sent_as_among_few(backend: Backend) {
    compare(backend, Status::Sent, Spread::Even).await;
}

async fn a_list_costs_the_same_among_many_queued_as_among_few(backend: Backend) {
    compare(backend, Status::Queued, Spread::Even).await;
}

async fn a_list_costs_the_same_where_what_is_rare_is_oldest(backend: Backend) {
    compare(backend, Status::Delivered, Spread::Oldest).await;
}

const SMALL_QUEUE: i64 = 2_000;
const LARGE_QUEUE: i64 = 30_000;

async fn compare(backend: Backend, usual: Status, spread: Spread) {
    let (few, many) =
        (costs(backend, SMALL_QUEUE, usual, spread).await, costs(backend, LARGE_QUEUE, usual, spread).await);
    assert_eq!(few.len(), many.len());
    // An index of more emails may be a level higher, for each of up to thirty runs; and where the few fall in a span of time
    // differs by some. To walk the larger queue would cost ten times as much as is allowed here.
    let (slack, most) = match backend {
        Backend::Postgres => (40, 1_000),
        Backend::Sqlite => (600, 20_000),
    };
    for ((question, few), (_, many)) in few.iter().zip(&many) {
        assert!(*many <= few + few / 8 + slack && *many < most, "{many} among many, {few} among few: {question}");
    }
}

/// What each question costs of a queue that was filled after its plan was made: a server that started with an empty queue must
/// not keep to what was good then.
async fn costs(backend: Backend, n: i64, usual: Status, spread: Spread) -> Vec<(String, u64)> {
    let queue = Queue::empty(backend).await;
    let meter = Meter::of(&queue).await;
    let mut questions = Vec::new();
    for filter in promised(n) {
        for (name, asker, statement) in statements(&queue, &filter, usual) {
            questions.push((format!("{name} {filter:?}"), asker, meter.prepare(asker, statement).await));
        }
    }
    queue.fill(n, usual, spread).await;
    // PostgreSQL does so by itself within a minute of a table's growth, and plans again by what it found.
    queue.analyze().await;
    let mut costs = Vec::with_capacity(questions.len());
    for (question, asker, prepared) in questions {
        costs.push((question, meter.cost(asker, prepared).await));
    }
    costs
}

/// Whose connections a question is asked on; they differ in what the planner may do.
#[derive(Clone, Copy, Debug)]
pub enum Asker {
    Reader,
    Writer,
}

/// What is asked of a list: its pages from either end, a group of a bulk operation, and a count where it can't come to the
/// 10,000 at which it stops.
fn statements(queue: &Queue, filter: &Filter, usual: Status) -> Vec<(&'static str, Asker, Statement)> {
    let (store, clauses) = (&queue.ctx.store, filter.clauses());
    let mut asked = vec![
        ("the newest of", Asker::Reader, clauses.page(store, "q.*", Order::Descending, 26, "")),
        ("the oldest of", Asker::Reader, clauses.page(store, "q.*", Order::Ascending, 26, "")),
        ("a group of", Asker::Writer, clauses.page(store, "q.id", Order::Ascending, 50, &store.for_update_of("q"))),
    ];
    if !filter.allows(usual) {
        asked.push(("a count of", Asker::Reader, clauses.count(store, 10_001)));
    }
    asked
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
pub enum Meter {
    /// On a connection of the readers and one of the writers: their settings are part of what is measured.
    Pages([DatabaseTransaction; 2], AtomicU64),
    Steps(DatabaseConnection, Arc<AtomicU64>),
}

impl Meter {
    pub async fn of(queue: &Queue) -> Self {
        match queue.backend() {
            Backend::Postgres => {
                let store = &queue.ctx.store;
                let both = [store.read().begin().await.unwrap(), store.write().begin().await.unwrap()];
                Meter::Pages(both, AtomicU64::new(0))
            }
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

    /// Lets the database make its plan.
    pub async fn prepare(&self, asker: Asker, statement: Statement) -> Statement {
        match self {
            Meter::Pages(both, prepared) => {
                let db = &both[asker as usize];
                let name = format!("asked_{}", prepared.fetch_add(1, Ordering::Relaxed));
                db.execute_unprepared(&format!("PREPARE {name} AS {}", statement.sql)).await.unwrap();
                let values: Vec<String> = statement.values.iter().flat_map(|values| &values.0).map(literal).collect();
                let sql = format!("EXECUTE {name} ({})", values.join(", "));
                db.execute_unprepared(&sql).await.unwrap();
                Statement { sql, values: None, ..statement }
            }
            Meter::Steps(db, _) => {
                rows(db, statement.clone()).await.unwrap();
                statement
            }
        }
    }

    pub async fn cost(&self, asker: Asker, prepared: Statement) -> u64 {
        match self {
            Meter::Pages(both, _) => {
                let db = &both[asker as usize];
                let sql = format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {}", prepared.sql);
                let plan = rows(db, Statement { sql, ..prepared }).await.unwrap();
                let plan: serde_json::Value = plan[0].try_get_by_index(0).unwrap();
                let blocks = |kind: &str| plan[0]["Plan"][kind].as_u64().unwrap();
                blocks("Shared Hit Blocks") + blocks("Shared Read Blocks")
            }
            Meter::Steps(db, steps) => {
                let before = steps.load(Ordering::Relaxed);
                rows(db, prepared).await.unwrap();
                steps.load(Ordering::Relaxed) - before
            }
        }
    }
}

/// A parameter as SQL's text.
fn literal(value: &Value) -> String {
    match value {
        Value::Uuid(Some(id)) => format!("'{id}'"),
        Value::String(Some(text)) => format!("'{text}'"),
        Value::SmallInt(Some(n)) => n.to_string(),
        Value::Int(Some(n)) => n.to_string(),
        Value::BigInt(Some(n)) => n.to_string(),
        Value::ChronoDateTimeUtc(Some(at)) => format!("'{}'", at.to_rfc3339()),
        // Of whatever type the question says.
        Value::Array(_, Some(cells)) => {
            let cells: Vec<String> = cells.iter().map(|cell| literal(cell).trim_matches('\'').to_owned()).collect();
            format!("'{{{}}}'", cells.join(","))
        }
        other => panic!("no filter has a parameter like {other:?}"),
    }
}

//! What a page of campaigns, their ledgers and their metrics cost is the same among few campaigns and among many, however many
//! emails they have. (A page of a campaign's emails is asked in `flat`.)

use jobs::campaign::list::asked;
use jobs::campaign::standing::{ledgers_asked, sent_asked};
use jobs::filter::Order;
use jobs::metric::{Over, Range, of_asked, of_campaigns_asked};
use sea_orm::Statement;
use tests::database::Backend;
use uuid::Uuid;

use super::flat::{Asker, Meter};
use super::queue::{Queue, USUAL_DOMAIN};

on_both! {
    what_is_told_of_campaigns_costs_the_same_among_many_as_among_few
}

/// Puts `n` campaigns into the tables, each with emails in three statuses and three hours of metrics.
async fn fill(queue: &Queue, n: i64) {
    let (id, at, series) = (queue.id("i"), queue.at("i"), queue.series(n));
    let bytes = match queue.backend() {
        Backend::Postgres => "'\\x00'::bytea",
        Backend::Sqlite => "x'00'",
    };
    let campaigns = format!(
        "INSERT INTO campaigns (id, name, scope, lane, sender, content_id, key_id, wrapped_key, on_unconfirmed, transactional, \
         test_mode, sandbox, batch, launched_at, send_at, created_at, updated_at) \
         SELECT {id}, 'Campaign ' || i, i + 10, 1, 'Ann <ann@mg.example.com>', {id}, '', {bytes}, 0, false, false, false, false, \
         {at}, {at}, {at}, {at} FROM {series}"
    );
    let scopes = format!(
        "INSERT INTO email_scopes (id, campaign_id, sending_domain) SELECT i + 10, {id}, '{USUAL_DOMAIN}' FROM {series}"
    );
    let shards = "(SELECT 0 AS shard UNION ALL SELECT 1) AS h";
    let tallies = format!(
        "INSERT INTO email_tallies (lane, scope, status, shard, n) SELECT 1, i + 10, status, shard, 500000 \
         FROM (SELECT i FROM {series}) AS c, (SELECT 1 AS status UNION ALL SELECT 4 UNION ALL SELECT 6) AS s, {shards}"
    );
    let hour = queue.at("nth * 360000");
    let metrics = format!(
        "INSERT INTO campaign_delivery_metrics (scope, hour, metric, shard, n) SELECT i + 10, {hour}, metric, shard, 500000 \
         FROM (SELECT i FROM {series}) AS c, (SELECT 0 AS nth UNION ALL SELECT 1 UNION ALL SELECT 2) AS t, \
         (SELECT 0 AS metric UNION ALL SELECT 1 UNION ALL SELECT 2) AS m, {shards}"
    );
    for text in [campaigns, scopes, tallies, metrics] {
        queue.run(&text).await;
    }
}

/// What is asked for a page of campaigns and for one.
fn questions(queue: &Queue, n: i64) -> Vec<(&'static str, Statement)> {
    let store = &queue.ctx.store;
    let page: Vec<Uuid> = (n / 2..n / 2 + 5).map(Queue::nth).collect();
    let (one, begun, range) = (page[0], Queue::accepted_at(0), Range::default());
    vec![
        ("the newest campaigns", asked(store, None, Order::Descending, 26)),
        ("the oldest campaigns", asked(store, None, Order::Ascending, 26)),
        ("campaigns after one", asked(store, Some(one), Order::Descending, 26)),
        ("campaigns before one", asked(store, Some(one), Order::Ascending, 26)),
        ("a campaign's ledger", ledgers_asked(store, [one])),
        ("a page's ledgers", ledgers_asked(store, page.clone())),
        ("a page's estimates", sent_asked(store, begun, page.clone())),
        ("a campaign's metrics", of_asked(store, &Over::Campaign(one), range)),
        ("a page's metrics", of_campaigns_asked(store, &page, range)),
    ]
}

async fn costs(backend: Backend, n: i64) -> Vec<(&'static str, u64)> {
    let queue = Queue::empty(backend).await;
    let meter = Meter::of(&queue).await;
    let mut prepared = Vec::new();
    for (question, statement) in questions(&queue, n) {
        prepared.push((question, meter.prepare(Asker::Reader, statement).await));
    }
    fill(&queue, n).await;
    queue.analyze().await;
    let mut costs = Vec::with_capacity(prepared.len());
    for (question, prepared) in prepared {
        costs.push((question, meter.cost(Asker::Reader, prepared).await));
    }
    costs
}

async fn what_is_told_of_campaigns_costs_the_same_among_many_as_among_few(backend: Backend) {
    let (few, many) = (costs(backend, 1_000).await, costs(backend, 15_000).await);
    // As in `flat`: an index of more campaigns may be a level higher.
    let (slack, most) = match backend {
        Backend::Postgres => (40, 1_000),
        Backend::Sqlite => (600, 20_000),
    };
    for ((question, few), (_, many)) in few.iter().zip(&many) {
        assert!(*many <= few + few / 8 + slack && *many < most, "{many} among many, {few} among few: {question}");
    }
}

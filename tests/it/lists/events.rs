//! What a page of delivery events costs is the same among few events and among many.

use entity::delivery_event::Kind;
use jobs::filter::Order;
use jobs::find::events::{Filter, Seqs, asked};
use tests::database::Backend;

use super::flat::{Asker, Meter};
use super::queue::{BUSY, FEW, LARGE, Queue, RARE, SMALL, UNKNOWN};

on_both! {
    a_page_of_events_costs_the_same_among_many_as_among_few
}

/// Puts `n` events into the table: nearly all are opens of one campaign, and of each stretch one stands out by its kind, one by
/// its campaign and one by its address.
async fn fill(queue: &Queue, n: i64) {
    let (large, small) = (queue.literal(LARGE), queue.literal(SMALL));
    let text = format!(
        "INSERT INTO email_delivery_events (seq, id, kind, source, email_id, campaign_id, copy, recipient_key, occurred_at, \
         recorded_at, seal_id, raw) \
         SELECT i + 1, {id}, CASE WHEN place = 20 THEN 3 ELSE 4 END, 0, {email}, CASE WHEN place = 21 THEN {small} ELSE {large} END, \
         false, CASE WHEN place = 23 THEN '{RARE}' WHEN i % 2 = 0 THEN '{BUSY}' ELSE 'reader' || i || '@example.org' END, \
         {at}, {at}, {id}, {id_bytes} FROM (SELECT i, i % {stretch} AS place FROM {series}) AS placed",
        id = queue.id("i"),
        email = queue.id("i / 8"),
        at = queue.at("i"),
        id_bytes = match queue.backend() {
            Backend::Postgres => "'\\x00'::bytea",
            Backend::Sqlite => "x'00'",
        },
        stretch = n / FEW,
        series = queue.series(n),
    );
    queue.run(&text).await;
}

fn filters() -> Vec<Filter> {
    let whole = Filter::default;
    let (usual, rare, never) = (vec![Kind::Opened], vec![Kind::Bounced], vec![Kind::Rejected]);
    let mut filters = vec![
        whole(),
        Filter::of_email(Queue::nth(7)),
        Filter { kinds: rare.clone(), ..Filter::of_email(Queue::nth(7)) },
        Filter { address_key: Some(BUSY.into()), ..whole() },
        Filter { address_key: Some(RARE.into()), ..whole() },
        Filter { address_key: Some("nobody@example.org".into()), ..whole() },
    ];
    for campaign in [None, Some(LARGE), Some(SMALL), Some(UNKNOWN)] {
        for kinds in [Vec::new(), usual.clone(), rare.clone(), never.clone(), [&usual[..], &rare].concat()] {
            filters.push(Filter { campaign, kinds, ..whole() });
        }
    }
    filters
}

async fn costs(backend: Backend, n: i64) -> Vec<(String, u64)> {
    let queue = Queue::empty(backend).await;
    let meter = Meter::of(&queue).await;
    let mut questions = Vec::new();
    for filter in filters() {
        for order in [Order::Ascending, Order::Descending] {
            for seqs in [Seqs::ALL, Seqs { first: n / 3, ..Seqs::ALL }, Seqs { last: n / 2, ..Seqs::ALL }] {
                let page = asked(&queue.ctx.store, &filter, seqs, order, 26);
                questions.push((format!("{order:?} {seqs:?} {filter:?}"), meter.prepare(Asker::Reader, page).await));
            }
        }
    }
    fill(&queue, n).await;
    queue.analyze().await;
    let mut costs = Vec::with_capacity(questions.len());
    for (question, prepared) in questions {
        costs.push((question, meter.cost(Asker::Reader, prepared).await));
    }
    costs
}

async fn a_page_of_events_costs_the_same_among_many_as_among_few(backend: Backend) {
    let (few, many) = (costs(backend, 2_000).await, costs(backend, 30_000).await);
    // As in `flat`: an index of more events may be a level higher.
    let (slack, most) = match backend {
        Backend::Postgres => (40, 1_000),
        Backend::Sqlite => (600, 20_000),
    };
    for ((question, few), (_, many)) in few.iter().zip(&many) {
        assert!(*many <= few + few / 8 + slack && *many < most, "{many} among many, {few} among few: {question}");
    }
}

//! What a page of the audit log costs is the same among few entries and among many, though nearly all of them are sends; and what
//! has had its time goes.

use chrono::TimeDelta;
use entity::audit_entry::{Entity, Model, Outcome};
use jobs::audit::{Filter, list, statement};
use jobs::filter::Order;
use jobs::find::Page;
use jobs::retention;
use sea_orm::{EntityTrait, PaginatorTrait};
use tests::database::Backend;
use uuid::Uuid;

use super::flat::{Asker, Meter};
use super::queue::{FEW, Queue};
use crate::control::world::World;

on_both! {
    a_page_of_the_audit_log_costs_the_same_among_many_as_among_few
    entries_go_when_their_time_is_over
}

const BUSY: Uuid = Uuid::from_u128(0xA);
const RARE: Uuid = Uuid::from_u128(0xB);

/// Puts `n` entries into the log: nearly all are sends by one key from one address, and of each stretch one stands out by what it
/// did, one by its key, one by its origin, one by what came of it, one by its subject and one by whom it is about.
async fn fill(queue: &Queue, n: i64) {
    let text = format!(
        "INSERT INTO audit_log (id, actor, operation, origin, via, outcome, subject, recipient, done) \
         SELECT {id}, CASE WHEN place = 21 THEN {rare} ELSE {busy} END, \
         CASE WHEN place IN (20, 21, 22) THEN 'cancelEmail' WHEN place = 24 THEN 'sendEmails' ELSE 'sendEmail' END, \
         CASE WHEN place IN (22, 24) THEN '192.0.2.2' ELSE '192.0.2.1' END, 'POST /graphql', \
         CASE WHEN place = 23 THEN 3 ELSE 1 END, CASE WHEN place = 25 THEN 'email:rare' ELSE 'email:' || i END, \
         CASE WHEN place = 20 THEN '00ff' END, 1 FROM (SELECT i, i % {stretch} AS place FROM {series}) AS placed",
        id = queue.id("i"),
        rare = queue.literal(RARE),
        busy = queue.literal(BUSY),
        stretch = n / FEW,
        series = queue.series(n),
    );
    queue.run(&text).await;
}

/// Every way there is to find entries, each alone and within a span of time.
fn filters(n: i64) -> Vec<Filter> {
    let none = Filter::default;
    let text = |text: &str| Some(text.to_owned());
    let acts = Filter { sends: Some(false), ..none() };
    let ways = [
        none(),
        Filter { actor: Some(BUSY), ..none() },
        Filter { actor: Some(RARE), ..none() },
        Filter { actor: Some(Uuid::max()), ..none() },
        Filter { actor: Some(BUSY), ..acts.clone() },
        Filter { actor: Some(RARE), ..acts.clone() },
        Filter { operation: text("sendEmail"), ..none() },
        Filter { operation: text("cancelEmail"), ..none() },
        Filter { operation: text("pause"), ..none() },
        Filter { origin: text("192.0.2.1"), ..none() },
        Filter { origin: text("192.0.2.2"), ..none() },
        Filter { origin: text("192.0.2.1"), ..acts.clone() },
        Filter { origin: text("192.0.2.3"), ..none() },
        Filter { outcomes: vec![Outcome::Refused], ..none() },
        Filter { outcomes: vec![Outcome::Failed], ..none() },
        Filter { subject: text("email:rare"), ..none() },
        Filter { subject: text("email:none"), ..none() },
        Filter { recipient: text("00ff"), ..none() },
        acts,
    ];
    let spans = [(None, None), (Some(n / 3), Some(n / 2))];
    let at = |i: Option<i64>| i.map(Queue::accepted_at);
    let within = |way: &Filter| spans.map(|(from, until)| Filter { from: at(from), until: at(until), ..way.clone() });
    ways.iter().flat_map(within).collect()
}

async fn a_page_of_the_audit_log_costs_the_same_among_many_as_among_few(backend: Backend) {
    let (few, many) = (costs(backend, 2_000).await, costs(backend, 30_000).await);
    let (slack, most) = match backend {
        Backend::Postgres => (15, 200),
        Backend::Sqlite => (100, 20_000),
    };
    for ((question, few), (_, many)) in few.iter().zip(&many) {
        assert!(*many <= few + few / 8 + slack && *many < most, "{many} among many, {few} among few: {question}");
    }
}

async fn costs(backend: Backend, n: i64) -> Vec<(String, u64)> {
    let queue = Queue::empty(backend).await;
    let meter = Meter::of(&queue).await;
    let mut questions = Vec::new();
    for filter in filters(n) {
        for order in [Order::Descending, Order::Ascending] {
            for from in [None, Some(Queue::nth(n / 2))] {
                let asked = statement(&queue.ctx.store, &filter, from, order, 26);
                let name = format!("{order:?} from {} {filter:?}", from.is_some());
                questions.push((name, meter.prepare(Asker::Reader, asked).await));
            }
        }
    }
    fill(&queue, n).await;
    queue.analyze().await;
    let page = Page::First { n: 100, after: None };
    let all: Vec<Model> = Entity::find().all(queue.ctx.store.read()).await.unwrap();
    for filter in filters(n) {
        // What is found is what is meant: the narrowest index leaves out nothing.
        let found = list(&queue.ctx, &filter, page, Order::Descending).await.unwrap().page.items;
        assert!(found.iter().all(|entry| filter.means(entry)), "{filter:?}");
        let meant = all.iter().filter(|entry| filter.means(entry)).count().min(100);
        assert_eq!(found.len(), meant, "{filter:?}");
    }
    let mut costs = Vec::with_capacity(questions.len());
    for (question, prepared) in questions {
        costs.push((question, meter.cost(Asker::Reader, prepared).await));
    }
    costs
}

async fn entries_go_when_their_time_is_over(backend: Backend) {
    let world = World::new(backend).await;
    let (ctx, store) = (&world.ctx, &world.ctx.store);
    let write = async |n: usize| {
        let entries: Vec<Model> = (0..n).map(|_| Model::new(ctx.clock.id(), "pause", "POST /graphql")).collect();
        jobs::audit::write(store.write(), store, &entries).await.unwrap();
    };
    let left = async || Entity::find().count(store.write()).await.unwrap();
    write(700).await;
    world.pass(TimeDelta::days(399));
    write(3).await;
    retention::run(ctx).await.unwrap();
    assert_eq!(left().await, 703);
    world.pass(TimeDelta::days(2));
    let told = retention::run(ctx).await.unwrap();
    assert!(told.contains("700 audit log"), "{told}");
    assert_eq!(left().await, 3);
}

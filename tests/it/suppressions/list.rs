//! Entries as they stand: lifted, expired, archived, listed and counted.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use entity::suppression::{self, BounceType, Reason};
use jobs::filter::Order;
use jobs::find::Page;
use jobs::store::{Dialect, rows};
use jobs::suppress::enter::{self, NewEntry};
use jobs::suppress::list::{self, Filter, Sort};
use jobs::suppress::tallies::{self, Stats};
use jobs::suppress::{lift, state};
use sea_orm::{ConnectionTrait, EntityTrait, Statement, TransactionTrait, Value};
use tests::database::Backend;
use tests::webhook::Told;
use uuid::Uuid;

use super::{entry, passing};
use crate::control::world::{World, draft};
use crate::events::Post;

on_both! {
    a_lift_names_what_still_blocks
    what_happened_before_a_lift_never_suppresses_again
    an_entry_ends_by_the_clock_and_leaves_the_list_when_cleaned
    the_same_fact_told_twice_stands_once
    the_list_is_walked_from_both_ends_by_each_filter
    tallies_equal_the_rows
    a_page_is_read_from_the_end_of_an_index_however_long_the_list
}

async fn enter_all(world: &World, entries: Vec<NewEntry>) {
    enter::suppress_many(&world.ctx, entries).await.unwrap();
}

async fn a_lift_names_what_still_blocks(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let ann = "ann@example.com";
    enter_all(
        &world,
        vec![entry(ann, Reason::Manual), entry(ann, Reason::Complaint), entry("example.com", Reason::Manual)],
    )
    .await;
    let done = lift::unsuppress(ctx, ann, &[Reason::Manual, Reason::Bounce]).await.unwrap();
    let names = |entries: &[suppression::Model]| -> Vec<(String, Reason)> {
        entries.iter().map(|entry| (entry.target.clone(), entry.reason)).collect()
    };
    assert_eq!(names(&done.lifted), [(ann.to_owned(), Reason::Manual)]);
    assert_eq!(
        names(&done.still_blocked_by),
        [(ann.to_owned(), Reason::Complaint), ("example.com".to_owned(), Reason::Manual)]
    );
    let state = state::state(ctx, ann).await.unwrap();
    assert_eq!(names(&state.by), names(&done.still_blocked_by));
    assert_eq!(state.history.iter().filter(|fact| fact.lift).count(), 2);
    assert_eq!(lift::unsuppress(ctx, ann, &Reason::ALL).await.unwrap().lifted.len(), 1);
    assert_eq!(lift::unsuppress(ctx, "example.com", &Reason::ALL).await.unwrap().still_blocked_by, []);
    assert_eq!(state::state(ctx, ann).await.unwrap().by, []);
    let nobody = lift::unsuppress(ctx, "nobody@example.org", &Reason::ALL).await.unwrap();
    assert_eq!((nobody.lifted.len(), nobody.still_blocked_by.len()), (0, 0));
}

async fn what_happened_before_a_lift_never_suppresses_again(backend: Backend) {
    let post = Post::new(backend).await;
    let ctx = post.world.ctx.clone();
    let email = post.world.one(draft()).await;
    let address = post.world.email(email).await.recipient_key;
    let bounced = |ago| Told::bounced(email, &address, post.now() - ago, "bounce", "5.1.1");
    post.take(&bounced(TimeDelta::hours(2))).await;
    lift::unsuppress(&ctx, &address, &Reason::ALL).await.unwrap();
    post.take(&bounced(TimeDelta::hours(1))).await;
    post.take(&Told::new("complained", email, &address, post.now() - TimeDelta::hours(1))).await;
    assert_eq!(state::state(&ctx, &address).await.unwrap().by, []);
    post.world.pass(TimeDelta::seconds(2));
    post.take(&bounced(TimeDelta::seconds(0))).await;
    let state = state::state(&ctx, &address).await.unwrap();
    assert_eq!((state.by.len(), state.by[0].bounce_type), (1, Some(BounceType::Hard)));
}

async fn an_entry_ends_by_the_clock_and_leaves_the_list_when_cleaned(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let ann = "ann@example.com";
    enter_all(&world, vec![passing(&world, ann, Reason::Bounce, 2), entry("bob@example.com", Reason::Bounce)]).await;
    let stats = || tallies::stats(ctx);
    let soft = Stats { total: 2, hard_bounces: 1, soft_bounces: 1, ..Stats::default() };
    assert_eq!(stats().await.unwrap(), soft);
    assert_eq!(list::archive(ctx).await.unwrap(), 0);
    world.pass(TimeDelta::hours(3));
    assert_eq!(state::state(ctx, ann).await.unwrap().by, []);
    assert_eq!(stats().await.unwrap(), Stats { expired: 1, ..soft });
    let inactive = Filter { active: Some(false), ..Filter::default() };
    assert_eq!(list::count(ctx, &inactive).await.unwrap(), (1, false));
    assert_eq!(list::archive(ctx).await.unwrap(), 1);
    assert_eq!(stats().await.unwrap(), Stats { total: 1, hard_bounces: 1, ..Stats::default() });
    assert_eq!(list::count(ctx, &inactive).await.unwrap(), (0, false));
    assert_eq!(state::state(ctx, ann).await.unwrap().history.len(), 1, "it stays in the history");
    // Entered again it is in the list again.
    enter_all(&world, vec![entry(ann, Reason::Bounce)]).await;
    assert_eq!(stats().await.unwrap(), Stats { total: 2, hard_bounces: 2, ..Stats::default() });
}

async fn the_same_fact_told_twice_stands_once(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let since = Some(ctx.clock.now() - TimeDelta::days(30));
    let told = || vec![NewEntry { since, ..entry("ann@example.com", Reason::Complaint) }];
    enter_all(&world, told()).await;
    enter_all(&world, told()).await;
    let state = state::state(ctx, "ann@example.com").await.unwrap();
    assert_eq!((state.by.len(), state.history.len()), (1, 1));
    lift::unsuppress(ctx, "ann@example.com", &Reason::ALL).await.unwrap();
    enter_all(&world, told()).await;
    assert_eq!(state::state(ctx, "ann@example.com").await.unwrap().by, [], "it was lifted since");
}

/// Targets in the order of a list, walked in pages of two, forwards and backwards.
async fn walked(world: &World, filter: &Filter, sort: Sort, order: Order) -> Vec<String> {
    let ctx = &world.ctx;
    let (mut forwards, mut after) = (Vec::new(), None);
    loop {
        let found = list::list(ctx, filter, Page::First { n: 2, after }, sort, order).await.unwrap();
        after = found.page.items.last().map(|row| row.id);
        forwards.extend(found.page.items.into_iter().map(|row| row.target));
        if !found.page.has_next {
            break;
        }
    }
    let (mut backwards, mut before) = (Vec::new(), None);
    loop {
        let found = list::list(ctx, filter, Page::Last { n: 2, before }, sort, order).await.unwrap();
        before = found.page.items.first().map(|row| row.id);
        backwards.splice(0..0, found.page.items.into_iter().map(|row| row.target));
        if !found.page.has_previous {
            break;
        }
    }
    assert_eq!(forwards, backwards, "{filter:?}");
    let (n, capped) = list::count(ctx, filter).await.unwrap();
    assert_eq!((n as usize, capped), (forwards.len(), false), "{filter:?}");
    forwards
}

async fn the_list_is_walked_from_both_ends_by_each_filter(backend: Backend) {
    let world = World::new(backend).await;
    for entry in [
        entry("zoe@example.com", Reason::Manual),
        entry("ann@example.com", Reason::Bounce),
        passing(&world, "bob@example.com", Reason::Bounce, 2),
        entry("anna@example.net", Reason::Complaint),
        passing(&world, "eve@example.com", Reason::Manual, 50),
        entry("example.org", Reason::Manual),
    ] {
        enter_all(&world, vec![entry]).await;
        world.pass(TimeDelta::milliseconds(2));
    }
    lift::unsuppress(&world.ctx, "zoe@example.com", &Reason::ALL).await.unwrap();
    let all = Filter::default();
    let end = Some(world.ctx.clock.now() + TimeDelta::hours(10));
    let cases = [
        (all.clone(), "zoe@example.com ann@example.com bob@example.com anna@example.net eve@example.com example.org"),
        (Filter { reason: Some(Reason::Bounce), ..all.clone() }, "ann@example.com bob@example.com"),
        (Filter { active: Some(false), ..all.clone() }, "zoe@example.com"),
        (
            Filter { search: Some("example.com".into()), active: Some(true), ..all.clone() },
            "ann@example.com bob@example.com eve@example.com",
        ),
        (Filter { starts_with: Some("ann".into()), ..all.clone() }, "ann@example.com anna@example.net"),
        (Filter { expires_until: end, ..all.clone() }, "bob@example.com"),
        (Filter { expires_from: end, ..all.clone() }, "eve@example.com"),
        (Filter { search: Some("nobody".into()), ..all.clone() }, ""),
    ];
    for (filter, expected) in cases {
        let expected: Vec<&str> = expected.split_whitespace().collect();
        assert_eq!(walked(&world, &filter, Sort::Age, Order::Ascending).await, expected, "{filter:?}");
        let mut newest_first = walked(&world, &filter, Sort::Age, Order::Descending).await;
        newest_first.reverse();
        assert_eq!(newest_first, expected, "{filter:?}");
        let mut by_target = expected.clone();
        by_target.sort_unstable();
        assert_eq!(walked(&world, &filter, Sort::Target, Order::Ascending).await, by_target, "{filter:?}");
    }
}

async fn tallies_equal_the_rows(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    for round in 0..3 {
        let target = |i: usize| format!("reader{}@example.com", (i * 7 + round) % 40);
        let entries = (0..40).map(|i| match (i + round) % 5 {
            0 => passing(&world, &target(i), Reason::Bounce, 1),
            1 => entry(&target(i), Reason::Bounce),
            2 => entry(&target(i), Reason::Complaint),
            3 => passing(&world, &target(i), Reason::Manual, 2),
            _ => entry(&target(i), Reason::Unsubscribe),
        });
        enter_all(&world, entries.collect()).await;
        for i in 0..5 {
            lift::unsuppress(ctx, &target(i), &Reason::ALL[..=i % 4]).await.unwrap();
        }
        world.pass(TimeDelta::minutes(70));
        list::archive(ctx).await.unwrap();
        let mut rows: BTreeMap<(Reason, bool), u64> = BTreeMap::new();
        let mut total = 0;
        for row in suppression::Entity::find().all(ctx.store.write()).await.unwrap() {
            if row.archived_at.is_none() && row.lifted_at.is_none() {
                *rows.entry((row.reason, row.bounce_type == Some(BounceType::Soft))).or_default() += 1;
                total += 1;
            }
        }
        let of = |reason, soft| rows.get(&(reason, soft)).copied().unwrap_or_default();
        let stats = tallies::stats(ctx).await.unwrap();
        let expected = Stats {
            total,
            hard_bounces: of(Reason::Bounce, false),
            soft_bounces: of(Reason::Bounce, true),
            complaints: of(Reason::Complaint, false),
            unsubscribes: of(Reason::Unsubscribe, false),
            manual: of(Reason::Manual, false),
            expired: stats.expired,
        };
        assert_eq!(stats, expected, "round {round}");
        assert!(total > 0);
    }
}

/// Rows enough that any other plan would be dearer: of each hundred one is a complaint, and half are archived.
async fn fill(world: &World) {
    let (numbers, id, now) = match world.ctx.store.dialect() {
        Dialect::Postgres => ("generate_series(1, 20000) AS g(n)", "gen_random_uuid()", "now()"),
        Dialect::Sqlite => (
            "(WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 20000) SELECT n FROM g) AS g",
            "randomblob(16)",
            "'2026-11-24T12:00:00+00:00'",
        ),
    };
    let text = format!(
        "INSERT INTO email_suppression_list (id, target, reason, sandbox, source, occurred_at, created_at, updated_at, archived_at) \
         SELECT {id}, 'u' || g.n || '@example.com', CASE WHEN g.n % 100 = 0 THEN 1 ELSE 0 END, true, 0, {now}, {now}, {now}, \
         CASE WHEN g.n % 2 = 1 THEN {now} END FROM {numbers}"
    );
    world.ctx.store.write().execute_unprepared(&text).await.unwrap();
    world.ctx.store.write().execute_unprepared("ANALYZE email_suppression_list").await.unwrap();
}

/// How the database goes about it, in its own words.
async fn plan(world: &World, asked: Statement) -> String {
    let store = &world.ctx.store;
    if store.dialect() == Dialect::Sqlite {
        let asked = Statement { sql: format!("EXPLAIN QUERY PLAN {}", asked.sql), ..asked };
        let found = rows(store.read(), asked).await.unwrap();
        return found.iter().map(|row| row.try_get::<String>("", "detail").unwrap()).collect::<Vec<_>>().join("\n");
    }
    let tx = store.read().begin().await.unwrap();
    let literal = |value: &Value| match value {
        Value::Uuid(Some(id)) => format!("'{id}'"),
        Value::String(Some(text)) => format!("'{text}'"),
        Value::SmallInt(Some(n)) => n.to_string(),
        Value::BigInt(Some(n)) => n.to_string(),
        other => panic!("no list has a parameter like {other:?}"),
    };
    let values: Vec<String> = asked.values.iter().flat_map(|values| &values.0).map(literal).collect();
    tx.execute_unprepared(&format!("PREPARE asked AS {}", asked.sql)).await.unwrap();
    let explain = store.sql(format!("EXPLAIN EXECUTE asked ({})", values.join(", ")), []);
    let found = rows(&tx, explain).await.unwrap();
    tx.execute_unprepared("DEALLOCATE asked").await.unwrap();
    found.iter().map(|row| row.try_get_by_index::<String>(0).unwrap()).collect::<Vec<_>>().join("\n")
}

async fn a_page_is_read_from_the_end_of_an_index_however_long_the_list(backend: Backend) {
    let world = World::new(backend).await;
    fill(&world).await;
    let complaints = Filter { reason: Some(Reason::Complaint), ..Filter::default() };
    let begins = Filter { starts_with: Some("u12".into()), ..Filter::default() };
    let cases = [
        (Filter::default(), Sort::Age, "email_suppression_list_age"),
        (complaints, Sort::Age, "email_suppression_list_reason"),
        (Filter::default(), Sort::Target, "email_suppression_list_name"),
        (begins, Sort::Target, "email_suppression_list_name"),
    ];
    for (filter, sort, index) in cases {
        for order in [Order::Ascending, Order::Descending] {
            for from in [None, Some(("u5@example.com", Uuid::from_u128(7)))] {
                let asked = list::statement(&world.ctx.store, &filter, from, sort, order, 26);
                let plan = plan(&world, asked).await;
                assert!(plan.contains(index), "{filter:?} {from:?}: {plan}");
                for elsewise in ["Sort", "Seq Scan", "Bitmap", "TEMP B-TREE"] {
                    assert!(!plan.contains(elsewise), "{filter:?} {from:?}: {plan}");
                }
            }
        }
    }
    let page = Page::First { n: 100, after: None };
    let search = Filter { search: Some("u12".into()), ..Filter::default() };
    let found = list::list(&world.ctx, &search, page, Sort::Age, Order::Descending).await.unwrap();
    assert_eq!(found.page.items.len(), 100);
}

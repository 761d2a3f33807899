//! The tables come, go and come again, and are what the entities say.

use entity::Status;
use jobs::filter::{Filter, Order};
use jobs::find::{self, Page};
use sea_orm::{ConnectionTrait, EntityTrait, Statement};
use tests::database::Backend;

use crate::lists::queue::{FEW, Queue, Spread};

on_both! {
    every_step_has_its_way_back
    who_only_looks_what_is_pending_makes_no_table
    the_tables_are_what_the_entities_say
    the_lists_indexes_go_and_come_again_under_a_queue_in_use
}

/// The names of all tables but the migrations' own.
async fn tables(store: &jobs::Store, backend: Backend) -> Vec<String> {
    let text = match backend {
        Backend::Sqlite => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'seaql_migrations' ORDER BY name"
        }
        Backend::Postgres => {
            "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'seaql_migrations' ORDER BY name"
        }
    };
    let statement = Statement::from_string(store.write().get_database_backend(), text);
    let found = store.write().query_all_raw(statement).await.unwrap();
    found.iter().map(|row| row.try_get("", "name").unwrap()).collect()
}

async fn every_step_has_its_way_back(backend: Backend) {
    let database = backend.database().await;
    let store = jobs::Store::connect(&database.url).await.unwrap();
    migration::up(store.write()).await.unwrap();
    let up = tables(&store, backend).await;
    for named in
        ["campaign_delivery_metrics", "domain_health", "email_delivery_events", "email_queue", "email_suppression_list"]
    {
        assert!(up.iter().any(|table| table == named), "{named} is missing among {up:?}");
    }
    migration::down(store.write()).await.unwrap();
    assert_eq!(tables(&store, backend).await, Vec::<String>::new());
    migration::up(store.write()).await.unwrap();
    assert_eq!(tables(&store, backend).await, up);
    assert_eq!(migration::pending(store.write()).await.unwrap(), 0);
}

async fn who_only_looks_what_is_pending_makes_no_table(backend: Backend) {
    let database = backend.database().await;
    let store = jobs::Store::connect(&database.url).await.unwrap();
    let all = migration::pending(store.write()).await.unwrap();
    assert!(store.write().execute_unprepared("SELECT * FROM seaql_migrations").await.is_err(), "nothing is there");
    migration::up(store.write()).await.unwrap();
    migration::back(store.write(), Some(all as u32 - 1)).await.unwrap();
    assert_eq!(migration::pending(store.write()).await.unwrap(), all - 1);
}

async fn the_tables_are_what_the_entities_say(backend: Backend) {
    let database = backend.database().await;
    let store = jobs::Store::connect(&database.url).await.unwrap();
    migration::up(store.write()).await.unwrap();
    macro_rules! answers {
        ($($entity:ident)*) => { $( entity::$entity::Entity::find().one(store.read()).await.expect(stringify!($entity)); )* };
    }
    answers! {
        alert alert_count api_key attempt audit_entry breaker bulk_operation campaign_metrics content cron_run delivery_event
        domain_health email
        email_facts endpoint_secret erasure event_clock event_dispatch event_endpoint event_key event_replay event_seal failure
        hold idempotency_key lane lead mark_key provider_list
        provider_order quarantined_event reconcile_mark retention_run scope suppression suppression_fact suppression_tally tally
        unsubscribe_key webhook_token
    }
}

async fn the_lists_indexes_go_and_come_again_under_a_queue_in_use(backend: Backend) {
    let queue = Queue::empty(backend).await;
    queue.fill(2_000, Status::Sent, Spread::Even).await;
    let db = queue.ctx.store.write();
    while db.execute_unprepared("SELECT standing FROM email_queue LIMIT 1").await.is_ok() {
        migration::back(db, Some(1)).await.unwrap();
    }
    assert!(migration::pending(db).await.unwrap() > 0);
    migration::up(db).await.unwrap();
    for status in [Status::Queued, Status::Sending, Status::Failed, Status::Expired] {
        let filter = Filter { statuses: vec![status], ..Filter::default() };
        let page = Page::First { n: 100, after: None };
        let found = find::emails(&queue.ctx, &filter, page, Order::Descending).await.unwrap().items;
        assert!(found.len() as i64 >= FEW && found.iter().all(|email| email.status == status), "{status:?}");
    }
}

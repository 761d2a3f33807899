//! The queue's figures, the causes of standing still, and lists.

use chrono::TimeDelta;
use entity::hold::Cause;
use entity::{Priority, Status};
use jobs::accept::Draft;
use jobs::filter::{Filter, Order};
use jobs::find::{self, Page};
use jobs::hold::{self, Cover, Leave};
use jobs::stats;
use tests::database::Backend;
use uuid::Uuid;

use super::world::{World, draft, later};

#[tokio::test]
async fn the_stats_speak_the_specs_words_and_name_what_holds() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let ctx = &world.ctx;
        let campaign = ctx.clock.id();
        let high = world.accept(2, Draft { priority: Some(Priority::High), ..draft() }).await;
        let low = world.accept(3, Draft { campaign: Some(campaign), priority: Some(Priority::Low), ..draft() }).await;
        world.accept(1, Draft { send_at: later(ctx), ..draft() }).await;
        let done = world.accept(4, draft()).await;
        world.send(&done[..1]).await;
        world.fail(&done[1..2], "no").await;
        world.lose(&done[2..3]).await;
        world.claim(&done[3..]).await;
        world.pass(TimeDelta::seconds(30));
        let due = [world.email(high[0]).await.due_at, world.email(low[0]).await.due_at];

        let stats = stats::queue(ctx).await.unwrap();
        let words = (stats.active, stats.waiting, stats.completed, stats.failed, stats.delayed, stats.unconfirmed);
        assert_eq!(words, (2, 5, 1, 1, 1, 1), "{backend:?}");
        assert_eq!((stats.ledger.total(), stats.ledger.open()), (10, 8));
        assert!(!stats.paused && stats.pauses.is_empty() && stats.breakers.is_empty());
        assert_eq!(stats.oldest_waiting_at, due[0]);
        assert_eq!(stats.lanes[2].oldest_due_at, due[1]);
        assert_eq!((stats.lanes[1].waiting, stats.lanes[1].delayed, stats.lanes[1].active), (0, 1, 2));

        hold::place(ctx, &Cover::Priority(Priority::High), Cause::Pause, Some("a look".into()), None).await.unwrap();
        let stats = stats::queue(ctx).await.unwrap();
        assert_eq!((stats.oldest_waiting_at, stats.pauses.len(), stats.paused), (due[1], 1, false));
        hold::place(ctx, &Cover::Queue, Cause::Pause, None, None).await.unwrap();
        let stats = stats::queue(ctx).await.unwrap();
        assert_eq!((stats.oldest_waiting_at, stats.paused, stats.waiting), (None, true, 5));

        let of_campaign = stats::ledger(ctx, Some(campaign)).await.unwrap();
        assert_eq!((of_campaign.total(), of_campaign.waiting()), (3, 3));
        world.counts().await;
    }
}

#[tokio::test]
async fn the_rate_counts_what_settles_in_all_processes() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let ctx = &world.ctx;
        for n in [3, 0, 4] {
            let ids = world.accept(n, draft()).await;
            world.send(&ids).await;
        }
        let rate = stats::queue(ctx).await.unwrap().sent_per_minute;
        // A minute may turn between the two.
        assert!(rate > 6.0 && rate <= 7.0, "{backend:?}: {rate}");
        world.pass(TimeDelta::minutes(2));
        assert_eq!(stats::queue(ctx).await.unwrap().sent_per_minute, 0.0);
        assert_eq!(stats::forget_rates(ctx).await.unwrap(), 0);
        world.pass(TimeDelta::hours(2));
        assert!(stats::forget_rates(ctx).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn failures_group_by_cause_and_by_what_holds() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let ctx = &world.ctx;
        let campaign = ctx.clock.id();
        let ids = world.accept(5, draft()).await;
        world.fail(&ids[..3], "'a@example.com' is not a valid address").await;
        world.fail(&ids[3..4], "message 1234567 too large").await;
        world.accept(2, Draft { campaign: Some(campaign), ..draft() }).await;
        hold::place(ctx, &Cover::Campaign(campaign), Cause::Pause, Some("a typo".into()), None).await.unwrap();

        let groups = stats::failures(ctx, None, 20).await.unwrap();
        let seen: Vec<_> = groups.iter().map(|g| (g.cause.as_str(), g.status, g.count)).collect();
        let expected = [
            ("… is not a valid address", Status::Failed, 3),
            ("its campaign is paused: a typo", Status::Queued, 2),
            ("message … too large", Status::Failed, 1),
        ];
        assert_eq!(seen, expected, "{backend:?}");
        assert_eq!(groups[0].sample.id, ids[2]);
        assert_eq!(groups[1].sample.campaign_id, Some(campaign));
        let filter = Filter { campaign: Some(campaign), ..Filter::default() };
        assert_eq!(stats::failures(ctx, Some(&filter), 20).await.unwrap().len(), 1);
        assert_eq!(stats::failures(ctx, None, 2).await.unwrap().len(), 2);
        for group in &groups {
            // What holds is no cause of a failure: it finds nothing.
            let n = if group.status == Status::Failed { group.count as usize } else { 0 };
            let cause =
                Filter { statuses: vec![Status::Failed], cause: Some(group.cause.clone()), ..Filter::default() };
            let page = Page::First { n: 9, after: None };
            let found = find::emails(ctx, &cause, page, Order::Descending).await.unwrap();
            assert_eq!(found.items.len(), n, "{backend:?} {}", group.cause);
            assert_eq!(find::count(ctx, &cause).await.unwrap(), (n as u64, false));
        }
        let filter = Filter { address_key: Some("reader3@example.com".into()), ..Filter::default() };
        assert_eq!(stats::failures(ctx, Some(&filter), 20).await.unwrap()[0].sample.id, ids[3]);
    }
}

#[tokio::test]
async fn pages_walk_a_list_in_both_directions() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let ctx = &world.ctx;
        let ids = world.accept(7, draft()).await;
        world.fail(&ids[5..], "no").await;
        let all = Filter::default();
        let page = async |filter: &Filter, page, newest| {
            let order = if newest { Order::Descending } else { Order::Ascending };
            let found = find::emails(ctx, filter, page, order).await.unwrap();
            let places: Vec<_> = found.items.iter().map(|e| ids.iter().position(|id| *id == e.id).unwrap()).collect();
            (places, found.has_previous, found.has_next)
        };
        let first = |n, after: Option<usize>| Page::First { n, after: after.map(|i| ids[i]) };
        let last = |n, before: Option<usize>| Page::Last { n, before: before.map(|i| ids[i]) };
        assert_eq!(page(&all, first(3, None), false).await, (vec![0, 1, 2], false, true), "{backend:?}");
        assert_eq!(page(&all, first(3, None), true).await, (vec![6, 5, 4], false, true));
        assert_eq!(page(&all, first(3, Some(4)), true).await, (vec![3, 2, 1], true, true));
        assert_eq!(page(&all, first(9, Some(4)), false).await, (vec![5, 6], true, false));
        assert_eq!(page(&all, last(2, Some(4)), false).await, (vec![2, 3], true, true));
        assert_eq!(page(&all, last(2, None), true).await, (vec![1, 0], true, false));
        assert_eq!(page(&all, last(5, Some(3)), true).await, (vec![6, 5, 4], false, true));
        let failed = Filter { statuses: vec![Status::Failed], ..Filter::default() };
        assert_eq!(page(&failed, first(9, None), true).await, (vec![6, 5], false, false));
        world.claim(&ids[..1]).await;
        let sending = Filter { statuses: vec![Status::Sending], ..Filter::default() };
        assert_eq!(page(&sending, first(9, None), true).await, (vec![0], false, false));
        let queued = Filter { statuses: vec![Status::Queued, Status::Scheduled], ..Filter::default() };
        assert_eq!(page(&queued, first(2, Some(2)), false).await, (vec![3, 4], true, false));
    }
}

#[tokio::test]
async fn every_part_of_a_filter_narrows_the_list_and_the_count_alike() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let ctx = &world.ctx;
        let campaign = ctx.clock.id();
        let start = ctx.clock.now();
        world.accept(2, Draft { priority: Some(Priority::High), ..draft() }).await;
        world.pass(TimeDelta::hours(1));
        let middle = ctx.clock.now();
        world.accept(3, Draft { campaign: Some(campaign), ..draft() }).await;
        let filter = Filter::default;
        let cases = [
            (filter(), 5),
            (Filter { statuses: vec![Status::Queued], ..filter() }, 5),
            (Filter { statuses: vec![Status::Sent, Status::Failed], ..filter() }, 0),
            (Filter { statuses: vec![Status::Failed], ..filter() }, 0),
            (Filter { priority: Some(Priority::High), ..filter() }, 2),
            (Filter { campaign: Some(campaign), ..filter() }, 3),
            (Filter { campaign: Some(Uuid::max()), ..filter() }, 0),
            (Filter { domain: Some("sandbox.mailmind.test".into()), priority: Some(Priority::Normal), ..filter() }, 3),
            (Filter { domain: Some("elsewhere.test".into()), ..filter() }, 0),
            (Filter { address_key: Some("reader0@example.com".into()), ..filter() }, 2),
            (Filter { address_key: Some("reader0@example.com".into()), campaign: Some(campaign), ..filter() }, 1),
            (Filter { created_from: Some(middle), ..filter() }, 3),
            (Filter { created_until: Some(middle), ..filter() }, 2),
            (Filter { created_from: Some(start), created_until: Some(middle), ..filter() }, 2),
            (Filter { created_until: Some(start), ..filter() }, 0),
        ];
        for (filter, n) in cases {
            let listed =
                find::emails(ctx, &filter, Page::First { n: 50, after: None }, Order::Descending).await.unwrap();
            assert_eq!(listed.items.len(), n, "{backend:?} {filter:?}");
            assert_eq!(find::count(ctx, &filter).await.unwrap(), (n as u64, false), "{backend:?} {filter:?}");
        }
    }
}

#[tokio::test]
async fn an_emails_content_tries_and_holds_are_read_beside_it() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let ctx = &world.ctx;
        let html = Some("<p>Good day</p>".to_owned());
        let ids = world.accept(2, Draft { html, tags: vec!["greeting".into()], ..draft() }).await;
        world.fail(&ids[..1], "no such mailbox").await;
        let emails = find::emails(ctx, &Filter::default(), Page::First { n: 9, after: None }, Order::Ascending)
            .await
            .unwrap()
            .items;
        let contents: Vec<_> = emails.iter().map(|e| e.content_id).collect();
        assert_eq!(contents[0], contents[1], "the same content is stored once");
        let opened = find::contents(ctx, &contents).await.unwrap();
        let content = &opened[&contents[0]];
        assert_eq!((content.head.subject.as_str(), content.head.tags.len()), ("Hello", 1));
        assert_eq!(content.html.as_deref(), Some("<p>Good day</p>"));
        assert_eq!(content.text.as_deref(), Some("Good day"));
        assert_eq!(find::heads(ctx, &contents).await.unwrap()[&contents[0]], content.head);

        let tries = find::attempts(ctx, &ids).await.unwrap();
        assert_eq!(tries[&ids[0]][0].error.as_deref(), Some("no such mailbox"));
        assert!(!tries.contains_key(&ids[1]));

        let waits = emails.iter().find(|e| e.id == ids[1]).map(|e| (e.lane, e.scope)).unwrap();
        assert_eq!(find::leaves(ctx, &[waits]).await.unwrap()[&waits], Leave::Open);
        hold::place(ctx, &Cover::Queue, Cause::Pause, None, None).await.unwrap();
        let held = find::leaves(ctx, &[waits]).await.unwrap();
        assert!(matches!(&held[&waits], Leave::Held { why, .. } if why == "the queue is paused"), "{held:?}");
    }
}

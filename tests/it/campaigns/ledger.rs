//! The ledger of a campaign adds up at every moment, and says when the campaign is through.

use std::sync::Arc;

use entity::Status::{Failed, Sent};
use entity::campaign::Status;
use futures::StreamExt as _;
use jobs::campaign::{Filter, count, launch, list};
use jobs::filter::Order;
use jobs::find::Page;
use jobs::live::campaigns::Campaigns;
use jobs::{Context, control};
use tests::database::Backend;
use tests::patience::SOON;
use tests::webhook::Told;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Task, added, draft, emails, executing, expanded, filled, people, stands};
use crate::control::world::{World, later};
use crate::events::Post;

on_both! {
    a_campaign_is_completed_when_nothing_is_open_and_a_retry_opens_it_again
    campaigns_are_listed_by_where_they_stand
    whoever_follows_a_campaign_hears_of_opens_too_though_no_email_moves
}

/// Reads a campaign's ledger again and again while something goes on.
pub struct Witness {
    reading: Task<u64>,
    enough: CancellationToken,
}

impl Witness {
    /// Whatever goes on, the ledger's total is this.
    pub fn of(ctx: &Arc<Context>, campaign: Uuid, total: i64) -> Self {
        let (enough, ctx) = (CancellationToken::new(), ctx.clone());
        let end = enough.clone();
        let reading = Task::spawn(async move {
            let mut seen = 0;
            while !end.is_cancelled() {
                let ledger = stands(&ctx, campaign).await.ledger;
                assert_eq!(ledger.total(), total, "{ledger:?}");
                seen += 1;
            }
            seen
        });
        Self { reading, enough }
    }

    /// How often it was read; each time it added up.
    pub async fn saw(self) -> u64 {
        self.enough.cancel();
        self.reading.end().await
    }
}

async fn a_campaign_is_completed_when_nothing_is_open_and_a_retry_opens_it_again(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let campaign = filled(ctx, 4).await;
    let witness = Witness::of(ctx, campaign, 4);
    launch(ctx, campaign, None).await.unwrap().unwrap();
    let _executor = executing(ctx);
    assert_eq!(expanded(ctx, campaign).await.estimated_finish, None, "nothing moves yet");
    let ids: Vec<Uuid> = emails(ctx, campaign).await.iter().map(|email| email.id).collect();
    world.send(&ids[..2]).await;
    let running = stands(ctx, campaign).await;
    assert_eq!((running.status, running.progress), (Status::Running, 0.5));
    assert!(running.estimated_finish.is_some_and(|at| at > ctx.clock.now()));
    world.fail(&ids[2..], "no such user").await;
    let done = stands(ctx, campaign).await;
    assert_eq!((done.status, done.progress, done.estimated_finish), (Status::Completed, 1.0, None));
    assert_eq!((done.ledger.of(Sent), done.ledger.of(Failed)), (2, 2));

    control::retry(ctx, ids[2]).await.unwrap().unwrap();
    assert_eq!(stands(ctx, campaign).await.status, Status::Running);
    let filter = jobs::filter::Filter { campaign: Some(campaign), ..jobs::filter::Filter::default() };
    assert_eq!(jobs::bulk::retry_failed(ctx, Some(&filter), 10, false).await.unwrap().done, 1, "those of it alone");
    assert_eq!(stands(ctx, campaign).await.ledger.waiting(), 2);
    world.counts().await;
    witness.saw().await;

    added(ctx, campaign, people(4..5)).await;
    assert_eq!(expanded(ctx, campaign).await.ledger.total(), 5);
    world.counts().await;
}

async fn campaigns_are_listed_by_where_they_stand(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let mut ids = Vec::new();
    for name in ["A draft", "Later", "Running", "Cancelled", "Another Draft"] {
        let made = jobs::campaign::create(ctx, jobs::campaign::Draft { name: name.into(), ..draft() }).await;
        ids.push(made.unwrap().unwrap().row.id);
    }
    for id in &ids {
        added(ctx, *id, people(0..1)).await;
    }
    launch(ctx, ids[1], later(ctx)).await.unwrap().unwrap();
    launch(ctx, ids[2], None).await.unwrap().unwrap();
    jobs::campaign::cancel(ctx, ids[3]).await.unwrap().unwrap();
    let cases: [(&[Status], Option<&str>, &[usize]); 7] = [
        (&[], None, &[0, 1, 2, 3, 4]),
        (&[Status::Draft], None, &[0, 4]),
        (&[Status::Scheduled, Status::Cancelled], None, &[1, 3]),
        (&[Status::Running], None, &[2]),
        (&[Status::Completed], None, &[]),
        (&[], Some("DRAFT"), &[0, 4]),
        (&[Status::Draft], Some("another"), &[4]),
    ];
    for (statuses, name, expected) in cases {
        let filter = Filter { statuses: statuses.to_vec(), name: name.map(str::to_owned), template: None };
        let page = list(ctx, &filter, Page::First { n: 10, after: None }, Order::Ascending).await.unwrap().page;
        let found: Vec<_> = page.items.iter().map(|c| ids.iter().position(|id| *id == c.row.id).unwrap()).collect();
        assert_eq!((found.as_slice(), page.has_next), (expected, false), "{filter:?}");
        assert_eq!(count(ctx, &filter).await.unwrap(), (expected.len() as u64, false));
    }
    let second = Page::First { n: 2, after: Some(ids[1]) };
    let page = list(ctx, &Filter::default(), second, Order::Ascending).await.unwrap().page;
    assert_eq!(page.items.iter().map(|c| c.row.id).collect::<Vec<_>>(), ids[2..4]);
    assert!(page.has_next && page.has_previous);
}

async fn whoever_follows_a_campaign_hears_of_opens_too_though_no_email_moves(backend: Backend) {
    let post = Post::new(backend).await;
    let ctx = &post.world.ctx;
    let campaign = filled(ctx, 1).await;
    launch(ctx, campaign, None).await.unwrap().unwrap();
    let _executor = executing(ctx);
    expanded(ctx, campaign).await;
    let email = emails(ctx, campaign).await.remove(0);
    post.world.send(&[email.id]).await;
    let tell = async |event| {
        let told = Told::new(event, email.id, &email.recipient_key, post.now());
        post.take(&told).await
    };
    tell("delivered").await;
    let mut heard = Campaigns::new(ctx).follow(campaign).await.unwrap();
    let mut hear = async || timeout(SOON, heard.next()).await.expect("news").unwrap().unwrap().campaign;
    assert_eq!(hear().await.status, Status::Completed);
    for event in ["opened", "clicked"] {
        tell(event).await;
        assert_eq!(hear().await.status, Status::Completed, "{event}");
    }
}

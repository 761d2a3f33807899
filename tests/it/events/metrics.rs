//! What is counted over a campaign, a sending domain or everything equals what its emails and events say, whatever the hours
//! asked for and however they are cut.

use std::collections::BTreeMap;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use entity::campaign_metrics::Metric;
use entity::delivery_event::{self, Kind};
use entity::email;
use entity::suppression::BounceType;
use jobs::accept::Draft;
use jobs::metric::{self, Figures, Granularity, Over, Range, hour};
use jobs::record::Recorder;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sea_orm::{EntityTrait, Iterable};
use serde_json::json;
use tests::database::Backend;
use tests::webhook::Told;
use uuid::Uuid;

use super::Post;
use crate::control::world::{World, draft};

on_both! {
    the_metrics_are_a_fold_over_emails_and_events
    nothing_is_counted_of_nobody
}

const SPRING: Uuid = Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0001);
const AUTUMN: Uuid = Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0002);

/// What is counted by the hour.
type Counted = BTreeMap<(DateTime<Utc>, Metric), i64>;

/// What an email's events say is to be counted, from the definitions: each email once by the first time, opens and clicks
/// each time as well.
fn fold(events: &[&delivery_event::Model], counted: &mut Counted) {
    let mut count = |at: DateTime<Utc>, metric| *counted.entry((hour(at), metric)).or_default() += 1;
    let first = |meant: &dyn Fn(&delivery_event::Model) -> bool| {
        events.iter().filter(|event| meant(event)).map(|event| event.occurred_at).min()
    };
    let hard = first(&|e| e.kind == Kind::Bounced && e.bounce_type == Some(BounceType::Hard));
    let bounced = first(&|e| e.kind == Kind::Bounced);
    let once = [
        (Metric::Delivered, first(&|e| e.kind == Kind::Delivered)),
        (Metric::Deferred, first(&|e| e.kind == Kind::Deferred)),
        (Metric::Bounced, bounced),
        (Metric::HardBounced, hard),
        (Metric::SoftBounced, bounced.filter(|_| hard.is_none())),
        (Metric::Complained, first(&|e| e.kind == Kind::Complained)),
        (Metric::Unsubscribed, first(&|e| e.kind == Kind::Unsubscribed)),
        (Metric::UniqueOpened, first(&|e| e.kind == Kind::Opened && e.bot.is_none())),
        (Metric::UniqueClicked, first(&|e| e.kind == Kind::Clicked && e.bot.is_none())),
        (Metric::UniqueMachineOpened, first(&|e| e.kind == Kind::Opened && e.bot.is_some())),
        (Metric::UniqueMachineClicked, first(&|e| e.kind == Kind::Clicked && e.bot.is_some())),
    ];
    once.into_iter().for_each(|(metric, at)| at.into_iter().for_each(|at| count(at, metric)));
    for event in events {
        match (event.kind, event.bot.is_some()) {
            (Kind::Opened, false) => count(event.occurred_at, Metric::Opened),
            (Kind::Opened, true) => count(event.occurred_at, Metric::MachineOpened),
            (Kind::Clicked, false) => count(event.occurred_at, Metric::Clicked),
            (Kind::Clicked, true) => count(event.occurred_at, Metric::MachineClicked),
            _ => {}
        }
    }
}

/// Something that Mailgun says of an email or one of its copies, within three days.
fn said(random: &mut StdRng, email: Uuid, to: &str, start: DateTime<Utc>) -> Told {
    let at = start + TimeDelta::minutes(random.random_range(0..3 * 24 * 60));
    let to = if random.random_bool(0.1) { "copy@example.net" } else { to };
    let told = match random.random_range(0..9) {
        0 => Told::new("delivered", email, to, at),
        1 => Told::new("failed", email, to, at).with("severity", "temporary").with("reason", "generic"),
        2 => Told::bounced(email, to, at, "bounce", "5.1.1"),
        3 => Told::bounced(email, to, at, "old", "4.4.1"),
        4 => Told::new("complained", email, to, at),
        5 => Told::new("unsubscribed", email, to, at),
        6 | 7 => Told::new("opened", email, to, at),
        _ => Told::new("clicked", email, to, at),
    };
    if random.random_bool(0.3) { told.with("client-info", json!({ "bot": "apple" })) } else { told }
}

/// Two campaigns and single emails, through two domains, with what is said of them.
async fn said_of_all(world: &World, recorder: &Recorder, start: DateTime<Utc>) {
    let mut random = StdRng::seed_from_u64(7);
    let mut items = Vec::new();
    // All are accepted before anything suppresses their readers.
    for (campaign, from) in [
        (Some(SPRING), "news@one.example"),
        (Some(SPRING), "news@two.example"),
        (Some(AUTUMN), "news@two.example"),
        (None, "desk@one.example"),
    ] {
        let ids = world.accept(20, Draft { campaign, from: Some(from.into()), ..draft() }).await;
        world.send(&ids[..15]).await;
        for (i, id) in ids.iter().enumerate() {
            let to = format!("reader{i}@example.com");
            items.extend((0..5).map(|_| said(&mut random, *id, &to, start).logged()));
        }
    }
    recorder.take_log(items).await.unwrap();
}

/// The emails and the events of these emails, folded.
fn folded(emails: &[&email::Model], events: &[delivery_event::Model]) -> Counted {
    let mut counted = Counted::new();
    for email in emails {
        if email.acceptances > 0 {
            *counted.entry((hour(email.sent_at.unwrap()), Metric::Sent)).or_default() += 1;
        }
        let of_it: Vec<_> = events.iter().filter(|event| event.email_id == Some(email.id) && !event.copy).collect();
        fold(&of_it, &mut counted);
    }
    counted
}

fn within(counted: &Counted, since: Option<DateTime<Utc>>, until: Option<DateTime<Utc>>) -> Figures {
    let mut figures = Figures::default();
    for ((at, metric), n) in counted {
        if since.is_none_or(|since| hour(since) <= *at) && until.is_none_or(|until| *at < until) {
            figures.add(*metric, *n);
        }
    }
    figures
}

fn by_bucket(counted: &Counted, of: TimeDelta) -> BTreeMap<DateTime<Utc>, Figures> {
    let mut buckets: BTreeMap<_, Figures> = BTreeMap::new();
    for ((at, metric), n) in counted {
        buckets.entry(at.duration_trunc(of).unwrap()).or_default().add(*metric, *n);
    }
    buckets
}

async fn the_metrics_are_a_fold_over_emails_and_events(backend: Backend) {
    let world = World::through(backend, &["one.example", "two.example"]).await;
    let ctx = world.ctx.clone();
    let recorder = Recorder::start(ctx.clone());
    let start = ctx.clock.now() - TimeDelta::days(4);
    said_of_all(&world, &recorder, start).await;
    let emails = email::Entity::find().all(ctx.store.write()).await.unwrap();
    let events = delivery_event::Entity::find().all(ctx.store.write()).await.unwrap();
    assert_eq!((emails.len(), events.len()), (80, 400));
    let domain_of = |email: &email::Model| email.sender.split_once('@').unwrap().1.trim_end_matches('>').to_owned();
    type Case = (Over, Box<dyn Fn(&email::Model) -> bool>);
    let cases: [Case; 5] = [
        (Over::Campaign(SPRING), Box::new(|email| email.campaign_id == Some(SPRING))),
        (Over::Campaign(AUTUMN), Box::new(|email| email.campaign_id == Some(AUTUMN))),
        (Over::Domain("one.example".into()), Box::new(move |email| domain_of(email) == "one.example")),
        (Over::Domain("two.example".into()), Box::new(move |email| domain_of(email) == "two.example")),
        (Over::Everything, Box::new(|_| true)),
    ];
    let (from, to) = (start + TimeDelta::hours(20) + TimeDelta::minutes(10), start + TimeDelta::hours(50));
    for (over, meant) in cases {
        let meant: Vec<_> = emails.iter().filter(|email| meant(email)).collect();
        let counted = folded(&meant, &events);
        for (since, until) in [(None, None), (Some(from), None), (None, Some(to)), (Some(from), Some(to))] {
            let read = metric::of(&ctx, &over, Range { since, until }).await.unwrap();
            assert_eq!(read, within(&counted, since, until), "{over:?} from {since:?} until {until:?}");
        }
        for (granularity, length) in [(Granularity::Hour, TimeDelta::hours(1)), (Granularity::Day, TimeDelta::days(1))]
        {
            let points = metric::history(&ctx, &over, Range::default(), granularity).await.unwrap();
            let points: Vec<_> = points.into_iter().map(|point| (point.at, point.figures)).collect();
            assert_eq!(points, by_bucket(&counted, length).into_iter().collect::<Vec<_>>(), "{over:?} {granularity:?}");
        }
    }
    let both = metric::of_campaigns(&ctx, &[AUTUMN, SPRING, AUTUMN], Range::default()).await.unwrap();
    for campaign in [SPRING, AUTUMN] {
        assert_eq!(both[&campaign], metric::of_campaign(&ctx, campaign, Range::default()).await.unwrap());
        assert!(Metric::iter().filter(|metric| both[&campaign].of(*metric) > 0).count() >= 16, "{both:?}");
    }
}

async fn nothing_is_counted_of_nobody(backend: Backend) {
    let post = Post::new(backend).await;
    let ctx = &post.world.ctx;
    for over in [Over::Everything, Over::Campaign(SPRING), Over::Domain("one.example".into())] {
        assert_eq!(metric::of(ctx, &over, Range::default()).await.unwrap(), Figures::default());
        assert_eq!(metric::history(ctx, &over, Range::default(), Granularity::Hour).await.unwrap(), []);
    }
    assert!(metric::of_campaigns(ctx, &[], Range::default()).await.unwrap().is_empty());
}

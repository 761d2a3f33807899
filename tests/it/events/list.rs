//! Lists of events are what a naive filter would leave of all, from either end and whatever the page.

use chrono::TimeDelta;
use entity::delivery_event::Kind;
use jobs::filter::Order;
use jobs::find::events::{self, Event, Filter};
use jobs::find::{Page, PageOf};
use sea_orm::ConnectionTrait;
use tests::database::Backend;
use tests::webhook::Told;
use uuid::Uuid;

use super::Post;
use crate::control::world::draft;

on_both! {
    a_page_holds_what_a_naive_filter_would
    the_pages_of_many_emails_are_those_of_each
    a_number_is_kept_until_an_event_after_it_is_gone
}

const CAMPAIGNS: [Uuid; 2] = [Uuid::from_u128(71), Uuid::from_u128(72)];
const KINDS: [&str; 6] = ["delivered", "opened", "clicked", "complained", "unsubscribed", "teleported"];

/// Six emails of two campaigns and none, with 120 events of six kinds in two days.
async fn filled(backend: Backend) -> (Post, Vec<Uuid>) {
    let post = Post::new(backend).await;
    let mut emails = Vec::new();
    for campaign in [Some(CAMPAIGNS[0]), Some(CAMPAIGNS[1]), None] {
        emails.extend(post.world.accept(2, jobs::accept::Draft { campaign, ..draft() }).await);
    }
    let now = post.now();
    let logged = (0..120).map(|i: usize| {
        // Not in the order in which they happened.
        let at = now - TimeDelta::minutes((i * 37 % 120) as i64 * 24);
        let (email, kind) = (emails[i % 6], KINDS[i / 6 % 6]);
        Told::new(kind, email, &format!("reader{}@example.com", i % 2), at).logged()
    });
    post.recorder.take_log(logged.collect()).await.unwrap();
    (post, emails)
}

fn filters(emails: &[Uuid], all: &[Event]) -> Vec<Filter> {
    let whole = Filter::default;
    let mut times: Vec<_> = all.iter().map(|event| event.occurred_at).collect();
    times.sort_unstable();
    let (early, late) = (times[30], times[90]);
    let opened = vec![Kind::Opened, Kind::Unknown];
    vec![
        whole(),
        Filter { campaign: Some(CAMPAIGNS[0]), ..whole() },
        Filter { campaign: Some(CAMPAIGNS[1]), kinds: opened.clone(), ..whole() },
        Filter { campaign: Some(Uuid::max()), ..whole() },
        Filter::of_email(emails[3]),
        Filter { kinds: opened.clone(), ..Filter::of_email(emails[0]) },
        Filter { campaign: Some(CAMPAIGNS[1]), ..Filter::of_email(emails[0]) },
        Filter { address_key: Some("reader1@example.com".into()), ..whole() },
        Filter { address_key: Some("reader1@example.com".into()), kinds: vec![Kind::Clicked], ..whole() },
        Filter { kinds: opened.clone(), ..whole() },
        Filter { kinds: vec![Kind::Rejected], ..whole() },
        Filter { since: Some(early), ..whole() },
        Filter { until: Some(late), ..whole() },
        Filter { since: Some(early), until: Some(late), kinds: opened, ..whole() },
        Filter { since: Some(early), until: Some(late), campaign: Some(CAMPAIGNS[0]), ..whole() },
        Filter { since: Some(late), until: Some(early), ..whole() },
    ]
}

async fn page(post: &Post, filter: &Filter, page: Page<i64>, order: Order) -> PageOf<Event> {
    events::page(&post.world.ctx, filter, page, order).await.unwrap()
}

async fn a_page_holds_what_a_naive_filter_would(backend: Backend) {
    let (post, emails) = filled(backend).await;
    let all = page(&post, &Filter::default(), Page::First { n: 1_000, after: None }, Order::Ascending).await.items;
    assert_eq!(all.iter().map(|event| event.seq).collect::<Vec<_>>(), (1..=120).collect::<Vec<_>>());
    for filter in filters(&emails, &all) {
        let mut meant: Vec<&Event> = all.iter().filter(|event| filter.means(event)).collect();
        let counted = events::count(&post.world.ctx, &filter).await.unwrap();
        assert_eq!(counted, (meant.len() as u64, false), "{filter:?}");
        for order in [Order::Ascending, Order::Descending] {
            if order == Order::Descending {
                meant.reverse();
            }
            for n in [1_u64, 7] {
                let (mut seen, mut after) = (Vec::new(), None);
                loop {
                    let page = page(&post, &filter, Page::First { n, after }, order).await;
                    assert_eq!(page.has_previous, !seen.is_empty(), "{filter:?}");
                    after = page.items.last().map(|event| event.seq).or(after);
                    seen.extend(page.items);
                    if !page.has_next {
                        break;
                    }
                }
                assert!(seen.iter().eq(meant.iter().copied()), "{filter:?} {order:?} by {n}");
                if n == 7 {
                    let (mut seen, mut before) = (Vec::new(), None);
                    loop {
                        let page = page(&post, &filter, Page::Last { n, before }, order).await;
                        assert_eq!(page.has_next, !seen.is_empty(), "{filter:?}");
                        before = page.items.first().map(|event| event.seq).or(before);
                        seen.splice(0..0, page.items);
                        if !page.has_previous {
                            break;
                        }
                    }
                    assert!(seen.iter().eq(meant.iter().copied()), "{filter:?} {order:?} backwards");
                }
            }
        }
    }
}

async fn the_pages_of_many_emails_are_those_of_each(backend: Backend) {
    let (post, mut emails) = filled(backend).await;
    emails.push(Uuid::max());
    for asked in [
        Page::First { n: 3, after: None },
        Page::First { n: 3, after: Some(60) },
        Page::Last { n: 3, before: None },
        Page::Last { n: 3, before: Some(60) },
    ] {
        let pages = events::pages(&post.world.ctx, &emails, asked, Order::Descending).await.unwrap();
        for email in &emails {
            let own = page(&post, &Filter::of_email(*email), asked, Order::Descending).await;
            assert_eq!(pages[email], own, "{asked:?}");
        }
    }
}

async fn a_number_is_kept_until_an_event_after_it_is_gone(backend: Backend) {
    let (post, _) = filled(backend).await;
    let kept = async |seq| events::is_kept(&post.world.ctx, seq).await.unwrap();
    for (seq, expected) in [(0, true), (1, true), (120, true), (121, false)] {
        assert_eq!(kept(seq).await, expected, "{seq}");
    }
    let delete = async |text: &str| post.world.ctx.store.write().execute_unprepared(text).await.unwrap();
    delete("DELETE FROM email_delivery_events WHERE seq <= 10").await;
    for (seq, expected) in [(0, false), (9, false), (10, true), (120, true)] {
        assert_eq!(kept(seq).await, expected, "{seq}");
    }
    delete("DELETE FROM email_delivery_events").await;
    assert_eq!((kept(119).await, kept(120).await), (false, true));
}

//! Every filter means what it says, page by page in both directions, and a place in a list stays good whatever joins or leaves.

use chrono::{DateTime, Utc};
use entity::{Priority, Status};
use jobs::filter::{Filter, Order};
use jobs::find::{self, Page, PageOf};
use tests::database::Backend;
use uuid::Uuid;

use super::queue::{BUSY, LARGE, Queue, RARE, RARE_DOMAIN, SMALL, Spread, UNKNOWN, USUAL_DOMAIN, span};

on_both! {
    every_filter_is_the_same_list_from_either_end
    a_place_stays_good_whatever_joins_or_leaves
    counting_stops_at_ten_thousand_where_no_tally_knows
}

/// An email as the test knows it.
struct Known {
    i: i64,
    status: Status,
    campaign: Option<Uuid>,
    domain: &'static str,
    lane: Priority,
    address: String,
}

const EMAILS: i64 = 90;

/// Emails of all kinds without an order in them: the same ones at each run.
fn emails() -> Vec<Known> {
    let mut state = 17u64;
    let mut one_of = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let statuses: Vec<Status> = Status::all().collect();
    let mut email = |i| {
        let (campaign, domain) = match one_of(4) {
            0 => (None, USUAL_DOMAIN),
            1 => (Some(LARGE), USUAL_DOMAIN),
            2 => (Some(SMALL), USUAL_DOMAIN),
            _ => (None, RARE_DOMAIN),
        };
        let address = match one_of(3) {
            0 => format!("reader{i}@example.org"),
            1 => BUSY.to_owned(),
            _ => RARE.to_owned(),
        };
        let lane = [Priority::High, Priority::Normal, Priority::Low][one_of(3) as usize];
        Known { i, status: statuses[one_of(13) as usize], campaign, domain, lane, address }
    };
    (0..EMAILS).map(&mut email).collect()
}

async fn stored(backend: Backend) -> (Queue, Vec<Known>) {
    let (queue, emails) = (Queue::empty(backend).await, emails());
    let row = |email: &Known| {
        let Known { i, status, campaign, domain, lane, address } = email;
        let scope = match (*campaign, *domain) {
            (Some(LARGE), _) => 2,
            (Some(_), _) => 3,
            (None, RARE_DOMAIN) => 4,
            (None, _) => 1,
        };
        let campaign = campaign.map_or("NULL".to_owned(), |id| queue.literal(id));
        let (status, lane) = (*status as i16, lane.lane());
        format!(
            "SELECT {i} AS i, {status} AS status, {scope} AS scope, {campaign} AS campaign, {lane} AS lane, \
             '{address}' AS address"
        )
    };
    queue.store(&emails.iter().map(row).collect::<Vec<_>>().join(" UNION ALL ")).await;
    (queue, emails)
}

/// Every part with values that meet many, few and none, in all combinations.
fn filters() -> Vec<Filter> {
    let mut statuses: Vec<Vec<Status>> = vec![Vec::new(), Status::all().collect()];
    statuses.extend(Status::all().map(|status| vec![status]));
    statuses.push(vec![Status::Queued, Status::Sending]);
    statuses.push(vec![Status::Sending, Status::Failed, Status::Sent]);
    statuses.push(vec![Status::Scheduled, Status::Queued, Status::Unconfirmed]);
    let addresses = [None, Some(BUSY.to_owned())];
    let campaigns = [None, Some(LARGE), Some(UNKNOWN)];
    let others = [(None, None), (Some(RARE_DOMAIN), None), (Some(USUAL_DOMAIN), Some(Priority::High))];
    let spans = [(None, None), span(20, 70)];
    let mut filters = Vec::new();
    for statuses in &statuses {
        for address_key in &addresses {
            for campaign in campaigns {
                for (domain, priority) in others {
                    for (created_from, created_until) in spans {
                        filters.push(Filter {
                            statuses: statuses.clone(),
                            address_key: address_key.clone(),
                            domain: domain.map(str::to_owned),
                            campaign,
                            priority,
                            created_from,
                            created_until,
                            cause: None,
                        });
                    }
                }
            }
        }
    }
    filters
}

fn meets(filter: &Filter, email: &Known) -> bool {
    let at: DateTime<Utc> = Queue::accepted_at(email.i);
    (filter.statuses.is_empty() || filter.statuses.contains(&email.status))
        && filter.address_key.as_ref().is_none_or(|key| *key == email.address)
        && filter.domain.as_ref().is_none_or(|name| name == email.domain)
        && filter.campaign.is_none_or(|id| email.campaign == Some(id))
        && filter.priority.is_none_or(|lane| lane == email.lane)
        && filter.created_from.is_none_or(|from| from <= at)
        && filter.created_until.is_none_or(|until| at < until)
}

/// What a page of `all` must be: `place` is that of the cursor among all emails.
fn expected(all: &[i64], order: Order, page: Page) -> PageOf<i64> {
    let mut all = all.to_vec();
    let after = |i: i64, place: Uuid| match order {
        Order::Ascending => Queue::nth(i) > place,
        Order::Descending => Queue::nth(i) < place,
    };
    if order == Order::Descending {
        all.reverse();
    }
    let (from, until) = match page {
        Page::First { n, after: place } => {
            let from = place.map_or(0, |place| all.iter().filter(|i| !after(**i, place)).count());
            (from, all.len().min(from + n as usize))
        }
        Page::Last { n, before: place } => {
            let before = |i: i64, place| !after(i, place) && Queue::nth(i) != place;
            let until = place.map_or(all.len(), |place| all.iter().filter(|i| before(**i, place)).count());
            (until.saturating_sub(n as usize), until)
        }
    };
    PageOf { items: all[from..until].to_vec(), has_previous: from > 0, has_next: until < all.len() }
}

async fn asked(queue: &Queue, filter: &Filter, order: Order, page: Page) -> PageOf<i64> {
    let PageOf { items, has_previous, has_next } = find::emails(&queue.ctx, filter, page, order).await.unwrap();
    let place = |id: Uuid| (id.as_u128() & 0xffff_ffff_ffff) as i64;
    PageOf { items: items.iter().map(|email| place(email.id)).collect(), has_previous, has_next }
}

async fn every_filter_is_the_same_list_from_either_end(backend: Backend) {
    let (queue, emails) = stored(backend).await;
    let sizes = [3, 100, 1, 7];
    for (turn, filter) in filters().iter().enumerate() {
        let all: Vec<i64> = emails.iter().filter(|email| meets(filter, email)).map(|email| email.i).collect();
        let order = [Order::Descending, Order::Ascending][turn % 2];
        // One at a time through short lists alone, for time's sake.
        let n = if all.len() > 20 { sizes[turn % 2] } else { sizes[turn % 4] };
        let check = async |page| {
            let found = asked(&queue, filter, order, page).await;
            assert_eq!(found, expected(&all, order, page), "{page:?} {order:?} of {filter:?}");
            found
        };
        let (mut forwards, mut backwards) = (Vec::new(), Vec::new());
        let mut place = None;
        loop {
            let page = check(Page::First { n, after: place }).await;
            place = page.items.last().map(|i| Queue::nth(*i));
            forwards.extend(page.items);
            if !page.has_next {
                break;
            }
        }
        place = None;
        loop {
            let page = check(Page::Last { n, before: place }).await;
            place = page.items.first().map(|i| Queue::nth(*i));
            backwards.splice(0..0, page.items);
            if !page.has_previous {
                break;
            }
        }
        assert_eq!(forwards, backwards, "{filter:?}");
        assert_eq!(find::count(&queue.ctx, filter).await.unwrap(), (all.len() as u64, false), "{filter:?}");
        // A place may be that of an email which is not, or no longer, in the list.
        let anywhere = Some(Queue::nth(turn as i64 * 31 % EMAILS));
        check(Page::First { n, after: anywhere }).await;
        check(Page::Last { n, before: anywhere }).await;
        check(Page::First { n: 0, after: anywhere }).await;
    }
}

async fn a_place_stays_good_whatever_joins_or_leaves(backend: Backend) {
    let queue = Queue::empty(backend).await;
    let row = |i: i64| {
        let status = if i == 4 || i == 6 { Status::Failed } else { Status::Sent } as i16;
        format!(
            "SELECT {i} AS i, {status} AS status, 1 AS scope, {nil} AS campaign, 1 AS lane, '{BUSY}' AS address",
            nil = queue.literal(Uuid::nil())
        )
    };
    queue.store(&(0..10).map(row).collect::<Vec<_>>().join(" UNION ALL ")).await;
    let sent = Filter { statuses: vec![Status::Sent], ..Filter::default() };
    let page = async |page| asked(&queue, &sent, Order::Ascending, page).await.items;
    let three = |place: i64| Page::First { n: 3, after: Some(Queue::nth(place)) };
    assert_eq!(page(Page::First { n: 3, after: None }).await, [0, 1, 2]);
    let set = async |i: i64, status: Status| {
        let (status, id) = (status as i16, queue.literal(Queue::nth(i)));
        queue.run(&format!("UPDATE email_queue SET status = {status} WHERE id = {id}")).await;
    };
    // The one the cursor names leaves, one behind it leaves, and one before and one behind it join.
    set(2, Status::Failed).await;
    set(3, Status::Failed).await;
    set(6, Status::Sent).await;
    assert_eq!(page(three(2)).await, [5, 6, 7]);
    set(4, Status::Sent).await;
    set(7, Status::Failed).await;
    assert_eq!(page(three(7)).await, [8, 9]);
    assert_eq!(page(Page::Last { n: 3, before: Some(Queue::nth(7)) }).await, [4, 5, 6]);
}

async fn counting_stops_at_ten_thousand_where_no_tally_knows(backend: Backend) {
    let queue = Queue::empty(backend).await;
    queue.fill(24_000, Status::Sent, Spread::Even).await;
    let count = async |filter: Filter| find::count(&queue.ctx, &filter).await.unwrap();
    let all = Filter::default;
    let busy = || Filter { address_key: Some(BUSY.into()), ..all() };
    let (created_from, created_until) = span(1_000, 11_000);
    let in_time = |until| Filter { created_from, created_until: until, ..all() };
    assert_eq!(count(all()).await, (24_000, false));
    assert_eq!(count(Filter { statuses: vec![Status::Failed], ..all() }).await, (30, false));
    assert!(count(Filter { campaign: Some(LARGE), statuses: vec![Status::Sent], ..all() }).await.0 > 10_000);
    assert_eq!(count(busy()).await, (10_000, true));
    assert_eq!(count(Filter { statuses: vec![Status::Sent], ..busy() }).await, (10_000, true));
    assert_eq!(count(in_time(created_until)).await, (10_000, false));
    assert_eq!(count(in_time(Some(Queue::accepted_at(11_001)))).await, (10_000, true));
}

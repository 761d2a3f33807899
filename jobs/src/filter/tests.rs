//! How each filter finds its emails.

#![expect(clippy::unwrap_used, reason = "tests may")]

use entity::Clock;

use super::*;
use crate::store::Store;

fn filter(statuses: &[Status]) -> Filter {
    Filter { statuses: statuses.to_vec(), ..Filter::default() }
}

#[test]
fn each_filter_is_found_by_the_index_that_fits_it() {
    use Status::{Failed, Queued, Sending, Sent};
    let address = |f: Filter| Filter { address_key: Some("a@example.com".into()), ..f };
    let campaign = |f: Filter| Filter { campaign: Some(Uuid::max()), ..f };
    let (queued, both) = (mask(&[Queued]), mask(&[Queued, Sending]));
    let cases = [
        (filter(&[]), vec![]),
        (Filter { created_from: Some(DateTime::UNIX_EPOCH), ..filter(&[]) }, vec![]),
        (filter(&[Sent, Failed]), vec![Way::Standings(mask(&[Sent, Failed]))]),
        (filter(&[Queued]), vec![Way::Scopes(queued)]),
        (filter(&[Sending]), vec![Way::Sending]),
        (filter(&[Queued, Sending]), vec![Way::Scopes(both)]),
        (filter(&[Sent, Sending]), vec![Way::Standings(mask(&[Sent])), Way::Sending]),
        (filter(&[Sent, Queued]), vec![Way::Standings(mask(&[Sent])), Way::Scopes(queued)]),
        (campaign(filter(&[])), vec![Way::Scopes(ALL)]),
        (campaign(filter(&[Queued, Failed])), vec![Way::Scopes(mask(&[Queued, Failed]))]),
        (campaign(filter(&[Sending])), vec![Way::Sending]),
        (address(filter(&[])), vec![Way::Address(ALL)]),
        (address(campaign(filter(&[Sent, Sending]))), vec![Way::Address(mask(&[Sent])), Way::Sending]),
        (Filter { priority: Some(Priority::Low), ..filter(&[]) }, vec![Way::Scopes(ALL)]),
        (Filter { domain: Some("example.com".into()), ..filter(&[]) }, vec![Way::Scopes(ALL)]),
    ];
    for (filter, ways) in cases {
        assert_eq!(filter.ways(), ways, "{filter:?}");
    }
}

#[tokio::test]
async fn another_status_or_another_cursor_is_the_same_text() {
    // Opened lazily, and never asked.
    let store = Store::connect("postgres://nobody@127.0.0.1:1/nothing").await.unwrap();
    let text = |filter: Filter, after: u128| {
        let mut clauses = filter.clauses();
        clauses.after(Uuid::from_u128(after));
        clauses.page(&store, "q.*", Order::Descending, 26, "")
    };
    let (few, many) = (text(filter(&[Status::Sent]), 1), text(filter(&[Status::Sent, Status::Expired]), 2));
    assert_eq!(few.sql, many.sql);
    assert_ne!(few.values, many.values);
    let bound = few.values.unwrap().0.len();
    assert!(few.sql.contains(&format!("${bound}")) && !few.sql.contains(&format!("${}", bound + 1)), "{}", few.sql);
}

#[test]
fn a_span_of_time_is_a_span_of_ids_to_the_millisecond() {
    let at = |micros: i64| DateTime::from_timestamp_micros(1_780_000_000_000_000 + micros).unwrap();
    let id = first_id(at(5_000));
    assert_eq!(made_at(id), at(5_000));
    assert_eq!(first_id(at(4_001)), id, "made at 5 ms is made after 4.001 ms …");
    assert!(first_id(at(5_001)) > id, "… and before 5.001 ms");
    assert_eq!(first_id(DateTime::UNIX_EPOCH - TimeDelta::days(1)), Uuid::nil());
    let clock = Clock::system();
    let (before, id, after) = (clock.now(), clock.id(), clock.now());
    assert!(first_id(before - TimeDelta::milliseconds(1)) <= id && id < first_id(after + TimeDelta::milliseconds(1)));
}

#[test]
fn within_keeps_what_the_filter_lets_through() {
    let waiting = [Status::Scheduled, Status::Queued];
    assert_eq!(Filter::default().within(&waiting).map(|f| f.statuses), Some(waiting.to_vec()));
    let queued = filter(&[Status::Queued, Status::Sent]);
    assert_eq!(queued.within(&waiting).map(|f| f.statuses), Some(vec![Status::Queued]));
    assert_eq!(queued.within(&[Status::Failed]), None);
}

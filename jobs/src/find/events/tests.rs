//! How events are found, and which a filter means.

#![expect(clippy::unwrap_used, reason = "tests may")]

use super::runs::Way;
use super::*;

fn filter(kinds: &[Kind]) -> Filter {
    Filter { kinds: kinds.to_vec(), ..Filter::default() }
}

#[test]
fn each_filter_is_found_by_the_index_that_fits_it() {
    let email = |f: Filter| Filter { email: Some(Uuid::max()), ..f };
    let address = |f: Filter| Filter { address_key: Some("a@example.com".into()), ..f };
    let campaign = |f: Filter| Filter { campaign: Some(Uuid::max()), ..f };
    let cases = [
        (filter(&[]), Way::Numbers),
        (Filter { since: Some(DateTime::UNIX_EPOCH), ..filter(&[]) }, Way::Numbers),
        (filter(&[Kind::Opened]), Way::Kinds),
        (campaign(filter(&[])), Way::Campaign),
        (campaign(filter(&[Kind::Opened, Kind::Clicked])), Way::Campaign),
        (address(campaign(filter(&[]))), Way::Address),
        (email(address(campaign(filter(&[Kind::Bounced])))), Way::Email),
    ];
    for (filter, way) in cases {
        assert_eq!(filter.way(), way, "{filter:?}");
    }
}

#[tokio::test]
async fn other_kinds_or_another_cursor_are_the_same_text() {
    // Opened lazily, and never asked.
    let store = Store::connect("postgres://nobody@127.0.0.1:1/nothing").await.unwrap();
    let text = |filter: Filter, after: i64| asked(&store, &filter, Seqs::ALL.after(after), Order::Descending, 26);
    let (few, many) = (text(filter(&[Kind::Opened]), 1), text(filter(&[Kind::Opened, Kind::Unknown]), 2));
    assert_eq!(few.sql, many.sql);
    assert_ne!(few.values, many.values);
    let bound = few.values.unwrap().0.len();
    assert!(few.sql.contains(&format!("${bound}")) && !few.sql.contains(&format!("${}", bound + 1)), "{}", few.sql);
}

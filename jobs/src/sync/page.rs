//! What Mailgun's pages of a list say, and the bodies that put entries there. Pure. Facts: Mailgun's "Suppressions" page.

use chrono::{DateTime, Utc};
use entity::provider_list::List;
use reqwest::Url;
use serde_json::{Value, json};

use super::provider::{Entry, Item, Page, SyncError};

/// A page. An empty one is the end; any other names the next, which is followed on the same server alone.
pub(super) fn read(body: &[u8], base: &Url) -> Result<Page, SyncError> {
    let unreadable = |why: &str| SyncError::Unreadable(why.to_owned());
    let json: Value = serde_json::from_slice(body).map_err(|_| unreadable("it was answered with something else"))?;
    let items = json["items"].as_array().ok_or_else(|| unreadable("a page has no items"))?;
    if items.is_empty() {
        return Ok(Page::default());
    }
    let next = json["paging"]["next"].as_str().and_then(|text| Url::parse(text).ok());
    let next = next.ok_or_else(|| unreadable("a page names no next one"))?;
    if next.origin() != base.origin() {
        return Err(unreadable("its next page lies on another server"));
    }
    // One that can't be read is passed over when it is looked at.
    let items = items.iter().map(|item| serde_json::from_value::<Item>(item.clone()).unwrap_or_default()).collect();
    Ok(Page { items, next: Some(next.into()) })
}

/// The body that puts entries on a list.
pub(super) fn entries(list: List, entries: &[Entry]) -> Value {
    let entry = |entry: &Entry| {
        let Entry { address, note, since } = entry;
        let since = date(*since);
        match list {
            List::Bounces => {
                let (code, error) = code(note.as_deref().unwrap_or_default());
                json!({ "address": address, "code": code, "error": error, "created_at": since })
            }
            List::Complaints => json!({ "address": address, "created_at": since }),
            List::Unsubscribes => json!({ "address": address, "tags": ["*"], "created_at": since }),
        }
    };
    entries.iter().map(entry).collect()
}

/// The code that Mailgun's words of a bounce begin with. It wants one; 550 is what it takes where none is named.
fn code(note: &str) -> (&str, &str) {
    match note.split_once(' ') {
        Some((code, error)) if code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit()) => (code, error),
        _ => ("550", note),
    }
}

/// As Mailgun writes it: RFC 2822 but for its UTC.
fn date(at: DateTime<Utc>) -> String {
    at.format("%a, %d %b %Y %H:%M:%S UTC").to_string()
}

/// The path of an address below its list, percent-encoded throughout.
pub(super) fn encoded(address: &str) -> String {
    // A space becomes +, and a + was encoded.
    form_urlencoded::byte_serialize(address.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    fn base() -> Url {
        Url::parse("https://api.mailgun.net").unwrap()
    }

    #[test]
    fn a_page_says_where_the_next_one_is() {
        let page = |next: &str| {
            let item = json!({ "address": "ann@example.com", "code": 550, "error": null, "more": 1 });
            let body = json!({ "items": [item, "nonsense"], "paging": { "next": next } }).to_string();
            read(body.as_bytes(), &base())
        };
        let read_page = page("https://api.mailgun.net/v3/d/bounces?page=next&address=ann%40example.com").unwrap();
        assert_eq!(read_page.items.len(), 2);
        assert_eq!(read_page.items[0].address.as_deref(), Some("ann@example.com"));
        assert_eq!(read_page.items[1], Item::default());
        assert!(read_page.next.unwrap().contains("page=next"));
        for elsewhere in
            ["https://evil.example/v3/d/bounces", "http://api.mailgun.net/v3/d/bounces", "/v3/d/bounces", ""]
        {
            assert!(matches!(page(elsewhere), Err(SyncError::Unreadable(_))), "{elsewhere}");
        }
    }

    #[test]
    fn an_empty_page_is_the_end_and_anything_else_is_no_page() {
        let read = |body: &str| read(body.as_bytes(), &base());
        assert_eq!(read(r#"{"items":[],"paging":{"next":"https://evil.example/"}}"#), Ok(Page::default()));
        for body in ["Mailgun Magnificent API", "{}", r#"{"items":null}"#, r#"{"items":[{}],"paging":{}}"#] {
            assert!(matches!(read(body), Err(SyncError::Unreadable(_))), "{body}");
        }
    }

    #[test]
    fn entries_are_put_as_each_list_has_them() {
        let since = DateTime::from_timestamp(1_318_528_920, 5_000).unwrap();
        let entry =
            |note: Option<&str>| Entry { address: "a+b@example.com".to_owned(), note: note.map(str::to_owned), since };
        let at = "Thu, 13 Oct 2011 18:02:00 UTC";
        let bounce =
            |code, error| json!([{ "address": "a+b@example.com", "code": code, "error": error, "created_at": at }]);
        let cases = [
            (List::Bounces, Some("552 5.2.2 full"), bounce("552", "5.2.2 full")),
            (List::Bounces, Some("no such user"), bounce("550", "no such user")),
            (List::Bounces, None, bounce("550", "")),
            (List::Complaints, Some("x"), json!([{ "address": "a+b@example.com", "created_at": at }])),
            (List::Unsubscribes, None, json!([{ "address": "a+b@example.com", "tags": ["*"], "created_at": at }])),
        ];
        for (list, note, expected) in cases {
            assert_eq!(entries(list, &[entry(note)]), expected, "{list:?} {note:?}");
        }
        assert_eq!(encoded("a+b c/%@x.org"), "a%2Bb%20c%2F%25%40x.org");
    }
}

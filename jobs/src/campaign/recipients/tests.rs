//! Who may be a recipient, and how each mistake is told.

use serde_json::json;

use super::*;

#[test]
fn each_mistake_is_named_where_it_was_made() {
    let given = |address: &str, name: Option<&str>, variables: Option<Json>| {
        let new = NewRecipient { address: address.into(), name: name.map(str::to_owned), lead: None, variables };
        match new.check() {
            Ok((mailbox, _)) => mailbox.to_string(),
            Err(complaints) => complaints.iter().map(|c| c.path.join(".")).collect::<Vec<_>>().join(" "),
        }
    };
    let large = json!({ "a": "x".repeat(MOST_VARIABLES) });
    let cases = [
        (given("Ann@Example.com", None, None), "Ann@example.com"),
        (given("ann@example.com", Some(" Ann, B "), None), "\"Ann, B\" <ann@example.com>"),
        (given("ann@example.com", Some(""), Some(json!({"a": 1}))), "ann@example.com"),
        (given("ann", Some("Ann"), None), "address"),
        (given("Ann <ann@example.com>", None, None), "address"),
        (given("ann@example.com", Some("A\nB"), None), "A B <ann@example.com>"),
        (given("ann@example.com", Some(&"n".repeat(2_000)), None), "name"),
        (given("ann@example.com", None, Some(json!([1]))), "variables"),
        (given("ann@example.com", None, Some(json!({"recipient": 1}))), "variables"),
        (given("ann@example.com", None, Some(large)), "variables"),
        (given("ann", None, Some(json!(1))), "address variables"),
    ];
    for (i, (found, expected)) in cases.into_iter().enumerate() {
        assert_eq!(found, expected, "case {i}");
    }
}

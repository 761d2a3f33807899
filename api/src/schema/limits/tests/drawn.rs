//! Documents that were drawn: each costs what a reckoning of its own says, however it is put together, and what is no document
//! at all is refused in words.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::{answered, refusal};
use crate::schema::limits::{COST, SELECTIONS};

/// What is asked of an email.
#[derive(Clone, Debug)]
enum Asked {
    Field(&'static str),
    /// The emails beside it in its campaign, a page of so many.
    Beside(usize, Vec<Asked>),
    Inline(Vec<Asked>),
    /// By a fragment of its own.
    Spread(Vec<Asked>),
}

fn asked() -> impl Strategy<Value = Vec<Asked>> {
    let field = prop::sample::select(vec!["id", "status", "subject", "__typename"]).prop_map(Asked::Field);
    let one = field.prop_recursive(3, 40, 6, |below| {
        let several = prop::collection::vec(below, 1..6);
        prop_oneof![
            (1..=100_usize, several.clone()).prop_map(|(n, below)| Asked::Beside(n, below)),
            several.clone().prop_map(Asked::Inline),
            several.prop_map(Asked::Spread),
        ]
    });
    prop::collection::vec(one, 1..6)
}

/// A document under way, with what it comes to.
#[derive(Default)]
struct Written {
    fragments: String,
    spread: usize,
    selections: usize,
}

impl Written {
    /// Answers the text of a selection, and what one thing of it costs.
    fn set(&mut self, asked: &[Asked]) -> (String, usize) {
        let (mut text, mut cost) = (String::new(), 0);
        for one in asked {
            self.selections += 1;
            match one {
                Asked::Field(name) => {
                    write!(text, "{name} ").unwrap();
                    cost += 1;
                }
                Asked::Beside(n, below) => {
                    // The list of the campaign's emails, and its nodes.
                    self.selections += 2;
                    let (below, each) = self.set(below);
                    write!(text, "campaign {{ emails(first: {n}) {{ nodes {{ {below}}} }} }} ").unwrap();
                    cost += 2 + n * (each + 1);
                }
                Asked::Inline(below) => {
                    let (below, each) = self.set(below);
                    write!(text, "... on Email {{ {below}}} ").unwrap();
                    cost += each;
                }
                Asked::Spread(below) => {
                    let (below, each) = self.set(below);
                    self.spread += 1;
                    write!(self.fragments, " fragment F{} on Email {{ {below}}}", self.spread).unwrap();
                    write!(text, "...F{} ", self.spread).unwrap();
                    cost += each;
                }
            }
        }
        (text, cost)
    }
}

fn answer(text: &str) -> async_graphql::Response {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(answered(text))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_document_costs_what_it_may_answer_and_no_way_of_writing_it_hides_that(
        asked in asked(), plain in 0..450_usize, first in 1..=100_usize
    ) {
        let mut written = Written::default();
        let (text, each) = written.set(&asked);
        let text = format!(
            "{{ emails(first: {first}) {{ nodes {{ {}{text}}} }} }}{}", "id ".repeat(plain), written.fragments
        );
        let (selections, cost) = (written.selections + plain + 2, first * (each + plain + 1) + 1);
        let errors = answer(&text).errors;
        let told = errors.first().map_or("", |error| error.message.as_str());
        if selections > SELECTIONS {
            prop_assert!(told.contains("more than 400 fields"), "{} selections: {}: {}", selections, told, text);
        } else if cost > COST {
            let words = format!("the operation costs {cost} ");
            prop_assert!(told.starts_with(&words), "{}: {}: {}", cost, told, text);
        } else {
            prop_assert!(!told.contains("costs") && !told.contains("more than"), "{}: {}: {}", cost, told, text);
        }
    }

    #[test]
    fn what_is_no_document_is_refused_in_words(pieces in prop::collection::vec(piece(), 0..60)) {
        let text = pieces.join(" ");
        let response = answer(&text);
        if response.is_err() && response.errors[0].message != "internal error" {
            let (code, words) = refusal(&response);
            prop_assert!(code.starts_with("GRAPHQL_") || code == "FORBIDDEN", "{}: {}: {}", code, words, text);
            prop_assert!(words.len() < 400, "{}: {}", words, text);
        }
    }
}

/// A piece that documents are made of.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "emails",
        "nodes",
        "id",
        "viewer",
        "version",
        "first:",
        "-1",
        "99999999999999999999",
        "$n",
        ":",
        "Int",
        "=",
        "query",
        "mutation",
        "subscription",
        "fragment",
        "F",
        "on",
        "Email",
        "...",
        "...F",
        "@include",
        "@skip(if: true)",
        "\"",
        "\"\"\"",
        "#",
        ",",
        "!",
        "null",
        "__schema",
        "__typename",
        "\u{0}",
        "ü",
    ])
}

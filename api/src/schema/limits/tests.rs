//! What a document may ask for, and what is refused before anything runs.

#![expect(clippy::unwrap_used, reason = "tests may")]

mod drawn;

use async_graphql::{EmptyMutation, EmptySubscription, Object, Response, Schema};

use super::*;
use crate::schema::{builder, fault};

const INTROSPECTION: &str = include_str!("introspection.graphql");

async fn answered(request: impl Into<Request>) -> Response {
    builder().finish().execute(request).await
}

/// The code and the words of the first error.
fn refusal(response: &Response) -> (String, String) {
    let error = response.errors.first().unwrap_or_else(|| panic!("not refused: {response:?}"));
    let code = error.extensions.as_ref().and_then(|extensions| extensions.get("code")).unwrap();
    (code.to_string().trim_matches('"').to_owned(), error.message.clone())
}

#[tokio::test]
async fn what_is_beyond_a_limit_is_refused_in_words() {
    let times = |n: usize, text: &str| (0..n).map(|i| text.replace('#', &i.to_string())).collect::<Vec<_>>().join(" ");
    let fragments = |n: usize| {
        let each = (0..n).map(|i| format!("fragment F{i} on Query {{ ...F{} }}", i + 1)).collect::<Vec<_>>().join(" ");
        format!("{{ ...F0 }} {each} fragment F{n} on Query {{ viewer {{ version }} }}")
    };
    // Ten fragments, each spreading the next ten times: a thousand bytes that would unfold to 10¹⁰ fields.
    let bomb = (0..10).map(|i| format!("fragment F{i} on Query {{ {} }}", times(10, &format!("...F{}", i + 1))));
    let bomb = format!("{{ ...F0 }} {} fragment F10 on Query {{ __typename }}", bomb.collect::<Vec<_>>().join(" "));
    let deep =
        |n: usize| format!("{{ __schema {{ types {} {} }} }}", "{ ofType ".repeat(n) + "{ name }", "}".repeat(n));
    let introspection = |lists: &str| format!("{{ __schema {{ types {{ {lists} }} }} }}");
    let cases = [
        (format!("{{ viewer {{ version }} }} #{}", "x".repeat(TEXT)), Some("bytes; 65536 are allowed")),
        (format!("{{ viewer {{ version }} }} #{}", "x".repeat(TEXT - 100)), None),
        (format!("{{ viewer {} {{ version }} }}", "@a ".repeat(10_000)), Some("more than 5000 words and signs")),
        (format!("{}{}", "{ a ".repeat(20_000 / 2), "}".repeat(20_000 / 2)), Some("brackets nest more than 64 deep")),
        (format!("{{ viewer {{ {} }} }}", times(398, "version")), None),
        (format!("{{ viewer {{ {} }} }}", times(400, "version")), Some("more than 400 fields")),
        (format!("{{ {} }}", times(401, "__typename")), Some("more than 400 fields")),
        (bomb, Some("more than 400 fields")),
        (
            format!("{{ viewer {{ version }} }} fragment F on Viewer {{ {} }}", times(401, "version")),
            Some("more than 400"),
        ),
        (fragments(15), None),
        (fragments(16), Some("fragments nest more than 16 deep")),
        ("{ ...A } fragment A on Query { ...A }".to_owned(), Some("fragments nest more than 16 deep")),
        (deep(12), None),
        (deep(13), Some("fields nest more than 15 deep")),
        (introspection("fields { type { fields { name } } }"), None),
        (introspection("fields { type { fields { type { fields { name } } } } }"), Some("lists of an introspection")),
        (introspection("possibleTypes { interfaces { inputFields { name } } }"), Some("lists of an introspection")),
        (format!("{{ {} }}", times(30, "v#: viewer { version }")), None),
        (format!("{{ {} }}", times(31, "v#: viewer { version }")), Some("aliases")),
        (format!("{{ viewer {} {{ version }} }}", "@include(if: true) ".repeat(6)), Some("directives")),
        ("{ emails(first: 100) { nodes { timeline { kind } } } }".to_owned(), None),
        ("{ viewer { versio } }".to_owned(), Some("Unknown field \"versio\" on type \"Viewer\".")),
    ];
    for (text, expected) in cases {
        let short: String = text.chars().take(120).collect();
        let response = answered(text.as_str()).await;
        match expected {
            Some(words) => {
                let (code, message) = refusal(&response);
                assert_eq!(code, "GRAPHQL_VALIDATION_FAILED", "{short}");
                assert!(message.contains(words), "{short}: {message}");
            }
            // Without a process behind it, what passes fails in its resolvers.
            None => {
                let passed = response.errors.iter().all(|error| error.message == "internal error");
                assert!(passed, "{short}: {:?}", response.errors);
            }
        }
    }
}

/// What the document's operations cost together, as the refusal tells it; `None` when it is within the limit.
async fn cost(text: &str, variables: serde_json::Value) -> Option<usize> {
    // Often enough to be refused, so that the cost is told.
    let request = Request::new(text).variables(async_graphql::Variables::from_json(variables));
    let errors = answered(request).await.errors;
    let told = errors.iter().find_map(|error| error.message.strip_prefix("the operation costs "))?;
    told.split(' ').next().unwrap().parse().ok()
}

#[tokio::test]
async fn a_page_costs_its_fields_as_often_as_it_may_have_things() {
    // 300 fields on each thing, 302 with `nodes` and the list itself.
    let fields = "id ".repeat(300);
    let list = |arguments: &str| format!("{{ emails{arguments} {{ nodes {{ {fields} }} }} }}");
    let by = |definition: &str| format!("query({definition}) {{ emails(first: $n) {{ nodes {{ {fields} }} }} }}");
    let none = || serde_json::json!({});
    let n = |n: serde_json::Value| serde_json::json!({ "n": n });
    let of = |things: usize| Some(things * 301 + 1);
    let cases = [
        (list("(first: 100)"), none(), of(100)),
        (list("(last: 70)"), none(), of(70)),
        (list("(first: 1, last: 80)"), none(), of(80)),
        (list(""), none(), None),
        (list("(first: -2147483648)"), none(), None),
        (list("(first: 2147483647)"), none(), of(100)),
        (by("$n: Int"), n(90.into()), of(90)),
        (by("$n: Int"), none(), None),
        (by("$n: Int"), n(serde_json::Value::Null), None),
        (by("$n: Int = 95"), none(), of(95)),
        (by("$n: Int = 95"), n(10.into()), None),
        (format!("{{ nodes(ids: [{}]) {{ {fields} }} }}", "\"x\", ".repeat(99)), none(), Some(99 * 300 + 1)),
        (
            format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ {fields} }} }}"),
            serde_json::json!({ "ids": vec!["x"; 98] }),
            Some(98 * 300 + 1),
        ),
        // 20 unless asked otherwise, says the schema.
        (format!("{{ failures {{ sample {{ {fields} }} }} }}"), none(), None),
        (format!("{{ failures(first: 100) {{ sample {{ {fields} }} }} }}"), none(), of(100)),
        // `__typename` counts, and so does what a fragment brings.
        (
            format!(
                "{{ emails(first: 100) {{ nodes {{ ...F }} }} }} fragment F on Email {{ {} }}",
                "__typename ".repeat(300)
            ),
            none(),
            of(100),
        ),
    ];
    for (text, variables, expected) in cases {
        let short: String = text.chars().take(80).collect();
        assert_eq!(cost(&text, variables.clone()).await, expected, "{short} {variables}");
    }
}

#[tokio::test]
async fn a_list_whose_variables_are_not_given_is_the_usual_one() {
    let text = "query($first: Int, $last: Int) { emails(first: $first, last: $last) { nodes { id } } }";
    let errors = answered(text).await.errors;
    assert!(errors.iter().all(|error| error.message == "internal error"), "{errors:?}");
}

#[tokio::test]
async fn the_standard_introspection_passes_and_is_told_to_whom_it_is_meant_for() {
    let told = answered(INTROSPECTION).await;
    assert!(told.errors.is_empty(), "{:?}", told.errors);
    for text in [
        INTROSPECTION,
        "{ __type(name: \"Email\") { name } }",
        "{ ...F } fragment F on Query { ... { a: __schema { description } } }",
    ] {
        let (code, words) = refusal(&answered(Request::new(text).disable_introspection()).await);
        assert_eq!((code.as_str(), words.as_str()), ("FORBIDDEN", "this needs a key with the scope ADMIN"), "{text}");
    }
    assert!(answered(Request::new("{ __typename }").disable_introspection()).await.errors.is_empty());
}

#[tokio::test]
async fn a_subscription_is_about_one_thing() {
    use futures::StreamExt;
    let cases = [
        ("subscription { a: queueStatsUpdated { active } b: queueStatsUpdated { active } }", "has one root field"),
        ("subscription { __typename }", "not for introspection"),
        ("subscription { ...F } fragment F on Subscription { queueStatsUpdated { active } }", "not in a fragment"),
        ("subscription { ... { queueStatsUpdated { active } } }", "not in a fragment"),
        ("subscription A { queueStatsUpdated { active } } subscription B { __typename }", "not for introspection"),
    ];
    for (text, words) in cases {
        let answers: Vec<Response> = builder().finish().execute_stream(text).collect().await;
        assert_eq!(answers.len(), 1, "{text}");
        let (code, message) = refusal(&answers[0]);
        assert!(code == "GRAPHQL_VALIDATION_FAILED" && message.contains(words), "{text}: {code} {message}");
    }
}

#[tokio::test]
async fn what_is_no_graphql_is_told_without_being_repeated() {
    // Texts that nest as deep as they may, and no further than to their middle.
    let nested = ["{a", "{a(b:[", "{a(b:{c:", "query($a:[", "{...{"].map(|text| text.repeat(20));
    let simple = ["{ viewer { version }", "{ viewer(", "", "query", "{ a(b: $) }"].map(str::to_owned);
    for text in nested.into_iter().chain(simple) {
        let (code, message) = refusal(&answered(text.as_str()).await);
        assert_eq!(code, "GRAPHQL_PARSE_FAILED", "{message}");
        assert!(message.starts_with("the document is no GraphQL: ") && message.len() < 200, "{message}");
    }
}

#[tokio::test]
async fn what_nests_as_deep_as_a_text_may_be_long_is_not_even_parsed() {
    let nested = ["{a", "{a(b:[", "{a(b:{c:", "query($a:[", "{...{"].map(|text| text.repeat(TEXT / text.len()));
    let lists = [format!("{{a(b:{}", "[".repeat(TEXT - 10)), format!("query($a:{}", "[".repeat(TEXT - 10))];
    for text in nested.into_iter().chain(lists) {
        let (code, message) = refusal(&answered(text.as_str()).await);
        assert_eq!((&*code, &*message), ("GRAPHQL_VALIDATION_FAILED", "brackets nest more than 64 deep"));
    }
}

struct Root;

#[Object]
impl Root {
    async fn away(&self) -> Result<i32, async_graphql::Error> {
        Err(sea_orm::DbErr::Custom("password=secret".to_owned()).into())
    }

    async fn internal(&self) -> Result<i32, fault::Fault> {
        Err(jobs::Error::Database(sea_orm::DbErr::Custom("password=secret".to_owned())).into())
    }

    async fn short(&self, #[graphql(validator(max_length = 3))] text: String) -> String {
        text
    }
}

#[tokio::test]
async fn nothing_internal_leaves() {
    let schema = limited(Schema::build(Root, EmptyMutation, EmptySubscription).extension(fault::ErrorCodes)).finish();
    let cases = [
        ("{ away }", "INTERNAL_SERVER_ERROR"),
        ("{ internal }", "INTERNAL_SERVER_ERROR"),
        ("{ short(text: \"long\") }", "BAD_USER_INPUT"),
    ];
    for (text, expected) in cases {
        let answer = schema.execute(text).await;
        assert_eq!(refusal(&answer).0, expected, "{text}");
        assert!(!serde_json::to_string(&answer).unwrap().contains("secret"), "{text}");
    }
}

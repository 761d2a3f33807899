//! Every field of the three roots is tried by callers with every set of scopes: each has a guard, and says which.

use std::collections::HashMap;

use async_graphql::{Request, Response};
use entity::{ApiScope, ApiScopes};
use futures::StreamExt;
use serde_json::Value;
use uuid::Uuid;

use super::super::builder;
use super::super::fault::Fault;
use crate::auth::Principal;

/// Fields that anybody may ask for who has a key, whatever it allows.
const UNGUARDED: [&str; 0] = [];

const ROOTS: &str = "{ __schema { queryType { name } mutationType { name } subscriptionType { name } types { name kind
  enumValues { name }
  inputFields { name defaultValue type { ...type } }
  fields { name description type { ...type } args { name defaultValue type { ...type } } } } } }
  fragment type on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// A field of a root, as a document that asks for it with arguments that can be read.
struct Field {
    name: String,
    words: String,
    document: String,
}

async fn fields() -> Vec<Field> {
    let answer = builder().finish().execute(Request::new(ROOTS)).await;
    let data = answer.data.into_json().unwrap();
    let types: HashMap<&str, &Value> = data["__schema"]["types"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| (kind["name"].as_str().unwrap(), kind))
        .collect();
    let mut found = Vec::new();
    for operation in ["query", "mutation", "subscription"] {
        let Some(root) = data["__schema"][format!("{operation}Type")]["name"].as_str() else { continue };
        for field in types[root]["fields"].as_array().unwrap() {
            let name = field["name"].as_str().unwrap();
            let given = arguments(field["args"].as_array().unwrap(), &types);
            let given = if given.is_empty() { given } else { format!("({given})") };
            let (_, kind) = named(&field["type"]);
            let selection = if matches!(kind, "OBJECT" | "INTERFACE" | "UNION") { "{ __typename }" } else { "" };
            found.push(Field {
                name: format!("{root}.{name}"),
                words: field["description"].as_str().unwrap().replace('\n', " "),
                document: format!("{operation} {{ {name}{given} {selection} }}"),
            });
        }
    }
    found
}

/// The required ones of these arguments or input fields, with values.
fn arguments(all: &[Value], types: &HashMap<&str, &Value>) -> String {
    let needed = all.iter().filter(|one| one["type"]["kind"] == "NON_NULL" && one["defaultValue"].is_null());
    let given = needed.map(|one| format!("{}: {}", one["name"].as_str().unwrap(), value(&one["type"], types)));
    given.collect::<Vec<_>>().join(", ")
}

fn value(of: &Value, types: &HashMap<&str, &Value>) -> String {
    match of["kind"].as_str().unwrap() {
        "NON_NULL" => value(&of["ofType"], types),
        "LIST" => format!("[{}]", value(&of["ofType"], types)),
        "ENUM" => types[of["name"].as_str().unwrap()]["enumValues"][0]["name"].as_str().unwrap().to_owned(),
        "INPUT_OBJECT" => {
            let fields = types[of["name"].as_str().unwrap()]["inputFields"].as_array().unwrap();
            match arguments(fields, types) {
                // Of a oneOf, where nothing is required, one is given.
                none if none.is_empty() && fields[0]["type"]["kind"] != "NON_NULL" => {
                    format!("{{ {}: {} }}", fields[0]["name"].as_str().unwrap(), value(&fields[0]["type"], types))
                }
                given => format!("{{ {given} }}"),
            }
        }
        _ => match of["name"].as_str().unwrap() {
            "Int" | "Float" => "1".to_owned(),
            "Boolean" => "true".to_owned(),
            "DateTime" => "\"2030-01-01T00:00:00Z\"".to_owned(),
            "EmailAddress" => "\"ann@example.com\"".to_owned(),
            _ => "\"text\"".to_owned(),
        },
    }
}

/// The name and kind of a type without its lists and exclamation marks.
fn named(of: &Value) -> (&str, &str) {
    match of["kind"].as_str().unwrap() {
        "NON_NULL" | "LIST" => named(&of["ofType"]),
        kind => (of["name"].as_str().unwrap(), kind),
    }
}

/// Asks as somebody with these scopes, of a schema with no process behind it: whoever passes the guard gets nowhere.
async fn ask(field: &Field, scopes: ApiScopes) -> Response {
    let principal = Principal { key: Uuid::nil(), scopes, expires_at: None };
    let request = Request::new(&field.document).data(principal);
    let mut answers = Box::pin(builder().finish().execute_stream(request));
    answers.next().await.unwrap()
}

fn is_forbidden(answer: &Response) -> bool {
    answer.errors.iter().any(|error| {
        assert!(!error.path.is_empty(), "the document itself was refused: {error:?}");
        matches!(error.source::<Fault>(), Some(Fault::Forbidden(_)))
    })
}

#[tokio::test]
async fn whoever_may_do_nothing_is_answered_nothing() {
    let fields = fields().await;
    assert!(fields.len() > 15);
    let mut open = Vec::new();
    for field in &fields {
        if !is_forbidden(&ask(field, ApiScopes::default()).await) {
            open.push(field.name.as_str());
        }
    }
    assert_eq!(open, UNGUARDED);
}

#[tokio::test]
async fn each_field_names_the_scope_that_opens_it() {
    for field in fields().await {
        let needed =
            ApiScope::ALL.into_iter().find(|scope| field.words.ends_with(&format!("Requires the scope {scope}.")));
        let needed = needed.unwrap_or_else(|| panic!("{} names no scope at the end of: {}", field.name, field.words));
        for scope in ApiScope::ALL {
            let scopes: ApiScopes = [scope].into_iter().collect();
            let forbidden = is_forbidden(&ask(&field, scopes).await);
            assert_eq!(forbidden, !scopes.allow(needed), "{} with {scope}", field.name);
        }
    }
}

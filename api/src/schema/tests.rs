//! The contract as a whole: written out as it is, and every item of it described.
#![expect(clippy::unwrap_used, reason = "tests may")]

mod doors;

use async_graphql::Request;
use serde_json::Value;

use super::*;

#[test]
fn schema_graphql_is_what_the_code_says() {
    let written = include_str!("../../../schema.graphql");
    assert!(written == sdl(), "schema.graphql is stale: `cargo run -- schema > schema.graphql` writes it");
}

const EVERYTHING: &str = "{ __schema { types { name kind description
  fields(includeDeprecated: true) { name description args { name description } }
  inputFields { name description } enumValues(includeDeprecated: true) { name description } } } }";

#[tokio::test]
async fn every_item_is_described() {
    let answer = builder().finish().execute(Request::new(EVERYTHING)).await;
    assert!(answer.errors.is_empty(), "{:?}", answer.errors);
    let data = answer.data.into_json().unwrap();
    let mut bare = Vec::new();
    for kind in data["__schema"]["types"].as_array().unwrap().iter().filter(|kind| is_ours(kind)) {
        let name = kind["name"].as_str().unwrap();
        note(&mut bare, name.to_owned(), kind);
        for list in ["fields", "inputFields", "enumValues"] {
            for item in kind[list].as_array().into_iter().flatten() {
                let path = format!("{name}.{}", item["name"].as_str().unwrap());
                note(&mut bare, path.clone(), item);
                for arg in item["args"].as_array().into_iter().flatten() {
                    note(&mut bare, format!("{path}({})", arg["name"].as_str().unwrap()), arg);
                }
            }
        }
    }
    assert_eq!(bare, Vec::<String>::new(), "these have no description");
}

fn is_ours(kind: &Value) -> bool {
    let name = kind["name"].as_str().unwrap();
    !name.starts_with("__") && !["Boolean", "Float", "ID", "Int", "String"].contains(&name)
}

fn note(bare: &mut Vec<String>, path: String, item: &Value) {
    if item["description"].as_str().is_none_or(|text| text.trim().is_empty()) {
        bare.push(path);
    }
}

#[tokio::test]
async fn every_mutation_answers_user_errors() {
    let asked = "{ __type(name: \"Mutation\") { fields { name type { ofType { name fields { name } } } } } }";
    let answer = builder().finish().execute(Request::new(asked)).await;
    let data = answer.data.into_json().unwrap();
    let fields = data["__type"]["fields"].as_array().unwrap();
    assert!(!fields.is_empty());
    for field in fields {
        let payload = &field["type"]["ofType"];
        assert!(payload["name"].as_str().unwrap().ends_with("Payload"), "{field}");
        assert!(payload["fields"].as_array().unwrap().iter().any(|f| f["name"] == "userErrors"), "{field}");
    }
}

#[tokio::test]
async fn an_operation_too_deep_is_refused_and_the_standard_introspection_is_not() {
    let schema = builder().finish();
    let deep = format!("{{ __schema {}{} }}", "{ types { fields { type ".repeat(6), "{ name } } } }".repeat(6));
    let answer = schema.execute(Request::new(deep)).await;
    assert_eq!(answer.errors.len(), 1);
    let kinds = "kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name \
                 ofType { kind name ofType { kind name } } } } } } }";
    let standard = format!("{{ __schema {{ types {{ fields {{ args {{ type {{ {kinds} }} }} }} }} }} }}");
    assert!(schema.execute(Request::new(standard)).await.errors.is_empty());
}

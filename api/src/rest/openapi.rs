//! The description of the paths as an OpenAPI 3.1 document. Nothing in it is written twice: paths come from the table, keys,
//! types and words from the schema that stands behind it.

mod types;

use std::sync::LazyLock;

use axum::Json;
use serde_json::{Map, Value, json};

use super::BASE;
use super::operation::{OPERATIONS, Operation, Takes};
use types::Types;

/// The document.
pub async fn show() -> Json<&'static Value> {
    Json(&DOCUMENT)
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// Makes it.
pub fn document() -> Value {
    let mut types = Types::of_the_schema();
    let mut paths = Map::new();
    for operation in &OPERATIONS {
        let path = paths.entry(format!("{BASE}{}", operation.path)).or_insert_with(|| json!({}));
        path[operation.method.as_str().to_lowercase()] = describe(operation, &mut types);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "MailMind Reliability",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The REST paths. They do what the GraphQL operations do that their `operationId`s name.",
        },
        "paths": paths,
        "components": {
            "schemas": types.components(problem()),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, or a token of your own login where one is configured. The scope it needs stands with each operation.",
                },
            },
        },
    })
}

fn describe(operation: &Operation, types: &mut Types) -> Value {
    let document = types::Document::of(operation.document);
    let mut described = json!({
        "operationId": document.name(),
        "summary": operation.summary,
        "description": types.words_of(&document),
        "security": [{ "key": [operation.scope.name()] }],
        "responses": {
            operation.status.as_str(): {
                "description": operation.summary,
                "content": { "application/json": { "schema": types.answer(&document) } },
            },
            "default": {
                "description": "What went wrong.",
                "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
            },
        },
    });
    let parameters = parameters(operation.takes, &document, types);
    if !parameters.is_empty() {
        described["parameters"] = Value::Array(parameters);
    }
    if let Some(body) = body(operation.takes, &document, types) {
        described["requestBody"] = body;
    }
    described
}

fn parameters(takes: Takes, document: &types::Document, types: &mut Types) -> Vec<Value> {
    match takes {
        Takes::Nothing | Takes::Keys | Takes::Body => Vec::new(),
        Takes::Path(own) => {
            let in_path = json!({
                "name": own.name,
                "in": "path",
                "required": true,
                "description": own.words,
                "schema": { "type": "string" },
            });
            std::iter::once(in_path).chain(query(document, types, Some(own.variable))).collect()
        }
        Takes::Query => query(document, types, None),
        Takes::Input => vec![json!({
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Names this very email, as the key `idempotencyKey` does.",
            "schema": { "type": "string" },
        })],
    }
}

/// What stands in a URL is a value: null is its absence.
fn present(schema: &mut Value) {
    if let Some(first) = schema["type"].as_array().and_then(|types| types.first()).cloned() {
        schema["type"] = first;
    }
}

/// The keys of a query: the variables of the document, but for the one that stands in the path.
fn query(document: &types::Document, types: &mut Types, but: Option<&str>) -> Vec<Value> {
    let mut variables = types.variables(document);
    variables["properties"].as_object_mut().into_iter().flatten().for_each(|(_, schema)| present(schema));
    let keys = variables["properties"].as_object().into_iter().flatten().filter(|(name, _)| but != Some(name.as_str()));
    keys.map(|(name, schema)| {
        // A list is written with commas.
        json!({ "name": name, "in": "query", "style": "form", "explode": false, "schema": schema })
    })
    .collect()
}

fn body(takes: Takes, document: &types::Document, types: &mut Types) -> Option<Value> {
    let (schema, required) = match takes {
        Takes::Nothing | Takes::Path(_) | Takes::Query => return None,
        Takes::Keys => (types.variables(document), false),
        Takes::Input | Takes::Body => (types.variables(document)["properties"]["input"].take(), true),
    };
    Some(json!({ "required": required, "content": { "application/json": { "schema": schema } } }))
}

/// RFC 9457, with what [`Problem`](super::problem::Problem) adds.
fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string", "description": "The status in words." },
            "status": { "type": "integer" },
            "code": { "type": "string", "description": "What kind of problem it is: a `UserErrorCode`, or the code of a GraphQL error." },
            "detail": { "type": "string", "description": "What is wrong, in words." },
            "errors": {
                "type": "array",
                "description": "Each mistake that the caller can mend.",
                "items": {
                    "type": "object",
                    "required": ["code", "field", "message"],
                    "properties": {
                        "code": { "$ref": "#/components/schemas/UserErrorCode" },
                        "field": {
                            "type": ["array", "null"],
                            "items": { "type": "string" },
                            "description": "The way to the key at fault.",
                        },
                        "message": { "type": "string" },
                    },
                },
            },
        },
    })
}

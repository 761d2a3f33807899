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
    let parameters = parameters(operation, &document, types);
    if !parameters.is_empty() {
        described["parameters"] = Value::Array(parameters);
    }
    if let Some(body) = body(operation.takes, &document, types) {
        described["requestBody"] = body;
    }
    described
}

fn parameters(operation: &Operation, document: &types::Document, types: &mut Types) -> Vec<Value> {
    match operation.takes {
        Takes::Query => {
            let Value::Object(mut variables) = types.variables(document)["properties"].take() else {
                return Vec::new();
            };
            for schema in variables.values_mut() {
                present(schema);
            }
            let path = operation.parameter().and_then(|name| Some((name, variables.remove(name)?)));
            let path = path.map(|(name, schema)| {
                let words = match name {
                    "campaignId" => "The campaign's id, `campaign:<uuid>` or the UUID alone.",
                    _ => "The recipient's address.",
                };
                json!({ "name": name, "in": "path", "required": true, "description": words, "schema": schema })
            });
            let query = variables.into_iter().map(|(name, mut schema)| {
                let words = schema.as_object_mut().and_then(|schema| schema.remove("description"));
                json!({ "name": name, "in": "query", "description": words, "schema": schema })
            });
            path.into_iter().chain(query).collect()
        }
        Takes::Nothing | Takes::Keys => Vec::new(),
        Takes::Id => vec![json!({
            "name": "jobId",
            "in": "path",
            "required": true,
            "description": "The email's id, `email:<uuid>` or the UUID alone.",
            "schema": { "type": "string" },
        })],
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

fn body(takes: Takes, document: &types::Document, types: &mut Types) -> Option<Value> {
    let (schema, required) = match takes {
        Takes::Nothing | Takes::Id | Takes::Query => return None,
        Takes::Keys => (types.variables(document), false),
        Takes::Input => (types.variables(document)["properties"]["input"].take(), true),
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

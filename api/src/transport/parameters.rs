//! What a client sends to have one operation done, on either transport (GraphQL over HTTP, "Request Parameters").

use std::collections::HashMap;

use async_graphql::{Request, Variables};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The parameters of one operation.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    query: String,
    operation_name: Option<String>,
    #[serde(default)]
    variables: Variables,
    /// Nothing is read from it, but it must be a map.
    #[serde(default, rename = "extensions")]
    _extensions: Option<HashMap<String, IgnoredAny>>,
}

impl Parameters {
    /// Reads them from a JSON object; a list of them, a batch, is none.
    pub fn from_json(text: &[u8]) -> Option<Self> {
        // As a list they would be taken by their order.
        let object = text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        if object { serde_json::from_slice(text).ok() } else { None }
    }
}

impl From<Parameters> for Request {
    fn from(parameters: Parameters) -> Self {
        let request = Request::new(parameters.query).variables(parameters.variables);
        match parameters.operation_name {
            Some(name) => request.operation_name(name),
            None => request,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_with_a_query_is_a_request_and_nothing_else_is() {
        let cases = [
            (r#"{"query":"{ a }"}"#, true),
            (r#" {"query":"{ a }","operationName":null,"variables":null,"extensions":null,"more":1}"#, true),
            (r#"{"query":"{ a }","variables":{"n":1},"extensions":{"x":[1]}}"#, true),
            (r#"{}"#, false),
            (r#"{"query":null}"#, false),
            (r#"{"query":1}"#, false),
            (r#"{"query":"{ a }","variables":"x"}"#, false),
            (r#"{"query":"{ a }","variables":[1]}"#, false),
            (r#"{"query":"{ a }","extensions":"x"}"#, false),
            (r#"{"query":"{ a }","operationName":1}"#, false),
            (r#"[{"query":"{ a }"}]"#, false),
            (r#"["{ a }", null, {}, {}]"#, false),
            (r#""#, false),
            (r#"{"query":"{ a }""#, false),
        ];
        for (text, good) in cases {
            assert_eq!(Parameters::from_json(text.as_bytes()).is_some(), good, "{text}");
        }
    }
}

//! What a request says, as the variables of its operation's document. A key that the operation does not know is refused: a
//! misspelt `untill` would pause for ever.

use async_graphql::Variables;
use axum::http::{HeaderMap, header};
use serde_json::{Map, Value as Json};

use super::operation::{Operation, Parameter, Takes};
use super::problem::Problem;

/// The header that names one sending, as the IETF's draft of that name has it.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

impl Operation {
    /// The variables that a request with this parameter in its path, this query, these headers and this body stands for.
    ///
    /// # Errors
    /// What can't be read, in the words of its key.
    pub(super) fn variables(
        &self,
        parameter: Option<&str>,
        query: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Variables, Problem> {
        let variables = match self.takes {
            Takes::Nothing => Map::new(),
            Takes::Path(own) => {
                let mut variables = self.query(query, Some(own.variable))?;
                variables.insert(own.variable.to_owned(), Json::from(own.read(parameter.unwrap_or_default())));
                variables
            }
            Takes::Query => self.query(query, None)?,
            Takes::Keys => self.keys(object(headers, body)?)?,
            Takes::Input => {
                let input = named(object(headers, body)?, headers)?;
                Map::from_iter([("input".to_owned(), Json::Object(input))])
            }
            Takes::Body => Map::from_iter([("input".to_owned(), Json::Object(object(headers, body)?))]),
        };
        Ok(Variables::from_json(Json::Object(variables)))
    }

    /// The keys of a query, each as its variable's type has it; `but` is no key of it.
    fn query(&self, query: &str, but: Option<&str>) -> Result<Map<String, Json>, Problem> {
        let mut variables = Map::new();
        for (key, text) in form_urlencoded::parse(query.as_bytes()) {
            let kind = self.kind(&key).filter(|_| but != Some(&*key));
            let kind = kind.ok_or_else(|| Problem::unreadable(format!("{key} is no key of this operation")))?;
            if variables.insert(key.to_string(), typed(kind, &key, &text)?).is_some() {
                return Err(Problem::unreadable(format!("{key} is given twice")));
            }
        }
        Ok(variables)
    }

    /// The type of a variable, as the document declares it.
    fn kind(&self, variable: &str) -> Option<&'static str> {
        let (_, rest) = self.document.split_once(&format!("${variable}:"))?;
        Some(rest.trim_start().split([',', ')', ' ', '\n']).next().unwrap_or_default())
    }

    fn keys(&self, body: Map<String, Json>) -> Result<Map<String, Json>, Problem> {
        let known = |key: &String| self.document.contains(&format!("${key}:"));
        match body.keys().find(|key| !known(key)) {
            Some(stranger) => Err(Problem::unreadable(format!("{stranger} is no key of this operation"))),
            None => Ok(body),
        }
    }
}

impl Parameter {
    /// As the schema has it: of an id `<kind>:<uuid>`.
    fn read(self, text: &str) -> String {
        match self.kind {
            Some(kind) if !text.contains(':') => format!("{kind}:{text}"),
            Some(_) | None => text.to_owned(),
        }
    }
}

/// A value of a query. A list is written with commas.
fn typed(kind: &str, key: &str, text: &str) -> Result<Json, Problem> {
    let bad = |what: &str| Problem::unreadable(format!("{key} has to be {what}"));
    match kind.trim_end_matches('!') {
        "Int" => text.parse::<i32>().map(Json::from).map_err(|_| bad("a whole number")),
        "Boolean" => text.parse::<bool>().map(Json::from).map_err(|_| bad("true or false")),
        list if list.starts_with('[') => Ok(text.split(',').map(|one| Json::from(one.trim())).collect()),
        _ => Ok(Json::from(text)),
    }
}

/// A body that is a JSON object; an absent one is empty.
fn object(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Json>, Problem> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let status = axum::http::StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Problem::new(status, "BAD_USER_INPUT", "the body has to be application/json"));
    }
    serde_json::from_slice(body).map_err(|error| Problem::unreadable(format!("the body is no JSON object: {error}")))
}

/// The input with the idempotency key of the header, where there is one.
fn named(mut input: Map<String, Json>, headers: &HeaderMap) -> Result<Map<String, Json>, Problem> {
    let Some(header) = headers.get(IDEMPOTENCY_KEY) else { return Ok(input) };
    let text = header.to_str().map_err(|_| Problem::unreadable("Idempotency-Key has to be ASCII"))?.trim();
    // The draft has it as a quoted string; many send the bare text.
    let key = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    match input.get("idempotencyKey") {
        None | Some(Json::Null) => {
            input.insert("idempotencyKey".to_owned(), Json::from(key));
            Ok(input)
        }
        Some(Json::String(same)) if same == key => Ok(input),
        Some(_) => Err(Problem::unreadable("idempotencyKey is not what the header Idempotency-Key says")),
    }
}

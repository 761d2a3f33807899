//! What a request says, as the variables of its operation's document. A key that the operation does not know is refused: a
//! misspelt `untill` would pause for ever.

use async_graphql::Variables;
use axum::extract::Query;
use axum::http::{HeaderMap, header};
use serde_json::{Map, Value as Json};

use super::Asked;
use super::operation::{Operation, Takes};
use super::problem::Problem;

/// The header that names one sending, as the IETF's draft of that name has it.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

impl Operation {
    /// The variables that a request and its body stand for.
    ///
    /// # Errors
    /// What can't be read, in the words of its key.
    pub(super) fn variables(&self, asked: &Asked, body: &[u8]) -> Result<Variables, Problem> {
        let headers = &asked.headers;
        let variables = match self.takes {
            Takes::Nothing => Map::new(),
            Takes::Id => {
                let id = id("email", asked.parameter.as_deref().unwrap_or_default());
                Map::from_iter([("id".to_owned(), Json::from(id))])
            }
            Takes::Query => self.query(asked)?,
            Takes::Keys => self.keys(object(headers, body)?)?,
            Takes::Input => {
                let input = named(object(headers, body)?, headers)?;
                Map::from_iter([("input".to_owned(), Json::Object(input))])
            }
        };
        Ok(Variables::from_json(Json::Object(variables)))
    }

    fn query(&self, asked: &Asked) -> Result<Map<String, Json>, Problem> {
        let mut variables = Map::new();
        if let (Some(name), Some(text)) = (self.parameter(), &asked.parameter) {
            // `campaignId` is the id of a campaign.
            let value = name.strip_suffix("Id").map_or_else(|| text.clone(), |kind| id(kind, text));
            variables.insert(name.to_owned(), Json::from(value));
        }
        let query = Query::<Vec<(String, String)>>::try_from_uri(&asked.uri)
            .map_err(|error| Problem::unreadable(format!("the query can't be read: {error}")))?;
        for (name, text) in query.0 {
            let value = match self.document.split_once(&format!("${name}: ")) {
                None => return Err(Problem::unreadable(format!("{name} is no parameter of this path"))),
                Some((_, rest)) if rest.starts_with("Int") => {
                    let number = text.parse::<i32>();
                    Json::from(number.map_err(|_| Problem::unreadable(format!("{name} has to be a whole number")))?)
                }
                Some(_) => Json::from(text),
            };
            if variables.insert(name.clone(), value).is_some() {
                return Err(Problem::unreadable(format!("{name} is given twice")));
            }
        }
        Ok(variables)
    }

    fn keys(&self, body: Map<String, Json>) -> Result<Map<String, Json>, Problem> {
        let known = |key: &String| self.document.contains(&format!("${key}:"));
        match body.keys().find(|key| !known(key)) {
            Some(stranger) => Err(Problem::unreadable(format!("{stranger} is no key of this operation"))),
            None => Ok(body),
        }
    }
}

/// The id as the schema has it, of `email:<uuid>` or the UUID alone.
fn id(kind: &str, text: &str) -> String {
    if text.contains(':') { text.to_owned() } else { format!("{kind}:{text}") }
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

//! What went wrong, as `application/problem+json` (RFC 9457): the status says it to programs, `detail` to people, `code` is
//! the schema's own word for it, and `errors` names each mistake with the way to it.

use async_graphql::ServerError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use entity::ApiScope;
use serde::Serialize;
use serde_json::Value;

use crate::schema::Fault;

/// Why a request was not answered as it wished.
#[derive(Debug, PartialEq, Serialize)]
pub struct Problem {
    #[serde(skip)]
    status: StatusCode,
    code: String,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Mistake>,
}

/// A mistake that the caller can mend.
#[derive(Debug, PartialEq, Serialize)]
pub struct Mistake {
    /// A `UserErrorCode` of the schema.
    pub code: String,
    /// The way to the key at fault; null when it is no single one.
    pub field: Option<Vec<String>>,
    /// What is wrong, in words.
    pub message: String,
}

impl Problem {
    /// A problem without single mistakes.
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), detail: detail.into(), errors: Vec::new() }
    }

    /// The caller's request can't be read.
    pub fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", detail)
    }

    /// The caller may not do this.
    pub fn forbidden(needed: ApiScope) -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", Fault::Forbidden(needed).to_string())
    }

    /// There is no such email.
    pub fn no_email() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", "there is no such email")
    }

    /// An error of the schema, by its code.
    pub fn of(error: &ServerError) -> Self {
        let code = error.extensions.as_ref().and_then(|extensions| extensions.get("code"));
        let code = match code {
            Some(async_graphql::Value::String(code)) => code.as_str(),
            _ => "INTERNAL_SERVER_ERROR",
        };
        let code = match code {
            // The documents are ours, so what does not fit them are the variables, which are the caller's.
            "GRAPHQL_VALIDATION_FAILED" | "GRAPHQL_PARSE_FAILED" => "BAD_USER_INPUT",
            code => code,
        };
        let status = match code {
            "BAD_USER_INPUT" => StatusCode::BAD_REQUEST,
            "UNAUTHENTICATED" => StatusCode::UNAUTHORIZED,
            "FORBIDDEN" => StatusCode::FORBIDDEN,
            "CURSOR_EXPIRED" => StatusCode::GONE,
            "RATE_LIMITED" => StatusCode::TOO_MANY_REQUESTS,
            "UNAVAILABLE" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, code, error.message.clone())
    }

    /// The mistakes in a payload's `userErrors`, of which the first decides the status; `None` when there are none. `root` is
    /// the variable that the whole body stands for, which the caller never named.
    pub fn mistakes(errors: &Value, root: Option<&str>) -> Option<Self> {
        let errors: Vec<Mistake> =
            errors.as_array().into_iter().flatten().map(|error| Mistake::read(error, root)).collect();
        let first = errors.first()?;
        let (code, detail) = (first.code.clone(), first.message.clone());
        let detail = match first.field.as_deref() {
            Some(path) if !path.is_empty() => format!("{} {detail}", path.join(".")),
            _ => detail,
        };
        let status = match code.as_str() {
            "NOT_FOUND" => StatusCode::NOT_FOUND,
            "CONFLICT" | "NOT_CANCELLABLE" | "NOT_RETRYABLE" | "NOT_RESCHEDULABLE" | "NOT_UNCONFIRMED" => {
                StatusCode::CONFLICT
            }
            "NOT_STORED" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Some(Self { status, code, detail, errors })
    }
}

impl Problem {
    /// This in the place of another answer, whose headers but for those of its body are kept.
    pub fn instead_of(self, answer: Response) -> Response {
        let mut headers = answer.into_parts().0.headers;
        for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
            headers.remove(name);
        }
        let mut problem = self.into_response();
        problem.headers_mut().extend(headers);
        problem
    }
}

impl Mistake {
    fn read(error: &Value, root: Option<&str>) -> Self {
        let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
        let field = error["field"].as_array().map(|path| {
            let parts = path.iter().filter_map(Value::as_str);
            parts.enumerate().filter(|(at, part)| *at > 0 || Some(*part) != root).map(|(_, part)| part.to_owned())
        });
        Self { code: text("code"), field: field.map(Iterator::collect), message: text("message") }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    /// RFC 9457, section 4.2.1: the status alone says what kind of problem it is; `code` says the rest.
    r#type: &'static str,
    title: &'static str,
    status: u16,
    #[serde(flatten)]
    problem: &'a Problem,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or_default();
        let body = Body { r#type: "about:blank", title, status: self.status.as_u16(), problem: &self };
        // A problem holds texts and numbers alone, which always serialize.
        let body = serde_json::to_string(&body).unwrap_or_default();
        let kind = HeaderValue::from_static("application/problem+json");
        let mut answer = (self.status, [(header::CONTENT_TYPE, kind)], body).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}

//! Every error leaves with a code; only errors of ours leave with their words. What went wrong inside stands in the log.

use std::sync::Arc;

use std::time::Duration;

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextRequest, NextSubscribe};
use async_graphql::{Pos, Response, ServerError, async_trait};
use entity::ApiScope;
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::limit::{Crowded, Excess};

/// Why a resolver could not answer, in the words that the outside may see.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// The document is no GraphQL.
    #[error("{0}")]
    Unparsable(String),
    /// The document asks for more than one may.
    #[error("{0}")]
    Refused(String),
    /// The caller can mend it, and no payload is there to say so.
    #[error("{0}")]
    BadInput(String),
    /// What the caller would go on after is past retention.
    #[error("some of the events after this cursor are past retention; begin anew, without a cursor")]
    CursorExpired,
    /// The caller took what it follows too slowly, and goes on after this cursor.
    #[error("events came faster than they were taken; go on with after: \"{0}\"")]
    Resume(String),
    /// The caller may not do this.
    #[error("this needs a key with the scope {0}")]
    Forbidden(ApiScope),
    /// The caller may read, and would see more than that.
    #[error("contents and metadata are not shown to a key that may only read")]
    ReadsOnly,
    /// The caller asks for more than their limits allow, or has too much under way.
    #[error("{words}")]
    RateLimited {
        /// What is limited, and to how much.
        words: String,
        /// In seconds: when it may be asked for again, where that is known.
        wait: Option<u64>,
    },
    /// The operation took longer than it may.
    #[error("the operation took longer than {} s; what a mutation began is finished all the same", .0.as_secs_f64())]
    TooLong(Duration),
    /// The database is away, or the process is stopping: the same question may be answered later.
    #[error("the service can't answer at the moment; please try again")]
    Unavailable(Arc<jobs::Error>),
    /// Something of ours is broken.
    #[error("internal error")]
    Internal(Arc<jobs::Error>),
    /// The request came past the transport, or its task broke.
    #[error("internal error")]
    Unattended,
}

impl Fault {
    /// The code in `extensions.code`: Apollo's names where it has one.
    pub fn code(&self) -> &'static str {
        match self {
            Fault::Unparsable(_) => "GRAPHQL_PARSE_FAILED",
            Fault::Refused(_) => "GRAPHQL_VALIDATION_FAILED",
            Fault::BadInput(_) => "BAD_USER_INPUT",
            Fault::CursorExpired => "CURSOR_EXPIRED",
            Fault::Resume(_) => "RESUME",
            Fault::Forbidden(_) | Fault::ReadsOnly => "FORBIDDEN",
            Fault::RateLimited { .. } => "RATE_LIMITED",
            Fault::TooLong(_) | Fault::Unavailable(_) => "UNAVAILABLE",
            Fault::Internal(_) | Fault::Unattended => "INTERNAL_SERVER_ERROR",
        }
    }

    /// A fault that the caller can mend.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Fault::BadInput(message.into())
    }

    /// The error at this place of a document.
    pub fn at(self, at: Option<Pos>) -> ServerError {
        let message = self.to_string();
        ServerError { source: Some(Arc::new(self)), ..ServerError::new(message, at) }
    }

    /// The answer to an operation that never came to the schema, or never came back.
    pub fn response(self) -> Response {
        coded(Response::from_errors(vec![self.at(None)]))
    }
}

impl From<jobs::Error> for Fault {
    fn from(error: jobs::Error) -> Self {
        if error.is_away() { Fault::Unavailable(Arc::new(error)) } else { Fault::Internal(Arc::new(error)) }
    }
}

impl From<Excess> for Fault {
    fn from(excess: Excess) -> Self {
        Fault::RateLimited { words: excess.to_string(), wait: excess.seconds() }
    }
}

impl From<Crowded> for Fault {
    fn from(crowded: Crowded) -> Self {
        Fault::RateLimited { words: crowded.to_string(), wait: None }
    }
}

/// Gives every error its code, and takes the words from those that are not ours.
pub struct ErrorCodes;

impl ExtensionFactory for ErrorCodes {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for ErrorCodes {
    async fn request(&self, ctx: &ExtensionContext<'_>, next: NextRequest<'_>) -> Response {
        coded(next.run(ctx).await)
    }

    fn subscribe<'s>(
        &self,
        ctx: &ExtensionContext<'_>,
        stream: BoxStream<'s, Response>,
        next: NextSubscribe<'_>,
    ) -> BoxStream<'s, Response> {
        next.run(ctx, stream).map(coded).boxed()
    }
}

fn coded(mut response: Response) -> Response {
    response.errors.iter_mut().for_each(code);
    response
}

fn code(error: &mut ServerError) {
    let code = match &error.source {
        Some(source) => match source.downcast_ref::<Fault>() {
            Some(fault) => {
                log(fault);
                if let Fault::Resume(cursor) = fault {
                    error.extensions.get_or_insert_default().set("after", cursor.as_str());
                }
                if let Fault::RateLimited { wait: Some(seconds), .. } = fault {
                    error.extensions.get_or_insert_default().set("retryAfter", *seconds);
                }
                fault.code()
            }
            None => {
                tracing::error!(cause = %error.message, "A resolver failed of something that is no fault of ours");
                error.message = "internal error".to_owned();
                "INTERNAL_SERVER_ERROR"
            }
        },
        // Validators and scalars speak of a field, the rest of the document.
        None if error.path.is_empty() => "GRAPHQL_VALIDATION_FAILED",
        None => "BAD_USER_INPUT",
    };
    error.extensions.get_or_insert_default().set("code", code);
}

fn log(fault: &Fault) {
    match fault {
        Fault::Unparsable(_)
        | Fault::Refused(_)
        | Fault::BadInput(_)
        | Fault::CursorExpired
        | Fault::Resume(_)
        | Fault::Forbidden(_)
        | Fault::ReadsOnly
        | Fault::RateLimited { .. } => {}
        Fault::TooLong(limit) => tracing::warn!(?limit, "An operation took too long"),
        Fault::Unavailable(cause) => tracing::warn!(cause = %cause, "A request could not be answered for the moment"),
        Fault::Internal(cause) => tracing::error!(cause = %cause, "A request failed"),
        Fault::Unattended => tracing::error!("A request came without what the transport adds"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    fn sent(error: impl Into<async_graphql::Error>) -> (String, String) {
        let mut error = error.into().into_server_error(async_graphql::Pos::default());
        code(&mut error);
        let code = error.extensions.unwrap().get("code").unwrap().to_string();
        (code.trim_matches('"').to_owned(), error.message)
    }

    #[test]
    fn only_our_own_words_leave() {
        let stored = || jobs::Error::Stored(serde_json::from_str::<u8>("secret").unwrap_err());
        let cases = [
            (sent(Fault::bad_input("first is too large")), "BAD_USER_INPUT", "first is too large"),
            (sent(Fault::from(stored())), "INTERNAL_SERVER_ERROR", "internal error"),
            (sent(async_graphql::Error::new_with_source(stored())), "INTERNAL_SERVER_ERROR", "internal error"),
            (
                sent(Fault::from(jobs::Error::Stopping)),
                "UNAVAILABLE",
                "the service can't answer at the moment; please try again",
            ),
        ];
        for ((code, message), expected_code, expected_message) in cases {
            assert_eq!((code.as_str(), message.as_str()), (expected_code, expected_message));
        }
    }

    #[test]
    fn a_database_that_is_away_is_no_fault_of_the_caller_nor_of_ours() {
        let away = sea_orm::DbErr::Conn(sea_orm::RuntimeErr::Internal("refused".into()));
        assert_eq!(Fault::from(jobs::Error::from(away)).code(), "UNAVAILABLE");
    }
}

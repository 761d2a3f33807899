//! The table of paths. A row says all there is to know of one: where it is, who may call it, what it takes, and the document
//! of the schema that does it.

use axum::http::{Method, StatusCode};
use entity::ApiScope;

/// A path and what it does.
#[derive(Debug)]
pub struct Operation {
    /// The method it is called with.
    pub method: Method,
    /// The path below [`BASE`](super::BASE); `{…}` is a parameter.
    pub path: &'static str,
    /// What the caller needs: the same as the field of the schema behind it.
    pub scope: ApiScope,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// How the request becomes the document's variables.
    pub takes: Takes,
    /// The status of an answer that went well.
    pub status: StatusCode,
    /// The document: one operation with one root field.
    pub document: &'static str,
}

/// How a request becomes the variables of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// There are none.
    Nothing,
    /// The id in the path is `$id`.
    Id,
    /// The parameter in the path and those of the query are the variables of their names.
    Query,
    /// Each key of the body, which may be absent, is the variable of its name.
    Keys,
    /// The whole body is `$input`, and the header `Idempotency-Key` its `idempotencyKey`.
    Input,
}

impl Operation {
    /// The name of the parameter in the path, where there is one.
    pub fn parameter(&self) -> Option<&'static str> {
        self.path.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(name, _)| name)
    }
}

impl Takes {
    /// The variable that the whole body stands for.
    pub fn root(self) -> Option<&'static str> {
        match self {
            Takes::Input => Some("input"),
            Takes::Nothing | Takes::Id | Takes::Query | Takes::Keys => None,
        }
    }
}

/// A document, and what of an email or an event it shows.
macro_rules! document {
    ($name:literal) => {
        include_str!(concat!("operations/", $name, ".graphql"))
    };
    ($name:literal, email) => {
        concat!(include_str!(concat!("operations/", $name, ".graphql")), "\n", include_str!("operations/email.graphql"))
    };
    ($name:literal, delivery_event) => {
        concat!(
            include_str!(concat!("operations/", $name, ".graphql")),
            "\n",
            include_str!("operations/delivery_event.graphql")
        )
    };
}

/// Every path there is.
pub static OPERATIONS: [Operation; 10] = [
    Operation {
        method: Method::GET,
        path: "/queue/stats",
        scope: ApiScope::Read,
        summary: "How the queue stands",
        takes: Takes::Nothing,
        status: StatusCode::OK,
        document: document!("queue_stats"),
    },
    Operation {
        method: Method::POST,
        path: "/queue/send",
        scope: ApiScope::Send,
        summary: "Queue an email",
        takes: Takes::Input,
        status: StatusCode::ACCEPTED,
        document: document!("send", email),
    },
    Operation {
        method: Method::GET,
        path: "/queue/job/{jobId}",
        scope: ApiScope::Read,
        summary: "An email by its id",
        takes: Takes::Id,
        status: StatusCode::OK,
        document: document!("job", email),
    },
    Operation {
        method: Method::DELETE,
        path: "/queue/job/{jobId}",
        scope: ApiScope::Manage,
        summary: "Cancel an email",
        takes: Takes::Id,
        status: StatusCode::OK,
        document: document!("cancel", email),
    },
    Operation {
        method: Method::POST,
        path: "/queue/retry-failed",
        scope: ApiScope::Manage,
        summary: "Queue failed emails anew",
        takes: Takes::Keys,
        status: StatusCode::OK,
        document: document!("retry_failed"),
    },
    Operation {
        method: Method::POST,
        path: "/queue/pause",
        scope: ApiScope::Manage,
        summary: "Make the queue, or a part of it, wait",
        takes: Takes::Keys,
        status: StatusCode::OK,
        document: document!("pause"),
    },
    Operation {
        method: Method::POST,
        path: "/queue/resume",
        scope: ApiScope::Manage,
        summary: "End pauses",
        takes: Takes::Keys,
        status: StatusCode::OK,
        document: document!("resume"),
    },
    Operation {
        method: Method::POST,
        path: "/queue/cleanup",
        scope: ApiScope::Manage,
        summary: "Remove emails that came to their end",
        takes: Takes::Keys,
        status: StatusCode::OK,
        document: document!("cleanup"),
    },
    Operation {
        method: Method::GET,
        path: "/delivery-events/campaign/{campaignId}",
        scope: ApiScope::Read,
        summary: "Delivery events of a campaign, the latest recorded first",
        takes: Takes::Query,
        status: StatusCode::OK,
        document: document!("campaign_events", delivery_event),
    },
    Operation {
        method: Method::GET,
        path: "/delivery-events/email/{email}",
        scope: ApiScope::Read,
        summary: "Delivery events about an address, the latest recorded first",
        takes: Takes::Query,
        status: StatusCode::OK,
        document: document!("address_events", delivery_event),
    },
];

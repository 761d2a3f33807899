//! The table of paths. A row says all there is to know of one: where it is, who may call it, what it takes, and the document
//! of the schema that does it.

use axum::http::{Method, StatusCode};
use entity::ApiScope;

/// A path and what it does.
#[derive(Debug)]
pub struct Operation {
    /// The method it is called with.
    pub method: Method,
    /// The path below [`BASE`](super::BASE); `{…}` is what [`Takes::Path`] takes.
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
    /// What stands in the path is a variable, and each key of the query the variable of its name.
    Path(Parameter),
    /// Each key of the query is the variable of its name.
    Query,
    /// Each key of the body, which may be absent, is the variable of its name.
    Keys,
    /// The whole body is `$input`, and the header `Idempotency-Key` its `idempotencyKey`.
    Input,
    /// The whole body is `$input`.
    Body,
}

/// What stands in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in the path.
    pub name: &'static str,
    /// The variable that it is.
    pub variable: &'static str,
    /// What ids of its kind begin with, where the UUID alone is taken as well.
    pub kind: Option<&'static str>,
    /// What it is, in words.
    pub words: &'static str,
}

/// The id of an email.
const JOB: Parameter = Parameter {
    name: "jobId",
    variable: "id",
    kind: Some("email"),
    words: "The email's id, `email:<uuid>` or the UUID alone.",
};

const ADDRESS: Parameter = Parameter { name: "email", variable: "address", kind: None, words: "The address." };

/// The id of a campaign.
const CAMPAIGN: Parameter = Parameter {
    name: "campaignId",
    variable: "campaignId",
    kind: Some("campaign"),
    words: "The campaign's id, `campaign:<uuid>` or the UUID alone.",
};

const RECIPIENT: Parameter =
    Parameter { name: "email", variable: "email", kind: None, words: "The recipient's address." };

const TARGET: Parameter =
    Parameter { name: "email", variable: "target", kind: None, words: "The address, or the domain." };

impl Takes {
    /// The variable that the whole body stands for.
    pub fn root(self) -> Option<&'static str> {
        match self {
            Takes::Input | Takes::Body => Some("input"),
            Takes::Nothing | Takes::Path(_) | Takes::Query | Takes::Keys => None,
        }
    }
}

/// A document, and what of an email, an event or an entry it shows.
macro_rules! document {
    ($name:literal) => {
        include_str!(concat!("operations/", $name, ".graphql"))
    };
    ($name:literal, suppression) => {
        concat!(
            include_str!(concat!("operations/", $name, ".graphql")),
            "\n",
            include_str!("operations/suppression.graphql")
        )
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
pub static OPERATIONS: [Operation; 16] = [
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
        takes: Takes::Path(JOB),
        status: StatusCode::OK,
        document: document!("job", email),
    },
    Operation {
        method: Method::DELETE,
        path: "/queue/job/{jobId}",
        scope: ApiScope::Manage,
        summary: "Cancel an email",
        takes: Takes::Path(JOB),
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
        takes: Takes::Path(CAMPAIGN),
        status: StatusCode::OK,
        document: document!("campaign_events", delivery_event),
    },
    Operation {
        method: Method::GET,
        path: "/delivery-events/email/{email}",
        scope: ApiScope::Read,
        summary: "Delivery events about an address, the latest recorded first",
        takes: Takes::Path(RECIPIENT),
        status: StatusCode::OK,
        document: document!("address_events", delivery_event),
    },
    Operation {
        method: Method::GET,
        path: "/suppression/stats",
        scope: ApiScope::Read,
        summary: "How many entries the suppression list has",
        takes: Takes::Nothing,
        status: StatusCode::OK,
        document: document!("suppression_stats"),
    },
    Operation {
        method: Method::GET,
        path: "/suppression/list",
        scope: ApiScope::Read,
        summary: "The suppression list, page by page",
        takes: Takes::Query,
        status: StatusCode::OK,
        document: document!("suppression_list", suppression),
    },
    Operation {
        method: Method::GET,
        path: "/suppression/{email}",
        scope: ApiScope::Read,
        summary: "Whether an address may be mailed, and why not",
        takes: Takes::Path(ADDRESS),
        status: StatusCode::OK,
        document: document!("suppression_state", suppression),
    },
    Operation {
        method: Method::POST,
        path: "/suppression/add",
        scope: ApiScope::Manage,
        summary: "Let nothing be sent to an address or a domain",
        takes: Takes::Body,
        status: StatusCode::OK,
        document: document!("suppress", suppression),
    },
    Operation {
        method: Method::DELETE,
        path: "/suppression/{email}",
        scope: ApiScope::Manage,
        summary: "Let an address or a domain be mailed again",
        takes: Takes::Path(TARGET),
        status: StatusCode::OK,
        document: document!("unsuppress", suppression),
    },
    Operation {
        method: Method::POST,
        path: "/suppression/cleanup",
        scope: ApiScope::Manage,
        summary: "Take expired entries out of the list",
        takes: Takes::Nothing,
        status: StatusCode::OK,
        document: document!("suppression_cleanup"),
    },
];

//! What may be wrong with a template, or with what it was to be rendered with, in words for whoever wrote them.

use std::fmt;

use crate::accept::draft::{MOST_BODY, MOST_HEADERS, MOST_SUBJECT};

/// A part of a template that is rendered by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Subject,
    Html,
    Text,
    /// The value of this header.
    Header(String),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Subject => f.write_str("the subject"),
            Part::Html => f.write_str("html"),
            Part::Text => f.write_str("text"),
            Part::Header(name) => write!(f, "the header {name}"),
        }
    }
}

impl Part {
    /// Its field in a content; a header has none.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Part::Subject => Some("subject"),
            Part::Html => Some("html"),
            Part::Text => Some("text"),
            Part::Header(_) => None,
        }
    }
}

/// Why a part can't be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("can't be compiled: {why}, in line {line}")]
pub struct Flaw {
    pub part: Part,
    /// Counted from 1.
    pub line: usize,
    pub why: String,
}

/// Why nothing came of rendering, in words for whoever wrote the template or the variables.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    #[error("the variable {name} is missing")]
    Missing {
        /// In full, such as `order.total`.
        name: String,
    },
    #[error("{part} can't be rendered: {why}, in line {line}")]
    Failed { part: Part, line: usize, why: String },
    #[error("{part} takes more work to render than a template may")]
    OutOfFuel { part: Part },
    #[error("html would hold a link that begins with {scheme}: and only http, https, mailto and tel may")]
    Link { scheme: String },
    #[error("{part} must not hold a line break or another control character")]
    Control { part: Part },
    #[error("the subject is empty")]
    NoSubject,
    #[error("html and text are empty")]
    NoBody,
    #[error("{part} is longer than {MOST_SUBJECT} characters")]
    TooLong { part: Part },
    #[error("{part} is larger than {} MiB", MOST_BODY >> 20)]
    TooLarge { part: Part },
    #[error("the headers are larger than {} KiB together", MOST_HEADERS >> 10)]
    HeadersTooLarge,
}

impl RenderError {
    /// The part that is to be mended; `None` where the variables are, or no single part.
    pub fn part(&self) -> Option<&Part> {
        match self {
            RenderError::Failed { part, .. }
            | RenderError::OutOfFuel { part }
            | RenderError::Control { part }
            | RenderError::TooLong { part }
            | RenderError::TooLarge { part } => Some(part),
            RenderError::Link { .. } => Some(&Part::Html),
            RenderError::NoSubject => Some(&Part::Subject),
            RenderError::Missing { .. } | RenderError::NoBody | RenderError::HeadersTooLarge => None,
        }
    }
}

//! The kinds of fault.

use serde::{Deserialize, Serialize};

/// What goes wrong.
///
/// | `kind` | the client sees | accepted |
/// |---|---|---|
/// | `400` `401` `402` `403` `404` `420` | Mailgun's own text for it (402, 420: as reported by others) | no |
/// | `429` | "… request limit exceeded, try again after *date*", no header | no |
/// | `429_account` | "account-requests-per-sec limit exceeded, try again after *n* seconds", no header | no |
/// | `429_bare` | neither header nor time | no |
/// | `429_retry_after` | the header `Retry-After` alone | no |
/// | `429_reset_s` `429_reset_ms` | the header `X-RateLimit-Reset` alone, in seconds or milliseconds since the epoch | no |
/// | `500` `500_accepted` | "Internal Server Error" | no, yes |
/// | `502` `502_accepted` `503` `503_retry_after` | a proxy's page, the last with `Retry-After` | only `502_accepted` |
/// | `hang` `hang_accepted` | nothing, until it leaves or two minutes have passed | no, yes |
/// | `cut` `cut_accepted` | the connection closes after the request was read | no, yes |
/// | `cut_body` | 200, the connection closes amid the body | yes |
/// | `magnificent` | 200 `Mailgun Magnificent API` | no |
/// | `no_id` | 200 without an id | yes |
/// | `redirect` | 302 to `/` | no |
/// | `html404` | 404, a page | no |
/// | `latency` | a wait of `after_ms`, then the next faults are tried; who leaves meanwhile takes the message along | as comes |
/// | `other_message_id` | 200 with a Message-Id of Mailgun's making, whatever was asked for | yes |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sandbox) enum Kind {
    #[serde(rename = "400")]
    BadRequest,
    #[serde(rename = "401")]
    Unauthorized,
    #[serde(rename = "402")]
    PaymentRequired,
    #[serde(rename = "403")]
    NotAllowed,
    #[serde(rename = "404")]
    UnknownDomain,
    #[serde(rename = "420")]
    HourlyLimit,
    #[serde(rename = "429")]
    TooMany,
    #[serde(rename = "429_account")]
    TooManyForAccount,
    #[serde(rename = "429_bare")]
    TooManyBare,
    #[serde(rename = "429_retry_after")]
    TooManyRetryAfter,
    #[serde(rename = "429_reset_s")]
    TooManyResetSeconds,
    #[serde(rename = "429_reset_ms")]
    TooManyResetMillis,
    #[serde(rename = "500")]
    InternalError,
    #[serde(rename = "500_accepted")]
    InternalErrorAccepted,
    #[serde(rename = "502")]
    BadGateway,
    #[serde(rename = "502_accepted")]
    BadGatewayAccepted,
    #[serde(rename = "503")]
    Unavailable,
    #[serde(rename = "503_retry_after")]
    UnavailableRetryAfter,
    #[serde(rename = "hang")]
    Hang,
    #[serde(rename = "hang_accepted")]
    HangAccepted,
    #[serde(rename = "cut")]
    Cut,
    #[serde(rename = "cut_accepted")]
    CutAccepted,
    #[serde(rename = "cut_body")]
    CutBody,
    #[serde(rename = "magnificent")]
    Magnificent,
    #[serde(rename = "no_id")]
    NoId,
    #[serde(rename = "redirect")]
    Redirect,
    #[serde(rename = "html404")]
    Html404,
    #[serde(rename = "latency")]
    Latency,
    #[serde(rename = "other_message_id")]
    OtherMessageId,
}

impl Kind {
    /// Whether the message counts as accepted, whatever the client is told.
    pub(in crate::sandbox) fn accepts(self) -> bool {
        match self {
            Self::InternalErrorAccepted
            | Self::BadGatewayAccepted
            | Self::HangAccepted
            | Self::CutAccepted
            | Self::CutBody
            | Self::NoId
            | Self::Latency
            | Self::OtherMessageId => true,
            Self::BadRequest
            | Self::Unauthorized
            | Self::PaymentRequired
            | Self::NotAllowed
            | Self::UnknownDomain
            | Self::HourlyLimit
            | Self::TooMany
            | Self::TooManyForAccount
            | Self::TooManyBare
            | Self::TooManyRetryAfter
            | Self::TooManyResetSeconds
            | Self::TooManyResetMillis
            | Self::InternalError
            | Self::BadGateway
            | Self::Unavailable
            | Self::UnavailableRetryAfter
            | Self::Hang
            | Self::Cut
            | Self::Magnificent
            | Self::Redirect
            | Self::Html404 => false,
        }
    }

    /// Whether the sender's own Message-Id is overlooked.
    pub(in crate::sandbox) fn renames(self) -> bool {
        self == Self::OtherMessageId
    }
}

//! Where the links in campaign mail lead (RFC 8058). A POST unsubscribes, without a cookie, a key or a redirect, since mail
//! programs send it for their users; a GET shows a page with a button and never acts, since scanners follow every link.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use jobs::unsubscribe::Link;

use crate::app::App;
use crate::limit::What;

/// Where the links lead.
pub const PATH: &str = "/u/{token}";

/// The page, without its words.
const PAGE: &str = include_str!("unsubscribe/page.html");

/// What is said.
#[derive(Clone, Copy, Debug)]
pub enum Page {
    /// A button.
    Ask,
    /// It is done.
    Done,
    /// The token is none of ours.
    NoSuchLink,
    /// The database is away.
    Later,
}

/// Lets only so many in at a time, of all and of an address: a mailbox provider has few addresses, and comes back.
pub async fn gate(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let from = app.doorkeeper.address(peer.ip(), request.headers());
    match app.limits.places.hold_both(What::AddressUnsubscribes, from, What::Unsubscribes) {
        Ok(_places) => next.run(request).await,
        Err(_) => ([(header::RETRY_AFTER, "1")], Page::Later).into_response(),
    }
}

/// Asks whether they want to.
pub async fn ask(State(app): State<App>, Path(token): Path<String>) -> Page {
    match Link::open(&app.ctx, &token).await {
        Ok(Some(_)) => Page::Ask,
        Ok(None) => Page::NoSuchLink,
        Err(error) => later(&error),
    }
}

/// Does it. Done before, it is done.
pub async fn act(State(app): State<App>, Path(token): Path<String>) -> Page {
    match Link::open(&app.ctx, &token).await {
        Ok(Some(link)) => match link.follow(&app.ctx, &app.recorder).await {
            Ok(()) => Page::Done,
            Err(error) => later(&error),
        },
        Ok(None) => Page::NoSuchLink,
        Err(error) => later(&error),
    }
}

fn later(cause: &jobs::Error) -> Page {
    tracing::error!(%cause, "Somebody could not unsubscribe, and was asked to try again");
    Page::Later
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let (status, title, rest) = match self {
            Page::Ask => (
                StatusCode::OK,
                "Unsubscribe?",
                "<p>You will get no more of these emails.</p><form method=\"post\"><button name=\"List-Unsubscribe\" \
                 value=\"One-Click\">Unsubscribe</button></form>",
            ),
            Page::Done => (
                StatusCode::OK,
                "You are unsubscribed",
                "<p>You will get no more of these emails. One that was on its way already may still arrive.</p>",
            ),
            Page::NoSuchLink => (
                StatusCode::NOT_FOUND,
                "This link does not work",
                "<p>It may have been cut off. Please use it as it stands in the email.</p>",
            ),
            Page::Later => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Please try again",
                "<p>We could not do it just now. In a few minutes it should work.</p>",
            ),
        };
        let page = PAGE.replace("{title}", title).replace("{rest}", rest);
        let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";
        let headers = [
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
        ];
        (status, headers, Html(page)).into_response()
    }
}

//! The dashboard's files, which the program holds: the page at each screen's path, and what it is made of below `/assets/`.
//! They hold nothing secret, so anybody may have them; what they show comes from the API, with a key.

mod accepts;
pub mod link;

use std::sync::LazyLock;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::transport::{index, nowhere};

use accepts::Coding;

/// Where the page is shown; which screen it is, the page reads from its address. Each stands in `dashboard/src/routes.tsx` too.
pub const PAGES: [&str; 10] = [
    "/",
    "/emails",
    "/live",
    "/campaigns",
    "/campaigns/{id}",
    "/templates",
    "/templates/new",
    "/templates/{id}",
    "/suppressions",
    "/settings",
];

/// Where its parts are. Their names change with what is in them.
pub const ASSETS: &str = "/assets/{name}";

/// Nothing but what comes from here. Styles within the page are allowed since the frame that shows an email's content inherits
/// this, and emails are styled so; that frame can run nothing and fetch nothing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file, and the same compressed.
struct File {
    name: &'static str,
    plain: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

/// Nothing when it was built without Node.
static FILES: &[File] = &include!(concat!(env!("OUT_DIR"), "/dashboard.rs"));

/// For each file the beginning of its digest.
static TAGS: LazyLock<Vec<String>> =
    LazyLock::new(|| FILES.iter().map(|file| hex::encode(&Sha256::digest(file.plain)[..12])).collect());

/// Shows the page; where it was not built, what runs here.
pub async fn page(State(app): State<App>, headers: HeaderMap) -> Response {
    match find("index.html") {
        Some(found) => {
            let mut answer = answer(found, &headers, "no-cache");
            let more = [
                (header::CONTENT_SECURITY_POLICY, POLICY),
                (header::REFERRER_POLICY, "no-referrer"),
                (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            ];
            answer.headers_mut().extend(more.map(|(name, value)| (name, HeaderValue::from_static(value))));
            answer
        }
        None => index::page(&app),
    }
}

/// One of its parts; another name is no page in disguise, but 404.
pub async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match find(&format!("assets/{name}")) {
        Some(found) => answer(found, &headers, "public, max-age=31536000, immutable"),
        None => nowhere().await,
    }
}

fn find(name: &str) -> Option<(&'static File, &'static str)> {
    FILES.iter().zip(TAGS.iter()).find(|(file, _)| file.name == name).map(|(file, tag)| (file, tag.as_str()))
}

fn answer((file, tag): (&File, &str), headers: &HeaderMap, kept: &'static str) -> Response {
    let (coding, body) = match Coding::best(headers) {
        Coding::Brotli if file.brotli.is_some() => (Some("br"), file.brotli.unwrap_or(file.plain)),
        Coding::Brotli | Coding::Gzip if file.gzip.is_some() => (Some("gzip"), file.gzip.unwrap_or(file.plain)),
        Coding::Brotli | Coding::Gzip | Coding::Plain => (None, file.plain),
    };
    // Two codings of a file are two representations (RFC 9110, section 8.8.3.3).
    let tag = format!("\"{tag}{}\"", coding.map(|coding| format!("-{coding}")).unwrap_or_default());
    let known = accepts::names(headers, &tag);
    let mut answer = if known { StatusCode::NOT_MODIFIED.into_response() } else { body.into_response() };
    let of = answer.headers_mut();
    of.insert(header::CONTENT_TYPE, HeaderValue::from_static(media(file.name)));
    of.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    of.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    of.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        of.insert(header::ETAG, tag);
    }
    if let (Some(coding), false) = (coding, known) {
        of.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    answer
}

fn media(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: File = File { name: "assets/a.js", plain: b"plain", brotli: Some(b"br"), gzip: Some(b"gz") };
    const RAW: File = File { name: "assets/a.woff2", plain: b"plain", brotli: None, gzip: None };

    fn asked(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    fn text<'a>(answer: &'a Response, name: &HeaderName) -> Option<&'a str> {
        answer.headers().get(name).and_then(|value| value.to_str().ok())
    }

    #[test]
    fn a_file_comes_in_the_best_coding_that_is_asked_for_and_there() {
        let cases = [
            (&FILE, "gzip, deflate, br, zstd", Some("br"), Some("\"t-br\"")),
            (&FILE, "gzip", Some("gzip"), Some("\"t-gzip\"")),
            (&FILE, "identity", None, Some("\"t\"")),
            (&RAW, "br, gzip", None, Some("\"t\"")),
        ];
        for (file, accepted, coding, tag) in cases {
            let answer = answer((file, "t"), &asked(header::ACCEPT_ENCODING, accepted), "no-cache");
            assert_eq!(text(&answer, &header::CONTENT_ENCODING), coding, "{accepted}");
            assert_eq!(text(&answer, &header::ETAG), tag, "{accepted}");
            assert_eq!(text(&answer, &header::VARY), Some("accept-encoding"));
        }
    }

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        for (known, status) in [("\"t\"", 304), ("W/\"t\"", 304), ("\"x\", \"t\"", 304), ("*", 304), ("\"t-br\"", 200)]
        {
            let answer = answer((&FILE, "t"), &asked(header::IF_NONE_MATCH, known), "no-cache");
            assert_eq!(answer.status(), status, "{known}");
            assert_eq!(text(&answer, &header::ETAG), Some("\"t\""));
        }
    }
}

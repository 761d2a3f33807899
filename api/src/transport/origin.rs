//! Which pages may use the API from a browser: those of this service, and those that the operator names. A program that is no
//! browser says no origin and is let through: what it may do is in its key.

use axum::http::uri::{Authority, Scheme};
use axum::http::{HeaderMap, Uri, header};

/// Where pages may come from, besides the host that they ask.
#[derive(Clone, Debug, Default)]
pub struct Origins(Vec<Origin>);

/// A scheme, a host in small letters and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origins {
    /// The origins of these URLs; what is none is left out.
    pub fn of<'a>(urls: impl IntoIterator<Item = &'a str>) -> Self {
        Self(urls.into_iter().filter_map(Origin::parse).collect())
    }

    /// Whether whoever sent these headers may go on: a page from here or from an allowed place, or no page at all.
    pub fn allow(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        let Some(origin) = origin.to_str().ok().and_then(Origin::parse) else { return false };
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        origin.is_at(host.unwrap_or_default()) || self.0.contains(&origin)
    }
}

impl Origins {
    /// Whether they say that they come from a page at one of these places: its own is not asked.
    pub fn list(&self, headers: &HeaderMap) -> bool {
        let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        origin.and_then(Origin::parse).is_some_and(|origin| self.0.contains(&origin))
    }
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let port = uri.port_u16().or_else(|| usual_port(uri.scheme()?))?;
        Some(Self { scheme: uri.scheme_str()?.to_owned(), host: uri.host()?.to_ascii_lowercase(), port })
    }

    /// The same host and port as in a `Host` header, which does not say the scheme: before a proxy it may be another.
    fn is_at(&self, host: &str) -> bool {
        let Ok(asked) = host.parse::<Authority>() else { return false };
        let usual = match self.scheme.as_str() {
            "https" => 443,
            _ => 80,
        };
        asked.host().eq_ignore_ascii_case(&self.host) && asked.port_u16().unwrap_or(usual) == self.port
    }
}

fn usual_port(scheme: &Scheme) -> Option<u16> {
    match scheme.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    #[test]
    fn a_page_from_here_or_from_an_allowed_place_may_ask_and_no_other() {
        let origins = Origins::of(["https://mail.example.com", "https://board.example.com:8443/", "nonsense"]);
        let cases = [
            (None, "127.0.0.1:8080", true),
            (Some("http://127.0.0.1:8080"), "127.0.0.1:8080", true),
            (Some("http://LOCALHOST:8080"), "localhost:8080", true),
            (Some("http://[::1]:8080"), "[::1]:8080", true),
            // Behind a proxy that speaks TLS.
            (Some("https://mm.example.com"), "mm.example.com", true),
            (Some("https://mm.example.com:443"), "mm.example.com", true),
            (Some("https://mail.example.com"), "10.0.0.7:8080", true),
            (Some("https://board.example.com:8443"), "10.0.0.7:8080", true),
            (Some("https://board.example.com"), "10.0.0.7:8080", false),
            (Some("http://mail.example.com"), "10.0.0.7:8080", false),
            (Some("http://127.0.0.1:8081"), "127.0.0.1:8080", false),
            (Some("https://evil.example"), "127.0.0.1:8080", false),
            (Some("https://mail.example.com.evil.example"), "10.0.0.7:8080", false),
            (Some("file://"), "127.0.0.1:8080", false),
            (Some("null"), "null", false),
            (Some(""), "", false),
        ];
        for (origin, host, allowed) in cases {
            let mut headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(origins.allow(&headers), allowed, "{origin:?} at {host}");
        }
    }
}

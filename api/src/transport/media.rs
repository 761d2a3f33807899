//! Which kind of answer a request asks for, by its `Accept` (RFC 9110, 12.5.1; GraphQL over HTTP, "Accept").

use axum::http::{HeaderMap, HeaderValue, header};

/// A kind of answer that a GraphQL client may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// `application/json`: what an answer means stands in it alone.
    Json,
    /// `application/graphql-response+json`: its status has a meaning, too.
    GraphQl,
}

impl Media {
    /// The kind that the client likes best, the first of equals; `None` where it takes neither.
    pub fn negotiate(headers: &HeaderMap) -> Option<Self> {
        if !headers.contains_key(header::ACCEPT) {
            return Some(Self::Json);
        }
        let known = accepted(headers).filter_map(|(name, quality)| Some((Self::named(&name)?, quality)));
        known.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(media, _)| media)
    }

    fn named(range: &str) -> Option<Self> {
        match range {
            "application/graphql-response+json" => Some(Self::GraphQl),
            "application/json" | "application/*" | "*/*" => Some(Self::Json),
            _ => None,
        }
    }

    /// The value of `Content-Type`.
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphQl => "application/graphql-response+json; charset=utf-8",
        })
    }
}

/// Somebody looks at this with a browser: a page is asked for by name, and is as welcome as anything else.
pub fn wants_page(headers: &HeaderMap) -> bool {
    let best = accepted(headers).map(|(_, quality)| quality).fold(0.0, f32::max);
    accepted(headers).any(|(name, quality)| name == "text/html" && quality >= best)
}

/// The body is JSON.
pub fn sends_json(headers: &HeaderMap) -> bool {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = sent.and_then(|value| value.split(';').next());
    media.is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"))
}

/// The media ranges of `Accept` in small letters, each with its quality, which is above 0.
fn accepted(headers: &HeaderMap) -> impl Iterator<Item = (String, f32)> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|range| {
        let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
        let name = parts.next()?;
        let quality = parts.find_map(|part| part.strip_prefix("q=").map(|q| q.parse().unwrap_or(0.0))).unwrap_or(1.0);
        (quality > 0.0).then_some((name, quality))
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    fn accepting(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (header::ACCEPT, value.parse().unwrap())).collect()
    }

    #[test]
    fn the_best_liked_kind_is_answered() {
        use Media::{GraphQl, Json};
        let cases: [(&[&str], Option<Media>); 13] = [
            (&[], Some(Json)),
            (&["*/*"], Some(Json)),
            (&["application/*"], Some(Json)),
            (&["application/json"], Some(Json)),
            (&["application/graphql-response+json"], Some(GraphQl)),
            (&["APPLICATION/GraphQL-Response+JSON; charset=utf-8"], Some(GraphQl)),
            (&["application/graphql-response+json, application/json;q=0.9"], Some(GraphQl)),
            (&["application/graphql-response+json;q=0.5, application/json;q=0.9"], Some(Json)),
            (&["application/json", "application/graphql-response+json"], Some(Json)),
            (&["application/json;q=0, application/graphql-response+json;q=0.1"], Some(GraphQl)),
            (&["text/html, */*;q=0.1"], Some(Json)),
            (&["text/html"], None),
            (&["application/json;q=0"], None),
        ];
        for (values, expected) in cases {
            assert_eq!(Media::negotiate(&accepting(values)), expected, "{values:?}");
        }
    }

    #[test]
    fn only_who_asks_for_a_page_by_name_gets_one() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (value, expected) in [
            (browser, true),
            ("text/html", true),
            ("*/*", false),
            ("application/json, text/html;q=0.9", false),
            ("text/*", false),
            ("text/html;q=0", false),
        ] {
            assert_eq!(wants_page(&accepting(&[value])), expected, "{value}");
        }
        assert!(!wants_page(&HeaderMap::new()));
    }

    #[test]
    fn json_is_known_by_its_name_whatever_its_charset() {
        for (value, expected) in [
            ("application/json", true),
            ("Application/JSON ; charset=utf-8", true),
            ("text/plain", false),
            ("application/graphql", false),
            ("application/x-www-form-urlencoded", false),
            ("multipart/form-data; boundary=application/json", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]);
            assert_eq!(sends_json(&headers), expected, "{value}");
        }
        assert!(!sends_json(&HeaderMap::new()));
    }
}

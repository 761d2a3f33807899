//! What a browser says of a file that it asks for: which codings it reads, and which versions it has.

use axum::http::{HeaderMap, header};

/// A coding that files are there in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Brotli,
    Gzip,
    Plain,
}

impl Coding {
    /// The smallest that is accepted (RFC 9110, section 12.5.3); nothing is compressed for who says nothing.
    pub fn best(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let mut best = Coding::Plain;
        for part in accepted.flat_map(|text| text.split(',')) {
            let (name, weight) = part.split_once(';').unwrap_or((part, ""));
            let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.trim().parse() == Ok(0.0_f32));
            match name.trim().to_ascii_lowercase().as_str() {
                "br" if !refused => return Coding::Brotli,
                "gzip" if !refused => best = Coding::Gzip,
                _ => {}
            }
        }
        best
    }
}

/// Whether `If-None-Match` names this version, weakly compared (RFC 9110, section 13.1.2).
pub fn names(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .any(|each| each == "*" || each.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_smallest_coding_that_is_accepted_is_taken() {
        let cases = [
            ("", Coding::Plain),
            ("gzip, deflate, br, zstd", Coding::Brotli),
            ("gzip;q=0.5, deflate", Coding::Gzip),
            ("br;q=0, gzip", Coding::Gzip),
            ("br; q=0.0, gzip; q=0", Coding::Plain),
            ("GZIP", Coding::Gzip),
            ("zstd", Coding::Plain),
        ];
        for (text, expected) in cases {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(text))]);
            assert_eq!(Coding::best(&headers), expected, "{text}");
        }
        assert_eq!(Coding::best(&HeaderMap::new()), Coding::Plain);
    }
}

//! What a request has taken of its limits, gathered while it is answered, and said in the head of the answer: `RateLimit-Policy` and
//! `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), and `Retry-After` where it was too much.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{Excess, Standing, whole_seconds};

static POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
static STANDING: HeaderName = HeaderName::from_static("ratelimit");

/// Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Tab(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    standings: Vec<Standing>,
    retry_after: Option<u64>,
}

impl Tab {
    /// Notes what was taken, or what was not to be had.
    ///
    /// # Errors
    /// The excess, as it was given.
    pub fn note(&self, taken: Result<Vec<Standing>, Excess>) -> Result<(), Excess> {
        let mut tab = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match taken {
            Ok(standings) => {
                tab.standings.extend(standings);
                Ok(())
            }
            Err(excess) => {
                tab.standings.extend_from_slice(&excess.standings);
                tab.retry_after = excess.seconds();
                Err(excess)
            }
        }
    }

    /// Says it in the head of an answer.
    pub fn say(&self, headers: &mut HeaderMap) {
        let tab = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !tab.standings.is_empty() {
            let (policy, standing) = lists(&tab.standings);
            // Both are names of ours and numbers.
            for (name, list) in [(&POLICY, policy), (&STANDING, standing)] {
                headers.extend(HeaderValue::try_from(list).ok().map(|value| (name.clone(), value)));
            }
        }
        if let Some(seconds) = tab.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
    }
}

/// The two lists of the draft, as structured fields (RFC 9651): `q` at once and in each window of `w` seconds; `r` remain, and in
/// `t` seconds there are `q` again.
fn lists(standings: &[Standing]) -> (String, String) {
    let (mut policy, mut standing) = (String::new(), String::new());
    for Standing { what, rate, debt } in standings {
        let between = if policy.is_empty() { "" } else { ", " };
        let (name, until) = (what.name(), Duration::from_micros(*debt));
        // Writing to a text does not fail.
        let _ = write!(policy, "{between}\"{name}\";q={};w={}", rate.quota(), rate.window().as_secs());
        let _ = write!(standing, "{between}\"{name}\";r={};t={}", rate.remaining(*debt), whole_seconds(until));
    }
    (policy, standing)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::super::What;
    use super::super::gcra::Rate;
    use super::*;

    fn standing(what: What, debt: u64) -> Standing {
        Standing { what, rate: Rate::new(600, Duration::from_secs(60)).unwrap(), debt }
    }

    #[test]
    fn the_head_says_what_is_allowed_and_what_remains() {
        let (tab, mut headers) = (Tab::default(), HeaderMap::new());
        tab.say(&mut headers);
        assert!(headers.is_empty(), "nothing was counted");
        tab.clone().note(Ok(vec![standing(What::Requests, 100_000)])).unwrap();
        tab.note(Ok(vec![standing(What::Emails, 30_000_001)])).unwrap();
        tab.say(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"requests\";q=600;w=60, \"emails\";q=600;w=60");
        assert_eq!(headers["ratelimit"], "\"requests\";r=599;t=1, \"emails\";r=299;t=31");
        assert!(!headers.contains_key(header::RETRY_AFTER));
        let standings = vec![standing(What::Requests, 60_000_000)];
        let (what, rate) = (What::Requests, standings[0].rate);
        let excess = Excess { what, rate, wait: Some(Duration::from_millis(2_100)), standings };
        let tab = Tab::default();
        assert_eq!(tab.note(Err(excess.clone())), Err(excess));
        let mut headers = HeaderMap::new();
        tab.say(&mut headers);
        assert_eq!(
            (&headers["ratelimit"], &headers[header::RETRY_AFTER]),
            (&"\"requests\";r=0;t=60".parse().unwrap(), &3.into())
        );
    }
}

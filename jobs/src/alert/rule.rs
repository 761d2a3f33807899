//! What is wrong, by the figures. Pure: the same figures, the same answer. Minutes are those of [`Timing::minute`].

use chrono::TimeDelta;
use entity::Priority;
use entity::alert_count::Count;

use super::table::Name;
use crate::timing::{Timing, delta};

/// How long an email may be due while nothing is sent before that looks like nobody sends, in minutes.
pub const STALLED: u32 = 2;
/// For how many minutes refused webhooks are counted …
pub const SIGNED_WITHIN: i64 = 15;
/// … of which so many may be a stranger's.
pub const STRANGERS: i64 = 5;
/// For how many minutes hand-overs are counted.
pub const TRIED_WITHIN: i64 = 30;
/// For how many minutes what needs no repetition is counted.
pub const ONCE_WITHIN: i64 = 60;
/// Processes tell four times a minute that Redis is away: the minute that runs and the one before.
pub const AWAY_WITHIN: i64 = 2;
/// How far Mailgun's log may be behind, in times that it needs itself ([`Timing::trust`], half an hour).
pub const LAGS: u32 = 4;

/// So much of so many, at least.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// More than this share is too much.
    pub share: f64,
    /// Of fewer no share is reckoned: one of three says nothing.
    pub of: i64,
}

/// From where on it is too much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// `ALERT_OLDEST`, by lane.
    pub oldest: [TimeDelta; 3],
    /// `ALERT_FAILURE_SHARE`: of half an hour's hand-overs.
    pub failure_share: Limit,
    /// `ALERT_BOUNCE_RATE`: of what bounced or was delivered in six hours.
    pub bounce_rate: Limit,
    /// `ALERT_COMPLAINT_RATE`: of what was delivered in a day.
    pub complaint_rate: Limit,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            oldest: [TimeDelta::minutes(5), TimeDelta::minutes(30), TimeDelta::hours(6)],
            failure_share: Limit { share: 0.05, of: 100 },
            bounce_rate: Limit { share: 0.05, of: 200 },
            complaint_rate: Limit { share: 0.001, of: 1_000 },
        }
    }
}

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) n: i64,
    pub(super) of: i64,
}

/// A sending domain's part of the figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Domain {
    pub(super) name: String,
    pub(super) silent: bool,
    pub(super) unreadable: bool,
    pub(super) lag: TimeDelta,
}

/// What is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    /// For how long the first email of each lane has been due that nothing holds.
    pub(super) oldest: [Option<TimeDelta>; 3],
    pub(super) sent_per_minute: f64,
    pub(super) bounced: Share,
    pub(super) complained: Share,
    /// What is closed: a sending domain, or the empty text for all of Mailgun. With how often it was tried since.
    pub(super) breakers: Vec<(String, i32)>,
    pub(super) domains: Vec<Domain>,
    /// By [`Count`], within its own time.
    pub(super) counts: [i64; Count::ALL.len()],
    /// Lists of Mailgun's, and how many changes they did not take.
    pub(super) stuck: Vec<(String, u64)>,
    /// Endpoints that take nothing, or were disabled for it.
    pub(super) deaf: u64,
}

impl Figures {
    pub(super) fn count(&self, count: Count) -> i64 {
        self.counts[count as usize]
    }
}

/// For how many minutes this is counted.
pub(super) fn within(count: Count) -> i64 {
    match count {
        Count::Sent | Count::Failed => TRIED_WITHIN,
        Count::Unsigned | Count::NoKey | Count::TokenReused => SIGNED_WITHIN,
        Count::Double | Count::Undecided => ONCE_WITHIN,
        Count::RedisAway => AWAY_WITHIN,
    }
}

/// Something that is wrong now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wrong {
    pub(super) name: Name,
    /// What it is about; empty where it is about everything.
    pub(super) subject: String,
    /// The figure that says so.
    pub(super) value: f64,
}

/// Everything that is wrong now, but for the database being away, which no figure can tell.
pub(super) fn wrong(figures: &Figures, thresholds: &Thresholds, timing: &Timing) -> Vec<Wrong> {
    let mut found = Vec::new();
    let mut tell = |name, subject: &str, value: f64| found.push(Wrong { name, subject: subject.to_owned(), value });
    let oldest = figures.oldest.iter().flatten().max().copied().unwrap_or_default();
    if oldest > timing.minutes(STALLED) && figures.sent_per_minute <= 0.0 {
        tell(Name::QueueStalled, "", minutes(oldest, timing));
    }
    for lane in Priority::ALL {
        let (waited, most) = (figures.oldest[lane.lane()], timing.as_minutes_go(thresholds.oldest[lane.lane()]));
        if let Some(waited) = waited.filter(|waited| *waited > most) {
            tell(Name::OldestAge, lane.name(), minutes(waited, timing));
        }
    }
    let failed = figures.count(Count::Failed);
    let tried = Share { n: failed, of: failed + figures.count(Count::Sent) };
    for (name, share, limit) in [
        (Name::FailureShare, tried, thresholds.failure_share),
        (Name::BounceRate, figures.bounced, thresholds.bounce_rate),
        (Name::ComplaintRate, figures.complained, thresholds.complaint_rate),
    ] {
        if let Some(share) = too_much(share, limit) {
            tell(name, "", share);
        }
    }
    for (closed, probes) in &figures.breakers {
        tell(Name::BreakerOpen, closed, f64::from(*probes));
    }
    for domain in &figures.domains {
        let own = delta(timing.trust);
        let lag = domain.lag.as_seconds_f64() / own.as_seconds_f64() * 30.0;
        if domain.silent {
            tell(Name::WebhooksSilent, &domain.name, lag);
        }
        if domain.unreadable {
            tell(Name::LogUnreadable, &domain.name, lag);
        }
        if domain.lag > delta(timing.trust.saturating_mul(LAGS)) {
            tell(Name::ReconcilerLag, &domain.name, lag);
        }
    }
    for (count, word) in [(Count::Unsigned, "unsigned"), (Count::NoKey, "no_key"), (Count::TokenReused, "token_reused")]
    {
        let n = figures.count(count);
        if n > STRANGERS {
            tell(Name::SignatureFailures, word, n as f64);
        }
    }
    for (name, count) in
        [(Name::Doubles, Count::Double), (Name::Undecided, Count::Undecided), (Name::RedisAway, Count::RedisAway)]
    {
        let n = figures.count(count);
        if n > 0 {
            tell(name, "", n as f64);
        }
    }
    for (list, n) in &figures.stuck {
        tell(Name::SyncStuck, list, *n as f64);
    }
    if figures.deaf > 0 {
        tell(Name::EndpointFailing, "", figures.deaf as f64);
    }
    found
}

fn too_much(share: Share, limit: Limit) -> Option<f64> {
    let known = share.of >= limit.of.max(1);
    Some(share.n as f64 / share.of as f64).filter(|share| known && *share > limit.share)
}

fn minutes(span: TimeDelta, timing: &Timing) -> f64 {
    span.as_seconds_f64() / timing.minute.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(change: impl FnOnce(&mut Figures)) -> Vec<(Name, String)> {
        let mut figures = Figures { sent_per_minute: 10.0, ..Figures::default() };
        change(&mut figures);
        let found = wrong(&figures, &Thresholds::default(), &Timing::default());
        found.into_iter().map(|wrong| (wrong.name, wrong.subject)).collect()
    }

    fn counted(count: Count, n: i64) -> impl FnOnce(&mut Figures) {
        move |figures| figures.counts[count as usize] = n
    }

    fn domain(change: impl FnOnce(&mut Domain)) -> impl FnOnce(&mut Figures) {
        let mut domain = Domain { name: "mg.example.com".into(), lag: TimeDelta::minutes(30), ..Domain::default() };
        change(&mut domain);
        move |figures| figures.domains = vec![domain]
    }

    /// What each figure means just below and just above its threshold.
    #[test]
    fn each_threshold_parts_what_is_well_from_what_is_wrong() {
        type Case = (Vec<(Name, String)>, &'static [(Name, &'static str)]);
        let due = |lane: Priority, seconds| {
            move |figures: &mut Figures| figures.oldest[lane.lane()] = Some(TimeDelta::seconds(seconds))
        };
        let still = |lane: Priority, seconds| {
            move |figures: &mut Figures| {
                figures.oldest[lane.lane()] = Some(TimeDelta::seconds(seconds));
                figures.sent_per_minute = 0.0;
            }
        };
        let tries = |sent, failed| {
            move |figures: &mut Figures| {
                figures.counts[Count::Sent as usize] = sent;
                figures.counts[Count::Failed as usize] = failed;
            }
        };
        let cases: Vec<Case> = vec![
            (told(|_| ()), &[]),
            (told(|figures| figures.sent_per_minute = 0.0), &[]),
            (told(still(Priority::Low, 120)), &[]),
            (told(still(Priority::Low, 121)), &[(Name::QueueStalled, "")]),
            (told(due(Priority::Low, 21_600)), &[]),
            (told(due(Priority::Low, 21_601)), &[(Name::OldestAge, "low")]),
            (told(due(Priority::Normal, 1_800)), &[]),
            (told(due(Priority::Normal, 1_801)), &[(Name::OldestAge, "normal")]),
            (told(due(Priority::High, 300)), &[]),
            (told(due(Priority::High, 301)), &[(Name::OldestAge, "high")]),
            (told(still(Priority::High, 301)), &[(Name::QueueStalled, ""), (Name::OldestAge, "high")]),
            (told(tries(0, 99)), &[]),
            (told(tries(95, 5)), &[]),
            (told(tries(94, 6)), &[(Name::FailureShare, "")]),
            (told(|figures| figures.bounced = Share { n: 199, of: 199 }), &[]),
            (told(|figures| figures.bounced = Share { n: 10, of: 200 }), &[]),
            (told(|figures| figures.bounced = Share { n: 11, of: 200 }), &[(Name::BounceRate, "")]),
            (told(|figures| figures.complained = Share { n: 999, of: 999 }), &[]),
            (told(|figures| figures.complained = Share { n: 1, of: 1_000 }), &[]),
            (told(|figures| figures.complained = Share { n: 2, of: 1_000 }), &[(Name::ComplaintRate, "")]),
            (told(|figures| figures.breakers = vec![(String::new(), 3)]), &[(Name::BreakerOpen, "")]),
            (told(domain(|_| ())), &[]),
            (told(domain(|domain| domain.silent = true)), &[(Name::WebhooksSilent, "mg.example.com")]),
            (told(domain(|domain| domain.unreadable = true)), &[(Name::LogUnreadable, "mg.example.com")]),
            (told(domain(|domain| domain.lag = TimeDelta::hours(2))), &[]),
            (told(domain(|domain| domain.lag = TimeDelta::seconds(7_201))), &[(Name::ReconcilerLag, "mg.example.com")]),
            (told(counted(Count::Unsigned, 5)), &[]),
            (told(counted(Count::Unsigned, 6)), &[(Name::SignatureFailures, "unsigned")]),
            (told(counted(Count::NoKey, 6)), &[(Name::SignatureFailures, "no_key")]),
            (told(counted(Count::TokenReused, 6)), &[(Name::SignatureFailures, "token_reused")]),
            (told(counted(Count::Double, 1)), &[(Name::Doubles, "")]),
            (told(counted(Count::Undecided, 1)), &[(Name::Undecided, "")]),
            (told(counted(Count::RedisAway, 1)), &[(Name::RedisAway, "")]),
            (told(|figures| figures.stuck = vec![("bounces".into(), 1)]), &[(Name::SyncStuck, "bounces")]),
            (told(|figures| figures.deaf = 1), &[(Name::EndpointFailing, "")]),
        ];
        let mut met: Vec<Name> = Vec::new();
        for (at, (found, expected)) in cases.iter().enumerate() {
            let found: Vec<(Name, &str)> = found.iter().map(|(name, subject)| (*name, subject.as_str())).collect();
            assert_eq!(&found, expected, "case {at}");
            met.extend(found.iter().map(|(name, _)| *name));
        }
        for rule in super::super::RULES.iter().filter(|rule| rule.alert != Name::DatabaseAway) {
            assert!(met.contains(&rule.alert), "no case raises {}", rule.name);
        }
    }

    #[test]
    fn thresholds_go_as_fast_as_everything_else() {
        let figures = Figures { oldest: [Some(TimeDelta::seconds(1)), None, None], ..Figures::default() };
        let found = |n| wrong(&figures, &Thresholds::default(), &Timing::divided(n)).len();
        assert_eq!((found(1), found(200), found(1_000)), (0, 1, 2));
    }
}

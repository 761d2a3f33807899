//! What the counters of some hours say together, and the rates that follow. Pure.

use chrono::{DateTime, Utc};
use entity::campaign_metrics::Metric;
use sea_orm::ActiveEnum;

/// How many metrics there are.
const METRICS: usize = 18;

/// The counters of some emails and hours, summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Figures([i64; METRICS]);

/// The counters of one bucket of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// When the bucket begins.
    pub at: DateTime<Utc>,
    pub figures: Figures,
}

impl Figures {
    /// How many there are of this.
    pub fn of(&self, metric: Metric) -> i64 {
        self.0[index(metric)]
    }

    /// Adds `n`.
    pub fn add(&mut self, metric: Metric, n: i64) {
        self.0[index(metric)] += n;
    }

    /// Delivered, of those that Mailgun accepted.
    pub fn delivery_rate(&self) -> Option<f64> {
        self.rate(Metric::Delivered, Metric::Sent)
    }

    /// Bounced, hard or soft, of those that Mailgun accepted.
    pub fn bounce_rate(&self) -> Option<f64> {
        self.rate(Metric::Bounced, Metric::Sent)
    }

    /// Opened by a person, of those delivered.
    pub fn open_rate(&self) -> Option<f64> {
        self.rate(Metric::UniqueOpened, Metric::Delivered)
    }

    /// With a click by a person, of those delivered.
    pub fn click_rate(&self) -> Option<f64> {
        self.rate(Metric::UniqueClicked, Metric::Delivered)
    }

    /// Reported as spam, of those delivered.
    pub fn complaint_rate(&self) -> Option<f64> {
        self.rate(Metric::Complained, Metric::Delivered)
    }

    /// A share; `None` where there is nothing to have a share of.
    fn rate(&self, of: Metric, base: Metric) -> Option<f64> {
        let base = self.of(base);
        (base > 0).then(|| self.of(of) as f64 / base as f64)
    }
}

fn index(metric: Metric) -> usize {
    usize::from(metric.to_value().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use sea_orm::Iterable;

    use super::*;

    #[test]
    fn every_metric_has_a_place_of_its_own() {
        let mut figures = Figures::default();
        for (n, metric) in (1..).zip(Metric::iter()) {
            figures.add(metric, n);
        }
        assert_eq!(Metric::iter().count(), METRICS);
        for (n, metric) in (1..).zip(Metric::iter()) {
            assert_eq!(figures.of(metric), n, "{metric:?}");
        }
    }

    #[test]
    fn a_rate_has_its_own_base_and_there_is_none_of_nothing() {
        let rates =
            |f: &Figures| [f.delivery_rate(), f.bounce_rate(), f.open_rate(), f.click_rate(), f.complaint_rate()];
        let figures = |counts: &[(Metric, i64)]| {
            let mut figures = Figures::default();
            counts.iter().for_each(|(metric, n)| figures.add(*metric, *n));
            figures
        };
        use Metric::{Bounced, Complained, Delivered, Opened, Sent, UniqueClicked, UniqueMachineOpened, UniqueOpened};
        let some = [
            (Sent, 100),
            (Delivered, 80),
            (Bounced, 15),
            (UniqueOpened, 40),
            (Opened, 400),
            (UniqueMachineOpened, 60),
            (UniqueClicked, 20),
            (Complained, 2),
        ];
        type Case<'a> = (&'a [(Metric, i64)], [Option<f64>; 5]);
        let cases: [Case<'_>; 4] = [
            (&[], [None; 5]),
            (&[(Sent, 4)], [Some(0.0), Some(0.0), None, None, None]),
            (&[(Delivered, 4), (UniqueOpened, 1)], [None, None, Some(0.25), Some(0.0), Some(0.0)]),
            (&some, [Some(0.8), Some(0.15), Some(0.5), Some(0.25), Some(0.025)]),
        ];
        for (counts, expected) in cases {
            assert_eq!(rates(&figures(counts)), expected, "{counts:?}");
        }
    }
}

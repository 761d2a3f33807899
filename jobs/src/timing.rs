//! Every duration of the protocol in one place, so that a test can divide them all and keep their ratios.

use std::time::Duration;

use chrono::TimeDelta;

/// As often as a hurried protocol looks whether there is something to do.
const OFTEN: Duration = Duration::from_millis(200);

/// How long things may take and how often they are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long a claim holds. A row whose lease ran out becomes UNCONFIRMED.
    pub lease: Duration,
    /// A worker whose lease has less than this left does not post. More than a POST may take.
    pub lease_margin: Duration,
    /// How long one POST may take, connecting included.
    pub post: Duration,
    /// How long connecting may take.
    pub connect: Duration,
    /// How long an UNCONFIRMED email of policy RESEND waits before it is sent again.
    pub resend: Duration,
    /// The feeder looks at least this often.
    pub round: Duration,
    /// A fed, unclaimed email is fed again after this long when its lane is empty …
    pub refeed_idle: Duration,
    /// … and after this long in any case.
    pub refeed: Duration,
    /// How long a doorbell waits for room with the sender.
    pub offer: Duration,
    /// The first probe of an open breaker comes after this long, each further one after twice the wait …
    pub probe_first: Duration,
    /// … up to this.
    pub probe_most: Duration,
    /// How long an email rests whose way to Mailgun is closed and whose tries are spent.
    pub snooze: Duration,
    /// When Mailgun's log is asked for an UNCONFIRMED email, counted from when it became that. The last lies behind `trust`.
    pub looks: [Duration; 6],
    /// What happened this long ago stands in Mailgun's log, if it stands there at all (Mailgun's "Event Polling" page).
    pub trust: Duration,
    /// How often the log is read for events that no webhook brought.
    pub reconcile: Duration,
    /// How long a webhook may take before its event counts as one that no webhook brought.
    pub grace: Duration,
    /// How often Mailgun's own suppression lists are read as a whole: they do not say what changed.
    pub sync: Duration,
    /// How long after a failure such a list is asked or told again; twice as long after each further one …
    pub sync_retry: Duration,
    /// … up to this.
    pub sync_retry_most: Duration,
    /// How long after a failed try an endpoint is told of an event again: the schedule of Svix.
    pub dispatch_waits: [Duration; 7],
    /// How long an endpoint may take to answer, connecting included.
    pub dispatch_post: Duration,
    /// An endpoint that fails is probed after this long, and then after half of the time again that it has been failing …
    pub dispatch_probe: Duration,
    /// … up to this.
    pub dispatch_probe_most: Duration,
    /// An endpoint is left alone for as long as it asks, up to this.
    pub dispatch_asked_most: Duration,
    /// An endpoint that took nothing for so long is disabled.
    pub dispatch_failing: Duration,
    /// How often expired leases, deadlines and resends are looked for.
    pub watch: Duration,
    /// How often campaigns are looked for whose recipients are to become emails.
    pub expand: Duration,
    /// How often the clock is aligned with the database's.
    pub align: Duration,
    /// What the table of alerts calls a minute; four times in one, somebody looks.
    pub minute: Duration,
    /// How long a stopping process may finish what is open.
    pub shutdown: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            lease_margin: Duration::from_secs(25),
            post: Duration::from_secs(20),
            connect: Duration::from_secs(5),
            resend: Duration::from_secs(20),
            round: Duration::from_millis(250),
            refeed_idle: Duration::from_secs(2),
            refeed: Duration::from_secs(30),
            offer: Duration::from_secs(3),
            probe_first: Duration::from_secs(1),
            probe_most: Duration::from_secs(60),
            snooze: Duration::from_secs(5),
            looks: [2, 10, 30, 120, 600, 1_860].map(Duration::from_secs),
            trust: Duration::from_secs(1_800),
            reconcile: Duration::from_secs(300),
            grace: Duration::from_secs(120),
            sync: Duration::from_secs(6 * 3_600),
            sync_retry: Duration::from_secs(10),
            sync_retry_most: Duration::from_secs(3_600),
            dispatch_waits: [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000].map(Duration::from_secs),
            dispatch_post: Duration::from_secs(15),
            dispatch_probe: Duration::from_secs(5),
            dispatch_probe_most: Duration::from_secs(300),
            dispatch_asked_most: Duration::from_secs(3_600),
            dispatch_failing: Duration::from_secs(5 * 86_400),
            watch: Duration::from_secs(1),
            expand: Duration::from_secs(1),
            align: Duration::from_secs(30),
            minute: Duration::from_secs(60),
            shutdown: Duration::from_secs(25),
        }
    }
}

impl Timing {
    /// The same protocol `n` times as fast. What is merely looked for is so no oftener than [`OFTEN`]: several processes that do
    /// nothing else would keep a machine busy.
    pub fn divided(n: u32) -> Self {
        let whole = Self::default();
        Self {
            lease: whole.lease / n,
            lease_margin: whole.lease_margin / n,
            post: whole.post / n,
            connect: whole.connect / n,
            resend: whole.resend / n,
            round: whole.round,
            refeed_idle: whole.refeed_idle / n,
            refeed: whole.refeed / n,
            offer: whole.offer / n,
            probe_first: whole.probe_first / n,
            probe_most: whole.probe_most / n,
            snooze: whole.snooze / n,
            looks: whole.looks.map(|look| look / n),
            trust: whole.trust / n,
            reconcile: whole.reconcile / n,
            grace: whole.grace / n,
            sync: whole.sync / n,
            sync_retry: whole.sync_retry / n,
            sync_retry_most: whole.sync_retry_most / n,
            dispatch_waits: whole.dispatch_waits.map(|wait| wait / n),
            dispatch_post: whole.dispatch_post / n,
            dispatch_probe: whole.dispatch_probe / n,
            dispatch_probe_most: whole.dispatch_probe_most / n,
            dispatch_asked_most: whole.dispatch_asked_most / n,
            dispatch_failing: whole.dispatch_failing / n,
            watch: (whole.watch / n).max(OFTEN),
            expand: (whole.expand / n).max(OFTEN),
            align: whole.align / n,
            minute: whole.minute / n,
            shutdown: whole.shutdown,
        }
    }

    /// So many minutes of an alert.
    pub fn minutes(&self, n: u32) -> TimeDelta {
        delta(self.minute.saturating_mul(n))
    }

    /// A span that was set for real minutes, by those of alerts.
    pub fn as_minutes_go(&self, span: TimeDelta) -> TimeDelta {
        let share = self.minute.as_secs_f64() / 60.0;
        delta(span.to_std().unwrap_or_default().mul_f64(share))
    }

    /// How often alerts are looked at.
    pub fn alert_round(&self) -> Duration {
        self.minute / 4
    }
}

/// A duration as times are counted with: the longest there is where it is longer.
pub(crate) fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_ends_before_its_lease_and_before_the_shutdown() {
        for timing in [Timing::default(), Timing::divided(10)] {
            assert!(timing.post < timing.lease_margin);
            assert!(timing.lease_margin < timing.lease);
            assert!(timing.post <= timing.shutdown);
        }
    }

    #[test]
    fn an_endpoint_answers_before_the_claim_to_tell_it_and_the_shutdown_end() {
        for timing in [Timing::default(), Timing::divided(10)] {
            assert!(timing.dispatch_post + timing.lease / 2 < timing.lease);
            assert!(timing.dispatch_post < timing.shutdown);
        }
    }

    #[test]
    fn the_last_look_into_the_log_can_prove_something() {
        for timing in [Timing::default(), Timing::divided(10)] {
            assert!(timing.looks.is_sorted());
            assert!(timing.looks[5] > timing.trust);
            assert!(timing.grace < timing.trust);
        }
    }
}

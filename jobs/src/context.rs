//! What every job is handed: the database, the time, the settings, the keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use entity::sealed::Keyring;
use entity::{Clock, Policy, Priority};
use tokio_util::sync::CancellationToken;

use crate::dispatch::Poster;
use crate::dispatch::address::Networks;
use crate::ledger::Facts;
use crate::retention::Periods;
use crate::scope::Scopes;
use crate::store::Store;
use crate::sync::Direction;
use crate::timing::{Timing, delta};

/// What the user sets, parsed and checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `MAILGUN_DOMAIN`: the sending domains, in ASCII; the first is the default.
    pub domains: Vec<String>,
    /// `MAILGUN_API_BASE`, without a slash at the end.
    pub api_base: String,
    /// `PUBLIC_URL`, without a slash at the end: where recipients reach the service. Campaign mail needs it.
    pub public_url: Option<String>,
    /// Emails go to the built-in sandbox.
    pub sandbox: bool,
    /// `MAILGUN_BULK_CONCURRENCY`: POSTs at a time in this process.
    pub slots: usize,
    /// `EXECUTION_BATCH_CONCURRENCY`: batches of recipients that become emails at a time in this process.
    pub batches: usize,
    /// `MAILGUN_MAX_RETRIES`: tries in all.
    pub max_tries: i32,
    /// `MAILGUN_RETRY_BASE_MS`.
    pub retry_base: std::time::Duration,
    /// `EMAIL_MAX_AGE`: nothing waits on Mailgun for longer.
    pub max_age: TimeDelta,
    /// How long things are kept.
    pub retention: Periods,
    /// `UNCONFIRMED_HIGH|NORMAL|LOW`, by lane.
    pub policies: [Policy; 3],
    /// Tags an email may carry.
    pub most_tags: usize,
    /// `SUPPRESSION_SYNC`.
    pub suppression_sync: Direction,
    /// What is alerted, and who is told.
    pub alerts: crate::alert::Settings,
    /// `OUTBOUND_PRIVATE_NETWORKS`
    pub outbound_networks: Networks,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            domains: vec!["sandbox.mailmind.test".into()],
            api_base: "https://api.mailgun.net".into(),
            public_url: Some("http://127.0.0.1:8080".into()),
            sandbox: true,
            slots: 5,
            batches: 10,
            max_tries: 3,
            retry_base: std::time::Duration::from_millis(200),
            max_age: TimeDelta::days(3),
            retention: Periods::default(),
            policies: [Policy::Resend, Policy::Verify, Policy::Verify],
            most_tags: 3,
            suppression_sync: Direction::Both,
            alerts: crate::alert::Settings::default(),
            outbound_networks: Networks::default(),
        }
    }
}

impl Settings {
    /// The policy of an email that names none.
    pub fn policy(&self, lane: Priority) -> Policy {
        self.policies[lane.lane()]
    }

    /// The breaker's key of the way to Mailgun itself.
    pub fn transport(&self) -> String {
        format!("transport:{}", self.api_base)
    }
}

/// Rings for a lane's feeder, in this process and elsewhere.
pub type Bell = Arc<dyn Fn(Priority) + Send + Sync>;

/// The shared parts of a process.
pub struct Context {
    pub store: Store,
    pub clock: Clock,
    pub timing: Timing,
    pub settings: Settings,
    pub keyring: Keyring,
    pub scopes: Scopes,
    pub trouble: Trouble,
    /// Contents that are rendered, compiled.
    pub prepared: crate::render::Kept,
    pub campaign_keys: crate::send::personal::Keys,
    /// Wakes the executor of campaigns, where one runs in this process; others look by themselves.
    pub executor: tokio::sync::Notify,
    pub unsubscribe: crate::unsubscribe::Key,
    pub marks: crate::erase::Marks,
    pub audit_marks: crate::erase::Marks,
    /// The client that tells endpoints.
    pub poster: Poster,
    pub foreign_ids: crate::reconcile::mark::ForeignIds,
    pub batch_ids: crate::reconcile::mark::BatchIds,
    /// What this process knows of alerts by itself.
    pub alerts: crate::alert::Own,
    /// Which counters this process adds to ([`entity::tally`]).
    pub shard_of_process: i16,
    /// Cancelled when the process is to take nothing new.
    pub stop: CancellationToken,
    /// Cancelled when it may wait no longer for what is open.
    pub abandon: CancellationToken,
    bell: std::sync::OnceLock<Bell>,
}

impl Context {
    /// A process's context. `chance` in 0..1 spreads processes over the tallies' shards.
    pub fn new(
        store: Store,
        clock: Clock,
        timing: Timing,
        settings: Settings,
        keyring: Keyring,
        chance: f64,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            clock,
            timing,
            settings,
            keyring,
            scopes: Scopes::default(),
            trouble: Trouble::default(),
            prepared: crate::render::Kept::default(),
            campaign_keys: crate::send::personal::Keys::default(),
            executor: tokio::sync::Notify::new(),
            unsubscribe: crate::unsubscribe::Key::default(),
            marks: crate::erase::Marks::default(),
            audit_marks: crate::erase::Marks::of_audit(),
            poster: Poster::default(),
            foreign_ids: crate::reconcile::mark::ForeignIds::default(),
            batch_ids: crate::reconcile::mark::BatchIds::default(),
            alerts: crate::alert::Own::default(),
            shard_of_process: (chance * 8.0) as i16,
            stop,
            abandon: CancellationToken::new(),
            bell: std::sync::OnceLock::new(),
        })
    }

    /// Says how feeders are woken; once.
    pub fn hang_bell(&self, bell: Bell) {
        // A second bell would be a mistake of the start-up, and the first still rings.
        let _ = self.bell.set(bell);
    }

    /// Something is due in this lane: its feeder had better look. Harmless when it need not.
    pub fn nudge(&self, lane: Priority) {
        if let Some(bell) = self.bell.get() {
            bell(lane);
        }
    }

    /// What every decision of the ledger rests on at this moment.
    pub fn facts(&self) -> Facts {
        Facts {
            now: self.clock.now(),
            max_tries: self.settings.max_tries,
            first_look: delta(self.timing.looks[0].min(self.timing.resend)),
            snooze: delta(self.timing.snooze),
            max_age: self.settings.max_age,
            suppressed: None,
            pause_ended: None,
            campaign_cancelled: false,
        }
    }
}

/// Whether any breaker may have failures to forget. While none has, a good answer from Mailgun costs no statement.
#[derive(Default)]
pub struct Trouble(AtomicBool);

impl Trouble {
    /// There was a failure.
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// What the database says.
    pub fn set(&self, any: bool) {
        self.0.store(any, Ordering::Relaxed);
    }

    /// There may be something to forget.
    pub fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

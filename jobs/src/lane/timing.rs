//! Every duration of the lanes in one place, so that a test can divide them and keep their ratios.

use std::time::Duration;

/// How long each thing in a lane may take. The default is what production runs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneTiming {
    /// The longest a call to Redis may take; one that took longer means Redis is away.
    pub call: Duration,
    /// Redis is away, too, when for so long no task left a lane that holds some while this process could have taken it.
    pub stall: Duration,
    /// How often a worker asks Redis for tasks when no doorbell rang.
    pub poll: Duration,
    /// How often Redis is looked at, and, while it is away, whether a probe task came back.
    pub look: Duration,
    /// How often finished tasks are swept out of Redis.
    pub sweep: Duration,
    /// How often an apalis worker tells Redis that it lives, and whoever is silent is looked for. Whole seconds: apalis counts no
    /// smaller ones.
    pub heartbeat: Duration,
    /// After how many heartbeats that did not come a worker counts as dead.
    pub missed_heartbeats: u32,
    /// How long a worker waits for the handler of one task; the handler itself runs on to its end.
    pub patience: Duration,
    /// The first wait before a dead worker is built anew, doubled with each death in a row ..
    pub rebuild_first: Duration,
    /// .. up to this.
    pub rebuild_most: Duration,
    /// How long the start of a process waits for Redis before it begins in process.
    pub start: Duration,
    /// A subscription on which nothing was heard for so long is made anew (this process calls out every `look`).
    pub deaf: Duration,
}

impl Default for LaneTiming {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(5),
            stall: Duration::from_secs(10),
            poll: Duration::from_millis(250),
            look: Duration::from_secs(1),
            sweep: Duration::from_secs(60),
            heartbeat: Duration::from_secs(5),
            missed_heartbeats: 3,
            patience: Duration::from_secs(4),
            rebuild_first: Duration::from_millis(100),
            rebuild_most: Duration::from_secs(2),
            start: Duration::from_secs(1),
            deaf: Duration::from_secs(10),
        }
    }
}

impl LaneTiming {
    /// The same timing, everything `by` times as fast, save for the heartbeat, which stays at one second or more.
    pub fn divided(by: u32) -> Self {
        let full = Self::default();
        Self {
            call: full.call / by,
            stall: full.stall / by,
            poll: full.poll / by,
            look: full.look / by,
            sweep: full.sweep / by,
            heartbeat: (full.heartbeat / by).max(Duration::from_secs(1)),
            missed_heartbeats: full.missed_heartbeats,
            patience: full.patience / by,
            rebuild_first: full.rebuild_first / by,
            rebuild_most: full.rebuild_most / by,
            start: full.start,
            deaf: full.deaf / by,
        }
    }

    /// How long a worker may be silent before it counts as dead.
    pub(super) fn orphaned(&self) -> Duration {
        self.heartbeat * self.missed_heartbeats
    }
}

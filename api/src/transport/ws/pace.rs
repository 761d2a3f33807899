//! How long each thing on a socket may take.

use std::time::Duration;

/// The durations of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Until the client has begun (`connection_init`).
    pub init: Duration,
    /// Between two pings of ours; after two without any sign of life the socket is closed.
    pub ping: Duration,
    /// Until a message of ours is taken.
    pub send: Duration,
    /// Between two looks whether the key still opens.
    pub ask: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            init: Duration::from_secs(3),
            ping: Duration::from_secs(15),
            send: Duration::from_secs(5),
            ask: Duration::from_secs(30),
        }
    }
}

impl Pace {
    /// `n` times as fast, for tests.
    pub fn divided(n: u32) -> Self {
        let Self { init, ping, send, ask } = Self::default();
        Self { init: init / n, ping: ping / n, send: send / n, ask: ask / n }
    }
}

//! How much one caller may ask for, so that none keeps the others waiting: by the key that they show, and before a key is known,
//! by the address that they call from. What is asked for in a time is counted by one rule ([`gcra`]), in Redis where there is
//! one, so that all processes count together; what is held at a time ([`held`]) each process counts for itself.
//!
//! No limit is a reason to wait for Redis: while it is away, or slow, each process goes on with what it knows. Addresses never
//! leave the process: whoever has no key shall not make us ask Redis, and Redis holds no person's data.

pub mod count;
pub mod gcra;
mod held;
mod local;
mod shared;
mod tab;
pub mod table;
mod turns;

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use entity::Clock;
use jobs::lane::RedisSettings;
use uuid::Uuid;

pub use held::{Crowded, Hold, Places};
pub use local::Who;
pub use shared::Shared;
pub use tab::Tab;
pub use table::{Allowance, Most, Table, What};
pub use turns::{Turn, Turns};

use gcra::Rate;
use local::Local;

/// How a caller stands with one limit after it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which limit.
    pub what: What,
    /// What it allows.
    pub rate: Rate,
    /// In microseconds: how long until all of it may be had again.
    pub debt: u64,
}

/// More was asked for than a limit allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// Which limit.
    pub what: What,
    /// What it allows.
    pub rate: Rate,
    /// After this time it may be asked for again; `None` when it is more than may ever be asked for at once.
    pub wait: Option<Duration>,
    /// How the caller stands with each limit that was asked.
    pub standings: Vec<Standing>,
}

impl Excess {
    /// Whole seconds, at least one: what `Retry-After` takes, and not too early.
    pub fn seconds(&self) -> Option<u64> {
        self.wait.map(whole_seconds)
    }
}

/// A wait in whole seconds, rounded up.
pub fn whole_seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_micros().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1)
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, rate, .. } = self;
        match self.seconds() {
            Some(seconds) => write!(f, "{} are limited to {rate}; please try again in {seconds} s", what.words()),
            None => write!(f, "{} are limited to {rate}, and this asks for more at once", what.words()),
        }
    }
}

impl std::error::Error for Excess {}

/// The limits of this process.
pub struct Limits {
    table: Table,
    clock: Clock,
    local: Local,
    shared: Option<Shared>,
    /// What is held at a time.
    pub places: Places,
    /// Who may read now.
    pub turns: Turns,
}

impl Limits {
    /// Limits as this table has them, counted together with the other processes on this Redis.
    ///
    /// # Errors
    /// When the settings of Redis make no sense.
    pub fn new(table: Table, clock: Clock, redis: Option<&RedisSettings>) -> Result<Self, jobs::lane::LaneError> {
        let shared = redis.map(Shared::new).transpose()?;
        Ok(Self { places: Places::new(&table), turns: Turns::default(), table, clock, local: Local::default(), shared })
    }

    /// What the table says.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Takes so much of each of these from what a key may have, or nothing of any.
    ///
    /// # Errors
    /// The limit that has to be waited for longest.
    pub async fn take(&self, key: Uuid, asked: &[(What, u64)]) -> Result<Vec<Standing>, Excess> {
        let asked = self.limited(asked);
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        // What this process knows is enough to refuse: in Redis no less can have been taken.
        let (who, now) = (Who::Key(key), self.now());
        let told = match &self.shared {
            Some(shared) if self.local.look(who, now, &asked).is_ok() => shared.take(key, &asked, now).await,
            _ => None,
        };
        let verdict = match told {
            Some(Ok(debts)) => {
                // Remembered here as well, for when Redis has forgotten.
                self.local.take(who, self.now(), &asked).ok();
                self.local.learn(who, self.now(), &asked, &debts);
                Ok(debts)
            }
            Some(Err(refused)) => {
                self.local.learn(who, self.now(), &asked, &refused.debts);
                Err(refused)
            }
            None => self.local.take(who, now, &asked),
        };
        self.verdict(&asked, verdict)
    }

    /// Takes one from what an address may have of something.
    ///
    /// # Errors
    /// There is none to be had.
    pub fn take_from_address(&self, what: What, from: IpAddr) -> Result<(), Excess> {
        let asked = self.limited(&[(what, 1)]);
        let taken = self.local.take(Who::at(from), self.now(), &asked);
        self.verdict(&asked, taken).map(drop)
    }

    /// Whether an address has anything left of something. Takes nothing.
    ///
    /// # Errors
    /// It has none.
    pub fn look_at_address(&self, what: What, from: IpAddr) -> Result<(), Excess> {
        let asked = self.limited(&[(what, 1)]);
        let verdict = self.local.look(Who::at(from), self.now(), &asked);
        self.verdict(&asked, verdict).map(drop)
    }

    fn limited(&self, asked: &[(What, u64)]) -> Vec<Asked> {
        let limited = asked.iter().filter(|(_, cost)| *cost > 0);
        limited.filter_map(|&(what, cost)| Some(Asked { what, rate: self.table.rate(what)?, cost })).collect()
    }

    fn verdict(&self, asked: &[Asked], verdict: gcra::Verdict) -> Result<Vec<Standing>, Excess> {
        let standing = |(asked, debt): (&Asked, u64)| Standing { what: asked.what, rate: asked.rate, debt };
        match verdict {
            Ok(debts) => Ok(asked.iter().zip(debts).map(standing).collect()),
            Err(gcra::Refused { which, wait, debts }) => {
                let Asked { what, rate, cost } = asked[which.min(asked.len() - 1)];
                refused(what);
                let wait = (cost <= rate.quota()).then(|| Duration::from_micros(wait));
                Err(Excess { what, rate, wait, standings: asked.iter().zip(debts).map(standing).collect() })
            }
        }
    }

    /// Microseconds of this process's own clock.
    fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_micros()).unwrap_or(u64::MAX / 2)
    }
}

/// So much of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which limit.
    pub what: What,
    /// What it allows.
    pub rate: Rate,
    /// How much is asked for.
    pub cost: u64,
}

/// What is counted together: a customer gets a whole /64 of IPv6 addresses at least, and could use another for each request.
pub fn place(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

/// Counts a refusal.
pub fn refused(what: What) {
    metrics::counter!("mailmind_limited_total", "limit" => what.name()).increment(1);
}

#[cfg(test)]
mod tests;

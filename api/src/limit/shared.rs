//! What each key has taken, in all processes together: one step of Redis for all limits of a request. While Redis is away or
//! slow, nobody is asked, and nobody waits: [`Local`](super::local::Local) knows what this process has given out.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jobs::lane::{Connection, LaneError, RedisSettings};
use redis::{ErrorKind, RedisError, Script};
use uuid::Uuid;

use super::Asked;
use super::gcra::{Refused, Verdict};

/// How long a request waits for Redis.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long nobody is asked after Redis did not answer, in microseconds.
const REST: u64 = 1_000_000;

/// [`gcra::judge`](super::gcra::judge) in Redis, by its clock, or where a time is given (a test's, which passes otherwise than
/// that of Redis' expiries), by that.
///
/// KEYS the theoretical arrival times. ARGV a time or nothing, then the emission interval, the quota and the cost of each.
/// Answers the place of what has to be waited for longest (from 1, 0 for none), how long, and the debts.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local now = tonumber(ARGV[1])
if not now then local time = redis.call('TIME'); now = time[1] * 1000000 + time[2] end
local after, debts, which, longest = {}, {}, 0, 0
for i = 1, #KEYS do
  local emission, quota, cost = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
  local debt = tonumber(redis.call('GET', KEYS[i]) or 0) - now
  debts[i] = math.min(math.max(debt, 0), emission * quota)
  after[i] = debts[i] + emission * cost
  local wait = after[i] - emission * quota
  if wait > longest then which, longest = i, wait end
end
if which == 0 then
  for i = 1, #KEYS do
    local text = string.format('%.0f', now + after[i])
    if ARGV[1] == '' then redis.call('SET', KEYS[i], text, 'PX', math.ceil(after[i] / 1000) + 1)
    else redis.call('SET', KEYS[i], text, 'EX', 3600) end
  end
  debts = after
end
return {which, longest, unpack(debts)}",
    )
});

/// The counts that processes share.
pub struct Shared {
    connection: Connection,
    prefix: String,
    /// Until then nobody is asked, in microseconds of the process's clock.
    rests: AtomicU64,
    /// Redis did not answer the last time; said once.
    away: AtomicBool,
}

impl Shared {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// When the settings make no sense.
    pub fn new(settings: &RedisSettings) -> Result<Self, LaneError> {
        let connection = Connection::new(settings, PATIENCE)?;
        let prefix = format!("{}:limit", settings.prefix);
        Ok(Self { connection, prefix, rests: AtomicU64::new(0), away: AtomicBool::new(false) })
    }

    /// Takes all of this from what a key may have, or nothing; `None` when Redis does not say. `now` is the process's time.
    pub async fn take(&self, key: Uuid, asked: &[Asked], now: u64) -> Option<Verdict> {
        if now < self.rests.load(Ordering::Relaxed) {
            return None;
        }
        match self.ask(key, asked, None).await {
            Ok(verdict) => {
                if self.away.swap(false, Ordering::Relaxed) {
                    tracing::info!("Redis counts for the limits again");
                }
                Some(verdict)
            }
            Err(cause) => {
                self.rests.store(now.saturating_add(REST), Ordering::Relaxed);
                if !self.away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%cause, "Redis does not count for the limits; this process counts for itself");
                }
                None
            }
        }
    }

    /// The same, at a time that is given, whatever happened before.
    ///
    /// # Errors
    /// Redis did not answer, or answered something else.
    pub async fn ask(&self, key: Uuid, asked: &[Asked], at: Option<u64>) -> Result<Verdict, LaneError> {
        let mut script = TAKE.prepare_invoke();
        for asked in asked {
            script.key(format!("{}:{}:{}", self.prefix, asked.what.name(), key.simple()));
        }
        script.arg(at.map_or_else(String::new, |at| at.to_string()));
        for Asked { rate, cost, .. } in asked {
            script.arg(rate.emission()).arg(rate.quota()).arg(*cost);
        }
        let answer: Vec<u64> = self.connection.run(&script).await?;
        let [which, wait, debts @ ..] = &answer[..] else {
            return Err(
                RedisError::from((ErrorKind::UnexpectedReturnType, "the limits' script answered too little")).into()
            );
        };
        let debts = debts.to_vec();
        Ok(match usize::try_from(*which).ok().and_then(|which| which.checked_sub(1)) {
            None => Ok(debts),
            Some(which) => Err(Refused { which, wait: *wait, debts }),
        })
    }
}

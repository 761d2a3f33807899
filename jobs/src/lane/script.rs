//! What we do to apalis-redis' keys ourselves, each in one step of Redis.

use std::sync::LazyLock;

use redis::Script;

/// Puts tasks at the end of the *active* list, past apalis' own push, which sends everything through a scheduled set
/// that stops for good at 8,000 due tasks. An id that is known already is left alone, so it may be repeated.
///
/// KEYS data, meta prefix, active. ARGV the bell's channel, the lane, then id and JSON text of each task.
/// Answers how many were new.
pub(super) static PUSH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local new = 0
for i = 3, #ARGV, 2 do
  if redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) == 1 then
    redis.call('HSET', KEYS[2] .. ':' .. ARGV[i], 'attempts', 0, 'max_attempts', 1, 'status', 'Pending')
    redis.call('RPUSH', KEYS[3], ARGV[i])
    new = new + 1
  end
end
redis.call('PUBLISH', ARGV[1], ARGV[2])
return new",
    )
});

/// Takes a dead worker off the books and gives back what it held; what can't be read is dropped, or it would kill one
/// worker after the other.
///
/// KEYS active, in flight, workers, data, meta prefix, the worker's hash. ARGV its name, the bell's channel, the lane.
/// Answers how many tasks were given back.
pub(super) static RETIRE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local back = 0
for _, id in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  local data = redis.call('HGET', KEYS[4], id)
  local ok, task = false, nil
  if data then ok, task = pcall(cjson.decode, data) end
  if ok and type(task) == 'string' then
    redis.call('HSET', KEYS[5] .. ':' .. id, 'attempts', 0, 'max_attempts', 1, 'status', 'Pending')
    redis.call('RPUSH', KEYS[1], id)
    back = back + 1
  else
    redis.call('HDEL', KEYS[4], id)
    redis.call('UNLINK', KEYS[5] .. ':' .. id)
  end
end
redis.call('UNLINK', KEYS[2], KEYS[6])
redis.call('ZREM', KEYS[3], ARGV[1])
if back > 0 then redis.call('PUBLISH', ARGV[2], ARGV[3]) end
return back",
    )
});

/// Forgets finished tasks, which apalis keeps for ever.
///
/// KEYS data, meta prefix, done, dead. ARGV how many of each at most. Answers how many went.
pub(super) static SWEEP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local swept = 0
for _, set in ipairs({KEYS[3], KEYS[4]}) do
  local ids = redis.call('SPOP', set, ARGV[1])
  if #ids > 0 then
    redis.call('HDEL', KEYS[1], unpack(ids))
    for _, id in ipairs(ids) do redis.call('UNLINK', KEYS[2] .. ':' .. id) end
    swept = swept + #ids
  end
end
return swept",
    )
});

//! What a process used, read from /proc.

use std::time::Duration;

/// The kernel shows CPU time to programs in hundredths of a second, on every architecture.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time of this very process, without its children.
pub fn own_cpu() -> Duration {
    ticks(std::process::id()).map_or(Duration::ZERO, |(own, _)| own)
}

/// CPU time of a process and everyone it started, whether alive or waited for.
pub fn cpu(pid: u32) -> Duration {
    let own = ticks(pid).map_or(Duration::ZERO, |(own, waited_for)| own + waited_for);
    children(pid).into_iter().map(cpu).sum::<Duration>() + own
}

/// The most memory a process ever held, in MB.
pub fn peak_memory(pid: u32) -> f64 {
    status(pid, "VmHWM:")
}

/// The memory a process holds, in MB.
pub fn memory(pid: u32) -> f64 {
    status(pid, "VmRSS:")
}

fn status(pid: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes: f64 = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or_default();
    kilobytes / 1_024.0
}

/// CPU time of its own and of the children it waited for (proc(5), /proc/pid/stat, fields 14 to 17).
fn ticks(pid: u32) -> Option<(Duration, Duration)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; field 3 follows it.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let time = |ticks: u64| Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND);
    Some((time(field(14)? + field(15)?), time(field(16)? + field(17)?)))
}

fn children(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()).collect()
}

//! What the process tells about itself: log lines on the standard error, panics among them, and metrics for Prometheus.

mod catalogue;

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::LogFormat;

/// Libraries speak up when something is wrong. RUST_LOG says otherwise.
const LOGGED: &str = "info,sqlx=warn,sea_orm=warn,sea_orm_migration=warn,apalis=warn,apalis_core=warn,apalis_redis=warn,\
                      apalis_cron=warn,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,h2=warn";

/// Seconds that a hand-over takes: the POST limit is 20.
const ATTEMPT_SECONDS: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0];

/// Starts logging: what is worth knowing of a process that runs for long, or with `quiet` only what is wrong.
pub fn log(format: LogFormat, quiet: bool) {
    let usual = if quiet { "warn" } else { LOGGED };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::NONE)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    // Fails where a test has a subscriber already; that one will do.
    let _ = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    std::panic::set_hook(Box::new(tell));
}

/// A panic in one line of the log: where, and in which words. With RUST_BACKTRACE=1 how it came there, too.
fn tell(panic: &PanicHookInfo<'_>) {
    let at = panic.location().map(ToString::to_string).unwrap_or_default();
    let way = Backtrace::capture();
    let way = (way.status() == BacktraceStatus::Captured).then(|| way.to_string());
    tracing::error!(at, way, words = words(panic.payload()), "A thread panicked");
}

/// Those that stand so in the source. What was put into others may be anybody's address.
fn words(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("with a value in its words, which are left out")
}

/// Starts counting; `None` where this process counts already. The handle renders what was counted.
pub fn metrics() -> Option<PrometheusHandle> {
    let suffix = Matcher::Suffix("_seconds".to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(suffix, &ATTEMPT_SECONDS).ok()?;
    let handle = builder.install_recorder().ok()?;
    catalogue::begin();
    Some(handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_says_what_stands_in_the_source_and_nothing_that_was_put_into_it() {
        /// What panics over what it is given.
        type Panics = fn(&str);
        let (address, text) = ("ann@example.com", "a slot is held until its outcome is stored");
        let panics: [(Panics, &str); 3] = [
            (|_| panic!("a slot is held until its outcome is stored"), text),
            (|address| panic!("{address} has no slot"), "with a value in its words, which are left out"),
            (|address| std::panic::panic_any(address.len()), "with a value in its words, which are left out"),
        ];
        for (panic, expected) in panics {
            let payload = std::panic::catch_unwind(|| panic(address)).expect_err("it panics");
            assert_eq!(words(&*payload), expected);
        }
    }
}

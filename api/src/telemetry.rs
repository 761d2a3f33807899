//! What the process tells about itself: log lines on the standard error, and metrics for Prometheus.

mod catalogue;

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
}

/// Starts counting; `None` where this process counts already. The handle renders what was counted.
pub fn metrics() -> Option<PrometheusHandle> {
    let suffix = Matcher::Suffix("_seconds".to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(suffix, &ATTEMPT_SECONDS).ok()?;
    let handle = builder.install_recorder().ok()?;
    catalogue::begin();
    Some(handle)
}

//! What a campaign's answers look like as lines of text. Pure.

use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;

use crate::failure::Failure;

/// The columns of a line, and which counts of the ledger each holds together.
const COLUMNS: [(&str, &[&str]); 9] = [
    ("pending", &["pending"]),
    ("waiting", &["scheduled", "queued"]),
    ("sending", &["sending", "unconfirmed"]),
    ("sent", &["sent"]),
    ("deferred", &["deferred"]),
    ("delivered", &["delivered"]),
    ("bounced", &["bounced"]),
    ("complained", &["complained"]),
    ("others", &["failed", "cancelled", "suppressed", "expired", "cleaned"]),
];

/// The names of the columns.
pub fn head() -> String {
    let mut line = format!("{:>7}  {:<9}", "time", "status");
    for (name, _) in COLUMNS {
        let _ = write!(line, " {name:>10}");
    }
    line + "      total"
}

/// How a campaign stands.
///
/// # Errors
/// Where its ledger does not add up.
pub fn line(elapsed: Duration, campaign: &Value) -> Result<String, Failure> {
    let ledger = &campaign["ledger"];
    let status = campaign["status"].as_str().unwrap_or_default();
    let mut line = format!("{:>6.1}s  {status:<9}", elapsed.as_secs_f64());
    let mut sum = 0;
    for (_, counts) in COLUMNS {
        let n: i64 = counts.iter().filter_map(|name| ledger[name].as_i64()).sum();
        let _ = write!(line, " {n:>10}");
        sum += n;
    }
    let total = ledger["total"].as_i64().unwrap_or_default();
    if sum != total {
        return Err(Failure::Demo(format!("the ledger adds up to {sum} and says {total}")));
    }
    let _ = write!(line, " {total:>10}");
    Ok(line)
}

/// What became of a campaign's emails.
pub fn metrics(metrics: &Value) -> String {
    let n = |name: &str| metrics[name].as_i64().unwrap_or_default();
    let rate = |name: &str| metrics[name].as_f64().map_or("-".to_owned(), |rate| format!("{:.1} %", rate * 100.0));
    format!(
        "  sent          {:>7}\n  delivered     {:>7}   {} of the sent\n  bounced       {:>7}   {} of the sent: {} hard, {} soft\n  \
         deferred      {:>7}   for a time\n  opened by     {:>7}   {} of the delivered; {} times; {} times by machines\n  \
         clicked by    {:>7}   {} of the delivered; {} times\n  complained    {:>7}   {} of the delivered\n  unsubscribed  {:>7}",
        n("sent"),
        n("delivered"),
        rate("deliveryRate"),
        n("bounced"),
        rate("bounceRate"),
        n("hardBounced"),
        n("softBounced"),
        n("deferred"),
        n("uniqueOpened"),
        rate("openRate"),
        n("opened"),
        n("machineOpened"),
        n("uniqueClicked"),
        rate("clickRate"),
        n("clicked"),
        n("complained"),
        rate("complaintRate"),
        n("unsubscribed"),
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_stands_below_its_head_and_adds_up() {
        let ledger = json!({ "pending": 5, "queued": 3, "scheduled": 1, "unconfirmed": 1, "delivered": 2, "expired": 1, "total": 13 });
        let campaign = json!({ "status": "RUNNING", "ledger": ledger });
        let line = line(Duration::from_millis(1_540), &campaign).unwrap();
        assert_eq!(line.split_whitespace().collect::<Vec<_>>().join(" "), "1.5s RUNNING 5 4 1 0 0 2 0 0 1 13");
        assert_eq!(line.len(), head().len());
        let wrong = json!({ "status": "RUNNING", "ledger": { "pending": 5, "total": 6 } });
        assert!(super::line(Duration::ZERO, &wrong).is_err());
    }
}

//! How single values are read. Each error continues a sentence that begins with the variable's name.

use chrono::TimeDelta;
use entity::{EmailAddress, Policy};
use jobs::alert::Limit;
use jobs::sync::Direction;

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// A time span: a whole number and `s`, `m`, `h` or `d`; between a minute and a year.
pub fn age(text: &str) -> Result<TimeDelta, String> {
    let age = span(text)?;
    if age < TimeDelta::minutes(1) || age > TimeDelta::days(365) {
        return Err("must be between 1m and 365d".to_owned());
    }
    Ok(age)
}

/// The same for what is kept: between an hour and a hundred years.
pub fn period(text: &str) -> Result<TimeDelta, String> {
    let period = span(text)?;
    if period < TimeDelta::hours(1) || period > TimeDelta::days(36_500) {
        return Err("must be between 1h and 36500d".to_owned());
    }
    Ok(period)
}

fn span(text: &str) -> Result<TimeDelta, String> {
    let bad = || "must be a number and s, m, h or d, such as 3d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(bad)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(bad()),
    };
    let number: u32 = number.parse().map_err(|_| bad())?;
    Ok(TimeDelta::seconds(i64::from(number) * seconds))
}

/// A time span of each lane: HIGH, NORMAL, LOW.
pub type ByLane = [TimeDelta; 3];

/// Three time spans such as `5m/30m/6h`, each between a minute and a year.
pub fn by_lane(text: &str) -> Result<ByLane, String> {
    let spans = text.split('/').map(age).collect::<Result<Vec<_>, _>>()?;
    spans.try_into().map_err(|_| "must be three spans, of HIGH, NORMAL and LOW, such as 5m/30m/6h".to_owned())
}

/// A share and of how many it is reckoned at least: `5%/200`.
pub fn limit(text: &str) -> Result<Limit, String> {
    let bad = || "must be a share and of how many it is reckoned at least, such as 5%/200".to_owned();
    let (share, of) = text.split_once('/').ok_or_else(bad)?;
    let share: f64 = share.strip_suffix('%').and_then(|percent| percent.parse().ok()).ok_or_else(bad)?;
    let of: u32 = of.parse().map_err(|_| bad())?;
    if !(0.0..100.0).contains(&share) || of == 0 {
        return Err("must be a share from 0% to below 100% of at least 1, such as 5%/200".to_owned());
    }
    Ok(Limit { share: share / 100.0, of: i64::from(of) })
}

/// A policy by its name, in any case.
pub fn policy(text: &str) -> Result<Policy, String> {
    match text.to_ascii_uppercase().as_str() {
        "VERIFY" => Ok(Policy::Verify),
        "RESEND" => Ok(Policy::Resend),
        "HOLD" => Ok(Policy::Hold),
        _ => Err("must be VERIFY, RESEND or HOLD".to_owned()),
    }
}

/// Which way suppressions go, in any case.
pub fn direction(text: &str) -> Result<Direction, String> {
    match text.to_ascii_lowercase().as_str() {
        "off" => Ok(Direction::Off),
        "pull" => Ok(Direction::Pull),
        "both" => Ok(Direction::Both),
        _ => Err("must be off, pull or both".to_owned()),
    }
}

/// A domain in ASCII and lower case.
///
/// # Errors
/// Why it is none, in words that follow its name.
pub fn domain(text: &str) -> Result<String, String> {
    // A domain is what may stand behind the @ of an address: the same rules, the same words.
    let address = EmailAddress::parse(&format!("postmaster@{text}")).map_err(|why| why.to_string())?;
    Ok(address.domain().to_owned())
}

/// A URL with one of `schemes` and a host.
pub fn url(text: &str, schemes: &[&str]) -> Result<axum::http::Uri, String> {
    let wanted = || format!("must be a URL such as {}://host", schemes[0]);
    let uri: axum::http::Uri = text.parse().map_err(|_| wanted())?;
    let scheme = uri.scheme_str().unwrap_or_default();
    if !schemes.contains(&scheme) || uri.host().is_none_or(str::is_empty) {
        return Err(wanted());
    }
    Ok(uri)
}

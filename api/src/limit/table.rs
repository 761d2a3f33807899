//! The limits there are: what is limited, for whom, how much of it is usual, and the variable that says otherwise.

use std::str::FromStr;
use std::time::Duration;

use super::gcra::Rate;

/// The table. What is counted in a time is written as `600/m`, `30/10m` or `5000/h`: so many at once, and as many again in
/// each such time, evenly; `off` sets no limit. What is held at a time is a number.
#[derive(clap::Args, Clone, Debug)]
pub struct Table {
    /// How many requests a key may make (`600/m`, `30/10m`, `5000/h`: so many at once, and as many again in that time, evenly;
    /// `off`: any number). Operations on a socket are counted as well.
    #[arg(long, env = "LIMIT_REQUESTS", default_value = "1200000/m")]
    pub limit_requests: Allowance,

    /// How many mutations a key may do: each field of a document is one.
    #[arg(long, env = "LIMIT_MUTATIONS", default_value = "600000/m")]
    pub limit_mutations: Allowance,

    /// How many emails a key may hand over, recipients that it adds to campaigns included.
    #[arg(long, env = "LIMIT_EMAILS", default_value = "10000000/h")]
    pub limit_emails: Allowance,

    /// How many subscriptions a key may have at a time, in one process.
    #[arg(long, env = "LIMIT_SUBSCRIPTIONS", default_value = "10000")]
    pub limit_subscriptions: Most,

    /// How many WebSockets a key may have at a time, in one process.
    #[arg(long, env = "LIMIT_SOCKETS", default_value = "5000")]
    pub limit_sockets: Most,

    /// How many requests without a key that is known may come from an address (of IPv6, from a network of /64): the dashboard's
    /// files, and whatever is refused.
    #[arg(long, env = "LIMIT_ADDRESS_REQUESTS", default_value = "12000/m")]
    pub limit_address_requests: Allowance,

    /// How many keys that nobody has may come from an address before no strange key from there is looked up.
    #[arg(long, env = "LIMIT_ADDRESS_GUESSES", default_value = "30/10m")]
    pub limit_address_guesses: Allowance,

    /// How many connections may be open from an address on which no good key was shown yet. Those of TRUSTED_PROXIES are not
    /// counted.
    #[arg(long, env = "LIMIT_ADDRESS_CONNECTIONS", default_value = "1000")]
    pub limit_address_connections: Most,

    /// How many WebSockets may be open from an address before their key is known.
    #[arg(long, env = "LIMIT_ADDRESS_SOCKETS", default_value = "500")]
    pub limit_address_sockets: Most,

    /// How many connections one process has at a time; fewer where the system allows it fewer open files.
    #[arg(long, env = "LIMIT_CONNECTIONS", default_value = "12000")]
    pub limit_connections: Most,

    /// How many webhooks may be under way at a time in one process, of which an address may have a quarter. Beyond it Mailgun is asked
    /// to come back.
    #[arg(long, env = "LIMIT_WEBHOOKS", default_value = "256")]
    pub limit_webhooks: Most,

    /// The same for links to unsubscribe.
    #[arg(long, env = "LIMIT_UNSUBSCRIBES", default_value = "256")]
    pub limit_unsubscribes: Most,
}

/// What may be limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// Requests of a key.
    Requests,
    /// Mutations of a key.
    Mutations,
    /// Emails of a key.
    Emails,
    /// Subscriptions of a key, at a time.
    Subscriptions,
    /// Sockets of a key, at a time.
    Sockets,
    /// Requests of an address.
    AddressRequests,
    /// Unknown keys from an address.
    AddressGuesses,
    /// Connections of an address, at a time.
    AddressConnections,
    /// Sockets of an address, at a time.
    AddressSockets,
    /// Connections of the process, at a time.
    Connections,
    /// Webhooks of the process, at a time.
    Webhooks,
    /// Webhooks of an address, at a time.
    AddressWebhooks,
    /// Links to unsubscribe of the process, at a time.
    Unsubscribes,
    /// The same of an address.
    AddressUnsubscribes,
}

impl What {
    /// All of them.
    pub const ALL: [What; 14] = [
        What::Requests,
        What::Mutations,
        What::Emails,
        What::Subscriptions,
        What::Sockets,
        What::AddressRequests,
        What::AddressGuesses,
        What::AddressConnections,
        What::AddressSockets,
        What::Connections,
        What::Webhooks,
        What::AddressWebhooks,
        What::Unsubscribes,
        What::AddressUnsubscribes,
    ];

    /// Its name in headers, metrics and keys of Redis.
    pub const fn name(self) -> &'static str {
        match self {
            What::Requests => "requests",
            What::Mutations => "mutations",
            What::Emails => "emails",
            What::Subscriptions => "subscriptions",
            What::Sockets => "sockets",
            What::AddressRequests => "address-requests",
            What::AddressGuesses => "address-guesses",
            What::AddressConnections => "address-connections",
            What::AddressSockets => "address-sockets",
            What::Connections => "connections",
            What::Webhooks => "webhooks",
            What::AddressWebhooks => "address-webhooks",
            What::Unsubscribes => "unsubscribes",
            What::AddressUnsubscribes => "address-unsubscribes",
        }
    }

    /// What it is, for a person: a sentence begins with it.
    pub const fn words(self) -> &'static str {
        match self {
            What::Requests => "the requests of this key",
            What::Mutations => "the mutations of this key",
            What::Emails => "the emails of this key",
            What::Subscriptions => "the subscriptions of this key at a time",
            What::Sockets => "the sockets of this key at a time",
            What::AddressRequests => "requests from this address that show no known key",
            What::AddressGuesses => "unknown keys from this address",
            What::AddressConnections => "connections from this address",
            What::AddressSockets => "sockets from this address that show no key",
            What::Connections => "connections",
            What::Webhooks | What::AddressWebhooks => "webhooks at a time",
            What::Unsubscribes | What::AddressUnsubscribes => "unsubscriptions at a time",
        }
    }
}

impl Table {
    /// What is allowed in a time; `None` for what is not limited so.
    pub fn rate(&self, what: What) -> Option<Rate> {
        match what {
            What::Requests => self.limit_requests.0,
            What::Mutations => self.limit_mutations.0,
            What::Emails => self.limit_emails.0,
            What::AddressRequests => self.limit_address_requests.0,
            What::AddressGuesses => self.limit_address_guesses.0,
            What::Subscriptions
            | What::Sockets
            | What::AddressConnections
            | What::AddressSockets
            | What::Connections
            | What::Webhooks
            | What::AddressWebhooks
            | What::Unsubscribes
            | What::AddressUnsubscribes => None,
        }
    }

    /// How many may be held at a time; any number of what is not limited so.
    pub fn most(&self, what: What) -> usize {
        let quarter = |most: Most| Most(most.0.div_ceil(4));
        let most = match what {
            What::Subscriptions => self.limit_subscriptions,
            What::Sockets => self.limit_sockets,
            What::AddressConnections => self.limit_address_connections,
            What::AddressSockets => self.limit_address_sockets,
            What::Connections => self.limit_connections,
            What::Webhooks => self.limit_webhooks,
            What::AddressWebhooks => quarter(self.limit_webhooks),
            What::Unsubscribes => self.limit_unsubscribes,
            What::AddressUnsubscribes => quarter(self.limit_unsubscribes),
            What::Requests | What::Mutations | What::Emails | What::AddressRequests | What::AddressGuesses => {
                Most(u32::MAX)
            }
        };
        usize::try_from(most.0).unwrap_or(usize::MAX)
    }
}

impl Default for Table {
    /// What holds when nothing is set.
    fn default() -> Self {
        use clap::{Args as _, FromArgMatches as _};
        let command = Self::augment_args(clap::Command::new("limits")).mut_args(|arg| arg.env(None::<&str>));
        let matches = command.try_get_matches_from(["limits"]);
        // A test reads the defaults.
        matches.and_then(|matches| Self::from_arg_matches(&matches)).unwrap_or_else(|error| error.exit())
    }
}

/// What is allowed in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance(pub Option<Rate>);

impl FromStr for Allowance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("off") {
            return Ok(Self(None));
        }
        let bad = || "must be a number, / and a time, such as 600/m, 30/10m or 5000/h; or off".to_owned();
        let (quota, window) = text.split_once('/').ok_or_else(bad)?;
        let unit = window.chars().last().ok_or_else(bad)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(bad()),
        };
        let count = match &window[..window.len() - 1] {
            "" => 1,
            count => count.parse::<u32>().map_err(|_| bad())?,
        };
        let quota: u32 = quota.trim().parse().map_err(|_| bad())?;
        let window = Duration::from_secs(u64::from(count) * seconds);
        Rate::new(u64::from(quota), window).map(|rate| Self(Some(rate)))
    }
}

/// How many of something at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most(pub u32);

impl FromStr for Most {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().parse() {
            Ok(0) | Err(_) => Err("must be a whole number above 0".to_owned()),
            Ok(most) => Ok(Self(most)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    #[test]
    fn an_allowance_is_a_number_in_a_time() {
        let cases = [
            ("600/m", Some((600, 60))),
            (" 30/10m ", Some((30, 600))),
            ("5/s", Some((5, 1))),
            ("5000/h", Some((5_000, 3_600))),
            ("7/2d", Some((7, 172_800))),
        ];
        for (text, expected) in cases {
            let rate = text.parse::<Allowance>().unwrap().0;
            assert_eq!(rate.map(|rate| (rate.quota(), rate.window().as_secs())), expected, "{text}");
        }
        assert_eq!("OFF".parse(), Ok(Allowance(None)));
        for text in
            ["", "600", "600/", "/m", "600/w", "-1/m", "0/m", "1.5/m", "600/0m", "2000000/s", "1/99d", "m/600", "6/é"]
        {
            assert!(text.parse::<Allowance>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_held_is_a_number_above_nothing() {
        assert_eq!("12".parse(), Ok(Most(12)));
        for text in ["", "0", "-1", "many", "4294967296"] {
            assert!(text.parse::<Most>().is_err(), "{text:?}");
        }
    }

    /// Each is either counted in a time or held at a time, and its name is its own.
    #[test]
    fn everything_in_the_table_is_limited_one_way() {
        let table = Table::default();
        for what in What::ALL {
            assert!(table.rate(what).is_some() != (table.most(what) < 1_000_000), "{what:?}");
        }
        let names: std::collections::BTreeSet<_> = What::ALL.iter().map(|what| what.name()).collect();
        assert_eq!(names.len(), What::ALL.len());
    }
}

//! Where endpoints may lie. Whoever may create one must not reach through this service what only this service can: addresses
//! that are not public are refused, unless their network is allowed. Asked of each address that is connected to, so that a
//! name which leads elsewhere the second time gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use reqwest::Url;

/// A URL, in characters.
const MOST: usize = 2_000;

/// Networks that are not public, in which endpoints may lie all the same: `OUTBOUND_PRIVATE_NETWORKS`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(pub Vec<IpNet>);

impl Networks {
    /// Whether an endpoint may be told at this address.
    pub fn allow(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.0.iter().any(|network| network.contains(&address))
    }
}

/// Every IPv4 network that leads to no host of the public Internet: IANA's Special-Purpose Address Registry (RFC 6890 and
/// those after it), multicast (RFC 5771) and what was never given out.
const PRIVATE: [([u8; 4], u8); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([192, 175, 48, 0], 24),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    // Multicast, what is reserved, and the broadcast.
    ([224, 0, 0, 0], 3),
];

/// Whether an address is one of the public Internet.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = u32::from(address);
    !PRIVATE.iter().any(|(network, length)| (bits ^ u32::from_be_bytes(*network)) >> (32 - length) == 0)
}

/// Only 2000::/3 was ever given out (RFC 4291). Of that, what carries an IPv4 address is judged by it, and what is special is
/// not public.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let carried = |high: u16, low: u16| is_public_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match parts {
        // NAT64 (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => carried(high, low),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => carried(high, low),
        // Protocol assignments, Teredo among them (RFC 2928), and documentation (RFC 3849, RFC 9637).
        [0x2001, second, ..] if second < 0x200 => false,
        [0x2001, 0xdb8, ..] => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// Reads where an endpoint lies. A name is looked up whenever it is connected to; an address is judged at once.
///
/// # Errors
/// Why it can't be one, in words that follow its name.
pub fn url(text: &str, networks: &Networks) -> Result<Url, String> {
    let text = text.trim();
    if text.chars().count() > MOST {
        return Err(format!("is longer than {MOST} characters"));
    }
    let mut url = Url::parse(text).map_err(|_| "is no URL such as https://example.com/mail-events".to_owned())?;
    // Where private networks are allowed, what lies in them may have no certificate.
    if !(url.scheme() == "https" || url.scheme() == "http" && !networks.0.is_empty()) {
        return Err("must begin with https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user or a password: who is told knows our signature".to_owned());
    }
    if literal(&url).is_some_and(|address| !networks.allow(address)) {
        return Err(NOT_ALLOWED.to_owned());
    }
    url.set_fragment(None);
    Ok(url)
}

/// What is said of an address that may not be connected to.
pub const NOT_ALLOWED: &str = "leads to an address that is not public, in no network of OUTBOUND_PRIVATE_NETWORKS";

/// The address that stands in a URL in the place of a name.
pub fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    fn public(address: &str) -> bool {
        is_public(address.parse().unwrap())
    }

    #[test]
    fn what_is_not_public_is_known_for_it() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.9",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!public(address), "{address}");
        }
    }

    #[test]
    fn what_is_public_is_known_for_it() {
        for address in [
            "1.1.1.1",
            "9.9.9.9",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "128.0.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.1",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2002:101:101::1",
            "2606:4700:4700::1111",
            "3ffe::1",
        ] {
            assert!(public(address), "{address}");
        }
    }

    #[test]
    fn a_network_that_is_named_is_allowed_and_no_other() {
        let networks = Networks(vec!["10.1.0.0/16".parse().unwrap(), "::1/128".parse().unwrap()]);
        for (address, allowed) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("::1", true),
            ("1.1.1.1", true),
            ("10.2.0.1", false),
            ("127.0.0.1", false),
            ("::2", false),
        ] {
            assert_eq!(networks.allow(address.parse().unwrap()), allowed, "{address}");
        }
    }

    #[test]
    fn a_url_is_refused_in_its_own_words() {
        let none = Networks::default();
        let own = Networks(vec!["127.0.0.0/8".parse().unwrap()]);
        let long = format!("https://example.com/{}", "x".repeat(MOST));
        for (text, networks, why) in [
            ("example.com/hook", &none, "is no URL"),
            ("", &none, "is no URL"),
            ("http://example.com/hook", &none, "must begin with https://"),
            ("ftp://example.com/hook", &own, "must begin with https://"),
            ("file:///etc/passwd", &own, "must begin with https://"),
            ("https://ann:secret@example.com/hook", &none, "must not hold a user"),
            ("https://ann@example.com/hook", &none, "must not hold a user"),
            (long.as_str(), &none, "is longer than 2000 characters"),
            ("https://127.0.0.1/hook", &none, "leads to an address that is not public"),
            // Every way to write it.
            ("https://127.1/hook", &none, "leads to an address that is not public"),
            ("https://2130706433/hook", &none, "leads to an address that is not public"),
            ("https://0x7f.1/hook", &none, "leads to an address that is not public"),
            ("https://0177.0.0.1/hook", &none, "leads to an address that is not public"),
            ("https://[::1]/hook", &none, "leads to an address that is not public"),
            ("https://[::ffff:127.0.0.1]/hook", &none, "leads to an address that is not public"),
            ("https://169.254.169.254/latest", &own, "leads to an address that is not public"),
        ] {
            let said = url(text, networks).unwrap_err();
            assert!(said.starts_with(why), "{text}: {said}");
        }
        for (text, networks, read) in [
            (" https://example.com/hook?a=b#c ", &none, "https://example.com/hook?a=b"),
            ("https://EXAMPLE.com:8443", &none, "https://example.com:8443/"),
            ("https://1.1.1.1/hook", &none, "https://1.1.1.1/hook"),
            ("http://127.1:9000/hook", &own, "http://127.0.0.1:9000/hook"),
            // A name is looked up when it is connected to.
            ("https://localhost/hook", &none, "https://localhost/hook"),
        ] {
            assert_eq!(url(text, networks).unwrap().as_str(), read);
        }
    }
}

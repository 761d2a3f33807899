//! Where a call comes from, and from where a key may be used.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// Addresses and networks, such as `192.0.2.7` and `10.0.0.0/8`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Reads a list of addresses and CIDR networks.
    ///
    /// # Errors
    /// The place of the first entry that is neither, and why, in words that follow its name.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, (usize, String)> {
        let entries = entries.into_iter().enumerate();
        entries.map(|(place, text)| network(text).map_err(|why| (place, why))).collect::<Result<_, _>>().map(Self)
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the address lies in any of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// All of them.
    pub fn into_list(self) -> Vec<IpNet> {
        self.0
    }

    /// Each as a text.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|network| match network.addr() {
            address if network.prefix_len() == network.max_prefix_len() => address.to_string(),
            _ => network.to_string(),
        })
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts().collect::<Vec<_>>().join(","))
    }
}

/// One address or network. A network's address must be its own, as `10.0.0.1/8` may mean the address or the network.
pub fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let network: IpNet =
        text.parse().map_err(|_| "is neither an address nor a network such as 10.0.0.0/8".to_owned())?;
    if network.trunc() == network {
        Ok(network)
    } else {
        Err(format!("names an address within a network; the network is {}", network.trunc()))
    }
}

/// The proxies whose word on where a call comes from is taken (TRUSTED_PROXIES).
#[derive(Clone, Debug, Default)]
pub struct Proxies(pub Networks);

/// What stands for a caller whom a proxy could not name: in no network but that of all addresses.
const NOBODY_KNOWS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl Proxies {
    /// Where a call comes from: the other end of its connection, or, as far as these are our own proxies, whom they name in
    /// `X-Forwarded-For`. Each proxy adds at the right, so the right-most that is none of ours is the caller; what stands left
    /// of it is the caller's own word.
    pub fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut address = peer.to_canonical();
        let lines: Vec<&str> =
            headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().unwrap_or("?")).collect();
        let mut named = lines.iter().rev().flat_map(|line| line.rsplit(','));
        while self.0.contain(address) {
            match named.next() {
                Some(text) => address = forwarded(text).unwrap_or(NOBODY_KNOWS),
                None => break,
            }
        }
        address
    }
}

/// An entry of `X-Forwarded-For`: an address, which some proxies give with its port.
fn forwarded(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    bare.parse::<IpAddr>().or_else(|_| with_port()).ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    fn networks(entries: &[&str]) -> Networks {
        Networks::parse(entries.iter().copied()).unwrap()
    }

    #[test]
    fn an_address_lies_in_a_network_or_is_it() {
        let list = networks(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]);
        for inside in ["10.255.0.1", "192.0.2.7", "2001:db8:1::1", "::ffff:10.0.0.1"] {
            assert!(list.contain(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["11.0.0.1", "192.0.2.8", "2001:db9::1", "::1"] {
            assert!(!list.contain(outside.parse().unwrap()), "{outside}");
        }
        assert_eq!(list.to_string(), "10.0.0.0/8,192.0.2.7,2001:db8::/32");
        assert_eq!(networks(&["0.0.0.0/0"]).to_string(), "0.0.0.0/0");
    }

    #[test]
    fn what_is_no_network_is_refused_with_its_place() {
        for text in ["", "localhost", "10.0.0.0/33", "10.0.0", "2001:db8::/129", "10.0.0.1/8"] {
            assert_eq!(Networks::parse(["::1", text]).unwrap_err().0, 1, "{text:?}");
        }
        let why = network("10.0.0.1/8").unwrap_err();
        assert!(why.ends_with("the network is 10.0.0.0/8"), "{why}");
    }

    #[test]
    fn the_caller_is_whom_our_own_proxies_name() {
        let proxies = Proxies(networks(&["10.0.0.0/8", "2001:db8::1"]));
        let cases: &[(&str, &[&str], &str)] = &[
            ("192.0.2.1", &[], "192.0.2.1"),
            ("192.0.2.1", &["10.0.0.9"], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["203.0.113.9, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            ("10.0.0.1", &["203.0.113.9", "192.0.2.1,10.0.0.2"], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.1:4711"], "192.0.2.1"),
            ("10.0.0.1", &["[2001:db8::2]:4711"], "2001:db8::2"),
            ("2001:db8::1", &["[2001:db8::2]"], "2001:db8::2"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["10.0.0.3, unknown"], "0.0.0.0"),
            ("10.0.0.1", &[""], "0.0.0.0"),
        ];
        for (peer, lines, expected) in cases {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            let found = proxies.address(peer.parse().unwrap(), &headers);
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        }
    }
}

//! Where a request came from and by which way: what the audit log tells of it.

use std::fmt;
use std::net::IpAddr;

use crate::rest;

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub struct Whence {
    /// The client's address, by its connection or by a trusted proxy's word.
    pub address: IpAddr,
    /// How it came in.
    pub by: By,
}

/// How a request came in.
#[derive(Clone, Copy, Debug)]
pub enum By {
    /// GraphQL over HTTP.
    Http,
    /// GraphQL over a WebSocket.
    Socket,
    /// A REST path.
    Path(&'static rest::Operation),
}

impl fmt::Display for By {
    /// A path with its parameters' names: what stands in their place may be an address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            By::Http => f.write_str("POST /graphql"),
            By::Socket => f.write_str("WebSocket /graphql"),
            By::Path(operation) => write!(f, "{} {}{}", operation.method, rest::BASE, operation.path),
        }
    }
}

/// The client's address, as the guard saw it.
#[derive(Clone, Copy, Debug)]
pub struct Client(pub IpAddr);

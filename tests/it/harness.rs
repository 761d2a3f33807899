//! The harness proves itself: what the other tests stand on has to break things when told, and only then.

mod client;
mod mailgun;
mod process;
mod servers;

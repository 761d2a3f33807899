//! The guards that the fault suite switches off one at a time, to prove that it would notice. Only a build with the feature
//! `sabotage` can: in every other they stand, and the compiler knows it.

/// A guard of the promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Guard {
    /// A report about an older claim is refused.
    Fence,
    /// Suppressions are asked again when an email is claimed.
    Gate,
    /// What proves that Mailgun has an email is taken from every state.
    Evidence,
    /// A worker whose lease is short does not post.
    Lease,
    /// A webhook's token is bound to its event.
    Token,
    /// An event takes effect once.
    Dedupe,
    /// Counters change with the rows they count.
    Tally,
    /// Numbers of events become visible in their order.
    Seq,
    /// A key names one email.
    Idempotency,
}

/// Whether this guard stands.
#[cfg(not(feature = "sabotage"))]
pub(crate) const fn stands(_: Guard) -> bool {
    true
}

#[cfg(feature = "sabotage")]
pub(crate) use sabotage::stands;
#[cfg(feature = "sabotage")]
pub use sabotage::{ALL, named, switch_off};

#[cfg(feature = "sabotage")]
mod sabotage {
    use std::sync::OnceLock;

    use super::Guard;

    static OFF: OnceLock<Guard> = OnceLock::new();

    /// All guards with their names.
    pub const ALL: [(&str, Guard); 9] = [
        ("fence", Guard::Fence),
        ("gate", Guard::Gate),
        ("evidence", Guard::Evidence),
        ("lease", Guard::Lease),
        ("token", Guard::Token),
        ("dedupe", Guard::Dedupe),
        ("tally", Guard::Tally),
        ("seq", Guard::Seq),
        ("idempotency", Guard::Idempotency),
    ];

    /// The guard of this name.
    pub fn named(name: &str) -> Option<Guard> {
        ALL.into_iter().find(|(known, _)| *known == name).map(|(_, guard)| guard)
    }

    /// Takes a guard away from this process, for good; one at most.
    pub fn switch_off(guard: Guard) {
        OFF.get_or_init(|| guard);
    }

    pub(crate) fn stands(guard: Guard) -> bool {
        OFF.get() != Some(&guard)
    }
}

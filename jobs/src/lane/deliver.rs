//! What travels in a lane: a doorbell that names emails, written as one plain string that says its version.

use std::fmt::Write;

use uuid::Uuid;

/// The version of the wire form written by this build; one that a reader does not know is dropped, never guessed at.
const DELIVER: &str = "deliver-1:";
/// The task that asks only whether tasks are consumed.
const PROBE: &str = "probe-1";
/// An id's length on the wire: 32 hexadecimal digits.
const ID: usize = 32;

/// A doorbell: "these emails are due". Its loss costs one round of the feeder, its repetition nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deliver {
    ids: Vec<Uuid>,
}

/// Why something is no doorbell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotADoorbell {
    /// It names no email, or more than [`Deliver::MOST`].
    #[error("a doorbell names 1 to 100 emails, this one {0}")]
    Count(usize),
    /// Another version's form, or nobody's.
    #[error("a task of an unknown version")]
    Version,
    /// The version is known, but what follows it are no ids.
    #[error("a task whose ids can't be read")]
    Ids,
}

impl Deliver {
    /// The most emails one doorbell names.
    pub const MOST: usize = 100;

    /// A doorbell for 1 to 100 emails.
    pub fn new(ids: Vec<Uuid>) -> Result<Self, NotADoorbell> {
        match ids.len() {
            1..=Self::MOST => Ok(Self { ids }),
            n => Err(NotADoorbell::Count(n)),
        }
    }

    /// Doorbells for all of `ids`, in their order, each of at most `size` emails (held between 1 and 100).
    pub fn each(ids: &[Uuid], size: usize) -> Vec<Self> {
        ids.chunks(size.clamp(1, Self::MOST)).map(|ids| Self { ids: ids.to_vec() }).collect()
    }

    /// The emails it names.
    pub fn ids(&self) -> &[Uuid] {
        &self.ids
    }

    pub(super) fn into_ids(self) -> Vec<Uuid> {
        self.ids
    }

    /// The form in which it travels: `deliver-1:` and the ids, 32 hexadecimal digits each, with nothing between them.
    pub(super) fn wire(&self) -> String {
        let mut wire = String::with_capacity(DELIVER.len() + ID * self.ids.len());
        wire.push_str(DELIVER);
        for id in &self.ids {
            // Writing to a string can't fail.
            let _ = write!(wire, "{}", id.simple());
        }
        wire
    }
}

/// What a worker may find in its lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Emails to deliver.
    Deliver(Deliver),
    /// A question whether anybody consumes; being consumed is its answer.
    Probe,
}

impl Task {
    /// The wire form of a probe.
    pub(super) fn probe() -> String {
        PROBE.to_owned()
    }

    /// Reads the wire form.
    pub(super) fn read(wire: &str) -> Result<Self, NotADoorbell> {
        if wire == PROBE {
            return Ok(Self::Probe);
        }
        let digits = wire.strip_prefix(DELIVER).ok_or(NotADoorbell::Version)?.as_bytes();
        let ids = digits
            .chunks(ID)
            .map(|id| if id.len() == ID { Uuid::try_parse_ascii(id).ok() } else { None })
            .collect::<Option<Vec<_>>>()
            .ok_or(NotADoorbell::Ids)?;
        Deliver::new(ids).map(Self::Deliver)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use entity::Clock;

    use super::*;

    fn ids(n: usize) -> Vec<Uuid> {
        let clock = Clock::system();
        (0..n).map(|_| clock.id()).collect()
    }

    #[test]
    fn the_wire_form_round_trips() {
        for n in [1, 2, 99, 100] {
            let deliver = Deliver::new(ids(n)).unwrap();
            assert_eq!(Task::read(&deliver.wire()), Ok(Task::Deliver(deliver)));
        }
        assert_eq!(Task::read(&Task::probe()), Ok(Task::Probe));
    }

    #[test]
    fn the_wire_form_of_this_version_never_changes() {
        let deliver = Deliver::new(vec![Uuid::from_u128(1), Uuid::from_u128(0xabc)]).unwrap();
        assert_eq!(deliver.wire(), "deliver-1:0000000000000000000000000000000100000000000000000000000000000abc");
    }

    #[test]
    fn what_is_no_doorbell_is_refused_with_its_reason() {
        let one = ids(1)[0].simple().to_string();
        let cases = [
            (String::new(), NotADoorbell::Version),
            (format!("deliver-2:{one}"), NotADoorbell::Version),
            ("probe-2".to_owned(), NotADoorbell::Version),
            (one.clone(), NotADoorbell::Version),
            ("deliver-1:".to_owned(), NotADoorbell::Count(0)),
            (format!("deliver-1:{}", one.repeat(101)), NotADoorbell::Count(101)),
            (format!("deliver-1:{one}0"), NotADoorbell::Ids),
            (format!("deliver-1:{}", &one[1..]), NotADoorbell::Ids),
            (format!("deliver-1:{}", "z".repeat(32)), NotADoorbell::Ids),
            (format!("deliver-1:{}é", &one[2..]), NotADoorbell::Ids),
        ];
        for (wire, why) in cases {
            assert_eq!(Task::read(&wire), Err(why), "{wire}");
        }
    }

    #[test]
    fn many_ids_become_doorbells_in_their_order() {
        let ids = ids(205);
        let bells = Deliver::each(&ids, 1_000);
        assert_eq!(bells.iter().map(|b| b.ids().len()).collect::<Vec<_>>(), [100, 100, 5]);
        assert_eq!(bells.iter().flat_map(|b| b.ids().to_vec()).collect::<Vec<_>>(), ids);
        assert_eq!(Deliver::each(&ids, 0).len(), 205);
        assert_eq!(Deliver::each(&[], 5), []);
    }
}

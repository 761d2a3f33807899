//! Contents that are rendered, opened and compiled once in a process. A content never changes under its id, so what is kept is
//! never out of date.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use entity::content::Head;
use uuid::Uuid;

use super::{Flaw, Said, Template};
use crate::error::Result;

/// Sources kept at most, in bytes. When there is no more room all are forgotten: what is still in use is soon back.
const MOST: usize = 8 * 1024 * 1024;

/// A content ready to be rendered.
pub struct Prepared {
    pub head: Head,
    /// It was checked when it was written; what can't be compiled all the same fails email by email, with its words.
    pub template: Result<Template, Vec<Flaw>>,
}

impl Prepared {
    /// Compiles what a content holds.
    pub fn new(head: Head, html: Option<&str>, text: Option<&str>) -> Self {
        Self { template: Template::compile(Said::of(&head, html, text)), head }
    }
}

/// Those that were met lately.
#[derive(Default)]
pub struct Kept(RwLock<Known>);

#[derive(Default)]
struct Known {
    bytes: usize,
    by_id: HashMap<Uuid, Arc<Prepared>>,
}

impl Kept {
    /// The content with this id, made by `make` (which says how many bytes it is) where it is not kept.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn get(&self, id: Uuid, make: impl FnOnce() -> Result<(Prepared, usize)>) -> Result<Arc<Prepared>> {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).by_id.get(&id) {
            return Ok(known.clone());
        }
        let (made, bytes) = make()?;
        let made = Arc::new(made);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.bytes + bytes > MOST {
            *known = Known::default();
        }
        if known.by_id.insert(id, made.clone()).is_none() {
            known.bytes += bytes;
        }
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    fn get(kept: &Kept, id: u128, bytes: usize, made: &mut usize) {
        let id = Uuid::from_u128(id);
        kept.get(id, || {
            *made += 1;
            Ok((Prepared::new(Head::default(), Some("<p>"), None), bytes))
        })
        .unwrap();
    }

    #[test]
    fn what_is_kept_is_made_once_and_never_grows_beyond_its_bound() {
        let (kept, mut made) = (Kept::default(), 0);
        for _ in 0..3 {
            get(&kept, 1, MOST / 2, &mut made);
            get(&kept, 2, MOST / 2, &mut made);
        }
        assert_eq!(made, 2);
        get(&kept, 3, 1, &mut made);
        assert_eq!((made, kept.0.read().unwrap().by_id.len(), kept.0.read().unwrap().bytes), (3, 1, 1));
        get(&kept, 1, MOST / 2, &mut made);
        assert_eq!(made, 4);
    }
}

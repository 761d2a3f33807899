//! The suppression list and the leads: entered, lifted, listed, counted, and what becomes of the emails.

mod leads;
mod list;
mod sync;
mod waiting;

use chrono::TimeDelta;
use entity::suppression::{Reason, Target};
use jobs::suppress::enter::NewEntry;

use crate::control::world::World;

pub fn entry(target: &str, reason: Reason) -> NewEntry {
    NewEntry { target: Target::parse(target).unwrap(), reason, note: None, expires_at: None, since: None }
}

/// One that ends in so many hours.
fn passing(world: &World, target: &str, reason: Reason, hours: i64) -> NewEntry {
    NewEntry { expires_at: Some(world.ctx.clock.now() + TimeDelta::hours(hours)), ..entry(target, reason) }
}

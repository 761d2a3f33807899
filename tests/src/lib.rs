//! The test harness: real servers started for a test and gone with it, a scripted Mailgun, our own processes under
//! signals, and a client of the public API. What the integration tests (`it/`) and the bench are built from.

pub mod child;
pub mod client;
pub mod database;
pub mod ledger;
pub mod mailgun;
pub mod patience;
pub mod process;
pub mod redis;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks; a panic of another test while it held the lock is that test's failure, not ours.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

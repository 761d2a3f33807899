//! Being built.

pub mod lane;

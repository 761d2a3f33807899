//! Stub until the branch `control` is merged.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::Context;
use crate::error::Result;
use crate::filter::Filter;

#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    pub done: u64,
    pub asked: u64,
    pub remaining: u64,
    pub remaining_is_capped: bool,
    pub operation: Option<Uuid>,
}

pub async fn cancel_many(_: &Context, _: &Filter, _dry_run: bool) -> Result<Progress> {
    Ok(Progress::default())
}

pub async fn retry_failed(_: &Context, _: Option<&Filter>, _limit: u64, _dry_run: bool) -> Result<Progress> {
    Ok(Progress::default())
}

pub async fn clean(_: &Context, _: DateTime<Utc>) -> Result<Progress> {
    Ok(Progress::default())
}

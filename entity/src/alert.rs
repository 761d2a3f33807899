//! `alerts`: what is or was wrong, each time from when it began to when it was over, and what was told of it.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One time that something was wrong. Of what is not over there is one row for each name and subject.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "alerts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Which line of the table of alerts.
    pub name: String,
    /// What it is about: a lane, a sending domain, an outcome; empty where it is about everything.
    pub subject: String,
    /// Since when it has been so.
    pub since: DateTime<Utc>,
    /// When it had been so for long enough to be told. NULL: it may pass by itself.
    pub fired_at: Option<DateTime<Utc>>,
    /// Since when it is so no more, while it may still come back.
    pub calm_since: Option<DateTime<Utc>>,
    /// When it had stayed away for long enough.
    pub resolved_at: Option<DateTime<Utc>>,
    /// The figure that says so, as it was last seen.
    pub value: f64,
    /// When whoever listens last took word of it.
    pub told_at: Option<DateTime<Utc>>,
    /// How often it was tried to tell them since, without success or with the end open.
    pub tries: i32,
    /// When they are to be told next. Whoever tells them puts this ahead, and what they put there is their claim.
    pub tell_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

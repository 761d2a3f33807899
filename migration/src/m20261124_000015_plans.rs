//! What PostgreSQL's planner is told, so that each ordered run of a list is read from its own index, whatever ANALYZE finds.
//!
//! A plan that knows no parameter takes every value to be as frequent as the others. Of the statuses one is rare and another
//! fills the table: by its statistics the planner would walk the table in the order of its ids until a page is full, which is
//! the whole of it where the few are old. So it is told that the values a run begins with are rare. And what a campaign's run
//! goes by besides is kept from the index of all campaigns: that one is only found by who says that it is meant.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

use crate::ddl;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// A value that no other row has.
const ALONE: i32 = -1;
/// One of so many that they stand far apart, and yet not alone.
const APART: i32 = 1_000;

/// Tables, and how rare the values of the columns are that their runs are found by.
const RUNS: &[(&str, &[(&str, i32)])] = &[
    ("email_queue", &[("lane", APART), ("scope", ALONE), ("standing", APART), ("recipient_key", ALONE)]),
    (
        "email_delivery_events",
        &[("campaign_id", ALONE), ("email_id", ALONE), ("kind", APART), ("recipient_key", ALONE)],
    ),
    ("email_suppression_list", &[("reason", APART)]),
];

const UP: &[&str] = &[
    "DROP INDEX email_delivery_events_kind",
    // Every event's kind is such a number. It is there to be said or not to be said.
    "CREATE INDEX email_delivery_events_kind ON email_delivery_events (kind, seq) WHERE kind >= 0",
];

const DOWN: &[&str] = &[
    "DROP INDEX email_delivery_events_kind",
    "CREATE INDEX email_delivery_events_kind ON email_delivery_events (kind, seq)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager, UP).await?;
        tell(manager, |distinct| format!("SET (n_distinct = {distinct})")).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tell(manager, |_| "RESET (n_distinct)".to_owned()).await?;
        ddl::run(manager, DOWN).await
    }
}

/// SQLite's lists name their index.
async fn tell(manager: &SchemaManager<'_>, what: impl Fn(i32) -> String) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    for (table, columns) in RUNS {
        let changes = columns.iter().map(|(column, distinct)| format!("ALTER COLUMN {column} {}", what(*distinct)));
        let text = format!("ALTER TABLE {table} {}", changes.collect::<Vec<_>>().join(", "));
        manager.get_connection().execute_unprepared(&text).await?;
    }
    Ok(())
}

//! What PostgreSQL's planner is told of the columns that ordered runs are found by.
//!
//! A plan that knows no parameter takes every value to be as frequent as the others. Of the statuses one is rare and another
//! fills the table: by its statistics the planner would walk the table in the order of its ids until a page is full, which is
//! the whole of it where the few are old. Told that each value stands alone, it reads the run's own index, whatever ANALYZE finds.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Tables, and the columns their runs begin with.
const RUNS: &[(&str, &[&str])] = &[
    ("email_queue", &["lane", "scope", "standing", "recipient_key"]),
    ("email_delivery_events", &["campaign_id", "email_id", "kind", "recipient_key"]),
    ("email_suppression_list", &["reason"]),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tell(manager, "SET (n_distinct = -1)").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tell(manager, "RESET (n_distinct)").await
    }
}

/// SQLite's lists name their index.
async fn tell(manager: &SchemaManager<'_>, what: &str) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    for (table, columns) in RUNS {
        let changes: Vec<String> = columns.iter().map(|column| format!("ALTER COLUMN {column} {what}")).collect();
        let text = format!("ALTER TABLE {table} {}", changes.join(", "));
        manager.get_connection().execute_unprepared(&text).await?;
    }
    Ok(())
}

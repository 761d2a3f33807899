//! Alerts: what is or was wrong and who was told of it, the counts that tell it, and whose turn it is to look.

use sea_orm_migration::prelude::*;

use crate::ddl;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::drop(manager, &["alerts", "alert_counts", "alert_rounds"]).await
    }
}

const UP: &[&str] = &[
    "CREATE TABLE alerts (
        id {uuid} PRIMARY KEY,
        name text NOT NULL,
        subject text NOT NULL,
        since {time} NOT NULL,
        fired_at {time},
        calm_since {time},
        resolved_at {time},
        value double precision NOT NULL,
        told_at {time},
        tries integer NOT NULL,
        tell_at {time}
    )",
    // Of what is open there is one each, however many processes look.
    "CREATE UNIQUE INDEX alerts_open ON alerts (name, subject) WHERE resolved_at IS NULL",
    "CREATE INDEX alerts_resolved ON alerts (resolved_at)",
    "CREATE INDEX alerts_tell ON alerts (tell_at) WHERE tell_at IS NOT NULL",
    "CREATE TABLE alert_counts (
        kind smallint NOT NULL,
        minute bigint NOT NULL,
        n bigint NOT NULL,
        PRIMARY KEY (kind, minute)
    ) {keyed}",
    "CREATE TABLE alert_rounds (id smallint PRIMARY KEY, due_at {time} NOT NULL, ran_at {time})",
    "INSERT INTO alert_rounds (id, due_at) VALUES (0, '1970-01-01T00:00:00+00:00')",
];

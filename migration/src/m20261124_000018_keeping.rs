//! How long things are kept: which keys are in use, how far retention came, and since when an email's content is gone.

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
        ddl::run(manager, DOWN).await
    }
}

const UP: &[&str] = &[
    // Which keys wrap data keys is asked at each start, and a rotation goes through the rows of one key in the order of their
    // ids. New rows come at the end of such a run.
    "CREATE INDEX email_contents_key ON email_contents (key_id, id)",
    "CREATE INDEX email_event_seals_key ON email_event_seals (key_id, id)",
    "CREATE INDEX campaigns_key ON campaigns (key_id, id)",
    "ALTER TABLE email_queue ADD COLUMN content_deleted_at {time}",
    "CREATE TABLE retention_runs (
        rule text PRIMARY KEY,
        email_mark {uuid},
        event_mark bigint,
        ran_at {time},
        removed bigint NOT NULL,
        total bigint NOT NULL
    )",
    // Emails that were not finished long enough when retention came by.
    "CREATE TABLE retention_later (email_id {uuid} PRIMARY KEY, look_at {time} NOT NULL)",
    "CREATE INDEX retention_later_time ON retention_later (look_at)",
];

const DOWN: &[&str] = &[
    "DROP TABLE retention_later",
    "DROP TABLE retention_runs",
    "ALTER TABLE email_queue DROP COLUMN content_deleted_at",
    "DROP INDEX campaigns_key",
    "DROP INDEX email_event_seals_key",
    "DROP INDEX email_contents_key",
];

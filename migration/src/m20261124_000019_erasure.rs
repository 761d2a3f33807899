//! Erasing recipients: the key of the marks that stand for their addresses, each email's mark for the gate, what is under way,
//! and the emails that have copies.

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
    "CREATE TABLE recipient_mark_keys (
        id {uuid} PRIMARY KEY,
        key_id text NOT NULL,
        wrapped_key {bytes} NOT NULL,
        secret {bytes} NOT NULL,
        created_at {time} NOT NULL
    )",
    "CREATE TABLE recipient_erasures (
        id {uuid} PRIMARY KEY,
        mark text NOT NULL UNIQUE,
        key_id text NOT NULL,
        wrapped_key {bytes} NOT NULL,
        address {bytes},
        email_reach {uuid} NOT NULL,
        event_reach bigint NOT NULL,
        asked_at {time} NOT NULL,
        finished_at {time}
    )",
    "CREATE INDEX recipient_erasures_open ON recipient_erasures (asked_at) WHERE finished_at IS NULL",
    // What the gate asks the suppression list beside the address; NULL for emails of before.
    "ALTER TABLE email_queue ADD COLUMN recipient_mark text",
    // A copy's address is found in no other way, and few emails have copies.
    "CREATE INDEX email_queue_copies ON email_queue (id) WHERE cc IS NOT NULL OR bcc IS NOT NULL",
];

const DOWN: &[&str] = &[
    "DROP INDEX email_queue_copies",
    "ALTER TABLE email_queue DROP COLUMN recipient_mark",
    "DROP TABLE recipient_erasures",
    "DROP TABLE recipient_mark_keys",
];

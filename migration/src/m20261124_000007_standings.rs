//! Where an email stands, as far as an index may know it, and the indexes that lists are read from.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

use crate::ddl;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager, UP).await?;
        match manager.get_database_backend() {
            DbBackend::Sqlite => ddl::run(manager, &[SENDING]).await,
            _ => Ok(()),
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        if manager.get_database_backend() == DbBackend::Sqlite {
            db.execute_unprepared("DROP INDEX email_queue_sending").await?;
        }
        for statement in DOWN {
            db.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

// The status itself may stand in no index: a claim changes it and must update in place. So QUEUED and SENDING stand together
// here, the database derives the column (it can't be wrong, and is there for the rows of before), and it changes only where
// `due_at` changes as well, when a waiting email falls due, and when Mailgun reports.
const UP: &[&str] = &[
    "ALTER TABLE email_queue ADD COLUMN standing smallint \
     GENERATED ALWAYS AS (CASE status WHEN 2 THEN 1 ELSE status END) {derived}",
    "DROP INDEX email_queue_campaign",
    "DROP INDEX email_queue_recipient",
    // Accepting adds no entry to this one: what is queued is found by lane and scope.
    "CREATE INDEX email_queue_standing ON email_queue (standing, id) WHERE standing <> 1",
    "CREATE INDEX email_queue_scope ON email_queue (lane, scope, standing, id)",
    "CREATE INDEX email_queue_recipient ON email_queue (recipient_key, standing, id)",
];

/// SQLite updates an index only where its columns change, so there a small one may say which few are SENDING.
const SENDING: &str = "CREATE INDEX email_queue_sending ON email_queue (id) WHERE status = 2";

const DOWN: &[&str] = &[
    "DROP INDEX email_queue_recipient",
    "DROP INDEX email_queue_scope",
    "DROP INDEX email_queue_standing",
    "ALTER TABLE email_queue DROP COLUMN standing",
    "CREATE INDEX email_queue_campaign ON email_queue (campaign_id, id) WHERE campaign_id IS NOT NULL",
    "CREATE INDEX email_queue_recipient ON email_queue (recipient_key, id)",
];

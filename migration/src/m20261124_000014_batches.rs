//! Emails that were handed over together with others, and for each sending domain whether Mailgun then kept each one's own
//! Message-Id.

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
    "ALTER TABLE email_queue ADD COLUMN batched boolean NOT NULL DEFAULT false",
    "ALTER TABLE email_reconcile_marks ADD COLUMN batch_id_at {time}",
    "ALTER TABLE email_reconcile_marks ADD COLUMN batch_foreign_at {time}",
];

const DOWN: &[&str] = &[
    "ALTER TABLE email_reconcile_marks DROP COLUMN batch_foreign_at",
    "ALTER TABLE email_reconcile_marks DROP COLUMN batch_id_at",
    "ALTER TABLE email_queue DROP COLUMN batched",
];

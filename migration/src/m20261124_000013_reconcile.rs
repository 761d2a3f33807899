//! How far Mailgun's log has been read for each sending domain; and emails in doubt get a time to be looked for in it.

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
        ddl::drop(manager, &["email_reconcile_marks"]).await
    }
}

const UP: &[&str] = &[
    "CREATE TABLE email_reconcile_marks (
        domain text PRIMARY KEY,
        checked_through {time} NOT NULL,
        read_to {time} NOT NULL,
        due_at {time} NOT NULL,
        recovered bigint NOT NULL,
        missed integer NOT NULL,
        silent_since {time},
        failing_since {time},
        last_error text,
        foreign_id_at {time}
    )",
    // 3 is UNCONFIRMED: those that waited for a person alone are now looked for as well.
    "UPDATE email_queue SET resolve_at = updated_at WHERE status = 3 AND resolve_at IS NULL",
];

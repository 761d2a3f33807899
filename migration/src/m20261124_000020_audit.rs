//! What was done, by whom, from where: the audit log. An index for each thing that is asked for; those of what is no send cost a
//! send nothing, of which there may be thousands a second.

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
        ddl::drop(manager, &["audit_log"]).await
    }
}

const UP: &[&str] = &[
    // Ids are made in order: a time span is a span of ids, and so needs no column.
    "CREATE TABLE audit_log (
        id {uuid} PRIMARY KEY,
        actor {uuid},
        operation text NOT NULL,
        origin text,
        via text NOT NULL,
        outcome smallint NOT NULL,
        code text,
        subject text,
        recipient text,
        done bigint NOT NULL,
        reason text,
        arguments text,
        state_before text,
        state_after text
    )",
    "CREATE INDEX audit_log_actor ON audit_log (actor, id) WHERE actor IS NOT NULL",
    "CREATE INDEX audit_log_operation ON audit_log (operation, id)",
    "CREATE INDEX audit_log_origin ON audit_log (origin, id) WHERE origin IS NOT NULL",
    "CREATE INDEX audit_log_subject ON audit_log (subject, id) WHERE subject IS NOT NULL",
    "CREATE INDEX audit_log_recipient ON audit_log (recipient, id) WHERE recipient IS NOT NULL",
    "CREATE INDEX audit_log_outcome ON audit_log (outcome, id) WHERE outcome <> 1",
    "CREATE INDEX audit_log_acts ON audit_log (id) WHERE operation <> 'sendEmail' AND operation <> 'sendEmails'",
    "CREATE INDEX audit_log_acts_actor ON audit_log (actor, id) \
     WHERE operation <> 'sendEmail' AND operation <> 'sendEmails' AND actor IS NOT NULL",
    "CREATE INDEX audit_log_acts_origin ON audit_log (origin, id) \
     WHERE operation <> 'sendEmail' AND operation <> 'sendEmails' AND origin IS NOT NULL",
];

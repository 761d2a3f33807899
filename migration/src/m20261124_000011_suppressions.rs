//! The suppression list as it is read (ordered runs of what is not archived, and tallies), and the leads.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::ConnectionTrait;

use crate::ddl;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in DOWN {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

const UP: &[&str] = &[
    "DROP INDEX email_suppression_list_expiry",
    "CREATE INDEX email_suppression_list_expiry ON email_suppression_list (expires_at) \
     WHERE archived_at IS NULL AND expires_at IS NOT NULL",
    "CREATE INDEX email_suppression_list_age ON email_suppression_list (id) WHERE archived_at IS NULL",
    "CREATE INDEX email_suppression_list_reason ON email_suppression_list (reason, id) WHERE archived_at IS NULL",
    "CREATE INDEX email_suppression_list_name ON email_suppression_list (target {bytewise}, id) WHERE archived_at IS NULL",
    "CREATE TABLE email_suppression_tallies (
        reason smallint NOT NULL,
        soft boolean NOT NULL,
        lifted boolean NOT NULL,
        sandbox boolean NOT NULL,
        shard smallint NOT NULL,
        n bigint NOT NULL,
        PRIMARY KEY (reason, soft, lifted, sandbox, shard)
    ) {keyed}",
    "INSERT INTO email_suppression_tallies (reason, soft, lifted, sandbox, shard, n) \
     SELECT s.reason, coalesce(s.bounce_type = 1, false), s.lifted_at IS NOT NULL, s.sandbox, 0, count(*) \
     FROM email_suppression_list s WHERE s.archived_at IS NULL GROUP BY 1, 2, 3, 4",
    "CREATE TABLE leads (
        id {uuid} PRIMARY KEY,
        address_key text NOT NULL,
        email_id {uuid} NOT NULL,
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL
    )",
    "CREATE INDEX leads_address ON leads (address_key, id)",
    "INSERT INTO leads (id, address_key, email_id, created_at, updated_at) \
     SELECT r.lead_id, r.recipient_key, r.id, r.first_at, r.created_at FROM \
     (SELECT q.lead_id, q.recipient_key, q.id, q.created_at, min(q.created_at) OVER (PARTITION BY q.lead_id) AS first_at, \
      row_number() OVER (PARTITION BY q.lead_id ORDER BY q.id DESC) AS place \
      FROM email_queue q WHERE q.lead_id IS NOT NULL) AS r WHERE r.place = 1",
];

const DOWN: &[&str] = &[
    "DROP TABLE leads",
    "DROP TABLE email_suppression_tallies",
    "DROP INDEX email_suppression_list_name",
    "DROP INDEX email_suppression_list_reason",
    "DROP INDEX email_suppression_list_age",
    "DROP INDEX email_suppression_list_expiry",
    "CREATE INDEX email_suppression_list_expiry ON email_suppression_list (expires_at) WHERE expires_at IS NOT NULL",
];

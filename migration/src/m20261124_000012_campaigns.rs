//! Campaigns: templates, what a campaign is, and its recipients until and after they become emails.

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
    // What is rendered for each recipient when it is handed over.
    "ALTER TABLE email_contents ADD COLUMN template boolean NOT NULL DEFAULT false",
    "CREATE TABLE email_templates (
        id {uuid} PRIMARY KEY,
        name text NOT NULL UNIQUE,
        content_id {uuid} NOT NULL,
        version integer NOT NULL,
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL
    )",
    "CREATE TABLE campaigns (
        id {uuid} PRIMARY KEY,
        name text NOT NULL,
        scope integer NOT NULL,
        lane smallint NOT NULL,
        sender text NOT NULL,
        reply_to text,
        template_id {uuid},
        content_id {uuid} NOT NULL,
        key_id text NOT NULL,
        wrapped_key {bytes} NOT NULL,
        on_unconfirmed smallint NOT NULL,
        transactional boolean NOT NULL,
        test_mode boolean NOT NULL,
        sandbox boolean NOT NULL,
        batch boolean NOT NULL,
        deliver_by {time},
        send_at {time},
        expand_at {time},
        launched_at {time},
        cancelled_at {time},
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL
    )",
    "CREATE INDEX campaigns_expand ON campaigns (expand_at) WHERE expand_at IS NOT NULL",
    // Duplicates collapse on the key, which is also how an email finds its variables; the index holds who has no email yet.
    "CREATE TABLE campaign_recipients (
        campaign_id {uuid} NOT NULL,
        address_key text NOT NULL,
        id {uuid} NOT NULL,
        recipient text NOT NULL,
        lead_id {uuid},
        variables {bytes},
        email_id {uuid},
        created_at {time} NOT NULL,
        PRIMARY KEY (campaign_id, address_key)
    ) {keyed}",
    "CREATE INDEX campaign_recipients_pending ON campaign_recipients (campaign_id, id) WHERE email_id IS NULL",
];

const DOWN: &[&str] = &[
    "DROP TABLE campaign_recipients",
    "DROP TABLE campaigns",
    "DROP TABLE email_templates",
    "ALTER TABLE email_contents DROP COLUMN template",
];

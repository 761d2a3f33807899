//! The queue: emails, what they say, their tries, and how many stand where.

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
        ddl::drop(
            manager,
            &[
                "email_lanes",
                "email_tallies",
                "email_failures",
                "email_attempts",
                "email_queue",
                "email_contents",
                "email_scopes",
            ],
        )
        .await
    }
}

const UP: &[&str] = &[
    "CREATE TABLE email_scopes (
        id {serial},
        campaign_id {uuid} NOT NULL,
        sending_domain text NOT NULL,
        UNIQUE (campaign_id, sending_domain)
    )",
    "CREATE TABLE email_contents (
        id {uuid} PRIMARY KEY,
        key_id text NOT NULL,
        wrapped_key {bytes} NOT NULL,
        head {bytes} NOT NULL,
        html {bytes},
        text {bytes},
        attachments {bytes},
        emails integer NOT NULL,
        created_at {time} NOT NULL
    )",
    // Half of each page stays free and no index mentions what a hand-over changes (status, fed_at, lease_until, fence), so
    // that feed and claim update in place. due_at is NULL once an email is settled: the due index holds only the waiting.
    "CREATE TABLE email_queue (
        id {uuid} PRIMARY KEY,
        scope integer NOT NULL,
        lane smallint NOT NULL,
        status smallint NOT NULL,
        due_at {time},
        fence integer NOT NULL DEFAULT 0,
        attempts integer NOT NULL DEFAULT 0,
        lease_until {time},
        fed_at {time},
        resolve_at {time},
        send_at {time} NOT NULL,
        deliver_by {time},
        content_id {uuid} NOT NULL,
        campaign_id {uuid},
        lead_id {uuid},
        sender text NOT NULL,
        recipient text NOT NULL,
        recipient_key text NOT NULL,
        cc text,
        bcc text,
        reply_to text,
        omitted text,
        on_unconfirmed smallint NOT NULL,
        transactional boolean NOT NULL,
        test_mode boolean NOT NULL,
        sandbox boolean NOT NULL,
        cancel_requested boolean NOT NULL DEFAULT false,
        acceptances integer NOT NULL DEFAULT 0,
        last_error text,
        provider_id text,
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL,
        first_try_at {time},
        sent_at {time},
        finished_at {time}
    ) {hot}",
    "CREATE INDEX email_queue_due ON email_queue (lane, scope, due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX email_queue_resolve ON email_queue (resolve_at) WHERE resolve_at IS NOT NULL",
    "CREATE INDEX email_queue_deadline ON email_queue (deliver_by) WHERE deliver_by IS NOT NULL",
    "CREATE INDEX email_queue_campaign ON email_queue (campaign_id, id) WHERE campaign_id IS NOT NULL",
    "CREATE INDEX email_queue_recipient ON email_queue (recipient_key, id)",
    "CREATE TABLE email_attempts (
        email_id {uuid} NOT NULL,
        fence integer NOT NULL,
        outcome smallint NOT NULL,
        http_status integer,
        error text,
        started_at {time} NOT NULL,
        finished_at {time} NOT NULL,
        retry_at {time},
        PRIMARY KEY (email_id, fence)
    )",
    "CREATE TABLE email_failures (
        email_id {uuid} PRIMARY KEY,
        scope integer NOT NULL,
        lane smallint NOT NULL,
        cause text NOT NULL,
        failed_at {time} NOT NULL
    )",
    "CREATE TABLE email_tallies (
        lane smallint NOT NULL,
        scope integer NOT NULL,
        status smallint NOT NULL,
        shard smallint NOT NULL,
        n bigint NOT NULL,
        PRIMARY KEY (lane, scope, status, shard)
    ) {keyed}",
    "CREATE TABLE email_lanes (lane smallint PRIMARY KEY, fed_at {time})",
    "INSERT INTO email_lanes (lane) VALUES (0), (1), (2)",
];

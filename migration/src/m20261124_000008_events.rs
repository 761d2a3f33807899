//! What came back, in full: events with their keys, tokens and seals; the facts of emails and of suppressions; metrics by the
//! hour.

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
        ddl::run(manager, DOWN).await?;
        for statement in COLUMNS_DOWN {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

const UP: &[&str] = &[
    // Nothing has written to these two so far.
    "DROP TABLE email_delivery_events",
    "DROP TABLE campaign_delivery_metrics",
    // Lists are read from the ends of ordered runs: of all events, of a campaign by kind, of a recipient, of an email.
    "CREATE TABLE email_delivery_events (
        seq bigint PRIMARY KEY,
        id {uuid} NOT NULL UNIQUE,
        kind smallint NOT NULL,
        source smallint NOT NULL,
        email_id {uuid},
        campaign_id {uuid},
        copy boolean NOT NULL,
        recipient_key text,
        domain text,
        occurred_at {time} NOT NULL,
        recorded_at {time} NOT NULL,
        provider_id text,
        name text,
        smtp_code integer,
        enhanced_code text,
        reason text,
        message text,
        bounce_type smallint,
        attempt integer,
        bot text,
        client text,
        country text,
        url text,
        seal_id {uuid} NOT NULL,
        raw {bytes} NOT NULL
    )",
    "CREATE INDEX email_delivery_events_email ON email_delivery_events (email_id, seq) WHERE email_id IS NOT NULL",
    "CREATE INDEX email_delivery_events_campaign ON email_delivery_events (campaign_id, kind, seq) \
     WHERE campaign_id IS NOT NULL",
    "CREATE INDEX email_delivery_events_recipient ON email_delivery_events (recipient_key, seq) \
     WHERE recipient_key IS NOT NULL",
    "CREATE INDEX email_delivery_events_kind ON email_delivery_events (kind, seq)",
    "CREATE INDEX email_delivery_events_time ON email_delivery_events (occurred_at)",
    "CREATE TABLE email_event_keys (
        key {uuid} NOT NULL,
        turn integer NOT NULL,
        occurred_at {time} NOT NULL,
        event_id {uuid} NOT NULL,
        PRIMARY KEY (key, turn)
    )",
    "CREATE TABLE webhook_tokens (
        token {uuid} PRIMARY KEY,
        event_key {uuid} NOT NULL,
        created_at {time} NOT NULL
    )",
    "CREATE INDEX webhook_tokens_age ON webhook_tokens (created_at)",
    "CREATE TABLE email_event_seals (
        id {uuid} PRIMARY KEY,
        key_id text NOT NULL,
        wrapped_key {bytes} NOT NULL,
        created_at {time} NOT NULL
    )",
    "CREATE TABLE email_event_quarantine (
        id {uuid} PRIMARY KEY,
        event_key {uuid} NOT NULL UNIQUE,
        domain text,
        why text NOT NULL,
        signed_at {time} NOT NULL,
        occurred_at {time} NOT NULL,
        recorded_at {time} NOT NULL,
        seal_id {uuid} NOT NULL,
        raw {bytes} NOT NULL
    )",
    "CREATE INDEX email_event_quarantine_age ON email_event_quarantine (recorded_at)",
    "CREATE TABLE email_facts (
        email_id {uuid} PRIMARY KEY,
        deferrals integer NOT NULL,
        deferred_at {time},
        last_deferred_at {time},
        rejected_at {time},
        delivered_at {time},
        bounced_at {time},
        hard_bounced_at {time},
        complained_at {time},
        unsubscribed_at {time},
        opens integer NOT NULL,
        opened_at {time},
        clicks integer NOT NULL,
        clicked_at {time},
        machine_opens integer NOT NULL,
        machine_opened_at {time},
        machine_clicks integer NOT NULL,
        machine_clicked_at {time}
    ) {hot}",
    "CREATE TABLE campaign_delivery_metrics (
        scope integer NOT NULL,
        hour {time} NOT NULL,
        metric smallint NOT NULL,
        shard smallint NOT NULL,
        n bigint NOT NULL,
        PRIMARY KEY (scope, hour, metric, shard)
    ) {keyed}",
    "ALTER TABLE email_queue ADD COLUMN heard boolean NOT NULL DEFAULT false",
    "ALTER TABLE email_queue ADD COLUMN rejected boolean NOT NULL DEFAULT false",
    "CREATE TABLE email_suppression_facts (
        id {uuid} PRIMARY KEY,
        target text NOT NULL,
        reason smallint NOT NULL,
        sandbox boolean NOT NULL,
        lift boolean NOT NULL,
        occurred_at {time} NOT NULL,
        recorded_at {time} NOT NULL,
        expires_at {time},
        bounce_type smallint,
        source smallint NOT NULL,
        note text,
        event_id {uuid}
    )",
    "CREATE INDEX email_suppression_facts_target ON email_suppression_facts (target, reason, sandbox, occurred_at)",
    // Entries that somebody put in before.
    "INSERT INTO email_suppression_facts (id, target, reason, sandbox, lift, occurred_at, recorded_at, expires_at, source, note) \
     SELECT id, target, reason, sandbox, false, created_at, created_at, expires_at, 0, note FROM email_suppression_list \
     WHERE lifted_at IS NULL",
    "ALTER TABLE email_suppression_list ADD COLUMN bounce_type smallint",
    "ALTER TABLE email_suppression_list ADD COLUMN source smallint NOT NULL DEFAULT 0",
    "ALTER TABLE email_suppression_list ADD COLUMN event_id {uuid}",
    "ALTER TABLE email_suppression_list ADD COLUMN occurred_at {time}",
    "ALTER TABLE email_suppression_list ADD COLUMN updated_at {time}",
    "UPDATE email_suppression_list SET occurred_at = created_at, updated_at = created_at",
];

const DOWN: &[&str] = &[
    "DROP TABLE email_delivery_events",
    "DROP TABLE email_event_keys",
    "DROP TABLE webhook_tokens",
    "DROP TABLE email_event_seals",
    "DROP TABLE email_event_quarantine",
    "DROP TABLE email_facts",
    "DROP TABLE campaign_delivery_metrics",
    "DROP TABLE email_suppression_facts",
    "CREATE TABLE email_delivery_events (
        id {uuid} PRIMARY KEY,
        seq bigint NOT NULL UNIQUE,
        email_id {uuid},
        campaign_id {uuid},
        kind text NOT NULL,
        recipient_key text,
        occurred_at {time} NOT NULL,
        recorded_at {time} NOT NULL
    )",
    "CREATE INDEX email_delivery_events_email ON email_delivery_events (email_id) WHERE email_id IS NOT NULL",
    "CREATE TABLE campaign_delivery_metrics (
        campaign_id {uuid} NOT NULL,
        metric text NOT NULL,
        n bigint NOT NULL,
        PRIMARY KEY (campaign_id, metric)
    )",
];

const COLUMNS_DOWN: &[&str] = &[
    "ALTER TABLE email_suppression_list DROP COLUMN updated_at",
    "ALTER TABLE email_suppression_list DROP COLUMN occurred_at",
    "ALTER TABLE email_suppression_list DROP COLUMN event_id",
    "ALTER TABLE email_suppression_list DROP COLUMN source",
    "ALTER TABLE email_suppression_list DROP COLUMN bounce_type",
    "ALTER TABLE email_queue DROP COLUMN rejected",
    "ALTER TABLE email_queue DROP COLUMN heard",
];

//! What came back: suppressions, delivery events and their clock, domain health, campaign metrics.

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
                "campaign_delivery_metrics",
                "domain_health",
                "event_clock",
                "email_delivery_events",
                "email_suppression_list",
            ],
        )
        .await
    }
}

const UP: &[&str] = &[
    "CREATE TABLE email_suppression_list (
        id {uuid} PRIMARY KEY,
        target text NOT NULL,
        reason smallint NOT NULL,
        sandbox boolean NOT NULL,
        note text,
        created_at {time} NOT NULL,
        expires_at {time},
        lifted_at {time},
        archived_at {time},
        UNIQUE (target, reason, sandbox)
    )",
    "CREATE INDEX email_suppression_list_expiry ON email_suppression_list (expires_at) WHERE expires_at IS NOT NULL",
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
    "CREATE TABLE event_clock (id smallint PRIMARY KEY, seq bigint NOT NULL)",
    "INSERT INTO event_clock (id, seq) VALUES (1, 0)",
    "CREATE TABLE domain_health (
        domain text PRIMARY KEY,
        checked_at {time}
    )",
    "CREATE TABLE campaign_delivery_metrics (
        campaign_id {uuid} NOT NULL,
        metric text NOT NULL,
        n bigint NOT NULL,
        PRIMARY KEY (campaign_id, metric)
    )",
];

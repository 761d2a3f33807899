//! What steers the flow: holds, breakers, senders' keys, bulk work and schedules.

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
        ddl::drop(manager, &["cron_runs", "bulk_operations", "idempotency_keys", "email_breakers", "email_holds"]).await
    }
}

const UP: &[&str] = &[
    "CREATE TABLE email_holds (
        id {uuid} PRIMARY KEY,
        kind smallint NOT NULL,
        subject text NOT NULL,
        cause smallint NOT NULL,
        reason text,
        until {time},
        created_at {time} NOT NULL,
        UNIQUE (kind, subject, cause)
    )",
    "CREATE TABLE email_breakers (
        key text PRIMARY KEY,
        open boolean NOT NULL,
        failures integer NOT NULL,
        probes integer NOT NULL,
        probe_at {time},
        probe_email {uuid},
        opened_at {time},
        reason text,
        updated_at {time} NOT NULL
    )",
    "CREATE TABLE idempotency_keys (
        api_key_id {uuid} NOT NULL,
        key text NOT NULL,
        email_id {uuid} NOT NULL,
        content_hash {bytes} NOT NULL,
        created_at {time} NOT NULL,
        PRIMARY KEY (api_key_id, key)
    )",
    "CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at)",
    "CREATE TABLE bulk_operations (
        id {uuid} PRIMARY KEY,
        kind smallint NOT NULL,
        filter text NOT NULL,
        cursor {uuid},
        done bigint NOT NULL,
        bound bigint,
        lease_until {time},
        created_at {time} NOT NULL,
        finished_at {time}
    )",
    "CREATE TABLE cron_runs (
        name text NOT NULL,
        tick {time} NOT NULL,
        started_at {time} NOT NULL,
        finished_at {time},
        result text,
        PRIMARY KEY (name, tick)
    )",
];

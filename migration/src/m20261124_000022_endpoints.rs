//! Endpoints that are told of delivery events: who they are, what they are signed to with, how far they were told, and what
//! is left to tell.

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
        let tables = ["event_replays", "event_dispatches", "event_endpoint_secrets", "event_endpoints"];
        ddl::drop(manager, &tables).await
    }
}

const UP: &[&str] = &[
    "CREATE TABLE event_endpoints (
        id {uuid} PRIMARY KEY,
        url text NOT NULL,
        description text,
        wanted text NOT NULL,
        seq bigint NOT NULL,
        disabled_at {time},
        disabled_by smallint,
        failures integer NOT NULL,
        failing_since {time},
        held_until {time},
        last_error text,
        taken bigint NOT NULL,
        taken_at {time},
        lease_until {time},
        created_at {time} NOT NULL,
        updated_at {time} NOT NULL
    ) {hot}",
    "CREATE TABLE event_endpoint_secrets (
        id {uuid} PRIMARY KEY,
        endpoint_id {uuid} NOT NULL,
        key_id text NOT NULL,
        wrapped_key {bytes} NOT NULL,
        secret {bytes} NOT NULL,
        created_at {time} NOT NULL,
        expires_at {time}
    )",
    "CREATE INDEX event_endpoint_secrets_endpoint ON event_endpoint_secrets (endpoint_id, created_at)",
    "CREATE TABLE event_dispatches (
        id {uuid} PRIMARY KEY,
        endpoint_id {uuid} NOT NULL,
        seq bigint NOT NULL,
        event_id {uuid} NOT NULL,
        kind smallint NOT NULL,
        state smallint NOT NULL,
        tries integer NOT NULL,
        due_at {time},
        http_status integer,
        error text,
        took_ms integer NOT NULL,
        created_at {time} NOT NULL,
        tried_at {time} NOT NULL,
        UNIQUE (endpoint_id, seq)
    )",
    "CREATE INDEX event_dispatches_due ON event_dispatches (endpoint_id, due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX event_dispatches_state ON event_dispatches (endpoint_id, state, seq)",
    "CREATE INDEX event_dispatches_age ON event_dispatches (state, tried_at)",
    "CREATE TABLE event_replays (
        id {uuid} PRIMARY KEY,
        endpoint_id {uuid} NOT NULL,
        since {time} NOT NULL,
        until {time} NOT NULL,
        seq bigint NOT NULL,
        last bigint NOT NULL,
        told bigint NOT NULL,
        asked_at {time} NOT NULL,
        finished_at {time}
    )",
    "CREATE INDEX event_replays_endpoint ON event_replays (endpoint_id, id)",
    "CREATE INDEX event_replays_age ON event_replays (finished_at) WHERE finished_at IS NOT NULL",
];

//! How far Mailgun's own lists (bounces, complaints, unsubscribes) were read for each sending domain, and what is still to be
//! told to them.

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
        ddl::drop(manager, &["email_provider_orders", "email_provider_lists"]).await
    }
}

const UP: &[&str] = &[
    "CREATE TABLE email_provider_lists (
        domain text NOT NULL,
        list smallint NOT NULL,
        sandbox boolean NOT NULL,
        due_at {time} NOT NULL,
        pull_until {time},
        page text,
        started_at {time},
        finished_at {time},
        seen bigint NOT NULL,
        added bigint NOT NULL,
        known bigint NOT NULL,
        skipped bigint NOT NULL,
        failures integer NOT NULL,
        failing_since {time},
        last_error text,
        offered {uuid},
        push_until {time},
        push_error text,
        PRIMARY KEY (domain, list, sandbox)
    )",
    "CREATE TABLE email_provider_orders (
        id {uuid} PRIMARY KEY,
        domain text NOT NULL,
        list smallint NOT NULL,
        sandbox boolean NOT NULL,
        target text NOT NULL,
        lift boolean NOT NULL,
        note text,
        occurred_at {time} NOT NULL,
        ordered_at {time} NOT NULL,
        due_at {time} NOT NULL,
        tries integer NOT NULL,
        last_error text,
        done_at {time},
        UNIQUE (target, list, domain, sandbox)
    )",
    "CREATE INDEX email_provider_orders_due ON email_provider_orders (domain, list, lift, due_at) WHERE done_at IS NULL",
];

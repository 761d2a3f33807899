//! How many emails go each minute, and how far a bulk operation reaches.

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
    "CREATE TABLE email_rates (
        minute bigint NOT NULL,
        shard smallint NOT NULL,
        n bigint NOT NULL,
        PRIMARY KEY (minute, shard)
    ) {keyed}",
    "ALTER TABLE bulk_operations ADD COLUMN asked bigint NOT NULL DEFAULT 0",
    "ALTER TABLE bulk_operations ADD COLUMN reach {uuid}",
    "CREATE INDEX bulk_operations_open ON bulk_operations (lease_until) WHERE finished_at IS NULL",
];

const DOWN: &[&str] = &[
    "DROP INDEX bulk_operations_open",
    "ALTER TABLE bulk_operations DROP COLUMN reach",
    "ALTER TABLE bulk_operations DROP COLUMN asked",
    "DROP TABLE email_rates",
];

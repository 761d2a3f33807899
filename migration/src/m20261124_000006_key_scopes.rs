//! What a key may do, and from where.

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

// Until now every key could do everything: those that are there, and those that a process of the former version still makes
// beside this one, stay what they were (8 is ADMIN).
const UP: &[&str] = &[
    "ALTER TABLE api_keys ADD COLUMN scopes integer NOT NULL DEFAULT 8",
    "ALTER TABLE api_keys ADD COLUMN allowed_addresses text NOT NULL DEFAULT ''",
];

const DOWN: &[&str] =
    &["ALTER TABLE api_keys DROP COLUMN allowed_addresses", "ALTER TABLE api_keys DROP COLUMN scopes"];

//! Who may call.

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
        ddl::drop(manager, &["api_keys"]).await
    }
}

const UP: &[&str] = &["CREATE TABLE api_keys (
        id {uuid} PRIMARY KEY,
        name text NOT NULL,
        hash {bytes} NOT NULL UNIQUE,
        prefix text NOT NULL,
        created_at {time} NOT NULL,
        expires_at {time},
        revoked_at {time},
        last_used_at {time}
    )"];

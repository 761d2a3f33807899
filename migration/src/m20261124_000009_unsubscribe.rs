//! The key of the links to unsubscribe.

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
        ddl::drop(manager, &["unsubscribe_keys"]).await
    }
}

const UP: &[&str] = &["CREATE TABLE unsubscribe_keys (
        id {uuid} PRIMARY KEY,
        key_id text NOT NULL,
        wrapped_key {bytes} NOT NULL,
        created_at {time} NOT NULL
    )"];

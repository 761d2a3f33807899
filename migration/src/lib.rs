//! How the tables came to be: expand first, contract later; each step has a way back.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait,
};

mod ddl;
mod m20261124_000001_emails;
mod m20261124_000002_flow;
mod m20261124_000003_reports;
mod m20261124_000004_access;
mod m20261124_000005_rates;
mod m20261124_000006_key_scopes;
mod m20261124_000007_standings;
mod m20261124_000008_events;
mod m20261124_000009_unsubscribe;
mod m20261124_000011_suppressions;
mod m20261124_000012_campaigns;
mod m20261124_000013_reconcile;
mod m20261124_000014_batches;
mod m20261124_000015_plans;
mod m20261124_000017_provider_lists;
mod m20261124_000018_keeping;
mod m20261124_000019_erasure;
mod m20261124_000020_audit;
mod m20261124_000021_alerts;
mod m20261124_000022_endpoints;

/// The list, in order.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261124_000001_emails::Migration),
            Box::new(m20261124_000002_flow::Migration),
            Box::new(m20261124_000003_reports::Migration),
            Box::new(m20261124_000004_access::Migration),
            Box::new(m20261124_000005_rates::Migration),
            Box::new(m20261124_000006_key_scopes::Migration),
            Box::new(m20261124_000007_standings::Migration),
            Box::new(m20261124_000008_events::Migration),
            Box::new(m20261124_000009_unsubscribe::Migration),
            Box::new(m20261124_000011_suppressions::Migration),
            Box::new(m20261124_000012_campaigns::Migration),
            Box::new(m20261124_000013_reconcile::Migration),
            Box::new(m20261124_000014_batches::Migration),
            Box::new(m20261124_000015_plans::Migration),
            Box::new(m20261124_000017_provider_lists::Migration),
            Box::new(m20261124_000018_keeping::Migration),
            Box::new(m20261124_000019_erasure::Migration),
            Box::new(m20261124_000020_audit::Migration),
            Box::new(m20261124_000021_alerts::Migration),
            Box::new(m20261124_000022_endpoints::Migration),
        ]
    }
}

/// Brings the database up to date, all of it or nothing. Processes that start together wait for each other here.
///
/// # Errors
/// The database's own, when a step fails or the database was left by a newer version.
pub async fn up(db: &DatabaseConnection) -> Result<(), DbErr> {
    let tx = alone(db).await?;
    Migrator::up(&tx, None).await?;
    tx.commit().await
}

/// Takes every step back; for tests and for whoever must leave.
///
/// # Errors
/// The database's own.
pub async fn down(db: &DatabaseConnection) -> Result<(), DbErr> {
    back(db, None).await
}

/// Takes the last so many steps back, or all of them.
///
/// # Errors
/// The database's own.
pub async fn back(db: &DatabaseConnection, steps: Option<u32>) -> Result<(), DbErr> {
    let tx = alone(db).await?;
    Migrator::down(&tx, steps).await?;
    tx.commit().await
}

/// How many steps are still to be taken. Only looks: the list of steps taken is made in [`up`] alone, since two processes that
/// make it at once get in each other's way.
///
/// # Errors
/// The database's own.
pub async fn pending(db: &DatabaseConnection) -> Result<usize, DbErr> {
    if !SchemaManager::new(db).has_table("seaql_migrations").await? {
        return Ok(Migrator::migrations().len());
    }
    Ok(Migrator::get_pending_migrations(db).await?.len())
}

/// A transaction that no other migration runs beside.
async fn alone(db: &DatabaseConnection) -> Result<sea_orm_migration::sea_orm::DatabaseTransaction, DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let tx = db.begin_with_options(options).await?;
    if db.get_database_backend() == DbBackend::Postgres {
        // A step that goes through a large table takes the time it takes.
        tx.execute_raw(Statement::from_string(DbBackend::Postgres, "SET LOCAL statement_timeout = 0")).await?;
        // Any number will do, as long as all versions use the same.
        tx.execute_raw(Statement::from_string(DbBackend::Postgres, "SELECT pg_advisory_xact_lock(7245011)")).await?;
    }
    Ok(tx)
}

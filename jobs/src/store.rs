//! The database, which is the truth: one way in for writers, another for readers, on PostgreSQL or SQLite.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::ArrayType;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbErr, ExecResult, QueryResult,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, Value,
};

use uuid::Uuid;

use crate::rows::Rows;

/// Which back end, for the few places where their words differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Several processes, row locks.
    Postgres,
    /// One file, one writer.
    Sqlite,
}

/// The database's two pools.
#[derive(Clone, Debug)]
pub struct Store {
    write: DatabaseConnection,
    read: DatabaseConnection,
    dialect: Dialect,
}

impl Store {
    /// Opens `url` (`postgres://…` or `sqlite://…`), lazily: a database that is away is an error of the first question.
    ///
    /// # Errors
    /// When the URL can't be read, or an SQLite file can't be opened.
    pub async fn connect(url: &str) -> Result<Self, DbErr> {
        if url.starts_with("sqlite:") { Self::sqlite(url).await } else { Self::postgres(url).await }
    }

    async fn postgres(url: &str) -> Result<Self, DbErr> {
        let mut write = options(url, 12, Duration::from_secs(5));
        write.map_sqlx_postgres_opts(|o| {
            o.application_name("mailmind").options(BY_KEY).options([
                ("idle_in_transaction_session_timeout", "60s"),
                ("lock_timeout", "20s"),
                ("statement_timeout", "60s"),
            ])
        });
        let mut read = options(url, 8, Duration::from_secs(5));
        read.map_sqlx_postgres_opts(|o| {
            o.application_name("mailmind-read").options(BY_KEY).options([
                // A page is read from the ends of ordered runs, never gathered and sorted.
                ("enable_bitmapscan", "off"),
                ("statement_timeout", "10s"),
            ])
        });
        Ok(Self {
            write: Database::connect(write).await?,
            read: Database::connect(read).await?,
            dialect: Dialect::Postgres,
        })
    }

    async fn sqlite(url: &str) -> Result<Self, DbErr> {
        let pragmas = |wait: &'static str| {
            move |o: sea_orm::sqlx::sqlite::SqliteConnectOptions| {
                o.create_if_missing(true)
                    .pragma("journal_mode", "WAL")
                    .pragma("synchronous", "FULL")
                    .pragma("cache_size", "-32768")
                    .pragma("busy_timeout", wait)
            }
        };
        let mut write = options(url, 1, Duration::from_secs(30));
        write.connect_lazy(false).map_sqlx_sqlite_opts(pragmas("5000"));
        let write = Database::connect(write).await?;
        let mut read = options(url, 4, Duration::from_secs(5));
        read.map_sqlx_sqlite_opts(pragmas("5000"));
        Ok(Self { write, read: Database::connect(read).await?, dialect: Dialect::Sqlite })
    }

    /// The pool for transactions that change something.
    pub fn write(&self) -> &DatabaseConnection {
        &self.write
    }

    /// The pool for questions; slow ones are cut off here and never hold up a writer.
    pub fn read(&self) -> &DatabaseConnection {
        &self.read
    }

    /// The pool for questions that the flow itself asks, by key and often: on PostgreSQL the writers' (whose plans stay with
    /// the indexes), on SQLite the readers', so that they never wait for the one writer.
    pub fn by_key(&self) -> &DatabaseConnection {
        match self.dialect {
            Dialect::Postgres => &self.write,
            Dialect::Sqlite => &self.read,
        }
    }

    /// Which back end this is.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// A transaction that may write. On SQLite it takes the file's one write lock at once, so that what it read stays true.
    ///
    /// # Errors
    /// When no connection is to be had.
    pub async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        self.write.begin_with_options(options).await
    }

    /// The database's own time.
    ///
    /// # Errors
    /// When it can't be asked.
    pub async fn now(&self) -> Result<DateTime<Utc>, DbErr> {
        match self.dialect {
            Dialect::Postgres => {
                let row = self.read.query_one_raw(self.sql("SELECT clock_timestamp() AS now", [])).await?;
                row.ok_or_else(|| DbErr::RecordNotFound("the time".into()))?.try_get("", "now")
            }
            // The file has no clock of its own; the machine's is what all its processes share.
            Dialect::Sqlite => Ok(entity::Clock::system().now()),
        }
    }

    /// A statement with parameters `$1`, `$2`, ….
    pub fn sql(&self, text: impl Into<String>, values: impl IntoIterator<Item = Value>) -> Statement {
        Statement::from_sql_and_values(self.write.get_database_backend(), text, values)
    }

    /// A statement over many rows: `{rows}` in `text` becomes a table of them, after the parameters in `values`.
    pub fn sql_rows(&self, text: &str, values: impl IntoIterator<Item = Value>, rows: Rows) -> Statement {
        let mut values: Vec<Value> = values.into_iter().collect();
        let text = text.replace("{rows}", &rows.table(self.dialect, values.len() + 1));
        values.extend(rows.values(self.dialect));
        self.sql(text, values)
    }

    /// A statement about emails by their ids: `{ids}` in `text` becomes what follows a column to say that it is one of them,
    /// after the parameters in `values`. PostgreSQL walks the index by a sorted array, so the rows come in its order.
    pub fn sql_ids(
        &self,
        text: &str,
        values: impl IntoIterator<Item = Value>,
        ids: impl IntoIterator<Item = Uuid>,
    ) -> Statement {
        let mut values: Vec<Value> = values.into_iter().collect();
        let at = values.len() + 1;
        let (one_of, value) = match self.dialect {
            Dialect::Postgres => {
                let ids = ids.into_iter().map(Value::from).collect();
                (format!("= ANY(${at}::uuid[])"), Value::Array(ArrayType::Uuid, Some(Box::new(ids))))
            }
            Dialect::Sqlite => {
                let ids: Vec<String> = ids.into_iter().map(|id| id.simple().to_string()).collect();
                let json = serde_json::Value::from(ids).to_string();
                (format!("IN (SELECT unhex(value) FROM json_each(${at}))"), Value::String(Some(json)))
            }
        };
        values.push(value);
        self.sql(text.replace("{ids}", &one_of), values)
    }

    /// What locks the rows of a SELECT until the commit; SQLite's writers are alone anyway.
    pub fn for_update(&self) -> &'static str {
        match self.dialect {
            Dialect::Postgres => "FOR UPDATE",
            Dialect::Sqlite => "",
        }
    }

    /// The same of one table among several.
    pub fn for_update_of(&self, table: &str) -> String {
        match self.dialect {
            Dialect::Postgres => format!("FOR UPDATE OF {table}"),
            Dialect::Sqlite => String::new(),
        }
    }

    /// The same, leaving out rows that somebody else has locked.
    pub fn skip_locked(&self) -> &'static str {
        match self.dialect {
            Dialect::Postgres => "FOR UPDATE SKIP LOCKED",
            Dialect::Sqlite => "",
        }
    }
}

/// Each statement finds its rows by key. A plan made while a table was small must not become a sequential scan of a million
/// rows.
const BY_KEY: [(&str, &str); 5] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    // It would be tempted by the price of a forbidden scan to compile statements that take a millisecond.
    ("jit", "off"),
    // Statements here are short and many: to plan each anew would cost more than to run it. And of what a filter asks for the
    // planner would guess, by statistics of yesterday, that there is next to none.
    ("plan_cache_mode", "force_generic_plan"),
];

fn options(url: &str, most: u32, wait: Duration) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(most)
        .min_connections(1)
        .acquire_timeout(wait)
        .sqlx_logging(false)
        // Under load a dead connection is found by its next user, who tries again; after a rest it is found before.
        .test_before_acquire_if_idle_for(Duration::from_secs(1))
        .connect_lazy(true);
    options
}

/// Runs a statement, on a pool or in a transaction.
///
/// # Errors
/// The database's own.
pub async fn execute(db: &impl ConnectionTrait, statement: Statement) -> Result<ExecResult, DbErr> {
    db.execute_raw(statement).await
}

/// Asks for rows, on a pool or in a transaction.
///
/// # Errors
/// The database's own.
pub async fn rows(db: &impl ConnectionTrait, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
    db.query_all_raw(statement).await
}

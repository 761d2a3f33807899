//! Everything that a database holds, as text: what somebody reads who has the database and no key.

use jobs::Store;
use jobs::store::{Dialect, rows};

/// Every row of every table; bytes are in hexadecimal.
pub struct Dump(String);

impl Dump {
    /// Reads all of it.
    ///
    /// # Panics
    /// When the database can't be asked.
    pub async fn of(store: &Store) -> Self {
        let mut all = String::new();
        for table in tables(store).await {
            let row = match store.dialect() {
                Dialect::Postgres => "t::text".to_owned(),
                Dialect::Sqlite => {
                    let columns = texts(store, &format!("SELECT name AS text FROM pragma_table_info('{table}')")).await;
                    let quoted: Vec<String> = columns.iter().map(|column| format!("quote(t.\"{column}\")")).collect();
                    quoted.join(" || ',' || ")
                }
            };
            for row in texts(store, &format!("SELECT {row} AS text FROM {table} t")).await {
                all.push_str(&format!("{table}: {row}\n"));
            }
        }
        Self(all.to_lowercase())
    }

    /// The rows that hold these words, in any case, in the clear or as bytes.
    pub fn with(&self, words: &str) -> Vec<&str> {
        let words = words.to_lowercase();
        let bytes = hex::encode(&words);
        self.0.lines().filter(|line| line.contains(&words) || line.contains(&bytes)).collect()
    }
}

async fn tables(store: &Store) -> Vec<String> {
    let text = match store.dialect() {
        Dialect::Postgres => "SELECT tablename::text AS text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
        Dialect::Sqlite => "SELECT name AS text FROM sqlite_master WHERE type = 'table' ORDER BY 1",
    };
    texts(store, text).await
}

async fn texts(store: &Store, text: &str) -> Vec<String> {
    let found = rows(store.write(), store.sql(text, [])).await.expect("an answer");
    found.iter().map(|row| row.try_get("", "text").expect("a text")).collect()
}

//! Changes that go to the database together: on PostgreSQL as one statement, so in one round trip; on SQLite, where a round
//! trip costs nothing, one after the other.

use sea_orm::{DatabaseTransaction, DbErr, Value};

use crate::error::Result;
use crate::rows::Rows;
use crate::store::{Dialect, Store, execute, rows};

/// Changes of different tables, none of which reads what another writes.
pub struct Batch<'a> {
    store: &'a Store,
    parts: Vec<Part>,
}

struct Part {
    text: String,
    values: Vec<Value>,
    /// How many rows it must change.
    exactly: Option<u64>,
}

impl<'a> Batch<'a> {
    /// Nothing yet.
    pub fn new(store: &'a Store) -> Self {
        Self { store, parts: Vec::new() }
    }

    /// Adds a change with parameters `$1`, `$2`, …; `{rows}` in `text` becomes a table of `rows`, after `values`.
    pub fn add(&mut self, text: &str, values: impl IntoIterator<Item = Value>, rows: Rows) {
        let mut values: Vec<Value> = values.into_iter().collect();
        let dialect = self.store.dialect();
        let text = text.replace("{rows}", &rows.table(dialect, values.len() + 1));
        values.extend(rows.values(dialect));
        self.parts.push(Part { text, values, exactly: None });
    }

    /// The change that was added last must change exactly `n` rows, or all of them fail.
    pub fn exactly(&mut self, n: usize) {
        if let Some(part) = self.parts.last_mut() {
            part.exactly = Some(n as u64);
        }
    }

    /// Makes the changes.
    ///
    /// # Errors
    /// The database's own; `RecordNotUpdated` when a change did not find the rows it must.
    pub async fn run(self, tx: &DatabaseTransaction) -> Result<()> {
        match self.store.dialect() {
            Dialect::Postgres => self.at_once(tx).await,
            Dialect::Sqlite => self.in_turn(tx).await,
        }
    }

    async fn in_turn(self, tx: &DatabaseTransaction) -> Result<()> {
        for part in self.parts {
            let changed = execute(tx, self.store.sql(part.text, part.values)).await?.rows_affected();
            met(part.exactly, changed)?;
        }
        Ok(())
    }

    async fn at_once(self, tx: &DatabaseTransaction) -> Result<()> {
        if self.parts.is_empty() {
            return Ok(());
        }
        let (mut with, mut counts, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut expected = Vec::new();
        for (i, part) in self.parts.into_iter().enumerate() {
            with.push(format!("p{i} AS ({} RETURNING 1)", shifted(&part.text, values.len())));
            counts.push(format!("(SELECT count(*) FROM p{i}) AS n{i}"));
            values.extend(part.values);
            expected.push(part.exactly);
        }
        let text = format!("WITH {} SELECT {}", with.join(", "), counts.join(", "));
        let found = rows(tx, self.store.sql(text, values)).await?;
        let row = found.first().ok_or(DbErr::RecordNotUpdated)?;
        for (i, exactly) in expected.into_iter().enumerate() {
            let changed: i64 = row.try_get("", &format!("n{i}"))?;
            met(exactly, changed.unsigned_abs())?;
        }
        Ok(())
    }
}

fn met(exactly: Option<u64>, changed: u64) -> Result<()> {
    match exactly {
        Some(n) if n != changed => Err(DbErr::RecordNotUpdated.into()),
        Some(_) | None => Ok(()),
    }
}

/// The text with each parameter's number raised by `by`.
fn shifted(text: &str, by: usize) -> String {
    let mut parts = text.split('$');
    let mut shifted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let number: usize = part[..digits].parse().unwrap_or_default();
        shifted.push_str(&format!("${}{}", number + by, &part[digits..]));
    }
    shifted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_on() {
        assert_eq!(shifted("SELECT $1, f($2::uuid[]), $10", 3), "SELECT $4, f($5::uuid[]), $13");
        assert_eq!(shifted("SELECT 1", 3), "SELECT 1");
    }
}

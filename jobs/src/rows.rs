//! Many rows in one statement whose text never changes with their number, so that it stays prepared: on PostgreSQL each
//! column travels as one array, on SQLite all of them as one JSON text.

use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::Value;
use sea_orm::sea_query::ArrayType;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::store::Dialect;

/// Columns of equal length, named as the statement calls them.
///
/// An array of PostgreSQL's holds no NULL on its way through sea-query, so a value that can't occur stands for it (the nil
/// UUID, the epoch, the least number, the empty text) and becomes NULL again in [`Rows::table`].
#[derive(Debug, Default)]
pub struct Rows {
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    name: &'static str,
    cells: Cells,
}

#[derive(Debug)]
enum Cells {
    Uuid(Vec<Option<Uuid>>),
    Int(Vec<Option<i64>>),
    Text(Vec<Option<String>>),
    Time(Vec<Option<DateTime<Utc>>>),
    Bytes(Vec<Option<Vec<u8>>>),
    Flag(Vec<bool>),
}

impl Rows {
    /// No columns yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, name: &'static str, cells: Cells) -> Self {
        self.columns.push(Column { name, cells });
        self
    }

    /// A column of ids.
    pub fn uuid<T: Into<Option<Uuid>>>(self, name: &'static str, cells: impl IntoIterator<Item = T>) -> Self {
        self.with(name, Cells::Uuid(cells.into_iter().map(Into::into).collect()))
    }

    /// A column of whole numbers.
    pub fn int<T: Into<i64>>(self, name: &'static str, cells: impl IntoIterator<Item = T>) -> Self {
        self.with(name, Cells::Int(cells.into_iter().map(|n| Some(n.into())).collect()))
    }

    /// A column of whole numbers, some absent.
    pub fn maybe_int(self, name: &'static str, cells: impl IntoIterator<Item = Option<i64>>) -> Self {
        self.with(name, Cells::Int(cells.into_iter().collect()))
    }

    /// A column of texts; the empty text is NULL.
    pub fn text<T: Into<Option<String>>>(self, name: &'static str, cells: impl IntoIterator<Item = T>) -> Self {
        self.with(name, Cells::Text(cells.into_iter().map(Into::into).collect()))
    }

    /// A column of times.
    pub fn time<T: Into<Option<DateTime<Utc>>>>(self, name: &'static str, cells: impl IntoIterator<Item = T>) -> Self {
        self.with(name, Cells::Time(cells.into_iter().map(Into::into).collect()))
    }

    /// A column of byte strings; the empty one is NULL.
    pub fn bytes<T: Into<Option<Vec<u8>>>>(self, name: &'static str, cells: impl IntoIterator<Item = T>) -> Self {
        self.with(name, Cells::Bytes(cells.into_iter().map(Into::into).collect()))
    }

    /// A column of truths.
    pub fn flag(self, name: &'static str, cells: impl IntoIterator<Item = bool>) -> Self {
        self.with(name, Cells::Flag(cells.into_iter().collect()))
    }

    /// What stands in FROM, its parameters counted from `first`.
    pub fn table(&self, dialect: Dialect, first: usize) -> String {
        match dialect {
            Dialect::Postgres => {
                let names: Vec<_> = self.columns.iter().map(|c| c.name).collect();
                let outs: Vec<_> = self.columns.iter().map(|c| c.cells.restored(c.name)).collect();
                let arrays: Vec<_> = self
                    .columns
                    .iter()
                    .enumerate()
                    .map(|(i, c)| format!("${}::{}", first + i, c.cells.array()))
                    .collect();
                format!("(SELECT {} FROM unnest({}) AS raw({}))", outs.join(", "), arrays.join(", "), names.join(", "))
            }
            Dialect::Sqlite => {
                let outs: Vec<_> = self.columns.iter().enumerate().map(|(i, c)| c.cells.extracted(i, c.name)).collect();
                format!("(SELECT {} FROM json_each(${first}))", outs.join(", "))
            }
        }
    }

    /// The parameters that [`Rows::table`] named.
    pub fn values(self, dialect: Dialect) -> Vec<Value> {
        match dialect {
            Dialect::Postgres => self.columns.into_iter().map(|c| c.cells.into_array()).collect(),
            Dialect::Sqlite => vec![Value::String(Some(self.into_json()))],
        }
    }

    fn into_json(self) -> String {
        let length = self.columns.first().map_or(0, |c| c.cells.len());
        let mut rows: Vec<Vec<Json>> = (0..length).map(|_| Vec::with_capacity(self.columns.len())).collect();
        for column in self.columns {
            debug_assert_eq!(column.cells.len(), length, "column {} is of another length", column.name);
            for (row, cell) in rows.iter_mut().zip(column.cells.into_json()) {
                row.push(cell);
            }
        }
        Json::from(rows.into_iter().map(Json::Array).collect::<Vec<_>>()).to_string()
    }
}

impl Cells {
    fn len(&self) -> usize {
        match self {
            Cells::Uuid(cells) => cells.len(),
            Cells::Int(cells) => cells.len(),
            Cells::Text(cells) => cells.len(),
            Cells::Time(cells) => cells.len(),
            Cells::Bytes(cells) => cells.len(),
            Cells::Flag(cells) => cells.len(),
        }
    }

    fn array(&self) -> &'static str {
        match self {
            Cells::Uuid(_) => "uuid[]",
            Cells::Int(_) => "int8[]",
            Cells::Text(_) => "text[]",
            Cells::Time(_) => "timestamptz[]",
            Cells::Bytes(_) => "bytea[]",
            Cells::Flag(_) => "bool[]",
        }
    }

    /// PostgreSQL: the column with its NULLs back.
    fn restored(&self, name: &str) -> String {
        match self {
            Cells::Uuid(_) => format!("NULLIF({name}, '00000000-0000-0000-0000-000000000000'::uuid) AS {name}"),
            Cells::Int(_) => format!("NULLIF({name}, -9223372036854775808) AS {name}"),
            Cells::Text(_) => format!("NULLIF({name}, '') AS {name}"),
            Cells::Time(_) => format!("NULLIF({name}, 'epoch'::timestamptz) AS {name}"),
            Cells::Bytes(_) => format!("NULLIF({name}, ''::bytea) AS {name}"),
            Cells::Flag(_) => name.to_owned(),
        }
    }

    /// SQLite: the column out of its row's JSON array.
    fn extracted(&self, index: usize, name: &str) -> String {
        match self {
            Cells::Uuid(_) | Cells::Bytes(_) => format!("unhex(value->>{index}) AS {name}"),
            Cells::Int(_) | Cells::Text(_) | Cells::Time(_) | Cells::Flag(_) => format!("value->>{index} AS {name}"),
        }
    }

    fn into_array(self) -> Value {
        fn array(kind: ArrayType, cells: Vec<Value>) -> Value {
            Value::Array(kind, Some(Box::new(cells)))
        }
        match self {
            Cells::Uuid(cells) => {
                array(ArrayType::Uuid, cells.into_iter().map(|c| Value::from(c.unwrap_or(Uuid::nil()))).collect())
            }
            Cells::Int(cells) => {
                array(ArrayType::BigInt, cells.into_iter().map(|c| Value::from(c.unwrap_or(i64::MIN))).collect())
            }
            Cells::Text(cells) => {
                array(ArrayType::String, cells.into_iter().map(|c| Value::from(c.unwrap_or_default())).collect())
            }
            Cells::Time(cells) => array(
                ArrayType::ChronoDateTimeUtc,
                cells.into_iter().map(|c| Value::from(c.unwrap_or(DateTime::UNIX_EPOCH))).collect(),
            ),
            Cells::Bytes(cells) => {
                array(ArrayType::Bytes, cells.into_iter().map(|c| Value::from(c.unwrap_or_default())).collect())
            }
            Cells::Flag(cells) => array(ArrayType::Bool, cells.into_iter().map(Value::from).collect()),
        }
    }

    fn into_json(self) -> Vec<Json> {
        match self {
            Cells::Uuid(cells) => {
                cells.into_iter().map(|c| c.map_or(Json::Null, |id| Json::String(id.simple().to_string()))).collect()
            }
            Cells::Int(cells) => cells.into_iter().map(|c| c.map_or(Json::Null, Json::from)).collect(),
            Cells::Text(cells) => {
                cells.into_iter().map(|c| c.filter(|text| !text.is_empty()).map_or(Json::Null, Json::String)).collect()
            }
            Cells::Time(cells) => {
                cells.into_iter().map(|c| c.map_or(Json::Null, |at| Json::String(time_text(at)))).collect()
            }
            Cells::Bytes(cells) => cells
                .into_iter()
                .map(|c| {
                    c.filter(|bytes| !bytes.is_empty()).map_or(Json::Null, |bytes| Json::String(hex::encode(bytes)))
                })
                .collect(),
            Cells::Flag(cells) => cells.into_iter().map(|c| Json::from(i32::from(c))).collect(),
        }
    }
}

/// A time as SQLite keeps it, letter for letter as the driver writes it: such texts sort as the times do.
pub fn time_text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, false)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn the_text_depends_on_the_columns_alone() {
        let few = Rows::new().uuid("id", [Uuid::nil()]).int("fence", [1]);
        let many = Rows::new().uuid("id", vec![Uuid::nil(); 500]).int("fence", 0..500);
        for dialect in [Dialect::Postgres, Dialect::Sqlite] {
            assert_eq!(few.table(dialect, 2), many.table(dialect, 2));
        }
    }

    #[test]
    fn times_sort_as_texts() {
        let start = DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap_or_default();
        let times: Vec<_> = [0, 1, 999, 1_000, 500_000, 999_999, 1_000_000, 1_000_001]
            .map(|micros| time_text(start + TimeDelta::microseconds(micros)))
            .into();
        assert!(times.is_sorted(), "{times:?}");
    }
}

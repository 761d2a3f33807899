//! What is asked of the emails that a filter means, as SQL: pages, counts, and how far to look. Their ids come from
//! [`super::runs`].

use entity::Priority;
use sea_orm::{Statement, Value};
use uuid::Uuid;

use super::{Part, Way};
use crate::store::Store;

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The oldest.
    Ascending,
    /// The newest.
    Descending,
}

impl Order {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Order::Ascending => "ASC",
            Order::Descending => "DESC",
        }
    }

    /// The other one.
    pub fn reversed(self) -> Self {
        match self {
            Order::Ascending => Order::Descending,
            Order::Descending => Order::Ascending,
        }
    }
}

/// What a filter asks for, of emails in a span of ids.
#[derive(Clone, Debug)]
pub struct Clauses {
    pub(super) ways: Vec<Way>,
    pub(super) address: Option<String>,
    pub(super) campaign: Option<Uuid>,
    pub(super) domain: Option<String>,
    pub(super) lane: Option<Priority>,
    conditions: Vec<Condition>,
    /// The first id of the span …
    pub(super) first: Uuid,
    /// … and the last; before the first when the span is empty.
    pub(super) last: Uuid,
}

/// A condition on the row `q`; `?` in the text stands for the value.
#[derive(Clone, Debug)]
struct Condition {
    part: Part,
    text: &'static str,
    value: Value,
}

impl Clauses {
    pub(super) fn new(ways: Vec<Way>) -> Self {
        let (first, last) = (Uuid::nil(), Uuid::max());
        Self { ways, address: None, campaign: None, domain: None, lane: None, conditions: Vec::new(), first, last }
    }

    pub(super) fn set_address(&mut self, key: String) {
        self.address = Some(key);
    }

    pub(super) fn set_scopes(&mut self, campaign: Option<Uuid>, domain: Option<String>, lane: Option<Priority>) {
        (self.campaign, self.domain, self.lane) = (campaign, domain, lane);
    }

    pub(super) fn add(&mut self, part: Part, text: &'static str, value: impl Into<Value>) {
        self.conditions.push(Condition { part, text, value: value.into() });
    }

    /// One condition more, on the row `q`; `?` stands for the value.
    pub fn and(&mut self, text: &'static str, value: impl Into<Value>) {
        self.add(Part::Other, text, value);
    }

    /// Ids from this one on.
    pub fn from(&mut self, id: Uuid) {
        self.first = self.first.max(id);
    }

    /// Ids up to this one.
    pub fn up_to(&mut self, id: Uuid) {
        self.last = self.last.min(id);
    }

    /// Ids after this one.
    pub fn after(&mut self, id: Uuid) {
        match id.as_u128().checked_add(1) {
            Some(next) => self.from(Uuid::from_u128(next)),
            None => self.close(),
        }
    }

    /// Ids before this one.
    pub fn before(&mut self, id: Uuid) {
        match id.as_u128().checked_sub(1) {
            Some(previous) => self.up_to(Uuid::from_u128(previous)),
            None => self.close(),
        }
    }

    fn close(&mut self) {
        (self.first, self.last) = (Uuid::max(), Uuid::nil());
    }

    /// `columns` of the first `most` rows `q` in the order of their ids, locked where `lock` says so.
    pub fn page(&self, store: &Store, columns: &str, order: Order, most: u64, lock: &str) -> Statement {
        let mut text = Text::new(store);
        let word = order.word();
        let from = match self.merged(&mut text, order, most) {
            None => {
                let conditions = self.conditions(&mut text, |_| true) + &self.span(&mut text);
                format!("email_queue q WHERE {conditions}")
            }
            Some(ids) => {
                let limit = text.bind(most as i64);
                let first = format!("SELECT m.id FROM ({ids}) AS m ORDER BY m.id {word} LIMIT {limit}");
                // Whoever had a row locked may have moved it meanwhile: then it is asked again.
                let moves = |part| !lock.is_empty() && matches!(part, Part::Status | Part::Other);
                let again = self.conditions(&mut text, moves);
                format!("({first}) AS n JOIN email_queue q ON q.id = n.id WHERE {again}")
            }
        };
        let limit = text.bind(most as i64);
        text.statement(format!("SELECT {columns} FROM {from} ORDER BY q.id {word} LIMIT {limit} {lock}"))
    }

    /// How many there are, up to `most`, as `n`.
    pub fn count(&self, store: &Store, most: u64) -> Statement {
        let mut text = Text::new(store);
        let from = match self.merged(&mut text, Order::Descending, most) {
            None => {
                format!("email_queue q WHERE {}{}", self.conditions(&mut text, |_| true), self.span(&mut text))
            }
            Some(ids) => format!("({ids}) AS m"),
        };
        let limit = text.bind(most as i64);
        text.statement(format!("SELECT count(*) AS n FROM (SELECT 1 AS one FROM {from} LIMIT {limit}) AS few"))
    }

    /// The id at place `n` (the first is 1) among what the indexes alone find; `None` when they find all that is meant, so
    /// that nothing is looked at in vain.
    pub fn nth_looked_at(&self, store: &Store, n: u64) -> Option<Statement> {
        let all_found = |way: &Way| self.conditions.iter().all(|condition| way.finds(condition.part));
        if self.conditions.is_empty() || !self.ways.is_empty() && self.ways.iter().all(all_found) {
            return None;
        }
        let mut bare = self.clone();
        bare.conditions.clear();
        let mut text = Text::new(store);
        let from = match bare.merged(&mut text, Order::Ascending, n) {
            None => format!("(SELECT q.id FROM email_queue q WHERE true{}) AS m", bare.span(&mut text)),
            Some(ids) => format!("({ids}) AS m"),
        };
        let before = text.bind(n.saturating_sub(1) as i64);
        Some(text.statement(format!("SELECT m.id FROM {from} ORDER BY m.id LIMIT 1 OFFSET {before}")))
    }

    /// `start`, then FROM over the rows `q` behind `joined` (something that ends in `email_queue q ON …`), with all
    /// conditions; then `end`, where `?` stands for `value`. For questions whose cost is that of `joined`.
    pub fn over(&self, store: &Store, start: &str, joined: &str, end: &str, value: impl Into<Value>) -> Statement {
        let mut text = Text::new(store);
        let conditions = self.conditions(&mut text, |_| true) + &self.span(&mut text);
        let value = text.bind(value);
        text.statement(format!("{start} FROM {joined} WHERE {conditions} {}", end.replacen('?', &value, 1)))
    }

    pub(super) fn conditions(&self, text: &mut Text<'_>, asked: impl Fn(Part) -> bool) -> String {
        let mut all = "true".to_owned();
        for Condition { part, text: condition, value } in &self.conditions {
            if asked(*part) {
                all += " AND ";
                all += &condition.replacen('?', &text.bind(value.clone()), 1);
            }
        }
        all
    }

    pub(super) fn span(&self, text: &mut Text<'_>) -> String {
        format!(" AND q.id >= {} AND q.id <= {}", text.bind(self.first), text.bind(self.last))
    }
}

/// A statement in the making.
pub(crate) struct Text<'a> {
    pub(crate) store: &'a Store,
    values: Vec<Value>,
}

impl<'a> Text<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Self { store, values: Vec::new() }
    }

    /// A parameter, as the text names it.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    pub(crate) fn statement(self, text: String) -> Statement {
        self.store.sql(text, self.values)
    }
}

//! A filter's SQL: the ordered runs that indexes give, merged by id, and the rows behind them.
//!
//! A run is read from its end, so many ids as the page holds, and what an index can't tell is asked of the row. On SQLite the
//! index is named; on PostgreSQL a plan that knows no parameter (see [`crate::store`]) can prefer no other.

use entity::{Priority, Status};
use sea_orm::{ActiveEnum, Statement, Value};
use uuid::Uuid;

use super::{Part, Way};
use crate::store::{Dialect, Store};

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The oldest.
    Ascending,
    /// The newest.
    Descending,
}

impl Order {
    fn word(self) -> &'static str {
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
    ways: Vec<Way>,
    address: Option<String>,
    campaign: Option<Uuid>,
    domain: Option<String>,
    lane: Option<Priority>,
    conditions: Vec<Condition>,
    /// The first id of the span …
    first: Uuid,
    /// … and the last; before the first when the span is empty.
    last: Uuid,
}

/// A condition on the row `q`; `?` in the text stands for the value.
#[derive(Clone, Debug)]
struct Condition {
    part: Part,
    text: &'static str,
    value: Value,
}

/// The standings that a bit mask names, as a table.
const STANDINGS: &str = "(SELECT s.standing FROM (SELECT 0 AS standing UNION ALL SELECT 1 UNION ALL SELECT 3 UNION ALL SELECT 4 \
     UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9 UNION ALL SELECT 10 \
     UNION ALL SELECT 11 UNION ALL SELECT 12) AS s WHERE ((1 << s.standing) & {mask}) <> 0)";

/// Bits of a mask of statuses.
const QUEUED: i32 = 1 << Status::Queued as i32;
const SENDING: i32 = 1 << Status::Sending as i32;

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

    /// The ids of all ways' runs, each run's first `most`; `None` when the table itself is the only run.
    fn merged(&self, text: &mut Text<'_>, order: Order, most: u64) -> Option<String> {
        if self.ways.is_empty() {
            return None;
        }
        let runs: Vec<String> = self.ways.iter().map(|way| self.runs(text, *way, order, most)).collect();
        Some(runs.join(" UNION ALL "))
    }

    fn runs(&self, text: &mut Text<'_>, way: Way, order: Order, most: u64) -> String {
        let run = match way {
            Way::Standings(mask) => Run {
                cells: STANDINGS.replacen("{mask}", &text.bind(mask), 1),
                index: "email_queue_standing",
                key: &["standing"],
                address: None,
                only: " AND q.standing <> 1",
            },
            Way::Address(mask) => Run {
                cells: STANDINGS.replacen("{mask}", &text.bind(mask), 1),
                index: "email_queue_recipient",
                key: &["standing"],
                address: self.address.clone(),
                only: "",
            },
            Way::Scopes(mask) => Run {
                cells: format!(
                    "(SELECT t.lane, t.scope, CASE t.status WHEN 2 THEN 1 ELSE t.status END AS standing FROM email_tallies t \
                     WHERE {} AND ((1 << t.status) & {}) <> 0 GROUP BY 1, 2, 3 HAVING sum(t.n) > 0)",
                    self.tallied(text),
                    text.bind(if mask & QUEUED == 0 { mask } else { mask | SENDING })
                ),
                index: "email_queue_scope",
                key: &["lane", "scope", "standing"],
                address: None,
                only: "",
            },
            Way::UnderWay => return self.under_way(text, order, most),
        };
        let conditions = self.conditions(text, |part| !way.finds(part));
        let ranged = run.range(text, self.first, self.last);
        let word = order.word();
        let limit = text.bind(most as i64);
        let Run { cells, index, only, .. } = run;
        let (rest, end) = (format!("{conditions}{only}"), format!("ORDER BY q.id {word} LIMIT {limit}"));
        match text.store.dialect() {
            Dialect::Postgres => format!(
                "SELECT x.id FROM {cells} AS c CROSS JOIN LATERAL \
                 (SELECT q.id FROM email_queue q WHERE {ranged} AND {rest} {end}) AS x"
            ),
            Dialect::Sqlite => format!(
                "SELECT x.id FROM {cells} AS c CROSS JOIN email_queue x ON x.id IN \
                 (SELECT q.id FROM email_queue q INDEXED BY {index} WHERE {ranged} AND {rest} {end})"
            ),
        }
    }

    /// Those under way. On PostgreSQL no index knows them; but the tallies say how many there are of each lane and scope, and
    /// they are the ones due longest there.
    fn under_way(&self, text: &mut Text<'_>, order: Order, most: u64) -> String {
        let word = order.word();
        match text.store.dialect() {
            Dialect::Postgres => {
                let tallied = self.tallied(text);
                let conditions = self.conditions(text, |part| !Way::UnderWay.finds(part)) + &self.span(text);
                format!(
                    "SELECT q.id FROM (SELECT t.lane, t.scope, CAST(sum(t.n) AS bigint) AS n FROM email_tallies t \
                     WHERE {tallied} AND t.status = 2 GROUP BY t.lane, t.scope HAVING sum(t.n) > 0) AS c CROSS JOIN LATERAL \
                     (SELECT q.* FROM email_queue q WHERE q.lane = c.lane AND q.scope = c.scope AND q.due_at IS NOT NULL \
                      AND q.status = 2 ORDER BY q.due_at LIMIT c.n) AS q WHERE {conditions}"
                )
            }
            Dialect::Sqlite => {
                let conditions = self.conditions(text, |part| !Way::UnderWay.finds(part)) + &self.span(text);
                let limit = text.bind(most as i64);
                format!(
                    "SELECT x.id FROM (SELECT q.id FROM email_queue q INDEXED BY email_queue_sending WHERE q.status = 2 \
                     AND {conditions} ORDER BY q.id {word} LIMIT {limit}) AS x"
                )
            }
        }
    }

    /// Which tallies are meant.
    fn tallied(&self, text: &mut Text<'_>) -> String {
        let mut meant = "t.status <> 99".to_owned();
        match self.lane {
            Some(lane) => meant += &format!(" AND t.lane = {}", text.bind(lane.to_value())),
            // The key begins with the lane.
            None => meant += " AND t.lane IN (0, 1, 2)",
        }
        let mut scopes = Vec::new();
        scopes.extend(self.campaign.map(|id| format!("s.campaign_id = {}", text.bind(id))));
        scopes.extend(self.domain.clone().map(|name| format!("s.sending_domain = {}", text.bind(name))));
        if !scopes.is_empty() {
            meant += &format!(" AND t.scope IN (SELECT s.id FROM email_scopes s WHERE {})", scopes.join(" AND "));
        }
        meant
    }

    fn conditions(&self, text: &mut Text<'_>, asked: impl Fn(Part) -> bool) -> String {
        let mut all = "true".to_owned();
        for Condition { part, text: condition, value } in &self.conditions {
            if asked(*part) {
                all += " AND ";
                all += &condition.replacen('?', &text.bind(value.clone()), 1);
            }
        }
        all
    }

    fn span(&self, text: &mut Text<'_>) -> String {
        format!(" AND q.id >= {} AND q.id <= {}", text.bind(self.first), text.bind(self.last))
    }
}

impl Way {
    /// What its index finds meets this part of the filter.
    fn finds(self, part: Part) -> bool {
        // The queued stand together with those under way.
        let exactly = |mask: i32| mask & QUEUED == 0 || mask & SENDING != 0;
        match (self, part) {
            (_, Part::Other) => false,
            (Way::Standings(_) | Way::UnderWay, Part::Status) => true,
            (Way::Address(mask) | Way::Scopes(mask), Part::Status) => exactly(mask),
            (Way::Address(_), Part::Address) | (Way::Scopes(_), Part::Scope) => true,
            (Way::Scopes(_) | Way::Standings(_) | Way::UnderWay, Part::Address) => false,
            (Way::Address(_) | Way::Standings(_) | Way::UnderWay, Part::Scope) => false,
        }
    }
}

/// A run of ids for each cell.
struct Run {
    /// A table of the key's values.
    cells: String,
    /// An index over `address` where there is one, `key` and the id.
    index: &'static str,
    key: &'static [&'static str],
    address: Option<String>,
    /// What the index holds alone.
    only: &'static str,
}

impl Run {
    /// From one id to another.
    fn range(&self, text: &mut Text<'_>, first: Uuid, last: Uuid) -> String {
        let mut all: Vec<String> = self.key.iter().map(|column| format!("q.{column} = c.{column}")).collect();
        all.extend(self.address.clone().map(|key| format!("q.recipient_key = {}", text.bind(key))));
        all.push(format!("q.id >= {} AND q.id <= {}", text.bind(first), text.bind(last)));
        all.join(" AND ")
    }
}

/// A statement in the making.
struct Text<'a> {
    store: &'a Store,
    values: Vec<Value>,
}

impl<'a> Text<'a> {
    fn new(store: &'a Store) -> Self {
        Self { store, values: Vec::new() }
    }

    /// A parameter, as the text names it.
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn statement(self, text: String) -> Statement {
        self.store.sql(text, self.values)
    }
}

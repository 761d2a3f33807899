//! Where the ids of a list come from: ordered runs of index entries, each read from its end, so many as the page holds, and
//! merged. What an index can't tell is asked of the row.
//!
//! The column `standing` is the status, save that SENDING is QUEUED (1), so that a claim changes no index. Numbers of statuses stand
//! here as the indexes have them: a partial index is only found by the very number.
//!
//! On SQLite the index is named. On PostgreSQL a plan that knows no parameter (see [`crate::store`]) can prefer no other.

use entity::{Status, tally};
use sea_orm::ActiveEnum;
use uuid::Uuid;

use super::clauses::{Clauses, Order, Text};
use super::{Part, Way};
use crate::store::Dialect;

/// The standings that a bit mask names, as a table.
const STANDINGS: &str = "(SELECT s.standing FROM (SELECT 0 AS standing UNION ALL SELECT 1 UNION ALL SELECT 3 UNION ALL SELECT 4 \
     UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9 UNION ALL SELECT 10 \
     UNION ALL SELECT 11 UNION ALL SELECT 12) AS s WHERE ((1 << s.standing) & {mask}) <> 0)";

/// Bits of a mask of statuses.
const QUEUED: i32 = 1 << Status::Queued as i32;
const SENDING: i32 = 1 << Status::Sending as i32;

impl Way {
    /// What its index finds meets this part of the filter.
    pub(super) fn finds(self, part: Part) -> bool {
        // The queued stand together with those under way.
        let exactly = |mask: i32| mask & QUEUED == 0 || mask & SENDING != 0;
        match (self, part) {
            (_, Part::Other) => false,
            (Way::Standings(_) | Way::Sending, Part::Status) => true,
            (Way::Address(mask) | Way::Scopes(mask), Part::Status) => exactly(mask),
            (Way::Address(_), Part::Address) | (Way::Scopes(_), Part::Scope) => true,
            (Way::Scopes(_) | Way::Standings(_) | Way::Sending, Part::Address) => false,
            (Way::Address(_) | Way::Standings(_) | Way::Sending, Part::Scope) => false,
        }
    }
}

impl Clauses {
    /// The ids of all ways' runs, each run's first `most`; `None` when the table itself is the only run.
    pub(super) fn merged(&self, text: &mut Text<'_>, order: Order, most: u64) -> Option<String> {
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
            Way::Sending => return self.sending(text, order, most),
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
    fn sending(&self, text: &mut Text<'_>, order: Order, most: u64) -> String {
        let word = order.word();
        match text.store.dialect() {
            Dialect::Postgres => {
                let tallied = self.tallied(text);
                let conditions = self.conditions(text, |part| !Way::Sending.finds(part)) + &self.span(text);
                format!(
                    "SELECT q.id FROM (SELECT t.lane, t.scope, CAST(sum(t.n) AS bigint) AS n FROM email_tallies t \
                     WHERE {tallied} AND t.status = 2 GROUP BY t.lane, t.scope HAVING sum(t.n) > 0) AS c CROSS JOIN LATERAL \
                     (SELECT q.* FROM email_queue q WHERE q.lane = c.lane AND q.scope = c.scope AND q.due_at IS NOT NULL \
                      AND q.status = 2 ORDER BY q.due_at LIMIT c.n) AS q WHERE {conditions}"
                )
            }
            Dialect::Sqlite => {
                let conditions = self.conditions(text, |part| !Way::Sending.finds(part)) + &self.span(text);
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
        let mut meant = format!("t.status < {}", tally::PENDING);
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

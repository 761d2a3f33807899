//! What is asked of events, as SQL: ordered runs of index entries, each read from its end, so many as the page holds, and
//! merged. The texts depend on which parts a filter has, never on their values.
//!
//! On SQLite the index is named; on PostgreSQL a plan that knows no parameter can prefer no other, as the planner is told that
//! what runs begin with is rare.

use entity::delivery_event::Kind;
use sea_orm::{ActiveEnum, Statement};
use uuid::Uuid;

use super::{Filter, Seqs};
use crate::filter::{Order, Text};
use crate::rows::Rows;
use crate::store::{Dialect, Store};

/// The kinds that a bit mask names, as a table.
const KINDS: &str = "(SELECT k.kind FROM (SELECT 0 AS kind UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 \
     UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) AS k \
     WHERE ((1 << k.kind) & {mask}) <> 0)";

/// Every kind's bit.
const ALL: i32 = (1 << 10) - 1;

/// How an index finds events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// In the table itself, by number.
    Numbers,
    /// One run of an email.
    Email,
    /// One run of an address.
    Address,
    /// A run for each kind of a campaign.
    Campaign,
    /// A run for each kind.
    Kinds,
}

/// The events of these numbers that a filter means, in an order.
pub(super) struct Runs<'a> {
    pub filter: &'a Filter,
    pub seqs: Seqs,
    pub order: Order,
}

impl Filter {
    pub(super) fn way(&self) -> Way {
        match self {
            Filter { email: Some(_), .. } => Way::Email,
            Filter { address_key: Some(_), .. } => Way::Address,
            Filter { campaign: Some(_), .. } => Way::Campaign,
            Filter { kinds, .. } if !kinds.is_empty() => Way::Kinds,
            Filter { .. } => Way::Numbers,
        }
    }

    /// One bit for each kind that it means, so that the text is the same for any set of them.
    fn mask(&self) -> i32 {
        if self.kinds.is_empty() { ALL } else { self.kinds.iter().fold(0, |mask, kind| mask | 1 << kind.to_value()) }
    }
}

impl Runs<'_> {
    /// `columns` of the first `most` rows `e`.
    pub fn page(&self, store: &Store, columns: &str, most: u64) -> Statement {
        let mut text = Text::new(store);
        let merged = self.merged(&mut text, most);
        let (word, limit) = (self.order.word(), text.bind(most as i64));
        let first = format!("SELECT m.seq FROM ({merged}) AS m ORDER BY m.seq {word} LIMIT {limit}");
        text.statement(format!(
            "SELECT {columns} FROM ({first}) AS n JOIN email_delivery_events e ON e.seq = n.seq ORDER BY n.seq {word}"
        ))
    }

    /// How many there are, up to `most`, as `n`.
    pub fn count(&self, store: &Store, most: u64) -> Statement {
        let mut text = Text::new(store);
        let merged = self.merged(&mut text, most);
        let limit = text.bind(most as i64);
        let few = format!("SELECT 1 AS one FROM ({merged}) AS m LIMIT {limit}");
        text.statement(format!("SELECT count(*) AS n FROM ({few}) AS few"))
    }

    /// The numbers of all runs, of each the first `most`.
    fn merged(&self, text: &mut Text<'_>, most: u64) -> String {
        let (filter, way) = (self.filter, self.filter.way());
        let mut all =
            vec![format!("e.seq >= {} AND e.seq <= {}", text.bind(self.seqs.first), text.bind(self.seqs.last))];
        all.extend(filter.email.map(|id| format!("e.email_id = {}", text.bind(id))));
        all.extend(filter.address_key.clone().map(|key| format!("e.recipient_key = {}", text.bind(key))));
        all.extend(filter.campaign.map(|id| format!("e.campaign_id = {}", text.bind(id))));
        all.extend(filter.since.map(|since| format!("e.occurred_at >= {}", text.bind(since))));
        all.extend(filter.until.map(|until| format!("e.occurred_at < {}", text.bind(until))));
        let (index, by_kind) = match way {
            Way::Numbers => ("", false),
            Way::Email => ("INDEXED BY email_delivery_events_email", false),
            Way::Address => ("INDEXED BY email_delivery_events_recipient", false),
            Way::Campaign => ("INDEXED BY email_delivery_events_campaign", true),
            Way::Kinds => ("INDEXED BY email_delivery_events_kind", true),
        };
        let mask = filter.mask();
        if way == Way::Kinds {
            // The index is partial by this, so that a campaign's run, whose kind is the same column, can't be taken for one of it.
            all.push("e.kind >= 0".to_owned());
        }
        if by_kind {
            all.push("e.kind = c.kind".to_owned());
        } else if mask != ALL {
            all.push(format!("((1 << e.kind) & {}) <> 0", text.bind(mask)));
        }
        let conditions = all.join(" AND ");
        let cells = by_kind.then(|| KINDS.replacen("{mask}", &text.bind(mask), 1));
        let end = format!("ORDER BY e.seq {} LIMIT {}", self.order.word(), text.bind(most as i64));
        match (cells, text.store.dialect()) {
            (None, Dialect::Postgres) => {
                format!("SELECT x.seq FROM (SELECT e.seq FROM email_delivery_events e WHERE {conditions} {end}) AS x")
            }
            (None, Dialect::Sqlite) => {
                format!(
                    "SELECT x.seq FROM (SELECT e.seq FROM email_delivery_events e {index} WHERE {conditions} {end}) AS x"
                )
            }
            (Some(cells), Dialect::Postgres) => format!(
                "SELECT x.seq FROM {cells} AS c CROSS JOIN LATERAL \
                 (SELECT e.seq FROM email_delivery_events e WHERE {conditions} {end}) AS x"
            ),
            (Some(cells), Dialect::Sqlite) => format!(
                "SELECT x.seq FROM {cells} AS c CROSS JOIN email_delivery_events x ON x.seq IN \
                 (SELECT e.seq FROM email_delivery_events e {index} WHERE {conditions} {end})"
            ),
        }
    }
}

/// `columns` of the first `most` rows `e` of each of these emails.
pub(super) fn of_each(store: &Store, columns: &str, emails: &[Uuid], seqs: Seqs, order: Order, most: u64) -> Statement {
    let mut emails = emails.to_vec();
    emails.sort_unstable();
    emails.dedup();
    let word = order.word();
    let run = |index: &str| {
        format!(
            "SELECT o.seq FROM email_delivery_events o {index} WHERE o.email_id = v.email_id AND o.seq >= $1 AND o.seq <= $2 \
             ORDER BY o.seq {word} LIMIT $3"
        )
    };
    let from = match store.dialect() {
        Dialect::Postgres => {
            format!("{{rows}} AS v CROSS JOIN LATERAL ({}) AS n JOIN email_delivery_events e ON e.seq = n.seq", run(""))
        }
        Dialect::Sqlite => format!(
            "{{rows}} AS v CROSS JOIN email_delivery_events e ON e.seq IN ({})",
            run("INDEXED BY email_delivery_events_email")
        ),
    };
    let text = format!("SELECT {columns} FROM {from} ORDER BY e.email_id, e.seq {word}");
    let values = [seqs.first.into(), seqs.last.into(), (most as i64).into()];
    store.sql_rows(&text, values, Rows::new().uuid("email_id", emails))
}

const _: () = assert!(ALL == (1 << (Kind::Unknown as i32 + 1)) - 1);

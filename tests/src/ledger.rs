//! The promise that the numbers add up, as a test can ask it at any moment.

use std::collections::BTreeMap;

use jobs::Context;
use jobs::store::{Dialect, rows};
use sea_orm::{IsolationLevel, TransactionTrait};

/// Every tally, summed over its shards, equals the rows it counts: emails, and recipients who have none yet; and every FAILED
/// row, and no other, stands in `email_failures`.
///
/// # Panics
/// When a number is off, naming lane, scope and status, or the database can't be asked.
pub async fn assert_ledger_equals_rows(ctx: &Context) {
    // One snapshot for all questions, since others may write meanwhile. SQLite's transactions have nothing else.
    let isolation = (ctx.store.dialect() == Dialect::Postgres).then_some(IsolationLevel::RepeatableRead);
    let snapshot = ctx.store.write().begin_with_config(isolation, None).await.expect("a transaction");
    let counts = async |text: String| {
        let found = rows(&snapshot, ctx.store.sql(text, [])).await.expect("an answer");
        let read = |row: &sea_orm::QueryResult| {
            let at: (i16, i32, i16) = (row.try_get("", "lane")?, row.try_get("", "scope")?, row.try_get("", "status")?);
            Ok::<_, sea_orm::DbErr>((at, row.try_get::<i64>("", "n")?))
        };
        found.iter().map(read).collect::<Result<BTreeMap<_, _>, _>>().expect("a row of numbers")
    };
    let pending = entity::tally::PENDING;
    let tallies = counts(format!(
        "SELECT lane, scope, status, CAST(sum(n) AS bigint) AS n FROM email_tallies WHERE status < {pending} \
         GROUP BY lane, scope, status HAVING sum(n) <> 0"
    ));
    let queue = "SELECT lane, scope, status, count(*) AS n FROM email_queue GROUP BY lane, scope, status";
    let queue = counts(queue.to_owned()).await;
    assert_eq!(
        tallies.await,
        queue,
        "the tallies (left) count other rows than there are (right): (lane, scope, status) → n"
    );
    let waiting = counts(format!(
        "SELECT lane, scope, status, CAST(sum(n) AS bigint) AS n FROM email_tallies WHERE status = {pending} \
         GROUP BY lane, scope, status HAVING sum(n) <> 0"
    ));
    let recipients = "SELECT k.lane, k.scope, CAST(98 AS smallint) AS status, count(*) AS n FROM campaign_recipients r \
         JOIN campaigns k ON k.id = r.campaign_id WHERE r.email_id IS NULL GROUP BY k.lane, k.scope";
    assert_eq!(
        waiting.await,
        counts(recipients.to_owned()).await,
        "the pending tallies (left) are not the recipients (right)"
    );
    let failures =
        "SELECT lane, scope, CAST(9 AS smallint) AS status, count(*) AS n FROM email_failures GROUP BY lane, scope";
    let failed: BTreeMap<_, _> = queue.into_iter().filter(|((_, _, status), _)| *status == 9).collect();
    assert_eq!(counts(failures.to_owned()).await, failed, "email_failures (left) are not the FAILED rows (right)");
}

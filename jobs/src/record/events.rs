//! The rows of `email_delivery_events`: what stands beside the sealed payload, written last and numbered by the clock.

use chrono::{DateTime, Utc};
use entity::delivery_event::{Kind as Stored, Model, Source};
use entity::suppression::BounceType;
use sea_orm::{ActiveEnum, ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, Value};
use uuid::Uuid;

use crate::error::Result;
use crate::event::{Client, Event, Failure, Kind};
use crate::rows::Rows;
use crate::store::{Dialect, execute, rows};
use crate::{Context, erase};

/// Who an event is about, as far as that was found.
#[derive(Clone, Debug, Default)]
pub struct About {
    pub email: Option<Uuid>,
    pub campaign: Option<Uuid>,
    pub copy: bool,
    pub recipient: Option<String>,
}

impl About {
    /// As a row has it.
    pub fn of(row: &Model) -> Self {
        Self { email: row.email_id, campaign: row.campaign_id, copy: row.copy, recipient: row.recipient_key.clone() }
    }
}

/// The row of an event, not yet numbered.
pub fn row(id: Uuid, source: Source, event: &Event, about: About, now: DateTime<Utc>, seal: Uuid, raw: &[u8]) -> Model {
    let mut row = Model {
        seq: 0,
        id,
        kind: event.kind.stored(),
        source,
        email_id: about.email,
        campaign_id: about.campaign,
        copy: about.copy,
        recipient_key: about.recipient,
        domain: Some(event.domain.clone()).filter(|domain| !domain.is_empty()),
        occurred_at: event.occurred_at,
        recorded_at: now,
        provider_id: event.id.clone(),
        name: None,
        smtp_code: None,
        enhanced_code: None,
        reason: None,
        message: None,
        bounce_type: None,
        attempt: None,
        bot: None,
        client: None,
        country: None,
        url: None,
        seal_id: seal,
        raw: raw.to_vec(),
    };
    match &event.kind {
        Kind::Bounced(failure) => {
            row.bounce_type = Some(failure.bounce_kind());
            describe_failure(&mut row, failure);
        }
        Kind::Deferred(failure) => describe_failure(&mut row, failure),
        Kind::Opened(client) => describe_client(&mut row, client),
        Kind::Clicked { url, client } => {
            row.url.clone_from(url);
            describe_client(&mut row, client);
        }
        Kind::Rejected { reason } => row.reason.clone_from(reason),
        Kind::Unknown { name } => row.name = Some(name.clone()),
        Kind::Accepted | Kind::Delivered | Kind::Complained | Kind::Unsubscribed => {}
    }
    erase::strip(&mut row);
    row
}

/// Under which keys an event may have become known: by the recipient it names, or by none where its email's own was meant.
pub fn keys_of(row: &Model) -> [Uuid; 2] {
    let named = event(row);
    let unnamed = Event { recipient: None, ..named.clone() };
    [named.key(&[]), unnamed.key(&[])]
}

fn describe_failure(row: &mut Model, failure: &Failure) {
    row.smtp_code = failure.code;
    row.enhanced_code.clone_from(&failure.enhanced);
    row.reason.clone_from(&failure.reason);
    row.message.clone_from(&failure.message);
    row.attempt = failure.attempt;
}

fn describe_client(row: &mut Model, client: &Client) {
    row.bot.clone_from(&client.bot);
    row.client.clone_from(&client.name);
    row.country.clone_from(&client.country);
}

/// The event that a row tells of, as far as facts and counters need it.
pub fn event(row: &Model) -> Event {
    Event {
        kind: kind(row),
        id: row.provider_id.clone(),
        occurred_at: row.occurred_at,
        recipient: row.recipient_key.clone(),
        domain: row.domain.clone().unwrap_or_default(),
        message_id: None,
        email: row.email_id,
        tags: Vec::new(),
    }
}

fn kind(row: &Model) -> Kind {
    let failure = || Failure {
        reason: row.reason.clone(),
        code: row.smtp_code,
        enhanced: row.enhanced_code.clone(),
        message: row.message.clone(),
        bounce_type: row.bounce_type.map(|kind| if kind == BounceType::Hard { "hard" } else { "soft" }.to_owned()),
        attempt: row.attempt,
    };
    let client = || Client { bot: row.bot.clone(), name: row.client.clone(), country: row.country.clone() };
    match row.kind {
        Stored::Accepted => Kind::Accepted,
        Stored::Delivered => Kind::Delivered,
        Stored::Deferred => Kind::Deferred(failure()),
        Stored::Bounced => Kind::Bounced(failure()),
        Stored::Opened => Kind::Opened(client()),
        Stored::Clicked => Kind::Clicked { url: row.url.clone(), client: client() },
        Stored::Complained => Kind::Complained,
        Stored::Unsubscribed => Kind::Unsubscribed,
        Stored::Rejected => Kind::Rejected { reason: row.reason.clone() },
        Stored::Unknown => Kind::Unknown { name: row.name.clone().unwrap_or_default() },
    }
}

const COLUMNS: &str = "id, kind, source, email_id, campaign_id, copy, recipient_key, domain, occurred_at, recorded_at, \
     provider_id, name, smtp_code, enhanced_code, reason, message, bounce_type, attempt, bot, client, country, url, seal_id, raw";

/// Numbers the rows in their order and stores them. The clock's row is locked from here to the commit, so that numbers become
/// visible in their order; nothing that could wait may come after. Answers the last number.
///
/// `last` is the last number where they were taken beforehand, which only the fault suite does.
pub async fn store(tx: &DatabaseTransaction, ctx: &Context, events: &[Model], last: Option<i64>) -> Result<i64> {
    let n = events.len() as i64;
    let values = columns(events)
        .int("source", events.iter().map(|e| e.source.to_value()))
        .time("recorded_at", events.iter().map(|e| e.recorded_at))
        .uuid("seal_id", events.iter().map(|e| e.seal_id))
        .bytes("raw", events.iter().map(|e| e.raw.clone()))
        .int("pos", 1..=n);
    let columns = COLUMNS.replace(", ", ", v.");
    match ctx.store.dialect() {
        Dialect::Postgres if last.is_none() => {
            let text = format!(
                "WITH clock AS ({TICK}), kept AS (INSERT INTO email_delivery_events (seq, {COLUMNS}) \
                 SELECT clock.seq - $1 + v.pos, v.{columns} FROM clock CROSS JOIN {{rows}} AS v) SELECT seq FROM clock"
            );
            read_clock(rows(tx, ctx.store.sql_rows(&text, [Value::from(n)], values)).await?.first())
        }
        Dialect::Postgres | Dialect::Sqlite => {
            let last = match last {
                Some(last) => last,
                None => number(tx, ctx, n).await?,
            };
            let text = format!(
                "INSERT INTO email_delivery_events (seq, {COLUMNS}) SELECT $1 + v.pos, v.{columns} FROM {{rows}} AS v"
            );
            execute(tx, ctx.store.sql_rows(&text, [Value::from(last - n)], values)).await?;
            Ok(last)
        }
    }
}

const TICK: &str = "UPDATE event_clock SET seq = seq + $1 WHERE id = 1 RETURNING seq";

/// Takes `n` numbers, which nobody else gets before the transaction of `db` has ended. Answers the last.
pub async fn number(db: &impl ConnectionTrait, ctx: &Context, n: i64) -> Result<i64> {
    read_clock(rows(db, ctx.store.sql(TICK, [Value::from(n)])).await?.first())
}

fn read_clock(row: Option<&QueryResult>) -> Result<i64> {
    let row = row.ok_or_else(|| DbErr::RecordNotFound("the events' clock".into()))?;
    Ok(row.try_get("", "seq")?)
}

/// Brings stored rows up to a new reading: everything but their numbers, times of recording and payloads.
pub async fn update(tx: &DatabaseTransaction, ctx: &Context, events: &[Model]) -> Result<()> {
    let text = "UPDATE email_delivery_events AS e SET kind = v.kind, email_id = v.email_id, campaign_id = v.campaign_id, \
         copy = v.copy, recipient_key = v.recipient_key, domain = v.domain, occurred_at = v.occurred_at, \
         provider_id = v.provider_id, name = v.name, smtp_code = v.smtp_code, enhanced_code = v.enhanced_code, \
         reason = v.reason, message = v.message, bounce_type = v.bounce_type, attempt = v.attempt, bot = v.bot, \
         client = v.client, country = v.country, url = v.url FROM {rows} AS v WHERE e.id = v.id";
    execute(tx, ctx.store.sql_rows(text, [], columns(events))).await?;
    Ok(())
}

fn columns(events: &[Model]) -> Rows {
    let all = || events.iter();
    Rows::new()
        .uuid("id", all().map(|e| e.id))
        .int("kind", all().map(|e| e.kind.to_value()))
        .uuid("email_id", all().map(|e| e.email_id))
        .uuid("campaign_id", all().map(|e| e.campaign_id))
        .flag("copy", all().map(|e| e.copy))
        .text("recipient_key", all().map(|e| e.recipient_key.clone()))
        .text("domain", all().map(|e| e.domain.clone()))
        .time("occurred_at", all().map(|e| e.occurred_at))
        .text("provider_id", all().map(|e| e.provider_id.clone()))
        .text("name", all().map(|e| e.name.clone()))
        .maybe_int("smtp_code", all().map(|e| e.smtp_code.map(i64::from)))
        .text("enhanced_code", all().map(|e| e.enhanced_code.clone()))
        .text("reason", all().map(|e| e.reason.clone()))
        .text("message", all().map(|e| e.message.clone()))
        .maybe_int("bounce_type", all().map(|e| e.bounce_type.map(|kind| kind.to_value().into())))
        .maybe_int("attempt", all().map(|e| e.attempt.map(i64::from)))
        .text("bot", all().map(|e| e.bot.clone()))
        .text("client", all().map(|e| e.client.clone()))
        .text("country", all().map(|e| e.country.clone()))
        .text("url", all().map(|e| e.url.clone()))
}

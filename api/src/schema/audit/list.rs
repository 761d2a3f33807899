//! Reading the audit log.

use std::collections::HashMap;
use std::net::IpAddr;

use async_graphql::{Context, Enum, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use entity::audit_entry::{Model, Outcome};
use entity::{ApiScope, EmailAddress};
use futures::FutureExt;
use jobs::audit::{self, Filter};
use jobs::filter::Order;
use serde_json::Value;
use uuid::Uuid;

use crate::auth::{ADMIN, keys};
use crate::schema::asked::Asked;
use crate::schema::count::int;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::key::ApiKey;
use crate::schema::node::Kind;
use crate::schema::page::{Connection, List, Slice, Totals};

/// What ADMIN_API_KEY is called, which is in no list of keys.
const ADMIN_KEY: &str = "admin";
/// What begins the name of somebody who showed a token.
const TOKEN: &str = "token";

/// Who did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum AuditActorKind {
    /// The holder of an API key.
    ApiKey,
    /// The holder of ADMIN_API_KEY.
    AdminKey,
    /// Somebody with a token (JWT).
    Token,
    /// Whoever has the command line, or the service itself when it first started.
    CommandLine,
}

/// Something that was done or tried: a mutation, or a command that changes or hands out something.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    id: ID,
    row: Model,
    key: Option<ApiKey>,
}

/// Something that was done or tried: a mutation, or a command that changes or hands out something.
#[Object]
impl AuditEntry {
    /// Names it in the whole service.
    pub async fn id(&self) -> &ID {
        &self.id
    }

    /// When it began.
    async fn at(&self) -> DateTime<Utc> {
        self.row.at()
    }

    /// The mutation, such as `cancelEmail`, or the words of the command, such as `suppressions export`.
    async fn operation(&self) -> &str {
        &self.row.operation
    }

    /// What came of it.
    async fn outcome(&self) -> Outcome {
        self.row.outcome
    }

    /// The code of the first mistake or error, such as `FORBIDDEN`; null where there was none.
    async fn code(&self) -> Option<&str> {
        self.row.code.as_deref()
    }

    /// What kind of credential was shown.
    async fn actor_kind(&self) -> AuditActorKind {
        match (self.row.actor, &self.key) {
            (None, _) => AuditActorKind::CommandLine,
            (Some(ADMIN), _) => AuditActorKind::AdminKey,
            (Some(_), Some(_)) => AuditActorKind::ApiKey,
            (Some(_), None) => AuditActorKind::Token,
        }
    }

    /// Who: an API key's id, `admin`, or what stands for a token's subject, always the same; null for the command line. What
    /// `AuditFilter.actorId` takes.
    async fn actor_id(&self) -> Option<String> {
        let actor = self.row.actor?;
        Some(match &self.key {
            Some(key) => key.id.to_string(),
            None if actor == ADMIN => ADMIN_KEY.to_owned(),
            None => format!("{TOKEN}:{actor}"),
        })
    }

    /// The API key; null for others.
    async fn api_key(&self) -> Option<&ApiKey> {
        self.key.as_ref()
    }

    /// The address of the client; null for the command line.
    async fn origin(&self) -> Option<&str> {
        self.row.origin.as_deref()
    }

    /// How it came in: `POST /graphql`, `WebSocket /graphql`, a method and a REST path, or a command.
    async fn via(&self) -> &str {
        &self.row.via
    }

    /// What it is about: an id, `domain:` and a sending domain, `priority:` and a priority, or `queue`; null where it is about many
    /// things or nothing.
    async fn subject(&self) -> Option<&str> {
        self.row.subject.as_deref()
    }

    /// How many things it changed or handed out.
    async fn done(&self) -> i32 {
        int(self.row.done)
    }

    /// Why, as whoever did it said.
    async fn reason(&self) -> Option<&str> {
        self.row.reason.as_deref()
    }

    /// What was asked for: choices, numbers, times and ids; of texts only that they were given (`…`), of lists how long they were.
    async fn arguments(&self) -> Result<Option<Value>, Fault> {
        read(self.row.arguments.as_deref())
    }

    /// How its subject stood; null where nothing is to be told.
    async fn before(&self) -> Result<Option<Value>, Fault> {
        read(self.row.state_before.as_deref())
    }

    /// How it stood afterwards; null where nothing is to be told.
    async fn after(&self) -> Result<Option<Value>, Fault> {
        read(self.row.state_after.as_deref())
    }
}

fn read(stored: Option<&str>) -> Result<Option<Value>, Fault> {
    Ok(stored.map(serde_json::from_str).transpose().map_err(jobs::Error::from)?)
}

/// Entries that meet every part that is given; without any, all.
#[derive(Debug, Default, InputObject)]
pub struct AuditFilter {
    /// Begun from this time on.
    from: Option<DateTime<Utc>>,
    /// Begun before this time.
    until: Option<DateTime<Utc>>,
    /// By whom, as entries have it: an API key's id, `admin`, or `token:` and what stands for its subject.
    actor_id: Option<String>,
    /// This mutation or command.
    operation: Option<String>,
    /// What came of it.
    outcomes: Option<Vec<Outcome>>,
    /// About the thing with this id. Of an email that came with others in one call, the call is not found by it.
    subject: Option<String>,
    /// About this address: what suppressed it, lifted it, exported, erased or revealed it.
    recipient: Option<EmailAddress>,
    /// From this address of a client.
    origin: Option<String>,
    /// Only sends (`sendEmail`, `sendEmails`), of which there are many; or, if false, everything else.
    sends: Option<bool>,
}

impl AuditFilter {
    /// What is meant; `None` where nothing can be.
    async fn read(self, ctx: &jobs::Context) -> Result<Option<Filter>, Fault> {
        let actor = self.actor_id.as_deref().map(actor).transpose()?;
        let origin = self.origin.map(|text| address(&text)).transpose()?;
        let recipient = match self.recipient {
            None => None,
            Some(address) => match audit::known_recipient(ctx, &address.key()).await? {
                None => return Ok(None),
                known => known,
            },
        };
        Ok(Some(Filter {
            from: self.from,
            until: self.until,
            actor,
            operation: self.operation,
            outcomes: self.outcomes.unwrap_or_default(),
            subject: self.subject,
            recipient,
            origin,
            sends: self.sends,
        }))
    }
}

/// Who is named so.
fn actor(text: &str) -> Result<Uuid, Fault> {
    if text == ADMIN_KEY {
        return Ok(ADMIN);
    }
    let token = || text.strip_prefix(TOKEN)?.strip_prefix(':')?.parse().ok();
    let wrong = || Fault::bad_input("actorId is neither an API key's id nor admin nor token: and a UUID");
    Kind::ApiKey.read(text).or_else(token).ok_or_else(wrong)
}

/// A client's address in the one spelling that entries have.
fn address(text: &str) -> Result<String, Fault> {
    let parsed = text.trim().parse::<IpAddr>();
    parsed.map(|address| address.to_canonical().to_string()).map_err(|_| Fault::bad_input("origin is no IP address"))
}

/// The API keys of some entries, by id.
struct Named(HashMap<Uuid, ApiKey>);

impl Named {
    async fn of(ctx: &jobs::Context, entries: &[Model]) -> Result<Self, Fault> {
        let actors = entries.iter().filter_map(|entry| entry.actor).collect();
        let named = keys::with_ids(&ctx.store, actors).await.map_err(jobs::Error::from)?;
        Ok(Self(named.into_iter().map(|key| (key.id, key.into())).collect()))
    }

    fn entry(&self, row: Model) -> AuditEntry {
        let key = row.actor.and_then(|actor| self.0.get(&actor).cloned());
        AuditEntry { id: Kind::AuditEntry.id(row.id), row, key }
    }
}

/// Entries by id, for whoever may see the log.
///
/// # Errors
/// That the caller may not; the database's own.
pub async fn with_ids(ctx: &Context<'_>, ids: Vec<Uuid>) -> Result<HashMap<Uuid, AuditEntry>, Fault> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    if !ctx.principal()?.scopes.allow(ApiScope::Admin) {
        return Err(Fault::Forbidden(ApiScope::Admin));
    }
    let app = &ctx.app()?.ctx;
    let found = audit::with_ids(app, &ids).await?;
    let named = Named::of(app, &found).await?;
    Ok(found.into_iter().map(|row| (row.id, named.entry(row))).collect())
}

/// The audit log.
#[derive(Default)]
pub struct AuditQueries;

#[Object]
impl AuditQueries {
    /// What was done or tried, by whom, from where, and what came of it: every mutation, and the commands that change or hand out
    /// something; the newest first. 25 at a time unless asked otherwise, 100 at most. A page takes as long among millions of entries
    /// as among few. Where few of many meet the filter, it may hold fewer than asked for, or none, while `pageInfo` says that there
    /// is more: go on from its cursor. Requires the scope ADMIN.
    #[graphql(guard = "Needs(ApiScope::Admin)")]
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the beginning, or after `after`.")] first: Option<i32>,
        #[graphql(desc = "A cursor to go on after.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "A cursor to go back from.")] before: Option<String>,
        #[graphql(desc = "Which entries; without it, all.")] filter: Option<AuditFilter>,
    ) -> Result<Connection<AuditEntry>, Fault> {
        let app = &ctx.app()?.ctx;
        let page = Slice { first, after, last, before }.page(List::Audit)?;
        // An address that no entry is about: nobody's id finds nothing.
        let nothing = Filter { actor: Some(Uuid::nil()), ..Filter::default() };
        let filter = filter.unwrap_or_default().read(app).await?.unwrap_or(nothing);
        let found = audit::list(app, &filter, page, Order::Descending).await?;
        let named = Named::of(app, &found.page.items).await?;
        let totals = Totals::of(filter, |ctx, filter| audit::count(ctx, filter).boxed());
        let wrap = |row: Model| (row.id, named.entry(row));
        Ok(Connection::looked(List::Audit, page, found, totals, wrap))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    #[test]
    fn an_actor_is_read_as_it_is_told() {
        let id = Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0007);
        assert_eq!(actor("admin").unwrap(), ADMIN);
        assert_eq!(actor(&format!("api-key:{id}")).unwrap(), id);
        assert_eq!(actor(&format!("token:{id}")).unwrap(), id);
        for other in ["", "token", "token:", "email:7", &format!("email:{id}"), &id.to_string()] {
            assert!(actor(other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn an_address_has_one_spelling() {
        assert_eq!(address(" 192.0.2.1 ").unwrap(), "192.0.2.1");
        assert_eq!(address("2001:DB8:0:0::1").unwrap(), "2001:db8::1");
        assert_eq!(address("::ffff:192.0.2.1").unwrap(), "192.0.2.1");
        assert!(address("localhost").is_err());
    }
}

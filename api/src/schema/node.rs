//! Global ids: the kind of a thing and its UUID, so that an id names one thing in the whole service.

use std::collections::HashMap;

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, ID, Interface, Object};
use entity::ApiScope;
use uuid::Uuid;

use super::asked::Asked;
use super::audit::{self, AuditEntry};
use super::campaign::{self, Campaign, Campaigns};
use super::delivery_event::{
    Accepted, Bounced, Clicked, Complained, Deferred, Delivered, DeliveryEvent, Opened, Rejected, Unknown, Unsubscribed,
};
use super::email::Email;
use super::endpoint::{self, EventDispatch, EventEndpoint};
use super::fault::Fault;
use super::guard::Needs;
use super::key::ApiKey;
use super::lead::{self, Lead, Leads};
use super::loader::{Emails, Events};
use super::suppression::{Entries, Suppression};
use super::template::{self, Template, Templates};
use crate::auth::keys;

/// As many things as one call may ask for.
const MOST: usize = 100;

/// A thing with an id of its own.
#[derive(Clone, Interface)]
#[graphql(field(name = "id", ty = "&ID", desc = "Names this thing in the whole service."))]
pub enum Node {
    /// An email.
    Email(Email),
    /// An API key.
    ApiKey(ApiKey),
    /// An entry of the suppression list.
    Suppression(Suppression),
    /// A lead.
    Lead(Lead),
    /// A template.
    Template(Template),
    /// A campaign.
    Campaign(Campaign),
    /// An entry of the audit log.
    AuditEntry(AuditEntry),
    /// An application that is told of events.
    EventEndpoint(EventEndpoint),
    /// An event that an endpoint was told of.
    EventDispatch(EventDispatch),
    /// An event: Mailgun took an email.
    Accepted(Accepted),
    /// An event: it arrived.
    Delivered(Delivered),
    /// An event: it is tried again.
    Deferred(Deferred),
    /// An event: it came back.
    Bounced(Bounced),
    /// An event: it was opened.
    Opened(Opened),
    /// An event: a link in it was followed.
    Clicked(Clicked),
    /// An event: it was reported as spam.
    Complained(Complained),
    /// An event: its recipient opted out.
    Unsubscribed(Unsubscribed),
    /// An event: Mailgun refused it.
    Rejected(Rejected),
    /// An event: something that this version has no name for.
    Unknown(Unknown),
}

impl From<DeliveryEvent> for Node {
    fn from(event: DeliveryEvent) -> Self {
        match event {
            DeliveryEvent::Accepted(event) => Node::Accepted(event),
            DeliveryEvent::Delivered(event) => Node::Delivered(event),
            DeliveryEvent::Deferred(event) => Node::Deferred(event),
            DeliveryEvent::Bounced(event) => Node::Bounced(event),
            DeliveryEvent::Opened(event) => Node::Opened(event),
            DeliveryEvent::Clicked(event) => Node::Clicked(event),
            DeliveryEvent::Complained(event) => Node::Complained(event),
            DeliveryEvent::Unsubscribed(event) => Node::Unsubscribed(event),
            DeliveryEvent::Rejected(event) => Node::Rejected(event),
            DeliveryEvent::Unknown(event) => Node::Unknown(event),
        }
    }
}

/// What an id may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An email.
    Email,
    /// A campaign.
    Campaign,
    /// A template.
    Template,
    /// A lead.
    Lead,
    /// An API key.
    ApiKey,
    /// A delivery event.
    DeliveryEvent,
    /// An entry of the suppression list.
    Suppression,
    /// An entry of the audit log.
    AuditEntry,
    /// An application that is told of events.
    EventEndpoint,
    /// An event that an endpoint was told of.
    EventDispatch,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Email => "email",
            Kind::Campaign => "campaign",
            Kind::Template => "template",
            Kind::Lead => "lead",
            Kind::ApiKey => "api-key",
            Kind::DeliveryEvent => "delivery-event",
            Kind::Suppression => "suppression",
            Kind::AuditEntry => "audit-entry",
            Kind::EventEndpoint => "event-endpoint",
            Kind::EventDispatch => "event-dispatch",
        }
    }

    /// The global id of a thing of this kind.
    pub fn id(self, uuid: Uuid) -> ID {
        ID(format!("{}:{uuid}", self.name()))
    }

    /// The UUID in a global id of this kind; `None` when it is no such id.
    pub fn read(self, id: &str) -> Option<Uuid> {
        let (name, uuid) = id.split_once(':')?;
        // One spelling for one thing: an id may be compared as a text.
        let uuid = Uuid::parse_str(uuid).ok().filter(|parsed| parsed.to_string() == uuid)?;
        (name == self.name()).then_some(uuid)
    }
}

/// Things by id.
#[derive(Default)]
pub struct NodeQueries;

#[Object]
impl NodeQueries {
    /// The thing with this id; null when there is none. An API key other than your own and an entry of the audit log need ADMIN, an
    /// endpoint MANAGE. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn node(&self, ctx: &Context<'_>, #[graphql(desc = "Its id.")] id: ID) -> Option<Result<Node, Fault>> {
        one(ctx, &id).await.transpose()
    }

    /// The things with these ids, each at its id's place; null where there is none. At most 100. API keys other than your own
    /// and entries of the audit log need ADMIN, endpoints MANAGE. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Their ids.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>, Fault> {
        if ids.len() > MOST {
            return Err(Fault::bad_input(format!("ids has {} entries; {MOST} are allowed", ids.len())));
        }
        let keys = api_keys(ctx, ids.iter().filter_map(|id| Kind::ApiKey.read(id)).collect()).await?;
        let emails = ctx.data_opt::<DataLoader<Emails>>().ok_or(Fault::Unattended)?;
        let emails = emails.load_many(ids.iter().filter_map(|id| Kind::Email.read(id))).await?;
        let events = ctx.data_opt::<DataLoader<Events>>().ok_or(Fault::Unattended)?;
        let events = events.load_many(ids.iter().filter_map(|id| Kind::DeliveryEvent.read(id))).await?;
        let entries = ctx.data_opt::<DataLoader<Entries>>().ok_or(Fault::Unattended)?;
        let entries = entries.load_many(ids.iter().filter_map(|id| Kind::Suppression.read(id))).await?;
        let leads = ctx.data_opt::<DataLoader<Leads>>().ok_or(Fault::Unattended)?;
        let leads = leads.load_many(ids.iter().filter_map(|id| Kind::Lead.read(id))).await?;
        let templates = ctx.data_opt::<DataLoader<Templates>>().ok_or(Fault::Unattended)?;
        let templates = templates.load_many(ids.iter().filter_map(|id| Kind::Template.read(id))).await?;
        let campaigns = ctx.data_opt::<DataLoader<Campaigns>>().ok_or(Fault::Unattended)?;
        let campaigns = campaigns.load_many(ids.iter().filter_map(|id| Kind::Campaign.read(id))).await?;
        let done = audit::with_ids(ctx, ids.iter().filter_map(|id| Kind::AuditEntry.read(id)).collect()).await?;
        let endpoints = endpoint::with_ids(ctx, ids.iter().filter_map(|id| Kind::EventEndpoint.read(id)).collect());
        let endpoints = endpoints.await?;
        let dispatches = endpoint::dispatches(ctx, ids.iter().filter_map(|id| Kind::EventDispatch.read(id)).collect());
        let dispatches = dispatches.await?;
        let node = |id: &ID| {
            let key = || keys.get(&Kind::ApiKey.read(id)?).cloned();
            let event = || Some(DeliveryEvent::from(events.get(&Kind::DeliveryEvent.read(id)?)?.clone()).into());
            let entry =
                || entries.get(&Kind::Suppression.read(id)?).cloned().map(Suppression::new).map(Node::Suppression);
            let lead = || leads.get(&Kind::Lead.read(id)?).cloned().map(Lead::new).map(Node::Lead);
            let template = || templates.get(&Kind::Template.read(id)?).cloned().map(Template::new).map(Node::Template);
            let campaign = || campaigns.get(&Kind::Campaign.read(id)?).cloned().map(Campaign::new).map(Node::Campaign);
            let done = || done.get(&Kind::AuditEntry.read(id)?).cloned().map(Node::AuditEntry);
            let endpoint = || endpoints.get(&Kind::EventEndpoint.read(id)?).cloned().map(Node::EventEndpoint);
            let dispatch = || dispatches.get(&Kind::EventDispatch.read(id)?).cloned().map(Node::EventDispatch);
            let email = || emails.get(&Kind::Email.read(id)?).cloned().map(email);
            email()
                .or_else(event)
                .or_else(entry)
                .or_else(lead)
                .or_else(campaign)
                .or_else(template)
                .or_else(endpoint)
                .or_else(dispatch)
                .or_else(key)
                .or_else(done)
        };
        Ok(ids.iter().map(node).collect())
    }
}

/// API keys by id, for whoever may see them: one's own, and all with ADMIN.
async fn api_keys(ctx: &Context<'_>, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Node>, Fault> {
    let principal = ctx.principal()?;
    if ids.iter().any(|id| *id != principal.key) && !principal.scopes.allow(ApiScope::Admin) {
        return Err(Fault::Forbidden(ApiScope::Admin));
    }
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let found = keys::with_ids(&ctx.app()?.ctx.store, ids).await.map_err(jobs::Error::from)?;
    Ok(found.into_iter().map(|key| (key.id, Node::ApiKey(key.into()))).collect())
}

async fn one(ctx: &Context<'_>, id: &ID) -> Result<Option<Node>, Fault> {
    if let Some(key) = Kind::ApiKey.read(id) {
        return Ok(api_keys(ctx, vec![key]).await?.remove(&key));
    }
    if let Some(entry) = Kind::AuditEntry.read(id) {
        return Ok(audit::with_ids(ctx, vec![entry]).await?.remove(&entry).map(Node::AuditEntry));
    }
    if let Some(id) = Kind::DeliveryEvent.read(id) {
        let events = ctx.data_opt::<DataLoader<Events>>().ok_or(Fault::Unattended)?;
        return Ok(events.load_one(id).await?.map(|event| DeliveryEvent::from(event).into()));
    }
    if let Some(id) = Kind::Suppression.read(id) {
        let entries = ctx.data_opt::<DataLoader<Entries>>().ok_or(Fault::Unattended)?;
        return Ok(entries.load_one(id).await?.map(|row| Node::Suppression(Suppression::new(row))));
    }
    if let Some(id) = Kind::Lead.read(id) {
        return Ok(lead::by_id(ctx, id).await?.map(Node::Lead));
    }
    if let Some(id) = Kind::Template.read(id) {
        return Ok(template::by_id(ctx, id).await?.map(Node::Template));
    }
    if let Some(id) = Kind::Campaign.read(id) {
        return Ok(campaign::by_id(ctx, id).await?.map(Node::Campaign));
    }
    if let Some(id) = Kind::EventEndpoint.read(id) {
        return Ok(endpoint::with_ids(ctx, vec![id]).await?.remove(&id).map(Node::EventEndpoint));
    }
    if let Some(id) = Kind::EventDispatch.read(id) {
        return Ok(endpoint::dispatches(ctx, vec![id]).await?.remove(&id).map(Node::EventDispatch));
    }
    let Some(id) = Kind::Email.read(id) else { return Ok(None) };
    Ok(jobs::find::email(&ctx.app()?.ctx, id).await?.map(email))
}

fn email(row: entity::email::Model) -> Node {
    Node::Email(Email::new(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_as_its_own_kind_alone() {
        let uuid = Uuid::from_u128(7);
        let id = Kind::Email.id(uuid);
        assert_eq!(*id, "email:00000000-0000-0000-0000-000000000007");
        assert_eq!(Kind::Email.read(&id), Some(uuid));
        assert_eq!(Kind::Campaign.read(&id), None);
    }

    #[test]
    fn what_is_no_id_names_nothing() {
        for text in [
            "",
            "email",
            "email:",
            ":",
            "email:7",
            "Email:00000000-0000-0000-0000-000000000007",
            "email:00000000000000000000000000000007",
            "email:00000000-0000-0000-0000-00000000000A ",
        ] {
            assert_eq!(Kind::Email.read(text), None, "{text:?}");
        }
    }
}

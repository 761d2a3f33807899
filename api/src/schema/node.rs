//! Global ids: the kind of a thing and its UUID, so that an id names one thing in the whole service.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, ID, Interface, Object};
use uuid::Uuid;

use super::asked::Asked;
use super::cost;
use super::email::Email;
use super::fault::Fault;
use super::loader::Emails;

/// As many things as one call may ask for.
const MOST: usize = 100;

/// A thing with an id of its own.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "&ID", desc = "Names this thing in the whole service."))]
pub enum Node {
    /// An email.
    Email(Email),
}

/// What an id may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An email.
    Email,
    /// A campaign.
    Campaign,
    /// A lead.
    Lead,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Email => "email",
            Kind::Campaign => "campaign",
            Kind::Lead => "lead",
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
    /// The thing with this id; null when there is none.
    async fn node(&self, ctx: &Context<'_>, #[graphql(desc = "Its id.")] id: ID) -> Result<Option<Node>, Fault> {
        let Some(id) = Kind::Email.read(&id) else { return Ok(None) };
        Ok(jobs::find::email(&ctx.app()?.ctx, id).await?.map(email))
    }

    /// The things with these ids, each at its id's place; null where there is none. At most 100.
    #[graphql(complexity = "cost::list(ids.len(), child_complexity)")]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Their ids.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>, Fault> {
        if ids.len() > MOST {
            return Err(Fault::bad_input(format!("ids has {} entries; {MOST} are allowed", ids.len())));
        }
        let emails = ctx.data_opt::<DataLoader<Emails>>().ok_or(Fault::Unattended)?;
        let found = emails.load_many(ids.iter().filter_map(|id| Kind::Email.read(id))).await?;
        let node = |id: &ID| found.get(&Kind::Email.read(id)?).cloned().map(email);
        Ok(ids.iter().map(node).collect())
    }
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

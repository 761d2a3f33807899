//! `email_provider_orders`: what one of Mailgun's lists is still to be told, written in the transaction that changed ours. One
//! order for each address and list: a later one takes the place of an earlier.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::provider_list::List;

/// One order.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_provider_orders")]
pub struct Model {
    /// Anew with each order, so that the outcome of an earlier one can't settle a later.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The sending domain, in ASCII.
    pub domain: String,
    pub list: List,
    /// It is the sandbox' list.
    pub sandbox: bool,
    /// The address key.
    pub target: String,
    /// Take it off the list; else put it there.
    pub lift: bool,
    /// Of bounces, what stands there as the error.
    pub note: Option<String>,
    /// When what it follows from happened.
    pub occurred_at: DateTime<Utc>,
    pub ordered_at: DateTime<Utc>,
    /// From when on it is to be tried.
    pub due_at: DateTime<Utc>,
    /// How often it was tried in vain.
    pub tries: i32,
    /// Mailgun's words then.
    pub last_error: Option<String>,
    /// When Mailgun's list had followed a lift. What was put there leaves this table.
    pub done_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Whether Mailgun's own lists have followed a lift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "ProviderLift")]
pub enum Lift {
    /// Not yet: until then Mailgun keeps email to the address back.
    Pending,
    /// The address stands in none of them any more.
    Done,
    /// Not after several tries, which go on: Mailgun keeps email to the address back, and somebody should look.
    Failed,
}

//! `email_scopes`: the small ids of campaign × sending domain, so that queue rows, tallies and the due index stay narrow.

use sea_orm::entity::prelude::*;

/// A campaign on a sending domain, or the single emails of a sending domain.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_scopes")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    /// The nil UUID for emails without a campaign, so that the pair is unique on both back ends.
    pub campaign_id: Uuid,
    pub sending_domain: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! The public contract: which questions may be asked and what may be done. `schema.graphql` at the repository's top is this,
//! written out. A room here is a noun: its object, its inputs and payloads, its queries and mutations.
//!
//! A resolver parses, calls one function of `jobs`, and wraps. What a person can mend is data (`userErrors`), everything else
//! an error with a code ([`fault`]).

mod alert;
mod asked;
mod audit;
mod campaign;
mod count;
mod delivery_event;
mod email;
mod endpoint;
mod erase;
mod failure;
pub mod fault;
mod guard;
mod hold;
mod key;
mod lead;
pub mod limits;
mod loader;
mod mask;
mod node;
mod page;
mod queue;
mod refusal;
mod retention;
mod suppression;
mod template;
#[cfg(test)]
mod tests;
mod timeline;
mod viewer;

use std::sync::Arc;

use async_graphql::{MergedObject, MergedSubscription, SDLExportOptions, SchemaBuilder};
use jobs::Context;
use uuid::Uuid;

pub use fault::Fault;

/// The schema of a running process.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// What may be asked.
#[derive(MergedObject, Default)]
pub struct Query(
    node::NodeQueries,
    viewer::ViewerQueries,
    email::EmailQueries,
    delivery_event::DeliveryEventQueries,
    failure::FailureQueries,
    queue::QueueQueries,
    hold::HoldQueries,
    key::KeyQueries,
    suppression::SuppressionQueries,
    suppression::SyncQueries,
    lead::LeadQueries,
    campaign::CampaignQueries,
    template::TemplateQueries,
    retention::RetentionQueries,
    audit::AuditQueries,
    alert::AlertQueries,
    endpoint::EndpointQueries,
);

/// What may be done. Each answers with what it did and, in `userErrors`, with what the caller can mend.
#[derive(MergedObject, Default)]
pub struct Mutation(
    email::SendMutations,
    email::ControlMutations,
    email::BulkMutations,
    hold::HoldMutations,
    queue::QueueMutations,
    key::KeyMutations,
    suppression::SuppressionMutations,
    suppression::SyncMutations,
    suppression::ExportMutations,
    campaign::CampaignMutations,
    template::TemplateMutations,
    erase::EraseMutations,
    audit::RevealMutations,
    endpoint::EndpointMutations,
    endpoint::DispatchMutations,
);

/// What may be followed.
#[derive(MergedSubscription, Default)]
pub struct Subscription(
    queue::QueueSubscriptions,
    email::EmailSubscriptions,
    delivery_event::DeliveryEventSubscriptions,
    campaign::CampaignSubscriptions,
    alert::AlertSubscriptions,
);

/// The campaign's UUID in its global id, or in a UUID.
pub fn campaign_id(text: &str) -> Option<Uuid> {
    node::Kind::Campaign.read(text).or_else(|| Uuid::parse_str(text).ok())
}

/// The global id of a campaign.
pub fn id_of_campaign(id: Uuid) -> String {
    node::Kind::Campaign.id(id).0
}

/// The global id of an API key.
pub fn id_of_key(id: Uuid) -> String {
    node::Kind::ApiKey.id(id).0
}

/// The lead's UUID in its global id, or in a UUID.
pub fn lead_id(text: &str) -> Option<Uuid> {
    node::Kind::Lead.read(text).or_else(|| Uuid::parse_str(text).ok())
}

/// The schema over this process's context.
pub fn build(ctx: &Arc<Context>) -> Schema {
    loader::register(builder(), ctx).finish()
}

/// The same roots and loaders without our limits and codes: what [`build`] is measured beside.
pub fn bare(ctx: &Arc<Context>) -> Schema {
    let builder = Schema::build(Query::default(), Mutation::default(), Subscription::default());
    loader::register(builder.register_output_type::<node::Node>().register_output_type::<delivery_event::IsNode>(), ctx)
        .finish()
}

/// The schema as a text, the same for the same schema whatever the order of the code.
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by()
        .use_space_ident();
    let text = builder().finish().sdl_with_options(options);
    format!("{}\n", text.trim_end())
}

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    let builder = Schema::build(Query::default(), Mutation::default(), Subscription::default());
    limits::limited(
        builder
            .register_output_type::<node::Node>()
            .register_output_type::<delivery_event::IsNode>()
            .extension(fault::ErrorCodes)
            .extension(audit::Audited),
    )
}

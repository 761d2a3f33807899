//! Handing the list out, to be kept elsewhere.

use async_graphql::{Context, Object, SimpleObject};
use entity::ApiScope;
use jobs::filter::Order;
use jobs::find::Page;
use jobs::suppress::list::{self, Sort};

use super::Suppression;
use super::input::SuppressionFilter;
use crate::schema::asked::Asked;
use crate::schema::audit::trail;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::page::List;
use crate::schema::refusal::UserError;

/// Entries of one part.
const PART: u64 = 1_000;

/// A part of the list.
#[derive(SimpleObject)]
pub struct ExportSuppressionsPayload {
    /// Up to 1,000 entries. Where few of many meet the filter, a part may hold fewer, or none, though more follow.
    suppressions: Vec<Suppression>,
    /// Where the next part begins; null when this is the last.
    after: Option<String>,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// Handing the list out.
#[derive(Default)]
pub struct ExportMutations;

#[Object]
impl ExportMutations {
    /// Hands out the suppression list as a whole or in part, the oldest entries first; each call stays in the audit log. Addresses are
    /// masked for a key that may only read. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn export_suppressions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which entries; without it, all that are not archived.")] filter: Option<SuppressionFilter>,
        #[graphql(desc = "The `after` of the part before.")] after: Option<String>,
    ) -> Result<ExportSuppressionsPayload, Fault> {
        let filter = filter.unwrap_or_default();
        if filter.looks_into_addresses() && !ctx.principal()?.sees_addresses() {
            return Err(Fault::Forbidden(ApiScope::Manage));
        }
        let after = after.as_deref().map(|cursor| List::Suppressions.place("after", cursor)).transpose()?;
        let page = Page::First { n: PART, after };
        let found = list::list(&ctx.app()?.ctx, &filter.read(), page, Sort::Age, Order::Ascending).await?;
        let rows = found.page.items;
        trail::did(rows.len() as u64);
        let last = found.stopped_at.or(rows.last().map(|row| row.id)).filter(|_| found.page.has_next);
        Ok(ExportSuppressionsPayload {
            suppressions: rows.into_iter().map(Suppression::new).collect(),
            after: last.map(|id| List::Suppressions.cursor(id)),
            user_errors: Vec::new(),
        })
    }
}

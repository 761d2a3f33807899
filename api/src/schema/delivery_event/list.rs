//! Finding delivery events.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Object};
use entity::ApiScope;
use futures::FutureExt;
use jobs::filter::Order;
use jobs::find::events::{self, Event, Filter};
use jobs::find::{Page, PageOf};
use uuid::Uuid;

use super::DeliveryEvent;
use super::filter::DeliveryEventFilter;
use crate::schema::asked::Asked;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::loader::EmailEvents;
use crate::schema::page::{Connection, List, Slice, Totals};

type Events = Connection<DeliveryEvent>;

fn connection(page: PageOf<Event>, filter: Filter) -> Events {
    let totals = Totals::of(filter, |ctx, filter| events::count(ctx, filter).boxed());
    Connection::new(List::DeliveryEvents, page, totals, |event| (event.seq, event.into()))
}

/// Whether all events after the place that a page was read from are still there. Asked after the page was read, so that
/// nothing can have gone in between.
async fn whole(ctx: &Context<'_>, page: Page<i64>) -> Result<(), Fault> {
    match page.place() {
        Some(seq) if !events::is_kept(&ctx.app()?.ctx, seq).await? => Err(Fault::CursorExpired),
        Some(_) | None => Ok(()),
    }
}

/// The events of one email.
///
/// # Errors
/// As [`Slice::page`]; the database's own.
pub async fn of_email(ctx: &Context<'_>, email: Uuid, slice: Slice) -> Result<Events, Fault> {
    let page = slice.page(List::DeliveryEvents)?;
    let events = ctx.data_opt::<DataLoader<EmailEvents>>().ok_or(Fault::Unattended)?;
    let nothing = PageOf { items: Vec::new(), has_previous: false, has_next: false };
    let found = events.load_one((email, page)).await?.unwrap_or(nothing);
    whole(ctx, page).await?;
    Ok(connection(found, Filter::of_email(email)))
}

/// The events of one campaign's emails.
///
/// # Errors
/// As [`Slice::page`]; the database's own.
pub async fn of_campaign(ctx: &Context<'_>, campaign: Uuid, slice: Slice) -> Result<Events, Fault> {
    found(ctx, Filter { campaign: Some(campaign), ..Filter::default() }, slice.page(List::DeliveryEvents)?).await
}

async fn found(ctx: &Context<'_>, filter: Filter, page: Page<i64>) -> Result<Events, Fault> {
    let found = events::page(&ctx.app()?.ctx, &filter, page, Order::Descending).await?;
    whole(ctx, page).await?;
    Ok(connection(found, filter))
}

/// Delivery events by filter.
#[derive(Default)]
pub struct DeliveryEventQueries;

#[Object]
impl DeliveryEventQueries {
    /// Delivery events, the latest recorded first. 25 at a time unless asked otherwise, 100 at most. A page takes as long among
    /// millions of events as among few: by campaign, email, address and type, and from a time on. Other parts beside an email or
    /// an address are asked of each of its events; and of a time that ended long ago, what was recorded since is passed over.
    /// A cursor past retention is the error CURSOR_EXPIRED. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn delivery_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the beginning, or after `after`.")] first: Option<i32>,
        #[graphql(desc = "A cursor to go on after.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "A cursor to go back from.")] before: Option<String>,
        #[graphql(desc = "Which events; without it, all.")] filter: Option<DeliveryEventFilter>,
    ) -> Result<Events, Fault> {
        let page = Slice { first, after, last, before }.page(List::DeliveryEvents)?;
        found(ctx, filter.unwrap_or_default().read()?, page).await
    }
}

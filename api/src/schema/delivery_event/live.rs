//! Following delivery events.

use async_graphql::{Context, Subscription};
use entity::ApiScope;
use futures::{Stream, StreamExt};
use jobs::live::events::Ended;

use super::DeliveryEvent;
use super::filter::DeliveryEventFilter;
use crate::schema::asked::Asked;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::page::{Edge, List};

impl From<Ended> for Fault {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Slow { seq } => Fault::Resume(List::DeliveryEvents.cursor(seq)),
            Ended::Gone => Fault::CursorExpired,
            Ended::Failed(error) => error.into(),
        }
    }
}

/// Following delivery events.
#[derive(Default)]
pub struct DeliveryEventSubscriptions;

#[Subscription]
impl DeliveryEventSubscriptions {
    /// Each delivery event once, in the order they are recorded: from now on, or from a cursor on, without a gap and without a
    /// double. After a break, go on after the last cursor. Who takes events too slowly is told so by the error RESUME, with the
    /// cursor to go on after in `extensions.after`. A cursor past retention is the error CURSOR_EXPIRED. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn delivery_event_added(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which events; without it, all.")] filter: Option<DeliveryEventFilter>,
        #[graphql(desc = "A cursor of `deliveryEvents` or of this subscription, to go on after.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<Edge<DeliveryEvent>, Fault>> + use<>, Fault> {
        let after = after.map(|cursor| List::DeliveryEvents.place("after", &cursor)).transpose()?;
        let events = ctx.app()?.events.follow(filter.unwrap_or_default().read()?, after).await?;
        Ok(events.map(|event| {
            let event = (*event?).clone();
            Ok(Edge::new(List::DeliveryEvents, event.seq, event.into()))
        }))
    }
}

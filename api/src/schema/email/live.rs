//! Following an email.

use async_graphql::{Context, ID, Subscription};
use entity::ApiScope;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};

use super::Email;
use crate::schema::asked::Asked;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::node::Kind;

/// Following an email.
#[derive(Default)]
pub struct EmailSubscriptions;

#[Subscription]
impl EmailSubscriptions {
    /// How the email stands: at once, and then whenever its status changed, at most twice a second. Ends when it is cleaned away,
    /// and at once where there is none. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn email_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<impl Stream<Item = Result<Email, Fault>> + use<>, Fault> {
        let Some(id) = Kind::Email.read(&id) else { return Ok(stream::empty().boxed()) };
        let rows = ctx.app()?.emails.follow(id).await?;
        let emails: BoxStream<'static, Result<Email, Fault>> = rows.map(|row| Ok(Email::new(row?))).boxed();
        Ok(emails)
    }
}

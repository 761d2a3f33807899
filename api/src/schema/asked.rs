//! What a resolver finds in its request.

use async_graphql::Context;

use crate::app::App;
use crate::auth::Principal;

use super::fault::Fault;

/// What the transport put into the request.
pub trait Asked {
    /// The process.
    fn app(&self) -> Result<&App, Fault>;
    /// Who asks.
    fn principal(&self) -> Result<Principal, Fault>;
}

impl Asked for Context<'_> {
    fn app(&self) -> Result<&App, Fault> {
        self.data_opt().ok_or(Fault::Unattended)
    }

    fn principal(&self) -> Result<Principal, Fault> {
        self.data_opt().copied().ok_or(Fault::Unattended)
    }
}

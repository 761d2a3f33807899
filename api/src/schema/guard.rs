//! Who may ask what: each field of a root names the scope that it needs.

use async_graphql::{Context, Guard, Result};
use entity::ApiScope;

use super::asked::Asked;
use super::fault::Fault;

/// Lets only callers through who have this scope.
pub struct Needs(pub ApiScope);

impl Guard for Needs {
    async fn check(&self, ctx: &Context<'_>) -> Result<()> {
        let Needs(scope) = *self;
        if ctx.principal()?.scopes.allow(scope) { Ok(()) } else { Err(Fault::Forbidden(scope).into()) }
    }
}

/// Whether the caller may do more than read.
///
/// # Errors
/// That they may not. It goes with the null: a null alone would say that there is nothing.
pub fn sees_contents(ctx: &Context<'_>) -> std::result::Result<(), Fault> {
    if ctx.principal()?.sees_addresses() { Ok(()) } else { Err(Fault::ReadsOnly) }
}

//! How much one document may ask for. What is beyond a limit is refused in words before anything of it is done, and before
//! anything else walks the document, so that a small text can't unfold into much work.

mod size;
#[cfg(test)]
mod tests;
mod tokens;
mod walk;

use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextPrepareRequest};
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{
    ObjectType, Pos, Request, SchemaBuilder, ServerError, ServerResult, SubscriptionType, async_trait,
};

use super::fault::Fault;

/// Bytes of a document's text; variables are not part of it.
const TEXT: usize = 64 * 1024;
/// As deep as fields may nest: what the standard introspection query needs.
const DEPTH: usize = 15;
/// What an operation may cost: 1 for each field, as often as the pages that it stands in may have things.
const COST: usize = 20_000;
/// Fields under another name.
const ALIASES: usize = 30;
/// Directives on one field.
const DIRECTIVES: usize = 5;
/// Fields and fragments, counted where they are spread. The standard introspection query has 230.
const SELECTIONS: usize = 400;
/// As deep as fragments may spread fragments.
const FRAGMENTS: usize = 16;
/// As deep as lists of an introspection may nest, as graphql-js has it (MaxIntrospectionDepthRule).
const INTROSPECTION_LISTS: usize = 2;

/// Puts every limit on a schema.
pub fn limited<Q, M, S>(builder: SchemaBuilder<Q, M, S>) -> SchemaBuilder<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    builder
        .extension(DocumentLimits)
        .limit_aliases(ALIASES)
        .limit_directives(DIRECTIVES)
        // Names are not to be guessed at.
        .disable_suggestions()
}

/// The parsed document of a request, which remembers it.
///
/// # Errors
/// It is too long, has too many words or nests too deep, or is no GraphQL.
pub fn document(request: &mut Request) -> ServerResult<&ExecutableDocument> {
    let length = request.query.len();
    if length > TEXT {
        return Err(refused(
            format!("the document has {length} bytes; {TEXT} are allowed, variables not counted"),
            None,
        ));
    }
    tokens::check(&request.query).map_err(|words| refused(words, None))?;
    match request.parsed_query() {
        Ok(document) => Ok(document),
        Err(error) => Err(unparsable(error)),
    }
}

/// The parser's error without the excerpt that it draws around its words: a line of a document may be long.
fn unparsable(error: ServerError) -> ServerError {
    let words = error.message.rsplit("= ").next().unwrap_or_default().trim();
    let fault = Fault::Unparsable(format!("the document is no GraphQL: {words}"));
    ServerError { locations: error.locations, ..fault.at(None) }
}

fn refused(words: impl Into<String>, at: Option<Pos>) -> ServerError {
    Fault::Refused(words.into()).at(at)
}

struct DocumentLimits;

impl ExtensionFactory for DocumentLimits {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for DocumentLimits {
    // Here and not in `parse_query`: async-graphql's own limits are looked at in there, and those unfold fragments.
    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        let mut request = next.run(ctx, request).await?;
        document(&mut request)?;
        walk::check(&ctx.schema_env.registry, &mut request)?;
        Ok(request)
    }
}

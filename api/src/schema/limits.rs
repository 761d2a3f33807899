//! How much one document may ask for. What is beyond a limit is refused in words before anything of it is done; sizes are
//! looked at before the document is walked at all, so that a small text can't unfold into much work.

use std::sync::Arc;

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextPrepareRequest};
use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet};
use async_graphql::{
    IntrospectionMode, ObjectType, Pos, Positioned, Request, SchemaBuilder, ServerError, ServerResult,
    SubscriptionType, async_trait,
};
use entity::ApiScope;

use super::fault::Fault;

/// Bytes of a document's text; variables are not part of it.
const TEXT: usize = 64 * 1024;
/// As deep as fields may nest: what the standard introspection query needs.
const DEPTH: usize = 15;
/// What a document may cost: 1 for a field, times the size of each page that it stands in (`super::cost`).
const COMPLEXITY: usize = 20_000;
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
        .limit_depth(DEPTH)
        .limit_complexity(COMPLEXITY)
        .limit_aliases(ALIASES)
        .limit_directives(DIRECTIVES)
        // Names are not to be guessed at.
        .disable_suggestions()
}

/// The parsed document of a request, which remembers it.
///
/// # Errors
/// It is too long, or no GraphQL.
pub fn document(request: &mut Request) -> ServerResult<&ExecutableDocument> {
    let length = request.query.len();
    if length > TEXT {
        return Err(refused(
            format!("the document has {length} bytes; {TEXT} are allowed, variables not counted"),
            None,
        ));
    }
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
        let introspects = request.introspection_mode != IntrospectionMode::Disabled;
        check(document(&mut request)?, introspects)?;
        Ok(request)
    }
}

fn check(document: &ExecutableDocument, introspects: bool) -> ServerResult<()> {
    // Each fragment by itself, spread or not; then each operation with its fragments.
    let mut seen = 0;
    for fragment in document.fragments.values() {
        seen += own_selections(&fragment.node.selection_set.node);
        within(seen, fragment.pos)?;
    }
    let mut walk = Walk { document, introspects, seen: 0 };
    for (_, operation) in document.operations.iter() {
        if operation.node.ty == OperationType::Subscription {
            one_root_field(operation)?;
        }
        walk.set(&operation.node.selection_set.node, Place::default())?;
    }
    Ok(())
}

/// GraphQL allows a subscription one root field and no introspection (5.2.3.1). async-graphql would start several, and would
/// overlook one in a fragment.
fn one_root_field(operation: &Positioned<OperationDefinition>) -> ServerResult<()> {
    let words = match operation.node.selection_set.node.items.as_slice() {
        [one] => match &one.node {
            Selection::Field(field) if field.node.name.node.starts_with("__") => {
                "a subscription asks for something that happens, not for introspection"
            }
            Selection::Field(_) => return Ok(()),
            Selection::FragmentSpread(_) | Selection::InlineFragment(_) => {
                "a subscription names its root field itself, not in a fragment"
            }
        },
        _ => "a subscription has one root field; start one operation for each",
    };
    Err(refused(words, Some(operation.pos)))
}

fn own_selections(set: &SelectionSet) -> usize {
    let below = set.items.iter().map(|item| match &item.node {
        Selection::Field(field) => own_selections(&field.node.selection_set.node),
        Selection::InlineFragment(inline) => own_selections(&inline.node.selection_set.node),
        Selection::FragmentSpread(_) => 0,
    });
    set.items.len() + below.sum::<usize>()
}

fn within(seen: usize, at: Pos) -> ServerResult<()> {
    if seen <= SELECTIONS {
        return Ok(());
    }
    let words =
        format!("the document selects more than {SELECTIONS} fields and fragments, counted where they are spread");
    Err(refused(words, Some(at)))
}

struct Walk<'a> {
    document: &'a ExecutableDocument,
    introspects: bool,
    seen: usize,
}

/// Where in a document a selection stands.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Fragments around it.
    fragments: usize,
    /// Lists of an introspection around it; `None` outside of one.
    lists: Option<usize>,
}

impl Walk<'_> {
    fn set(&mut self, set: &SelectionSet, place: Place) -> ServerResult<()> {
        for item in &set.items {
            self.seen += 1;
            within(self.seen, item.pos)?;
            match &item.node {
                Selection::Field(field) => {
                    let place = self.field(&field.node.name.node, field.pos, place)?;
                    self.set(&field.node.selection_set.node, place)?;
                }
                Selection::InlineFragment(inline) => self.set(&inline.node.selection_set.node, place)?,
                Selection::FragmentSpread(spread) => {
                    let place = Place { fragments: place.fragments + 1, ..place };
                    if place.fragments > FRAGMENTS {
                        return Err(refused(format!("fragments nest more than {FRAGMENTS} deep"), Some(spread.pos)));
                    }
                    // One that is not there is the validation's to name.
                    if let Some(fragment) = self.document.fragments.get(&spread.node.fragment_name.node) {
                        self.set(&fragment.node.selection_set.node, place)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The place below a field.
    fn field(&self, name: &str, at: Pos, place: Place) -> ServerResult<Place> {
        let lists = match (name, place.lists) {
            ("__schema" | "__type", _) if !self.introspects => {
                return Err(Fault::Forbidden(ApiScope::Admin).at(Some(at)));
            }
            ("__schema" | "__type", None) => Some(0),
            ("fields" | "interfaces" | "possibleTypes" | "inputFields", Some(lists)) => Some(lists + 1),
            (_, lists) => lists,
        };
        if lists.is_some_and(|lists| lists > INTROSPECTION_LISTS) {
            return Err(refused(
                format!("the lists of an introspection nest more than {INTROSPECTION_LISTS} deep"),
                Some(at),
            ));
        }
        Ok(Place { lists, ..place })
    }
}

fn refused(words: impl Into<String>, at: Option<Pos>) -> ServerError {
    Fault::Refused(words.into()).at(at)
}

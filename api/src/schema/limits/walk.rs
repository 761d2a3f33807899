//! One walk over a document that sees each limit passed, and stops there.

use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::registry::{MetaField, MetaType, Registry};
use async_graphql::{IntrospectionMode, Pos, Positioned, Request, ServerResult, Variables};
use entity::ApiScope;

use super::{COST, DEPTH, FRAGMENTS, INTROSPECTION_LISTS, SELECTIONS, document, refused, size};
use crate::schema::fault::Fault;

/// Checks the document of a request.
///
/// # Errors
/// The first limit that it is beyond, and where.
pub fn check(registry: &Registry, request: &mut Request) -> ServerResult<()> {
    let introspects = request.introspection_mode != IntrospectionMode::Disabled;
    let variables = std::mem::take(&mut request.variables);
    let checked = document(request).and_then(|document| check_document(registry, document, &variables, introspects));
    request.variables = variables;
    checked
}

fn check_document(
    registry: &Registry,
    document: &ExecutableDocument,
    variables: &Variables,
    introspects: bool,
) -> ServerResult<()> {
    // Each fragment by itself, spread or not; then each operation with its fragments.
    let mut seen = 0;
    for fragment in document.fragments.values() {
        seen += own_selections(&fragment.node.selection_set.node);
        within(seen, fragment.pos)?;
    }
    let mut seen = 0;
    for (_, operation) in document.operations.iter() {
        let root = match operation.node.ty {
            OperationType::Query => Some(&registry.query_type),
            OperationType::Mutation => registry.mutation_type.as_ref(),
            OperationType::Subscription => {
                one_root_field(operation)?;
                registry.subscription_type.as_ref()
            }
        };
        let of = root.and_then(|name| registry.types.get(name));
        let mut walk = Walk { registry, document, operation: &operation.node, variables, introspects, seen };
        let cost = walk.set(&operation.node.selection_set.node, Place { of, ..Place::default() })?;
        if cost > COST {
            let words =
                format!("the operation costs {cost} and {COST} is allowed: 1 for each field of each thing on a page");
            return Err(refused(words, Some(operation.pos)));
        }
        seen = walk.seen;
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
    registry: &'a Registry,
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    introspects: bool,
    seen: usize,
}

/// Where in a document a selection stands.
#[derive(Clone, Copy, Default)]
struct Place<'a> {
    /// The type that its fields are of; `None` where the document is wrong, or in an introspection.
    of: Option<&'a MetaType>,
    /// Fields around it.
    depth: usize,
    /// Fragments around it.
    fragments: usize,
    /// Lists of an introspection around it; `None` outside of one.
    lists: Option<usize>,
}

impl<'a> Walk<'a> {
    /// Walks what is selected here, and answers what it costs.
    fn set(&mut self, set: &'a SelectionSet, place: Place<'a>) -> ServerResult<usize> {
        let mut cost = 0_usize;
        for item in &set.items {
            self.seen += 1;
            within(self.seen, item.pos)?;
            let of_item = match &item.node {
                Selection::Field(field) => self.field(&field.node, item.pos, place)?,
                Selection::InlineFragment(inline) => {
                    let on = inline.node.type_condition.as_ref().map(|condition| condition.node.on.node.as_str());
                    self.set(&inline.node.selection_set.node, self.on(on, place))?
                }
                Selection::FragmentSpread(spread) => {
                    let place = Place { fragments: place.fragments + 1, ..place };
                    if place.fragments > FRAGMENTS {
                        return Err(refused(format!("fragments nest more than {FRAGMENTS} deep"), Some(item.pos)));
                    }
                    match self.document.fragments.get(&spread.node.fragment_name.node) {
                        Some(fragment) => {
                            let on = fragment.node.type_condition.node.on.node.as_str();
                            self.set(&fragment.node.selection_set.node, self.on(Some(on), place))?
                        }
                        // The validation names it.
                        None => 0,
                    }
                }
            };
            cost = cost.saturating_add(of_item);
        }
        Ok(cost)
    }

    fn on(&self, name: Option<&str>, place: Place<'a>) -> Place<'a> {
        match name {
            Some(name) => Place { of: self.registry.types.get(name), ..place },
            None => place,
        }
    }

    fn field(&mut self, field: &'a Field, at: Pos, place: Place<'a>) -> ServerResult<usize> {
        let name = field.name.node.as_str();
        let depth = place.depth + 1;
        if depth > DEPTH {
            return Err(refused(format!("fields nest more than {DEPTH} deep"), Some(at)));
        }
        let meta: Option<&'a MetaField> = place.of.and_then(|of| of.field_by_name(name));
        let of = meta.and_then(|meta| self.registry.concrete_type_by_name(&meta.ty));
        let lists = self.lists(name, at, place)?;
        let each = self.set(&field.selection_set.node, Place { of, depth, lists, ..place })?;
        let n = meta.map_or(1, |meta| size::of(field, meta, self.operation, self.variables));
        Ok(n.saturating_mul(each).saturating_add(1))
    }

    /// The lists of an introspection that stand around what is below this field.
    fn lists(&self, name: &str, at: Pos, place: Place<'_>) -> ServerResult<Option<usize>> {
        let lists = match (name, place.lists) {
            ("__schema" | "__type", _) if !self.introspects => {
                return Err(Fault::Forbidden(ApiScope::Admin).at(Some(at)));
            }
            ("__schema" | "__type", None) => Some(0),
            ("fields" | "interfaces" | "possibleTypes" | "inputFields", Some(lists)) => Some(lists + 1),
            (_, lists) => lists,
        };
        if lists.is_some_and(|lists| lists > INTROSPECTION_LISTS) {
            let words = format!("the lists of an introspection nest more than {INTROSPECTION_LISTS} deep");
            return Err(refused(words, Some(at)));
        }
        Ok(lists)
    }
}

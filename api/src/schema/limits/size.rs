//! How many things a field may answer, by its arguments: a list has `first` and `last`, or is asked for by `ids`; a history has
//! a `granularity`. Every number comes from outside, so it is clamped before anything is multiplied by it.
//!
//! async-graphql's `complexity` attribute would do the same, but it refuses a document whose variable for `first` is not given
//! (8.0.0-rc.5, `VisitorContext::param_value`).

use async_graphql::parser::types::{Field, OperationDefinition};
use async_graphql::registry::MetaField;
use async_graphql::{Value as ConstValue, Variables};
use jobs::metric::MOST_POINTS;

use crate::schema::page;

/// At most so many things are answered by this field, and 1 at least.
pub fn of(field: &Field, meta: &MetaField, operation: &OperationDefinition, variables: &Variables) -> usize {
    let value = |name: &str| given(field, name, operation, variables);
    if meta.args.contains_key("first") {
        let asked = [value("first"), value("last")].into_iter().flatten().filter_map(|value| whole(&value)).max();
        let usual = || meta.args["first"].default_value.as_deref().and_then(|text| text.parse().ok());
        let n = asked.or_else(usual).unwrap_or(i64::from(page::USUAL)).clamp(1, i64::from(page::MOST));
        usize::try_from(n).unwrap_or(1)
    } else if meta.args.contains_key("ids") {
        match value("ids") {
            Some(ConstValue::List(ids)) => ids.len().max(1),
            _ => 1,
        }
    } else if meta.args.contains_key("granularity") {
        MOST_POINTS
    } else {
        1
    }
}

/// What an argument is given: itself, by a variable, or by that variable's default.
fn given(field: &Field, name: &str, operation: &OperationDefinition, variables: &Variables) -> Option<ConstValue> {
    let value = &field.get_argument(name)?.node;
    let resolved = value.clone().into_const_with(|variable| {
        let defined = operation.variable_definitions.iter().find(|definition| definition.node.name.node == variable);
        let default = || defined.and_then(|definition| definition.node.default_value().cloned());
        variables.get(&variable).cloned().or_else(default).ok_or(())
    });
    resolved.ok()
}

fn whole(value: &ConstValue) -> Option<i64> {
    match value {
        ConstValue::Number(number) => number.as_i64(),
        _ => None,
    }
}

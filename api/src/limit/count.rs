//! What an operation takes of its caller's limits: how many mutations, and how many emails.

use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Name, Value, Variables};

/// Fields that hand emails over, and the list that says how many; without one it is a single email.
const EMAILS: [(&str, Option<&str>); 3] =
    [("sendEmail", None), ("sendEmails", Some("inputs")), ("addRecipients", Some("recipients"))];
/// No more fields and fragments are looked at: a document that has more is refused (`schema/limits`), and a small one can unfold
/// into any number.
const LOOKED_AT: usize = 1_000;

/// What an operation takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Fields of a mutation.
    pub mutations: u64,
    /// Emails, or recipients, in their arguments.
    pub emails: u64,
}

impl Cost {
    /// What this operation takes; nothing, when it is no mutation.
    pub fn of(document: &ExecutableDocument, operation: &OperationDefinition, variables: &Variables) -> Self {
        let mut count = Count { document, operation, variables, left: LOOKED_AT, cost: Self::default() };
        if operation.ty == OperationType::Mutation {
            count.set(&operation.selection_set.node);
        }
        count.cost
    }
}

struct Count<'a> {
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    left: usize,
    cost: Cost,
}

impl Count<'_> {
    fn set(&mut self, set: &SelectionSet) {
        for item in &set.items {
            let Some(left) = self.left.checked_sub(1) else { return };
            self.left = left;
            match &item.node {
                Selection::Field(field) if field.node.name.node.starts_with("__") => {}
                Selection::Field(field) => {
                    self.cost.mutations += 1;
                    self.cost.emails = self.cost.emails.saturating_add(self.emails(&field.node));
                }
                Selection::InlineFragment(inline) => self.set(&inline.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    // One that spreads itself ends with what may be looked at.
                    if let Some(fragment) = self.document.fragments.get(&spread.node.fragment_name.node) {
                        self.set(&fragment.node.selection_set.node);
                    }
                }
            }
        }
    }

    fn emails(&self, field: &Field) -> u64 {
        let name = field.name.node.as_str();
        let Some((_, list)) = EMAILS.iter().find(|(hands_over, _)| *hands_over == name) else { return 0 };
        let dry = self.given(field, "dryRun") == Some(Value::Boolean(true));
        match list {
            _ if dry => 0,
            None => 1,
            Some(list) => self.given(field, list).map_or(0, |value| length(&value)),
        }
    }

    /// What an argument is given: itself, or what stands for its variable.
    fn given(&self, field: &Field, name: &str) -> Option<Value> {
        let value = &field.get_argument(name)?.node;
        value.clone().into_const_with(|variable| Ok::<_, ()>(self.variable(&variable))).ok()
    }

    /// A variable's value, or its default, as far as it matters here: it may be as large as a body, and is not copied.
    fn variable(&self, name: &Name) -> Value {
        let defined = self.operation.variable_definitions.iter().find(|definition| definition.node.name.node == *name);
        let usual = || defined.and_then(|definition| definition.node.default_value());
        match self.variables.get(name).or_else(usual) {
            Some(Value::List(items)) => Value::List(vec![Value::Null; items.len()]),
            Some(Value::Boolean(is)) => Value::Boolean(*is),
            Some(Value::Null) | None => Value::Null,
            Some(_) => Value::Enum(name.clone()),
        }
    }
}

/// How many things a list has; one thing is a list of it (GraphQL, 3.11).
fn length(value: &Value) -> u64 {
    match value {
        Value::List(items) => u64::try_from(items.len()).unwrap_or(u64::MAX),
        Value::Null => 0,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;

    fn cost(text: &str, variables: serde_json::Value) -> (u64, u64) {
        let document = parse_query(text).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let cost = Cost::of(&document, &operation.node, &Variables::from_json(variables));
        (cost.mutations, cost.emails)
    }

    #[test]
    fn each_field_is_a_mutation_and_each_input_an_email() {
        let three = json!({ "inputs": [{}, {}, {}], "one": {}, "dry": true });
        let cases = [
            ("{ emails { id } }", (0, 0)),
            ("subscription { queueStatsUpdated { total } }", (0, 0)),
            ("mutation { pause { userErrors { code } } }", (1, 0)),
            ("mutation { __typename pause { queue { paused } } }", (1, 0)),
            ("mutation { a: pause { x } b: resume { x } c: sendEmail(input: {}) { x } }", (3, 1)),
            ("mutation { sendEmails(inputs: [{}, {}]) { x } }", (1, 2)),
            ("mutation { sendEmails(inputs: {}) { x } }", (1, 1)),
            ("mutation { sendEmails(inputs: null) { x } }", (1, 0)),
            ("mutation($inputs: [I!]!) { sendEmails(inputs: $inputs) { x } }", (1, 3)),
            (
                "mutation($inputs: [I!]!) { a: sendEmails(inputs: $inputs) { x } b: sendEmails(inputs: $inputs) { x } }",
                (2, 6),
            ),
            ("mutation($one: I!) { sendEmails(inputs: $one) { x } }", (1, 1)),
            ("mutation($none: I) { sendEmails(inputs: $none) { x } }", (1, 0)),
            ("mutation($usual: [I!] = [{}, {}]) { sendEmails(inputs: $usual) { x } }", (1, 2)),
            ("mutation($inputs: [I!]!) { addRecipients(campaignId: 1, recipients: $inputs) { x } }", (1, 3)),
            ("mutation($inputs: [I!]!) { addRecipients(dryRun: true, recipients: $inputs) { x } }", (1, 0)),
            (
                "mutation($inputs: [I!]!, $dry: Boolean!) { addRecipients(dryRun: $dry, recipients: $inputs) { x } }",
                (1, 0),
            ),
            (
                "mutation { ...F ... on Mutation { pause { x } ... { resume { x } } } } fragment F on Mutation { sendEmail { x } }",
                (3, 1),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(cost(text, three.clone()), expected, "{text}");
        }
    }

    #[test]
    fn what_would_unfold_without_end_is_counted_in_bounded_time() {
        let itself = "mutation { ...F } fragment F on Mutation { a: pause { x } ...F ...F }";
        assert!(cost(itself, json!({})).0 <= LOOKED_AT as u64);
        let doubling = (0..60).map(|n| format!("fragment F{n} on Mutation {{ ...F{} ...F{} }} ", n + 1, n + 1));
        let text = format!(
            "mutation {{ ...F0 }} {} fragment F60 on Mutation {{ pause {{ x }} }}",
            doubling.collect::<String>()
        );
        assert!(cost(&text, json!({})).0 <= LOOKED_AT as u64);
    }

    /// A field that is renamed or gains a list must be counted anew.
    #[test]
    fn the_fields_that_hand_emails_over_are_in_the_schema() {
        let sdl = crate::schema::sdl();
        for (field, list) in EMAILS {
            let at = sdl.find(&format!("\n  {field}(\n")).unwrap_or_else(|| panic!("there is no {field}"));
            let arguments = &sdl[at..at + sdl[at..].find("\n  ): ").unwrap()];
            assert!(list.is_none_or(|list| arguments.contains(&format!("\n    {list}: ["))), "{field} has no {list:?}");
        }
    }
}

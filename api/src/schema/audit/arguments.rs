//! What of a mutation's arguments is written down, by their types alone: choices, numbers, times and ids of ours as they are; of a
//! text only that it was there; of a list of anything else only how long it is. So an argument that comes one day can't give away
//! an address, a subject, a body or a secret.

use std::collections::HashMap;

use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::registry::{MetaInputValue, MetaType, MetaTypeName, Registry};
use async_graphql::{Name, Request, ServerResult, Value, Variables};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::schema::limits;

/// What stands for a text.
const WITHHELD: &str = "…";
/// As many choices or ids of a list are named.
const NAMED: usize = 20;

/// What each mutation of a request asks for, by its key in the answer; nothing for other operations.
///
/// # Errors
/// That the document is none.
pub fn of(registry: &Registry, request: &mut Request) -> ServerResult<HashMap<String, String>> {
    let variables = std::mem::take(&mut request.variables);
    let name = request.operation_name.clone();
    let asked = limits::document(request).map(|document| in_document(registry, document, name.as_deref(), &variables));
    request.variables = variables;
    asked
}

fn in_document(
    registry: &Registry,
    document: &ExecutableDocument,
    name: Option<&str>,
    variables: &Variables,
) -> HashMap<String, String> {
    let mut asked = HashMap::new();
    let meant = document.operations.iter().find(|(of, _)| name.is_none() || of.map(Name::as_str) == name);
    let Some((_, operation)) = meant else { return asked };
    if operation.node.ty != OperationType::Mutation {
        return asked;
    }
    let root = registry.mutation_type.as_ref().and_then(|name| registry.types.get(name));
    let reading = Reading { registry, document, operation: &operation.node, variables };
    reading.set(&operation.node.selection_set.node, root, &mut asked);
    asked
}

/// One operation.
#[derive(Clone, Copy)]
struct Reading<'a> {
    registry: &'a Registry,
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
}

impl<'a> Reading<'a> {
    /// How deep fragments nest, and how many fields there are, was limited before.
    fn set(self, set: &'a SelectionSet, root: Option<&MetaType>, asked: &mut HashMap<String, String>) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    let key = field.node.response_key().node.to_string();
                    let Some(meta) = root.and_then(|root| root.field_by_name(&field.node.name.node)) else { continue };
                    let given = self.arguments(&field.node, meta.args.values());
                    if !given.is_empty() {
                        asked.insert(key, Json::Object(given).to_string());
                    }
                }
                Selection::InlineFragment(inline) => self.set(&inline.node.selection_set.node, root, asked),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = self.document.fragments.get(&spread.node.fragment_name.node) {
                        self.set(&fragment.node.selection_set.node, root, asked);
                    }
                }
            }
        }
    }

    fn arguments<'m>(self, field: &Field, known: impl Iterator<Item = &'m MetaInputValue>) -> Map<String, Json> {
        let told = known.filter_map(|argument| {
            let value = field.get_argument(&argument.name)?.node.clone();
            // What a variable holds may be large, and is looked at where it lies: a name of its own stands for it.
            let value = value.into_const_with::<()>(|name| Ok(Value::Enum(Name::new(format!("${name}"))))).ok()?;
            Some((argument.name.clone(), self.value(&argument.ty, &value)?))
        });
        told.collect()
    }

    /// What is told of a value of this type; nothing of what is not given.
    fn value(self, of: &str, given: &Value) -> Option<Json> {
        if let Value::Enum(name) = given
            && let Some(name) = name.strip_prefix('$')
        {
            return self.value(of, self.variables.get(name).or_else(|| self.default(name))?);
        }
        if *given == Value::Null {
            return None;
        }
        match MetaTypeName::create(of).unwrap_non_null() {
            MetaTypeName::List(of) => match given {
                Value::List(items) => Some(self.list(of, items)),
                one => self.value(of, one),
            },
            MetaTypeName::Named(name) | MetaTypeName::NonNull(name) => Some(self.named(name, given)),
        }
    }

    fn default(self, name: &str) -> Option<&'a Value> {
        let mut defined = self.operation.variable_definitions.iter().filter(|defined| defined.node.name.node == name);
        defined.next()?.node.default_value()
    }

    fn list(self, of: &str, items: &[Value]) -> Json {
        let name = MetaTypeName::concrete_typename(of);
        let told = name == "ID" || matches!(self.registry.types.get(name), Some(MetaType::Enum { .. }));
        if told && items.len() <= NAMED {
            items.iter().filter_map(|item| self.value(of, item)).collect()
        } else {
            items.len().into()
        }
    }

    fn named(self, name: &str, given: &Value) -> Json {
        match (self.registry.types.get(name), given) {
            (Some(MetaType::Enum { enum_values, .. }), _) => {
                told(text(given).filter(|text| enum_values.contains_key(*text)))
            }
            (Some(MetaType::InputObject { input_fields, .. }), Value::Object(fields)) => {
                let told = input_fields.values().filter_map(|field| {
                    Some((field.name.clone(), self.value(&field.ty, fields.get(field.name.as_str())?)?))
                });
                Json::Object(told.collect())
            }
            _ => match (name, given) {
                ("Boolean", Value::Boolean(truth)) => (*truth).into(),
                ("Int" | "Float", Value::Number(number)) => Json::Number(number.clone()),
                ("DateTime", _) => told(text(given).filter(|text| text.parse::<DateTime<Utc>>().is_ok())),
                ("ID", _) => told(text(given).filter(|text| is_id(text))),
                _ => WITHHELD.into(),
            },
        }
    }
}

/// Whether it names a thing of ours: whoever mistakes an argument may put anything there.
fn is_id(text: &str) -> bool {
    let known = |kind: &str| kind.len() <= NAMED && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    text.split_once(':').is_some_and(|(kind, id)| known(kind) && Uuid::try_parse(id).is_ok())
}

fn told(text: Option<&str>) -> Json {
    text.unwrap_or(WITHHELD).into()
}

fn text(given: &Value) -> Option<&str> {
    match given {
        Value::String(text) => Some(text),
        Value::Enum(name) => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use std::sync::{Arc, Mutex};

    use async_graphql::async_trait;
    use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextPrepareRequest};
    use serde_json::json;

    use super::*;
    use crate::schema::fault::Fault;

    /// Looks at a request as it comes, and has it go no further.
    #[derive(Clone, Default)]
    struct Looks(Arc<Mutex<HashMap<String, String>>>);

    impl ExtensionFactory for Looks {
        fn create(&self) -> Arc<dyn Extension> {
            Arc::new(self.clone())
        }
    }

    #[async_trait::async_trait]
    impl Extension for Looks {
        async fn prepare_request(
            &self,
            ctx: &ExtensionContext<'_>,
            mut request: Request,
            _: NextPrepareRequest<'_>,
        ) -> ServerResult<Request> {
            *self.0.lock().unwrap() = of(&ctx.schema_env.registry, &mut request)?;
            Err(Fault::Unattended.at(None))
        }
    }

    /// What is written down of a document's mutations.
    async fn asked(text: &str, variables: Json) -> Json {
        let looks = Looks::default();
        let schema = crate::schema::builder().extension(looks.clone()).finish();
        schema.execute(Request::new(text).variables(Variables::from_json(variables))).await;
        let asked = std::mem::take(&mut *looks.0.lock().unwrap());
        asked.into_iter().map(|(key, given)| (key, serde_json::from_str::<Json>(&given).unwrap())).collect()
    }

    #[tokio::test]
    async fn choices_numbers_times_and_ids_are_told_and_of_texts_only_that_they_were_there() {
        let (id, at) = ("email:01980000-0000-7000-8000-000000000007", "2030-01-01T00:00:00Z");
        let cases = [
            (
                "mutation($id: ID!, $at: DateTime!) { rescheduleEmail(id: $id, sendAt: $at) { email { id } } }",
                json!({ "id": id, "at": at }),
                json!({ "rescheduleEmail": { "id": id, "sendAt": at } }),
            ),
            (
                "mutation { one: cancelEmail(id: \"bob@example.org\") { email { id } } pause(scope: { domain: \"a\" }, reason: \"b\") { pause { reason } } }",
                json!({}),
                json!({ "one": { "id": "…" }, "pause": { "scope": { "domain": "…" }, "reason": "…" } }),
            ),
            (
                "mutation($inputs: [SendEmailInput!]!) { ...send } fragment send on Mutation { sendEmails(inputs: $inputs) { emails { id } } }",
                json!({ "inputs": [{ "to": "bob@example.org" }, { "to": "bob@example.org" }] }),
                json!({ "sendEmails": { "inputs": 2 } }),
            ),
            (
                "mutation($input: SendEmailInput!) { sendEmail(input: $input) { email { id } } }",
                json!({ "input": { "to": "bob@example.org", "priority": "HIGH", "transactional": true, "cc": ["bob@example.org"],
                    "campaignId": null, "sendAt": "bob@example.org", "tags": ["bob"], "metadata": { "bob": 1 }, "unknown": 7,
                    "content": { "inline": { "subject": "Hello", "text": "Bob" } } } }),
                json!({ "sendEmail": { "input": { "to": "…", "priority": "HIGH", "transactional": true, "cc": 1, "sendAt": "…",
                    "tags": 1, "metadata": "…", "content": { "inline": { "subject": "…", "text": "…" } } } } }),
            ),
            (
                "mutation($dry: Boolean = true) { cancelEmails(filter: { status: [QUEUED, SCHEDULED], address: \"bob@example.org\" }, dryRun: $dry) { cancelled } }",
                json!({}),
                json!({ "cancelEmails": { "filter": { "status": ["QUEUED", "SCHEDULED"], "address": "…" }, "dryRun": true } }),
            ),
            ("mutation { cleanSuppressions { archived } }", json!({}), json!({})),
            ("{ email(id: \"x\") { id } }", json!({}), json!({})),
        ];
        for (text, variables, expected) in cases {
            assert_eq!(asked(text, variables).await, expected, "{text}");
        }
    }
}

//! Types of the GraphQL schema as JSON Schemas: what a selection answers, and what a variable takes.

use std::collections::BTreeMap;

use async_graphql::Name;
use async_graphql::parser::types::{
    BaseType, ExecutableDocument, FieldDefinition, InputValueDefinition, OperationDefinition, Selection, SelectionSet,
    Type, TypeDefinition, TypeKind, TypeSystemDefinition,
};
use async_graphql::parser::{parse_query, parse_schema};
use serde_json::{Map, Value, json};

use crate::schema;

/// The schema's types, and those of them that were named so far.
pub struct Types {
    known: BTreeMap<Name, TypeDefinition>,
    named: BTreeMap<String, Value>,
}

/// An operation of the table, parsed.
pub struct Document(ExecutableDocument);

impl Document {
    /// # Panics
    /// When it is no document with one operation and one root field. The table's are part of the program, and a test walks it.
    pub fn of(text: &str) -> Self {
        Self(parse_query(text).expect("the table's documents are GraphQL"))
    }

    fn operation(&self) -> &OperationDefinition {
        let (_, operation) = self.0.operations.iter().next().expect("a document has an operation");
        &operation.node
    }

    fn root(&self) -> &async_graphql::parser::types::Field {
        match self.operation().selection_set.node.items.first().map(|item| &item.node) {
            Some(Selection::Field(field)) => &field.node,
            Some(Selection::FragmentSpread(_) | Selection::InlineFragment(_)) | None => {
                unreachable!("an operation of the table has a root field")
            }
        }
    }

    /// Its name; that of its root field where it has none.
    pub fn name(&self) -> &str {
        let named = self.0.operations.iter().next().and_then(|(name, _)| name);
        named.map_or_else(|| self.field(), |name| name.as_str())
    }

    /// The name of its root field.
    pub fn field(&self) -> &str {
        &self.root().name.node
    }
}

impl Types {
    /// All of the schema.
    pub fn of_the_schema() -> Self {
        let document = parse_schema(schema::sdl()).expect("the schema prints as a schema");
        let types = document.definitions.into_iter().filter_map(|definition| match definition {
            TypeSystemDefinition::Type(kind) => Some((kind.node.name.node.clone(), kind.node)),
            TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
        });
        Self { known: types.collect(), named: BTreeMap::new() }
    }

    /// The schemas that were named, and that of a problem.
    pub fn components(mut self, problem: Value) -> BTreeMap<String, Value> {
        self.reference("UserErrorCode");
        self.named.insert("Problem".to_owned(), problem);
        self.named
    }

    /// What the schema says of an operation's root field.
    pub fn words_of(&self, document: &Document) -> String {
        self.root(document)
            .and_then(|field| field.description.as_ref())
            .map(|text| text.node.clone())
            .unwrap_or_default()
    }

    /// What an operation answers: the value of its root field without `userErrors`, never null.
    pub fn answer(&mut self, document: &Document) -> Value {
        let Some(field) = self.root(document).cloned() else { return json!({}) };
        self.selected(&named(&field.ty.node), &document.root().selection_set.node, document)
    }

    /// The variables of an operation, as an object.
    pub fn variables(&mut self, document: &Document) -> Value {
        let root = self.root(document).cloned();
        let mut properties = Map::new();
        for variable in &document.operation().variable_definitions {
            let variable = &variable.node;
            let mut schema = self.taken(&variable.var_type.node);
            let argument = root
                .iter()
                .flat_map(|field| &field.arguments)
                .find(|argument| argument.node.name.node == variable.name.node);
            describe(
                &mut schema,
                argument.and_then(|argument| argument.node.description.as_ref()).map(|text| text.node.as_str()),
            );
            if let Some(default) = &variable.default_value {
                schema["default"] = default.node.clone().into_json().unwrap_or_default();
            }
            properties.insert(variable.name.node.to_string(), schema);
        }
        json!({ "type": "object", "additionalProperties": false, "properties": properties })
    }

    fn root(&self, document: &Document) -> Option<&FieldDefinition> {
        use async_graphql::parser::types::OperationType;
        let root = match document.operation().ty {
            OperationType::Query => "Query",
            OperationType::Mutation => "Mutation",
            OperationType::Subscription => "Subscription",
        };
        self.field(root, document.field())
    }

    fn field(&self, of: &str, name: &str) -> Option<&FieldDefinition> {
        let fields = match &self.known.get(of)?.kind {
            TypeKind::Object(object) => &object.fields,
            TypeKind::Interface(interface) => &interface.fields,
            TypeKind::Scalar | TypeKind::Union(_) | TypeKind::Enum(_) | TypeKind::InputObject(_) => return None,
        };
        fields.iter().map(|field| &field.node).find(|field| field.name.node == name)
    }

    /// An object with the selected fields. A selection that is one fragment has the name of the fragment's type.
    fn selected(&mut self, of: &str, selection: &SelectionSet, document: &Document) -> Value {
        if let [only] = selection.items.as_slice()
            && let Selection::FragmentSpread(spread) = &only.node
            && let Some(fragment) = document.0.fragments.get(&spread.node.fragment_name.node)
        {
            if !self.named.contains_key(of) {
                let schema = self.object(of, &fragment.node.selection_set.node, document);
                self.named.insert(of.to_owned(), schema);
            }
            return reference(of);
        }
        self.object(of, selection, document)
    }

    fn object(&mut self, of: &str, selection: &SelectionSet, document: &Document) -> Value {
        let mut properties = self.properties(of, selection, document);
        let required: Vec<String> = properties.keys().cloned().collect();
        // What only some types of an interface have is there for those alone.
        for item in &selection.items {
            if let Selection::InlineFragment(inline) = &item.node
                && let Some(condition) = &inline.node.type_condition
            {
                let on = condition.node.on.node.as_str();
                properties.extend(self.properties(on, &inline.node.selection_set.node, document));
            }
        }
        json!({ "type": "object", "required": required, "properties": properties })
    }

    fn properties(&mut self, of: &str, selection: &SelectionSet, document: &Document) -> Map<String, Value> {
        let mut properties = Map::new();
        for item in &selection.items {
            let Selection::Field(selected) = &item.node else { continue };
            let name = selected.node.name.node.as_str();
            let Some(field) = self.field(of, name).cloned() else { continue };
            if name == "userErrors" {
                continue;
            }
            let mut schema = self.answered(&field.ty.node, &selected.node.selection_set.node, document);
            describe(&mut schema, field.description.as_ref().map(|text| text.node.as_str()));
            properties.insert(name.to_owned(), schema);
        }
        properties
    }

    fn answered(&mut self, ty: &Type, selection: &SelectionSet, document: &Document) -> Value {
        let schema = match &ty.base {
            BaseType::List(inner) => json!({ "type": "array", "items": self.answered(inner, selection, document) }),
            BaseType::Named(name) if selection.items.is_empty() => self.reference(name),
            BaseType::Named(name) => self.selected(name, selection, document),
        };
        if ty.nullable { nullable(schema) } else { schema }
    }

    fn taken(&mut self, ty: &Type) -> Value {
        let schema = match &ty.base {
            BaseType::List(inner) => json!({ "type": "array", "items": self.taken(inner) }),
            BaseType::Named(name) => self.reference(name),
        };
        if ty.nullable { nullable(schema) } else { schema }
    }

    /// A scalar as it is, an enum or an input by its name.
    fn reference(&mut self, name: &str) -> Value {
        if let Some(scalar) = scalar(name) {
            return scalar;
        }
        let Some(known) = self.known.get(name).cloned() else { return json!({}) };
        if !self.named.contains_key(name) {
            // Before what is in it, which may name it again.
            self.named.insert(name.to_owned(), Value::Null);
            let mut schema = self.defined(&known);
            describe(&mut schema, known.description.as_ref().map(|text| text.node.as_str()));
            self.named.insert(name.to_owned(), schema);
        }
        reference(name)
    }

    fn defined(&mut self, known: &TypeDefinition) -> Value {
        match &known.kind {
            TypeKind::Enum(kind) => {
                let values: Vec<&str> = kind.values.iter().map(|value| value.node.value.node.as_str()).collect();
                json!({ "type": "string", "enum": values })
            }
            TypeKind::InputObject(kind) => {
                let one_of = known.directives.iter().any(|directive| directive.node.name.node == "oneOf");
                let fields: Vec<&InputValueDefinition> = kind.fields.iter().map(|field| &field.node).collect();
                self.input(&fields, one_of)
            }
            TypeKind::Scalar => json!({}),
            TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_) => json!({ "type": "object" }),
        }
    }

    fn input(&mut self, fields: &[&InputValueDefinition], one_of: bool) -> Value {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for field in fields {
            let ty = &field.ty.node;
            // One of them: none may be null.
            let mut schema = self.taken(&Type { base: ty.base.clone(), nullable: ty.nullable && !one_of });
            describe(&mut schema, field.description.as_ref().map(|text| text.node.as_str()));
            if let Some(default) = &field.default_value {
                schema["default"] = default.node.clone().into_json().unwrap_or_default();
            } else if !ty.nullable {
                required.push(field.name.node.to_string());
            }
            properties.insert(field.name.node.to_string(), schema);
        }
        let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        if one_of {
            schema["minProperties"] = json!(1);
            schema["maxProperties"] = json!(1);
        }
        schema
    }
}

fn named(ty: &Type) -> Name {
    match &ty.base {
        BaseType::Named(name) => name.clone(),
        BaseType::List(inner) => named(inner),
    }
}

fn describe(schema: &mut Value, words: Option<&str>) {
    if let (Some(words), Value::Object(schema)) = (words, schema) {
        schema.insert("description".to_owned(), json!(words));
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn nullable(schema: Value) -> Value {
    match schema.get("type").and_then(Value::as_str) {
        Some(kind) => {
            let kind = json!([kind, "null"]);
            let Value::Object(mut schema) = schema else { return schema };
            schema.insert("type".to_owned(), kind);
            Value::Object(schema)
        }
        None if schema.as_object().is_some_and(Map::is_empty) => schema,
        None => json!({ "anyOf": [schema, { "type": "null" }] }),
    }
}

fn scalar(name: &str) -> Option<Value> {
    Some(match name {
        "ID" | "String" => json!({ "type": "string" }),
        "Int" => json!({ "type": "integer", "format": "int32" }),
        "Float" => json!({ "type": "number" }),
        "Boolean" => json!({ "type": "boolean" }),
        "DateTime" => json!({ "type": "string", "format": "date-time" }),
        "EmailAddress" => json!({ "type": "string", "format": "email" }),
        "JSON" => json!({}),
        _ => return None,
    })
}

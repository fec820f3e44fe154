//! A mount's part of the server's `OpenAPI` document.
//!
//! Schemas of bodies are named components. A reference to one carries the key `ref` beside `$ref`:
//! the host decodes what an external plugin sends by the former and shows it as the latter.
//! Source: `framework/openapi.go` of Vault's SDK.

use serde_json::{Map, Value, json};

use super::display::Display;
use super::field::Field;
use super::path::{Path, PathOperation};
use super::schema::{object, object_schema, parameter};
use crate::vault::{Operation, SpecialPaths};

/// What a document depends on beside the paths.
pub(super) struct Document<'a> {
    pub(super) special: &'a SpecialPaths,
    /// Opens the operation ids of paths without prefix and verb.
    pub(super) default_prefix: &'a str,
    /// Of the server.
    pub(super) version: &'a str,
}

/// One published operation of one variant of a path.
struct Published<'a, E> {
    path: &'a Path<E>,
    operation: Operation,
    served: &'a PathOperation<E>,
    id: String,
}

impl Document<'_> {
    /// The document of these paths.
    pub(super) fn of<E: Send + Sync + 'static>(&self, paths: &[&Path<E>]) -> Value {
        let mut items = Map::new();
        let mut schemas = Map::new();
        for path in paths {
            for (index, variant) in path.pattern.variants().into_iter().enumerate() {
                let item = self.item(path, &variant, index, &mut schemas);
                items.entry(variant).or_insert(item);
            }
        }
        json!({
            "openapi": "3.0.2",
            "info": {
                "title": "Secrets engine",
                "description": "HTTP API of a mounted secrets engine.",
                "version": self.version,
                "license": {
                    "name": "Apache License 2.0",
                    "url": "https://www.apache.org/licenses/LICENSE-2.0",
                },
            },
            "paths": items,
            "components": {"schemas": schemas},
        })
    }

    fn item<E: Send + Sync + 'static>(
        &self,
        path: &Path<E>,
        variant: &str,
        index: usize,
        schemas: &mut Map<String, Value>,
    ) -> Value {
        let relative = variant.trim_start_matches('/');
        let in_path = path.fields.iter().filter(|field| is_in(field, variant));
        let parameters: Vec<Value> = in_path
            .map(|field| parameter(field, "path", true))
            .collect();
        let mut item = object([
            ("description", path.synopsis.into()),
            ("parameters", parameters.into()),
            ("x-vault-sudo", listed(&self.special.root, relative).into()),
            (
                "x-vault-unauthenticated",
                listed(&self.special.unauthenticated, relative).into(),
            ),
            ("x-vault-createSupported", creates(path).into()),
            ("x-vault-displayAttrs", path.display.document().into()),
        ]);
        for (operation, served) in &path.operations {
            let Some(method) = method(path, *operation) else {
                continue;
            };
            if path.unpublished || served.unpublished {
                continue;
            }
            let published = Published {
                path,
                operation: *operation,
                served,
                id: self.operation_id(path, relative, index, *operation, &served.display),
            };
            item.insert(method.to_owned(), published.document(schemas));
        }
        item.into()
    }

    fn operation_id<E>(
        &self,
        path: &Path<E>,
        relative: &str,
        index: usize,
        operation: Operation,
        own: &Display,
    ) -> String {
        let general = &path.display;
        let prefix = first(own.operation_prefix, general.operation_prefix);
        let verb = first(own.operation_verb, general.operation_verb);
        let suffixes = first(own.operation_suffix, general.operation_suffix);
        let suffix = suffixes.split('|').nth(index);
        let from_path = suffix.is_none() || (suffix == Some("") && verb.is_empty());
        let suffix = if from_path {
            let words = relative.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            hyphenated(words)
        } else {
            suffix.unwrap_or_default().to_owned()
        };
        let prefix = if prefix.is_empty() && verb.is_empty() {
            self.default_prefix
        } else {
            prefix
        };
        let verb = match (verb, operation) {
            ("", Operation::Update) => "write",
            ("", other) => other.word(),
            (verb, _) => verb,
        };
        hyphenated([prefix, verb, &suffix])
    }
}

impl<E> Published<'_, E> {
    fn document(&self, schemas: &mut Map<String, Value>) -> Value {
        let free: Vec<&Field> = self
            .path
            .fields
            .iter()
            .filter(|field| !self.is_captured(field))
            .collect();
        let mut parameters: Vec<Value> = free
            .iter()
            .filter(|field| field.query)
            .map(|field| parameter(field, "query", field.required))
            .collect();
        parameters.extend(self.list_parameter());
        let mut document = object([
            ("summary", self.served.summary.into()),
            ("description", self.served.description.into()),
            ("operationId", self.id.clone().into()),
            ("tags", json!(["secrets"])),
            ("parameters", parameters.into()),
            ("deprecated", self.served.deprecated.into()),
        ]);
        let body = free.into_iter().filter(|field| !field.query);
        if let Some(body) = self.request_body(body, schemas) {
            document.insert("requestBody".to_owned(), body);
        }
        document.insert("responses".to_owned(), self.responses(schemas));
        document.into()
    }

    /// A capture is never part of the body, also where this variant of the path leaves it out.
    fn is_captured(&self, field: &Field) -> bool {
        self.path.pattern.names().any(|name| name == field.name)
    }

    fn list_parameter(&self) -> Option<Value> {
        let lists = self.path.operations.contains_key(&Operation::List);
        let required = match self.operation {
            Operation::List => true,
            Operation::Read if lists => false,
            _ => return None,
        };
        Some(
            object([
                ("name", "list".into()),
                ("description", "Must be set to `true`".into()),
                ("in", "query".into()),
                ("schema", json!({"type": "string", "enum": ["true"]})),
                ("required", required.into()),
            ])
            .into(),
        )
    }

    fn request_body<'f>(
        &self,
        fields: impl Iterator<Item = &'f Field>,
        schemas: &mut Map<String, Value>,
    ) -> Option<Value> {
        let writes = [Operation::Create, Operation::Update, Operation::Patch];
        let schema = object_schema(fields).filter(|_| writes.contains(&self.operation))?;
        let content = content(&format!("{}Request", title_case(&self.id)), schema, schemas);
        Some(json!({"required": true, "content": content}))
    }

    fn responses(&self, schemas: &mut Map<String, Value>) -> Value {
        if self.served.answers.is_empty() {
            return match self.operation {
                Operation::Delete => json!({"204": {"description": "empty body"}}),
                _ => json!({"200": {"description": "OK"}}),
            };
        }
        let mut responses = Map::new();
        for (index, answer) in self.served.answers.iter().enumerate() {
            let mut response = object([("description", answer.description.into())]);
            if let Some(schema) = object_schema(answer.fields.iter()) {
                let first = format!("{}Response", title_case(&self.id));
                let name = match index {
                    0 => first,
                    _ => format!("{first}{}", answer.status),
                };
                response.insert("content".to_owned(), content(&name, schema, schemas));
            }
            responses.insert(answer.status.to_string(), response.into());
        }
        responses.into()
    }
}

/// The HTTP method that documents an operation; [`None`] if another one documents it too.
fn method<E>(path: &Path<E>, operation: Operation) -> Option<&'static str> {
    let other = |operation| path.operations.contains_key(&operation);
    match operation {
        Operation::Create if !other(Operation::Update) => Some("post"),
        Operation::Update => Some("post"),
        Operation::List if !other(Operation::Read) => Some("get"),
        Operation::Read => Some("get"),
        Operation::Patch => Some("patch"),
        Operation::Delete => Some("delete"),
        _ => None,
    }
}

fn creates<E>(path: &Path<E>) -> bool {
    let create = path.operations.get(&Operation::Create);
    create.is_some_and(|served| !served.unpublished && !path.unpublished)
}

fn is_in(field: &Field, variant: &str) -> bool {
    variant.contains(&format!("{{{}}}", field.name))
}

/// Whether a list of special paths names this one.
fn listed(special: &[String], path: &str) -> bool {
    special.iter().any(|known| match known.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => path == known,
    })
}

/// Puts the schema among the components and answers a body's content that refers to it.
fn content(name: &str, schema: Value, schemas: &mut Map<String, Value>) -> Value {
    schemas.insert(name.to_owned(), schema);
    let reference = format!("#/components/schemas/{name}");
    json!({"application/json": {"schema": {"$ref": reference, "ref": reference}}})
}

fn first<'a>(own: &'a str, general: &'a str) -> &'a str {
    if own.is_empty() { general } else { own }
}

fn hyphenated<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("-").to_lowercase()
}

fn title_case(id: &str) -> String {
    let words = id.split('-').map(|word| {
        let mut letters = word.chars();
        let initial = letters.next().map(|letter| letter.to_ascii_uppercase());
        initial.into_iter().chain(letters).collect::<String>()
    });
    words.collect()
}

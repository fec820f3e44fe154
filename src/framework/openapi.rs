//! A mount's part of the server's `OpenAPI` document.
//!
//! Schemas of bodies are named components. A reference to one carries the key `ref` beside `$ref`:
//! the host decodes what an external plugin sends by the former and shows it as the latter.
//! Source: `framework/openapi.go` of Vault's SDK.

use serde_json::{Map, Value, json};

use super::display::Display;
use super::field::{Field, Place};
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

/// One of the paths that a pattern stands for.
struct Variant<'a, E> {
    path: &'a Path<E>,
    /// With a leading `/`.
    template: &'a str,
    index: usize,
}

/// One operation of one variant of a path.
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
            for (index, template) in path.pattern.variants().into_iter().enumerate() {
                let variant = Variant {
                    path,
                    template: &template,
                    index,
                };
                let mut item = self.item(&variant);
                item.extend(self.operations(&variant, &mut schemas));
                items.entry(template).or_insert(item.into());
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

    /// What all operations of a path share.
    fn item<E: Send + Sync + 'static>(&self, variant: &Variant<'_, E>) -> Map<String, Value> {
        let (path, template) = (variant.path, variant.template);
        let fields = path.fields.iter();
        let parameters: Vec<Value> = fields
            .filter(|field| template.contains(&format!("{{{}}}", field.name)))
            .map(|field| parameter(field, "path", true))
            .collect();
        let sudo = listed(&self.special.root, template);
        let open = listed(&self.special.unauthenticated, template);
        let creates = path.operations.contains_key(&Operation::Create);
        object([
            ("description", path.synopsis.into()),
            ("parameters", parameters.into()),
            ("x-vault-sudo", sudo.into()),
            ("x-vault-unauthenticated", open.into()),
            ("x-vault-createSupported", creates.into()),
        ])
    }

    /// The operations by their HTTP methods.
    fn operations<E: Send + Sync + 'static>(
        &self,
        variant: &Variant<'_, E>,
        schemas: &mut Map<String, Value>,
    ) -> Map<String, Value> {
        let path = variant.path;
        let mut documents = Map::new();
        for (&operation, served) in &path.operations {
            let Some(method) = method(path, operation) else {
                continue;
            };
            let published = Published {
                path,
                operation,
                served,
                id: self.operation_id(variant, operation, &served.display),
            };
            documents.insert(method.to_owned(), published.document(schemas));
        }
        documents
    }

    fn operation_id<E>(
        &self,
        variant: &Variant<'_, E>,
        operation: Operation,
        own: &Display,
    ) -> String {
        let general = &variant.path.display;
        let prefix = first(own.prefix, general.prefix);
        let verb = first(own.verb, general.verb);
        let suffixes = first(own.suffix, general.suffix);
        let suffix = suffixes.split('|').nth(variant.index);
        let from_path = suffix.is_none() || (suffix == Some("") && verb.is_empty());
        let suffix = if from_path {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            hyphenated(variant.template.split(|c| !is_word(c)))
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
            .filter(|field| field.place == Place::Query)
            .map(|field| parameter(field, "query", field.required))
            .collect();
        parameters.extend(self.list_parameter());
        let mut document = object([
            ("summary", self.served.summary.into()),
            ("operationId", self.id.clone().into()),
            ("tags", json!(["secrets"])),
            ("parameters", parameters.into()),
        ]);
        let body = free.into_iter().filter(|field| field.place == Place::Body);
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

/// Whether a list of special paths names this one.
fn listed(special: &[String], template: &str) -> bool {
    let path = template.trim_start_matches('/');
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::framework::call::Call;
    use crate::framework::path::Answer;
    use crate::framework::toy::Toy;
    use crate::vault::{Failure, Response};

    async fn nothing(_: Arc<Toy>, _: Call) -> Result<Option<Response>, Failure> {
        Ok(None)
    }

    fn document_of(paths: &[&Path<Toy>]) -> Value {
        let special = SpecialPaths {
            root: vec!["config/*".to_owned()],
            unauthenticated: vec!["open".to_owned()],
            ..SpecialPaths::default()
        };
        let document = Document {
            special: &special,
            default_prefix: "toys",
            version: "2.7.2",
        };
        document.of(paths)
    }

    fn ids(path: &Path<Toy>) -> Vec<String> {
        let document = document_of(&[path]);
        let items = document["paths"]
            .as_object()
            .expect("is an object")
            .values();
        let operations = items.flat_map(|item| item.as_object().expect("is an object").values());
        let ids = operations.filter_map(|operation| operation.get("operationId"));
        ids.map(|id| id.as_str().expect("is text").to_owned())
            .collect()
    }

    fn with_display(template: &'static str, display: Display) -> Path<Toy> {
        Path::new(template)
            .display(display)
            .on(Operation::Read, nothing)
    }

    #[test]
    fn operation_ids_are_made_of_what_is_set() {
        for (template, parts, want) in [
            (
                "creds/{name}",
                ("p", "generate", "creds"),
                vec!["p-generate-creds"],
            ),
            ("config", ("p", "configure", ""), vec!["p-configure"]),
            ("config", ("p", "", ""), vec!["p-read-config"]),
            ("roles/{name}", ("", "", ""), vec!["toys-read-roles-name"]),
            ("config", ("", "look", ""), vec!["look"]),
            (
                "check/{name?}",
                ("p", "check", "all|one"),
                vec!["p-check-all", "p-check-one"],
            ),
            (
                "check/{name?}",
                ("p", "check", "all"),
                vec!["p-check-all", "p-check-check-name"],
            ),
        ] {
            let display = Display::operation(parts.0, parts.1, parts.2);
            assert_eq!(ids(&with_display(template, display)), want);
        }
    }

    #[test]
    fn an_operations_own_parts_come_first() {
        let own = PathOperation::new(nothing).display(Display::operation("", "configure", ""));
        let path = Path::<Toy>::new("config")
            .display(Display::operation("p", "", "configuration"))
            .operation(Operation::Update, own)
            .on(Operation::Read, nothing);
        assert_eq!(
            ids(&path),
            ["p-read-configuration", "p-configure-configuration"]
        );
    }

    #[test]
    fn a_write_is_documented_once_with_its_body_as_component() {
        let path = Path::<Toy>::new("roles/{name}")
            .synopsis("Manage roles.")
            .display(Display::operation("toy", "", "role"))
            .field(Field::lowercase("name").about("Name.").required())
            .field(Field::seconds("ttl").about("Lease time.").default(5))
            .field(Field::text("key").sensitive().required())
            .field(Field::text("old").deprecated().one_of(&["a", "b"]))
            .field(Field::boolean("force").query())
            .on_write(nothing)
            .on(Operation::Delete, nothing);
        let document = document_of(&[&path]);
        let item = &document["paths"]["/roles/{name}"];
        assert_eq!(item["description"], "Manage roles.");
        assert_eq!(item["x-vault-createSupported"], true);
        assert_eq!(
            item["parameters"],
            json!([{
                "name": "name", "description": "Name.", "in": "path", "required": true,
                "schema": {"type": "string", "format": "lowercase"},
            }])
        );
        let reference = "#/components/schemas/ToyWriteRoleRequest";
        assert_eq!(
            item["post"],
            json!({
                "operationId": "toy-write-role",
                "tags": ["secrets"],
                "parameters": [{"name": "force", "in": "query", "schema": {"type": "boolean"}}],
                "requestBody": {
                    "required": true,
                    "content": {"application/json": {"schema": {"$ref": reference, "ref": reference}}},
                },
                "responses": {"200": {"description": "OK"}},
            })
        );
        assert_eq!(
            document["components"]["schemas"],
            json!({"ToyWriteRoleRequest": {
                "type": "object",
                "required": ["key"],
                "properties": {
                    "ttl": {
                        "type": "integer", "format": "seconds", "default": 5,
                        "description": "Lease time.",
                    },
                    "key": {"type": "string", "x-vault-displayAttrs": {"sensitive": true}},
                    "old": {"type": "string", "enum": ["a", "b"], "deprecated": true},
                },
            }})
        );
        assert_eq!(
            item["delete"]["responses"],
            json!({"204": {"description": "empty body"}})
        );
    }

    #[test]
    fn a_list_is_a_get_with_a_query() {
        let path = Path::<Toy>::new("roles/?").on(Operation::List, nothing);
        let document = document_of(&[&path]);
        assert_eq!(
            document["paths"]["/roles"]["get"]["parameters"],
            json!([{
                "name": "list", "description": "Must be set to `true`", "in": "query",
                "required": true, "schema": {"type": "string", "enum": ["true"]},
            }])
        );
        let path = path.on(Operation::Read, nothing);
        let get = &document_of(&[&path])["paths"]["/roles"]["get"];
        assert_eq!(get["operationId"], "toys-read-roles");
        assert_eq!(get["parameters"][0].get("required"), None);
    }

    #[test]
    fn documented_answers_are_components() {
        let served = PathOperation::new(nothing)
            .summary("Look.")
            .answers(Answer::new(200, "Found.", [Field::int("count")]))
            .answers(Answer::new(404, "Not found.", []));
        let path = Path::<Toy>::new("count").operation(Operation::Read, served);
        let document = document_of(&[&path]);
        let get = &document["paths"]["/count"]["get"];
        let reference = "#/components/schemas/ToysReadCountResponse";
        assert_eq!(get["summary"], "Look.");
        assert_eq!(
            get["responses"],
            json!({
                "200": {
                    "description": "Found.",
                    "content": {"application/json": {"schema": {"$ref": reference, "ref": reference}}},
                },
                "404": {"description": "Not found."},
            })
        );
        assert_eq!(
            document["components"]["schemas"]["ToysReadCountResponse"]["properties"],
            json!({"count": {"type": "integer"}})
        );
    }

    #[test]
    fn special_paths_are_marked() {
        let rotate = Path::<Toy>::new("config/rotate").on(Operation::Update, nothing);
        let open = Path::<Toy>::new("open").on(Operation::Read, nothing);
        let document = document_of(&[&rotate, &open]);
        let (rotate, open) = (
            &document["paths"]["/config/rotate"],
            &document["paths"]["/open"],
        );
        assert_eq!(rotate["x-vault-sudo"], true);
        assert_eq!(rotate.get("x-vault-unauthenticated"), None);
        assert_eq!(open["x-vault-unauthenticated"], true);
        assert_eq!(open.get("x-vault-sudo"), None);
        assert_eq!(document["info"]["version"], "2.7.2");
        assert_eq!(document["openapi"], "3.0.2");
    }
}

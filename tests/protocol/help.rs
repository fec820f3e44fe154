//! Help texts, and this mount's part of the server's `OpenAPI` document.

use serde_json::{Map, Value, json};

use crate::{
    host::Plugin,
    launch::Launch,
    mount::{HostSide, Mount},
    requests::UNSUPPORTED_PATH,
    view::Presence,
};

async fn bare() -> (Plugin, Mount) {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.mount(&HostSide::new()).await;
    (plugin, mount)
}

async fn help(mount: &Mount, path: &str) -> Map<String, Value> {
    let answer = mount.ask("help", path, json!({})).await;
    answer.data().as_object().cloned().expect("an object")
}

/// The paths of the document, with their captures filled in.
async fn paths(mount: &Mount) -> Vec<String> {
    let root = help(mount, "").await;
    let paths = root["openapi"]["paths"].as_object().cloned();
    let paths = paths.expect("paths");
    assert!(paths.len() >= 4, "{paths:?}");
    paths
        .keys()
        .map(|path| {
            let path = path.strip_prefix('/').expect("a slash in front");
            path.replace("{name}", "any-name.1")
                .replace("{id}", "any-id")
                .replace("{project_id}", "0123456789abcdef01234567")
        })
        .collect()
}

#[tokio::test]
async fn every_path_has_help_with_and_without_a_trailing_slash() {
    let (_plugin, mount) = bare().await;
    for path in paths(&mount).await {
        let bare = path.trim_end_matches('/').to_owned();
        for path in [format!("{bare}/"), bare] {
            let answer = help(&mount, &path).await;
            let keys: Vec<&String> = answer.keys().collect();
            assert_eq!(keys, ["help", "openapi", "see_also"], "{path}");
            let text = answer["help"].as_str().expect("a text");
            assert!(text.starts_with(&format!("Request:        {path}\nMatching Route: ^")));
            assert!(text.contains("\n\n## DESCRIPTION\n\n"), "{text}");
            assert!(!text.contains("<no "), "everything is described: {text}");
            assert!(
                answer["see_also"].is_null(),
                "an array of strings, or nothing"
            );
        }
    }
}

#[tokio::test]
async fn the_mounts_help_lists_its_paths() {
    let (_plugin, mount) = bare().await;
    let root = help(&mount, "").await;
    let text = root["help"].as_str().expect("a text");
    let (about, listed) = text.split_once("\n\n## PATHS\n\n").expect("paths");
    assert!(about.starts_with("## DESCRIPTION\n\n"), "{about}");
    let patterns: Vec<&str> = listed
        .lines()
        .filter(|line| line.starts_with("    ^"))
        .collect();
    assert!(patterns.iter().all(|pattern| pattern.ends_with('$')));
    assert!(patterns.contains(&"    ^config$"), "{patterns:?}");
    let mut sorted = patterns.clone();
    sorted.sort_unstable();
    assert_eq!(patterns, sorted);
}

#[tokio::test]
async fn help_of_no_path_is_reported_as_such_and_never_nothing() {
    let (_plugin, mount) = bare().await;
    for path in ["nowhere", "/", "config/x/y", "roles/a b", "\u{0}"] {
        let answer = mount.ask("help", path, Value::Null).await;
        assert_eq!(answer.failure().kind, UNSUPPORTED_PATH, "{path}");
    }
}

/// In a probe, and for whatever reason later, the server tells nothing of itself.
#[tokio::test]
async fn help_does_not_depend_on_the_system_view() {
    let (_plugin, mount) = bare().await;
    mount.host.view.set(Presence::Missing);
    assert!(help(&mount, "").await["openapi"].is_object());
}

/// Calls `look` with every object in the document, named by its key.
fn walk(name: &str, value: &Value, look: &mut impl FnMut(&str, &Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            look(name, object);
            for (name, value) in object {
                walk(name, value, look);
            }
        }
        Value::Array(array) => array.iter().for_each(|value| walk(name, value, look)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_is_one_that_hosts_merge() {
    let (_plugin, mount) = bare().await;
    let data = json!({"requestResponsePrefix": "mongodbatlas"});
    let answer = mount.ask("help", "", data).await;
    let document = &answer.data()["openapi"];
    assert_eq!(document["openapi"], "3.0.2");
    assert_eq!(document["info"]["version"], "2.7.2", "the server's");
    for key in ["title", "description"] {
        assert!(document["info"][key].is_string(), "{key}");
    }
    let mut ids = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        assert!(path.starts_with('/'), "{path}");
        assert!(!path.contains(['(', '?', '^']), "{path} is a raw pattern");
        for method in ["get", "post", "patch", "delete"] {
            let Some(operation) = item.get(method) else {
                continue;
            };
            ids.push(operation["operationId"].as_str().expect("an id").to_owned());
            assert_eq!(operation["tags"], json!(["secrets"]), "{path} {method}");
            let answers = operation["responses"].as_object().expect("answers");
            assert!(
                answers
                    .values()
                    .all(|answer| { !answers.is_empty() && answer["description"].is_string() })
            );
            let all = operation["parameters"].as_array().cloned();
            for parameter in all.unwrap_or_default() {
                assert!(parameter["schema"]["type"].is_string(), "{parameter}");
            }
        }
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "{ids:?}");
    assert!(count >= 8, "{ids:?}");
}

/// A host decodes references of an external plugin by the key `ref`; with `$ref` alone they are lost.
#[tokio::test]
async fn the_documents_schemas_survive_the_host() {
    let (_plugin, mount) = bare().await;
    let root = help(&mount, "").await;
    let schemas = root["openapi"]["components"]["schemas"].as_object();
    let schemas = schemas.expect("schemas");
    let mut references = 0;
    walk("", &root["openapi"], &mut |_, object| {
        if let Some(reference) = object.get("$ref") {
            references += 1;
            assert_eq!(object.get("ref"), Some(reference));
            let name = reference.as_str().expect("a text");
            let name = name.strip_prefix("#/components/schemas/");
            assert!(schemas.contains_key(name.expect("of a component")));
        }
    });
    assert!(references >= schemas.len(), "each is used");
    for (name, schema) in schemas {
        assert_eq!(schema["type"], "object", "{name}");
        assert!(schema["required"].is_null() || schema["required"].is_array());
        let properties = schema["properties"].as_object().expect("properties");
        for (property, schema) in properties {
            assert!(schema["type"].is_string(), "{name}.{property}");
            if schema["type"] == "array" {
                assert!(schema["items"]["type"].is_string(), "{name}.{property}");
            }
        }
    }
}

#[tokio::test]
async fn fields_are_documented_by_their_kinds() {
    let (_plugin, mount) = bare().await;
    let role = help(&mount, "roles/any").await;
    let text = role["help"].as_str().expect("a text");
    for parameter in [
        "    name (lowercase string)\n\n",
        "    roles (slice)\n\n",
        "    ttl (duration (sec))\n\n",
        "        (DEPRECATED) ",
    ] {
        assert!(text.contains(parameter), "{parameter:?} in {text}");
    }
    let mut kinds = Map::new();
    walk("", &role["openapi"], &mut |name, schema| {
        if schema.contains_key("type") {
            let kind = json!([schema["type"], schema.get("format")]);
            kinds.insert(name.to_owned(), kind);
        }
    });
    assert_eq!(kinds["ttl"], json!(["integer", "seconds"]));
    assert_eq!(kinds["project_id"], json!(["string", null]));
}

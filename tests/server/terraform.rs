//! The file of `docs/terraform.md` against the engine: every field that Terraform's provider writes is a
//! parameter in the server's own API document.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::Mount;

const PAGE: &str = include_str!("../../docs/terraform.md");

/// The provider's resources, the path that each writes, and the fields that it sends there. (Of the
/// provider's source, `vault/resource_mongodbatlas_secret_backend.go` and `…_secret_role.go`.)
const RESOURCES: [(&str, &str, &[&str]); 2] = [
    (
        "vault_mongodbatlas_secret_backend",
        "/config",
        &["public_key", "private_key"],
    ),
    (
        "vault_mongodbatlas_secret_role",
        "/roles/{name}",
        &[
            "roles",
            "organization_id",
            "project_id",
            "project_roles",
            "ip_addresses",
            "cidr_blocks",
            "ttl",
            "max_ttl",
        ],
    ),
];

/// What a resource has beside the fields that it sends: where it writes, and Terraform's own.
const NOT_SENT: [&str; 3] = ["mount", "name", "depends_on"];

/// The parameters of a write of this path of the mount.
fn parameters(document: &Value, mount: &str, path: &str) -> BTreeSet<String> {
    let items = document["paths"].as_object().expect("the paths");
    let (_, item) = items
        .iter()
        .find(|(key, _)| key.contains(mount) && key.ends_with(path))
        .expect("the path");
    let body = &item["post"]["requestBody"]["content"]["application/json"]["schema"];
    let name = body["$ref"]
        .as_str()
        .and_then(|name| name.rsplit('/').next());
    let schema = match name {
        Some(name) => &document["components"]["schemas"][name],
        None => body,
    };
    let properties = schema["properties"].as_object().expect("properties");
    properties.keys().cloned().collect()
}

/// The fields that the page's file gives to a resource of this type.
fn given(resource: &str) -> BTreeSet<&'static str> {
    let (_, block) = PAGE
        .split_once(&format!("\nresource \"{resource}\" "))
        .expect("the resource");
    let block = block.split("\n}").next().unwrap_or_default();
    let lines = block.lines().filter_map(|line| line.strip_prefix("  "));
    lines
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| Some(line.split_once(" = ")?.0.trim()))
        .filter(|field| !NOT_SENT.contains(field))
        .collect()
}

#[tokio::test]
async fn terraforms_fields_are_parameters_of_the_engine() {
    let mount = Mount::new().await;
    let document = mount.client.read("sys/internal/specs/openapi").await;
    for (resource, path, fields) in RESOURCES {
        let known = parameters(&document.body, &mount.path, path);
        let item = PAGE
            .split("\n- ")
            .find(|item| item.starts_with(&format!("`{resource}`")))
            .expect("the page lists the resource");
        for field in fields {
            assert!(known.contains(*field), "{resource}: {field}: {known:?}");
            assert!(
                item.contains(&format!("`{field}`")),
                "the page's list: {field}"
            );
        }
        let given = given(resource);
        assert!(given.len() > 1, "{given:?}");
        for field in given {
            assert!(fields.contains(&field), "{resource} has no field {field}");
        }
    }
}

//! Who sees what: the API document and the help show every path, and a root of one project is told what
//! it cannot do elsewhere.

use serde_json::json;

use super::customer::{Customer, text};
use crate::support::Mount;

#[tokio::test]
async fn a_root_of_one_project_serves_that_project_and_is_told_what_it_lacks_elsewhere() {
    let mount = Mount::new().await;
    let own = mount.atlas.project(0).to_owned();
    let key = json!({
        "org_id": mount.atlas.org(), "desc": "seed", "project_roles": { &own: ["GROUP_OWNER"] },
    });
    let key = mount.atlas.control("POST", "/keys", key).await;
    let config = json!({
        "public_key": key["public_key"], "private_key": key["private_key"],
        "base_url": mount.atlas.api(), "organization_id": mount.atlas.org(),
    });
    let written = mount.write("config", config).await;
    assert!(written.ok(), "{written:?}");
    let customer = Customer::of(mount).await;
    let vault = customer.vault("kv-own").await;
    customer.encrypt(&own, &vault, &customer.secret).await;
    customer.grant("kv-own").await;
    customer.register(&own, false).await;
    let applied = customer.order(&own, "apply", json!({})).await;
    assert_eq!(applied.data()["mode"], "role", "{applied:?}");
    customer.is_on_its_role(&own).await;

    let other = customer.mount.atlas.project(1).to_owned();
    customer.encrypt(&other, &vault, &customer.secret).await;
    let refused = customer.write(&other, customer.ids()).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let said = refused.errors();
    assert!(
        said.contains("Project Owner") && said.contains(&other),
        "{said}"
    );
    assert_eq!(
        customer.read(&other).await.status,
        404,
        "nothing is stored of it"
    );
    customer.nothing_else_was_touched().await;
}

/// What stands in the API document, by path and method.
async fn document(mount: &Mount) -> serde_json::Value {
    let document = mount.client.read("sys/internal/specs/openapi").await;
    assert!(document.ok());
    document.body["paths"].clone()
}

#[tokio::test]
async fn the_api_document_and_the_help_show_every_path_and_hide_the_secret() {
    let mount = Mount::new().await;
    let paths = document(&mount).await;
    let paths = paths.as_object().expect("paths");
    let find = |wanted: &str| {
        let mut found = paths.iter().filter(|(path, _)| {
            path.contains(&mount.path) && path.trim_end_matches('/').ends_with(wanted)
        });
        found
            .next()
            .unwrap_or_else(|| panic!("{wanted} is missing"))
            .1
    };
    for (path, methods) in [
        ("encryption-at-rest/azure", &["get"][..]),
        (
            "encryption-at-rest/azure/{project_id}",
            &["get", "post", "delete"],
        ),
        ("encryption-at-rest/azure/{project_id}/apply", &["post"]),
        ("encryption-at-rest/azure/{project_id}/rotate", &["post"]),
        ("encryption-at-rest/azure/{project_id}/rollback", &["post"]),
        ("encryption-at-rest/azure/{project_id}/check", &["get"]),
        ("encryption-at-rest/migrations", &["get"]),
        (
            "encryption-at-rest/migrations/{name}",
            &["get", "post", "delete"],
        ),
    ] {
        let item = find(path);
        for method in methods {
            assert!(item[*method]["operationId"].is_string(), "{path} {method}");
        }
        let asked = path.replace("{project_id}", mount.atlas.project(0));
        let asked = asked.replace("{name}", "all");
        let help = mount.read(&format!("{asked}?help=1")).await;
        let help = help.body["help"].as_str().unwrap_or_default().to_owned();
        assert!(help.len() > 80, "{path}: {help}");
    }
    let post = &find("encryption-at-rest/azure/{project_id}")["post"];
    let schema = post["requestBody"]["content"]["application/json"]["schema"]["$ref"].clone();
    let schema = text(&json!({ "ref": schema }), "ref");
    let document = mount.client.read("sys/internal/specs/openapi").await;
    let name = schema.rsplit('/').next().expect("a name");
    let field = &document.body["components"]["schemas"][name]["properties"]["client_secret"];
    assert_eq!(field["x-vault-displayAttrs"]["sensitive"], true, "{field}");
}

//! Every field of every answer, and every field that a request takes, is explained in the section of its
//! path in `docs/user-guide.md`. What is inside the fields of `status` stands in the runbook, see
//! `runbook_tests`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::testing::TestMount;
use crate::vault::{Data, Operation};

const GUIDE: &str = include_str!("../../docs/user-guide.md");

/// The section of the guide that a path is explained in.
fn section_of(path: &str) -> &'static str {
    const SECTIONS: [(&str, &str); 11] = [
        ("config", "config"),
        ("roles", "roles"),
        ("creds", "creds"),
        ("check", "check"),
        ("issued-end", "issued-end"),
        ("issued", "issued"),
        ("tidy", "tidy"),
        ("status", "status"),
        ("metrics", "metrics"),
        ("encryption-at-rest", "encryption-at-rest"),
        ("", "static-roles, static-creds, rotate-role"),
    ];
    let first = path.split('/').next().unwrap_or_default();
    let found = SECTIONS.iter().find(|(name, _)| *name == first);
    let (_, heading) = found.unwrap_or(&SECTIONS[SECTIONS.len() - 1]);
    heading
}

fn section(heading: &str) -> &'static str {
    let (_, rest) = GUIDE
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("no section {heading}"));
    rest.split("\n## ").next().unwrap_or_default()
}

/// A section explains a field that it names in code, or shows as a row of a printed answer.
fn explains(section: &str, field: &str) -> bool {
    let is_part =
        |sign: Option<char>| sign.is_some_and(|sign| sign.is_alphanumeric() || sign == '_');
    let named = |text: &str| {
        text.match_indices(field).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + field.len()..]);
            !is_part(before.chars().next_back()) && !is_part(after.chars().next())
        })
    };
    let in_code = section.split('`').skip(1).step_by(2).any(named);
    in_code
        || section.contains(&format!("\n{field}  "))
        || section.contains(&format!("\"{field}\":"))
}

/// What is shown of a credential that is bound to its caller.
async fn bound(mount: &TestMount) -> Data {
    mount.write_reader(json!({ "bind_to_caller": true })).await;
    let issued = mount.read_from("creds/reader", "198.51.100.7").await;
    let lease = issued.expect("issued").and_then(|answer| answer.secret);
    let id = lease.expect("a lease").internal_data["journal_id"].clone();
    let path = format!("issued/{}", id.as_str().expect("an id"));
    TestMount::data(mount.read(&path).await)
}

/// A role of each type but API keys.
fn roles(mount: &TestMount, shared: &str) -> [(&'static str, Value); 5] {
    let (org, project) = (mount.atlas.org(), mount.atlas.project(0));
    let made = |kind: &str| json!({ "credential_type": kind, "organization_id": org, "roles": "ORG_MEMBER" });
    [
        ("account", made("service_account")),
        ("token", made("access_token")),
        (
            "secret",
            json!({
                "credential_type": "service_account", "client_id": shared, "organization_id": org,
            }),
        ),
        (
            "model",
            json!({ "credential_type": "ai_model_key", "project_id": project }),
        ),
        (
            "user",
            json!({
                "credential_type": "database_user", "project_id": project, "database_roles": "read@app",
            }),
        ),
    ]
}

/// The answers that people get, by path.
async fn answers() -> Vec<(&'static str, Data)> {
    let mut seen = Vec::new();
    let mount = TestMount::with_role(json!({})).await;
    let mut config = mount.atlas.account_config();
    config["rotation_period"] = json!("5d");
    mount.write("config", config).await.expect("configured");
    seen.push(("config", TestMount::data(mount.read("config").await)));
    let (data, lease) = mount.issue("reader").await;
    seen.push(("creds/x", data));
    let shared = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    for (role, body) in roles(&mount, &shared.client_id) {
        mount
            .write(&format!("roles/{role}"), body)
            .await
            .expect("a role");
        seen.push((
            "roles/x",
            TestMount::data(mount.read(&format!("roles/{role}")).await),
        ));
        let (data, lease) = mount.issue(role).await;
        seen.push(("creds/x", data));
        let id = lease.internal_data["journal_id"].as_str().expect("an id");
        seen.push((
            "issued/x",
            TestMount::data(mount.read(&format!("issued/{id}")).await),
        ));
        seen.push((
            "check/x",
            TestMount::data(mount.read(&format!("check/{role}")).await),
        ));
    }
    let id = lease.internal_data["journal_id"].as_str().expect("an id");
    mount
        .ask(Operation::Delete, &format!("issued/{id}"), json!({}))
        .await
        .expect("ended");
    seen.push((
        "issued/x",
        TestMount::data(mount.read(&format!("issued/{id}")).await),
    ));
    seen.push(("issued/x", bound(&mount).await));
    let listed = TestMount::data(mount.list("issued/").await);
    for info in listed["key_info"].as_object().expect("entries").values() {
        seen.push(("issued/x", info.as_object().expect("details").clone()));
    }
    seen.push((
        "tidy",
        TestMount::data(mount.write("tidy", json!({})).await),
    ));
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let role = json!({
        "client_id": account.client_id, "organization_id": mount.atlas.org(),
        "rotation_period": "1d",
    });
    mount.write("static-roles/app", role).await.expect("a role");
    mount.advance(Duration::from_mins(1)).await;
    let force = json!({ "force": true });
    let rotated = mount.write("rotate-role/app", force.clone()).await;
    if let Some(data) = rotated.expect("rotated").and_then(|answer| answer.data) {
        seen.push(("rotate-role/x", data));
    }
    seen.push((
        "static-roles/x",
        TestMount::data(mount.read("static-roles/app").await),
    ));
    seen.push((
        "static-creds/x",
        TestMount::data(mount.read("static-creds/app").await),
    ));
    let rotated = mount.write("config/rotate-root", force).await;
    seen.push(("config", TestMount::data(rotated)));
    let order = json!({ "organization_id": mount.atlas.org() });
    seen.push((
        "issued-end",
        TestMount::data(mount.write("issued-end", order).await),
    ));
    seen.push(("status", TestMount::data(mount.read("status").await)));
    seen.push(("check", TestMount::data(mount.read("check").await)));
    seen
}

/// Names of what the API document says of each path: of answers and of requests.
fn declared(document: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut fields = BTreeMap::<String, BTreeSet<String>>::new();
    let schemas = &document["components"]["schemas"];
    let properties = |content: &Value| -> Vec<String> {
        let schema = &content["content"]["application/json"]["schema"];
        let name = ["ref", "$ref"]
            .iter()
            .find_map(|key| schema[*key].as_str())
            .and_then(|name| name.rsplit('/').next());
        let found = name.and_then(|name| schemas[name]["properties"].as_object());
        found
            .map(|all| all.keys().cloned().collect())
            .unwrap_or_default()
    };
    for (path, methods) in document["paths"].as_object().expect("paths") {
        let path = path.trim_start_matches('/');
        for method in ["get", "post", "delete"] {
            let operation = &methods[method];
            let of_path = fields.entry(path.to_owned()).or_default();
            of_path.extend(properties(&operation["requestBody"]));
            of_path.extend(properties(&operation["responses"]["200"]));
        }
    }
    fields
}

#[tokio::test]
async fn the_user_guide_explains_every_field() {
    let mount = TestMount::new().await;
    let help = mount.ask(Operation::Help, "", json!({})).await;
    let mut fields = declared(&TestMount::data(help)["openapi"]);
    let total: usize = fields.values().map(BTreeSet::len).sum();
    assert!(
        total > 100,
        "only {total} declared fields: is the search right?"
    );
    for (path, data) in answers().await {
        fields
            .entry(path.to_owned())
            .or_default()
            .extend(data.keys().cloned());
    }
    let mut missing = BTreeSet::new();
    for (path, names) in &fields {
        // Of lists the server makes the answer; pages are explained once.
        let heading = section_of(path);
        let text = section(heading);
        for name in names {
            if !["keys", "key_info", "after", "limit"].contains(&name.as_str())
                && !explains(text, name)
            {
                missing.insert(format!("{heading}: {name} (of {path})"));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "docs/user-guide.md does not explain these, in the section of their path: {missing:#?}"
    );
}

#[tokio::test]
async fn no_answer_shows_parts_of_a_second() {
    let mut times = 0;
    for (path, data) in answers().await {
        let text = json!(data).to_string();
        let values = text.split('"').filter(|value| value.ends_with('Z'));
        for value in values.filter(|value| value.parse::<DateTime<Utc>>().is_ok()) {
            assert!(!value.contains('.'), "{path}: {value}");
            times += 1;
        }
    }
    assert!(times > 20, "only {times} times were found");
}

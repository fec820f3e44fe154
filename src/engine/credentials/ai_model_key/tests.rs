//! AI model API keys from role to revocation, where nothing fails.

use serde_json::{Value, json};

use crate::engine::credentials::project_type_tests::a_drain_of;
use crate::engine::testing::TestMount;
use crate::vault::{Data, Failure, Operation};

pub(super) const NOTHING: Vec<String> = Vec::new();

/// A mount with the role `reader` of this type in the first project, and what `fields` adds.
pub(super) async fn mount_with(fields: Value) -> TestMount {
    let mount = TestMount::configured().await;
    write_role(&mount, fields).await;
    mount
}

pub(super) async fn write_role(mount: &TestMount, fields: Value) {
    let mut role = json!({
        "credential_type": "ai_model_key", "project_id": mount.atlas.project(0),
        "ttl": "1h", "max_ttl": "8h",
    });
    for (key, value) in fields.as_object().into_iter().flatten() {
        role[key] = value.clone();
    }
    mount.write("roles/reader", role).await.expect("a role");
}

/// The mount signs in with a key that has this Atlas role in the first project, and no more.
pub(super) async fn sign_in_as(mount: &TestMount, role: &str) {
    let key = json!({
        "org_id": mount.atlas.org(), "desc": "seed", "org_roles": ["ORG_MEMBER"],
        "project_roles": { mount.atlas.project(0): [role] },
    });
    let key = mount.atlas.control("POST", "/keys", key).await;
    let mut config = mount.atlas.key_and_organization();
    for part in ["public_key", "private_key"] {
        config[part] = key[part].clone();
    }
    mount.write("config", config).await.expect("configured");
}

pub(super) fn text<'a>(data: &'a Data, field: &str) -> &'a str {
    data[field].as_str().expect("a text")
}

#[tokio::test]
async fn a_key_is_issued_renewed_and_deleted_in_its_project() {
    let mount = mount_with(json!({})).await;
    let (data, mut lease) = mount.issue("reader").await;
    let fields: Vec<&String> = data.keys().collect();
    assert_eq!(
        fields,
        [
            "ai_model_key_id",
            "api_key",
            "endpoint",
            "name",
            "organization_id",
            "project_id"
        ]
    );
    assert!(text(&data, "api_key").starts_with("al-"));
    assert_eq!(data["endpoint"], "ai.mongodb.com");
    assert_eq!(data["project_id"], mount.atlas.project(0));
    assert_eq!(data["organization_id"], mount.atlas.org());
    assert!(text(&data, "name").starts_with("vault-reader-"));
    let [key] = mount.atlas.model_keys().await.try_into().expect("one key");
    assert_eq!(
        (&key["name"], &key["cloud"], &key["geography"]),
        (&data["name"], &json!("ANY"), &json!("ANY"))
    );
    for stored in mount.storage.keys() {
        let value = String::from_utf8_lossy(&mount.storage.value(&stored)).into_owned();
        assert!(!value.contains(text(&data, "api_key")), "{stored}");
    }
    assert!(!json!(lease.internal_data).to_string().contains("al-"));
    lease.issue_time = Some(mount.now());
    let requests = mount.atlas.request_count().await;
    mount.renew(&lease).await.expect("renewed");
    assert_eq!(mount.atlas.request_count().await, requests);
    mount.revoke(&lease).await.expect("revoked");
    assert_eq!(mount.atlas.credentials().await, NOTHING);
    assert_eq!(mount.journal_keys(), NOTHING);
    mount.revoke(&lease).await.expect("and once more");
}

#[tokio::test]
async fn cloud_and_geography_go_to_atlas_as_they_are() {
    let mount = mount_with(json!({ "cloud": "AZURE", "geography": "EU" })).await;
    let read = TestMount::data(mount.read("roles/reader").await);
    assert_eq!(
        (&read["cloud"], &read["geography"]),
        (&json!("AZURE"), &json!("EU"))
    );
    let refused = mount.read("creds/reader").await.expect_err("Atlas says no");
    assert!(refused.to_string().contains("BAD_REQUEST"), "{refused}");
    let takes = json!({ "model_key_clouds": ["AZURE"], "model_key_geographies": ["EU"] });
    mount.atlas.set(takes).await;
    let (data, _) = mount.issue("reader").await;
    assert_eq!(data["endpoint"], "eu.ai.mongodb.com");
    let [key] = mount.atlas.model_keys().await.try_into().expect("one key");
    assert_eq!(
        (&key["cloud"], &key["geography"]),
        (&json!("AZURE"), &json!("EU"))
    );
}

#[tokio::test]
async fn a_role_is_refused_with_what_does_not_go_with_it() {
    let mount = mount_with(json!({})).await;
    let read = TestMount::data(mount.read("roles/reader").await);
    assert_eq!(
        (&read["cloud"], &read["geography"]),
        (&json!("ANY"), &json!("ANY"))
    );
    let account = "mdb_sa_id_0123456789abcdef01234567";
    for (field, value) in [
        ("organization_id", json!(mount.atlas.org())),
        ("roles", json!("GROUP_OWNER")),
        ("project_roles", json!("GROUP_OWNER")),
        (
            "project_assignments",
            json!({ mount.atlas.project(1): ["GROUP_OWNER"] }),
        ),
        ("ip_addresses", json!("192.0.2.1")),
        ("cidr_blocks", json!("10.0.0.0/8")),
        ("client_id", json!(account)),
        ("project_id", json!("")),
        ("project_id", json!("x")),
        ("cloud", json!("A Z")),
        ("geography", json!("E".repeat(65))),
    ] {
        let refused = mount.write("roles/reader", json!({ field: value })).await;
        assert!(
            matches!(&refused, Err(Failure::BadRequest(text)) if text.contains(&format!("{field}: "))),
            "{field}: {refused:?}"
        );
    }
    for field in ["cloud", "geography"] {
        let other = json!({
            "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER", field: "ANY",
        });
        let refused = mount
            .write("roles/other", other)
            .await
            .expect_err("refused");
        let told = format!("{field}: only for credential_type ai_model_key");
        assert!(refused.to_string().contains(&told), "{refused}");
    }
    let emptied = mount
        .write("roles/reader", json!({ "ip_addresses": "" }))
        .await;
    assert_eq!(TestMount::warnings(emptied), NOTHING);
}

#[tokio::test]
async fn a_role_allows_so_many_keys_at_once() {
    let mount = mount_with(json!({ "max_live": 2 })).await;
    let (_, lease) = mount.issue("reader").await;
    mount.issue("reader").await;
    let refused = mount.read("creds/reader").await;
    assert!(
        matches!(refused, Err(Failure::Coded { status: 429, .. })),
        "{refused:?}"
    );
    mount.revoke(&lease).await.expect("revoked");
    mount.issue("reader").await;
    assert_eq!(mount.atlas.credentials().await.len(), 2);
}

/// Nothing here needs a right in the organization.
#[tokio::test]
async fn a_model_owner_of_the_project_is_enough() {
    let mount = mount_with(json!({})).await;
    sign_in_as(&mount, "GROUP_MODEL_OWNER").await;
    let (_, lease) = mount.issue("reader").await;
    mount.revoke(&lease).await.expect("revoked");
    let lost = json!({ "operation": "createGroupModelKey", "action": {"kind": "lose_answer"} });
    mount.atlas.fault(lost).await;
    mount.read("creds/reader").await.expect_err("no answer");
    assert_eq!(mount.atlas.credentials().await, NOTHING);
    assert_eq!(mount.journal_keys(), NOTHING);
    let found = TestMount::data(mount.read("check/reader").await);
    assert_eq!(found["problems"], json!([]), "{found:?}");
    sign_in_as(&mount, "GROUP_READ_ONLY").await;
    let refused = mount
        .read("creds/reader")
        .await
        .expect_err("it may only read");
    assert!(
        refused.to_string().contains("Project Model Owner"),
        "{refused}"
    );
    assert_eq!(mount.journal_keys(), NOTHING);
    let found = TestMount::data(mount.read("check/reader").await);
    let problem = found["problems"][0].as_str().expect("a problem");
    assert!(
        problem.contains("not a Project Owner or Project Model Owner of")
            && problem.contains("(GROUP_OWNER or GROUP_MODEL_OWNER)"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_check_says_what_stands_against_the_role() {
    let mount = mount_with(json!({})).await;
    let own = json!({ "id": mount.atlas.key_id(), "entries": ["127.0.0.1"] });
    mount.atlas.control("POST", "/access-lists", own).await;
    mount
        .atlas
        .change_organization(json!({ "apiAccessListRequired": true }))
        .await;
    mount.atlas.forget_requests().await;
    let found = TestMount::data(mount.read("check/reader").await);
    assert_eq!(
        found["ok"], true,
        "such a key has no access list: {found:?}"
    );
    assert_eq!(
        mount.atlas.operations().await["createGroupModelKey"],
        Value::Null
    );
    let refused = json!({
        "operation": "listGroupModelKeys",
        "action": {"kind": "answer", "status": 403, "code": "FEATURE_UNSUPPORTED"},
    });
    mount.atlas.fault(refused).await;
    let found = TestMount::data(mount.read("check/reader").await);
    let problem = found["problems"][0].as_str().expect("a problem");
    assert!(problem.contains("FEATURE_UNSUPPORTED"), "{problem}");
    write_role(&mount, json!({ "project_id": "f".repeat(24) })).await;
    let found = TestMount::data(mount.read("check/reader").await);
    let problems = found["problems"].as_array().expect("problems");
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[tokio::test]
async fn the_journal_shows_a_key_by_its_id_and_ends_it() {
    let mount = mount_with(json!({})).await;
    let (data, mut lease) = mount.issue("reader").await;
    let [key] = mount.atlas.model_keys().await.try_into().expect("one key");
    let path = format!("issued/{}", key["id"].as_str().expect("an id"));
    let shown = TestMount::data(mount.read(&path).await);
    assert_eq!(
        (
            &shown["ai_model_key_id"],
            &shown["description"],
            &shown["state"]
        ),
        (&key["id"], &data["name"], &json!("active"))
    );
    assert_eq!(shown["credential_type"], "ai_model_key");
    let listed = TestMount::data(mount.list("issued/").await);
    let info = &listed["key_info"][text(&shown, "id")];
    assert_eq!(info["public"], key["id"]);
    let ended = mount.ask(Operation::Delete, &path, json!({})).await;
    assert_eq!(TestMount::warnings(ended), NOTHING);
    assert_eq!(mount.atlas.credentials().await, NOTHING);
    lease.issue_time = Some(mount.now());
    mount.renew(&lease).await.expect_err("it was ended");
    mount.atlas.forget_requests().await;
    mount.revoke(&lease).await.expect("revoked");
    assert_eq!(mount.atlas.request_count().await, 0);
    assert_eq!(mount.journal_keys(), NOTHING);
}

#[tokio::test]
async fn a_drained_mount_ends_its_keys() {
    let mount = mount_with(json!({})).await;
    a_drain_of(&mount, "ai_model_key").await;
}

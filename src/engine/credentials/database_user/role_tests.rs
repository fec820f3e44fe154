//! What a role of database users is written with.

use serde_json::{Value, json};

use super::tests::{mount_with, text, the_user};
use crate::engine::testing::TestMount;

/// As Atlas keeps each right once.
#[tokio::test]
async fn what_is_written_twice_goes_to_atlas_once() {
    let twice = json!([
        "read@app", {"roleName": "read", "databaseName": "app"}, "read@other",
    ]);
    let mount = mount_with(json!({
        "database_roles": twice, "scopes": "west,west:CLUSTER",
    }))
    .await;
    mount.issue("reader").await;
    let user = the_user(&mount).await;
    assert_eq!(user["roles"].as_array().map(Vec::len), Some(2), "{user}");
    assert_eq!(user["scopes"].as_array().map(Vec::len), Some(1), "{user}");
    let read = TestMount::data(mount.read("roles/reader").await);
    assert_eq!(read["scopes"], json!(["west", "west:CLUSTER"]));
}

#[tokio::test]
async fn a_role_of_another_type_by_now_has_no_wait() {
    let mount = mount_with(json!({ "wait": "5s" })).await;
    let other = json!({
        "credential_type": "ai_model_key", "database_roles": "", "max_live": 0,
    });
    mount.write("roles/reader", other).await.expect("written");
    let stored: Value = serde_json::from_slice(&mount.storage.value("roles/reader")).expect("JSON");
    assert_eq!(stored.get("wait"), None);
    let refused = mount.write("roles/reader", json!({ "wait": 5 })).await;
    let told = refused.expect_err("refused").to_string();
    assert!(told.contains("wait: only for"), "{told}");
}

#[tokio::test]
async fn a_template_of_which_names_come_again_is_warned_of() {
    let mount = mount_with(json!({})).await;
    for (template, comes_again) in [
        ("app", true),
        ("app-{{random 4}}", true),
        (
            "{{printf \"v-%s-%s\" .DisplayName (random 20) | truncate 10}}",
            true,
        ),
        ("app-{{random 8}}", false),
        ("{{uuid}}", false),
        ("", false),
    ] {
        let change = json!({ "username_template": template });
        let written = TestMount::warnings(mount.write("roles/reader", change).await);
        let found = TestMount::data(mount.read("check/reader").await);
        for told in [json!(written), found["warnings"].clone()] {
            let told = told.to_string();
            assert_eq!(told.contains("names come again"), comes_again, "{told}");
        }
    }
}

/// Its default name is of letters that every Atlas takes.
#[tokio::test]
async fn a_role_with_a_dot_has_users_of_plain_names() {
    let mount = mount_with(json!({})).await;
    let plain = json!({ "special_database_usernames": "refuse" });
    mount.atlas.set(plain).await;
    let role = json!({
        "credential_type": "database_user", "project_id": mount.atlas.project(0),
        "database_roles": "read@app", "max_live": 5,
    });
    mount.write("roles/team.a", role).await.expect("a role");
    let (data, lease) = mount.issue("team.a").await;
    assert!(text(&data, "username").starts_with("vault-team_a-"));
    mount.revoke(&lease).await.expect("revoked");
    mount.assert_nothing_left("revoked").await;
}

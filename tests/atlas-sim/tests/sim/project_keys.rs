//! API keys as a project sees them.

use serde_json::{Value, json};

use crate::harness::Atlas;

fn role_names(key: &Value) -> Vec<String> {
    let roles = key["roles"].as_array().unwrap().iter();
    let mut names: Vec<String> = roles
        .map(|role| role["roleName"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

async fn org_key(atlas: &Atlas) -> String {
    let body = json!({"desc": "org key", "roles": ["ORG_MEMBER"]});
    atlas
        .post(&format!("{}/apiKeys", atlas.org()), body)
        .await
        .text("id")
}

#[tokio::test]
async fn a_project_key_is_a_member_of_the_organization() {
    let atlas = Atlas::start("project_keys_create").await;
    let path = format!("{}/apiKeys", atlas.project());
    let key = atlas
        .post(
            &path,
            json!({"desc": "x", "roles": ["GROUP_OWNER", "GROUP_READ_ONLY"]}),
        )
        .await
        .ok();
    assert_eq!(
        role_names(&key),
        ["GROUP_OWNER", "GROUP_READ_ONLY", "ORG_MEMBER"]
    );
    let org_of = key["roles"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|role| role.get("orgId"));
    assert_eq!(org_of, Some(&json!(atlas.seed().org_id)));
    let href = key["links"][0]["href"].as_str().unwrap();
    assert!(href.contains(&format!("/orgs/{}/apiKeys/", atlas.seed().org_id)));
    let listed = atlas.get(&path).await.ok();
    assert_eq!(listed["totalCount"], 1);
    let in_org = format!("{}/apiKeys/{}", atlas.org(), key["id"].as_str().unwrap());
    assert_eq!(atlas.get(&in_org).await.status, 200);
    let wrong = json!({"desc": "x", "roles": ["ORG_MEMBER"]});
    assert_eq!(
        atlas.post(&path, wrong).await.refusal(),
        (400, "CANNOT_ADD_ORG_ROLE")
    );
}

#[tokio::test]
async fn an_unassigned_key_stays_in_the_organization() {
    let atlas = Atlas::start("project_keys_unassign").await;
    let path = format!("{}/apiKeys", atlas.project());
    let id = atlas
        .post(&path, json!({"desc": "x", "roles": ["GROUP_OWNER"]}))
        .await
        .text("id");
    assert_eq!(atlas.delete(&format!("{path}/{id}")).await.status, 204);
    assert_eq!(
        atlas.delete(&format!("{path}/{id}")).await.refusal(),
        (400, "API_KEY_NOT_FOUND")
    );
    let key = atlas
        .get(&format!("{}/apiKeys/{id}", atlas.org()))
        .await
        .ok();
    assert_eq!(role_names(&key), ["ORG_MEMBER"]);
}

#[tokio::test]
async fn a_key_is_assigned_by_an_array_and_answered_by_nothing() {
    let atlas = Atlas::start("project_keys_assign").await;
    let id = org_key(&atlas).await;
    let path = format!("{}/apiKeys/{id}", atlas.project());
    let answer = atlas.post(&path, json!([{"roles": ["GROUP_OWNER"]}])).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    for (body, code) in [
        (json!({"roles": ["GROUP_OWNER"]}), "INVALID_JSON"),
        (json!([]), "MISSING_API_KEY_ROLES"),
        (json!([{"roles": []}]), "MISSING_API_KEY_ROLES"),
        (json!([{"roles": ["ORG_OWNER"]}]), "CANNOT_ADD_ORG_ROLE"),
        (
            json!([{"roles": ["GROUP_OWNER"], "userId": id}]),
            "INVALID_ATTRIBUTE",
        ),
        (
            json!([{"roles": ["GROUP_OWNER"]}, {"roles": ["GROUP_READ_ONLY"]}]),
            "BAD_REQUEST",
        ),
    ] {
        assert_eq!(atlas.post(&path, body).await.refusal(), (400, code));
    }
}

#[tokio::test]
async fn assigning_again_does_what_is_set() {
    let atlas = Atlas::start("project_keys_again").await;
    let id = org_key(&atlas).await;
    let path = format!("{}/apiKeys/{id}", atlas.project());
    let held = async || {
        let key = atlas
            .get(&format!("{}/apiKeys/{id}", atlas.org()))
            .await
            .ok();
        role_names(&key)
            .into_iter()
            .filter(|name| name.starts_with("GROUP_"))
            .collect::<Vec<_>>()
    };
    atlas
        .post(&path, json!([{"roles": ["GROUP_OWNER"]}]))
        .await
        .ok();
    atlas
        .post(&path, json!([{"roles": ["GROUP_READ_ONLY"]}]))
        .await
        .ok();
    assert_eq!(held().await, ["GROUP_READ_ONLY"]);
    atlas.settings(json!({"assign_again": "merge"})).await;
    atlas
        .post(&path, json!([{"roles": ["GROUP_OWNER"]}]))
        .await
        .ok();
    assert_eq!(held().await, ["GROUP_OWNER", "GROUP_READ_ONLY"]);
    atlas.settings(json!({"assign_again": "refuse"})).await;
    assert_eq!(
        atlas
            .post(&path, json!([{"roles": ["GROUP_OWNER"]}]))
            .await
            .status,
        409
    );
    atlas
        .settings(json!({"assign_again": "replace", "assign_further_elements": "accept"}))
        .await;
    let two = json!([{"roles": ["GROUP_OWNER"]}, {"roles": ["GROUP_BACKUP_MANAGER"]}]);
    atlas.post(&path, two).await.ok();
    assert_eq!(held().await, ["GROUP_BACKUP_MANAGER", "GROUP_OWNER"]);
}

#[tokio::test]
async fn a_patch_sets_the_roles_and_assigns_if_set_so() {
    let atlas = Atlas::start("project_keys_patch").await;
    let id = org_key(&atlas).await;
    let path = format!("{}/apiKeys/{id}", atlas.project());
    let key = atlas
        .patch(&path, json!({"roles": ["GROUP_OWNER"]}))
        .await
        .ok();
    assert_eq!(role_names(&key), ["GROUP_OWNER", "ORG_MEMBER"]);
    let key = atlas
        .patch(&path, json!({"roles": ["GROUP_READ_ONLY"], "desc": "new"}))
        .await
        .ok();
    assert_eq!(
        (role_names(&key), key["desc"].as_str()),
        (
            vec!["GROUP_READ_ONLY".to_owned(), "ORG_MEMBER".to_owned()],
            Some("new")
        )
    );
    assert_eq!(atlas.patch(&path, json!({})).await.status, 400);
    assert_eq!(
        atlas.patch(&path, json!({"roles": []})).await.refusal(),
        (400, "MISSING_API_KEY_ROLES")
    );
    atlas.settings(json!({"patch_assigns_key": false})).await;
    let other = org_key(&atlas).await;
    let answer = atlas
        .patch(
            &format!("{}/apiKeys/{other}", atlas.project()),
            json!({"roles": ["GROUP_OWNER"]}),
        )
        .await;
    assert_eq!(answer.refusal(), (400, "API_KEY_NOT_FOUND"));
}

#[tokio::test]
async fn a_key_of_another_organization_cannot_be_assigned() {
    let atlas = Atlas::start("project_keys_foreign").await;
    let org = atlas
        .control("POST", "/orgs", json!({"name": "other"}))
        .await
        .text("id");
    let key = atlas
        .control(
            "POST",
            "/keys",
            json!({"org_id": org, "org_roles": ["ORG_MEMBER"]}),
        )
        .await
        .text("id");
    let path = format!("{}/apiKeys/{key}", atlas.project());
    let answer = atlas.post(&path, json!([{"roles": ["GROUP_OWNER"]}])).await;
    assert_eq!(
        answer.refusal(),
        (400, "API_KEY_CAN_ONLY_BELONG_TO_ONE_ORG")
    );
    let unknown = format!("{}/apiKeys/507f1f77bcf86cd799439011", atlas.project());
    assert_eq!(
        atlas
            .post(&unknown, json!([{"roles": ["GROUP_OWNER"]}]))
            .await
            .refusal(),
        (400, "API_KEY_NOT_FOUND")
    );
}

#[tokio::test]
async fn deleting_a_key_takes_it_out_of_every_project() {
    let atlas = Atlas::start("project_keys_delete").await;
    let path = format!("{}/apiKeys", atlas.project());
    let id = atlas
        .post(&path, json!({"desc": "x", "roles": ["GROUP_OWNER"]}))
        .await
        .text("id");
    assert_eq!(
        atlas
            .delete(&format!("{}/apiKeys/{id}", atlas.org()))
            .await
            .status,
        204
    );
    assert_eq!(atlas.get(&path).await.ok()["totalCount"], 0);
}

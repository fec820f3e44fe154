//! Who may do what.

use serde_json::{Value, json};

use crate::harness::{Atlas, Auth};

struct Cast {
    org_member: Auth,
    org_reader: Auth,
    group_creator: Auth,
    project_owner: Auth,
    project_reader: Auth,
}

async fn cast(atlas: &Atlas) -> Cast {
    let project = atlas.seed().project_ids[0].clone();
    let none = json!({});
    Cast {
        org_member: atlas.key(json!(["ORG_MEMBER"]), none.clone()).await,
        org_reader: atlas.key(json!(["ORG_READ_ONLY"]), none.clone()).await,
        group_creator: atlas.key(json!(["ORG_GROUP_CREATOR"]), none).await,
        project_owner: atlas
            .key(json!(["ORG_MEMBER"]), json!({&project: ["GROUP_OWNER"]}))
            .await,
        project_reader: atlas
            .key(
                json!(["ORG_MEMBER"]),
                json!({&project: ["GROUP_READ_ONLY"]}),
            )
            .await,
    }
}

async fn may(atlas: &Atlas, auth: &Auth, method: &str, path: &str, body: Value) -> bool {
    let body = (!body.is_null()).then_some(body);
    let answer = atlas.call(auth, method, path, body).await;
    if answer.status == 401 {
        assert_eq!(answer.code(), "USER_UNAUTHORIZED");
        assert_eq!(answer.body["parameters"], json!([]));
        return false;
    }
    assert!(
        (200..300).contains(&answer.status),
        "{method} {path}: {} {}",
        answer.status,
        answer.text
    );
    true
}

#[tokio::test]
async fn reading_needs_the_role_the_description_names() {
    let atlas = Atlas::start("roles_reading").await;
    let cast = cast(&atlas).await;
    let (org, project) = (atlas.org(), atlas.project());
    let table = [
        (format!("{org}/apiKeys"), [true, true, true, true]),
        (format!("{org}/settings"), [true, true, true, true]),
        (
            format!("{org}/serviceAccounts"),
            [false, true, false, false],
        ),
        (project.clone(), [false, true, true, true]),
        (format!("{project}/apiKeys"), [false, true, true, true]),
        (
            format!("{project}/serviceAccounts"),
            [false, true, true, true],
        ),
        (
            format!("{project}/encryptionAtRest"),
            [false, true, true, true],
        ),
    ];
    for (path, wanted) in table {
        let who = [
            &cast.org_member,
            &cast.org_reader,
            &cast.project_owner,
            &cast.project_reader,
        ];
        for (auth, wanted) in who.into_iter().zip(wanted) {
            assert_eq!(
                may(&atlas, auth, "GET", &path, Value::Null).await,
                wanted,
                "{path}"
            );
        }
    }
    let elsewhere = format!("/groups/{}", atlas.seed().project_ids[1]);
    assert!(!may(&atlas, &cast.project_owner, "GET", &elsewhere, Value::Null).await);
}

#[tokio::test]
async fn writing_needs_the_role_the_description_names() {
    let atlas = Atlas::start("roles_writing").await;
    let cast = cast(&atlas).await;
    let (org, project) = (atlas.org(), atlas.project());
    let org_key = json!({"desc": "x", "roles": ["ORG_MEMBER"]});
    let project_key = json!({"desc": "x", "roles": ["GROUP_READ_ONLY"]});
    let account = json!({"name": "x", "description": "x", "roles": ["GROUP_READ_ONLY"], "secretExpiresAfterHours": 8});
    for (path, body, wanted) in [
        (
            format!("{org}/apiKeys"),
            org_key,
            [false, false, false, false],
        ),
        (
            format!("{project}/apiKeys"),
            project_key,
            [false, false, true, false],
        ),
        (
            format!("{project}/serviceAccounts"),
            account,
            [false, false, true, false],
        ),
    ] {
        let who = [
            &cast.org_member,
            &cast.org_reader,
            &cast.project_owner,
            &cast.project_reader,
        ];
        for (auth, wanted) in who.into_iter().zip(wanted) {
            assert_eq!(
                may(&atlas, auth, "POST", &path, body.clone()).await,
                wanted,
                "{path}"
            );
        }
    }
    let new = json!({"name": "new", "orgId": atlas.seed().org_id});
    assert!(!may(&atlas, &cast.org_reader, "POST", "/groups", new.clone()).await);
    assert!(may(&atlas, &cast.group_creator, "POST", "/groups", new).await);
}

#[tokio::test]
async fn a_project_owner_makes_a_key_it_cannot_delete() {
    let atlas = Atlas::start("roles_project_owner").await;
    let owner = cast(&atlas).await.project_owner;
    let path = format!("{}/apiKeys", atlas.project());
    let body = json!({"desc": "x", "roles": ["GROUP_OWNER"]});
    let id = atlas
        .call(&owner, "POST", &path, Some(body))
        .await
        .text("id");
    let in_org = format!("{}/apiKeys/{id}", atlas.org());
    assert!(!may(&atlas, &owner, "DELETE", &in_org, Value::Null).await);
    assert!(
        may(
            &atlas,
            &owner,
            "DELETE",
            &format!("{path}/{id}"),
            Value::Null
        )
        .await
    );
    assert!(may(&atlas, &owner, "GET", &in_org, Value::Null).await);
}

#[tokio::test]
async fn writers_of_a_keys_access_list_follow_the_setting() {
    let atlas = Atlas::start("roles_access_list").await;
    let member = cast(&atlas).await.project_owner;
    let body = json!({"desc": "x", "roles": ["ORG_MEMBER"]});
    let id = atlas
        .post(&format!("{}/apiKeys", atlas.org()), body)
        .await
        .text("id");
    let path = format!("{}/apiKeys/{id}/accessList", atlas.org());
    let entries = json!([{"ipAddress": "192.0.2.1"}]);
    assert!(!may(&atlas, &member, "POST", &path, entries.clone()).await);
    atlas
        .settings(json!({"api_key_access_list_writer": "organization_member"}))
        .await;
    assert!(may(&atlas, &member, "POST", &path, entries).await);
}

#[tokio::test]
async fn a_constant_for_the_access_manager_can_be_named() {
    let atlas = Atlas::start("roles_access_manager").await;
    let project = atlas.seed().project_ids[0].clone();
    let manager = atlas
        .key(
            json!(["ORG_MEMBER"]),
            json!({project: ["GROUP_USER_ADMIN"]}),
        )
        .await;
    let path = format!("{}/apiKeys", atlas.project());
    let body = json!({"desc": "x", "roles": ["GROUP_USER_ADMIN"]});
    assert_eq!(
        atlas.post(&path, body.clone()).await.refusal(),
        (400, "BAD_REQUEST")
    );
    assert!(!may(&atlas, &manager, "POST", &path, body.clone()).await);
    atlas
        .settings(json!({"project_access_manager_role": "GROUP_USER_ADMIN"}))
        .await;
    assert!(may(&atlas, &manager, "POST", &path, body).await);
    let extra = json!({"desc": "x", "roles": ["GROUP_CHARTS_ADMIN"]});
    assert_eq!(atlas.post(&path, extra.clone()).await.status, 400);
    atlas
        .settings(json!({"extra_group_roles": ["GROUP_CHARTS_ADMIN"]}))
        .await;
    atlas.post(&path, extra).await.ok();
}

#[tokio::test]
async fn another_organization_is_closed() {
    let atlas = Atlas::start("roles_foreign").await;
    let org = atlas
        .control("POST", "/orgs", json!({"name": "other"}))
        .await
        .text("id");
    let project = atlas
        .control("POST", "/projects", json!({"org_id": org, "name": "p"}))
        .await
        .text("id");
    let answer = atlas.get(&format!("/orgs/{org}")).await;
    assert_eq!(answer.refusal(), (401, "USER_CANNOT_ACCESS_ORG"));
    let answer = atlas.get(&format!("/groups/{project}")).await;
    assert_eq!(answer.refusal(), (401, "USER_CANNOT_ACCESS_GROUP"));
    assert_eq!(atlas.get("/groups").await.ok()["totalCount"], 3);
}

#[tokio::test]
async fn the_status_of_a_missing_role_follows_the_setting() {
    let atlas = Atlas::start("roles_status").await;
    let member = cast(&atlas).await.org_member;
    atlas
        .settings(json!({"missing_role": {"status": 403, "code": "ACCESS_FORBIDDEN"}}))
        .await;
    let answer = atlas.call(&member, "GET", &atlas.project(), None).await;
    assert_eq!(answer.refusal(), (403, "ACCESS_FORBIDDEN"));
}

#[tokio::test]
async fn granting_more_than_ones_own_roles_follows_the_setting() {
    let atlas = Atlas::start("roles_beyond").await;
    atlas
        .settings(json!({"project_access_manager_role": "GROUP_USER_ADMIN"}))
        .await;
    let project = atlas.seed().project_ids[0].clone();
    let manager = atlas
        .key(
            json!(["ORG_MEMBER"]),
            json!({project: ["GROUP_USER_ADMIN"]}),
        )
        .await;
    let path = format!("{}/apiKeys", atlas.project());
    let body = json!({"desc": "x", "roles": ["GROUP_OWNER"]});
    assert!(may(&atlas, &manager, "POST", &path, body.clone()).await);
    atlas.settings(json!({"grant_beyond_own": "refuse"})).await;
    assert!(!may(&atlas, &manager, "POST", &path, body).await);
    let own = json!({"desc": "x", "roles": ["GROUP_USER_ADMIN", "GROUP_READ_ONLY"]});
    assert!(may(&atlas, &manager, "POST", &path, own).await);
}

#[tokio::test]
async fn role_names_and_levels_are_checked() {
    let atlas = Atlas::start("roles_names").await;
    let path = format!("{}/apiKeys", atlas.org());
    let with = |role: &str| json!({"desc": "x", "roles": [role]});
    let answer = atlas.post(&path, with("ORG_KING")).await;
    assert_eq!(answer.refusal(), (400, "BAD_REQUEST"));
    assert_eq!(
        answer.body["badRequestDetail"]["fields"][0],
        json!({"field": "_roles", "description": "Invalid role name ORG_KING"})
    );
    assert_eq!(
        atlas.post(&path, with("GROUP_OWNER")).await.refusal(),
        (400, "CANNOT_ADD_GROUP_ROLE")
    );
    atlas.settings(json!({"role_name_error": "invalid_enum_value", "group_role_in_org_code": "INVALID_ROLE_FOR_ORG"})).await;
    assert_eq!(
        atlas.post(&path, with("ORG_KING")).await.refusal(),
        (400, "INVALID_ENUM_VALUE")
    );
    assert_eq!(
        atlas.post(&path, with("GROUP_OWNER")).await.refusal(),
        (400, "INVALID_ROLE_FOR_ORG")
    );
}

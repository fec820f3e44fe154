//! Service accounts.

use serde_json::{Value, json};

use crate::harness::Atlas;

fn body(roles: &[&str]) -> Value {
    json!({"name": "reader", "description": "reads", "roles": roles, "secretExpiresAfterHours": 8})
}

#[tokio::test]
async fn the_secret_is_shown_once() {
    let atlas = Atlas::start("accounts_create").await;
    let path = format!("{}/serviceAccounts", atlas.org());
    let answer = atlas.post(&path, body(&["ORG_MEMBER"])).await;
    assert_eq!(answer.status, 201);
    let account = answer.ok();
    let secret = account["secrets"][0]["secret"].as_str().unwrap();
    assert!(secret.starts_with("mdb_sa_sk_"));
    assert!(account["secrets"][0].get("maskedSecretValue").is_none());
    let read = atlas
        .get(&format!("{path}/{}", account["clientId"].as_str().unwrap()))
        .await
        .ok();
    let masked = format!("mdb_sa_sk_...{}", &secret[secret.len() - 4..]);
    assert_eq!(read["secrets"][0]["maskedSecretValue"], json!(masked));
    assert!(!read.to_string().contains(secret));
    assert_eq!(atlas.get(&path).await.ok()["totalCount"], 2);
    atlas
        .token((account["clientId"].as_str().unwrap(), secret))
        .await;
}

#[tokio::test]
async fn a_body_is_checked_field_by_field() {
    let atlas = Atlas::start("accounts_body").await;
    let path = format!("{}/serviceAccounts", atlas.org());
    let with = |name: &str, value: Value| {
        let mut body = body(&["ORG_MEMBER"]);
        body[name] = value;
        body
    };
    for (body, code) in [
        (with("name", json!("a:b")), "BAD_REQUEST"),
        (with("name", json!("x".repeat(65))), "BAD_REQUEST"),
        (with("description", json!("")), "BAD_REQUEST"),
        (with("description", json!("a/b")), "BAD_REQUEST"),
        (with("roles", json!([])), "BAD_REQUEST"),
        (
            with("roles", json!(["GROUP_OWNER"])),
            "CANNOT_ADD_GROUP_ROLE",
        ),
        (with("roles", json!(["ORG_KING"])), "BAD_REQUEST"),
        (
            with("secretExpiresAfterHours", json!("8")),
            "INVALID_JSON_ATTRIBUTE",
        ),
        (
            with("secretExpiresAfterHours", json!(8.5)),
            "INVALID_JSON_ATTRIBUTE",
        ),
        (
            with("withoutInitialSecret", json!(true)),
            "INVALID_ATTRIBUTE",
        ),
        (
            json!({"name": "x", "description": "x", "roles": ["ORG_MEMBER"]}),
            "MISSING_ATTRIBUTE",
        ),
    ] {
        assert_eq!(
            atlas.post(&path, body.clone()).await.refusal(),
            (400, code),
            "{body}"
        );
    }
    let answer = atlas.post(&path, with("roles", json!(["ORG_KING"]))).await;
    assert_eq!(
        answer.body["badRequestDetail"]["fields"][0]["field"],
        "_roles"
    );
    assert_eq!(atlas.get(&path).await.ok()["totalCount"], 1);
}

#[tokio::test]
async fn a_project_account_is_a_member_of_the_organization() {
    let atlas = Atlas::start("accounts_project").await;
    let path = format!("{}/serviceAccounts", atlas.project());
    let answer = atlas.post(&path, body(&["GROUP_OWNER"])).await;
    assert_eq!(answer.status, 201);
    let account = answer.ok();
    assert_eq!(
        account["roles"],
        json!(["GROUP_OWNER"]),
        "no organization role is shown"
    );
    let id = account["clientId"].as_str().unwrap();
    let in_org = format!("{}/serviceAccounts/{id}", atlas.org());
    assert_eq!(
        atlas.get(&in_org).await.ok()["roles"],
        json!(["ORG_MEMBER"])
    );
    let groups = atlas.get(&format!("{in_org}/groups")).await.ok();
    assert_eq!(
        groups["results"],
        json!([{"groupId": atlas.seed().project_ids[0], "roles": ["GROUP_OWNER"]}])
    );
    assert_eq!(atlas.get(&path).await.ok()["totalCount"], 1);
}

#[tokio::test]
async fn leaving_a_project_is_not_the_end_of_an_account() {
    let atlas = Atlas::start("accounts_unassign").await;
    let path = format!("{}/serviceAccounts", atlas.project());
    let account = atlas.post(&path, body(&["GROUP_OWNER"])).await.ok();
    let id = account["clientId"].as_str().unwrap();
    let client = (id, account["secrets"][0]["secret"].as_str().unwrap());
    let token = atlas.token(client).await;
    assert_eq!(
        atlas
            .call(&token, "GET", &atlas.project(), None)
            .await
            .status,
        200
    );
    assert_eq!(atlas.delete(&format!("{path}/{id}")).await.status, 204);
    assert_eq!(
        atlas
            .call(&token, "GET", &atlas.project(), None)
            .await
            .refusal(),
        (401, "USER_UNAUTHORIZED")
    );
    assert_eq!(
        atlas.call(&token, "GET", &atlas.org(), None).await.status,
        200
    );
    assert_eq!(
        atlas.get(&format!("{path}/{id}")).await.refusal(),
        (404, "RESOURCE_NOT_FOUND")
    );
    let in_org = format!("{}/serviceAccounts/{id}", atlas.org());
    assert_eq!(atlas.delete(&in_org).await.status, 204);
    assert_eq!(
        atlas.delete(&in_org).await.refusal(),
        (404, "RESOURCE_NOT_FOUND")
    );
    assert_eq!(atlas.mint(client).await.status, 401);
}

#[tokio::test]
async fn an_account_is_invited_to_a_project() {
    let atlas = Atlas::start("accounts_invite").await;
    let account = atlas
        .post(
            &format!("{}/serviceAccounts", atlas.org()),
            body(&["ORG_MEMBER"]),
        )
        .await
        .ok();
    let id = account["clientId"].as_str().unwrap();
    let path = format!("{}/serviceAccounts/{id}", atlas.project());
    let invite = async |roles: Value| {
        atlas
            .post(&format!("{path}:invite"), json!({"roles": roles}))
            .await
    };
    let invited = invite(json!(["GROUP_READ_ONLY"])).await.ok();
    assert_eq!(invited["roles"], json!(["GROUP_READ_ONLY"]));
    assert!(invited["secrets"][0]["maskedSecretValue"].is_string());
    assert_eq!(
        invite(json!(["GROUP_OWNER"])).await.ok()["roles"],
        json!(["GROUP_OWNER"])
    );
    atlas.settings(json!({"invite_again": "merge"})).await;
    assert_eq!(
        invite(json!(["GROUP_READ_ONLY"])).await.ok()["roles"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    atlas.settings(json!({"invite_again": "refuse"})).await;
    assert_eq!(invite(json!(["GROUP_READ_ONLY"])).await.status, 409);
    assert_eq!(invite(json!([])).await.status, 400);
    assert_eq!(
        invite(json!(["ORG_OWNER"])).await.refusal(),
        (400, "CANNOT_ADD_ORG_ROLE")
    );
    let unknown = format!(
        "{}/serviceAccounts/mdb_sa_id_507f1f77bcf86cd799439011:invite",
        atlas.project()
    );
    assert_eq!(
        atlas
            .post(&unknown, json!({"roles": ["GROUP_OWNER"]}))
            .await
            .status,
        404
    );
    atlas.settings(json!({"unknown_service_account": {"status": 400, "code": "SERVICE_ACCOUNT_NOT_FOUND"}})).await;
    assert_eq!(
        atlas
            .post(&unknown, json!({"roles": ["GROUP_OWNER"]}))
            .await
            .refusal(),
        (400, "SERVICE_ACCOUNT_NOT_FOUND")
    );
}

#[tokio::test]
async fn only_an_organization_owner_invites() {
    let atlas = Atlas::start("accounts_invite_role").await;
    let project = atlas.seed().project_ids[0].clone();
    let owner = atlas
        .key(json!(["ORG_MEMBER"]), json!({project: ["GROUP_OWNER"]}))
        .await;
    let path = format!(
        "{}/serviceAccounts/{}:invite",
        atlas.project(),
        atlas.client().0
    );
    let answer = atlas
        .call(
            &owner,
            "POST",
            &path,
            Some(json!({"roles": ["GROUP_OWNER"]})),
        )
        .await;
    assert_eq!(answer.refusal(), (401, "USER_UNAUTHORIZED"));
}

#[tokio::test]
async fn an_update_changes_the_roles_of_its_own_level() {
    let atlas = Atlas::start("accounts_update").await;
    let account = atlas
        .post(
            &format!("{}/serviceAccounts", atlas.project()),
            body(&["GROUP_OWNER"]),
        )
        .await
        .ok();
    let id = account["clientId"].as_str().unwrap();
    let in_project = format!("{}/serviceAccounts/{id}", atlas.project());
    let in_org = format!("{}/serviceAccounts/{id}", atlas.org());
    let changed = atlas
        .patch(
            &in_project,
            json!({"roles": ["GROUP_READ_ONLY"], "name": "new"}),
        )
        .await
        .ok();
    assert_eq!(
        (&changed["roles"], &changed["name"]),
        (&json!(["GROUP_READ_ONLY"]), &json!("new"))
    );
    let changed = atlas
        .patch(
            &in_org,
            json!({"roles": ["ORG_READ_ONLY"], "description": "d"}),
        )
        .await
        .ok();
    assert_eq!(
        (&changed["roles"], &changed["description"]),
        (&json!(["ORG_READ_ONLY"]), &json!("d"))
    );
    assert_eq!(
        atlas.get(&in_project).await.ok()["roles"],
        json!(["GROUP_READ_ONLY"])
    );
    assert_eq!(atlas.patch(&in_org, json!({"roles": []})).await.status, 400);
    assert_eq!(
        atlas.patch(&in_org, json!({"secrets": []})).await.refusal(),
        (400, "INVALID_ATTRIBUTE")
    );
}

#[tokio::test]
async fn an_organization_has_a_bounded_number_of_accounts() {
    let atlas = Atlas::start("accounts_number").await;
    atlas
        .settings(json!({"max_service_accounts_per_org": 1}))
        .await;
    for (path, role) in [
        (atlas.org(), "ORG_MEMBER"),
        (atlas.project(), "GROUP_OWNER"),
    ] {
        let answer = atlas
            .post(&format!("{path}/serviceAccounts"), body(&[role]))
            .await;
        assert_eq!(
            answer.refusal(),
            (400, "MAX_SERVICE_ACCOUNTS_PER_ORG_EXCEEDED")
        );
        assert_eq!(answer.body["parameters"], json!([1, atlas.seed().org_id]));
    }
}

#[tokio::test]
async fn a_project_owner_loses_the_secrets_of_an_account_that_reaches_further() {
    let atlas = Atlas::start("accounts_manage").await;
    let projects = atlas.seed().project_ids.clone();
    let account = atlas
        .post(
            &format!("{}/serviceAccounts", atlas.project()),
            body(&["GROUP_OWNER"]),
        )
        .await
        .ok();
    let id = account["clientId"].as_str().unwrap();
    let project = projects[0].clone();
    let owner = atlas
        .key(json!(["ORG_MEMBER"]), json!({project: ["GROUP_OWNER"]}))
        .await;
    let secrets = format!("{}/serviceAccounts/{id}/secrets", atlas.project());
    let hours = json!({"secretExpiresAfterHours": 8});
    let made = atlas
        .call(&owner, "POST", &secrets, Some(hours.clone()))
        .await;
    assert_eq!(made.status, 201);
    let secret = format!("{secrets}/{}", made.text("id"));
    let elsewhere = format!("/groups/{}/serviceAccounts/{id}:invite", projects[1]);
    atlas
        .post(&elsewhere, json!({"roles": ["GROUP_READ_ONLY"]}))
        .await
        .ok();
    assert_eq!(
        atlas.call(&owner, "DELETE", &secret, None).await.refusal(),
        (401, "USER_UNAUTHORIZED")
    );
    assert_eq!(
        atlas
            .delete(&format!("/groups/{}/serviceAccounts/{id}", projects[1]))
            .await
            .status,
        204
    );
    atlas
        .settings(json!({"automatic_member_is_org_access": true}))
        .await;
    assert_eq!(
        atlas.call(&owner, "DELETE", &secret, None).await.status,
        401
    );
    assert_eq!(
        atlas.delete(&secret).await.status,
        204,
        "the organization's owner may"
    );
}

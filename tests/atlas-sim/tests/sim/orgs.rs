//! Organizations, their settings, the root call.

use serde_json::{Value, json};

use crate::harness::{Atlas, Auth};

#[tokio::test]
async fn the_root_call_identifies_the_caller() {
    let atlas = Atlas::start("orgs_root").await;
    let body = atlas.get("").await.ok();
    assert_eq!(
        body["apiKey"]["publicKey"],
        json!(atlas.seed().api_key.public_key)
    );
    assert_eq!(
        body["apiKey"]["roles"],
        json!([{"orgId": atlas.seed().org_id, "roleName": "ORG_OWNER"}])
    );
    let token = atlas.token(atlas.client()).await;
    let body = atlas.call(&token, "GET", "", None).await.ok();
    let id = body["apiKey"]["id"].as_str().unwrap();
    assert!(atlas.client().0.ends_with(id));
    atlas.settings(json!({"root_for_account": "absent"})).await;
    assert!(
        atlas
            .call(&token, "GET", "", None)
            .await
            .ok()
            .get("apiKey")
            .is_none()
    );
}

#[tokio::test]
async fn a_credential_sees_its_one_organization() {
    let atlas = Atlas::start("orgs_list").await;
    atlas
        .control("POST", "/orgs", json!({"name": "other"}))
        .await
        .ok();
    let list = atlas.get("/orgs").await.ok();
    assert_eq!(
        (&list["totalCount"], &list["results"][0]["id"]),
        (&json!(1), &json!(atlas.seed().org_id))
    );
    assert_eq!(atlas.get("/orgs?name=Seed").await.ok()["totalCount"], 1);
    assert_eq!(atlas.get("/orgs?name=eed").await.ok()["totalCount"], 0);
}

#[tokio::test]
async fn settings_change_one_by_one() {
    let atlas = Atlas::start("orgs_settings").await;
    let path = format!("{}/settings", atlas.org());
    let body = atlas.get(&path).await.ok();
    assert_eq!(body["apiAccessListRequired"], false);
    assert!(body.get("maxServiceAccountSecretValidityInHours").is_none());
    let body = atlas
        .patch(&path, json!({"maxServiceAccountSecretValidityInHours": 24}))
        .await
        .ok();
    assert_eq!(
        (
            &body["maxServiceAccountSecretValidityInHours"],
            &body["genAIFeaturesEnabled"]
        ),
        (&json!(24), &json!(true))
    );
    for wrong in [
        json!({"maxServiceAccountSecretValidityInHours": 7}),
        json!({"apiAccessListRequired": "no"}),
        json!({"operationsContact": ""}),
        json!({"customSessionTimeouts": {"colour": 1}}),
        json!({"colour": "red"}),
    ] {
        assert_eq!(
            atlas.patch(&path, wrong.clone()).await.status,
            400,
            "{wrong}"
        );
    }
    let body = atlas.patch(&path, json!({"operationsContact": "a@example.org", "customSessionTimeouts": {"idleSessionTimeoutInSeconds": 600}})).await.ok();
    assert_eq!(body["operationsContact"], "a@example.org");
}

#[tokio::test]
async fn an_organization_is_renamed_and_deleted_when_empty() {
    let atlas = Atlas::start("orgs_change").await;
    let body = atlas
        .patch(&atlas.org(), json!({"name": "Renamed"}))
        .await
        .ok();
    assert_eq!(body["name"], "Renamed");
    assert_eq!(
        atlas
            .patch(&atlas.org(), json!({"name": "a/b"}))
            .await
            .status,
        400
    );
    assert_eq!(
        atlas.patch(&atlas.org(), json!({})).await.refusal(),
        (400, "MISSING_ATTRIBUTE")
    );
    assert_eq!(atlas.delete(&atlas.org()).await.status, 409);
    for id in atlas.seed().project_ids.clone() {
        assert_eq!(atlas.delete(&format!("/groups/{id}")).await.status, 204);
    }
    assert_eq!(atlas.delete(&atlas.org()).await.status, 204);
    assert_eq!(
        atlas.get("/orgs").await.status,
        401,
        "its credentials are gone with it"
    );
}

#[tokio::test]
async fn a_new_organization_comes_with_its_first_credential() {
    let atlas = Atlas::start("orgs_create").await;
    let owner = "507f1f77bcf86cd799439011";
    let key = json!({"desc": "first", "roles": ["ORG_OWNER"]});
    let answer = atlas
        .post(
            "/orgs",
            json!({"name": "New", "orgOwnerId": owner, "apiKey": key}),
        )
        .await;
    assert_eq!(answer.status, 201);
    let body = answer.ok();
    let text = |name: &str| body["apiKey"][name].as_str().unwrap().to_owned();
    let first = Auth::Key(text("publicKey"), text("privateKey"));
    let seen = atlas.call(&first, "GET", "/orgs", None).await.ok();
    assert_eq!(seen["results"][0]["id"], body["organization"]["id"]);
    let account = json!({"name": "x", "description": "x", "roles": ["ORG_OWNER"], "secretExpiresAfterHours": 8});
    let token = atlas.token(atlas.client()).await;
    let made = atlas
        .call(
            &token,
            "POST",
            "/orgs",
            Some(json!({"name": "Newer", "serviceAccount": account})),
        )
        .await
        .ok();
    let client = &made["serviceAccount"];
    atlas
        .token((
            client["clientId"].as_str().unwrap(),
            client["secrets"][0]["secret"].as_str().unwrap(),
        ))
        .await;
    for wrong in [
        json!({"name": "X", "orgOwnerId": owner, "apiKey": key, "serviceAccount": account}),
        json!({"name": "X"}),
        json!({"orgOwnerId": owner}),
        json!({"name": "X", "orgOwnerId": "me"}),
    ] {
        assert_eq!(
            atlas.post("/orgs", wrong.clone()).await.status,
            400,
            "{wrong}"
        );
    }
    let member = atlas
        .key(json!(["ORG_MEMBER"]), Value::Object(serde_json::Map::new()))
        .await;
    let answer = atlas
        .call(
            &member,
            "POST",
            "/orgs",
            Some(json!({"name": "X", "orgOwnerId": owner})),
        )
        .await;
    assert_eq!(answer.refusal(), (401, "USER_UNAUTHORIZED"));
}

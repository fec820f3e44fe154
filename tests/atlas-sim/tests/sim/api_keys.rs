//! API keys of an organization.

use serde_json::{Value, json};

use crate::harness::{Atlas, Auth};

async fn create(atlas: &Atlas, desc: &str) -> Value {
    let body = json!({"desc": desc, "roles": ["ORG_OWNER", "ORG_MEMBER"]});
    let answer = atlas.post(&format!("{}/apiKeys", atlas.org()), body).await;
    assert_eq!(answer.status, 200);
    answer.ok()
}

fn auth(key: &Value) -> Auth {
    let text = |name: &str| key[name].as_str().unwrap().to_owned();
    Auth::Key(text("publicKey"), text("privateKey"))
}

fn path(atlas: &Atlas, key: &Value) -> String {
    format!("{}/apiKeys/{}", atlas.org(), key["id"].as_str().unwrap())
}

#[tokio::test]
async fn the_private_key_is_shown_once() {
    let atlas = Atlas::start("keys_create").await;
    let key = create(&atlas, "vault-role=1").await;
    let private = key["privateKey"].as_str().unwrap();
    assert_eq!(
        (private.len(), key["publicKey"].as_str().unwrap().len()),
        (36, 8)
    );
    assert_eq!(key["roles"].as_array().unwrap().len(), 2);
    assert_eq!(key["roles"][0]["orgId"], json!(atlas.seed().org_id));
    let masked = format!("********-****-****-{}", &private[24..]);
    let read = atlas.get(&path(&atlas, &key)).await.ok();
    assert_eq!(read["privateKey"], json!(masked));
    let list = atlas.get(&format!("{}/apiKeys", atlas.org())).await.ok();
    assert_eq!(list["results"][1]["privateKey"], json!(masked));
    assert!(!list.to_string().contains(private));
    assert_eq!(
        atlas.call(&auth(&key), "GET", "/orgs", None).await.status,
        200
    );
}

#[tokio::test]
async fn descriptions_need_not_be_unique_and_may_hold_anything() {
    let atlas = Atlas::start("keys_descriptions").await;
    let desc = "a+b=c,d@e.f_g:h/i (ü)";
    assert_ne!(
        create(&atlas, desc).await["id"],
        create(&atlas, desc).await["id"]
    );
}

#[tokio::test]
async fn an_update_replaces_what_it_names() {
    let atlas = Atlas::start("keys_update").await;
    let key = create(&atlas, "before").await;
    let path = path(&atlas, &key);
    let read = atlas.patch(&path, json!({"desc": "after"})).await.ok();
    assert_eq!(
        (
            read["desc"].as_str(),
            read["roles"].as_array().unwrap().len()
        ),
        (Some("after"), 2)
    );
    let read = atlas
        .patch(&path, json!({"roles": ["ORG_READ_ONLY"]}))
        .await
        .ok();
    assert_eq!(
        read["roles"],
        json!([{"orgId": atlas.seed().org_id, "roleName": "ORG_READ_ONLY"}])
    );
    assert_eq!(read["desc"], "after");
    assert_eq!(
        atlas.patch(&path, json!({})).await.refusal(),
        (400, "MISSING_ATTRIBUTE")
    );
    assert_eq!(
        atlas.patch(&path, json!({"roles": []})).await.refusal(),
        (400, "MISSING_API_KEY_ROLES")
    );
    assert_eq!(
        atlas.patch(&path, json!({"id": "x"})).await.refusal(),
        (400, "INVALID_ATTRIBUTE")
    );
}

#[tokio::test]
async fn a_deleted_key_is_gone_and_cannot_sign_in() {
    let atlas = Atlas::start("keys_delete").await;
    let key = create(&atlas, "x").await;
    let path = path(&atlas, &key);
    let answer = atlas.delete(&path).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert!(
        answer
            .header("content-type")
            .starts_with("application/vnd.atlas.2023-01-01+json")
    );
    assert_eq!(
        atlas.call(&auth(&key), "GET", "/orgs", None).await.status,
        401
    );
    for answer in [
        atlas.get(&path).await,
        atlas.delete(&path).await,
        atlas.patch(&path, json!({"desc": "y"})).await,
    ] {
        assert_eq!(answer.refusal(), (400, "API_KEY_NOT_FOUND"));
        assert_eq!(answer.body["parameters"], json!([key["id"]]));
    }
    atlas
        .settings(json!({"unknown_api_key_in_org": {"status": 404, "code": "API_KEY_NOT_FOUND"}}))
        .await;
    assert_eq!(
        atlas.delete(&path).await.refusal(),
        (404, "API_KEY_NOT_FOUND")
    );
}

#[tokio::test]
async fn a_key_may_delete_itself_unless_set_otherwise() {
    let atlas = Atlas::start("keys_self").await;
    let key = create(&atlas, "x").await;
    atlas.settings(json!({"delete_self": "refuse"})).await;
    assert_eq!(
        atlas
            .call(&auth(&key), "DELETE", &path(&atlas, &key), None)
            .await
            .status,
        400
    );
    atlas.settings(json!({"delete_self": "accept"})).await;
    assert_eq!(
        atlas
            .call(&auth(&key), "DELETE", &path(&atlas, &key), None)
            .await
            .status,
        204
    );
}

#[tokio::test]
async fn an_organization_has_a_bounded_number_of_keys() {
    let atlas = Atlas::start("keys_number").await;
    atlas.settings(json!({"max_api_keys_per_org": 2})).await;
    create(&atlas, "second").await;
    let org = atlas.seed().org_id.clone();
    for path in [
        format!("{}/apiKeys", atlas.org()),
        format!("{}/apiKeys", atlas.project()),
    ] {
        let role = if path.starts_with("/orgs") {
            "ORG_MEMBER"
        } else {
            "GROUP_OWNER"
        };
        let answer = atlas
            .post(&path, json!({"desc": "third", "roles": [role]}))
            .await;
        assert_eq!(answer.refusal(), (400, "MAX_API_KEYS_PER_ORG_EXCEEDED"));
        assert_eq!(answer.body["parameters"], json!([2, org]));
    }
    atlas
        .settings(
            json!({"api_keys_exhausted": {"status": 403, "code": "MAX_PUBLIC_API_KEY_REACHED"}}),
        )
        .await;
    let answer = atlas
        .post(
            &format!("{}/apiKeys", atlas.org()),
            json!({"desc": "x", "roles": ["ORG_MEMBER"]}),
        )
        .await;
    assert_eq!(answer.refusal(), (403, "MAX_PUBLIC_API_KEY_REACHED"));
}

#[tokio::test]
async fn reads_can_lag_behind_creates_and_deletes() {
    let atlas = Atlas::start("keys_lag").await;
    atlas
        .settings(json!({
            "read_lag_after_create_seconds": 30, "read_lag_after_delete_seconds": 120,
            "new_credential_delay_seconds": 10, "deleted_key_lives_seconds": 5,
        }))
        .await;
    let key = create(&atlas, "late").await;
    let path = path(&atlas, &key);
    let signs_in = async || atlas.call(&auth(&key), "GET", "/orgs", None).await.status == 200;
    assert_eq!(atlas.get(&path).await.code(), "API_KEY_NOT_FOUND");
    assert!(!signs_in().await);
    atlas.advance(10).await;
    assert!(signs_in().await);
    atlas.advance(20).await;
    assert_eq!(atlas.get(&path).await.status, 200);
    assert_eq!(atlas.delete(&path).await.status, 204);
    assert_eq!(atlas.get(&path).await.status, 200, "still read");
    assert_eq!(
        atlas.delete(&path).await.code(),
        "API_KEY_NOT_FOUND",
        "but not there to delete"
    );
    assert!(signs_in().await);
    atlas.advance(5).await;
    assert!(!signs_in().await);
    atlas.advance(115).await;
    assert_eq!(atlas.get(&path).await.code(), "API_KEY_NOT_FOUND");
}

//! Access tokens: minted, used, revoked, dead.

use serde_json::{Value, json};

use crate::harness::{Atlas, Auth};

async fn works(atlas: &Atlas, token: &Auth) -> bool {
    let answer = atlas.call(token, "GET", "/orgs", None).await;
    assert!(matches!(answer.status, 200 | 401), "{}", answer.text);
    answer.status == 200
}

#[tokio::test]
async fn a_token_looks_like_a_jwt_and_lives_an_hour() {
    let atlas = Atlas::start("token_life").await;
    let minted = atlas.mint(atlas.client()).await.ok();
    assert_eq!(
        (&minted["expires_in"], &minted["token_type"]),
        (&json!(3_600), &json!("Bearer"))
    );
    let text = minted["access_token"].as_str().unwrap().to_owned();
    assert_eq!(text.split('.').count(), 3);
    let token = Auth::Token(text);
    assert!(works(&atlas, &token).await);
    atlas.advance(3_599).await;
    assert!(works(&atlas, &token).await);
    atlas.advance(1).await;
    assert!(!works(&atlas, &token).await);
}

#[tokio::test]
async fn a_bad_bearer_token_gets_the_401_that_is_set() {
    let atlas = Atlas::start("token_bad").await;
    let bad = Auth::Token("eyJ.x.y".to_owned());
    let answer = atlas.call(&bad, "GET", "/orgs", None).await;
    assert_eq!(answer.refusal(), (401, "UNEXPECTED_ERROR"));
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    atlas
        .settings(json!({"bearer_body": "empty", "bearer_challenge": false}))
        .await;
    let answer = atlas.call(&bad, "GET", "/orgs", None).await;
    assert_eq!((answer.status, answer.text.as_str()), (401, ""));
    assert!(answer.headers.get("www-authenticate").is_none());
}

#[tokio::test]
async fn bad_clients_cannot_be_distinguished() {
    let atlas = Atlas::start("token_clients").await;
    let (id, secret) = atlas.client();
    let unknown = "mdb_sa_id_000000000000000000000000";
    for client in [(id, "wrong"), (unknown, secret), ("", "")] {
        let answer = atlas.mint(client).await;
        assert_eq!(answer.status, 401);
        let wanted = json!({
            "error": "invalid_client", "error_description": "Invalid credentials provided.",
        });
        assert_eq!(answer.body, wanted);
    }
    let bare = atlas
        .http()
        .post(format!("{}/api/oauth/token", atlas.api()));
    let bare = bare
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials");
    assert_eq!(atlas.send(&Auth::Nobody, bare).await.unwrap().status, 401);
}

#[tokio::test]
async fn the_form_is_checked() {
    let atlas = Atlas::start("token_form").await;
    let client = atlas.client();
    for (form, error) in [
        ("grant_type=password", "unsupported_grant_type"),
        ("", "invalid_request"),
    ] {
        let answer = atlas.oauth("token", client, form).await;
        assert_eq!((answer.status, &answer.body["error"]), (400, &json!(error)));
    }
    assert_eq!(atlas.oauth("revoke", client, "").await.status, 400);
}

#[tokio::test]
async fn the_token_endpoint_is_limited_in_two_shapes() {
    let atlas = Atlas::start("token_limit").await;
    for _ in 0..10 {
        atlas.mint(atlas.client()).await.ok();
    }
    let answer = atlas.mint(atlas.client()).await;
    assert_eq!(
        (answer.status, &answer.body["error"]),
        (429, &json!("rate_limited"))
    );
    assert_eq!(
        atlas.mint(("other", "x")).await.status,
        401,
        "each client has its own limit"
    );
    atlas.settings(json!({"token_limit_shape": "atlas"})).await;
    let answer = atlas.mint(atlas.client()).await;
    assert_eq!(answer.refusal(), (429, "RATE_LIMITED"));
    assert_eq!(
        answer.body["parameters"],
        json!(["/api/oauth/token", 10, 1])
    );
    atlas.advance(60).await;
    atlas.mint(atlas.client()).await.ok();
    atlas
        .settings(json!({"token_requests_per_minute": 50}))
        .await;
    for _ in 0..20 {
        atlas.mint(atlas.client()).await.ok();
    }
}

#[tokio::test]
async fn an_account_has_a_bounded_number_of_live_tokens() {
    let atlas = Atlas::start("token_number").await;
    atlas
        .settings(json!({"token_requests_per_minute": 0}))
        .await;
    let first = atlas.token(atlas.client()).await;
    for _ in 1..100 {
        atlas.mint(atlas.client()).await.ok();
    }
    let answer = atlas.mint(atlas.client()).await;
    assert_eq!(
        (answer.status, &answer.body["error"]),
        (403, &json!("access_denied"))
    );
    atlas
        .settings(json!({"token_overflow": "drop_oldest"}))
        .await;
    atlas.mint(atlas.client()).await.ok();
    assert!(!works(&atlas, &first).await);
    atlas.settings(json!({"token_overflow": "refuse"})).await;
    atlas.advance(3_600).await;
    atlas.mint(atlas.client()).await.ok();
    assert_eq!(atlas.state().await["tokens"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_revoked_token_is_dead_and_revoking_again_follows_the_setting() {
    let atlas = Atlas::start("token_revoke").await;
    let text = atlas.mint(atlas.client()).await.text("access_token");
    let form = format!("token={text}&token_type_hint=access_token");
    let answer = atlas.oauth("revoke", atlas.client(), &form).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert!(!works(&atlas, &Auth::Token(text)).await);
    assert_eq!(
        atlas.oauth("revoke", atlas.client(), &form).await.status,
        200
    );
    assert_eq!(
        atlas
            .oauth("revoke", (atlas.client().0, "wrong"), &form)
            .await
            .status,
        401
    );
    atlas
        .settings(json!({"revoke_unknown_token": "refuse"}))
        .await;
    let answer = atlas.oauth("revoke", atlas.client(), &form).await;
    assert_eq!(
        (answer.status, &answer.body["error"]),
        (400, &json!("invalid_request"))
    );
}

#[tokio::test]
async fn another_clients_token_survives_a_revocation() {
    let atlas = Atlas::start("token_foreign").await;
    let body = json!({"org_id": atlas.seed().org_id, "org_roles": ["ORG_OWNER"]});
    let other = atlas.control("POST", "/accounts", body).await.ok();
    let text = |name: &str| other[name].as_str().unwrap();
    let token = atlas
        .mint((text("client_id"), text("client_secret")))
        .await
        .text("access_token");
    let form = format!("token={token}");
    assert_eq!(
        atlas.oauth("revoke", atlas.client(), &form).await.status,
        200
    );
    assert!(works(&atlas, &Auth::Token(token)).await);
    atlas
        .settings(json!({"revoke_foreign_token": "refuse"}))
        .await;
    assert_eq!(
        atlas.oauth("revoke", atlas.client(), &form).await.status,
        400
    );
}

async fn second_secret(atlas: &Atlas) -> (String, String) {
    let path = format!(
        "{}/serviceAccounts/{}/secrets",
        atlas.org(),
        atlas.client().0
    );
    let secret = atlas
        .post(&path, json!({"secretExpiresAfterHours": 8}))
        .await
        .ok();
    let text = |name: &str| secret[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

#[tokio::test]
async fn tokens_die_with_the_secret_that_minted_them() {
    let atlas = Atlas::start("token_secret").await;
    let first = atlas.token(atlas.client()).await;
    let (_, secret) = second_secret(&atlas).await;
    let second = atlas.token((atlas.client().0, &secret)).await;
    let account = &atlas.seed().service_account;
    let path = format!(
        "{}/serviceAccounts/{}/secrets/{}",
        atlas.org(),
        account.client_id,
        account.secret_id
    );
    assert_eq!(atlas.call(&second, "DELETE", &path, None).await.status, 204);
    assert!(!works(&atlas, &first).await);
    assert!(works(&atlas, &second).await);
    assert_eq!(atlas.mint(atlas.client()).await.status, 401);
}

#[tokio::test]
async fn tokens_outlive_the_expiry_of_their_secret_only_if_set_so() {
    let atlas = Atlas::start("token_expiry").await;
    let (_, secret) = second_secret(&atlas).await;
    atlas.advance(8 * 3_600 - 60).await;
    let token = atlas.token((atlas.client().0, &secret)).await;
    atlas.advance(120).await;
    assert!(works(&atlas, &token).await);
    assert_eq!(atlas.mint((atlas.client().0, &secret)).await.status, 401);
    atlas
        .settings(json!({"tokens_outlive_secret_expiry": false}))
        .await;
    assert!(!works(&atlas, &token).await);
}

#[tokio::test]
async fn tokens_die_with_the_account_unless_set_otherwise() {
    let atlas = Atlas::start("token_account").await;
    for (dies, name) in [(true, "dies"), (false, "lives")] {
        atlas
            .settings(json!({"tokens_die_with_account": dies}))
            .await;
        let body = json!({"org_id": atlas.seed().org_id, "org_roles": ["ORG_OWNER"], "name": name});
        let made = atlas.control("POST", "/accounts", body).await.ok();
        let text = |field: &str| made[field].as_str().unwrap();
        let token = atlas
            .token((text("client_id"), text("client_secret")))
            .await;
        let path = format!("{}/serviceAccounts/{}", atlas.org(), text("client_id"));
        assert_eq!(atlas.delete(&path).await.status, 204);
        assert_eq!(works(&atlas, &token).await, !dies);
        assert_eq!(
            atlas
                .mint((text("client_id"), text("client_secret")))
                .await
                .status,
            401
        );
    }
}

#[tokio::test]
async fn a_call_is_judged_by_the_roles_of_now() {
    let atlas = Atlas::start("token_roles").await;
    let token = atlas.token(atlas.client()).await;
    let path = format!("{}/serviceAccounts/{}", atlas.org(), atlas.client().0);
    atlas
        .patch(&path, json!({"roles": ["ORG_MEMBER"]}))
        .await
        .ok();
    let answer = atlas.call(&token, "GET", &path, None).await;
    assert_eq!(answer.refusal(), (401, "USER_UNAUTHORIZED"));
}

#[tokio::test]
async fn minting_needs_no_place_on_the_access_list() {
    let atlas = Atlas::start("token_address").await;
    let entry = json!({"id": atlas.client().0, "entries": ["192.0.2.1"]});
    atlas.control("POST", "/access-lists", entry).await;
    let token = atlas.token(atlas.client()).await;
    let answer = atlas.call(&token, "GET", "/orgs", None).await;
    assert_eq!(answer.refusal(), (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST"));
    assert_eq!(answer.body["parameters"], json!(["127.0.0.1"]));
}

#[tokio::test]
async fn minting_marks_the_secret_as_used() {
    let atlas = Atlas::start("token_used").await;
    let path = format!("{}/serviceAccounts/{}", atlas.org(), atlas.client().0);
    let used = async || {
        atlas.get(&path).await.ok()["secrets"][0]
            .get("lastUsedAt")
            .cloned()
    };
    assert_eq!(used().await, None);
    atlas.settings(json!({"null_optionals": true})).await;
    assert_eq!(used().await, Some(Value::Null));
    atlas
        .settings(json!({"secret_last_used_lag_seconds": 300}))
        .await;
    atlas.mint(atlas.client()).await.ok();
    assert_eq!(used().await, Some(Value::Null));
    atlas.advance(300).await;
    assert!(used().await.unwrap().is_string());
}

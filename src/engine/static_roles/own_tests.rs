//! `rotation_mode=self`: the account's own credential makes and removes its secrets.

use serde_json::{Value, json};

use super::tests::{DAY, HOUR, Rotated};
use crate::engine::testing::TestMount;

async fn own() -> Rotated {
    let mount = TestMount::configured().await;
    let account = mount.atlas.account(json!(["ORG_OWNER"])).await;
    let app = Rotated { mount, account };
    let role = json!({
        "rotation_mode": "self", "client_secret": app.account.secret, "rotation_period": DAY,
    });
    app.write(role).await.expect("a role");
    app
}

#[tokio::test]
async fn an_account_rotates_itself() {
    let app = own().await;
    let requests = app
        .mount
        .atlas
        .control("GET", "/requests", Value::Null)
        .await;
    let requests = requests["requests"].as_array().expect("a list").clone();
    let of = |operation: &str| {
        let asked = requests
            .iter()
            .filter(|request| request["operation_id"] == operation);
        asked
            .map(|request| request["principal"].clone())
            .collect::<Vec<Value>>()
    };
    assert_eq!(of("createOrgSecret"), [json!(app.account.client_id)]);
    assert!(app.works().await);
    app.mount.atlas.forget_requests().await;
    app.pass(HOUR + HOUR / 2).await;
    assert_eq!(
        app.secrets_at_atlas().await,
        1,
        "the new secret removed the old one"
    );
    assert!(app.works().await);
    app.pass(DAY).await;
    app.pass(HOUR + HOUR / 2).await;
    assert!(app.works().await);
    assert_eq!(app.secrets_at_atlas().await, 1);
}

#[tokio::test]
async fn no_token_is_left_behind() {
    let app = own().await;
    app.pass(HOUR + 1).await;
    let state = app.mount.atlas.account_state(&app.account.client_id).await;
    assert_eq!(state["live_tokens"], json!(0), "{state}");
}

#[tokio::test]
async fn an_overlap_of_nothing_removes_the_old_secret_at_once() {
    let mount = TestMount::configured().await;
    let account = mount.atlas.account(json!(["ORG_OWNER"])).await;
    let app = Rotated { mount, account };
    let secret = app.account.secret.clone();
    let role = json!({"rotation_mode": "self", "client_secret": secret, "overlap": 0});
    app.write(role).await.expect("a role");
    assert_eq!(app.secrets_at_atlas().await, 1);
    assert!(app.works().await && !app.mints(&app.account.secret).await);
}

#[tokio::test]
async fn past_its_end_only_a_person_can_help() {
    let app = own().await;
    app.pass(HOUR + HOUR / 2).await;
    let ids = app.mount.atlas.secrets(&app.account.client_id).await;
    app.mount
        .atlas
        .control("DELETE", &format!("/secrets/{}", ids[0]), Value::Null)
        .await;
    app.pass(DAY).await;
    let error = app.shown().await["last_error"].clone();
    let error = error.as_str().expect("a reason");
    assert!(error.contains("write a working one"), "{error}");
    let wanted = json!({"client_id": app.account.client_id});
    let made = app.mount.atlas.control("POST", "/secrets", wanted).await;
    app.write(json!({"client_secret": made["client_secret"]}))
        .await
        .expect("helped");
    assert!(app.works().await);
    app.pass(60).await;
    app.pass(2 * HOUR).await;
    assert_ne!(
        json!(app.secret().await),
        made["client_secret"],
        "it was due"
    );
    assert!(app.works().await);
    assert_eq!(app.shown().await.get("last_error"), None);
}

#[tokio::test]
async fn an_account_without_the_right_is_reported() {
    let mount = TestMount::configured().await;
    let account = mount.atlas.account(json!(["ORG_READ_ONLY"])).await;
    let app = Rotated { mount, account };
    let keys = app.mount.storage.keys();
    let role = json!({"rotation_mode": "self", "client_secret": app.account.secret});
    let refused = app.write(role).await.expect_err("no right");
    assert!(refused.contains("creating a secret"), "{refused}");
    assert_eq!(app.mount.storage.keys(), keys);
    assert_eq!(app.secrets_at_atlas().await, 1);
}

//! Secrets of a service account.

use chrono::DateTime;
use serde_json::{Value, json};

use crate::harness::{Answer, Atlas};

fn path(atlas: &Atlas) -> String {
    format!("{}/serviceAccounts/{}", atlas.org(), atlas.client().0)
}

async fn create(atlas: &Atlas, hours: Value) -> Answer {
    let path = format!("{}/secrets", path(atlas));
    atlas
        .post(&path, json!({"secretExpiresAfterHours": hours}))
        .await
}

fn seconds_between(from: &Value, to: &Value) -> i64 {
    let parse = |value: &Value| DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap();
    (parse(to) - parse(from)).num_seconds()
}

#[tokio::test]
async fn a_second_secret_cuts_the_life_of_the_first() {
    let atlas = Atlas::start("secrets_cut").await;
    let answer = create(&atlas, json!(8_760)).await;
    assert_eq!(answer.status, 201);
    let secret = answer.ok();
    let mut fields: Vec<&String> = secret.as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(fields, ["createdAt", "expiresAt", "id", "secret"]);
    let account = atlas.get(&path(&atlas)).await.ok();
    let left = seconds_between(&secret["createdAt"], &account["secrets"][0]["expiresAt"]);
    assert_eq!(left, 7 * 86_400);
    assert_eq!(account["secrets"][1]["id"], secret["id"]);
    atlas.mint(atlas.client()).await.ok();
    atlas.advance(7 * 86_400).await;
    assert_eq!(atlas.mint(atlas.client()).await.status, 401);
    atlas
        .mint((atlas.client().0, secret["secret"].as_str().unwrap()))
        .await
        .ok();
}

#[tokio::test]
async fn a_cut_never_lengthens_a_life() {
    let atlas = Atlas::start("secrets_cut_short").await;
    let account = json!({"name": "x", "description": "x", "roles": ["ORG_MEMBER"], "secretExpiresAfterHours": 8});
    let account = atlas
        .post(&format!("{}/serviceAccounts", atlas.org()), account)
        .await
        .ok();
    let path = format!(
        "{}/serviceAccounts/{}",
        atlas.org(),
        account["clientId"].as_str().unwrap()
    );
    atlas
        .post(
            &format!("{path}/secrets"),
            json!({"secretExpiresAfterHours": 24}),
        )
        .await
        .ok();
    let read = atlas.get(&path).await.ok();
    assert_eq!(
        read["secrets"][0]["expiresAt"],
        account["secrets"][0]["expiresAt"]
    );
}

#[tokio::test]
async fn expired_secrets_hold_their_slot_until_deleted() {
    let atlas = Atlas::start("secrets_slots").await;
    let second = create(&atlas, json!(8)).await.text("id");
    atlas.advance(9 * 3_600).await;
    let answer = create(&atlas, json!(8)).await;
    assert_eq!(answer.refusal(), (400, "BAD_REQUEST"));
    atlas
        .settings(json!({"secret_beyond_limit": {"status": 409, "code": "X"}}))
        .await;
    assert_eq!(create(&atlas, json!(8)).await.refusal(), (409, "X"));
    let secret = format!("{}/secrets/{second}", path(&atlas));
    assert_eq!(atlas.delete(&secret).await.status, 204);
    assert_eq!(
        atlas.delete(&secret).await.refusal(),
        (404, "RESOURCE_NOT_FOUND")
    );
    assert_eq!(create(&atlas, json!(8)).await.status, 201);
}

#[tokio::test]
async fn the_lifetime_keeps_to_the_organizations_range() {
    let atlas = Atlas::start("secrets_range").await;
    for hours in [0, 7, 8_761] {
        let answer = create(&atlas, json!(hours)).await;
        assert_eq!(answer.refusal(), (400, "BAD_REQUEST"), "{hours}");
        let field = &answer.body["badRequestDetail"]["fields"][0]["field"];
        assert_eq!(field, "secretExpiresAfterHours");
    }
    for hours in [json!("8"), json!(8.0), json!(null)] {
        assert_eq!(
            create(&atlas, hours).await.refusal(),
            (400, "INVALID_JSON_ATTRIBUTE")
        );
    }
    let settings = format!("{}/settings", atlas.org());
    atlas
        .patch(
            &settings,
            json!({"maxServiceAccountSecretValidityInHours": 100}),
        )
        .await
        .ok();
    assert_eq!(create(&atlas, json!(101)).await.status, 400);
    assert_eq!(create(&atlas, json!(100)).await.status, 201);
}

#[tokio::test]
async fn a_create_meanwhile_is_a_conflict() {
    let atlas = Atlas::start("secrets_concurrent").await;
    atlas
        .settings(json!({"secret_create_millis": 700, "max_secrets_per_account": 3}))
        .await;
    let both = tokio::join!(create(&atlas, json!(8)), create(&atlas, json!(8)));
    let mut refusals = [both.0.refusal(), both.1.refusal()];
    refusals.sort_unstable();
    assert_eq!(refusals, [(201, ""), (409, "DATA_CONCURRENCY_ERROR")]);
    assert_eq!(
        create(&atlas, json!(8)).await.status,
        201,
        "afterwards it works again"
    );
}

#[tokio::test]
async fn the_last_secret_can_be_deleted_unless_set_otherwise() {
    let atlas = Atlas::start("secrets_last").await;
    let secret = format!(
        "{}/secrets/{}",
        path(&atlas),
        atlas.seed().service_account.secret_id
    );
    atlas
        .settings(json!({"delete_last_secret": "refuse"}))
        .await;
    assert_eq!(atlas.delete(&secret).await.status, 400);
    atlas
        .settings(json!({"delete_last_secret": "accept"}))
        .await;
    assert_eq!(atlas.delete(&secret).await.status, 204);
    assert_eq!(atlas.get(&path(&atlas)).await.ok()["secrets"], json!([]));
}

#[tokio::test]
async fn a_new_secret_can_be_slow_to_work_and_to_be_seen() {
    let atlas = Atlas::start("secrets_lag").await;
    atlas
        .settings(json!({"new_credential_delay_seconds": 20, "read_lag_after_create_seconds": 40}))
        .await;
    let value = create(&atlas, json!(8)).await.text("secret");
    let seen = async || {
        atlas.get(&path(&atlas)).await.ok()["secrets"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(atlas.mint((atlas.client().0, &value)).await.status, 401);
    assert_eq!(seen().await, 1);
    atlas.advance(20).await;
    assert_eq!(atlas.mint((atlas.client().0, &value)).await.status, 200);
    atlas.advance(20).await;
    assert_eq!(seen().await, 2);
}

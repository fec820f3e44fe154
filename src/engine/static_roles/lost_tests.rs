//! A present secret that somebody deleted in Atlas.

use std::time::Duration;

use serde_json::{Value, json};

use super::tests::{DAY, HOUR, Rotated, status};
use crate::engine::testing::TestMount;

impl Rotated {
    /// Somebody deletes every secret of the account.
    async fn delete_secrets_by_hand(&self) {
        for id in self.mount.atlas.secrets(&self.account.client_id).await {
            let path = format!("/secrets/{id}");
            self.mount.atlas.control("DELETE", &path, Value::Null).await;
        }
    }
}

#[tokio::test]
async fn a_secret_that_was_deleted_by_hand_is_replaced_within_a_day() {
    let app = Rotated::with(json!({"rotation_period": "30d"})).await;
    app.pass(HOUR + 1).await;
    app.delete_secrets_by_hand().await;
    assert!(!app.works().await);
    app.pass(DAY).await;
    assert!(app.works().await);
    assert_eq!(app.warnings("static-creds/app").await, [""; 0]);
    app.pass(2 * HOUR).await;
    assert_eq!(app.secrets_at_atlas().await, 1);
}

#[tokio::test]
async fn where_rotation_is_by_hand_a_deleted_secret_is_warned_of() {
    let app = Rotated::with(json!({})).await;
    app.pass(HOUR + 1).await;
    app.delete_secrets_by_hand().await;
    app.pass(DAY).await;
    for path in ["static-creds/app", "static-roles/app"] {
        let warnings = app.warnings(path).await;
        assert!(
            warnings
                .iter()
                .any(|told| told.contains("deleted in Atlas")),
            "{path}: {warnings:?}"
        );
    }
    assert_eq!(app.creds().await["ttl"], json!(0));
    assert_eq!(status(&app).await["expiring_roles"], json!(["app"]));
    app.mount
        .write("rotate-role/app", json!({}))
        .await
        .expect("rotated");
    assert!(app.works().await);
    assert_eq!(app.warnings("static-creds/app").await, [""; 0]);
}

#[tokio::test]
async fn an_account_that_rotates_itself_tells_of_its_deleted_secret() {
    let app = Rotated::not_yet_adopted(json!(["ORG_OWNER"])).await;
    app.write(json!({
        "rotation_mode": "self", "client_secret": app.account.secret, "rotation_period": "30d",
    }))
    .await
    .expect("a role");
    app.pass(HOUR + 1).await;
    app.delete_secrets_by_hand().await;
    app.pass(DAY).await;
    let warnings = app.warnings("static-creds/app").await;
    assert!(
        warnings
            .iter()
            .any(|told| told.contains("write a working one")),
        "{warnings:?}"
    );
}

/// Atlas may not list for a while what it made a moment ago.
#[tokio::test]
async fn a_secret_that_is_not_listed_yet_is_not_taken_for_deleted() {
    let mut app = Rotated::with(json!({"rotation_period": "30d"})).await;
    app.pass(HOUR + 1).await;
    app.mount
        .atlas
        .set(json!({"read_lag_after_create_seconds": 3_600}))
        .await;
    app.mount
        .write("rotate-role/app", json!({}))
        .await
        .expect("rotated");
    let secret = app.secret().await;
    app.mount.restart().await;
    app.mount.atlas.forget_requests().await;
    app.pass(1).await;
    app.pass(61).await;
    let asked = app.mount.atlas.operations().await;
    assert_eq!(asked["getOrgServiceAccount"], json!(1), "looked: {asked}");
    assert_eq!(app.secret().await, secret);
    assert_eq!(app.warnings("static-creds/app").await, [""; 0]);
}

/// Neither one look that does not list it nor the word of a gateway proves a secret deleted.
#[tokio::test]
async fn a_secret_that_one_look_does_not_list_is_not_taken_for_deleted() {
    let app = Rotated::with(json!({"rotation_period": "30d"})).await;
    app.pass(HOUR + 1).await;
    app.pass(2 * HOUR).await;
    assert_eq!(app.secrets_at_atlas().await, 1);
    let secret = app.secret().await;
    let refused = json!({
        "operation": "oauthToken",
        "action": {"kind": "answer", "status": 401, "body": {"error": "invalid_client"}},
    });
    app.mount.atlas.fault(refused).await;
    let unlisted = json!({
        "operation": "getOrgServiceAccount",
        "action": {"kind": "withhold", "pointer": "/secrets/0"},
    });
    app.mount.atlas.fault(unlisted).await;
    app.pass(DAY).await;
    app.mount.atlas.no_more_faults().await;
    assert_eq!(app.secret().await, secret);
    assert_eq!(app.warnings("static-creds/app").await, [""; 0]);
}

/// Atlas has not told its time, so that nobody can tell when the request was there.
#[tokio::test]
async fn a_secret_that_cannot_be_distinguished_from_a_strangers_is_shown_in_status() {
    let app = Rotated::every_day().await;
    app.pass(HOUR + 1).await;
    app.pass(HOUR).await;
    assert_eq!(app.secrets_at_atlas().await, 1);
    let setting = json!({"date_header": false});
    app.mount.atlas.set(setting).await;
    app.mount.advance(Duration::from_secs(2 * HOUR)).await;
    let lost = json!({"operation": "createOrgSecret", "action": {"kind": "lose_answer"}});
    app.mount.atlas.fault(lost).await;
    let rotated = app.mount.write("rotate-role/app", json!({})).await;
    rotated.expect_err("no answer");
    for _ in 0..10 {
        app.pass(60).await;
    }
    let client_id = &app.account.client_id;
    let made = app.mount.atlas.secrets(client_id).await;
    assert_eq!(made.len(), 2, "none is deleted");
    let status = TestMount::data(app.mount.read("status").await);
    let told = &status["ambiguous_secrets"];
    assert_eq!(told["count"], 1, "{told}");
    let [told] = told["secrets"].as_array().expect("a list").as_slice() else {
        panic!("{told}");
    };
    let entry = told["entry"].as_str().expect("a key");
    assert!(entry.starts_with("static-roles/"), "{told}");
    assert_eq!(told["client_id"], client_id.as_str());
    assert_eq!(told["candidates"], json!([made[1]]));
}

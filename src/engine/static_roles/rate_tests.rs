//! Want of rate: no failure, no pause; and readers of other roles do not keep a rotation waiting.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::tests::{DAY, HOUR, Rotated, refusal, status};
use crate::engine::testing::TestMount;

fn limited(operation: &str, seconds: u64) -> Value {
    json!({
        "operation": operation,
        "action": {
            "kind": "answer", "status": 429, "code": "RATE_LIMITED_TOKEN_BUCKET",
            "headers": {"Retry-After": seconds.to_string()},
        },
    })
}

async fn waiting_work(mount: &TestMount) -> Value {
    TestMount::data(mount.read("status").await)["atlas"]["waiting_work"].clone()
}

/// The old code counted a failure and rested for as long as Atlas asked, or twice as long at each try.
#[tokio::test]
async fn a_rate_limit_is_no_failure_and_the_next_periodic_run_continues() {
    let app = Rotated::every_day().await;
    app.pass(HOUR + 1).await;
    let first = app.secret().await;
    app.mount.advance(Duration::from_secs(DAY)).await;
    app.mount
        .atlas
        .fault(limited("createOrgSecret", 1_800))
        .await;
    app.tick().await;
    for _ in 0..5 {
        app.pass(60).await;
        let shown = app.shown().await;
        assert!(!shown.contains_key("last_error"), "{shown:?}");
        assert_eq!(status(&app).await["failing"], json!(0));
        let [waits] = array(&waiting_work(&app.mount).await);
        assert_eq!(waits["work"], "static-roles/app");
        assert!(
            waits["error"]
                .to_string()
                .contains("rate limit reached; retry")
        );
    }
    assert_eq!(app.secret().await, first);
    let asked = app.mount.atlas.operations().await;
    // The first rotation, and the one that was refused: nobody asked in between.
    assert_eq!(asked["createOrgSecret"], 2, "{asked}");
    app.pass(1_800 - 300).await;
    assert_ne!(app.secret().await, first);
    assert_eq!(waiting_work(&app.mount).await, json!([]));
    app.pass(HOUR + 1).await;
    assert_eq!(app.secrets_at_atlas().await, 1);
}

/// The removal of a replaced secret is put off by nothing else either.
#[tokio::test]
async fn want_of_rate_counts_no_failure_of_a_removal() {
    let app = Rotated::every_day().await;
    app.mount.atlas.fault(limited("deleteOrgSecret", 300)).await;
    app.pass(HOUR + 1).await;
    assert_eq!(app.secrets_at_atlas().await, 2);
    for _ in 0..4 {
        app.pass(60).await;
    }
    assert_eq!(app.secrets_at_atlas().await, 2);
    app.pass(61).await;
    assert_eq!(app.secrets_at_atlas().await, 1);
}

#[tokio::test]
async fn a_rotation_by_hand_that_is_limited_changes_nothing() {
    let app = Rotated::every_day().await;
    app.pass(HOUR + 1).await;
    app.mount
        .atlas
        .fault(limited("createOrgSecret", 1_800))
        .await;
    let before = app.shown().await;
    let asked = refusal(app.mount.write("rotate-role/app", json!({})).await);
    assert!(
        asked
            .expect_err("limited")
            .contains("rate limit reached; retry")
    );
    assert_eq!(app.shown().await, before);
    for _ in 0..DAY / HOUR + 3 {
        app.pass(HOUR).await;
    }
    assert_eq!(app.secrets_at_atlas().await, 1);
}

/// The configuration's own credential.
#[tokio::test]
async fn want_of_rate_is_no_failure_of_the_configurations_rotation() {
    let mount = TestMount::new().await;
    let mut config = mount.atlas.account_config();
    config["rotation_period"] = json!(DAY);
    mount.write("config", config).await.expect("written");
    let account = mount.atlas.seed_account().client_id;
    mount.advance(Duration::from_secs(DAY + 60)).await;
    mount.atlas.fault(limited("createOrgSecret", 600)).await;
    for _ in 0..3 {
        mount.tick_for(1).await;
        let config = TestMount::data(mount.read("config").await);
        assert!(!config.contains_key("last_error"), "{config:?}");
        let [waits] = array(&waiting_work(&mount).await);
        assert_eq!(waits["work"], "config");
    }
    let rotated = || async { TestMount::data(mount.read("config").await)["last_rotated"].clone() };
    let before = rotated().await;
    mount.tick_for(10).await;
    assert_ne!(rotated().await, before);
    assert_eq!(waiting_work(&mount).await, json!([]));
    assert_eq!(mount.atlas.secrets(&account).await.len(), 1);
}

/// Readers of a role wait for the bucket that the rotation needs too: it goes first.
#[tokio::test]
async fn readers_of_a_role_do_not_keep_a_rotation_waiting() {
    const READERS: usize = 100;
    let app = Rotated::every_day().await;
    app.pass(HOUR + 1).await;
    let first = app.secret().await;
    let role = json!({
        "credential_type": "service_account", "organization_id": app.mount.atlas.org(),
        "roles": "ORG_MEMBER",
    });
    app.mount.write("roles/busy", role).await.expect("a role");
    app.mount.advance(Duration::from_secs(DAY)).await;
    // Others have used the bucket up.
    let used_up = json!({
        "operation": "createOrgServiceAccount",
        "action": {
            "kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN",
            "headers": {"RateLimit-Limit": "500", "RateLimit-Remaining": "0"},
        },
    });
    app.mount.atlas.fault(used_up).await;
    app.mount.read("creds/busy").await.expect_err("refused");
    let mount = Arc::new(app.mount);
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        let mount = Arc::clone(&mount);
        readers.spawn(async move { mount.read("creds/busy").await });
    }
    let waiting = async || {
        let status = TestMount::data(mount.read("status").await);
        let limits = status["atlas"]["rate_limits"].as_array().cloned();
        let limits = limits.unwrap_or_default();
        let waiting = limits.iter().filter_map(|each| each["waiting"].as_u64());
        waiting.sum::<u64>()
    };
    while waiting().await < READERS as u64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut tick = std::pin::pin!(mount.tick());
    let left = loop {
        tokio::select! {
            ended = &mut tick => {
                ended.expect("a tick");
                break waiting().await;
            }
            // Waits are slept in real time: this is twice as fast.
            () = tokio::time::sleep(Duration::from_millis(500)) => {
                mount.advance(Duration::from_secs(1)).await;
            }
        }
    };
    let creds = TestMount::data(mount.read("static-creds/app").await);
    assert_ne!(creds["client_secret"], json!(first), "rotated");
    assert!(left > READERS as u64 / 2, "{left} readers were behind it");
    mount.close().await;
    while readers.join_next().await.is_some() {}
}

fn array<const N: usize>(value: &Value) -> [Value; N] {
    let values = value.as_array().cloned().unwrap_or_default();
    values.try_into().expect("as many")
}

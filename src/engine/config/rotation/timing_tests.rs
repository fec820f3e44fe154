//! When the configuration's credential is rotated by itself, and what keeps it from that.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::tests::DAY;
use crate::engine::testing::TestMount;

impl TestMount {
    async fn next_rotation(&self) -> DateTime<Utc> {
        let next = self.config().await["next_rotation"].clone();
        serde_json::from_value(next).expect("a time")
    }

    /// Turns the clocks to a moment, and lets the host tick.
    async fn tick_at(&self, moment: DateTime<Utc>) {
        let left = moment - self.now() + TimeDelta::seconds(1);
        self.advance(left.to_std().expect("not past")).await;
        self.tick().await.expect("a tick");
    }
}

#[tokio::test]
async fn a_schedule_is_kept_and_a_missed_window_is_reported_and_caught_up_on() {
    let mount = TestMount::configured().await;
    let options = json!({"rotation_schedule": "0 3 * * *", "rotation_window": "1h"});
    mount.write("config", options).await.expect("changed");
    let due = mount.next_rotation().await;
    mount.tick_at(due - TimeDelta::minutes(1)).await;
    assert!(mount.config().await["last_rotated"].is_null());
    mount.tick_at(due).await;
    let first = mount.config().await["last_rotated"].clone();
    assert!(!first.is_null());
    let due = mount.next_rotation().await;
    mount.tick_at(due + TimeDelta::hours(2)).await;
    let config = mount.config().await;
    assert_eq!(config["last_rotated"], first);
    assert_eq!(config["last_missed_rotation"], json!(due));
    let read = mount.read("config").await.expect("read").expect("data");
    assert!(
        read.warnings[0].contains("missed its window"),
        "{:?}",
        read.warnings
    );
    let due = mount.next_rotation().await;
    mount.tick_at(due).await;
    let config = mount.config().await;
    assert_ne!(config["last_rotated"], first);
    assert_eq!(config.get("last_missed_rotation"), None);
    assert!(mount.is_alive().await);
}

#[tokio::test]
async fn secrets_of_a_day_are_rotated_before_their_end_and_not_at_each_tick() {
    let mount = TestMount::new().await;
    mount
        .atlas
        .change_organization(json!({"maxServiceAccountSecretValidityInHours": 24}))
        .await;
    let mut config = mount.atlas.account_config();
    config["rotation_period"] = json!(2 * DAY);
    let written = mount.write("config", config).await.expect("configured");
    let warnings = written.map(|answer| answer.warnings).unwrap_or_default();
    assert!(
        warnings
            .iter()
            .any(|text| text.starts_with("rotation_period: ")),
        "{warnings:?}"
    );
    mount.rotate_root(json!({})).await.expect("rotated");
    let first = mount.config().await["last_rotated"].clone();
    mount.minutes(30).await;
    assert_eq!(mount.config().await["last_rotated"], first);
    mount.advance(Duration::from_hours(17)).await;
    mount.tick().await.expect("a tick");
    assert_eq!(mount.config().await["last_rotated"], first);
    mount.advance(Duration::from_hours(1)).await;
    mount.tick().await.expect("a tick");
    assert_ne!(mount.config().await["last_rotated"], first);
    assert!(mount.is_alive().await);
}

#[tokio::test]
async fn a_period_of_zero_ends_a_schedule_as_well() {
    let mount = TestMount::configured().await;
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let role = json!({"client_id": account.client_id, "organization_id": mount.atlas.org()});
    mount.write("static-roles/app", role).await.expect("a role");
    for path in ["config", "static-roles/app"] {
        let schedule = json!({"rotation_schedule": "0 3 * * *", "rotation_window": "1h"});
        mount.write(path, schedule).await.expect("changed");
        let read = TestMount::data(mount.read(path).await);
        assert!(!read["next_rotation"].is_null(), "{path}");
        let by_hand = json!({"rotation_period": 0});
        mount.write(path, by_hand).await.expect("changed");
        let read = TestMount::data(mount.read(path).await);
        assert!(read["next_rotation"].is_null(), "{path}: {read:?}");
        assert_eq!(read["rotation_schedule"], json!(""), "{path}");
        assert_eq!(read["rotation_window"], json!(0), "{path}");
        // A schedule in the same write is meant.
        let both = json!({"rotation_period": 0, "rotation_schedule": "0 3 * * *"});
        mount.write(path, both).await.expect("changed");
        // So is one that a later write does not speak of.
        let other = json!({"disable_automated_rotation": false, "overlap": 60});
        mount.write(path, other).await.expect("changed");
        let read = TestMount::data(mount.read(path).await);
        assert_eq!(read["rotation_schedule"], json!("0 3 * * *"), "{path}");
    }
}

#[tokio::test]
async fn a_new_secret_that_mints_nothing_is_reported_and_given_up() {
    let mount = TestMount::new().await;
    let config = mount.atlas.account_config();
    mount.write("config", config).await.expect("configured");
    let seed = mount.atlas.seed_account();
    let old = mount.atlas.secrets(&seed.client_id).await;
    mount
        .atlas
        .set(json!({"new_credential_delay_seconds": 3_000}))
        .await;
    let refused = mount.rotate_root(json!({})).await.expect_err("not proved");
    assert!(
        refused.contains("cannot obtain an access token yet"),
        "{refused}"
    );
    assert!(mount.config().await["last_error"].is_string());
    mount.minutes(20).await;
    assert!(mount.is_alive().await);
    assert_eq!(mount.atlas.secrets(&seed.client_id).await, old);
    let error = mount.config().await["last_error"].clone();
    assert!(
        error
            .as_str()
            .is_some_and(|text| text.contains("was abandoned")),
        "{error}"
    );
    mount
        .atlas
        .set(json!({"new_credential_delay_seconds": 0}))
        .await;
    mount.rotate_root(json!({})).await.expect("rotated");
    assert_eq!(mount.atlas.secrets(&seed.client_id).await.len(), 1);
    assert_eq!(mount.config().await.get("last_error"), None);
    assert!(mount.is_alive().await);
}

#[tokio::test]
async fn a_day_without_atlas_is_reported_and_caught_up_on() {
    let mount = TestMount::new().await;
    let mut config = mount.atlas.account_config();
    config["rotation_period"] = json!(DAY);
    mount.write("config", config).await.expect("configured");
    mount.advance(Duration::from_secs(DAY)).await;
    // First connections are closed, then every call fails, those for tokens as well. The client, told
    // to stay away for an hour, does not try on until its time is up.
    let closed = json!({"count": 2, "action": {"kind": "close"}});
    let ill = json!({
        "count": 0,
        "action": {
            "kind": "answer", "status": 503, "code": "UNEXPECTED_ERROR",
            "headers": {"Retry-After": "3600"},
        },
    });
    for failures in 1..=3 {
        mount.atlas.no_more_faults().await;
        mount.atlas.fault(closed.clone()).await;
        mount.atlas.fault(ill.clone()).await;
        mount.tick().await.expect("a tick");
        let config = mount.config().await;
        assert_eq!(config["rotation_failures"], json!(failures), "{config:?}");
        assert!(config["last_rotated"].is_null());
        mount.advance(Duration::from_secs(DAY / 3)).await;
    }
    mount.atlas.no_more_faults().await;
    mount.tick().await.expect("a tick");
    let config = mount.config().await;
    assert!(!config["last_rotated"].is_null(), "{config:?}");
    assert_eq!(config.get("last_error"), None);
    let seed = mount.atlas.seed_account().client_id;
    assert_eq!(mount.atlas.secrets(&seed).await.len(), 1);
    assert!(mount.is_alive().await);
}

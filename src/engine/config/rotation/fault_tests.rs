//! What goes wrong while the configuration's credential is rotated: one that works is always stored, and
//! in the end nothing else is left in Atlas.

use std::time::Duration;

use serde_json::json;

use super::tests::{DAY, reaching, without_seed};
use crate::engine::testing::TestMount;

const NOTHING: Vec<String> = Vec::new();

#[tokio::test]
async fn a_crash_at_any_step_leaves_one_working_credential() {
    for way in ["key", "account", "switch"] {
        // What a first rotation of a key writes: the ownership tag, two entries, what was made, the
        // configuration; and it removes two entries.
        for writes in 0..8 {
            let mut mount = TestMount::new().await;
            let given = match way {
                "account" => mount.atlas.account_config(),
                _ => mount.atlas.key_config(),
            };
            mount.write("config", given).await.expect("a configuration");
            let options = match way {
                "switch" => json!({"credential_type": "service_account"}),
                _ => json!({}),
            };
            // Nor can Atlas be asked to take anything back on the way.
            for operation in [
                "deleteOrgApiKey",
                "deleteOrgServiceAccount",
                "deleteOrgSecret",
            ] {
                mount
                    .atlas
                    .fault(json!({
                        "operation": operation,
                        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
                    }))
                    .await;
            }
            mount.storage.fail_after(Some(writes));
            let asked = mount.rotate_root(options).await;
            mount.storage.fail_after(None);
            mount.restart().await;
            mount.atlas.no_more_faults().await;
            assert!(mount.is_alive().await, "{way} {writes}: {asked:?}");
            mount.minutes(15).await;
            assert!(mount.is_alive().await, "{way} {writes}: {asked:?}");
            let keys = mount.keys_at_atlas().await.len();
            let accounts = mount.accounts_at_atlas().await.len();
            let stored = mount.stored().await;
            let moved = way == "switch" && stored["client_id"].is_string();
            let want = if moved { (0, 1) } else { (1, 0) };
            assert_eq!((keys, accounts), want, "{way} {writes}: {asked:?}");
            let seed = mount.atlas.seed_account().client_id;
            assert_eq!(mount.atlas.secrets(&seed).await.len(), 1, "{way} {writes}");
            assert_eq!(mount.config().await.get("pending_deletions"), None);
            assert_eq!(mount.journal_keys(), NOTHING, "{way} {writes}");
        }
    }
}

#[tokio::test]
async fn what_was_made_is_removed_where_it_cannot_be_completed_or_proved() {
    for (operation, way) in [
        ("createOrgAccessEntry", "programmatic_api_key"),
        ("addGroupApiKey", "programmatic_api_key"),
        ("listOrgs", "programmatic_api_key"),
        ("createOrgAccessList", "service_account"),
        ("inviteGroupServiceAccount", "service_account"),
        ("listOrgs", "service_account"),
    ] {
        let mount = reaching().await;
        let before = mount.stored().await;
        mount
            .atlas
            .fault(json!({
                "operation": operation, "count": 0,
                "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
            }))
            .await;
        let refused = mount.rotate_root(json!({"credential_type": way})).await;
        assert!(refused.is_err(), "{operation}");
        assert_eq!(
            without_seed(mount.keys_at_atlas().await).len(),
            1,
            "{operation}"
        );
        assert!(mount.accounts_at_atlas().await.is_empty(), "{operation}");
        let stored = mount.stored().await;
        for part in ["public_key", "private_key"] {
            assert_eq!(stored[part], before[part], "{operation}");
        }
        mount.atlas.no_more_faults().await;
        assert!(mount.is_alive().await, "{operation}");
    }
}

#[tokio::test]
async fn a_credential_whose_answer_was_lost_is_found_by_its_name() {
    for (operation, way) in [
        ("createOrgApiKey", "programmatic_api_key"),
        ("createOrgServiceAccount", "service_account"),
    ] {
        for lag in [0, 120] {
            let mount = TestMount::configured().await;
            mount
                .atlas
                .set(json!({"read_lag_after_create_seconds": lag}))
                .await;
            mount
                .atlas
                .fault(json!({
                    "operation": operation, "action": {"kind": "lose_answer"},
                }))
                .await;
            let refused = mount.rotate_root(json!({"credential_type": way})).await;
            assert!(refused.is_err(), "{way}");
            mount.minutes(10).await;
            assert_eq!(mount.keys_at_atlas().await.len(), 1, "{way} {lag}");
            assert!(mount.accounts_at_atlas().await.is_empty(), "{way} {lag}");
            assert_eq!(mount.config().await.get("pending_deletions"), None);
            assert!(
                mount
                    .rotate_root(json!({"credential_type": way}))
                    .await
                    .is_ok()
            );
        }
    }
}

#[tokio::test]
async fn requests_under_way_keep_the_credential_they_began_with() {
    let mount = TestMount::configured().await;
    let role = json!({
        "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER", "ip_addresses": "192.0.2.1",
    });
    mount.write("roles/slow", role).await.expect("a role");
    mount.atlas.fault(json!({
        "operation": "createOrgApiKey", "action": {"kind": "delay", "seconds": 0.5, "after_effect": true},
    })).await;
    let rotated = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        mount.rotate_root(json!({})).await
    };
    let (issued, rotated) = tokio::join!(mount.issue("slow"), rotated);
    assert!(rotated.is_ok(), "{rotated:?}");
    assert!(
        issued.0.contains_key("private_key"),
        "its second call came after the rotation"
    );
    mount.tick().await.expect("a tick");
    mount.revoke(&issued.1).await.expect("revoked");
    assert_eq!(mount.keys_at_atlas().await.len(), 1);
}

#[tokio::test]
async fn a_key_that_a_person_writes_back_is_not_removed() {
    let mount = TestMount::configured().await;
    let refuse = json!({
        "operation": "deleteOrgApiKey", "count": 0,
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    });
    mount.atlas.fault(refuse).await;
    mount.rotate_root(json!({})).await.expect("rotated");
    assert_eq!(mount.config().await["pending_deletions"], json!(1));
    let warnings = mount.read_warnings("config").await;
    assert!(
        warnings[0].contains("could not be deleted in Atlas yet"),
        "{warnings:?}"
    );
    mount
        .write("config", mount.atlas.key_config())
        .await
        .expect("written back");
    mount.atlas.no_more_faults().await;
    mount.minutes(5).await;
    assert!(mount.is_alive().await);
}

#[tokio::test]
async fn a_failing_rotation_is_reported_and_tried_again() {
    let mount = TestMount::new().await;
    let mut config = mount.atlas.account_config();
    config["rotation_period"] = json!(DAY);
    mount
        .write("config", config)
        .await
        .expect("a configuration");
    mount
        .atlas
        .fault(json!({
            "operation": "createOrgSecret", "count": 2,
            "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
        }))
        .await;
    mount.advance(Duration::from_secs(DAY)).await;
    mount.tick().await.expect("a tick");
    let config = mount.config().await;
    assert_eq!(config["rotation_failures"], json!(1), "{config:?}");
    assert!(
        config["last_error"]
            .as_str()
            .is_some_and(|text| text.contains("ACCESS_FORBIDDEN"))
    );
    let status = TestMount::data(mount.read("status").await);
    assert_eq!(
        status["configuration"]["rotation"]["rotation_failures"],
        json!(1)
    );
    mount.minutes(10).await;
    let config = mount.config().await;
    assert_eq!(config.get("last_error"), None);
    assert!(!config["last_rotated"].is_null());
    assert!(mount.is_alive().await);
}

/// What Atlas's answers do not show the new credential does not have: the present one stays.
#[tokio::test]
async fn a_new_credential_that_lacks_something_is_not_taken_up() {
    let html = json!({
        "kind": "answer", "status": 200, "text": "<html>", "after_effect": true,
        "headers": {"Content-Type": "text/html"},
    });
    let withhold = |pointer| json!({"kind": "withhold", "pointer": pointer});
    for (to, operation, action) in [
        (json!({}), "createOrgApiKey", withhold("/roles/0")),
        (json!({}), "createOrgApiKey", html.clone()),
        (json!({}), "createOrgAccessEntry", withhold("/results/1")),
        (json!({}), "createOrgAccessEntry", html.clone()),
        (
            json!({"credential_type": "service_account"}),
            "createOrgServiceAccount",
            withhold("/roles/0"),
        ),
        (
            json!({"credential_type": "service_account"}),
            "createOrgAccessList",
            withhold("/results/1"),
        ),
    ] {
        let mount = reaching().await;
        let before = mount.config().await["public_key"].clone();
        mount
            .atlas
            .fault(json!({"operation": operation, "action": action}))
            .await;
        let failed = mount.rotate_root(to.clone()).await;
        failed.expect_err("something is lacking");
        assert_eq!(mount.config().await["public_key"], before, "{operation}");
        mount.minutes(7).await;
        assert_eq!(without_seed(mount.keys_at_atlas().await).len(), 1);
        assert_eq!(mount.accounts_at_atlas().await.len(), 0, "{operation}");
        assert!(mount.is_alive().await, "{operation} {action}");
    }
}

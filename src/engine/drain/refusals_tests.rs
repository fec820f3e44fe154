//! What is not made while a mount is drained, also for requests that began before.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::tests::{
    ROLES, draining, end_drain, is_refused, issue_all, ordered, until_done, with_every_type,
};
use crate::engine::testing::TestMount;
use crate::vault::Failure;

#[tokio::test]
async fn nothing_new_is_made_until_the_configuration_is_written() {
    let (mount, _) = with_every_type().await;
    let own = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let other = mount.atlas.make_account(0, json!({})).await;
    let static_role = json!({
        "client_id": own.client_id, "organization_id": mount.atlas.org(), "rotation_period": "1d",
    });
    mount
        .write("static-roles/app", static_role.clone())
        .await
        .expect("a static role");
    ordered(&mount).await;
    until_done(&mount).await;
    mount.advance(Duration::from_hours(50)).await;
    mount.atlas.forget_requests().await;
    mount.tick_for(2).await;
    for role in ROLES {
        let refused = mount.read(&format!("creds/{role}")).await;
        assert!(is_refused(&refused), "{role}: {refused:?}");
    }
    let mut another = static_role;
    another["client_id"] = json!(other);
    for (path, body) in [
        ("config/rotate-root", json!({ "force": true })),
        ("rotate-role/app", json!({ "force": true })),
        ("static-roles/other", another),
    ] {
        let refused = mount.write(path, body).await;
        assert!(is_refused(&refused), "{path}: {refused:?}");
    }
    let operations = mount.atlas.operations().await;
    let made = operations.as_object().into_iter().flatten();
    let made: Vec<_> = made
        .filter(|(name, _)| name.starts_with("create"))
        .collect();
    assert!(made.is_empty(), "{made:?}");
    assert!(
        mount.journal_keys().is_empty(),
        "no entry is left of what was refused"
    );
    let data = TestMount::data(mount.read("static-creds/app").await);
    assert!(data["client_secret"].is_string());
    let role = TestMount::data(mount.read("static-roles/app").await);
    assert!(
        role.get("last_error").is_none(),
        "no rotation has failed: {role:?}"
    );
    let shown = TestMount::data(mount.read("config").await);
    assert_eq!(shown["draining"]["display_name"], "token", "{shown:?}");

    let warnings = end_drain(&mount).await.join("\n");
    assert!(
        warnings.contains("by token, is over with this write"),
        "{warnings}"
    );
    assert_eq!(draining(&mount).await, Value::Null);
    let shown = TestMount::data(mount.read("config").await);
    assert!(!shown.contains_key("draining"), "{shown:?}");
    issue_all(&mount).await;
    mount.tick().await.expect("a tick");
    let rotated = TestMount::data(mount.read("static-creds/app").await);
    assert_ne!(
        rotated["client_secret"], data["client_secret"],
        "it was due"
    );
    assert!(end_drain(&mount).await.is_empty(), "nothing to tell");
}

/// The mount's own credential is not rotated by itself either.
#[tokio::test]
async fn the_mounts_credential_is_not_rotated_automatically() {
    let mount = TestMount::new().await;
    let mut config = mount.atlas.account_config();
    config["rotation_period"] = json!("1d");
    mount.write("config", config).await.expect("configured");
    ordered(&mount).await;
    mount.advance(Duration::from_hours(30)).await;
    mount.atlas.forget_requests().await;
    mount.tick_for(2).await;
    let operations = mount.atlas.operations().await;
    assert!(operations.get("createOrgSecret").is_none(), "{operations}");
    end_drain(&mount).await;
    mount.tick().await.expect("a tick");
    assert_eq!(mount.atlas.operations().await["createOrgSecret"], 1);
}

async fn until_asked(mount: &TestMount, operation: &str) {
    loop {
        let faults = mount.atlas.control("GET", "/faults", Value::Null).await;
        let mut faults = faults["faults"].as_array().into_iter().flatten();
        if faults.any(|fault| fault["fault"]["operation"] == operation && fault["applied"] != 0) {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_request_that_was_under_way_hands_nothing_out() {
    for (role, operation) in [
        ("reader", "createOrgApiKey"),
        ("account", "createOrgServiceAccount"),
        ("secret", "createOrgSecret"),
        ("token", "createOrgServiceAccount"),
        ("token", "oauthToken"),
    ] {
        let (mount, account) = with_every_type().await;
        let own = mount.atlas.secrets(&account).await;
        let slow = json!({
            "operation": operation, "action": {"kind": "delay", "seconds": 0.5},
        });
        mount.atlas.fault(slow).await;
        let path = format!("creds/{role}");
        let ordering = async {
            until_asked(&mount, operation).await;
            ordered(&mount).await
        };
        let (read, begun) = tokio::join!(mount.read(&path), ordering);
        assert_ne!(begun["remaining"], 0, "{role}: it is counted");
        assert!(
            matches!(&read, Err(Failure::Coded { status: 503, text }) if text.contains("drained")),
            "{role}, {operation}: {read:?}"
        );
        mount.tick().await.expect("a tick");
        until_done(&mount).await;
        assert_eq!(
            mount.atlas.credentials().await.len(),
            1,
            "{role}, {operation}"
        );
        assert_eq!(mount.atlas.secrets(&account).await, own, "{role}");
        assert_eq!(
            mount.journal_keys(),
            Vec::<String>::new(),
            "{role}, {operation}"
        );
    }
}

/// Its entry was not there yet when the drain counted.
#[tokio::test]
async fn a_request_that_a_drain_did_not_see_sends_nothing() {
    let mount = TestMount::with_role(json!({})).await;
    // So that the first read asks Atlas something before its entry is written.
    let mut unseen = mount.atlas.key_and_organization();
    unseen["verify_connection"] = json!(false);
    mount.write("config", unseen).await.expect("stored unseen");
    let slow = json!({
        "operation": "getSystemStatus", "action": {"kind": "delay", "seconds": 0.5},
    });
    mount.atlas.fault(slow).await;
    let ordering = async {
        until_asked(&mount, "getSystemStatus").await;
        ordered(&mount).await
    };
    let (read, begun) = tokio::join!(mount.read("creds/reader"), ordering);
    assert_eq!(begun["remaining"], 0, "{begun:?}");
    assert!(is_refused(&read), "{read:?}");
    assert!(
        mount
            .atlas
            .operations()
            .await
            .get("createOrgApiKey")
            .is_none()
    );
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

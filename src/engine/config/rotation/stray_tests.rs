//! Secrets of the configuration's own account that this mount did not make: what is in use stays.

use std::time::Duration;

use serde_json::{Value, json};

use super::tests::DAY;
use crate::engine::testing::TestMount;

const HOUR: u64 = 3_600;

/// A mount that signs in with the seed's service account.
pub(super) async fn with_account() -> TestMount {
    let mount = TestMount::new().await;
    mount
        .write("config", mount.atlas.account_config())
        .await
        .expect("a configuration");
    mount
}

impl TestMount {
    /// Somebody adds a secret to the account that this mount signs in with.
    pub(super) async fn add_secret(&self) -> String {
        let wanted = json!({"client_id": self.atlas.seed_account().client_id});
        let made = self.atlas.control("POST", "/secrets", wanted).await;
        made["client_secret"].as_str().expect("a secret").to_owned()
    }

    /// Uses a secret of that account, as a client does.
    pub(super) async fn uses(&self, secret: &str) -> bool {
        let client_id = self.atlas.seed_account().client_id;
        self.atlas.mints(&client_id, secret).await
    }

    pub(super) async fn own_secrets(&self) -> usize {
        let client_id = self.atlas.seed_account().client_id;
        self.atlas.secrets(&client_id).await.len()
    }
}

#[tokio::test]
async fn a_second_secret_in_use_goes_only_by_force() {
    let mount = with_account().await;
    let other = mount.add_secret().await;
    assert!(mount.uses(&other).await);
    mount.advance(Duration::from_secs(DAY - HOUR)).await;
    let refused = mount.rotate_root(json!({})).await.expect_err("in use");
    assert!(
        refused.contains("was not created by this mount and was used at"),
        "{refused}"
    );
    assert!(mount.uses(&other).await && mount.is_alive().await);
    assert_eq!(mount.own_secrets().await, 2);
    mount
        .rotate_root(json!({"force": true}))
        .await
        .expect("forced");
    assert!(!mount.uses(&other).await);
    assert!(mount.is_alive().await);
    assert_eq!(mount.own_secrets().await, 1);
}

#[tokio::test]
async fn a_rotation_that_is_automatic_waits_until_a_second_secret_is_unused_for_a_day() {
    let mount = with_account().await;
    let other = mount.add_secret().await;
    mount
        .write("config", json!({"rotation_period": HOUR}))
        .await
        .expect("changed");
    assert!(mount.uses(&other).await);
    for _ in 0..23 {
        mount.advance(Duration::from_secs(HOUR)).await;
        mount.tick().await.expect("a tick");
    }
    assert_eq!(mount.own_secrets().await, 2);
    let config = mount.config().await;
    assert!(config["last_rotated"].is_null());
    assert!(config["rotation_failures"].as_u64() > Some(0), "{config:?}");
    for _ in 0..3 {
        mount.advance(Duration::from_secs(HOUR)).await;
        mount.tick().await.expect("a tick");
    }
    assert!(!mount.config().await["last_rotated"].is_null());
    assert!(!mount.uses(&other).await && mount.is_alive().await);
    assert_eq!(mount.own_secrets().await, 1);
}

#[tokio::test]
async fn secrets_of_others_in_both_slots_are_reported_and_left() {
    let mount = with_account().await;
    let others = [mount.add_secret().await, mount.add_secret().await];
    for other in &others {
        assert!(mount.uses(other).await);
    }
    let refused = mount.rotate_root(json!({})).await.expect_err("no room");
    assert!(
        refused.contains("the account already holds two secrets, Atlas's limit"),
        "{refused}"
    );
    for other in &others {
        assert!(mount.uses(other).await);
    }
    assert!(mount.is_alive().await);
}

/// What Atlas would answer of the account, were its masks of this form.
async fn masked(mount: &TestMount, mask: Value) -> Value {
    let client_id = mount.atlas.seed_account().client_id;
    let state = mount.atlas.account_state(&client_id).await;
    let secrets = state["secrets"].as_array().expect("secrets").iter();
    let secrets = secrets.map(|secret| {
        json!({
            "id": secret["id"], "createdAt": secret["created_at"],
            "expiresAt": secret["expires_at"], "maskedSecretValue": mask,
        })
    });
    json!({
        "clientId": client_id, "name": "seed", "description": "", "roles": ["ORG_OWNER"],
        "secrets": secrets.collect::<Vec<Value>>(),
    })
}

#[tokio::test]
async fn nothing_is_removed_while_the_present_secret_is_not_known_among_them() {
    for mask in [Value::Null, json!("mdb_sa_sk_...????")] {
        let mount = TestMount::new().await;
        let other = mount.add_secret().await;
        let account = masked(&mount, mask.clone()).await;
        mount
            .atlas
            .fault(json!({
                "operation": "getOrgServiceAccount", "count": 0,
                "action": {"kind": "answer", "status": 200, "body": account},
            }))
            .await;
        let config = mount.atlas.account_config();
        mount.write("config", config).await.expect("configured");
        for force in [false, true] {
            let refused = mount.rotate_root(json!({ "force": force })).await;
            let refused = refused.expect_err("not known");
            assert!(
                refused.contains("does not say which of them"),
                "{mask} {refused}"
            );
            assert_eq!(mount.own_secrets().await, 2, "{mask}");
            assert!(mount.is_alive().await, "{mask}");
        }
        mount.atlas.no_more_faults().await;
        mount.rotate_root(json!({})).await.expect("rotated");
        assert!(mount.is_alive().await && !mount.uses(&other).await);
    }
}

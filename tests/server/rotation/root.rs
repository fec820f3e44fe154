//! The credential of the mount itself: by hand in each way, and by the periodic run.

use std::time::Duration;

use serde_json::{Value, json};

use super::account::{let_everybody_mint, text, until};
use crate::support::{Bao, Mount};

/// Long enough that no turn of a clock ends a lease.
const LEASE: u64 = 20 * 86_400;

/// Two mounts whose own credential is rotated every day: an API key, and a service account.
pub(super) struct Due {
    pub(super) key: Mount,
    pub(super) account: Mount,
    leases: [String; 2],
    public_key: String,
}

impl Due {
    pub(super) async fn on(bao: &Bao) -> Self {
        let key = Mount::on(&bao.client()).await;
        let account = Mount::on(&bao.client()).await;
        let mut leases = Vec::new();
        for (mount, mut config) in [
            (&key, key.atlas.key_config()),
            (&account, account.atlas.account_config()),
        ] {
            let_everybody_mint(mount).await;
            config["rotation_period"] = json!("1d");
            let written = mount.write("config", config).await;
            assert!(written.ok(), "{written:?}");
            mount.org_role("r", LEASE, LEASE).await;
            leases.push(mount.issue("r").await.lease_id());
        }
        let public_key = text(&key.read("config").await.data()["public_key"]);
        Self {
            leases: leases.try_into().expect("two leases"),
            key,
            account,
            public_key,
        }
    }

    /// Waits for the periodic run's rotation of both; leases from before still revoke, and new ones
    /// issue.
    pub(super) async fn are_rotated(&self) {
        for (mount, lease) in [&self.key, &self.account].into_iter().zip(&self.leases) {
            until("a rotation of the mount's credential", async || {
                let config = mount.read("config").await;
                config.data()["last_rotated"].is_string()
            })
            .await;
            still_issues_and_revokes(mount, lease).await;
        }
        let config = self.key.read("config").await;
        assert_ne!(config.data()["public_key"], json!(self.public_key));
        is_gone(&self.key, &self.public_key).await;
        has_one_secret(&self.account).await;
    }
}

async fn still_issues_and_revokes(mount: &Mount, old_lease: &str) {
    let new = mount.issue("r").await.lease_id();
    for lease in [old_lease, &new] {
        let revoked = mount.revoke(lease).await;
        assert!(revoked.ok(), "{revoked:?}");
    }
}

async fn is_gone(mount: &Mount, public_part: &str) {
    until("the end of the replaced credential", async || {
        mount.atlas.known(public_part).await.is_null()
    })
    .await;
}

async fn has_one_secret(mount: &Mount) {
    let client_id = text(&mount.read("config").await.data()["client_id"]);
    until("the end of the replaced secret", async || {
        let account = mount.atlas.known(&client_id).await;
        account["secrets"].as_array().map(Vec::len) == Some(1)
    })
    .await;
}

/// Rotates by hand, with a lease from before that is revoked after.
async fn rotate(mount: &Mount, options: Value) -> Value {
    let lease = mount.issue("r").await.lease_id();
    let rotated = mount.write("config/rotate-root", options).await;
    let data = rotated.data().clone();
    for name in ["private_key", "client_secret"] {
        assert!(data.get(name).is_none(), "{rotated:?}");
    }
    still_issues_and_revokes(mount, &lease).await;
    data
}

#[tokio::test]
async fn rotate_root_each_way_keeps_issuing_and_revoking() {
    let mount = Mount::configured().await;
    let_everybody_mint(&mount).await;
    mount.org_role("r", 3_600, 0).await;
    let given = text(&mount.read("config").await.data()["public_key"]);

    let rotated = rotate(&mount, json!({})).await;
    assert_eq!(rotated["credential_type"], "programmatic_api_key");
    let second = text(&rotated["public_key"]);
    assert_ne!(second, given);
    is_gone(&mount, &given).await;

    let again = mount.write("config/rotate-root", json!({})).await;
    assert_eq!(again.status, 400, "{again:?}");
    assert!(again.errors().contains("force=true"), "{again:?}");

    let to_account = json!({ "credential_type": "service_account", "force": true });
    let rotated = rotate(&mount, to_account).await;
    assert_eq!(rotated["credential_type"], "service_account");
    is_gone(&mount, &second).await;
    let config = mount.read("config").await;
    assert!(config.data().get("public_key").is_none(), "{config:?}");
    assert_eq!(config.data()["client_id"], rotated["client_id"]);

    let renewed = rotate(&mount, json!({ "force": true })).await;
    assert_eq!(renewed["client_id"], rotated["client_id"]);
    has_one_secret(&mount).await;

    let back = json!({ "credential_type": "programmatic_api_key", "force": true });
    let refused = mount.write("config/rotate-root", back).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.errors().contains("credential_type"), "{refused:?}");
    let credentials = mount.atlas.credentials().await;
    assert_eq!(credentials.len(), 1, "the mount's own: {credentials:?}");
    mount.atlas.holds(1, Duration::from_secs(1)).await;
}

#[tokio::test]
async fn without_a_configuration_there_is_nothing_to_rotate() {
    let mount = Mount::new().await;
    let refused = mount.write("config/rotate-root", json!({})).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.errors().contains("config"), "{refused:?}");
}

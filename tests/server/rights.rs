//! What a role or the configured credential no longer allows is not handed out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::Mount;

/// The runbook for a role whose credentials were disclosed, while applications go on reading it and
/// Atlas is slow.
#[tokio::test]
async fn after_a_deleted_role_and_a_revoked_prefix_nothing_is_alive() {
    let mount = Mount::configured().await;
    mount.org_role("r", 600, 0).await;
    mount.issue("r").await;
    let slow = json!({
        "operation": "createOrgApiKey", "count": 0,
        "action": { "kind": "delay", "seconds": 6.0 },
    });
    mount.atlas.fault(slow).await;
    let ends = AtomicBool::new(false);
    let readers = (0..8).map(async |_| {
        let mut statuses = Vec::new();
        while !ends.load(Ordering::Relaxed) {
            statuses.push(mount.read("creds/r").await.status);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        statuses
    });
    let runbook = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let deleted = mount.delete("roles/r");
        let deleted = tokio::time::timeout(Duration::from_secs(3), deleted).await;
        assert!(deleted.expect("it waits for nobody").ok());
        tokio::time::sleep(Duration::from_secs(2)).await;
        let prefix = format!("sys/leases/revoke-prefix/{}/creds/r", mount.path);
        let revoked = mount.client.write(&prefix, json!({ "sync": true })).await;
        assert!(revoked.ok(), "{revoked:?}");
        // Those that were at Atlas when the role went have had their answer since.
        tokio::time::sleep(Duration::from_secs(4)).await;
        ends.store(true, Ordering::Relaxed);
    };
    let (statuses, ()) = tokio::join!(join_all(readers), runbook);
    for status in statuses.into_iter().flatten() {
        assert_eq!(status, 400, "handed out after the role was deleted");
    }
    mount.atlas.empties(Duration::from_secs(5)).await;
    assert_eq!(mount.leases("r").await, 0);
    assert_eq!(mount.list("issued").await.status, 404);
}

/// Its secret is in the hands of whoever has the lease.
#[tokio::test]
async fn a_leased_account_is_refused_wherever_an_account_is_named() {
    let mount = Mount::configured().await;
    let org = mount.atlas.org().to_owned();
    let role = json!({
        "credential_type": "service_account", "organization_id": org, "roles": "ORG_OWNER",
    });
    mount.role("account", role).await;
    let issued = mount.issue("account").await;
    let (id, secret) = (&issued.data()["client_id"], &issued.data()["client_secret"]);
    let mut config = mount.atlas.account_config();
    config["client_id"] = id.clone();
    config["client_secret"] = secret.clone();
    for (path, body) in [
        (
            "roles/adds",
            json!({
                "credential_type": "service_account", "organization_id": org, "client_id": id,
            }),
        ),
        (
            "static-roles/rotates",
            json!({
                "client_id": id, "client_secret": secret, "organization_id": org,
                "rotation_period": "1d",
            }),
        ),
        ("config", config),
    ] {
        let refused = mount.write(path, body).await;
        assert_eq!(refused.status, 400, "{path}: {refused:?}");
        let told = refused.errors();
        assert!(
            told.contains("client_id: this account was issued from role"),
            "{path}: {told}"
        );
    }
    assert!(mount.revoke(&issued.lease_id()).await.ok());
    mount.atlas.empties(Duration::from_secs(5)).await;
}

/// Writes the key of a Project Owner to `config`, unseen.
async fn configure_project_owner(mount: &Mount) {
    let project = mount.atlas.project(0);
    let key = json!({
        "org_id": mount.atlas.org(), "desc": "seed", "org_roles": [],
        "project_roles": { project: ["GROUP_OWNER"] },
    });
    let key = mount.atlas.control("POST", "/keys", key).await;
    let mut config = mount.atlas.key_config();
    config["public_key"] = key["public_key"].clone();
    config["private_key"] = key["private_key"].clone();
    config["verify_connection"] = json!(false);
    assert!(mount.write("config", config).await.ok());
}

/// As many who come from the Go engine have configured it.
#[tokio::test]
async fn a_project_owners_key_that_was_never_verified_makes_nothing() {
    let mount = Mount::new().await;
    let project = mount.atlas.project(0);
    configure_project_owner(&mount).await;
    let role = json!({ "project_id": project, "roles": "GROUP_READ_ONLY" });
    mount.role("r", role).await;
    let refused = mount.read("creds/r").await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(
        refused.errors().contains("Organization Owner"),
        "{refused:?}"
    );
    assert!(mount.atlas.credentials().await.is_empty());
    assert_eq!(mount.list("issued").await.status, 404);
}

/// The lease ends in its project; what is left is shown, and deleted once somebody may.
#[tokio::test]
async fn a_lease_under_a_project_owners_key_ends_in_its_project_and_shows_what_is_left() {
    let mount = Mount::configured().await;
    let project = mount.atlas.project(0);
    let role = json!({ "project_id": project, "roles": "GROUP_READ_ONLY" });
    mount.role("r", role).await;
    let issued = mount.issue("r").await;
    let public_key = issued.data()["public_key"].as_str().unwrap();
    configure_project_owner(&mount).await;
    let revoked = mount.revoke(&issued.lease_id()).await;
    assert!(revoked.ok(), "{revoked:?}");
    assert_eq!(
        mount.atlas.known(public_key).await["project_roles"],
        json!({})
    );
    let left = mount.read(&format!("issued/{public_key}")).await;
    assert!(
        left.data()["pending_deletion_since"].is_string(),
        "{left:?}"
    );
    let refused = mount.delete("config").await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(mount.write("config", mount.atlas.key_config()).await.ok());
    mount.atlas.empties(Duration::from_mins(6)).await;
    assert_eq!(mount.list("issued").await.status, 404);
}

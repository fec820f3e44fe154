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

/// What decides who may do what is another by the time the key is made.
#[tokio::test]
async fn a_key_of_a_role_that_is_changed_meanwhile_is_not_handed_out() {
    let mount = Mount::configured().await;
    mount.org_role("r", 600, 0).await;
    let slow = json!({
        "operation": "createOrgApiKey", "action": { "kind": "delay", "seconds": 3.0 },
    });
    mount.atlas.fault(slow).await;
    let changing = async {
        mount.atlas.fault_is_met().await;
        let change = json!({ "ip_addresses": "192.0.2.1" });
        assert!(mount.write("roles/r", change).await.ok());
    };
    let (answer, ()) = tokio::join!(mount.read("creds/r"), changing);
    assert_eq!(answer.status, 500, "{answer:?}");
    let told = "role \"r\" was changed while its credential was being created: read again";
    assert!(answer.errors().contains(told), "{answer:?}");
    assert!(mount.atlas.credentials().await.is_empty());
    assert_eq!(mount.leases("r").await, 0);
    assert_eq!(mount.list("issued").await.status, 404);
    mount.issue("r").await;
}

/// One reader is at Atlas, which takes its time; the others wait for the account, and not for that.
#[tokio::test]
async fn who_waits_for_an_account_ends_with_the_role() {
    let mount = Mount::configured().await;
    let account = json!({
        "org_id": mount.atlas.org(), "name": "app", "org_roles": ["ORG_MEMBER"],
    });
    let account = mount.atlas.control("POST", "/accounts", account).await;
    let role = json!({
        "credential_type": "service_account", "organization_id": mount.atlas.org(),
        "client_id": account["client_id"], "ttl": 600,
    });
    mount.role("r", role).await;
    let slow = json!({
        "operation": "createOrgSecret", "action": { "kind": "delay", "seconds": 12.0 },
    });
    mount.atlas.fault(slow).await;
    let answered = AtomicBool::new(false);
    let at_atlas = async {
        let answer = mount.read("creds/r").await;
        answered.store(true, Ordering::Relaxed);
        answer.status
    };
    let waiting = async {
        mount.atlas.fault_is_met().await;
        let waiters = join_all((0..4).map(async |_| {
            let status = mount.read("creds/r").await.status;
            assert!(!answered.load(Ordering::Relaxed), "it waited for Atlas");
            status
        }));
        let deleting = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(mount.delete("roles/r").await.ok());
            assert!(!answered.load(Ordering::Relaxed), "it waited for Atlas");
        };
        tokio::join!(waiters, deleting).0
    };
    let (first, others) = tokio::join!(at_atlas, waiting);
    assert_eq!((first, others), (400, vec![400; 4]));
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

/// The account with which tokens are minted, and the one that the mount signs in with.
#[tokio::test]
async fn an_account_of_the_engine_itself_is_refused_wherever_an_account_is_named() {
    let mount = Mount::new().await;
    let config = mount.atlas.account_config();
    assert!(mount.write("config", config.clone()).await.ok());
    let org = mount.atlas.org().to_owned();
    let tokens = json!({
        "credential_type": "access_token", "organization_id": org, "roles": "ORG_MEMBER",
    });
    mount.role("token", tokens).await;
    let token = mount.issue("token").await;
    for (id, why) in [
        (
            &token.data()["client_id"],
            "managed for the access tokens of role \"token\"",
        ),
        (
            &config["client_id"],
            "this mount's configuration signs in with this account",
        ),
    ] {
        for (path, body) in [
            (
                "roles/adds",
                json!({
                    "credential_type": "service_account", "organization_id": org, "client_id": id,
                }),
            ),
            (
                "static-roles/rotates",
                json!({ "client_id": id, "organization_id": org, "rotation_period": "1d" }),
            ),
        ] {
            let refused = mount.write(path, body).await;
            assert_eq!(refused.status, 400, "{path}: {refused:?}");
            let told = refused.errors();
            assert!(
                told.contains("client_id: ") && told.contains(why),
                "{path}: {told}"
            );
        }
    }
}

/// In the other order: what a role or a static role has is not taken for the configuration.
#[tokio::test]
async fn an_account_that_roles_name_is_refused_for_the_configuration() {
    let mount = Mount::configured().await;
    let org = mount.atlas.org().to_owned();
    let account = json!({ "org_id": org, "name": "app", "org_roles": ["ORG_OWNER"] });
    let account = mount.atlas.control("POST", "/accounts", account).await;
    let id = &account["client_id"];
    let mut config = mount.atlas.account_config();
    config["client_id"] = id.clone();
    config["client_secret"] = account["client_secret"].clone();
    for (path, body) in [
        (
            "roles/adds",
            json!({ "credential_type": "service_account", "organization_id": org, "client_id": id }),
        ),
        (
            "static-roles/rotates",
            json!({ "client_id": id, "organization_id": org, "rotation_period": "1d" }),
        ),
    ] {
        let written = mount.write(path, body).await;
        assert!(written.ok(), "{path}: {written:?}");
        let refused = mount.write("config", config.clone()).await;
        assert_eq!(refused.status, 400, "{path}: {refused:?}");
        assert!(refused.errors().contains("client_id: "), "{refused:?}");
        assert!(mount.delete(path).await.ok());
    }
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

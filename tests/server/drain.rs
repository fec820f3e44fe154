//! The way out: what a mount has issued ends in Atlas before the mount is disabled.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Answer, Bao, Cluster, Mount};

/// The first round comes with the order; a periodic run comes within a minute.
const LIMIT: Duration = Duration::from_secs(150);

const OF_ORGANIZATION: [&str; 3] = ["programmatic_api_key", "service_account", "access_token"];

const OF_PROJECT: [&str; 2] = ["ai_model_key", "database_user"];

/// A mount with a role of each type.
async fn with_roles() -> Mount {
    let mount = Mount::configured().await;
    for kind in OF_PROJECT {
        mount.project_role(kind, 3_600, 86_400).await;
    }
    for kind in OF_ORGANIZATION {
        let role = json!({
            "credential_type": kind, "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER",
            "ttl": "1h", "max_ttl": "24h",
        });
        mount.role(kind, role).await;
    }
    mount
}

async fn order(mount: &Mount, dry_run: bool) -> Answer {
    let order = json!({ "organization_id": mount.atlas.org(), "dry_run": dry_run });
    mount.write("issued-end", order).await
}

async fn draining(mount: &Mount) -> Value {
    mount.read("status").await.data()["draining"].clone()
}

async fn until(mount: &Mount, field: &str, count: u64) {
    let give_up = Instant::now() + LIMIT;
    loop {
        let state = draining(mount).await;
        if state[field] == count {
            return;
        }
        assert!(Instant::now() < give_up, "{field} is not {count}: {state}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn refusal(operation: &str) -> Value {
    json!({
        "operation": operation, "count": 0,
        "action": { "kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN" },
    })
}

/// The server gives up a lease whose credential lives on.
async fn lose_lease(mount: &Mount, lease_id: &str) {
    mount.atlas.fault(refusal("deleteOrgApiKey")).await;
    let force = format!("sys/leases/revoke-force/{lease_id}");
    let forced = mount.client.write(&force, json!({})).await;
    assert!(forced.ok(), "{forced:?}");
    mount.atlas.no_more_faults().await;
}

async fn makes_nothing(mount: &Mount) {
    let static_read = mount.read("static-creds/app").await;
    assert!(static_read.ok(), "{static_read:?}");
    for kind in OF_ORGANIZATION.into_iter().chain(OF_PROJECT) {
        let refused = mount.read(&format!("creds/{kind}")).await;
        assert_eq!(refused.status, 503, "{refused:?}");
        assert!(
            refused.errors().contains("is being drained since"),
            "{refused:?}"
        );
    }
    for path in ["config/rotate-root", "rotate-role/app"] {
        let refused = mount.write(path, json!({ "force": true })).await;
        assert_eq!(refused.status, 503, "{path}: {refused:?}");
    }
}

#[tokio::test]
async fn a_drained_mount_is_disabled_without_atlas_and_leaves_nothing_there() {
    let mount = with_roles().await;
    let account = json!({
        "org_id": mount.atlas.org(), "org_roles": ["ORG_MEMBER"], "name": "seed",
    });
    let account = mount.atlas.control("POST", "/accounts", account).await;
    let static_role = json!({
        "client_id": account["client_id"], "organization_id": mount.atlas.org(),
    });
    let written = mount.write("static-roles/app", static_role).await;
    assert!(written.ok(), "{written:?}");
    let lost = mount.issue("programmatic_api_key").await;
    lose_lease(&mount, &lost.lease_id()).await;
    let mut leases = Vec::new();
    for kind in OF_ORGANIZATION.into_iter().chain(OF_PROJECT) {
        leases.push(mount.issue(kind).await);
    }
    let token = leases[2].data()["access_token"].clone();
    let counted = order(&mount, true).await;
    assert_eq!(counted.data()["remaining"], 7, "{counted:?}");
    assert_eq!(draining(&mount).await, Value::Null);

    // Atlas refuses the keys for a while; a write of config calls it off meanwhile.
    mount.atlas.fault(refusal("deleteOrgApiKey")).await;
    let begun = order(&mount, false).await;
    assert!(begun.ok(), "{begun:?}");
    until(&mount, "failing", 2).await;
    makes_nothing(&mount).await;
    let renewed = mount.renew(&leases[0].lease_id(), 0).await;
    assert!(renewed.ok(), "it is not ended yet: {renewed:?}");
    let written = mount.write("config", json!({})).await;
    assert!(
        written.warnings().contains("is over with this write"),
        "{written:?}"
    );
    leases.push(mount.issue("service_account").await);
    mount.atlas.no_more_faults().await;

    let begun = order(&mount, false).await;
    assert!(begun.ok(), "{begun:?}");
    until(&mount, "remaining", 0).await;
    makes_nothing(&mount).await;
    let left = mount.atlas.credentials().await;
    assert!(left.is_empty(), "{left:?}");
    let state = mount.atlas.state().await;
    let tokens = state["tokens"].to_string();
    assert!(
        !tokens.contains(token.as_str().unwrap()),
        "it died with its account"
    );
    let listed = mount.list("issued").await;
    let stages = listed.data()["key_info"].as_object().unwrap().values();
    assert_eq!(stages.len(), 7, "the lost one too: {listed:?}");
    assert!(
        stages.clone().all(|info| info["state"] == "ended"),
        "{listed:?}"
    );

    let away = json!({"count": 0, "unauthenticated": true, "action": {"kind": "close"}});
    mount.atlas.fault(away).await;
    let renewed = mount.renew(&leases[0].lease_id(), 0).await;
    assert_eq!(renewed.status, 400, "{renewed:?}");
    let revoke = format!("sys/leases/revoke-prefix/{}", mount.path);
    let revoked = mount.client.write(&revoke, json!({ "sync": true })).await;
    assert!(revoked.ok(), "{revoked:?}");
    let path = format!("sys/mounts/{}", mount.path);
    let disabled = mount.client.delete(&path).await;
    assert!(disabled.ok(), "{disabled:?}");
    assert!(!mount.read("config").await.ok());
}

/// The order is given while Atlas refuses to delete the one key that was issued. Answers with its
/// lease, and since when the mount is drained.
async fn begins(mount: &Mount) -> (String, Value) {
    mount.configure().await;
    mount.org_role("r", 3_000, 7_200).await;
    let lease = mount.issue("r").await.lease_id();
    mount.atlas.fault(refusal("deleteOrgApiKey")).await;
    let begun = order(mount, false).await;
    assert!(begun.ok(), "{begun:?}");
    until(mount, "failing", 1).await;
    (lease, draining(mount).await["since"].clone())
}

/// The same order is carried out to its end by a process that was not there when it was given.
async fn goes_on(mount: &Mount, lease: &str, since: &Value) {
    mount.serves().await;
    assert_eq!(draining(mount).await["since"], *since);
    let refused = mount.read("creds/r").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(!mount.atlas.credentials().await.is_empty());
    mount.atlas.no_more_faults().await;
    until(mount, "remaining", 0).await;
    let left = mount.atlas.credentials().await;
    assert!(left.is_empty(), "{left:?}");
    let renewed = mount.renew(lease, 0).await;
    assert_eq!(renewed.status, 400, "{renewed:?}");
    assert!(mount.revoke(lease).await.ok());
}

#[tokio::test]
async fn a_drain_continues_after_the_server_was_restarted() {
    let mut bao = Bao::on_disk().await;
    let registered = bao.register(&[]).await;
    assert!(registered.ok(), "{registered:?}");
    let mount = Mount::on(&bao.client()).await;
    let (lease, since) = begins(&mount).await;
    bao.restart().await;
    goes_on(&mount, &lease, &since).await;
}

#[tokio::test]
async fn a_drain_continues_with_the_next_leader() {
    let mut cluster = Cluster::start(3).await;
    let mut mount = Mount::on(&cluster.client(0)).await;
    let (lease, since) = begins(&mount).await;
    cluster.nodes[0].kill();
    cluster.bury(0);
    mount.client = cluster.client(cluster.leader().await);
    goes_on(&mount, &lease, &since).await;
}

//! A server that was started from a copy of another one's storage, held from before its unsealing by
//! the environment of its process.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Bao, Client, Mount};

/// A server on disk whose mount rotates its own credential each minute, and has left a credential
/// incomplete; with a lease.
async fn server() -> (Bao, Mount, String) {
    let bao = Bao::on_disk().await;
    let registered = bao.register(&[]).await;
    assert!(registered.ok(), "{registered:?}");
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    mount.org_role("r", 36_000, 0).await;
    let lease = mount.issue("r").await.lease_id();
    let lost = json!({ "operation": "createOrgApiKey", "action": { "kind": "lose_answer" } });
    let action = json!({ "kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN" });
    let hidden = json!({ "operation": "listOrgApiKeys", "count": 0, "action": action });
    for fault in [lost, hidden] {
        mount.atlas.fault(fault).await;
    }
    assert!(!mount.read("creds/r").await.ok());
    let rotated = json!({ "rotation_period": 60 });
    assert!(mount.write("config", rotated).await.ok());
    (bao, mount, lease)
}

/// Starts the copy, and lets it tick so often.
async fn copied(bao: &mut Bao, mount: &Mount, hold: &str, ticks: usize) -> (Bao, Client) {
    let copy = bao.end_and_copy(&[("MONGODBATLAS_HOLD", hold)]);
    mount.atlas.no_more_faults().await;
    mount.atlas.forget_requests().await;
    copy.unseal().await;
    copy.log.ticks(ticks).await;
    let client = copy.client();
    (copy, client)
}

#[tokio::test]
async fn a_restored_server_that_is_held_writes_nothing_unasked_and_revokes_on_order() {
    let (mut bao, mount, lease) = server().await;
    let (copy, client) = copied(&mut bao, &mount, "true", 3).await;
    assert_eq!(
        mount.atlas.request_count().await,
        0,
        "{:?}",
        mount.atlas.operations().await
    );
    let status = client.read(&format!("{}/status", mount.path)).await;
    assert_eq!(status.data()["hold"]["environment"], "true");
    let config = client.read(&format!("{}/config", mount.path)).await;
    assert!(
        config.warnings().contains("MONGODBATLAS_HOLD=true"),
        "{config:?}"
    );
    let told = "MONGODBATLAS_HOLD is set in the environment of the server process";
    copy.log.tells(told).await;
    assert_eq!(mount.atlas.credentials().await.len(), 2);
    let order = json!({ "lease_id": lease, "sync": true });
    let revoked = client.write("sys/leases/revoke", order).await;
    assert!(revoked.ok(), "{revoked:?}");
    assert_eq!(mount.atlas.credentials().await.len(), 1);
}

#[tokio::test]
async fn a_copy_that_must_not_touch_atlas_sends_it_nothing() {
    let (mut bao, mount, lease) = server().await;
    let (_copy, client) = copied(&mut bao, &mount, "all", 2).await;
    let issued = client.read(&format!("{}/creds/r", mount.path)).await;
    assert_eq!(issued.status, 503, "{issued:?}");
    assert!(issued.errors().contains("irrevocable"), "{issued:?}");
    let order = json!({ "lease_id": lease, "sync": true });
    let revoked = client.write("sys/leases/revoke", order).await;
    assert!(
        revoked.errors().contains("MONGODBATLAS_HOLD=all"),
        "{revoked:?}"
    );
    // A renewal needs no Atlas.
    let renewal = json!({ "lease_id": lease, "increment": 0 });
    let renewed = client.write("sys/leases/renew", renewal).await;
    assert!(renewed.ok(), "{renewed:?}");
    assert_eq!(
        mount.atlas.request_count().await,
        0,
        "{:?}",
        mount.atlas.operations().await
    );
    assert_eq!(mount.atlas.credentials().await.len(), 2);
}

#[tokio::test]
async fn a_hold_that_cannot_be_read_keeps_the_plugin_from_starting() {
    let (mut bao, mount, _) = server().await;
    let copy = bao.end_and_copy(&[("MONGODBATLAS_HOLD", "yes")]);
    mount.atlas.no_more_faults().await;
    mount.atlas.forget_requests().await;
    copy.try_unseal().await;
    copy.log.tells("has a value that cannot be read").await;
    assert_eq!(mount.atlas.request_count().await, 0);
}

/// The field of the configuration, for whoever cannot set the server's environment.
#[tokio::test]
async fn a_hold_of_the_configuration_holds_the_reaper_and_due_rotations() {
    let bao = Bao::dev_with_clock();
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    mount.org_role("r", 3_600, 7_200).await;
    let lease = mount.issue("r").await.lease_id();
    let held = json!({ "rotation_period": 3_600, "hold": true });
    assert!(mount.write("config", held).await.ok());
    let by = Duration::from_hours(5);
    bao.clock.as_ref().unwrap().turn(by);
    mount.atlas.turn_clock(by).await;
    mount.atlas.forget_requests().await;
    bao.log.ticks(2).await;
    assert_eq!(
        mount.atlas.request_count().await,
        0,
        "{:?}",
        mount.atlas.operations().await
    );
    let status = mount.read("status").await;
    assert_eq!(status.data()["hold"]["configuration"], true);
    // The server's own clock was not turned: the lease is there, and nothing holds its revocation.
    assert!(mount.revoke(&lease).await.ok());
    assert!(mount.atlas.credentials().await.is_empty());
    assert!(mount.read("config").await.data()["last_rotated"].is_null());
    assert!(mount.write("config", json!({ "hold": false })).await.ok());
    let give_up = Instant::now() + Duration::from_mins(4);
    while mount.read("config").await.data()["last_rotated"].is_null() {
        assert!(Instant::now() < give_up, "no rotation comes");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

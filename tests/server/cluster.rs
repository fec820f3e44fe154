//! Several nodes: the active one lost in the middle of its work, and standbys that answer reads.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Cluster, Mount};

/// Each node's server ticks once a minute.
const THREE_TICKS: Duration = Duration::from_mins(4);

async fn mount_on(cluster: &Cluster) -> Mount {
    let mount = Mount::on(&cluster.client(0)).await;
    mount.configure().await;
    let role = json!({
        "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER", "ip_addresses": "192.0.2.1",
        "ttl": 3_000, "max_ttl": 7_200,
    });
    mount.role("r", role.clone()).await;
    let mut account = role;
    account["credential_type"] = json!("service_account");
    mount.role("account", account).await;
    mount
}

async fn delayed(mount: &Mount, operation: &str, after_effect: bool) {
    let action = json!({ "kind": "delay", "seconds": 6, "after_effect": after_effect });
    let fault = json!({ "operation": operation, "action": action });
    mount.atlas.fault(fault).await;
}

/// A request whose server is killed meanwhile has no answer.
async fn read_regardless(mount: &Mount, path: &str) {
    let path = format!("{}/{path}", mount.path);
    let _ = mount.client.try_call("GET", &path, None).await;
}

#[tokio::test]
async fn a_leader_lost_in_the_middle_of_a_create_leaves_nothing_behind() {
    let mut cluster = Cluster::start(3).await;
    let mut mount = mount_on(&cluster).await;
    let kept = mount.issue("r").await;
    let revoked_later = mount.issue("account").await;

    // In an orderly way: the old leader stays as a standby.
    delayed(&mount, "createOrgServiceAccount", true).await;
    let creating = read_regardless(&mount, "creds/account");
    let stepping_down = async {
        mount.atlas.fault_is_met().await;
        let asked = mount.client.call("PUT", "sys/step-down", None).await;
        assert!(asked.ok(), "{asked:?}");
    };
    tokio::join!(creating, stepping_down);
    cluster.nodes[0]
        .log
        .tells("stepping down from active operation")
        .await;
    let leader = cluster.leader().await;
    mount.client = cluster.client(leader);
    mount.atlas.no_more_faults().await;
    mount.serves().await;

    // And as a crash does it, after the key exists.
    delayed(&mount, "createOrgApiKey", true).await;
    let creating = read_regardless(&mount, "creds/r");
    let killing = async {
        mount.atlas.fault_is_met().await;
        cluster.nodes[leader].kill();
    };
    tokio::join!(creating, killing);
    cluster.bury(leader);
    let leader = cluster.leader().await;
    mount.client = cluster.client(leader);
    mount.atlas.no_more_faults().await;
    mount.serves().await;
    assert!(
        mount.atlas.credentials().await.len() > 2,
        "what was being made is there"
    );

    assert!(mount.renew(&kept.lease_id(), 0).await.ok());
    assert!(mount.revoke(&revoked_later.lease_id()).await.ok());
    mount.issue("account").await;
    let by = Duration::from_mins(11);
    cluster.clock.turn(by);
    mount.atlas.turn_clock(by).await;
    // A step-down waits for requests under way: what it found in the making may have its lease.
    let give_up = Instant::now() + THREE_TICKS;
    loop {
        let leases = mount.leases("r").await + mount.leases("account").await;
        let held = mount.atlas.credentials().await;
        let listed = mount.list("issued").await;
        let entries = listed.body["data"]["keys"].as_array().map_or(0, Vec::len);
        if held.len() == leases && entries == leases {
            assert!((2..=3).contains(&leases), "{leases} leases");
            break;
        }
        let now = format!("{leases} leases, {entries} entries, in Atlas {held:?}");
        assert!(
            Instant::now() < give_up,
            "{now}: {:?}",
            mount.read("status").await
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let public = kept.data()["public_key"].as_str().unwrap();
    assert!(
        mount.atlas.known(public).await.is_object(),
        "the wrong key is gone"
    );
}

/// Waits until a read on the standby answers so: what the leader wrote arrives a moment later.
async fn sees(standby: &Client, path: &str, field: &str, want: Value) {
    let give_up = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = standby.read(path).await;
        if answer.body["data"][field] == want {
            return;
        }
        assert!(
            Instant::now() < give_up,
            "{path}: {field} is not {want}: {answer:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_standby_answers_reads_hands_on_creates_and_leaves_atlas_alone() {
    let cluster = Cluster::start(2).await;
    let leader = mount_on(&cluster).await;
    let (standby, path) = (cluster.client(1), leader.path.clone());
    let at = |rest: &str| format!("{path}/{rest}");

    sees(&standby, &at("status"), "node", json!("standby")).await;
    sees(&standby, &at("roles/r"), "ttl", json!(3_000)).await;
    sees(&standby, &at("config"), "request_timeout", json!(30)).await;
    let changed = leader
        .write("config", json!({ "request_timeout": "17s" }))
        .await;
    assert!(changed.ok(), "{changed:?}");
    sees(&standby, &at("config"), "request_timeout", json!(17)).await;
    leader.role("r", json!({ "ttl": 2_000 })).await;
    sees(&standby, &at("roles/r"), "ttl", json!(2_000)).await;

    for role in ["r", "account"] {
        leader.atlas.forget_requests().await;
        let issued = standby.read(&at(&format!("creds/{role}"))).await;
        assert!(issued.ok(), "{issued:?}");
        assert_eq!(leader.atlas.credentials().await.len(), 1);
        assert_eq!(leader.leases(role).await, 1);
        let lookup = json!({ "lease_id": issued.lease_id() });
        assert!(leader.client.write("sys/leases/lookup", lookup).await.ok());
        let body = json!({ "lease_id": issued.lease_id(), "sync": true });
        let asked = if hands_on_revocations(&standby).await {
            &standby
        } else {
            &leader.client
        };
        let revoked = asked.write("sys/leases/revoke", body).await;
        assert!(revoked.ok(), "{revoked:?}");
        assert!(leader.atlas.credentials().await.is_empty());
    }
    ends_one(&leader, &standby).await;
    binds_to_its_caller(&leader, &standby).await;
    only_the_leader_cleans_up(&cluster, &leader).await;
}

/// OpenBao 2.6.1 refuses a revocation at a standby, as a write to read-only storage.
async fn hands_on_revocations(standby: &Client) -> bool {
    standby.server_version().await != [2, 6, 1]
}

/// Who asks a standby is bound to the own address, and not to that of the standby.
async fn binds_to_its_caller(leader: &Mount, standby: &Client) {
    let bound = json!({
        "organization_id": leader.atlas.org(), "roles": "ORG_MEMBER", "bind_to_caller": true,
    });
    leader.role("bound", bound).await;
    let issued = standby.from([127, 0, 0, 3]);
    let issued = issued.read(&format!("{}/creds/bound", leader.path)).await;
    let public = issued.data()["public_key"].as_str().expect("a key");
    let known = leader.atlas.known(public).await;
    assert_eq!(known["access_list"], json!(["127.0.0.3"]));
    assert!(leader.revoke(&issued.lease_id()).await.ok());
}

/// Whichever node is asked to end a credential, the leader does.
async fn ends_one(leader: &Mount, standby: &Client) {
    let issued = leader.issue("r").await;
    let public = issued.data()["public_key"].as_str().expect("a key");
    let entry = format!("{}/issued/{public}", leader.path);
    let ended = standby.delete(&entry).await;
    assert_eq!(ended.status, 204, "{ended:?}");
    assert!(leader.atlas.credentials().await.is_empty());
    sees(standby, &entry, "state", json!("ended")).await;
    let renewal = json!({ "lease_id": issued.lease_id() });
    let refused = standby.write("sys/leases/renew", renewal).await;
    assert!(refused.errors().contains("was ended"), "{refused:?}");
    assert!(leader.revoke(&issued.lease_id()).await.ok());
}

/// While the leader's plugin stands still, what is to be cleaned up stays: the standby's ticks do nothing.
async fn only_the_leader_cleans_up(cluster: &Cluster, leader: &Mount) {
    for operation in ["createOrgAccessEntry", "deleteOrgApiKey"] {
        let action = json!({ "kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN" });
        let fault = json!({ "operation": operation, "count": 0, "action": action });
        leader.atlas.fault(fault).await;
    }
    assert!(!leader.read("creds/r").await.ok());
    let stopped = cluster.nodes[0].stop_plugins();
    leader.atlas.no_more_faults().await;
    assert_eq!(leader.atlas.credentials().await.len(), 1);
    leader.atlas.forget_requests().await;
    let by = Duration::from_mins(11);
    cluster.clock.turn(by);
    leader.atlas.turn_clock(by).await;

    cluster.nodes[1].log.ticks(2).await;
    assert_eq!(leader.atlas.request_count().await, 0);
    assert_eq!(leader.atlas.credentials().await.len(), 1);
    drop(stopped);
    leader.atlas.empties(THREE_TICKS).await;
}

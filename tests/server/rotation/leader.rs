//! The active node lost in the middle of rotations: the next one ends or undoes them, acting with a
//! credential that it never wrote itself.

use serde_json::{Value, json};

use super::account::{Account, let_everybody_mint, mints, secret, text, until};
use super::crash::{all_held, hold};
use crate::support::{Cluster, Mount};

/// Two accounts, one held while Atlas makes a secret and one after, and the mount's own key likewise.
async fn held_rotations(mount: &Mount) -> [(&'static str, Account); 2] {
    let accounts = [
        ("asked", Account::new(mount, "asked", "ORG_MEMBER").await),
        ("made", Account::new(mount, "made", "ORG_MEMBER").await),
    ];
    for (name, account) in &accounts {
        let options = json!({ "rotation_period": 0, "overlap": 0 });
        account.adopt(mount, name, options).await;
        assert_eq!(account.secrets(mount).await, 1, "{name}");
        let id = Some(&*account.client_id);
        hold(mount, "createOrgSecret", id, *name == "made").await;
    }
    hold(mount, "createOrgApiKey", None, true).await;
    accounts
}

async fn rotate_regardless(mount: &Mount, path: &str) {
    let path = format!("{}/{path}", mount.path);
    let body = json!({ "force": true });
    let _ = mount.client.try_call("POST", &path, Some(body)).await;
}

async fn rotates(mount: &Mount, path: &str) {
    let rotated = mount.write(path, json!({ "force": true })).await;
    assert!(rotated.ok(), "{path}: {rotated:?}");
}

#[tokio::test]
async fn what_a_lost_leader_left_half_rotated_is_put_right_by_the_next() {
    let mut cluster = Cluster::start(3).await;
    let mut mount = Mount::on(&cluster.client(0)).await;
    let_everybody_mint(&mount).await;
    mount.configure().await;
    rotates(&mount, "config/rotate-root").await;
    mount.org_role("r", 3_000, 7_200).await;
    let kept = mount.issue("r").await.lease_id();
    let accounts = held_rotations(&mount).await;

    let killing = async {
        until("every fault", async || all_held(&[&mount]).await).await;
        cluster.nodes[0].kill();
    };
    tokio::join!(
        rotate_regardless(&mount, "rotate-role/asked"),
        rotate_regardless(&mount, "rotate-role/made"),
        rotate_regardless(&mount, "config/rotate-root"),
        killing
    );
    cluster.bury(0);
    let leader = cluster.leader().await;
    mount.client = cluster.client(leader);
    mount.atlas.no_more_faults().await;
    mount.serves().await;

    for (name, account) in &accounts {
        let held = secret(&mount, name).await;
        assert!(mints(&mount, &account.client_id, &held).await, "{name}");
        until(&format!("the end of what was begun: {name}"), async || {
            let role = mount.read(&format!("static-roles/{name}")).await;
            let idle = role.data()["rotation_in_progress"] == json!(false);
            idle && account.secrets(&mount).await == 1
        })
        .await;
        let held = secret(&mount, name).await;
        assert!(mints(&mount, &account.client_id, &held).await, "{name}");
    }
    until("the end of the mount's own rotation", async || {
        root_keys(&mount).await == 1
    })
    .await;

    for (name, account) in &accounts {
        rotates(&mount, &format!("rotate-role/{name}")).await;
        assert_eq!(account.secrets(&mount).await, 1, "{name}");
    }
    rotates(&mount, "config/rotate-root").await;
    assert!(mount.revoke(&kept).await.ok());
    let public_key = mount.read("config").await.data()["public_key"].clone();
    until("the end of the replaced key", async || {
        let state = mount.atlas.state().await;
        let keys = state["keys"].as_array().expect("keys");
        keys.len() == 1 && keys[0]["public_key"] == public_key
    })
    .await;
}

/// How many keys in Atlas are of a rotation of the mount's own credential.
async fn root_keys(mount: &Mount) -> usize {
    let state = mount.atlas.state().await;
    let keys = state["keys"].as_array().cloned().unwrap_or_default();
    let of_rotation = |key: &&Value| text(&key["desc"]).starts_with("mongodbatlas-root-");
    keys.iter().filter(of_rotation).count()
}

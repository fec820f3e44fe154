//! A mount that the Go engine served before, and the ways of putting another binary in its place.

mod old;
mod recorded;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::bao::Extras;
use crate::support::cloud::Cloud;
use crate::support::{Atlas, Bao, Mount};

/// An entry of the Go engine's write-ahead log; the test with the real engine compares it.
const WRITE_AHEAD: &str = include_str!("../stored/go-0.16/wal-description.json");

async fn server() -> Bao {
    server_with(Vec::new()).await
}

async fn server_with(variables: Vec<(String, String)>) -> Bao {
    Bao::on_disk_with(Extras {
        turnable: true,
        config: "raw_storage_endpoint = true".to_owned(),
        variables,
        ..Extras::default()
    })
    .await
}

/// Writes below a mount behind the plugin's back.
async fn plant(mount: &Mount, key: &str, value: &Value) {
    let tune = mount
        .client
        .read(&format!("sys/mounts/{}", mount.path))
        .await;
    let uuid = tune.data()["uuid"].as_str().expect("a uuid").to_owned();
    let path = format!("sys/raw/logical/{uuid}/{key}");
    let body = json!({ "value": value.to_string() });
    let written = mount.client.write(&path, body).await;
    assert!(written.ok(), "{key}: {written:?}");
}

#[tokio::test]
async fn what_the_go_engine_left_in_a_mount_is_taken_over() {
    let atlas = Atlas::start().await;
    let cloud = Cloud::of(&atlas).await;
    let bao = server_with(cloud.variables()).await;
    assert!(bao.register(&["--unversioned"]).await.ok());
    let mount = Mount::with(&bao.client(), atlas).await;
    let (org, project) = (mount.atlas.org(), mount.atlas.project(0));
    plant(&mount, "config", &mount.atlas.go_config()).await;
    let role = json!({
        "project_id": project, "database_name": "", "roles": ["ORG_MEMBER"],
        "organization_id": org, "cidr_blocks": null, "ip_addresses": ["192.0.2.1"],
        "project_roles": ["GROUP_READ_ONLY"], "ttl": 600_000_000_000_u64, "max_ttl": 0,
    });
    plant(&mount, "roles/r", &role).await;
    let entry: Value = serde_json::from_str(WRITE_AHEAD).unwrap();
    let key = json!({ "org_id": org, "desc": entry["data"]["Role"] });
    mount.atlas.control("POST", "/keys", key).await;
    plant(&mount, "wal/0b0bb3f6-7f9c-4c5e-9d62-f2f0a3d3ce0e", &entry).await;
    bao.reload().await;

    assert_eq!(mount.list("roles").await.data()["keys"], json!(["r"]));
    let issued = mount.issue("r").await;
    assert_eq!(issued.body["lease_duration"], 600);
    assert!(mount.renew(&issued.lease_id(), 0).await.ok());
    mount.atlas.holds(1, Duration::from_mins(4)).await;
    let public = issued.data()["public_key"].as_str().unwrap();
    assert!(mount.atlas.known(public).await.is_object());
    assert!(mount.revoke(&issued.lease_id()).await.ok());
    mount.atlas.empties(Duration::from_secs(5)).await;
}

/// Appends to the binary, so that it has another checksum and is as good.
fn replace_binary(bao: &Bao) {
    let file = bao.plugin_folder.join("mongodbatlas");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.push(0);
    // A running program cannot be written to, but its name can be given to another file.
    let beside = file.with_extension("new");
    std::fs::copy(&file, &beside).unwrap();
    std::fs::write(&beside, bytes).unwrap();
    std::fs::rename(&beside, &file).unwrap();
}

async fn keeps_serving(mount: &Mount, lease: &str) {
    let renewed = mount.renew(lease, 0).await;
    assert!(renewed.ok(), "{renewed:?}");
    let issued = mount.issue("r").await.lease_id();
    for lease in [lease, &issued] {
        let revoked = mount.revoke(lease).await;
        assert!(revoked.ok(), "{revoked:?}");
    }
    assert!(mount.atlas.credentials().await.is_empty());
}

#[tokio::test]
async fn an_unversioned_binary_is_replaced_in_place() {
    let bao = server().await;
    assert!(bao.register(&["--unversioned"]).await.ok());
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    mount.org_role("r", 600, 0).await;
    let lease = mount.issue("r").await.lease_id();
    let before = bao.plugin_pids();
    replace_binary(&bao);
    assert!(bao.register(&["--unversioned"]).await.ok());
    bao.reload().await;
    keeps_serving(&mount, &lease).await;
    let after = bao.plugin_pids();
    assert!(
        after.iter().all(|pid| !before.contains(pid)),
        "the old process serves on"
    );
}

#[tokio::test]
async fn a_mount_without_a_version_is_tuned_to_one() {
    let bao = server().await;
    assert!(bao.register(&["--unversioned"]).await.ok());
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    mount.org_role("r", 600, 0).await;
    let lease = mount.issue("r").await.lease_id();
    assert!(bao.register(&[]).await.ok());
    let version = concat!("v", env!("CARGO_PKG_VERSION"));
    let tune = format!("sys/mounts/{}/tune", mount.path);
    let tuned = mount
        .client
        .write(&tune, json!({ "plugin_version": version }))
        .await;
    assert!(tuned.ok(), "{tuned:?}");
    bao.reload().await;
    let shown = mount
        .client
        .read(&format!("sys/mounts/{}", mount.path))
        .await;
    assert_eq!(shown.data()["running_plugin_version"], version, "{shown:?}");
    keeps_serving(&mount, &lease).await;
}

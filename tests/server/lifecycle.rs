//! The plugin across the life of its server: registration, seal, crash, reload, tune, many mounts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::support::bao::Extras;
use crate::support::{Bao, Mount};

/// Issues, renews and revokes one credential.
async fn works(mount: &Mount) {
    let answer = mount.issue("r").await;
    let renewed = mount.renew(&answer.lease_id(), 0).await;
    assert!(renewed.ok(), "{renewed:?}");
    let revoked = mount.revoke(&answer.lease_id()).await;
    assert!(revoked.ok(), "{revoked:?}");
    assert!(mount.atlas.credentials().await.is_empty());
}

async fn registered_mount(bao: &Bao) -> Mount {
    let registered = bao.register(&[]).await;
    assert!(registered.ok(), "{registered:?}");
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    mount.org_role("r", 600, 0).await;
    mount
}

#[tokio::test]
async fn a_registered_plugin_serves_on_raft_storage_across_seal_restart_and_crash() {
    let mut bao = Bao::on_disk().await;
    let mount = registered_mount(&bao).await;
    works(&mount).await;
    let lease = mount.issue("r").await.lease_id();

    assert!(mount.client.call("PUT", "sys/seal", None).await.ok());
    bao.unseal().await;
    assert!(mount.renew(&lease, 0).await.ok());
    bao.restart().await;
    assert!(mount.renew(&lease, 0).await.ok());
    bao.crash_and_restart().await;
    assert!(mount.revoke(&lease).await.ok());
    works(&mount).await;
}

/// A server that is killed while it sets up its mounts, and started again at once, finds nothing in
/// its way: each process of the plugin makes a socket of its own, and no start waits for an earlier one.
#[tokio::test]
async fn a_server_that_is_killed_and_started_fast_serves_its_mounts_each_time() {
    let temporary = tempfile::tempdir().unwrap();
    let variable = |name: &str| (name.to_owned(), temporary.path().display().to_string());
    let mut bao = Bao::on_disk_with(Extras {
        variables: vec![variable("TMPDIR")],
        ..Extras::default()
    })
    .await;
    let mounts = [registered_mount(&bao).await, registered_mount(&bao).await];
    for round in 0..5 {
        let moment = Duration::from_millis(40 * round);
        bao.crash_and_crash_in_the_start(moment).await;
        bao.start_after_a_kill().await;
        for mount in &mounts {
            mount.serves().await;
            works(mount).await;
        }
        let lost = bao.log.text().contains("failed to create mount entry");
        assert!(!lost, "round {round}: a mount was lost on the way");
    }
    // Of the plugin's sockets only the running process's own is left in the end; a process that its
    // server had not connected to yet waits two minutes for it.
    let own = || own_sockets(temporary.path()).len();
    for _ in 0..1_500 {
        if own() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("sockets of the plugin are left: {}", own());
}

/// Those that the plugin made; the server gives its own a number.
fn own_sockets(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let numbered = |name: &String| name["plugin".len()..].parse::<u64>().is_ok();
    let own = names.filter(|name| !numbered(name));
    own.map(|name| folder.join(name)).collect()
}

/// A server whose connection stays open does not notice, and one that connects anew finds the process.
#[tokio::test]
async fn a_socket_file_that_is_cleaned_away_comes_back() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().display().to_string();
    let bao = Bao::on_disk_with(Extras {
        variables: vec![("TMPDIR".to_owned(), folder)],
        ..Extras::default()
    })
    .await;
    let mount = registered_mount(&bao).await;
    works(&mount).await;
    let (plugins, sockets) = (bao.plugin_pids(), own_sockets(temporary.path()));
    assert_eq!((plugins.len(), sockets.len()), (1, 1));
    std::fs::remove_file(&sockets[0]).unwrap();
    works(&mount).await;
    let told = "the socket's file was gone; it was made again";
    bao.log.tells(told).await;
    assert_eq!(own_sockets(temporary.path()), sockets);
    works(&mount).await;
    assert_eq!(bao.plugin_pids(), plugins);
}

#[tokio::test]
async fn after_the_plugin_is_killed_the_next_request_works() {
    let bao = Bao::dev();
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    mount.org_role("r", 600, 0).await;
    let lease = mount.issue("r").await.lease_id();
    assert_eq!(bao.plugin_pids().len(), 1);
    bao.kill_plugins().await;
    // The server needs a moment to notice; a request in that moment fails, as one in flight does.
    while !mount.read("config").await.ok() {}
    let revoked = mount.revoke(&lease).await;
    assert!(revoked.ok(), "{revoked:?}");
    works(&mount).await;
    assert_eq!(bao.plugin_pids().len(), 1);
}

#[tokio::test]
async fn a_reload_and_a_tune_keep_everything() {
    let bao = Bao::dev();
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    mount.org_role("r", 0, 0).await;
    let lease = mount.issue("r").await.lease_id();
    let reload = json!({ "plugin": "mongodbatlas" });
    assert!(
        mount
            .client
            .write("sys/plugins/reload/backend", reload)
            .await
            .ok()
    );
    assert!(mount.renew(&lease, 0).await.ok());
    let tune = format!("sys/mounts/{}/tune", mount.path);
    let times = json!({ "default_lease_ttl": "20m", "max_lease_ttl": "40m" });
    assert!(mount.client.write(&tune, times).await.ok());
    let answer = mount.issue("r").await;
    assert_eq!(
        answer.body["lease_duration"], 1_200,
        "tuned times are seen at once"
    );
    let renewed = mount.renew(&answer.lease_id(), 100_000).await;
    assert!(
        renewed.body["lease_duration"].as_u64().unwrap() <= 2_400,
        "{renewed:?}"
    );
    assert!(mount.revoke(&lease).await.ok());
    assert!(mount.revoke(&answer.lease_id()).await.ok());
    mount.atlas.empties(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_process_that_lost_its_server_ends_on_its_own() {
    let bao = Bao::dev();
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    let plugins = bao.plugin_pids();
    assert!(!plugins.is_empty());
    bao.signal("KILL");
    let gone = |pid: &i32| !std::path::Path::new(&format!("/proc/{pid}")).exists();
    for _ in 0..300 {
        if plugins.iter().all(gone) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("a plugin process outlived its server");
}

#[tokio::test]
async fn fifty_mounts_in_one_process_keep_apart() {
    let bao = Bao::dev();
    let mut mounts = Vec::new();
    for number in 0..50_u64 {
        let mount = Mount::on(&bao.client()).await;
        mount.configure().await;
        mount.org_role("r", 600 + number, 0).await;
        mounts.push(mount);
    }
    assert_eq!(bao.plugin_pids().len(), 1, "one process serves them all");
    for (number, mount) in mounts.iter().enumerate() {
        let config = mount.read("config").await;
        assert_eq!(config.data()["base_url"], mount.atlas.api());
        assert_eq!(config.data()["organization_id"], mount.atlas.org());
        let answer = mount.issue("r").await;
        assert_eq!(answer.body["lease_duration"], 600 + number);
        assert_eq!(mount.atlas.credentials().await.len(), 1);
    }
    let disabled = bao
        .client()
        .delete(&format!("sys/mounts/{}", mounts[0].path))
        .await;
    assert!(disabled.ok());
    assert!(mounts[0].atlas.credentials().await.is_empty());
    mounts[1].issue("r").await;
    for mount in &mounts[1..] {
        assert!(!mount.atlas.credentials().await.is_empty());
    }
}

#[tokio::test]
async fn the_api_document_and_the_help_know_every_path() {
    let mount = Mount::new().await;
    let document = mount.client.read("sys/internal/specs/openapi").await;
    assert!(document.ok());
    let paths = document.body["paths"].as_object().unwrap();
    for (path, method, id) in [
        ("config", "post", "mongo-db-atlas-configure"),
        ("config", "get", "mongo-db-atlas-read-configuration"),
        ("roles/{name}", "post", "mongo-db-atlas-write-role"),
        ("creds/{name}", "get", "mongo-db-atlas-generate-credentials"),
    ] {
        let found = paths.iter().find(|(key, _)| {
            key.trim_start_matches('/')
                .replace("{atlas_mount_path}", "")
                .ends_with(path)
                && key.contains(&mount.path)
        });
        let (_, item) = found.unwrap_or_else(|| panic!("{path} is missing"));
        assert_eq!(item[method]["operationId"], id, "{path}");
    }
    for path in ["", "config", "roles", "roles/x", "creds/x"] {
        let help = mount.read(&format!("{path}?help=1")).await;
        assert!(
            help.body["help"]
                .as_str()
                .is_some_and(|help| !help.is_empty()),
            "{path}: {help:?}"
        );
    }
}

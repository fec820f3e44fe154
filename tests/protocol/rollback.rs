//! The host's tick, what crashes leave for it, and keys that other nodes changed.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use crate::{
    atlas::Atlas,
    host::Plugin,
    launch::Launch,
    logging::lines,
    mount::{HostSide, Mount, asked, lease},
    requests::RETRIED,
    store::{MISSING, Mood},
    view::{Presence, state},
};

/// Stored by the Go engine's framework.
const GO_ENTRY: &str = "wal/0b0bb3f6-7f9c-4c5e-9d62-f2f0a3d3ce0e";
/// As the Go engine draws them.
const GO_DESCRIPTION: &str = "vault-role-0123456789abcdefghij";

async fn configured() -> (Plugin, Mount, Atlas) {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.mount(&HostSide::new()).await;
    let atlas = Atlas::start().await;
    atlas.was_here_before(&mount);
    atlas.configure(&mount).await;
    (plugin, mount, atlas)
}

/// The process is killed while Atlas makes what `path` asks for; storage and Atlas are left.
async fn crash_while_making(path: &str, fault: Value) -> (HostSide, Atlas) {
    let (plugin, mount, atlas) = configured().await;
    let operation = fault["operation"].as_str().expect("a name").to_owned();
    atlas.fault(fault).await;
    let request = mount.send(asked("read", path, &Value::Null));
    let killing = async {
        atlas.until_asked(&operation).await;
        plugin.process.kill().await;
    };
    let (lost, ()) = tokio::join!(request, killing);
    assert!(lost.is_err(), "the process is gone: {lost:?}");
    atlas.no_more_faults().await;
    (mount.host, atlas)
}

/// Makes the journal's entries as old as they are some time after.
fn age(host: &HostSide) {
    for key in host.store.issued() {
        let mut entry = host.store.json(&key).expect("an entry");
        #[expect(clippy::disallowed_methods, reason = "the process has this clock")]
        let then = Utc::now() - TimeDelta::minutes(30);
        entry["issued_at"] = json!(then);
        host.store.plant(&key, entry.to_string());
    }
}

/// Once is not enough to be sure that Atlas has nothing.
async fn tick_twice(mount: &Mount) {
    for _ in 0..2 {
        let tick = mount.tick().await;
        assert!(tick.is_success(), "{tick:?}");
    }
}

/// A new process finds and removes what the dead one left.
async fn is_found(host: &HostSide, atlas: &Atlas) {
    assert_eq!(host.store.issued().len(), 1, "a record is left");
    let made = atlas.credentials().await.len();
    assert!(made <= 1);
    let mut plugin = Launch::new().start().await;
    let mount = plugin.mount(host).await;
    assert!(mount.tick().await.is_success());
    assert_eq!(
        host.store.issued().len(),
        1,
        "it may still be in the making"
    );
    age(host);
    let mount = plugin.mount(host).await;
    tick_twice(&mount).await;
    assert_eq!(atlas.credentials().await, [""; 0]);
    assert_eq!(host.store.issued(), [""; 0]);
}

#[tokio::test]
async fn a_crash_before_atlas_made_a_key_is_cleared_up() {
    let fault = json!({"operation": "createOrgApiKey", "action": {"kind": "hang"}});
    let (host, atlas) = crash_while_making("creds/role", fault).await;
    is_found(&host, &atlas).await;
}

#[tokio::test]
async fn a_crash_before_atlas_answered_is_cleared_up() {
    for (path, operation) in [
        ("creds/role", "createOrgApiKey"),
        ("creds/account", "createOrgServiceAccount"),
    ] {
        let action = json!({"kind": "hang", "after_effect": true});
        let fault = json!({"operation": operation, "action": action});
        let (host, atlas) = crash_while_making(path, fault).await;
        is_found(&host, &atlas).await;
    }
}

/// Atlas made it, and storage failed before that could be noted: it is removed at once, or later.
#[tokio::test]
async fn storage_that_fails_on_the_way_leaves_nothing_for_good() {
    let (_plugin, mount, atlas) = configured().await;
    let action = json!({"kind": "delay", "seconds": 1, "after_effect": true});
    atlas
        .fault(json!({"operation": "createOrgApiKey", "action": action}))
        .await;
    let failing = async {
        atlas.until_asked("createOrgApiKey").await;
        mount.host.store.set(Mood::Refusing("no quorum"));
    };
    let (answer, ()) = tokio::join!(mount.read("creds/role"), failing);
    assert!(!answer.is_success(), "{answer:?}");
    assert_eq!(atlas.credentials().await, [""; 0]);
    mount.host.store.set(Mood::Works);
    assert!(mount.tick().await.is_success());
    age(&mount.host);
    let _ = mount.tick().await;
    assert_eq!(mount.host.store.issued(), [""; 0]);
}

#[tokio::test]
async fn only_the_node_that_may_act_rolls_back() {
    let fault = json!({"operation": "createOrgApiKey",
                       "action": {"kind": "hang", "after_effect": true}});
    let (host, atlas) = crash_while_making("creds/role", fault).await;
    age(&host);
    plant_go_entry(&host, &json!({"Role": GO_DESCRIPTION}));
    let mut plugin = Launch::new().start().await;
    for (replication, local) in [
        (state::STANDBY, false),
        (state::STANDBY, true),
        (state::SECONDARY, false),
    ] {
        host.view.place(replication, local);
        let mount = plugin.mount(&host).await;
        let before = atlas.requests().await;
        host.store.forget_calls();
        assert!(mount.tick().await.is_success());
        assert_eq!(atlas.requests().await, before);
        assert_eq!(host.store.writes(), [""; 0]);
    }
    host.view.place(state::ACTIVE, false);
    let mount = plugin.mount(&host).await;
    // The Go engine's entry is taken over into the journal first.
    assert!(mount.tick().await.is_success());
    tick_twice(&mount).await;
    assert_eq!(atlas.credentials().await, [""; 0]);
    let keys = [
        "config",
        "origins",
        "ownership-tag",
        "roles/account",
        "roles/role",
        "storage-version",
    ];
    assert_eq!(host.store.keys(), keys);
}

fn plant_go_entry(host: &HostSide, data: &Value) {
    let entry = json!({
        "type": "programmatic_api_key",
        "data": data,
        "created_at": 1_600_000_000,
    });
    host.store.plant(GO_ENTRY, entry.to_string());
}

#[tokio::test]
async fn entries_of_the_go_engine_are_finished() {
    let (_plugin, mount, atlas) = configured().await;
    let fields = |role: &str, org: &str, project: &str, id: &Value| {
        json!({"UserID": "", "OrganizationID": org, "ProjectID": project, "Role": role,
               "ProgrammaticAPIKeyID": id})
    };
    let key = json!({"org_id": atlas.org(), "desc": GO_DESCRIPTION});
    let key = atlas.control("POST", "/keys", key).await;
    plant_go_entry(&mount.host, &json!({"Role": GO_DESCRIPTION}));
    tick_twice(&mount).await;
    assert_eq!(atlas.credentials().await, [""; 0], "found by description");
    for entry in [
        fields(GO_DESCRIPTION, "", atlas.project(), &json!("")),
        fields("", atlas.org(), "", &key["id"]),
        fields("", "", "", &json!("")),
        json!({"Role": GO_DESCRIPTION, "of_tomorrow": [1]}),
    ] {
        plant_go_entry(&mount.host, &entry);
        let tick = mount.tick().await;
        assert!(tick.is_success(), "{entry}: {tick:?}");
        assert_eq!(mount.host.store.json(GO_ENTRY), None, "{entry}");
    }
}

/// What cannot be understood is left alone, and does not keep the others from their turn.
#[tokio::test]
async fn entries_of_any_shape_are_survived() {
    let (_plugin, mount, _atlas) = configured().await;
    let store = &mount.host.store;
    let good = json!({"type": "programmatic_api_key", "created_at": 1_600_000_000,
                      "data": {"Role": GO_DESCRIPTION}});
    let shapes = [
        "",
        "{",
        "null",
        "[]",
        "5",
        "{\"type\": 5, \"created_at\": \"x\"}",
        "{\"type\": \"of_tomorrow\", \"created_at\": 1600000000, \"data\": null}",
        "{\"type\": \"programmatic_api_key\", \"created_at\": 1600000000, \"data\": null}",
        "{\"type\": \"programmatic_api_key\", \"created_at\": 1600000000, \"data\": [1]}",
        "{\"type\": \"programmatic_api_key\", \"created_at\": 1600000000, \"data\": {\"Role\": null}}",
        "{\"type\": \"programmatic_api_key\", \"created_at\": 9223372036854775807, \"data\": {}}",
    ];
    for (number, shape) in shapes.iter().enumerate() {
        store.plant(&format!("wal/{number:02}"), *shape);
    }
    store.plant("wal/zz", good.to_string());
    store.plant("issued/nonsense", "{");
    store.plant("issued/AAAAAAAAAAAAAAAAAAAA", "[]");
    let _ = mount.tick().await;
    assert_eq!(store.json("wal/zz"), None, "the good one had its turn");
    assert!(
        mount.read("creds/role").await.is_success(),
        "others are served"
    );
}

#[tokio::test]
async fn a_periodic_run_that_fails_says_so_to_the_host_and_in_the_log() {
    let (plugin, mount, _atlas) = configured().await;
    mount.host.store.set(Mood::Refusing("no quorum"));
    let tick = mount.tick().await;
    assert!(RETRIED.contains(&tick.failure().kind), "not a mere answer");
    assert!(tick.failure().text.contains("no quorum"), "{tick:?}");
    let exit = plugin.shutdown().await;
    let told = lines(&exit.stderr);
    let told = told.iter().filter(|line| line["@level"] == "warn");
    assert!(
        told.into_iter()
            .any(|line| Value::from(line.clone()).to_string().contains("no quorum")),
        "{}",
        exit.stderr
    );
}

/// Another node wrote a new configuration: it counts from the next request on.
#[tokio::test]
async fn a_changed_configuration_counts_once_it_is_announced() {
    let (_plugin, mount, old) = configured().await;
    assert!(mount.read("creds/role").await.is_success());
    let new = Atlas::start().await;
    let mut entry = new.config();
    entry["organization_id"] = new.org().into();
    entry["origin"] = new.address().into();
    mount.host.store.plant("config", entry.to_string());
    let project = json!({"project_id": new.project(), "roles": ["GROUP_READ_ONLY"]});
    mount.host.store.plant("roles/role", project.to_string());
    mount.invalidate("config").await;
    mount.invalidate("roles/role").await;
    let issued = mount.read("creds/role").await;
    assert!(issued.is_success(), "{issued:?}");
    assert_eq!(new.credentials().await.len(), 1);
    assert_eq!(old.credentials().await.len(), 1);
}

#[tokio::test]
async fn any_key_may_be_invalidated_at_once() {
    let (_plugin, mount, _atlas) = configured().await;
    mount.host.store.set(Mood::Hanging);
    mount.host.view.set(Presence::Hangs);
    let long = "x/".repeat(10_000);
    let start = Instant::now();
    for key in [
        "",
        "/",
        "..",
        "config",
        "config/",
        "roles/role",
        "roles/",
        "issued/nothing",
        "wal/x",
        "\u{0}",
        &long,
    ] {
        mount.invalidate(key).await;
    }
    let took = start.elapsed();
    assert!(
        took < Duration::from_secs(5),
        "a host waits 2 s for each: {took:?}"
    );
    mount.host.store.set(MISSING);
    mount.invalidate("config").await;
    mount.host.store.set(Mood::Works);
    mount.host.view.set(Presence::Answers);
    assert!(mount.read("creds/role").await.is_success());
}

/// A host that moves or disables a mount revokes everything; an empty lease list ends with a
/// periodic run.
#[tokio::test]
async fn a_periodic_run_without_configuration_has_nothing_to_do() {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.mount(&HostSide::new()).await;
    assert!(mount.tick().await.is_nothing());
    assert!(mount.tick().await.is_nothing());
    let unknown = mount.revoke(&lease(&json!({"secret_type": "x"}))).await;
    assert!(!unknown.is_success());
}

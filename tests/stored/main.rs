//! Entries as the Go engine stored them are read, renewed, revoked and finished, and what is stored
//! now can be read by it: the way here is open in both directions.
//!
//! The binary is driven by the host of the conformance tests.
#![expect(
    dead_code,
    reason = "the host of the conformance tests can do more than is needed here"
)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

#[path = "../protocol/answer.rs"]
mod answer;
#[path = "../protocol/atlas.rs"]
mod atlas;
#[path = "../protocol/host.rs"]
mod host;
#[path = "../protocol/identity.rs"]
mod identity;
#[path = "../protocol/launch.rs"]
mod launch;
#[path = "../protocol/mount.rs"]
mod mount;
mod shapes;
#[path = "../protocol/store.rs"]
mod store;
#[path = "../protocol/view.rs"]
mod view;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::atlas::{Atlas, eventually};
use crate::host::Plugin;
use crate::launch::Launch;
use crate::mount::{HostSide, Mount, lease};

const SHAPES: [&str; 3] = ["organization", "project", "both"];

/// The text of an entry, with what exists in this test put in.
fn stored(atlas: &Atlas, name: &str, key_id: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stored/go-0.16");
    let text = std::fs::read_to_string(folder.join(name)).expect("an entry");
    let config = atlas.config();
    let part = |name: &str| config[name].as_str().expect("a text").to_owned();
    text.trim_end()
        .replace("ORG_ID", atlas.org())
        .replace("PROJECT_ID", atlas.project())
        .replace("KEY_ID", key_id)
        .replace("PUBLIC_KEY", &part("public_key"))
        .replace("PRIVATE_KEY", &part("private_key"))
}

fn object(atlas: &Atlas, name: &str) -> Value {
    serde_json::from_str(&stored(atlas, name, "")).expect("JSON")
}

/// A mount on storage that the Go engine left; only Atlas's address is not its own.
async fn taken_over() -> (Plugin, Mount, Atlas) {
    let atlas = Atlas::start().await;
    let host = HostSide::new();
    let mut config = object(&atlas, "config.json");
    config["base_url"] = json!(atlas.address());
    host.store.plant("config", config.to_string());
    for shape in SHAPES {
        let role = stored(&atlas, &format!("role-{shape}.json"), "");
        host.store.plant(&format!("roles/{shape}"), role);
    }
    let mut plugin = Launch::new().start().await;
    let mount = plugin.mount(&host).await;
    (plugin, mount, atlas)
}

async fn key(atlas: &Atlas, description: &str) -> String {
    let body = json!({ "org_id": atlas.org(), "desc": description });
    let key = atlas.control("POST", "/keys", body).await;
    key["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn config_and_roles_are_read_and_used() {
    let (_plugin, mount, atlas) = taken_over().await;
    let config = mount.read("config").await;
    assert_eq!(config.data()["public_key"], atlas.config()["public_key"]);
    for (shape, ttl, max_ttl) in [
        ("organization", 7_200, 18_000),
        ("project", 0, 0),
        ("both", 90, 0),
    ] {
        let role = mount.read(&format!("roles/{shape}")).await;
        let before = object(&atlas, &format!("role-{shape}.json"));
        for (name, value) in before.as_object().expect("an object") {
            let want = match name.as_str() {
                "ttl" => json!(ttl),
                "max_ttl" => json!(max_ttl),
                _ if value.is_null() => json!([]),
                _ => value.clone(),
            };
            assert_eq!(role.data()[name], want, "{shape}: {name}");
        }
        let issued = mount.read(&format!("creds/{shape}")).await;
        assert!(issued.is_success(), "{shape}: {issued:?}");
        assert!(mount.revoke(&issued.lease()).await.is_success(), "{shape}");
    }
    assert_eq!(atlas.credentials().await, [""; 0]);
}

#[tokio::test]
async fn leases_of_every_shape_are_renewed_and_revoked() {
    let (_plugin, mount, atlas) = taken_over().await;
    for shape in SHAPES {
        let id = key(&atlas, &format!("vault-{shape}-0123456789abcdefghij")).await;
        let internal = stored(&atlas, &format!("lease-{shape}.json"), &id);
        let lease = lease(&serde_json::from_str(&internal).expect("JSON"));
        let path = format!("creds/{shape}");
        let renewed = mount.about_lease("renew", &path, &lease, Value::Null).await;
        assert_eq!(renewed.lease().internal, lease.internal, "{shape}");
        let revoked = mount.revoke(&renewed.lease()).await;
        assert!(revoked.is_success(), "{shape}: {revoked:?}");
        assert_eq!(atlas.credentials().await, [""; 0], "{shape}");
        let again = mount.revoke(&lease).await;
        assert!(again.is_success(), "gone is revoked: {again:?}");
    }
}

#[tokio::test]
async fn entries_of_the_write_ahead_log_are_finished() {
    let (_plugin, mount, atlas) = taken_over().await;
    key(&atlas, "vault-both-0123456789abcdefghij").await;
    let by_id = key(&atlas, "renamed by hand").await;
    key(&atlas, "of a person").await;
    for (number, name) in ["wal-description.json", "wal-ids.json"].iter().enumerate() {
        let entry = stored(&atlas, name, &by_id);
        mount.host.store.plant(&format!("wal/{number}"), entry);
    }
    eventually("both are finished", async || {
        assert!(mount.tick().await.is_success());
        atlas.credentials().await == ["of a person"]
    })
    .await;
    let mut left = mount.host.store.keys();
    left.retain(|key| key.starts_with("wal/") || key.starts_with("issued/"));
    assert_eq!(left, [""; 0]);
}

/// The JSON type of a value, an absent list being as good as an empty one to Go.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null | Value::Array(_) => "list",
        Value::String(_) => "text",
        Value::Number(number) if number.is_i64() => "integer",
        _ => "other",
    }
}

fn keys(object: &Value) -> BTreeSet<String> {
    let object = object.as_object().expect("an object");
    object.keys().cloned().collect()
}

#[tokio::test]
async fn what_uses_none_of_our_own_features_is_stored_as_the_go_engine_stores_it() {
    let (_plugin, mount, atlas) = taken_over().await;
    for shape in SHAPES {
        let before = object(&atlas, &format!("role-{shape}.json"));
        let path = format!("roles/{shape}");
        mount.write_well(&path, json!({ "ttl": "2h" })).await;
        let after = mount.host.store.json(&path).expect("a role");
        assert_eq!(keys(&after), keys(&before), "{shape}");
        for (name, value) in before.as_object().expect("an object") {
            assert_eq!(kind(&after[name]), kind(value), "{shape}: {name}");
        }
        assert_eq!(after["ttl"], 7_200_000_000_000_i64);

        let issued = mount.read(&format!("creds/{shape}")).await.lease();
        let lease = object(&atlas, &format!("lease-{shape}.json"));
        for (name, value) in lease.as_object().expect("an object") {
            assert_eq!(kind(&issued.internal[name]), kind(value), "{shape}: {name}");
        }
        assert_eq!(issued.internal["role"], shape);
        assert!(mount.revoke(&issued).await.is_success());
    }
    mount.write_well("config", atlas.config()).await;
    let config = mount.host.store.json("config").expect("a configuration");
    let before = object(&atlas, "config.json");
    for (name, value) in before.as_object().expect("an object") {
        assert_eq!(&config[name], value, "{name}");
    }
    let own = keys(&config)
        .difference(&keys(&before))
        .cloned()
        .collect::<Vec<_>>();
    assert_eq!(
        own,
        [
            "base_url",
            "organization_id",
            "organization_owner",
            "origin"
        ],
        "Go passes over what it does not know"
    );
}

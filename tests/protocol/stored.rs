//! Stored entries: those of the Go engine are read, and what is written can be read by it.
//!
//! The values of each release are kept and read where the shapes are, in `src/engine`.

use serde_json::{Value, json};

use crate::{
    host::Plugin,
    launch::Launch,
    mount::{HostSide, Mount, org_role},
};

const ORG: &str = "5f0000000000000000000001";

async fn bare() -> (Plugin, Mount) {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.mount(&HostSide::new()).await;
    (plugin, mount)
}

#[tokio::test]
async fn entries_of_the_go_engine_are_read() {
    let (_plugin, mount) = bare().await;
    let config = json!({"public_key": "abcdefgh", "private_key": "x"});
    mount.host.store.plant("config", config.to_string());
    assert_eq!(
        mount.read("config").await.data()["public_key"],
        config["public_key"]
    );
    let role = json!({
        "project_id": "", "database_name": "", "roles": ["ORG_MEMBER"], "organization_id": ORG,
        "cidr_blocks": null, "ip_addresses": null, "project_roles": null,
        "ttl": 3_600_000_000_000_i64, "max_ttl": 0,
    });
    mount.host.store.plant("roles/old", role.to_string());
    let read = mount.read("roles/old").await;
    let read = read.data();
    assert_eq!((&read["ttl"], &read["max_ttl"]), (&json!(3_600), &json!(0)));
    for list in ["cidr_blocks", "ip_addresses", "project_roles"] {
        assert_eq!(read[list], json!([]), "{list}");
    }
    assert_eq!(read["roles"], json!(["ORG_MEMBER"]));
}

#[tokio::test]
async fn missing_and_null_keys_of_the_go_engine_and_unknown_ones_are_accepted() {
    let (_plugin, mount) = bare().await;
    let all = [
        "project_id",
        "database_name",
        "roles",
        "organization_id",
        "cidr_blocks",
        "ip_addresses",
        "project_roles",
        "ttl",
        "max_ttl",
        "credential_type",
        "of_tomorrow",
    ];
    for name in all {
        for value in [Some(Value::Null), None] {
            let mut role = json!({"roles": ["ORG_MEMBER"], "organization_id": ORG,
                                  "of_tomorrow": {"a": [1]}});
            match value {
                Some(null) => role[name] = null,
                None => drop(role.as_object_mut().map(|role| role.remove(name))),
            }
            mount.host.store.plant("roles/old", role.to_string());
            let answer = mount.read("roles/old").await;
            assert!(answer.is_success(), "{role}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn roles_are_written_as_the_go_engine_reads_them() {
    let (_plugin, mount) = bare().await;
    let mut role = org_role(ORG);
    role["ttl"] = "1h".into();
    role["ip_addresses"] = "192.0.2.1".into();
    mount.write_well("roles/new", role).await;
    let stored = mount.host.store.json("roles/new").expect("a role");
    for (name, value) in [
        ("project_id", json!("")),
        ("database_name", json!("")),
        ("organization_id", json!(ORG)),
        ("roles", json!(["ORG_READ_ONLY"])),
        ("ip_addresses", json!(["192.0.2.1"])),
        ("ttl", json!(3_600_000_000_000_i64)),
        ("max_ttl", json!(0)),
    ] {
        assert_eq!(stored[name], value, "{name} in {stored}");
    }
    for list in ["cidr_blocks", "project_roles"] {
        assert!(stored[list].is_null() || stored[list] == json!([]));
    }
}

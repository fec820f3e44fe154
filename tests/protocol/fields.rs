//! Fields of requests as users give them: kinds, forms, warnings, faults, patches.
//!
//! The whole table of kinds is tested where it is decoded, in `src/framework/field`.

use serde_json::{Value, json};

use crate::{
    atlas::Atlas,
    host::Plugin,
    launch::Launch,
    mount::{HostSide, Mount, org_role},
};

const ORG: &str = "5f0000000000000000000001";
const PROJECT: &str = "5f0000000000000000000002";

async fn bare() -> (Plugin, Mount) {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.mount(&HostSide::new()).await;
    (plugin, mount)
}

/// Writes a good role with one field changed.
async fn write(mount: &Mount, field: &str, value: &Value) -> crate::answer::Answer {
    let mut role = org_role(ORG);
    role[field] = value.clone();
    mount.write("roles/a", role).await
}

/// What is read back of it.
async fn field(mount: &Mount, field: &str) -> Value {
    mount.read("roles/a").await.data()[field].clone()
}

#[tokio::test]
async fn durations_are_taken_in_every_form() {
    let (_plugin, mount) = bare().await;
    for (given, seconds) in [
        (json!(90), 90),
        (json!(90.9), 90),
        (json!("90"), 90),
        (json!("90s"), 90),
        (json!("30m"), 1_800),
        (json!("2h"), 7_200),
        (json!("1.5h"), 5_400),
        (json!("1h30m"), 5_400),
        (json!("72h"), 259_200),
        (json!("1d"), 86_400),
        (json!("1500ms"), 1),
        (json!("+5s"), 5),
        (json!(0), 0),
        (json!("0"), 0),
        (json!(""), 0),
    ] {
        let answer = write(&mount, "ttl", &given).await;
        assert!(answer.is_success(), "{given}: {answer:?}");
        assert_eq!(field(&mount, "ttl").await, seconds, "{given}");
    }
    for wrong in [
        json!(-5),
        json!("-5"),
        json!("-5s"),
        json!("5x"),
        json!("5 s"),
        json!("1w"),
        json!("9999999h"),
        json!("99999999999999999999"),
        json!([5]),
        json!({"s": 5}),
        json!(true),
    ] {
        let answer = write(&mount, "ttl", &wrong).await;
        assert!(answer.refusal().contains("ttl"), "{wrong}: {answer:?}");
    }
}

#[tokio::test]
async fn lists_and_texts_are_taken_in_every_form() {
    let (_plugin, mount) = bare().await;
    let two = json!(["ORG_MEMBER", "ORG_READ_ONLY"]);
    for given in [
        json!("ORG_MEMBER,ORG_READ_ONLY"),
        json!(" ORG_MEMBER , ORG_READ_ONLY "),
        json!(["ORG_MEMBER", " ORG_READ_ONLY"]),
    ] {
        let answer = write(&mount, "roles", &given).await;
        assert!(answer.is_success(), "{given}: {answer:?}");
        assert_eq!(field(&mount, "roles").await, two, "{given}");
    }
    for (given, text) in [
        (json!("x"), "x"),
        (json!(12), "12"),
        (json!(true), "1"),
        (json!(false), "0"),
        (Value::Null, ""),
    ] {
        let answer = write(&mount, "database_name", &given).await;
        assert!(answer.is_success(), "{given}: {answer:?}");
        assert_eq!(field(&mount, "database_name").await, text, "{given}");
    }
    for (name, wrong) in [
        ("roles", json!({"a": 1})),
        ("roles", json!([["a"]])),
        ("database_name", json!(["x"])),
        ("database_name", json!({})),
        ("project_assignments", json!("x")),
        ("ip_addresses", json!(["300.1.1.1"])),
        ("cidr_blocks", json!("10.0.0.0/33")),
    ] {
        let answer = write(&mount, name, &wrong).await;
        assert!(answer.refusal().contains(name), "{wrong}: {answer:?}");
    }
}

#[tokio::test]
async fn a_role_is_as_it_was_written() {
    let (_plugin, mount) = bare().await;
    let role = json!({
        "credential_type": "programmatic_api_key",
        "organization_id": ORG,
        "project_id": PROJECT,
        "roles": ["ORG_MEMBER"],
        "project_roles": ["GROUP_READ_ONLY"],
        "project_assignments": {"5f0000000000000000000003": ["GROUP_OWNER"]},
        "ip_addresses": ["192.0.2.1"],
        "cidr_blocks": ["10.0.0.0/8"],
        "database_name": "",
        "ttl": 60,
        "max_ttl": 600,
    });
    mount.write_well("roles/Mixed-Case.1", role.clone()).await;
    let read = mount.read("roles/mixed-case.1").await;
    for (name, value) in role.as_object().expect("an object") {
        assert_eq!(&read.data()[name], value, "{name}");
    }
    let answer = mount.ask("update", "roles/mixed-case.1", read.data().clone());
    assert!(answer.await.is_success(), "what is read can be written");
    let again = mount.read("roles/mixed-case.1").await;
    assert_eq!(again.data, read.data);
}

#[tokio::test]
async fn what_goes_unheard_is_warned_of() {
    let (_plugin, mount) = bare().await;
    mount.write_well("roles/a", org_role(ORG)).await;
    let atlas = Atlas::start().await;
    mount.write_well("config", atlas.config()).await;
    mount.write_well("roles/issue", org_role(atlas.org())).await;
    let ignored = "Endpoint ignored these unrecognized parameters: [alpha zeta]";
    let replaced = "Endpoint replaced the value of these parameters with the values captured \
                    from the endpoint's path: [name]";
    let extra = json!({"zeta": "hunter2", "alpha": null, "name": "other"});
    for path in ["roles/a", "creds/issue"] {
        let answer = mount.ask("read", path, extra.clone()).await;
        assert!(answer.is_success(), "{answer:?}");
        assert_eq!(answer.warnings, [ignored, replaced], "{path}");
    }
    let unknown = json!({"zeta": 1, "alpha": 2});
    let list = mount.ask("list", "roles/", unknown).await;
    assert_eq!(list.warnings, [ignored]);
    let mut role = org_role(ORG);
    role["name"] = "other".into();
    mount.write_well("roles/mine", role).await;
    assert!(mount.read("roles/mine").await.is_success());
    assert!(mount.read("roles/other").await.is_nothing());
}

/// Answers go to users and to audit logs.
#[tokio::test]
async fn faults_name_the_field_and_never_repeat_its_value() {
    let (_plugin, mount) = bare().await;
    let values = [
        json!("hunter2"),
        json!({"hunter2": "hunter2"}),
        json!(["hunter2"]),
        json!([["hunter2"]]),
        json!([{"hunter2": "hunter2"}]),
        json!("-hunter2s,hunter2"),
    ];
    let fields = [
        ("roles/a", "credential_type"),
        ("roles/a", "organization_id"),
        ("roles/a", "project_id"),
        ("roles/a", "roles"),
        ("roles/a", "project_roles"),
        ("roles/a", "project_assignments"),
        ("roles/a", "ip_addresses"),
        ("roles/a", "cidr_blocks"),
        ("roles/a", "database_name"),
        ("roles/a", "ttl"),
        ("roles/a", "max_ttl"),
        ("config", "public_key"),
        ("config", "private_key"),
        ("config", "client_id"),
        ("config", "client_secret"),
        ("config", "organization_id"),
        ("config", "base_url"),
        ("config", "api_version"),
        ("config", "ca_certificate"),
        ("config", "request_timeout"),
        ("config", "verify_connection"),
    ];
    let mut refused = 0;
    for (path, name) in fields {
        for value in &values {
            let answer = if path == "config" {
                // Nobody is called, as no address is good.
                let mut config = json!({"public_key": "abcdefgh", "private_key": "x",
                                        "base_url": "nowhere"});
                config[name] = value.clone();
                mount.write(path, config).await
            } else {
                write(&mount, name, value).await
            };
            let told = format!("{:?} {:?}", answer.failure, answer.warnings);
            assert!(!told.contains("hunter2"), "{name}: {told}");
            if !answer.is_success() {
                let text = answer.refusal();
                assert!(!text.contains("hunter2"), "{name}: {text}");
                assert!(path == "config" || text.contains(name), "{name}: {text}");
                refused += 1;
            }
            if let Err(failure) = mount.exists(path, json!({ name: value })).await {
                assert!(!failure.text.contains("hunter2"), "{name}: {failure:?}");
            }
        }
    }
    assert!(refused > fields.len() * 3, "{refused}");
}

#[tokio::test]
async fn all_faults_are_reported_at_once() {
    let (_plugin, mount) = bare().await;
    let role = json!({"ttl": "x", "roles": {"a": 1}, "max_ttl": -1});
    let answer = mount.write("roles/a", role).await;
    for name in ["ttl: ", "roles: ", "max_ttl: "] {
        assert!(answer.refusal().contains(name), "{answer:?}");
    }
    assert!(mount.read("roles/a").await.is_nothing(), "nothing is kept");
    assert_eq!(mount.host.store.keys(), ["storage-version"]);
}

#[tokio::test]
async fn an_update_keeps_what_is_not_given() {
    let (_plugin, mount) = bare().await;
    let mut role = org_role(ORG);
    role["ttl"] = 60.into();
    role["ip_addresses"] = "192.0.2.1".into();
    mount.write_well("roles/a", role).await;
    mount.write_well("roles/a", json!({"max_ttl": 600})).await;
    let read = mount.read("roles/a").await;
    let read = read.data();
    assert_eq!((&read["ttl"], &read["max_ttl"]), (&json!(60), &json!(600)));
    assert_eq!(read["ip_addresses"], json!(["192.0.2.1"]));
    let nulls = json!({"ttl": null, "max_ttl": null});
    mount.write_well("roles/a", nulls).await;
    assert_eq!(field(&mount, "ttl").await, 60, "null is not given");
    assert_eq!(field(&mount, "max_ttl").await, 600);
    mount.write_well("roles/a", json!({"ttl": 0})).await;
    assert_eq!(field(&mount, "ttl").await, 0);
}

/// RFC 7396, on the fields that the path declares.
#[tokio::test]
async fn a_patch_merges() {
    let (_plugin, mount) = bare().await;
    let mut role = org_role(ORG);
    role["project_id"] = PROJECT.into();
    role["project_roles"] = "GROUP_READ_ONLY".into();
    role["project_assignments"] = json!({"5f0000000000000000000003": ["GROUP_OWNER"],
                                         "5f0000000000000000000004": ["GROUP_OWNER"]});
    role["ttl"] = 60.into();
    role["max_ttl"] = 600.into();
    role["database_name"] = "x".into();
    mount.write_well("roles/a", role).await;
    let patch = json!({
        "ttl": null,
        "max_ttl": "10h",
        "database_name": null,
        "ip_addresses": ["192.0.2.1"],
        "project_assignments": {"5f0000000000000000000003": null},
        "of_tomorrow": 5,
    });
    let answer = mount.ask("patch", "roles/a", patch).await;
    assert!(answer.is_success(), "{answer:?}");
    let read = mount.read("roles/a").await;
    let read = read.data();
    assert_eq!(read["ttl"], 0, "null removes");
    assert_eq!(read["max_ttl"], 36_000);
    assert_eq!(read["database_name"], "");
    assert_eq!(read["ip_addresses"], json!(["192.0.2.1"]));
    assert_eq!(read["organization_id"], ORG, "what is absent stays");
    let other = json!({"5f0000000000000000000004": ["GROUP_OWNER"]});
    assert_eq!(read["project_assignments"], other, "also inside");
    let stored = mount.host.store.json("roles/a").expect("a role");
    assert!(stored.get("of_tomorrow").is_none(), "{stored}");
    let bad = mount
        .ask("patch", "roles/a", json!({"ttl": "hunter2"}))
        .await;
    assert!(bad.refusal().contains("ttl"), "{bad:?}");
}

//! The slips of an operator's day: each is answered in words, by the server's own means.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::bao::sha256;
use crate::support::{Atlas, Bao, Mount};

/// A mount of its own server, whose lease times can be tuned without disturbing other tests.
async fn tuned(default: &str, most: &str) -> Mount {
    let mount = Mount::configured().await;
    let tune = json!({ "default_lease_ttl": default, "max_lease_ttl": most });
    let path = format!("sys/mounts/{}/tune", mount.path);
    let tuned = mount.client.write(&path, tune).await;
    assert!(tuned.ok(), "{tuned:?}");
    mount
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[tokio::test]
async fn fields_that_are_not_known_are_named_by_every_write() {
    let mount = Mount::configured().await;
    let role = json!({
        "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER",
        "cidr_block": "10.0.0.0/8", "max_tll": "1h",
    });
    let want = "Endpoint ignored these unrecognized parameters: [cidr_block max_tll]";
    let unknown = || json!({ "cidr_block": "10.0.0.0/8", "max_tll": "1h" });
    for (path, body) in [
        ("roles/typo", role.clone()),
        ("roles/typo", unknown()),
        ("config", unknown()),
        ("config/rotate-root", unknown()),
        ("tidy", unknown()),
        (
            "issued-end",
            json!({ "organization_id": mount.atlas.org(), "cidr_block": "", "max_tll": 0 }),
        ),
    ] {
        let answer = mount.write(path, body).await;
        assert!(answer.ok(), "{path}: {answer:?}");
        let told = answer.warnings();
        assert_eq!(count(&told, want), 1, "{path}: {answer:?}");
    }
    let typo = format!("{}/roles/typo", mount.path);
    let patched = mount.client.call("PATCH", &typo, Some(unknown())).await;
    assert_eq!(count(&patched.warnings(), want), 1, "{patched:?}");
    let fine = mount.write("roles/typo", json!({ "ttl": 60 })).await;
    assert_eq!(fine.status, 204, "nothing to say: {fine:?}");
    mount.issue("typo").await;
}

#[tokio::test]
async fn a_variable_that_is_not_set_does_not_pass_for_an_unchanged_secret() {
    let mount = Mount::configured().await;
    let empty = json!({ "public_key": "", "private_key": "" });
    let refused = mount.write("config", empty).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    for part in [
        "public_key: must not be empty",
        "private_key: must not be empty",
    ] {
        assert!(refused.errors().contains(part), "{refused:?}");
    }
    mount.org_role("r", 0, 0).await;
    mount.issue("r").await;
    for (path, name) in [
        ("config", "rotation_period"),
        ("config", "hold"),
        ("roles/r", "max_live"),
        ("tidy", "dry_run"),
        ("issued-end", "dry_run"),
    ] {
        let refused = mount.write(path, json!({ name: "" })).await;
        assert_eq!(refused.status, 400, "{path}: {refused:?}");
        let want = format!("{name}: must not be empty");
        assert!(refused.errors().contains(&want), "{path}: {refused:?}");
    }
    let org = mount.atlas.org();
    let null = json!({ "organization_id": org, "dry_run": null });
    let looked = mount.write("issued-end", null).await;
    assert_eq!(looked.data()["dry_run"], true, "{looked:?}");
    assert_eq!(looked.data()["draining"], Value::Null, "{looked:?}");
    mount.issue("r").await;
    let open = json!({ "ip_addresses": "" });
    let written = mount.write("roles/r", open).await;
    let told = written.warnings();
    assert!(told.contains("an empty access list was given"), "{told}");
}

#[tokio::test]
async fn a_lease_that_the_mount_cuts_is_warned_of_once_as_core_does() {
    let mount = tuned("10m", "20m").await;
    mount.org_role("r", 3_600, 7_200).await;
    let issued = mount.issue("r").await;
    assert_eq!(issued.body["lease_duration"], 1_200, "{issued:?}");
    let want = "TTL of \"1h\" exceeded the effective max_ttl of \"20m\"; TTL value is capped \
                accordingly";
    assert_eq!(issued.body["warnings"], json!([want]), "{issued:?}");
    let check = mount.read("check/r").await;
    assert!(
        check.data()["warnings"]
            .to_string()
            .contains("effective max_ttl"),
        "{check:?}"
    );

    // Core itself words the same case so.
    let token = json!({ "ttl": "1000000h" });
    let core = mount.client.write("auth/token/create", token).await;
    let told = core.warnings();
    assert!(
        told.contains("TTL of \"1000000h\" exceeded the effective max_ttl of \""),
        "{told}"
    );
    assert!(told.contains("; TTL value is capped accordingly"), "{told}");
}

#[tokio::test]
async fn a_role_without_max_ttl_says_how_long_its_credentials_may_live_on() {
    let mount = tuned("10m", "48h").await;
    mount.org_role("r", 60, 0).await;
    let check = mount.read("check/r").await;
    let told = check.data()["warnings"].to_string();
    assert!(
        told.contains("forced revocation") && told.contains("up to 48h"),
        "{check:?}"
    );
}

#[tokio::test]
async fn addresses_come_back_as_they_were_written() {
    let mount = Mount::configured().await;
    let role = json!({
        "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER",
        "ip_addresses": "2001:DB8:0:0::1,192.0.2.9,192.0.2.9", "cidr_blocks": "2001:0db8::/32",
    });
    mount.role("written", role).await;
    let read = mount.read("roles/written").await;
    assert_eq!(
        read.data()["ip_addresses"],
        json!(["2001:DB8:0:0::1", "192.0.2.9", "192.0.2.9"])
    );
    assert_eq!(read.data()["cidr_blocks"], json!(["2001:0db8::/32"]));
    let issued = mount.issue("written").await;
    let public = issued.data()["public_key"]
        .as_str()
        .expect("a key")
        .to_owned();
    let list = mount.atlas.known(&public).await["access_list"].to_string();
    assert_eq!(count(&list, "\"192.0.2.9\""), 1, "{list}");
}

#[tokio::test]
async fn a_missing_right_at_the_access_list_is_the_users_to_mend() {
    let mount = Mount::configured().await;
    let role = json!({
        "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER", "ip_addresses": "192.0.2.1",
    });
    mount.role("r", role).await;
    mount.issue("r").await;
    mount.atlas.forget_requests().await;
    let there = mount.atlas.credentials().await;
    let fault = json!({
        "operation": "createOrgAccessEntry", "count": 0,
        "action": {"kind": "answer", "status": 401, "code": "API_KEY_ACCESS_LIST_ACCESS_DENIED"},
    });
    mount.atlas.fault(fault).await;
    let refused = mount.read("creds/r").await;
    mount.atlas.no_more_faults().await;
    assert_eq!(refused.status, 400, "{refused:?}");
    for part in [
        "needs the Atlas role Organization Owner",
        "was removed from Atlas again",
    ] {
        assert!(refused.errors().contains(part), "{part}: {refused:?}");
    }
    assert_eq!(mount.atlas.operations().await["createOrgAccessEntry"], 1);
    assert_eq!(mount.atlas.credentials().await, there);
}

#[tokio::test]
async fn what_is_seldom_meant_is_warned_of_and_what_is_in_the_wrong_place_gets_the_right_one() {
    let mount = Mount::configured().await;
    let role = |more: Value| {
        let mut role = json!({ "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER" });
        role.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        role
    };
    for (more, part) in [
        (json!({ "ip_addresses": "0.0.0.0" }), "every address"),
        (json!({ "cidr_blocks": "::/0" }), "every address"),
        (
            json!({ "roles": "ORG_READONLY" }),
            "did you mean ORG_READ_ONLY?",
        ),
    ] {
        let written = mount.write("roles/warned", role(more.clone())).await;
        assert!(written.ok(), "{more}: {written:?}");
        assert!(written.warnings().contains(part), "{more}: {written:?}");
    }
    for (path, body, part) in [
        (
            "roles/bad",
            role(json!({ "ip_addresses": "10.1.2.0/24" })),
            "use cidr_blocks",
        ),
        (
            "roles/bad",
            role(json!({ "roles": "GROUP_OWNER" })),
            "not \\\"GROUP_OWNER\\\"",
        ),
        ("roles/-bad", role(json!({})), "cannot be a name"),
        (
            "config",
            json!({ "rotation_schedule": "0 0 3 * * *" }),
            "has 6 fields: give five",
        ),
        (
            "config",
            json!({ "rotation_schedule": "CRON_TZ=Europe/Vienna 0 3 * * *" }),
            "takes no time zone: give five cron fields in UTC",
        ),
    ] {
        let refused = mount.write(path, body).await;
        assert_eq!(refused.status, 400, "{path}: {refused:?}");
        let told = json!(refused.errors()).to_string() + &refused.errors();
        assert!(told.contains(part), "{path}: {refused:?}");
    }
    let read = mount.read("creds/-bad").await;
    assert_eq!(read.status, 400, "{read:?}");
    assert!(read.errors().contains("cannot be a name"), "{read:?}");
}

#[tokio::test]
async fn a_plugin_told_not_to_verify_stores_what_atlas_never_saw_and_says_so() {
    let bao = Bao::dev();
    let client = bao.client();
    let file = std::fs::read(bao.plugin_folder.join("mongodbatlas")).expect("the plugin");
    let registration = json!({
        "sha256": sha256(&file), "command": "mongodbatlas",
        "env": ["MONGODBATLAS_VERIFY_CONNECTION=false"],
    });
    let catalog = "sys/plugins/catalog/secret/unverified";
    assert!(client.write(catalog, registration).await.ok());
    let enabled = json!({ "type": "unverified" });
    let enabled = client.write("sys/mounts/unverified", enabled).await;
    assert!(enabled.ok(), "{enabled:?}");
    let mount = Mount {
        client,
        path: "unverified".to_owned(),
        atlas: Arc::new(Atlas::start().await),
    };
    let mut config = mount.atlas.key_config();
    mount
        .atlas
        .fault(json!({ "count": 0, "unauthenticated": true, "action": {"kind": "close"} }))
        .await;
    let written = mount.write("config", config.clone()).await;
    assert!(written.ok(), "{written:?}");
    assert!(
        written.warnings().contains("stored unverified"),
        "{written:?}"
    );
    let status = mount.read("status").await;
    assert_eq!(status.data()["configuration"]["unverified"], true);
    mount.atlas.no_more_faults().await;
    let check = mount.read("check").await;
    assert_eq!(check.data()["ok"], true, "{check:?}");
    let status = mount.read("status").await;
    assert_eq!(status.data()["configuration"]["unverified"], false);
    config["private_key"] = json!("wrong");
    config["verify_connection"] = json!(true);
    assert_eq!(mount.write("config", config).await.status, 400);
}

#[tokio::test]
async fn a_refused_revocation_and_an_atlas_that_is_away_show_in_status_and_log() {
    let bao = Bao::dev();
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    mount.org_role("r", 600, 600).await;
    let issued = mount.issue("r").await;
    let lease = issued.lease_id();
    let public = issued.data()["public_key"].as_str().expect("a key");
    let entry = mount.read(&format!("issued/{public}")).await;
    let journal_id = entry.data()["id"].as_str().expect("an id").to_owned();
    let refusal = json!({
        "operation": "deleteOrgApiKey", "count": 1,
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    });
    mount.atlas.fault(refusal).await;
    assert!(!mount.revoke(&lease).await.ok(), "Atlas refuses");
    let status = mount.read("status").await;
    let journal = &status.data()["journal"];
    assert_eq!(journal["revocations"]["revocations_failed"], 1, "{journal}");
    assert_eq!(status.data()["atlas"]["reachable"], true);
    let shown = &status.data()["mount"];
    assert_eq!(shown["path"], format!("{}/", mount.path));
    let away = json!({"count": 0, "unauthenticated": true, "action": {"kind": "close"}});
    mount.atlas.fault(away).await;
    assert!(!mount.read("check").await.ok(), "Atlas is away");
    let status = mount.read("status").await;
    let atlas = &status.data()["atlas"];
    assert_eq!(atlas["reachable"], false, "{atlas}");
    assert!(atlas["unreachable_since"].is_string(), "{atlas}");
    mount.atlas.no_more_faults().await;
    assert!(mount.revoke(&lease).await.ok());
    let id = shown["id"].as_str().expect("an id").to_owned();
    let revoked = "credential revoked";
    let is_told = |line: &str| line.contains(revoked) && line.contains(&id);
    let log = bao.log.once(revoked, |log| log.lines().any(is_told)).await;
    let told = |line: &str, fields: &[&str]| {
        let mut lines = log.lines();
        let found = lines.find(|each| each.contains(line) && each.contains(&id));
        let found = found.unwrap_or_else(|| panic!("{line} of {id} is not in the log"));
        assert!(found.contains("[INFO]"), "{found}");
        for field in fields {
            assert!(found.contains(&format!(" {field}")), "{field}: {found}");
        }
    };
    let credential = [
        "role=r",
        &format!("journal_id={journal_id}"),
        "lease_type=programmatic_api_key",
    ];
    told("serving the mount", &["version="]);
    told("credential issued", &credential);
    let refused = "revocation failed; the server retries it";
    told(refused, &credential);
    told(refused, &["error="]);
    told(revoked, &credential);
}

//! The leases that every release handed out are renewed and revoked by this one, and what is kept of this
//! version's is what it hands out.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::engine::origin::DEFAULT_ORIGIN;
use crate::engine::testing::TestMount;
use crate::engine::testing::fixtures::{
    Entries, THIS_VERSION, leases, move_times, releases, stored,
};
use crate::vault::{Data, Secret};

/// The role of all that is kept.
const ROLE: &str = "reader";
/// Half an hour after the kept leases began: then they are renewed and revoked.
const BEGAN: TimeDelta = TimeDelta::minutes(30);

/// When the kept leases began.
fn begin() -> DateTime<Utc> {
    "2026-08-08T08:08:08Z".parse().expect("a time")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// A role that issues what a kept lease is for.
async fn role(mount: &TestMount, kept: &Value) -> Value {
    let (org, project) = (mount.atlas.org(), mount.atlas.project(0));
    let is_of_project = !text(kept, "project_id").is_empty();
    match text(kept, "secret_type") {
        "ai_model_key" => json!({ "credential_type": "ai_model_key", "project_id": project }),
        "database_user" => json!({
            "credential_type": "database_user", "project_id": project, "wait": 0,
            "database_roles": "read@app", "username_template": "v-{{.RoleName}}",
        }),
        "service_account_secret" if is_of_project => {
            let of_project = json!({
                "project_roles": {project: ["GROUP_READ_ONLY"]}, "home_project": project,
            });
            let account = mount.atlas.make_account(0, of_project).await;
            json!({ "credential_type": "service_account", "project_id": project, "client_id": account })
        }
        "service_account_secret" => {
            let account = mount.atlas.make_account(0, json!({})).await;
            json!({ "credential_type": "service_account", "organization_id": org, "client_id": account })
        }
        kind if is_of_project => json!({
            "credential_type": kind, "organization_id": org, "roles": "ORG_MEMBER",
            "project_id": project, "project_roles": "GROUP_READ_ONLY",
        }),
        kind => json!({ "credential_type": kind, "organization_id": org, "roles": "ORG_MEMBER" }),
    }
}

/// A mount that has just issued what a kept lease is for.
async fn issued(kept: &Value) -> (TestMount, Data) {
    let mount = TestMount::configured().await;
    let role = role(&mount, kept).await;
    let path = format!("roles/{ROLE}");
    mount.write(&path, role).await.expect("a role");
    let (_, handed_out) = mount.issue(ROLE).await;
    (mount, handed_out.internal_data)
}

fn names<'a>(keys: impl Iterator<Item = &'a String>) -> BTreeSet<&'a str> {
    keys.map(String::as_str).collect()
}

#[tokio::test]
async fn the_kept_leases_have_the_shapes_of_those_that_are_handed_out() {
    for (lease, kept) in leases(THIS_VERSION) {
        let (_, handed_out) = issued(&kept).await;
        let kept = kept.as_object().expect("a lease");
        assert_eq!(names(kept.keys()), names(handed_out.keys()), "{lease}");
        assert_eq!(kept["secret_type"], handed_out["secret_type"], "{lease}");
    }
}

/// What a release stored, as if it had been half an hour ago and with this Atlas.
fn kept_for(mount: &TestMount, mut value: Value) -> Value {
    let by = (mount.now() - begin()).num_seconds();
    move_times(&mut value, TimeDelta::seconds(by) - BEGAN);
    let here = value
        .to_string()
        .replace(DEFAULT_ORIGIN, mount.atlas.address());
    serde_json::from_str(&here).expect("JSON")
}

/// Has Atlas know what it holds by other ids and values.
async fn rename(mount: &TestMount, names: &[(Value, Value)]) {
    let world = mount.atlas.control("GET", "/world", Value::Null).await;
    let mut world = world.to_string();
    for (before, after) in names {
        world = world.replace(&before.to_string(), &after.to_string());
    }
    let world = serde_json::from_str(&world).expect("JSON");
    mount.atlas.control("PUT", "/world", world).await;
}

/// Atlas knows what was issued by the kept ids.
async fn rename_issued(mount: &TestMount, issued: &Data, kept: &Value) {
    let kept = kept.as_object().expect("a lease").iter();
    let ids = kept.filter(|(name, _)| !name.ends_with("expires_at"));
    let ids = ids.filter_map(|(name, kept)| Some((issued.get(name)?.clone(), kept.clone())));
    let ids: Vec<_> = ids.filter(|(issued, kept)| issued != kept).collect();
    rename(mount, &ids).await;
}

/// The secrets of a managed account that the lease does not name are there as well.
async fn add_secrets(mount: &TestMount, lease: &Value, managed: &Value) {
    for secret in managed["current"]["secrets"].as_array().expect("secrets") {
        if secret["id"] != lease["secret_id"] {
            let wanted = json!({ "client_id": lease["client_id"] });
            let made = mount.atlas.control("POST", "/secrets", wanted).await;
            let names = ["id", "client_secret"];
            rename(
                mount,
                &names.map(|name| (made[name].clone(), secret[name].clone())),
            )
            .await;
        }
    }
}

/// Puts what a release stored in place of everything that the mount has.
async fn put(mount: &mut TestMount, release: &str, lease: &Value) {
    let all: Entries = stored(release).into_values().flatten().collect();
    let files = stored(release);
    let find = |file: &str, key: &str| files[file].get(key).cloned().expect("an entry");
    let seed = mount.atlas.key_config();
    let mut config = find("config-api-key", "config");
    for name in ["public_key", "private_key", "base_url"] {
        config[name] = seed[name].clone();
    }
    let role = match text(lease, "secret_type") {
        "programmatic_api_key" => "roles/key",
        "service_account" => "roles/account",
        "service_account_secret" => "roles/secret",
        "access_token" => "roles/token",
        "ai_model_key" => "roles/model-key",
        _ => "roles/database-user",
    };
    let entry = format!("issued/{}", text(lease, "journal_id"));
    let of_role = format!("roles/{ROLE}");
    let managed = format!("managed-accounts/{ROLE}");
    for key in mount.storage.keys() {
        mount.storage.unplant(&key);
    }
    for (key, value) in [
        ("storage-version", all["storage-version"].clone()),
        ("ownership-tag", all["ownership-tag"].clone()),
        ("origins", find("mount-new", "origins")),
        ("config", config),
        (&of_role, all[role].clone()),
        (&managed, all["managed-accounts/token"].clone()),
        (&entry, all[&entry].clone()),
    ] {
        let value = kept_for(mount, value);
        mount.storage.plant(key, value.to_string().as_bytes());
    }
    mount.restart().await;
}

/// Whether Atlas still holds what a lease is for.
async fn is_held(mount: &TestMount, lease: &Value) -> bool {
    let state = mount.atlas.state().await;
    let id = match text(lease, "secret_type") {
        "programmatic_api_key" => "programmatic_api_key_id",
        "service_account" => "client_id",
        "service_account_secret" => "secret_id",
        "ai_model_key" => "ai_model_key_id",
        "database_user" => "database_username",
        // The simulator shows no token.
        _ => return state["tokens"] != json!([]),
    };
    state.to_string().contains(&lease[id].to_string())
}

#[tokio::test]
async fn the_leases_of_every_release_are_renewed_and_revoked() {
    for release in releases() {
        for (name, kept) in leases(&release) {
            let place = format!("{release}: {name}");
            let (mut mount, handed_out) = issued(&kept).await;
            let lease = kept_for(&mount, kept);
            rename_issued(&mount, &handed_out, &lease).await;
            let is_token = lease["secret_type"] == "access_token";
            if is_token {
                let files = stored(&release);
                let managed = &files["managed-accounts"]["managed-accounts/token"];
                add_secrets(&mount, &lease, managed).await;
            }
            put(&mut mount, &release, &lease).await;
            let secret = Secret {
                internal_data: lease.as_object().expect("a lease").clone(),
                issue_time: Some(mount.now() - BEGAN),
                ..mount.go_lease("", "", "")
            };
            assert!(is_held(&mount, &lease).await, "{place}");
            if !is_token {
                let renewed = mount.renew(&secret).await;
                let renewed = renewed.unwrap_or_else(|error| panic!("{place}: {error}"));
                let renewed = renewed.and_then(|answer| answer.secret).expect("a lease");
                assert_eq!(renewed.internal_data, secret.internal_data, "{place}");
                assert!(renewed.renewable, "{place}");
            }
            assert!(is_held(&mount, &lease).await, "{place}");
            for time in ["once", "and again: gone is revoked"] {
                let revoked = mount.revoke(&secret).await;
                assert!(revoked.is_ok(), "{place}: {time}: {revoked:?}");
                assert!(!is_held(&mount, &lease).await, "{place}");
                assert_eq!(mount.journal_keys(), [""; 0], "{place}");
            }
        }
    }
}

//! Leases: what they hold, renewal, the end of one and of many at once.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use mongodbatlas::protocol::backend::pb::HandleRequestArgs;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    atlas::Atlas,
    host::Plugin,
    launch::Launch,
    mount::{HostSide, Mount, asked, lease, org_role},
    requests::{Nanoseconds as _, RETRIED},
};

const PATHS: [&str; 2] = ["creds/role", "creds/account"];

async fn configured() -> (Plugin, Mount, Atlas) {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.mount(&HostSide::new()).await;
    let atlas = Atlas::start().await;
    atlas.was_here_before(&mount);
    atlas.configure(&mount).await;
    (plugin, mount, atlas)
}

/// A failure after which a host tries again; one of any other kind leaves the lease for ever.
#[track_caller]
fn is_retried(answer: &Answer) {
    let failure = answer.failure();
    assert!(RETRIED.contains(&failure.kind), "{failure:?}");
}

#[tokio::test]
async fn internal_data_alone_revokes_a_lease() {
    let (_plugin, mount, atlas) = configured().await;
    for path in PATHS {
        let lease = mount.read(path).await.lease();
        assert!(lease.internal["secret_type"].is_string(), "{lease:?}");
        let role = path.replace("creds", "roles");
        assert!(mount.ask("delete", &role, Value::Null).await.is_nothing());
        let mut request = asked("revoke", "", &Value::Null);
        let mut secret = lease.secret.clone();
        secret.lease_options = None;
        request.secret = Some(secret);
        request.mount_point.clear();
        let answer = mount.send(request).await.expect("answered");
        assert!(answer.is_success(), "{answer:?}");
    }
    assert_eq!(atlas.credentials().await, [""; 0]);
    assert_eq!(mount.host.store.issued(), [""; 0]);
}

/// As the Go engine's, for a key of an organization and for one of a project.
#[tokio::test]
async fn leases_of_the_go_engine_are_renewed_and_revoked() {
    let (_plugin, mount, atlas) = configured().await;
    for (org, project) in [(atlas.org(), ""), ("", atlas.project())] {
        let key = json!({"org_id": atlas.org(), "desc": "vault-role-x"});
        let key = atlas.control("POST", "/keys", key).await;
        let lease = lease(&json!({
            "secret_type": "programmatic_api_key",
            "programmatic_api_key_id": key["id"],
            "organization_id": org,
            "project_id": project,
            "role": "role",
        }));
        let renewed = mount.about_lease("renew", "creds/role", &lease, Value::Null);
        let renewed = renewed.await.lease();
        assert_eq!(renewed.internal, lease.internal);
        assert!(mount.revoke(&renewed).await.is_success());
    }
    assert_eq!(atlas.credentials().await, [""; 0]);
}

#[tokio::test]
async fn renewal_answers_the_times_and_nothing_of_the_credential() {
    let (_plugin, mount, atlas) = configured().await;
    let mut role = org_role(atlas.org());
    for (name, kind) in [
        ("role", "programmatic_api_key"),
        ("account", "service_account"),
    ] {
        role["credential_type"] = kind.into();
        role["ttl"] = "30m".into();
        role["max_ttl"] = "2h".into();
        mount
            .write_well(&format!("roles/{name}"), role.clone())
            .await;
        let path = format!("creds/{name}");
        let issued = mount.read(&path).await;
        let lease = issued.lease();
        assert_eq!(lease.times(), (30.minutes(), 120.minutes()));
        let renewed = mount.about_lease("renew", &path, &lease, issued.data().clone());
        let renewed = renewed.await;
        assert_eq!(renewed.data, Some(Value::Null), "the host would show it");
        let renewed = renewed.lease();
        assert_eq!(renewed.internal, lease.internal);
        assert_eq!(renewed.times(), (30.minutes(), 120.minutes()));
        // From now on the host holds no data of the lease.
        let again = mount.about_lease("renew", &path, &renewed, Value::Null);
        let again = again.await.lease();
        assert_eq!(again.times(), (30.minutes(), 120.minutes()));
        assert!(mount.revoke(&again).await.is_success());
    }
    assert_eq!(atlas.credentials().await, [""; 0]);
}

/// The secret of a service account has an end of its own, which no renewal may pass.
#[tokio::test]
async fn no_lease_outlives_what_atlas_made() {
    let (_plugin, mount, atlas) = configured().await;
    let issued = mount.read("creds/account").await;
    let ends: DateTime<Utc> = issued.data()["client_secret_expires_at"]
        .as_str()
        .and_then(|time| time.parse().ok())
        .expect("a time");
    let lease = issued.lease();
    let issue_time = lease.secret.lease_options.as_ref();
    let issue_time = issue_time.and_then(|options| options.issue_time);
    assert!(issue_time.is_some());
    // Whatever the role and the mount say by then.
    let mut role = org_role(atlas.org());
    role["credential_type"] = "service_account".into();
    role["ttl"] = "5000h".into();
    mount.write_well("roles/account", role).await;
    let years = Duration::from_hours(24 * 365 * 3);
    mount.host.view.tune(years, years);
    let now = atlas.control("GET", "/clock", Value::Null).await;
    let now: DateTime<Utc> = now["now"].as_str().expect("a time").parse().expect("one");
    let mut stored = lease.clone();
    if let Some(options) = &mut stored.secret.lease_options {
        options.issue_time = Some(prost_types::Timestamp {
            seconds: now.timestamp(),
            nanos: 0,
        });
    }
    let renewed = mount.about_lease("renew", "creds/account", &stored, issued.data().clone());
    let (ttl, max_ttl) = renewed.await.lease().times();
    for time in [ttl, max_ttl] {
        assert!(time > 0, "zero would be the mount's");
        let end = now + TimeDelta::nanoseconds(time);
        assert!(end <= ends + TimeDelta::seconds(1), "{end} after {ends}");
    }
}

#[tokio::test]
async fn tuned_times_count_from_the_next_request() {
    let (_plugin, mount, _atlas) = configured().await;
    let view = &mount.host.view;
    for minutes in [60, 10, 90] {
        let time = Duration::from_mins(minutes);
        view.tune(time, time);
        let lease = mount.read("creds/role").await.lease();
        let (ttl, max_ttl) = lease.times();
        let max = i64::try_from(minutes).expect("a few").minutes();
        assert_eq!(max_ttl, max);
        assert!(ttl <= max, "{ttl}");
    }
}

#[tokio::test]
async fn revoking_again_and_at_the_same_time_succeeds() {
    let (_plugin, mount, atlas) = configured().await;
    for path in PATHS {
        let lease = mount.read(path).await.lease();
        for answer in join_all((0..5).map(|_| mount.revoke(&lease))).await {
            assert!(answer.is_success(), "{answer:?}");
        }
        assert!(mount.revoke(&lease).await.is_success());
    }
    assert_eq!(atlas.credentials().await, [""; 0]);
}

#[tokio::test]
async fn what_atlas_lost_counts_as_revoked() {
    let (_plugin, mount, atlas) = configured().await;
    for (path, id, kind) in [
        (PATHS[0], "programmatic_api_key_id", "keys"),
        (PATHS[1], "client_id", "accounts"),
    ] {
        let lease = mount.read(path).await.lease();
        let id = lease.internal[id].as_str().expect("an id");
        let object = format!("/{kind}/{id}");
        atlas.control("DELETE", &object, Value::Null).await;
        assert!(mount.revoke(&lease).await.is_success());
    }
    assert_eq!(mount.host.store.issued(), [""; 0]);
}

#[tokio::test]
async fn a_revocation_that_did_not_happen_is_tried_again() {
    let (_plugin, mount, atlas) = configured().await;
    let lease = mount.read("creds/role").await.lease();
    let config = mount.host.store.json("config").expect("a configuration");
    let forced = mount.ask("delete", "config", json!({"force": "true"}));
    assert!(forced.await.is_success());
    is_retried(&mount.revoke(&lease).await);
    mount.host.view.taint();
    is_retried(&mount.revoke(&lease).await);
    for broken in ["{", "null", "[]", "{\"public_key\": 5}", "{}"] {
        mount.host.store.plant("config", broken);
        mount.invalidate("config").await;
        is_retried(&mount.revoke(&lease).await);
    }
    mount.host.store.plant("config", config.to_string());
    mount.invalidate("config").await;
    for (status, code) in [
        (400, "VALIDATION_ERROR"),
        (401, "UNAUTHORIZED"),
        (403, "FORBIDDEN"),
        (404, "ORG_NOT_FOUND"),
        (409, "CONFLICT"),
    ] {
        let action = json!({"kind": "answer", "status": status, "code": code});
        let fault = json!({"operation": "deleteOrgApiKey", "count": 0, "action": action});
        atlas.fault(fault).await;
        is_retried(&mount.revoke(&lease).await);
        atlas.no_more_faults().await;
    }
    assert_eq!(atlas.credentials().await.len(), 1);
    assert_eq!(mount.host.store.issued().len(), 1, "the record stays");
    assert!(mount.revoke(&lease).await.is_success());
}

#[tokio::test]
async fn a_lease_that_nobody_understands_is_not_taken_for_revoked() {
    let (_plugin, mount, _atlas) = configured().await;
    let internal = [
        json!({}),
        json!({"secret_type": 5}),
        json!({"secret_type": "of_tomorrow"}),
        json!({"secret_type": "programmatic_api_key"}),
        json!({"secret_type": "programmatic_api_key", "programmatic_api_key_id": "../x",
               "organization_id": "5f0000000000000000000001"}),
        json!({"secret_type": "programmatic_api_key", "organization_id": {},
               "programmatic_api_key_id": "5f0000000000000000000002"}),
        json!({"secret_type": "service_account"}),
        json!({"secret_type": "service_account", "client_id": null}),
    ];
    for internal in internal {
        let lease = lease(&internal);
        is_retried(&mount.revoke(&lease).await);
        let renewed = mount.about_lease("renew", "creds/role", &lease, Value::Null);
        assert!(!renewed.await.is_success(), "{lease:?}");
    }
    for operation in ["renew", "revoke"] {
        is_retried(&mount.ask(operation, "creds/role", Value::Null).await);
    }
}

/// Keys that Atlas holds, and leases for them.
async fn leased_keys(atlas: &Atlas, count: usize) -> Vec<crate::answer::Lease> {
    let keys = (0..count).map(|_| {
        let key = json!({"org_id": atlas.org(), "desc": "vault-role-x"});
        atlas.control("POST", "/keys", key)
    });
    let keys = join_all(keys).await.into_iter();
    keys.map(|key| {
        lease(&json!({
            "secret_type": "programmatic_api_key",
            "programmatic_api_key_id": key["id"],
            "organization_id": atlas.org(),
            "project_id": "",
            "role": "role",
        }))
    })
    .collect()
}

/// A host revokes with two hundred workers when a token with many leases ends.
#[tokio::test]
async fn two_hundred_revocations_at_once_succeed() {
    let (_plugin, mount, atlas) = configured().await;
    atlas.without_limits().await;
    let leases = leased_keys(&atlas, 200).await;
    for answer in join_all(leases.iter().map(|lease| mount.revoke(lease))).await {
        assert!(answer.is_success(), "{answer:?}");
    }
    assert_eq!(atlas.credentials().await, [""; 0]);
}

/// With Atlas's limits two hundred take longer than the host waits, which it tells in the call:
/// here five seconds for its ninety. Each ends by then, done or to be tried again.
#[tokio::test]
async fn revocations_beyond_the_limits_of_atlas_end_in_time() {
    const BUDGET: Duration = Duration::from_secs(5);
    let (_plugin, mount, atlas) = configured().await;
    let leases = leased_keys(&atlas, 200).await;
    let start = Instant::now();
    let revocations = leases.iter().map(async |lease| {
        let mut request = asked("revoke", "creds/role", &Value::Null);
        request.secret = Some(lease.secret.clone());
        let mut request = mount.to(HandleRequestArgs {
            storage_id: 0,
            request: Some(request),
        });
        request.set_timeout(BUDGET);
        mount.backend().handle_request(request).await
    });
    let mut done = 0;
    for reply in join_all(revocations).await {
        // A call whose time is over is an error to the host like any other.
        let Ok(reply) = reply else { continue };
        let answer = Answer::read(reply.into_inner());
        if answer.is_success() {
            done += 1;
        } else {
            is_retried(&answer);
        }
    }
    assert!(done > 0, "those that Atlas lets through are done");
    let took = start.elapsed();
    assert!(took < 3 * BUDGET, "{took:?}");
    assert!(mount.read("config").await.is_success(), "others are served");
}

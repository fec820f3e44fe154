//! What people and Atlas do behind the engine's back while leases live.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Answer, Mount};

const KINDS: [&str; 2] = ["programmatic_api_key", "service_account"];

/// With what is made in a project by one request.
const ALL_KINDS: [&str; 4] = [KINDS[0], KINDS[1], "ai_model_key", "database_user"];

/// A role with an access list and three projects, named as its type.
async fn wide_role(mount: &Mount, kind: &str) {
    if !KINDS.contains(&kind) {
        return mount.project_role(kind, 3_000, 7_200).await;
    }
    let [first, second, third] = [0, 1, 2].map(|number| mount.atlas.project(number));
    let role = json!({
        "credential_type": kind, "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER",
        "ip_addresses": "192.0.2.1", "ttl": 3_000, "max_ttl": 7_200,
        "project_assignments": {
            first: ["GROUP_READ_ONLY"], second: ["GROUP_READ_ONLY"], third: ["GROUP_READ_ONLY"],
        },
    });
    mount.role(kind, role).await;
}

#[tokio::test]
async fn one_refused_step_of_many_takes_everything_back() {
    let mount = Mount::configured().await;
    let refusal = json!({ "kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN" });
    for (kind, access_list) in [
        (KINDS[0], "createOrgAccessEntry"),
        (KINDS[1], "createOrgAccessList"),
    ] {
        wide_role(&mount, kind).await;
        let mut faults = vec![json!({ "operation": access_list, "action": refusal })];
        faults.extend([0, 1, 2].map(|skip| {
            json!({
                "path_prefix": "/api/atlas/v2/groups/", "method": "POST", "skip": skip,
                "action": refusal,
            })
        }));
        for fault in faults {
            mount.atlas.fault(fault.clone()).await;
            let refused = mount.read(&format!("creds/{kind}")).await;
            assert_eq!(refused.status, 400, "{kind} {fault}: {refused:?}");
            mount.atlas.no_more_faults().await;
            assert!(mount.atlas.credentials().await.is_empty(), "{kind} {fault}");
            assert_eq!(mount.list("issued").await.status, 404, "{kind} {fault}");
        }
        let lease = mount.issue(kind).await.lease_id();
        assert!(mount.revoke(&lease).await.ok());
    }
}

#[tokio::test]
async fn leases_of_a_deleted_project_are_revoked() {
    let mount = Mount::configured().await;
    let body = json!({ "org_id": mount.atlas.org(), "name": "to-be-deleted" });
    let project = mount.atlas.control("POST", "/projects", body).await["id"].clone();
    let mut leases = Vec::new();
    for kind in KINDS {
        let role =
            json!({ "credential_type": kind, "project_id": project, "roles": "GROUP_OWNER" });
        mount.role(kind, role).await;
        leases.push(mount.issue(kind).await.lease_id());
    }
    let path = format!("/projects/{}", project.as_str().unwrap());
    mount.atlas.control("DELETE", &path, Value::Null).await;
    for lease in leases {
        let revoked = mount.revoke(&lease).await;
        assert!(revoked.ok(), "{revoked:?}");
    }
    assert!(mount.atlas.credentials().await.is_empty());
    assert_eq!(mount.list("issued").await.status, 404);
}

#[tokio::test]
async fn leases_outlive_their_roles_and_the_credential_that_made_them() {
    let mount = Mount::configured().await;
    let mut leases = Vec::new();
    for kind in ALL_KINDS {
        wide_role(&mount, kind).await;
        for _ in 0..2 {
            leases.push(mount.issue(kind).await.lease_id());
        }
        assert!(mount.delete(&format!("roles/{kind}")).await.ok());
    }
    let account = mount.atlas.account_config();
    for (half, config) in leases.chunks(4).zip([account, mount.atlas.key_config()]) {
        assert!(mount.write("config", config).await.ok());
        for lease in half {
            let revoked = mount.revoke(lease).await;
            assert!(revoked.ok(), "{revoked:?}");
        }
    }
    assert!(mount.atlas.credentials().await.is_empty());
}

#[tokio::test]
async fn a_key_whose_answer_was_lost_is_found_among_six_hundred() {
    let mount = Mount::configured().await;
    let room = json!({ "max_api_keys_per_org": 1_000, "rate_limits": false });
    mount.atlas.settings(room).await;
    for number in 0..600 {
        let key = json!({ "org_id": mount.atlas.org(), "desc": format!("other {number}") });
        mount.atlas.control("POST", "/keys", key).await;
    }
    let of_project = json!({ "project_id": mount.atlas.project(0), "roles": "GROUP_OWNER" });
    mount.role("project", of_project).await;
    mount.org_role("org", 600, 0).await;
    for role in ["org", "project"] {
        let fault = json!({ "method": "POST", "action": { "kind": "lose_answer" } });
        mount.atlas.fault(fault).await;
        let failed = mount.read(&format!("creds/{role}")).await;
        assert_eq!(failed.status, 500, "{failed:?}");
        assert!(
            failed.errors().contains("was removed from Atlas again"),
            "{failed:?}"
        );
        assert_eq!(mount.atlas.credentials().await.len(), 600);
    }
    let lease = mount.issue("project").await.lease_id();
    mount.atlas.forget_requests().await;
    assert!(mount.revoke(&lease).await.ok());
    let asked = mount.atlas.operations().await;
    assert_eq!(asked, json!({ "deleteOrgApiKey": 1 }), "nothing is listed");
    assert_eq!(mount.atlas.credentials().await.len(), 600);
    assert_eq!(mount.list("issued").await.status, 404);
}

#[tokio::test]
async fn a_revocation_whose_answer_is_lost_or_broken_succeeds_in_the_end() {
    let mount = Mount::configured().await;
    for kind in KINDS {
        wide_role(&mount, kind).await;
        for action in [
            "lose_answer",
            "close",
            "malformed_json",
            "cut_json",
            "not_json",
        ] {
            let lease = mount.issue(kind).await.lease_id();
            // More than the client tries again.
            let fault = json!({ "method": "DELETE", "count": 0, "action": { "kind": action } });
            mount.atlas.fault(fault).await;
            let first = mount.revoke(&lease).await;
            mount.atlas.no_more_faults().await;
            assert!(
                action != "close" || !first.ok(),
                "{kind}: nothing was deleted"
            );
            if !first.ok() {
                let second = mount.revoke(&lease).await;
                assert!(second.ok(), "{kind} {action}: {second:?}");
            }
            assert!(
                mount.atlas.credentials().await.is_empty(),
                "{kind} {action}"
            );
            assert_eq!(mount.leases(kind).await, 0);
        }
    }
}

#[tokio::test]
async fn an_outage_longer_than_the_clients_budget_is_over_at_the_next_try() {
    let mount = Mount::configured().await;
    let short = mount
        .write("config", json!({ "request_timeout": "1s" }))
        .await;
    assert!(short.ok(), "{short:?}");
    let limited = |headers: Value| {
        let code = "RATE_LIMITED_TOKEN_BUCKET";
        json!({ "kind": "answer", "status": 429, "code": code, "headers": headers })
    };
    for kind in ALL_KINDS {
        wide_role(&mount, kind).await;
        for (action, status) in [
            (
                json!({ "kind": "answer", "status": 500, "code": "UNEXPECTED_ERROR" }),
                [400, 500],
            ),
            (json!({ "kind": "hang" }), [400, 500]),
            (limited(json!({ "Retry-After": "600" })), [400, 429]),
        ] {
            let lease = mount.issue(kind).await.lease_id();
            let fault = json!({ "method": "DELETE", "count": 0, "action": action });
            mount.atlas.fault(fault).await;
            let failed = mount.revoke(&lease).await;
            assert!(
                status.contains(&failed.status),
                "{kind} {action}: {failed:?}"
            );
            mount.atlas.no_more_faults().await;
            // What Atlas said of its limit is believed until the engine is configured anew.
            assert!(
                mount
                    .write("config", json!({ "request_timeout": "2s" }))
                    .await
                    .ok()
            );
            let revoked = mount.revoke(&lease).await;
            assert!(revoked.ok(), "{kind} {action}: {revoked:?}");
            assert!(
                mount.atlas.credentials().await.is_empty(),
                "{kind} {action}"
            );
        }
    }
    let fault = json!({ "operation": "createOrgApiKey", "action": limited(json!({})) });
    mount.atlas.fault(fault).await;
    let lease = mount.issue(KINDS[0]).await.lease_id();
    assert!(mount.revoke(&lease).await.ok());
}

#[tokio::test]
async fn a_hundred_at_once_are_issued_and_revoked() {
    let mount = Mount::configured().await;
    let room = json!({ "rate_limits": false, "max_api_keys_per_org": 1_000 });
    mount.atlas.settings(room).await;
    mount.org_role("r", 600, 0).await;
    let leases = join_all((0..100).map(|_| async { mount.issue("r").await.lease_id() })).await;
    assert_eq!(mount.atlas.credentials().await.len(), 100);
    let revoked = join_all(leases.iter().map(|lease| mount.revoke(lease))).await;
    assert!(revoked.iter().all(Answer::ok), "{revoked:?}");
    assert!(mount.atlas.credentials().await.is_empty());
    assert_eq!(mount.leases("r").await, 0);
}

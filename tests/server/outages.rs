//! An Atlas that misbehaves: the contract's error, and nothing left behind.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Mount};

async fn mount_with_role() -> Mount {
    let mount = Mount::configured().await;
    let role = json!({
        "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER", "ip_addresses": "192.0.2.1",
        "project_id": mount.atlas.project(0), "project_roles": "GROUP_OWNER", "ttl": 600,
    });
    mount.role("r", role).await;
    mount
}

/// A read of a credential while `action` befalls `operation`, or for `assign` all that assigns a key.
async fn read_while(mount: &Mount, operation: &str, count: u32, action: Value) -> Answer {
    let mut fault = json!({ "count": count, "action": action });
    if operation == ASSIGN {
        fault["path_prefix"] = json!(format!("/api/atlas/v2/groups/{}/", mount.atlas.project(0)));
    } else {
        fault["operation"] = json!(operation);
    }
    mount.atlas.fault(fault).await;
    let answer = mount.read("creds/r").await;
    mount.atlas.no_more_faults().await;
    answer
}

/// Assignment is repeated as a PATCH where its outcome is not known.
const ASSIGN: &str = "assign";

fn answer_with(status: u16, code: &str) -> Value {
    json!({ "kind": "answer", "status": status, "code": code })
}

#[tokio::test]
async fn refusals_of_any_step_are_reported_and_leave_nothing() {
    let mount = mount_with_role().await;
    for operation in ["createOrgApiKey", "createOrgAccessEntry", ASSIGN] {
        for (status, code, want) in [
            (400, "MAX_API_KEYS_PER_ORG_EXCEEDED", 400),
            (401, "USER_UNAUTHORIZED", 400),
            (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST", 400),
            (404, "ORG_NOT_FOUND", 400),
            (409, "MAX_SOMETHING", 400),
        ] {
            if operation == "createOrgAccessEntry" && status == 409 {
                continue; // An entry that is there already: the list is read and completed.
            }
            let answer = read_while(&mount, operation, 1, answer_with(status, code)).await;
            assert_eq!(answer.status, want, "{operation} {code}: {answer:?}");
            assert!(answer.errors().contains(code), "{operation}: {answer:?}");
            assert!(
                mount.atlas.credentials().await.is_empty(),
                "{operation} {code}"
            );
        }
    }
    let forbidden = read_while(&mount, "createOrgApiKey", 1, answer_with(403, "X")).await;
    assert!(
        forbidden.errors().contains("access list"),
        "what to check: {forbidden:?}"
    );
    mount.issue("r").await;
}

#[tokio::test]
async fn faults_of_any_step_are_reported_and_leave_nothing() {
    let mount = mount_with_role().await;
    for operation in ["createOrgApiKey", "createOrgAccessEntry", ASSIGN] {
        for action in [
            answer_with(500, "UNEXPECTED_ERROR"),
            json!({ "kind": "answer", "status": 503, "text": "<html>down</html>" }),
            json!({ "kind": "close" }),
            json!({ "kind": "lose_answer" }),
            json!({ "kind": "malformed_json" }),
            json!({ "kind": "cut_json" }),
            json!({ "kind": "not_json" }),
        ] {
            let answer = read_while(&mount, operation, 0, action.clone()).await;
            // An assignment is answered without a body, in which nothing can be wrong. The others show
            // what was made: a key without its access list is not complete.
            let unread: &[&str] = match operation {
                ASSIGN => &["malformed_json", "not_json", "cut_json"],
                _ => &[],
            };
            let harmless = unread.contains(&action["kind"].as_str().unwrap());
            if harmless && answer.ok() {
                assert!(mount.revoke(&answer.lease_id()).await.ok());
            } else {
                assert_eq!(answer.status, 500, "{operation} {action}: {answer:?}");
            }
            mount.atlas.empties(Duration::from_secs(1)).await;
        }
    }
    mount.issue("r").await;
}

#[tokio::test]
async fn one_fault_is_waited_out_where_that_is_safe() {
    let mount = mount_with_role().await;
    for operation in ["createOrgAccessEntry", ASSIGN] {
        let answer = read_while(&mount, operation, 1, answer_with(500, "UNEXPECTED_ERROR")).await;
        assert!(answer.ok(), "{operation}: {answer:?}");
        let lease = answer.lease_id();
        let fault = json!({ "operation": "deleteOrgApiKey", "action": { "kind": "lose_answer" } });
        mount.atlas.fault(fault).await;
        assert!(mount.revoke(&lease).await.ok());
        assert!(mount.atlas.credentials().await.is_empty());
    }
}

#[tokio::test]
async fn a_slow_atlas_is_given_up_in_time() {
    let mount = mount_with_role().await;
    assert!(
        mount
            .write("config", json!({ "request_timeout": "1s" }))
            .await
            .ok()
    );
    let started = std::time::Instant::now();
    let hang = json!({ "kind": "hang", "after_effect": true });
    let answer = read_while(&mount, "createOrgApiKey", 1, hang).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(answer.errors().contains("createOrgApiKey"), "{answer:?}");
    assert!(started.elapsed() < Duration::from_secs(20));
    mount.atlas.empties(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_lost_credential_of_our_own_is_a_500_that_does_not_show_it() {
    let mount = mount_with_role().await;
    let state = mount.atlas.state().await;
    let seed = state["keys"][0]["id"].as_str().unwrap();
    mount
        .atlas
        .control("DELETE", &format!("/keys/{seed}"), Value::Null)
        .await;
    let answer = mount.read("creds/r").await;
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(
        answer
            .errors()
            .contains("refused the configured credential"),
        "{answer:?}"
    );
    let config = mount.atlas.key_config();
    let private = config["private_key"].as_str().unwrap();
    assert!(!answer.body.to_string().contains(private));
}

#[tokio::test]
async fn an_unreachable_atlas_is_an_error_and_stores_nothing() {
    let mount = Mount::new().await;
    let mut config = mount.atlas.key_config();
    config["base_url"] = json!("http://127.0.0.1:1");
    let answer = mount.write("config", config.clone()).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(
        answer.errors().contains("verify_connection=false"),
        "{answer:?}"
    );
    assert_eq!(mount.read("config").await.status, 404);
    config["verify_connection"] = json!(false);
    assert!(mount.write("config", config).await.ok());
    mount.org_role("r", 0, 0).await;
    let answer = mount.read("creds/r").await;
    assert_eq!(answer.status, 500, "{answer:?}");
}

#[tokio::test]
async fn a_limited_atlas_is_waited_for_and_past_that_reported_as_429() {
    let mount = mount_with_role().await;
    let wait = |seconds: u32| {
        json!({
            "kind": "answer", "status": 429, "code": "RATE_LIMITED_TOKEN_BUCKET",
            "headers": { "Retry-After": seconds.to_string() },
        })
    };
    let answer = read_while(&mount, "createOrgApiKey", 1, wait(1)).await;
    assert!(answer.ok(), "{answer:?}");
    let answer = read_while(&mount, "createOrgApiKey", 0, wait(3_600)).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(
        answer.errors().contains("retry createOrgApiKey in 36"),
        "when to come back: {answer:?}"
    );
}

#[tokio::test]
async fn a_revocation_that_did_not_happen_is_an_error_and_is_done_later() {
    let mount = mount_with_role().await;
    let lease = mount.issue("r").await.lease_id();
    for (status, code) in [
        (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST"),
        (404, "ORG_NOT_FOUND"),
        (400, "X"),
    ] {
        let fault = json!({
            "operation": "deleteOrgApiKey", "count": 0, "action": answer_with(status, code),
        });
        mount.atlas.fault(fault).await;
        let failed = mount.revoke(&lease).await;
        assert_eq!(failed.status, 400, "{code}: {failed:?}");
        assert!(failed.errors().contains(code), "{failed:?}");
        assert_eq!(mount.leases("r").await, 1, "{code}");
        mount.atlas.no_more_faults().await;
    }
    assert!(mount.revoke(&lease).await.ok());
    assert!(mount.atlas.credentials().await.is_empty());
}

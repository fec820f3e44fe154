//! What counts as proof: a proxy or gateway that answers in Atlas's place ends no lease, and makes no
//! credential complete.

use std::time::Duration;

use serde_json::{Value, json};

use super::project_type_tests::{PROJECT_TYPES, role_of};
use crate::atlas::SHOWN_WITHIN;
use crate::engine::testing::TestMount;
use crate::vault::{Data, Secret};

const NOTHING: Vec<String> = Vec::new();
const KINDS: [&str; 6] = [
    "programmatic_api_key",
    "service_account",
    "service_account_secret",
    "access_token",
    "ai_model_key",
    "database_user",
];

/// An answer that Atlas does not give.
fn lie(status: u16, text: &str, media_type: &str) -> Value {
    json!({
        "kind": "answer", "status": status, "text": text, "headers": {"Content-Type": media_type},
    })
}

/// What gateways answer on their own, to whatever they are asked.
fn lies() -> Vec<Value> {
    const JSON: &str = "application/json";
    const ATLAS: &str = "application/vnd.atlas.2025-03-12+json";
    vec![
        lie(200, "<html>", "text/html"),
        lie(202, "", "text/plain"),
        lie(200, "{}", JSON),
        lie(200, "{}", ATLAS),
        lie(404, r#"{"status":404,"error":"Not Found"}"#, JSON),
        lie(404, r#"{"error":"not_found"}"#, JSON),
        lie(
            404,
            r#"{"message":"no Route matched with those values"}"#,
            JSON,
        ),
        lie(404, "", "text/plain"),
        lie(401, r#"{"error":"invalid_client"}"#, JSON),
    ]
}

async fn hit(mount: &TestMount, operation: Option<&str>, action: &Value) {
    let mut fault = json!({"count": 0, "action": action});
    if let Some(operation) = operation {
        fault["operation"] = json!(operation);
    }
    mount.atlas.fault(fault).await;
}

fn is_of_project(kind: &str) -> bool {
    PROJECT_TYPES.contains(&kind)
}

/// A mount with a role of that type, and a credential of it.
async fn issued(kind: &str) -> (TestMount, Data, Secret) {
    let mount = TestMount::configured().await;
    let org = mount.atlas.org();
    let role = if kind == "service_account_secret" {
        let account = mount.atlas.make_account(0, json!({})).await;
        json!({"credential_type": "service_account", "organization_id": org, "client_id": account})
    } else if is_of_project(kind) {
        role_of(&mount, kind)
    } else {
        json!({
            "credential_type": kind, "organization_id": org, "roles": "ORG_MEMBER",
            "ip_addresses": "192.0.2.1",
        })
    };
    mount.write("roles/reader", role).await.expect("a role");
    let (data, lease) = mount.issue("reader").await;
    if is_of_project(kind) {
        // Before, no answer proves that they are gone.
        mount.advance(SHOWN_WITHIN).await;
    }
    (mount, data, lease)
}

/// Whether what the lease gave out is still in Atlas.
async fn is_alive(mount: &TestMount, kind: &str, data: &Data) -> bool {
    let client_id = data.get("client_id").and_then(Value::as_str);
    match (kind, client_id) {
        ("access_token", _) => {
            let state = mount.atlas.state().await;
            state["tokens"]
                .as_array()
                .is_some_and(|all| !all.is_empty())
        }
        ("service_account_secret", Some(account)) => !mount.atlas.secrets(account).await.is_empty(),
        _ => !mount.atlas.credentials().await.is_empty(),
    }
}

/// The journal entry of what the lease gave out.
fn has_entry(mount: &TestMount, lease: &Secret) -> bool {
    let id = lease.internal_data["journal_id"].as_str().expect("an id");
    mount.journal_keys().contains(&format!("issued/{id}"))
}

#[tokio::test]
async fn a_gateway_that_answers_everything_ends_no_lease() {
    for kind in KINDS {
        let (mount, data, lease) = issued(kind).await;
        for action in lies() {
            hit(&mount, None, &action).await;
            mount.revoke(&lease).await.expect_err("nothing is proved");
            mount.atlas.no_more_faults().await;
            assert!(has_entry(&mount, &lease), "{kind} {action}");
            assert!(is_alive(&mount, kind, &data).await, "{kind} {action}");
        }
        mount.revoke(&lease).await.expect("revoked");
        assert!(!is_alive(&mount, kind, &data).await, "{kind}");
        assert!(!has_entry(&mount, &lease), "{kind}");
    }
}

/// Only the answers to the delete are the gateway's: the look tells that nothing was done.
#[tokio::test]
async fn a_delete_that_was_not_done_is_found_out_in_the_same_request() {
    for (kind, delete) in [
        (KINDS[0], "deleteOrgApiKey"),
        (KINDS[1], "deleteOrgServiceAccount"),
        (KINDS[2], "deleteOrgSecret"),
        (KINDS[3], "oauthRevoke"),
        (KINDS[4], "deleteGroupModelKey"),
        (KINDS[5], "deleteDatabaseUser"),
    ] {
        let (mount, data, lease) = issued(kind).await;
        for action in lies() {
            hit(&mount, Some(delete), &action).await;
            mount.revoke(&lease).await.expect_err("it was not done");
            mount.atlas.no_more_faults().await;
            assert!(has_entry(&mount, &lease), "{kind} {action}");
            assert!(is_alive(&mount, kind, &data).await, "{kind} {action}");
        }
    }
}

#[tokio::test]
async fn a_delete_of_unknown_outcome_is_settled_in_the_same_request() {
    for (kind, delete) in [
        (KINDS[0], "deleteOrgApiKey"),
        (KINDS[1], "deleteOrgServiceAccount"),
        (KINDS[2], "deleteOrgSecret"),
        (KINDS[4], "deleteGroupModelKey"),
        (KINDS[5], "deleteDatabaseUser"),
    ] {
        let mut answers = lies();
        answers.retain(|action| action["status"] != 401);
        answers.push(json!({"kind": "answer", "status": 500, "code": "UNEXPECTED_ERROR"}));
        for mut action in answers {
            let (mount, data, lease) = issued(kind).await;
            action["after_effect"] = json!(true);
            // The repetitions too are answered so.
            hit(&mount, Some(delete), &action).await;
            mount.revoke(&lease).await.expect("settled");
            assert!(!has_entry(&mount, &lease), "{kind} {action}");
            assert!(!is_alive(&mount, kind, &data).await, "{kind} {action}");
        }
    }
}

/// A 404 in Atlas's own shape proves nothing of an account that the lists show, nor of a secret that
/// its account shows.
#[tokio::test]
async fn a_404_ends_no_lease_of_what_is_still_listed() {
    let unknown = json!({"kind": "answer", "status": 404, "code": "RESOURCE_NOT_FOUND"});
    for (kind, operations) in [
        (KINDS[0], &["deleteOrgApiKey"][..]),
        (
            KINDS[1],
            &["deleteOrgServiceAccount", "getOrgServiceAccount"],
        ),
        (KINDS[2], &["deleteOrgSecret"]),
        (KINDS[2], &["deleteOrgSecret", "getOrgServiceAccount"]),
        (KINDS[4], &["deleteGroupModelKey"]),
        (KINDS[4], &["deleteGroupModelKey", "getGroupModelKey"]),
        (KINDS[5], &["deleteDatabaseUser"]),
        (KINDS[5], &["deleteDatabaseUser", "getDatabaseUser"]),
    ] {
        let (mount, data, lease) = issued(kind).await;
        for operation in operations {
            hit(&mount, Some(operation), &unknown).await;
        }
        mount.revoke(&lease).await.expect_err("it is listed");
        assert!(has_entry(&mount, &lease), "{kind} {operations:?}");
        assert!(is_alive(&mount, kind, &data).await, "{kind} {operations:?}");
    }
}

/// Somebody deleted it by hand: Atlas's 404 and two lists that are complete.
#[tokio::test]
async fn an_account_that_was_deleted_by_hand_is_proved_gone_by_two_lists() {
    for broken_list in [true, false] {
        let (mount, _, lease) = issued("service_account").await;
        mount.atlas.forget_credentials().await;
        mount.atlas.forget_requests().await;
        if broken_list {
            let fault = json!({
                "operation": "listOrgServiceAccounts", "skip": 1,
                "action": lie(200, r#"{"totalCount":0}"#, "application/vnd.atlas.2024-08-05+json"),
            });
            mount.atlas.fault(fault).await;
            mount.revoke(&lease).await.expect_err("one list of two");
            assert!(has_entry(&mount, &lease));
        }
        mount.atlas.forget_requests().await;
        mount.revoke(&lease).await.expect("gone");
        let asked = mount.atlas.operations().await;
        let want = json!({
            "deleteOrgServiceAccount": 1, "getOrgServiceAccount": 1, "listOrgServiceAccounts": 2,
        });
        assert_eq!(asked, want);
        assert_eq!(mount.journal_keys(), NOTHING);
    }
}

/// The role of a story about creation: at that level, with an access list and, in an organization,
/// a project.
async fn wide_role(mount: &TestMount, kind: &str, in_project: bool) {
    let (org, project) = (mount.atlas.org(), mount.atlas.project(0));
    let role = if in_project {
        json!({
            "credential_type": kind, "project_id": project, "roles": "GROUP_READ_ONLY",
            "ip_addresses": "192.0.2.1,2001:db8::1", "cidr_blocks": "10.0.0.0/8",
        })
    } else {
        json!({
            "credential_type": kind, "organization_id": org, "roles": "ORG_MEMBER",
            "project_id": project, "project_roles": "GROUP_READ_ONLY",
            "ip_addresses": "192.0.2.1,2001:db8::1", "cidr_blocks": "10.0.0.0/8",
        })
    };
    mount.write("roles/reader", role).await.expect("a role");
}

/// What each step of a creation may be answered with instead, although it was done.
fn incomplete(operation: &str) -> Vec<Value> {
    let mut answers = lies();
    // A 401 is no answer to what was done.
    answers.retain(|action| action["status"] != 401);
    for action in &mut answers {
        action["after_effect"] = json!(true);
    }
    let withheld = match operation {
        "createOrgApiKey" | "createOrgServiceAccount" | "createGroupServiceAccount" => "/roles",
        "createGroupApiKey" => "/roles/1",
        "inviteGroupServiceAccount" => "/roles/0",
        "createOrgAccessEntry" | "createOrgAccessList" | "createAccessList" => "/results/1",
        _ => return answers,
    };
    answers.push(json!({"kind": "withhold", "pointer": withheld}));
    answers
}

/// An account that was invited is looked up where the answer does not show its role, and a key that
/// was assigned is assigned anew: so these are answered falsely, too.
fn second_thoughts(operation: &str) -> Option<&'static str> {
    match operation {
        "inviteGroupServiceAccount" => Some("getGroupServiceAccount"),
        "addGroupApiKey" => Some("updateApiKeyRoles"),
        _ => None,
    }
}

#[tokio::test]
async fn a_credential_is_complete_only_by_what_atlas_shows() {
    const STEPS: [(&str, bool, &[&str]); 4] = [
        (
            "programmatic_api_key",
            false,
            &["createOrgApiKey", "createOrgAccessEntry", "addGroupApiKey"],
        ),
        (
            "programmatic_api_key",
            true,
            &["createGroupApiKey", "createOrgAccessEntry"],
        ),
        (
            "service_account",
            false,
            &[
                "createOrgServiceAccount",
                "createOrgAccessList",
                "inviteGroupServiceAccount",
            ],
        ),
        (
            "service_account",
            true,
            &["createGroupServiceAccount", "createAccessList"],
        ),
    ];
    for (kind, in_project, operations) in STEPS {
        let mount = TestMount::configured().await;
        mount.atlas.settings(json!({"shuffle_roles": false})).await;
        wide_role(&mount, kind, in_project).await;
        for operation in operations {
            for action in incomplete(operation) {
                hit(&mount, Some(operation), &action).await;
                if let Some(second) = second_thoughts(operation) {
                    hit(&mount, Some(second), &action).await;
                }
                let failed = mount.read("creds/reader").await;
                let failed = failed.expect_err("not complete").to_string();
                mount.atlas.no_more_faults().await;
                assert_eq!(
                    mount.atlas.credentials().await,
                    NOTHING,
                    "{operation} {action}: {failed}"
                );
                assert_eq!(mount.journal_keys(), NOTHING, "{operation} {action}");
            }
        }
        let (_, lease) = mount.issue("reader").await;
        mount.revoke(&lease).await.expect("revoked");
    }
}

/// What is made by one request is handed out only by an answer that shows it as it was asked for.
#[tokio::test]
async fn what_is_made_in_a_project_is_complete_only_by_what_atlas_shows() {
    for (kind, create, withheld) in [
        (KINDS[4], "createGroupModelKey", ["/secret", "/apiKeyId"]),
        (
            KINDS[5],
            "createDatabaseUser",
            ["/roles/0", "/deleteAfterDate"],
        ),
    ] {
        let mount = TestMount::configured().await;
        let role = role_of(&mount, kind);
        mount.write("roles/reader", role).await.expect("a role");
        let withheld = withheld.map(|pointer| json!({"kind": "withhold", "pointer": pointer}));
        for action in incomplete(create).into_iter().chain(withheld) {
            hit(&mount, Some(create), &action).await;
            let failed = mount.read("creds/reader").await;
            let failed = failed.expect_err("not complete").to_string();
            mount.atlas.no_more_faults().await;
            mount
                .assert_nothing_left(&format!("{kind} {action}: {failed}"))
                .await;
        }
    }
}

#[tokio::test]
async fn an_error_of_another_shape_names_the_gateway_and_no_code() {
    let (mount, _, lease) = issued("programmatic_api_key").await;
    let text = r#"{"status":404,"error":"API_KEY_NOT_FOUND"}"#;
    hit(&mount, None, &lie(404, text, "application/json")).await;
    let failed = mount.revoke(&lease).await.expect_err("nothing is proved");
    let failed = failed.to_string();
    assert!(
        failed.contains("is not of Atlas's shape: a proxy or gateway in between"),
        "{failed}"
    );
    assert!(!failed.contains("API_KEY_NOT_FOUND"), "{failed}");
}

/// What tidy reports as missing it forgets in the end, so that the same proof is asked for.
#[tokio::test]
async fn tidy_takes_nothing_for_missing_that_only_a_gateway_does_not_know() {
    for (kind, read) in [
        (KINDS[0], "getOrgApiKey"),
        (KINDS[1], "getOrgServiceAccount"),
        (KINDS[4], "getGroupModelKey"),
        (KINDS[5], "getDatabaseUser"),
    ] {
        let (mount, _, _) = issued(kind).await;
        mount.advance(Duration::from_hours(2)).await;
        mount.atlas.forget_credentials().await;
        let list = json!({"dry_run": true});
        for action in lies() {
            hit(&mount, Some(read), &action).await;
            let report = TestMount::data(mount.write("tidy", list.clone()).await);
            mount.atlas.no_more_faults().await;
            assert_eq!(report["missing_count"], 0, "{kind} {action}");
            assert_eq!(report["not_compared_count"], 1, "{kind} {action}");
        }
        let report = TestMount::data(mount.write("tidy", list).await);
        assert_eq!(report["missing_count"], 1, "{kind}");
    }
}

/// With a secret its tokens are taken for revoked, so that it is forgotten only once it is proved gone.
#[tokio::test]
async fn a_managed_accounts_secret_that_is_not_listed_once_is_not_forgotten() {
    let (mount, data, lease) = issued("access_token").await;
    mount.advance(Duration::from_mins(3)).await;
    let refused = json!({
        "operation": "oauthToken",
        "action": {"kind": "answer", "status": 401, "body": {"error": "invalid_client"}},
    });
    mount.atlas.fault(refused).await;
    let unlisted = json!({
        "operation": "getOrgServiceAccount",
        "action": {"kind": "withhold", "pointer": "/secrets/0"},
    });
    mount.atlas.fault(unlisted).await;
    mount.read("creds/reader").await.expect_err("refused");
    mount.atlas.no_more_faults().await;
    mount.revoke(&lease).await.expect("revoked");
    assert!(!is_alive(&mount, "access_token", &data).await);
}

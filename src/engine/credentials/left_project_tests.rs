//! Stories of an account that is taken out of the project in which its secrets are managed. Account
//! and secrets live on in the organization.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::testing::TestMount;

/// A mount with a role of an account of a project; the account.
async fn mount() -> (TestMount, String) {
    let mount = TestMount::configured().await;
    let project = mount.atlas.project(0).to_owned();
    let holder = json!({
        "project_roles": {project.clone(): ["GROUP_READ_ONLY"]}, "home_project": project,
    });
    let account = mount.atlas.make_account(0, holder).await;
    let role = json!({
        "credential_type": "service_account", "project_id": project, "client_id": account,
        "max_ttl": "24h",
    });
    mount.write("roles/shared", role).await.expect("a role");
    (mount, account)
}

async fn leave(mount: &TestMount, account: &str) {
    let project = mount.atlas.project(0);
    mount.atlas.leave_project(account, project).await;
}

#[tokio::test]
async fn a_secret_that_left_its_project_is_revoked_in_the_organization() {
    let (mount, account) = mount().await;
    let (_, lease) = mount.issue("shared").await;
    leave(&mount, &account).await;
    assert_eq!(mount.atlas.secrets(&account).await.len(), 1);
    for _ in 0..2 {
        mount.revoke(&lease).await.expect("revoked");
    }
    assert_eq!(mount.atlas.secrets(&account).await, Vec::<String>::new());
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

#[tokio::test]
async fn it_is_not_taken_for_revoked_where_the_organization_may_not_be_read() {
    let (mount, account) = mount().await;
    let (_, lease) = mount.issue("shared").await;
    leave(&mount, &account).await;
    let refused = json!({
        "operation": "getOrgServiceAccount",
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    });
    mount.atlas.fault(refused).await;
    mount.revoke(&lease).await.expect_err("nobody knows");
    assert_eq!(mount.journal_keys().len(), 1);
    mount.revoke(&lease).await.expect("tried again");
    assert_eq!(mount.atlas.secrets(&account).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_secret_gone_from_an_account_still_in_its_project_needs_no_word_of_the_organization() {
    let (mount, account) = mount().await;
    let (_, lease) = mount.issue("shared").await;
    let refused = json!({
        "operation": "getOrgServiceAccount", "count": 0,
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    });
    mount.atlas.fault(refused).await;
    for _ in 0..2 {
        mount.revoke(&lease).await.expect("revoked");
    }
    assert_eq!(mount.atlas.secrets(&account).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_secret_is_revoked_although_its_project_was_deleted() {
    let (mount, account) = mount().await;
    let (_, lease) = mount.issue("shared").await;
    leave(&mount, &account).await;
    let path = format!("/projects/{}", mount.atlas.project(0));
    mount.atlas.control("DELETE", &path, Value::Null).await;
    mount.revoke(&lease).await.expect("revoked");
    assert_eq!(mount.atlas.secrets(&account).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_lost_secret_of_an_account_that_left_is_found_in_the_organization() {
    let (mut mount, account) = mount().await;
    for fault in [
        json!({"operation": "createGroupSecret", "action": {"kind": "lose_answer"}}),
        json!({
            "operation": "getGroupServiceAccount", "skip": 1, "count": 0,
            "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
        }),
    ] {
        mount.atlas.fault(fault).await;
    }
    mount.read("creds/shared").await.expect_err("no answer");
    mount.atlas.no_more_faults().await;
    assert_eq!(mount.atlas.secrets(&account).await.len(), 1);
    leave(&mount, &account).await;
    mount.restart().await;
    mount.advance(Duration::from_secs(200)).await;
    mount.tick().await.expect("a tick");
    assert_eq!(mount.atlas.secrets(&account).await, Vec::<String>::new());
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

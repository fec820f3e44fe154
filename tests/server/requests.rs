//! Each shape of role costs exactly the requests that its steps need, and no more.

use serde_json::{Value, json};

use crate::support::Mount;

fn total(asked: &Value) -> u64 {
    let asked = asked.as_object().unwrap().values();
    asked.filter_map(Value::as_u64).sum()
}

/// Warms sign-in and what is remembered of projects, then counts one credential and its end.
async fn counted(mount: &Mount, role: Value) -> (Value, Value) {
    mount.role("r", role).await;
    let warm = mount.issue("r").await.lease_id();
    assert!(mount.revoke(&warm).await.ok());
    mount.atlas.forget_requests().await;
    let lease = mount.issue("r").await.lease_id();
    let issued = mount.atlas.operations().await;
    assert_eq!(
        mount.atlas.request_count().await,
        total(&issued),
        "no challenge with a warm nonce"
    );
    mount.atlas.forget_requests().await;
    assert!(mount.revoke(&lease).await.ok());
    let revoked = mount.atlas.operations().await;
    assert_eq!(mount.atlas.request_count().await, total(&revoked));
    (issued, revoked)
}

#[tokio::test]
async fn an_organization_key_costs_one_request() {
    let mount = Mount::configured().await;
    let org = mount.atlas.org();
    let (issued, revoked) = counted(
        &mount,
        json!({ "organization_id": org, "roles": "ORG_MEMBER" }),
    )
    .await;
    assert_eq!(issued, json!({ "createOrgApiKey": 1 }));
    assert_eq!(revoked, json!({ "deleteOrgApiKey": 1 }));
}

#[tokio::test]
async fn an_access_list_costs_one_more_however_long() {
    let mount = Mount::configured().await;
    let role = json!({
        "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER",
        "ip_addresses": "192.0.2.1,192.0.2.2,2001:db8::1", "cidr_blocks": "10.0.0.0/8",
    });
    let (issued, _) = counted(&mount, role).await;
    assert_eq!(
        issued,
        json!({ "createOrgApiKey": 1, "createOrgAccessEntry": 1 })
    );
}

#[tokio::test]
async fn a_project_key_costs_one_request_and_is_deleted_in_the_organization() {
    let mount = Mount::configured().await;
    let role = json!({ "project_id": mount.atlas.project(0), "roles": "GROUP_READ_ONLY" });
    let (issued, revoked) = counted(&mount, role).await;
    assert_eq!(issued, json!({ "createGroupApiKey": 1 }));
    assert_eq!(revoked, json!({ "deleteOrgApiKey": 1 }));
}

#[tokio::test]
async fn each_project_of_an_organization_key_costs_one_more() {
    let mount = Mount::configured().await;
    let role = json!({
        "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER",
        "project_id": mount.atlas.project(0), "project_roles": "GROUP_READ_ONLY",
        "project_assignments": {
            mount.atlas.project(1): ["GROUP_OWNER"], mount.atlas.project(2): ["GROUP_READ_ONLY"],
        },
    });
    let (issued, _) = counted(&mount, role).await;
    assert_eq!(issued, json!({ "createOrgApiKey": 1, "addGroupApiKey": 3 }));
}

#[tokio::test]
async fn a_service_account_costs_the_same() {
    let mount = Mount::configured().await;
    let role = json!({
        "credential_type": "service_account",
        "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER",
        "project_id": mount.atlas.project(0), "project_roles": "GROUP_READ_ONLY",
        "ip_addresses": "192.0.2.1",
    });
    let (issued, revoked) = counted(&mount, role).await;
    let want = json!({
        "createOrgServiceAccount": 1, "createOrgAccessList": 1, "inviteGroupServiceAccount": 1,
    });
    assert_eq!(issued, want);
    assert_eq!(revoked, json!({ "deleteOrgServiceAccount": 1 }));
}

#[tokio::test]
async fn a_project_service_account_costs_one_request() {
    let mount = Mount::configured().await;
    let role = json!({
        "credential_type": "service_account",
        "project_id": mount.atlas.project(0), "roles": "GROUP_READ_ONLY",
    });
    let (issued, _) = counted(&mount, role).await;
    assert_eq!(issued, json!({ "createGroupServiceAccount": 1 }));
}

#[tokio::test]
async fn a_model_key_costs_two_requests_and_a_database_user_four() {
    let mount = Mount::configured().await;
    let project = mount.atlas.project(0);
    let role = json!({ "credential_type": "ai_model_key", "project_id": project });
    let (issued, revoked) = counted(&mount, role).await;
    assert_eq!(issued, json!({ "createGroupModelKey": 1 }));
    assert_eq!(revoked, json!({ "deleteGroupModelKey": 1 }));
    let role = json!({
        "credential_type": "database_user", "project_id": project,
        "database_roles": "read@app", "wait": 0,
    });
    let (issued, revoked) = counted(&mount, role).await;
    assert_eq!(
        issued,
        json!({ "listDatabaseUsers": 1, "createDatabaseUser": 1 })
    );
    assert_eq!(
        revoked,
        json!({ "getDatabaseUser": 1, "deleteDatabaseUser": 1 })
    );
}

#[tokio::test]
async fn with_a_service_account_as_credential_one_token_serves_all() {
    let mount = Mount::new().await;
    assert!(
        mount
            .write("config", mount.atlas.account_config())
            .await
            .ok()
    );
    let org = mount.atlas.org();
    let (issued, revoked) = counted(
        &mount,
        json!({ "organization_id": org, "roles": "ORG_MEMBER" }),
    )
    .await;
    assert_eq!(issued, json!({ "createOrgApiKey": 1 }));
    assert_eq!(revoked, json!({ "deleteOrgApiKey": 1 }));
}

#[tokio::test]
async fn a_server_that_takes_no_nonce_twice_is_noticed() {
    let mount = Mount::configured().await;
    mount
        .atlas
        .settings(json!({ "digest_nonce_single_use": true }))
        .await;
    mount.org_role("r", 600, 0).await;
    for _ in 0..6 {
        mount.issue("r").await;
    }
    mount.atlas.forget_requests().await;
    mount.issue("r").await;
    assert_eq!(
        mount.atlas.request_count().await,
        2,
        "a challenge and the request, no refusal"
    );
}

//! What checks find, each finding alone.

use serde_json::{Value, json};

use crate::engine::testing::TestMount;
use crate::vault::{Data, Failure};

async fn check(mount: &TestMount, role: &str) -> Data {
    let path = format!("check/{role}");
    TestMount::data(mount.read(path.trim_end_matches('/')).await)
}

fn is_ok(found: &Data) -> bool {
    found["ok"] == json!(found["problems"].as_array().expect("a list").is_empty())
        && found["ok"] == true
}

#[track_caller]
fn assert_problem(found: &Data, text: &str) {
    let problems = found["problems"].as_array().expect("a list");
    let told = problems
        .iter()
        .filter_map(Value::as_str)
        .any(|problem| problem.contains(text));
    assert!(told && found["ok"] == false, "{text}: {found:?}");
}

#[track_caller]
fn assert_warning(found: &Data, text: &str) {
    let warnings = found["warnings"].to_string();
    assert!(warnings.contains(text), "{text}: {warnings}");
}

async fn role(mount: &TestMount, role: Value) {
    let mut whole = json!({"organization_id": mount.atlas.org(), "roles": "ORG_MEMBER"});
    if let (Some(whole), Value::Object(role)) = (whole.as_object_mut(), role) {
        whole.extend(role);
    }
    mount.write("roles/r", whole).await.expect("a role");
}

/// A configuration with a key of these roles.
async fn mount_of_key(org_roles: &[&str], project_roles: &[&str]) -> TestMount {
    let mount = TestMount::new().await;
    let key = json!({
        "org_id": mount.atlas.org(), "org_roles": org_roles,
        "project_roles": {mount.atlas.project(0): project_roles},
    });
    let key = mount.atlas.control("POST", "/keys", key).await;
    let mut config = mount.atlas.key_config();
    config["public_key"] = key["public_key"].clone();
    config["private_key"] = key["private_key"].clone();
    mount.write("config", config).await.expect("configured");
    mount
}

#[tokio::test]
async fn an_owners_key_is_reported_with_its_organization() {
    let mount = TestMount::configured().await;
    mount.atlas.forget_requests().await;
    let found = check(&mount, "").await;
    assert!(is_ok(&found), "{found:?}");
    assert_eq!(found["credential_type"], "programmatic_api_key");
    assert_eq!(found["organization_id"], mount.atlas.org());
    assert_eq!(found["organization_roles"], json!(["ORG_OWNER"]));
    assert_eq!(found["organization_owner"], true);
    assert_eq!(found["longest_secret_hours"], 8_760);
    assert_eq!(found["access_list_required"], false);
    assert!(found.contains_key("public_key") && !found.contains_key("private_key"));
    check(&mount, "").await;
    let asked = mount.atlas.operations().await;
    let want = json!({"listOrgs": 2, "getSystemStatus": 2, "getOrgSettings": 1});
    assert_eq!(asked, want, "settings are kept for some minutes");
}

#[tokio::test]
async fn a_service_account_is_reported_with_the_end_of_its_secret() {
    let mount = TestMount::new().await;
    let config = mount.atlas.account_config();
    mount.write("config", config).await.expect("configured");
    let config = TestMount::data(mount.read("config").await);
    let found = check(&mount, "").await;
    assert!(is_ok(&found), "{found:?}");
    assert_eq!(found["credential_type"], "service_account");
    assert_eq!(found["organization_owner"], true);
    let end = found["client_secret_expires_at"].as_str().expect("an end");
    assert_eq!(config["client_secret_expires_at"], end);
    mount
        .advance(std::time::Duration::from_hours(24 * 360))
        .await;
    assert_warning(&check(&mount, "").await, "secret expires at");
}

#[tokio::test]
async fn a_credential_that_atlas_refuses_is_a_finding_and_silence_an_error() {
    let mount = TestMount::new().await;
    let unconfigured = mount.read("check").await;
    assert!(matches!(unconfigured, Err(Failure::BadRequest(_))));
    let mut config = mount.atlas.key_config();
    config["private_key"] = json!("wrong");
    config["verify_connection"] = json!(false);
    mount.write("config", config).await.expect("configured");
    let found = check(&mount, "").await;
    assert_problem(&found, "refused the configured credential");
    assert!(!format!("{found:?}").contains("wrong"));
    let broken = json!({
        "count": 0, "unauthenticated": true,
        "action": {"kind": "answer", "status": 429, "headers": {"Retry-After": "3000"}},
    });
    mount.atlas.fault(broken).await;
    let failed = mount.read("check").await;
    assert!(
        matches!(failed, Err(Failure::Coded { status: 429, .. })),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_role_that_fits_is_fine_and_nothing_is_written() {
    let mount = TestMount::configured().await;
    let fitting = json!({
        "project_id": mount.atlas.project(0), "project_roles": "GROUP_OWNER",
        "project_assignments": {mount.atlas.project(1): ["GROUP_READ_ONLY"]},
    });
    for kind in ["programmatic_api_key", "service_account", "access_token"] {
        let mut role_of_kind = fitting.clone();
        role_of_kind["credential_type"] = json!(kind);
        role(&mount, role_of_kind).await;
        mount.atlas.forget_requests().await;
        let found = check(&mount, "r").await;
        assert!(is_ok(&found), "{kind}: {found:?}");
        assert_eq!(found["role"], "r");
        let log = mount.atlas.control("GET", "/requests", Value::Null).await;
        let requests = log["requests"].as_array().expect("a log");
        assert!(requests.iter().all(|request| request["method"] == "GET"));
    }
    assert!(mount.read("check/other").await.is_err(), "unknown role");
}

#[tokio::test]
async fn a_role_of_another_organization_is_found() {
    let mount = TestMount::configured().await;
    let other = json!({"organization_id": "0123456789abcdef01234567"});
    role(&mount, other).await;
    assert_problem(&check(&mount, "r").await, "is not the credential's");
}

#[tokio::test]
async fn projects_that_are_not_there_or_elsewhere_are_found() {
    let mount = TestMount::configured().await;
    let nowhere = json!({"project_assignments": {"0123456789abcdef01234567": ["GROUP_OWNER"]}});
    role(&mount, nowhere).await;
    assert_problem(&check(&mount, "r").await, "there is no project");
    let org = json!({"name": "other"});
    let org = mount.atlas.control("POST", "/orgs", org).await;
    let project = json!({"org_id": org["id"], "name": "elsewhere"});
    let project = mount.atlas.control("POST", "/projects", project).await;
    let id = project["id"].as_str().expect("an id").to_owned();
    role(
        &mount,
        json!({"project_assignments": {id: ["GROUP_OWNER"]}}),
    )
    .await;
    assert_problem(&check(&mount, "r").await, "project");
}

#[tokio::test]
async fn leases_longer_than_the_organizations_secrets_are_found() {
    let mount = TestMount::configured().await;
    let shorter = json!({"maxServiceAccountSecretValidityInHours": 24});
    mount.atlas.change_organization(shorter).await;
    let long = json!({"credential_type": "service_account", "max_ttl": "48h"});
    role(&mount, long).await;
    let found = check(&mount, "r").await;
    assert_problem(&found, "max_ttl of 24 h at most");
    assert_eq!(found["secret_hours"], 48);
    role(&mount, json!({"max_ttl": "24h"})).await;
    assert!(is_ok(&check(&mount, "r").await));
    let adapts = json!({"credential_type": "access_token", "max_ttl": "48h"});
    role(&mount, adapts).await;
    assert!(is_ok(&check(&mount, "r").await));
}

#[tokio::test]
async fn what_check_reads_of_an_organization_is_kept_to_by_all() {
    let mount = TestMount::configured().await;
    mount.atlas.forget_requests().await;
    assert_eq!(check(&mount, "").await["longest_secret_hours"], 8_760);
    let shorter = json!({"maxServiceAccountSecretValidityInHours": 24});
    mount.atlas.change_organization(shorter).await;
    mount.advance(std::time::Duration::from_mins(6)).await;
    assert_eq!(check(&mount, "").await["longest_secret_hours"], 24);
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let long = json!({
        "client_id": account.client_id, "organization_id": mount.atlas.org(), "secret_ttl": "48h",
    });
    let refused = mount.write("static-roles/app", long).await;
    assert!(
        matches!(&refused, Err(Failure::BadRequest(text)) if text.contains("(24 h)")),
        "{refused:?}"
    );
    assert_eq!(mount.atlas.operations().await["getOrgSettings"], 2);
}

#[tokio::test]
async fn a_missing_access_list_is_found_where_one_is_required() {
    let mount = TestMount::configured().await;
    let own = json!({"id": mount.atlas.key_id(), "entries": ["127.0.0.1"]});
    mount.atlas.control("POST", "/access-lists", own).await;
    role(&mount, json!({})).await;
    let required = json!({"apiAccessListRequired": true});
    mount.atlas.change_organization(required).await;
    assert_problem(&check(&mount, "r").await, "requires access lists");
    role(&mount, json!({"cidr_blocks": "10.0.0.0/8"})).await;
    assert!(is_ok(&check(&mount, "r").await));
    let account = mount.atlas.make_account(0, json!({})).await;
    let shared = json!({
        "credential_type": "service_account", "client_id": account,
        "organization_id": mount.atlas.org(), "max_ttl": "8h",
    });
    mount.write("roles/shared", shared).await.expect("a role");
    assert_problem(&check(&mount, "shared").await, "has none: add one in Atlas");
}

#[tokio::test]
async fn the_account_of_a_role_must_be_there_and_have_room() {
    let mount = TestMount::configured().await;
    let account = mount.atlas.make_account(100, json!({})).await;
    let shared = json!({
        "credential_type": "service_account", "client_id": account,
        "organization_id": mount.atlas.org(), "max_ttl": "8h",
    });
    mount.write("roles/r", shared).await.expect("a role");
    let found = check(&mount, "r").await;
    assert!(is_ok(&found), "{found:?}");
    assert_eq!(found["free_secrets"], 1);
    assert_warning(&found, "not issued here");
    mount.issue("r").await;
    let found = check(&mount, "r").await;
    assert_problem(&found, "holds 2 secrets");
    assert_eq!(found["free_secrets"], 0);
    mount.advance(std::time::Duration::from_hours(9)).await;
    assert!(is_ok(&check(&mount, "r").await), "ours has expired");
    let path = format!("/accounts/{account}");
    mount.atlas.control("DELETE", &path, Value::Null).await;
    assert_problem(
        &check(&mount, "r").await,
        "does not exist where the role says",
    );
}

#[tokio::test]
async fn what_the_credential_could_not_delete_is_never_made() {
    let mount = mount_of_key(&["ORG_MEMBER"], &["GROUP_OWNER"]).await;
    let found = check(&mount, "").await;
    assert!(is_ok(&found));
    assert_warning(&found, "not an Organization Owner");
    let of_project = json!({
        "organization_id": "", "project_id": mount.atlas.project(0), "roles": "GROUP_READ_ONLY",
    });
    for kind in ["programmatic_api_key", "service_account", "access_token"] {
        let mut of_kind = of_project.clone();
        of_kind["credential_type"] = json!(kind);
        role(&mount, of_kind).await;
        assert_problem(&check(&mount, "r").await, "could not delete");
        mount.atlas.forget_requests().await;
        let refused = mount.read("creds/r").await.expect_err("refused");
        assert!(
            matches!(&refused, Failure::BadRequest(text) if text.contains("Organization Owner")),
            "{refused}"
        );
        assert_eq!(mount.atlas.operations().await, json!({}));
    }
}

#[tokio::test]
async fn a_project_owner_serves_the_projects_accounts() {
    let mount = mount_of_key(&["ORG_MEMBER"], &["GROUP_OWNER"]).await;
    let project = mount.atlas.project(0).to_owned();
    let holder = json!({"project_roles": {project.clone(): ["GROUP_READ_ONLY"]}});
    let account = mount.atlas.make_account(0, holder).await;
    let shared = json!({
        "credential_type": "service_account", "client_id": account, "project_id": project,
        "max_ttl": "8h",
    });
    mount.write("roles/r", shared).await.expect("a role");
    let found = check(&mount, "r").await;
    assert!(is_ok(&found), "{found:?}");
    let (_, lease) = mount.issue("r").await;
    mount.revoke(&lease).await.expect("revoked");
    let mount = mount_of_key(&["ORG_MEMBER"], &["GROUP_READ_ONLY"]).await;
    let shared = json!({
        "credential_type": "service_account", "client_id": account,
        "project_id": mount.atlas.project(0), "max_ttl": "8h",
    });
    mount.write("roles/r", shared).await.expect("a role");
    assert_problem(&check(&mount, "r").await, "is not a Project Owner");
    let of_org = json!({"project_id": "", "organization_id": mount.atlas.org()});
    mount.write("roles/r", of_org).await.expect("a role");
    assert_problem(&check(&mount, "r").await, "cannot add secrets");
}

#[tokio::test]
async fn the_credential_is_looked_at_anew_by_every_write_of_config() {
    let mount = mount_of_key(&["ORG_MEMBER"], &[]).await;
    role(&mount, json!({})).await;
    mount.read("creds/r").await.expect_err("refused");
    mount.atlas.forget_requests().await;
    let again = mount.write("config", json!({})).await.expect("written");
    assert!(again.expect("an answer").warnings[0].contains("Organization Owner"));
    assert_eq!(mount.atlas.operations().await["getSystemStatus"], 1);
    let seed = mount.atlas.key_config();
    mount.write("config", seed).await.expect("configured");
    mount.issue("r").await;
}

#[tokio::test]
async fn a_service_account_that_may_not_read_itself_is_no_owner() {
    let mount = TestMount::new().await;
    let project = mount.atlas.project(0).to_owned();
    let holder = json!({"project_roles": {project.clone(): ["GROUP_OWNER"]}});
    let account = json!({
        "org_id": mount.atlas.org(), "org_roles": ["ORG_MEMBER"],
        "project_roles": holder["project_roles"],
    });
    let account = mount.atlas.control("POST", "/accounts", account).await;
    let mut config = mount.atlas.account_config();
    config["client_id"] = account["client_id"].clone();
    config["client_secret"] = account["client_secret"].clone();
    let written = mount.write("config", config).await.expect("configured");
    let warnings = written.expect("an answer").warnings;
    assert!(warnings[0].contains("Organization Owner"), "{warnings:?}");
    assert_eq!(check(&mount, "").await["organization_owner"], false);
    let served = mount.atlas.make_account(0, holder).await;
    let shared = json!({
        "credential_type": "service_account", "client_id": served, "project_id": project,
        "max_ttl": "8h",
    });
    mount.write("roles/r", shared).await.expect("a role");
    let found = check(&mount, "r").await;
    assert!(is_ok(&found), "{found:?}");
    assert_warning(
        &found,
        "does not show whether the credential is a Project Owner",
    );
    mount.issue("r").await;
}

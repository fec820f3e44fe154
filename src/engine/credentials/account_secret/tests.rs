//! One secret of an existing service account: added for a lease, found if its answer was lost,
//! deleted with the lease.

use futures_util::future::join_all;
use serde_json::Value;

use super::*;
use crate::base::Clock as _;
use crate::engine::testing::TestMount;
use crate::vault::Failure;

/// A mount with a role of an account that has as many hours of a stranger's secret, or none.
pub(super) async fn mount_with_account(secret_hours: u32) -> (TestMount, String) {
    let mount = TestMount::configured().await;
    let account = mount.atlas.make_account(secret_hours, json!({})).await;
    let role = json!({
        "credential_type": "service_account", "organization_id": mount.atlas.org(),
        "client_id": account, "ttl": "1h", "max_ttl": "24h",
    });
    mount.write("roles/shared", role).await.expect("a role");
    (mount, account)
}

async fn lose_answers(mount: &TestMount) {
    let fault = json!({
        "operation": "createOrgSecret", "action": {"kind": "lose_answer"},
    });
    mount.atlas.fault(fault).await;
}

#[tokio::test]
async fn ten_readers_of_two_places_get_two_secrets_and_eight_clear_errors() {
    let (mount, account) = mount_with_account(0).await;
    mount
        .atlas
        .settings(json!({ "secret_create_millis": 20 }))
        .await;
    let outcomes = join_all((0..10).map(|_| mount.read("creds/shared"))).await;
    let refused: Vec<_> = outcomes
        .iter()
        .filter_map(|each| each.as_ref().err())
        .collect();
    assert_eq!(refused.len(), 8);
    for failure in refused {
        assert!(
            matches!(failure, Failure::Coded { status: 429, text }
                if text.contains("holds 2 secrets") && text.contains("free at")),
            "{failure}"
        );
    }
    assert_eq!(mount.atlas.secrets(&account).await.len(), 2);
    assert_eq!(mount.journal_keys().len(), 2);
    let asked = mount.atlas.operations().await;
    assert_eq!(asked["createOrgSecret"], 2, "one at a time");
}

#[tokio::test]
async fn a_lease_is_one_secret_and_its_end_leaves_the_account_alone() {
    let (mount, account) = mount_with_account(9_000).await;
    let strangers = mount.atlas.secrets(&account).await;
    mount.atlas.forget_requests().await;
    let (data, lease) = mount.issue("shared").await;
    let asked = mount.atlas.operations().await;
    assert_eq!(
        asked,
        json!({"getOrgServiceAccount": 1, "createOrgSecret": 1})
    );
    assert_eq!(data["client_id"], account.as_str());
    assert_eq!(data["organization_id"], mount.atlas.org());
    assert!(!format!("{lease:?}").contains("mdb_sa_sk"));
    assert_eq!(lease.internal_data.get("client_secret"), None);
    for _ in 0..2 {
        mount
            .revoke(&lease)
            .await
            .expect("revoked, and gone is fine");
    }
    assert_eq!(mount.atlas.secrets(&account).await, strangers);
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

#[tokio::test]
async fn an_account_of_a_project_is_served_there() {
    let mount = TestMount::configured().await;
    let project = mount.atlas.project(0).to_owned();
    let holder = json!({
        "project_roles": {project.clone(): ["GROUP_READ_ONLY"]}, "home_project": project,
    });
    let account = mount.atlas.make_account(0, holder).await;
    let role = json!({
        "credential_type": "service_account", "project_id": project, "client_id": account,
    });
    mount.write("roles/shared", role).await.expect("a role");
    mount.atlas.forget_requests().await;
    let (data, lease) = mount.issue("shared").await;
    assert_eq!(data["project_id"], project.as_str());
    mount.revoke(&lease).await.expect("revoked");
    let asked = mount.atlas.operations().await;
    assert_eq!(asked["createGroupSecret"], 1);
    assert_eq!(asked["deleteGroupSecret"], 1);
    assert_eq!(mount.atlas.secrets(&account).await, Vec::<String>::new());
}

#[tokio::test]
async fn strangers_secrets_are_never_removed() {
    let (mount, account) = mount_with_account(8).await;
    let second = json!({"client_id": account, "hours": 100});
    mount.atlas.control("POST", "/secrets", second).await;
    mount.advance(Duration::from_hours(9)).await;
    let before = mount.atlas.secrets(&account).await;
    let failure = mount.read("creds/shared").await.expect_err("full");
    assert!(
        matches!(&failure, Failure::BadRequest(text) if text.contains("delete one in Atlas")),
        "{failure}"
    );
    assert_eq!(mount.atlas.secrets(&account).await, before);
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

#[tokio::test]
async fn an_expired_secret_of_ours_makes_room() {
    let (mount, account) = mount_with_account(0).await;
    let (_, lease) = mount.issue("shared").await;
    mount.issue("shared").await;
    mount.advance(Duration::from_hours(25)).await;
    mount.issue("shared").await;
    let secrets = mount.atlas.secrets(&account).await;
    assert_eq!(secrets.len(), 2);
    let first = lease.internal_data["secret_id"].as_str().expect("an id");
    assert!(!secrets.iter().any(|secret| secret == first));
    mount
        .revoke(&lease)
        .await
        .expect("gone is as good as revoked");
}

#[tokio::test]
async fn a_secret_whose_answer_was_lost_is_found_and_removed() {
    let (mount, account) = mount_with_account(9_000).await;
    let strangers = mount.atlas.secrets(&account).await;
    lose_answers(&mount).await;
    let failed = mount.read("creds/shared").await.expect_err("no answer");
    assert!(failed.to_string().contains("was removed"), "{failed}");
    assert_eq!(mount.atlas.secrets(&account).await, strangers);
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

/// The answer is lost and the process dies before it can look.
async fn crash_with_unknown_secret(mount: &mut TestMount) {
    lose_answers(mount).await;
    let fault = json!({
        "operation": "getOrgServiceAccount", "skip": 1, "count": 0,
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    });
    mount.atlas.fault(fault).await;
    mount.read("creds/shared").await.expect_err("no answer");
    mount.atlas.no_more_faults().await;
    mount.restart().await;
}

#[tokio::test]
async fn a_secret_left_by_a_crash_is_removed_by_a_tick() {
    let (mut mount, account) = mount_with_account(0).await;
    crash_with_unknown_secret(&mut mount).await;
    assert_eq!(mount.atlas.secrets(&account).await.len(), 1);
    mount.advance(Duration::from_secs(200)).await;
    mount.tick().await.expect("a tick");
    assert_eq!(mount.atlas.secrets(&account).await, Vec::<String>::new());
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

#[tokio::test]
async fn the_next_reader_settles_what_a_crash_left_and_gets_a_secret() {
    let (mut mount, account) = mount_with_account(9_000).await;
    crash_with_unknown_secret(&mut mount).await;
    assert_eq!(mount.atlas.secrets(&account).await.len(), 2, "no room");
    mount.issue("shared").await;
    assert_eq!(mount.atlas.secrets(&account).await.len(), 2);
    assert_eq!(mount.journal_keys().len(), 1);
}

#[tokio::test]
async fn storage_that_fails_at_any_write_leaves_no_secret_behind() {
    for writes in 0..4 {
        let (mount, account) = mount_with_account(0).await;
        mount.storage.fail_after(Some(writes));
        mount.read("creds/shared").await.expect_err("storage fails");
        let left = mount.atlas.secrets(&account).await;
        assert_eq!(left, Vec::<String>::new(), "{writes}");
        mount.storage.fail_after(None);
        mount.advance(Duration::from_secs(601)).await;
        mount.tick_for(2).await;
        assert_eq!(mount.journal_keys(), Vec::<String>::new(), "{writes}");
    }
}

#[tokio::test]
async fn a_change_by_others_at_the_same_time_is_waited_for() {
    let (mount, account) = mount_with_account(0).await;
    let busy = json!({
        "operation": "createOrgSecret", "count": 2,
        "action": {"kind": "answer", "status": 409, "code": "DATA_CONCURRENCY_ERROR"},
    });
    mount.atlas.fault(busy).await;
    mount.issue("shared").await;
    assert_eq!(mount.atlas.secrets(&account).await.len(), 1);
    assert_eq!(mount.atlas.operations().await["createOrgSecret"], 3);
}

#[tokio::test]
async fn a_renewal_never_reaches_past_what_atlas_says_now() {
    let (mount, account) = mount_with_account(0).await;
    let longer = json!({"max_ttl": "700h"});
    mount.write("roles/shared", longer).await.expect("a role");
    let (_, mut lease) = mount.issue("shared").await;
    lease.issue_time = Some(mount.clock.now());
    let renewed = mount.renew(&lease).await.expect("renewed").expect("lease");
    let limit = |renewed: &Response| renewed.secret.as_ref().expect("a lease").max_ttl;
    assert_eq!(limit(&renewed).as_secs().div_ceil(3_600), 700);
    let second = json!({"client_id": account, "hours": 800});
    mount.atlas.control("POST", "/secrets", second).await;
    let renewed = mount.renew(&lease).await.expect("renewed").expect("lease");
    assert_eq!(limit(&renewed).as_secs().div_ceil(3_600), 7 * 24);
    let secret = lease.internal_data["secret_id"].as_str().expect("an id");
    let path = format!("/secrets/{secret}");
    mount.atlas.control("DELETE", &path, Value::Null).await;
    let failure = mount.renew(&lease).await.expect_err("gone");
    assert!(
        failure.to_string().contains("was deleted in Atlas"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_role_that_would_change_the_account_is_not_stored() {
    let (mount, account) = mount_with_account(0).await;
    let stored = TestMount::data(mount.read("roles/shared").await);
    assert_eq!(stored["client_id"], account.as_str());
    let change = json!({"roles": "ORG_OWNER", "ip_addresses": "192.0.2.1"});
    let refused = mount.write("roles/shared", change).await;
    assert!(
        matches!(&refused, Err(Failure::BadRequest(text))
            if text.contains("roles: must be empty") && text.contains("ip_addresses: ")),
        "{refused:?}"
    );
    assert_eq!(TestMount::data(mount.read("roles/shared").await), stored);
}

#[tokio::test]
async fn an_unknown_account_is_named() {
    let (mount, account) = mount_with_account(0).await;
    let path = format!("/accounts/{account}");
    mount.atlas.control("DELETE", &path, Value::Null).await;
    let failure = mount.read("creds/shared").await.expect_err("unknown");
    assert!(
        matches!(&failure, Failure::BadRequest(text) if text.contains(&account)),
        "{failure}"
    );
}

//! Stories of access tokens, from first use to the end of their account.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::base::Clock as _;
use crate::engine::testing::TestMount;
use crate::vault::{Data, Failure, Secret};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

async fn mount() -> TestMount {
    let mount = TestMount::configured().await;
    let project = mount.atlas.project(0);
    let role = json!({
        "credential_type": "access_token", "organization_id": mount.atlas.org(),
        "project_id": project, "roles": "ORG_MEMBER", "project_roles": "GROUP_READ_ONLY",
        "ip_addresses": "192.0.2.1",
    });
    mount.write("roles/ci", role).await.expect("a role");
    mount
}

/// The client ids of the accounts that this mount made.
async fn kept(mount: &TestMount) -> Vec<String> {
    let state = mount.atlas.state().await;
    let accounts = state["accounts"].as_array().cloned().unwrap_or_default();
    let ours = accounts.iter().filter(|account| account["name"] != "seed");
    ours.filter_map(|account| account["client_id"].as_str().map(ToOwned::to_owned))
        .collect()
}

async fn live_tokens(mount: &TestMount) -> usize {
    let state = mount.atlas.state().await;
    state["tokens"].as_array().map_or(0, Vec::len)
}

fn keys_below(mount: &TestMount, prefix: &str) -> usize {
    let keys = mount.storage.keys();
    keys.iter().filter(|key| key.starts_with(prefix)).count()
}

/// Lets the periodic run come so often.
async fn ticks(mount: &TestMount, count: usize, every: Duration) {
    for _ in 0..count {
        mount.advance(every).await;
        mount.tick().await.expect("a tick");
    }
}

async fn delete_role(mount: &TestMount) {
    let deleted = mount
        .ask(crate::vault::Operation::Delete, "roles/ci", json!({}))
        .await;
    deleted.expect("deleted");
}

/// Nothing is left, in Atlas or here, once the role is gone and its tokens have ended.
async fn assert_role_goes_without_trace(mount: &TestMount) {
    delete_role(mount).await;
    ticks(mount, 4, Duration::from_secs(1_000)).await;
    assert_eq!(kept(mount).await, Vec::<String>::new());
    assert_eq!(keys_below(mount, "managed-accounts/"), 0);
}

fn account_of(data: &Data) -> &str {
    data["client_id"].as_str().expect("a client id")
}

#[tokio::test]
async fn first_readers_at_once_share_one_account_and_get_a_token_each() {
    let mount = mount().await;
    let answers = join_all((0..5).map(|_| mount.issue("ci"))).await;
    assert_eq!(kept(&mount).await.len(), 1);
    let asked = mount.atlas.operations().await;
    assert_eq!(asked["createOrgServiceAccount"], 1);
    assert_eq!(asked["oauthToken"], 5);
    assert_eq!(keys_below(&mount, "managed-accounts/"), 1);
    assert_eq!(keys_below(&mount, "issued/"), 6);
    for (data, lease) in &answers {
        assert_eq!(data["token_type"], "Bearer");
        assert!(!lease.renewable);
        assert!(lease.ttl > Duration::from_secs(3_500) && lease.ttl < HOUR);
        assert!(lease.max_ttl < HOUR);
        let shown = format!("{lease:?}");
        assert!(!shown.contains(data["access_token"].as_str().expect("a token")));
    }
    let account = mount.atlas.account_state(account_of(&answers[0].0)).await;
    assert_eq!(account["access_list"], json!(["192.0.2.1"]));
    let projects = json!({mount.atlas.project(0): ["GROUP_READ_ONLY"]});
    assert_eq!(account["project_roles"], projects);
    assert_role_goes_without_trace(&mount).await;
}

#[tokio::test]
async fn a_warm_role_costs_one_request() {
    let mount = mount().await;
    mount.issue("ci").await;
    mount.atlas.forget_requests().await;
    let (_, lease) = mount.issue("ci").await;
    mount.revoke(&lease).await.expect("revoked");
    let asked = mount.atlas.operations().await;
    assert_eq!(asked, json!({"oauthToken": 1, "oauthRevoke": 1}));
}

#[tokio::test]
async fn the_roles_ttl_shortens_the_lease() {
    let mount = mount().await;
    let short = json!({"ttl": "5m", "max_ttl": "10m"});
    mount.write("roles/ci", short).await.expect("a role");
    let (_, lease) = mount.issue("ci").await;
    assert_eq!((lease.ttl, lease.max_ttl), (5 * MINUTE, 10 * MINUTE));
    mount.system.set_ttls(MINUTE, HOUR);
    let unset = json!({"ttl": 0, "max_ttl": 0});
    mount.write("roles/ci", unset).await.expect("a role");
    let (_, lease) = mount.issue("ci").await;
    assert_eq!(lease.ttl, MINUTE);
}

#[tokio::test]
async fn revoking_ends_that_one_token() {
    let mount = mount().await;
    let (_, first) = mount.issue("ci").await;
    mount.issue("ci").await;
    assert_eq!(live_tokens(&mount).await, 2);
    for _ in 0..2 {
        mount
            .revoke(&first)
            .await
            .expect("revoked, and dead is fine");
    }
    assert_eq!(live_tokens(&mount).await, 1);
    assert_eq!(keys_below(&mount, "issued/"), 2);
}

#[tokio::test]
async fn a_token_is_revoked_without_its_role() {
    let mut mount = mount().await;
    let (_, lease) = mount.issue("ci").await;
    delete_role(&mount).await;
    mount.restart().await;
    ticks(&mount, 3, 4 * MINUTE).await;
    assert_eq!(
        live_tokens(&mount).await,
        1,
        "the account waits for its token"
    );
    mount.revoke(&lease).await.expect("revoked");
    assert_eq!(live_tokens(&mount).await, 0);
    ticks(&mount, 1, MINUTE).await;
    assert_eq!(kept(&mount).await, Vec::<String>::new());
    assert_eq!(
        mount.storage.keys(),
        ["config", "origins", "ownership-tag", "storage-version"]
    );
}

#[tokio::test]
async fn a_token_that_ended_with_its_account_or_on_its_own_counts_as_revoked() {
    let mount = mount().await;
    let (data, lease) = mount.issue("ci").await;
    let (_, late) = mount.issue("ci").await;
    mount.advance(HOUR).await;
    // Somebody asked Atlas for something, whose answer confirms the clock.
    mount.read("check").await.expect("checked");
    mount.atlas.forget_requests().await;
    mount.revoke(&late).await.expect("dead by itself");
    assert_eq!(mount.atlas.operations().await, json!({}));
    let path = format!("/accounts/{}", account_of(&data));
    let (_, young) = mount.issue("ci").await;
    mount.atlas.control("DELETE", &path, Value::Null).await;
    mount.revoke(&young).await.expect("dead with its account");
    mount.revoke(&lease).await.expect("dead");
    assert_eq!(keys_below(&mount, "issued/"), 1);
}

#[tokio::test]
async fn a_revocation_that_atlas_does_not_answer_is_tried_again() {
    let mount = mount().await;
    let (_, lease) = mount.issue("ci").await;
    let broken = json!({
        "operation": "oauthRevoke", "count": 0,
        "action": {"kind": "answer", "status": 400, "body": {"error": "invalid_request"}},
    });
    mount.atlas.fault(broken).await;
    let failed = mount.revoke(&lease).await.expect_err("not revoked");
    assert!(!failed.to_string().contains("eyJ"), "{failed}");
    assert_eq!(live_tokens(&mount).await, 1);
    mount.atlas.no_more_faults().await;
    mount.revoke(&lease).await.expect("revoked");
}

/// Mints as many tokens, at the pace that Atlas allows.
async fn mint(mount: &TestMount, count: usize) -> Vec<Secret> {
    let mut leases = Vec::new();
    for number in 0..count {
        if number % 10 == 9 {
            mount.advance(MINUTE).await;
        }
        leases.push(mount.issue("ci").await.1);
    }
    leases
}

#[tokio::test]
async fn the_hundred_and_first_live_token_is_refused_before_atlas_is_asked() {
    let mount = mount().await;
    let leases = mint(&mount, 100).await;
    mount.atlas.forget_requests().await;
    let failure = mount.read("creds/ci").await.expect_err("full");
    assert!(
        matches!(&failure, Failure::Coded { status: 429, text }
            if text.contains("100 active") && text.contains("ends at")),
        "{failure}"
    );
    assert_eq!(mount.atlas.operations().await, json!({}));
    mount.revoke(&leases[7]).await.expect("revoked");
    mount.advance(MINUTE).await;
    mount.issue("ci").await;
    mount.advance(HOUR).await;
    mount.issue("ci").await;
}

#[tokio::test]
async fn minting_too_fast_is_answered_429_past_the_callers_budget() {
    let mount = mount().await;
    for _ in 0..10 {
        mount.issue("ci").await;
    }
    let refused = mount.read_within("creds/ci", Duration::from_secs(2)).await;
    assert!(
        matches!(refused, Err(Failure::Coded { status: 429, .. })),
        "{refused:?}"
    );
    assert_eq!(live_tokens(&mount).await, 10);
    assert_eq!(keys_below(&mount, "issued/"), 11, "the place is free again");
    mount.advance(MINUTE).await;
    mount.issue("ci").await;
}

#[tokio::test]
async fn a_role_that_changes_gets_another_account_and_the_old_one_ends_with_its_tokens() {
    let mount = mount().await;
    let (old, lease) = mount.issue("ci").await;
    let wider = json!({"ip_addresses": "192.0.2.1,192.0.2.2"});
    mount.write("roles/ci", wider).await.expect("a role");
    let (new, _) = mount.issue("ci").await;
    assert_ne!(account_of(&old), account_of(&new));
    ticks(&mount, 2, 5 * MINUTE).await;
    assert_eq!(kept(&mount).await.len(), 2, "the old token lives");
    mount.revoke(&lease).await.expect("revoked");
    ticks(&mount, 1, MINUTE).await;
    assert_eq!(kept(&mount).await, [account_of(&new)]);
    let shorter = json!({"ttl": "5m"});
    mount.write("roles/ci", shorter).await.expect("a role");
    let (same, _) = mount.issue("ci").await;
    assert_eq!(account_of(&same), account_of(&new), "its reach is the same");
    assert_role_goes_without_trace(&mount).await;
}

#[tokio::test]
async fn a_role_made_anew_under_the_same_name_does_not_keep_the_old_account() {
    let mount = mount().await;
    let stored = TestMount::data(mount.read("roles/ci").await);
    let (old, _) = mount.issue("ci").await;
    delete_role(&mount).await;
    mount
        .write("roles/ci", Value::Object(stored))
        .await
        .expect("a role");
    let (new, _) = mount.issue("ci").await;
    assert_ne!(account_of(&old), account_of(&new));
    ticks(&mount, 2, 31 * MINUTE).await;
    assert_eq!(kept(&mount).await, [account_of(&new)]);
}

#[tokio::test]
async fn a_role_that_issues_something_else_loses_its_account() {
    let mount = mount().await;
    mount.issue("ci").await;
    let other = json!({"credential_type": "programmatic_api_key"});
    mount.write("roles/ci", other).await.expect("a role");
    ticks(&mount, 4, 20 * MINUTE).await;
    assert_eq!(kept(&mount).await, Vec::<String>::new());
    assert_eq!(keys_below(&mount, "managed-accounts/"), 0);
}

#[tokio::test]
async fn the_secret_is_renewed_in_time_and_the_old_one_waits_for_its_tokens() {
    let mount = mount().await;
    let (data, _) = mount.issue("ci").await;
    let account = account_of(&data).to_owned();
    let first = mount.atlas.secrets(&account).await;
    mount.advance(Duration::from_hours(111)).await;
    mount.issue("ci").await;
    assert_eq!(mount.atlas.secrets(&account).await, first, "not yet due");
    mount.advance(2 * HOUR).await;
    let (_, of_old) = mount.issue("ci").await;
    ticks(&mount, 5, MINUTE).await;
    let both = mount.atlas.secrets(&account).await;
    assert_eq!(both.len(), 2, "a token of the old one lives");
    let (_, of_new) = mount.issue("ci").await;
    assert_eq!(live_tokens(&mount).await, 2);
    mount
        .revoke(&of_old)
        .await
        .expect("revoked with the new secret");
    ticks(&mount, 1, MINUTE).await;
    let left = mount.atlas.secrets(&account).await;
    assert!(left.len() == 1 && left != first);
    assert_eq!(live_tokens(&mount).await, 1);
    mount.revoke(&of_new).await.expect("revoked");
}

#[tokio::test]
async fn a_token_is_revoked_with_an_older_secret_where_the_newest_is_gone() {
    let mount = mount().await;
    let (data, _) = mount.issue("ci").await;
    mount.advance(Duration::from_hours(113)).await;
    let (_, of_old) = mount.issue("ci").await;
    ticks(&mount, 5, MINUTE).await;
    let newest = mount.atlas.secrets(account_of(&data)).await.remove(1);
    let path = format!("/secrets/{newest}");
    mount.atlas.control("DELETE", &path, Value::Null).await;
    mount.revoke(&of_old).await.expect("revoked");
    assert_eq!(live_tokens(&mount).await, 0);
}

#[tokio::test]
async fn a_role_that_slept_longer_than_its_secret_wakes_up() {
    let mount = mount().await;
    let (data, _) = mount.issue("ci").await;
    mount.advance(Duration::from_hours(400)).await;
    let (again, _) = mount.issue("ci").await;
    assert_eq!(account_of(&data), account_of(&again));
    ticks(&mount, 1, 4 * MINUTE).await;
    assert_eq!(mount.atlas.secrets(account_of(&data)).await.len(), 1);
}

#[tokio::test]
async fn the_organizations_longest_secret_is_kept_to() {
    let mount = mount().await;
    let shorter = json!({"maxServiceAccountSecretValidityInHours": 9});
    mount.atlas.change_organization(shorter).await;
    let (data, _) = mount.issue("ci").await;
    let account = mount.atlas.account_state(account_of(&data)).await;
    let end = account["secrets"][0]["expires_at"]
        .as_str()
        .expect("an end");
    let end: chrono::DateTime<chrono::Utc> = end.parse().expect("a time");
    // Atlas's clock goes on while ours stands still.
    let minutes = (end - mount.clock.now()).num_minutes();
    assert!((530..550).contains(&minutes), "{minutes}");
}

#[tokio::test]
async fn a_secret_whose_answer_was_lost_is_removed_with_the_next_one() {
    let mount = mount().await;
    let (data, _) = mount.issue("ci").await;
    let account = account_of(&data);
    mount.advance(Duration::from_hours(113)).await;
    let fault = json!({"operation": "createOrgSecret", "action": {"kind": "lose_answer"}});
    mount.atlas.fault(fault).await;
    mount.tick().await.expect_err("no answer");
    assert_eq!(mount.atlas.secrets(account).await.len(), 2);
    ticks(&mount, 5, MINUTE).await;
    assert_eq!(mount.atlas.secrets(account).await.len(), 1);
    mount.issue("ci").await;
}

#[tokio::test]
async fn an_account_or_secret_that_others_deleted_is_made_anew() {
    let mount = mount().await;
    let (first, _) = mount.issue("ci").await;
    mount.advance(5 * MINUTE).await;
    let path = format!("/accounts/{}", account_of(&first));
    mount.atlas.control("DELETE", &path, Value::Null).await;
    let (second, _) = mount.issue("ci").await;
    assert_eq!(kept(&mount).await, [account_of(&second)]);
    mount.advance(5 * MINUTE).await;
    let secret = mount.atlas.secrets(account_of(&second)).await.remove(0);
    let path = format!("/secrets/{secret}");
    mount.atlas.control("DELETE", &path, Value::Null).await;
    let (third, _) = mount.issue("ci").await;
    assert_eq!(account_of(&third), account_of(&second));
    assert_role_goes_without_trace(&mount).await;
}

/// An account that Atlas neither shows nor takes yet is not taken for lost.
#[tokio::test]
async fn an_account_that_takes_its_time_is_not_lost_sight_of() {
    let mount = TestMount::configured().await;
    let role = json!({
        "credential_type": "access_token", "organization_id": mount.atlas.org(),
        "roles": "ORG_MEMBER",
    });
    mount.write("roles/ci", role).await.expect("a role");
    let slow = json!({
        "new_credential_delay_seconds": 40, "read_lag_after_create_seconds": 40,
    });
    mount.atlas.set(slow).await;
    for _ in 0..2 {
        mount.read("creds/ci").await.expect_err("not taken yet");
    }
    assert_eq!(kept(&mount).await.len(), 1);
    mount.advance(MINUTE).await;
    mount.issue("ci").await;
    assert_eq!(kept(&mount).await.len(), 1);
    assert_role_goes_without_trace(&mount).await;
}

#[tokio::test]
async fn a_new_secret_may_take_a_moment() {
    let mount = mount().await;
    let refused = json!({
        "operation": "oauthToken",
        "action": {"kind": "answer", "status": 401, "body": {"error": "invalid_client"}},
    });
    mount.atlas.fault(refused).await;
    mount.issue("ci").await;
    assert_eq!(kept(&mount).await.len(), 1);
}

/// Whatever write fails, and whether or not the process dies after it, no account is lost sight of.
#[tokio::test]
async fn storage_that_fails_at_any_write_loses_no_account() {
    for writes in 0..9 {
        for crash in [false, true] {
            let mut mount = mount().await;
            mount.storage.fail_after(Some(writes));
            let outcome = mount.read("creds/ci").await;
            mount.storage.fail_after(None);
            if crash {
                mount.restart().await;
            }
            ticks(&mount, 2, 6 * MINUTE).await;
            let accounts = kept(&mount).await;
            let stored = keys_below(&mount, "managed-accounts/");
            assert_eq!(accounts.len(), stored, "{writes}, {crash}: {outcome:?}");
            mount.issue("ci").await;
            assert_eq!(kept(&mount).await.len(), 1, "{writes}, {crash}");
            assert_role_goes_without_trace(&mount).await;
        }
    }
}

#[tokio::test]
async fn an_account_whose_answer_was_lost_is_removed() {
    let mount = mount().await;
    let fault = json!({"operation": "createOrgServiceAccount", "action": {"kind": "lose_answer"}});
    mount.atlas.fault(fault).await;
    mount.read("creds/ci").await.expect_err("no answer");
    assert_eq!(kept(&mount).await, Vec::<String>::new());
    assert_eq!(keys_below(&mount, "issued/"), 0);
}

#[tokio::test]
async fn a_configuration_with_managed_accounts_is_not_deleted_by_accident() {
    let mount = mount().await;
    let (_, lease) = mount.issue("ci").await;
    mount.revoke(&lease).await.expect("revoked");
    let delete = |data| mount.ask(crate::vault::Operation::Delete, "config", data);
    let refused = delete(json!({})).await.expect_err("refused");
    assert!(
        refused.to_string().contains("managed for roles"),
        "{refused}"
    );
    delete(json!({"force": true})).await.expect("deleted");
}

#[tokio::test]
async fn a_token_whose_answer_was_lost_counts_until_it_is_dead() {
    let mount = mount().await;
    mount.issue("ci").await;
    let lost = json!({"operation": "oauthToken", "count": 0, "action": {"kind": "malformed_json"}});
    mount.atlas.fault(lost).await;
    mount.read("creds/ci").await.expect_err("no token");
    mount.atlas.no_more_faults().await;
    ticks(&mount, 2, 20 * MINUTE).await;
    assert_eq!(keys_below(&mount, "issued/"), 3);
    ticks(&mount, 1, 30 * MINUTE).await;
    assert_eq!(
        keys_below(&mount, "issued/"),
        2,
        "the account's and the lease's"
    );
}

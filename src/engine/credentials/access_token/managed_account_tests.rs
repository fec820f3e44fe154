//! Stories of the accounts that are kept for access tokens: beside the journal's work, and at the end
//! of their mount.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::testing::TestMount;
use crate::vault::{Failure, Operation};

const HOUR: Duration = Duration::from_hours(1);

/// A mount with the role `reader` of access tokens.
async fn mount(fields: Value) -> TestMount {
    let mut role = json!({ "credential_type": "access_token" });
    for (key, value) in fields.as_object().into_iter().flatten() {
        role[key] = value.clone();
    }
    TestMount::with_role(role).await
}

fn stored(mount: &TestMount) -> usize {
    let keys = mount.storage.keys();
    keys.iter()
        .filter(|key| key.starts_with("managed-accounts/"))
        .count()
}

async fn hold(mount: &TestMount) {
    let hold = json!({ "hold": true });
    mount.write("config", hold).await.expect("held");
}

async fn tidy(mount: &TestMount) -> u64 {
    let tidied = mount.write("tidy", json!({ "dry_run": false })).await;
    TestMount::data(tidied)["removed_count"]
        .as_u64()
        .expect("a number")
}

#[tokio::test]
async fn max_live_counts_tokens_and_not_their_account() {
    let mount = mount(json!({ "max_live": 2 })).await;
    mount.issue("reader").await;
    let (_, lease) = mount.issue("reader").await;
    let refused = mount.read("creds/reader").await.expect_err("full");
    assert!(
        matches!(&refused, Failure::Coded { status: 429, text } if text.contains("2 active credentials")),
        "{refused}"
    );
    assert_eq!(mount.figure("entries", "managed").await, 1);
    assert_eq!(mount.figure("entries", "active").await, 2);
    mount.revoke(&lease).await.expect("revoked");
    mount.issue("reader").await;
}

#[tokio::test]
async fn a_token_that_outlived_its_lease_is_forgotten_and_its_account_stays() {
    let mut mount = mount(json!({})).await;
    mount.issue("reader").await;
    mount.advance(HOUR * 3).await;
    mount.atlas.forget_requests().await;
    mount.tick().await.expect("a tick");
    // Its time alone is asked of Atlas, whose answer decides whether the clock is right.
    let asked = mount.atlas.operations().await;
    let names: Vec<_> = asked
        .as_object()
        .into_iter()
        .flat_map(|asked| asked.keys())
        .collect();
    assert_eq!(names, ["getSystemStatus"]);
    assert_eq!(mount.journal_keys().len(), 1);
    mount.advance(HOUR * 400).await;
    hold(&mount).await;
    mount.restart().await;
    mount.advance(HOUR).await;
    let let_go = json!({ "hold": false });
    mount.write("config", let_go).await.expect("let go");
    mount.tick_for(2).await;
    assert_eq!(mount.atlas.credentials().await.len(), 1);
    assert_eq!((mount.journal_keys().len(), stored(&mount)), (1, 1));
}

#[tokio::test]
async fn tidy_leaves_an_account_alone_while_its_role_names_it() {
    let mut mount = mount(json!({})).await;
    mount.issue("reader").await;
    mount.advance(HOUR * 2).await;
    assert_eq!(tidy(&mount).await, 0);
    for key in mount.journal_keys() {
        mount.storage.unplant(&key);
    }
    mount.restart().await;
    assert_eq!(tidy(&mount).await, 0);
    assert_eq!(mount.atlas.credentials().await.len(), 1);
    mount.storage.unplant("managed-accounts/reader");
    assert_eq!(tidy(&mount).await, 1);
    assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
}

/// Without a list or projects the entry does not hold the account's id before the last write.
#[tokio::test]
async fn an_account_that_is_stored_stays_whatever_write_of_its_entry_fails() {
    for writes in 0..5 {
        let mut mount = mount(json!({ "ip_addresses": "" })).await;
        mount.storage.fail_after(Some(writes));
        let outcome = mount.read("creds/reader").await;
        mount.storage.fail_after(None);
        mount.restart().await;
        mount.tick_for(13).await;
        let accounts = mount.atlas.credentials().await.len();
        assert_eq!(accounts, stored(&mount), "{writes}: {outcome:?}");
        assert_eq!(mount.figure("entries", "pending").await, 0, "{writes}");
        mount.issue("reader").await;
        assert_eq!(mount.atlas.credentials().await.len(), 1, "{writes}");
    }
}

#[tokio::test]
async fn held_deletions_hold_the_end_of_an_account() {
    let mount = mount(json!({})).await;
    let (_, lease) = mount.issue("reader").await;
    mount.revoke(&lease).await.expect("revoked");
    hold(&mount).await;
    let deleted = mount.ask(Operation::Delete, "roles/reader", json!({}));
    deleted.await.expect("deleted");
    mount.tick_for(10).await;
    assert_eq!(mount.atlas.credentials().await.len(), 1);
}

#[tokio::test]
async fn a_disabled_mount_leaves_no_account_behind_live_tokens_or_not() {
    let mut mount = mount(json!({})).await;
    let (_, first) = mount.issue("reader").await;
    mount
        .write_reader(json!({ "credential_type": "access_token", "ip_addresses": "192.0.2.9" }))
        .await;
    let (_, second) = mount.issue("reader").await;
    assert_eq!(mount.atlas.credentials().await.len(), 2, "one is retired");
    hold(&mount).await;
    mount.restart().await;
    mount.system.set_tainted(true);
    mount.tick().await.expect("a last tick");
    assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
    assert_eq!(stored(&mount), 0);
    for lease in [first, second] {
        mount.revoke(&lease).await.expect("dead with its account");
    }
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
    let refused = mount.read("creds/reader").await.expect_err("disabled");
    assert!(refused.to_string().contains("being disabled"), "{refused}");
    assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_the_last_periodic_run_could_not_delete_is_deleted_with_a_revocation() {
    let mount = mount(json!({})).await;
    let (_, lease) = mount.issue("reader").await;
    let refusal = json!({
        "operation": "deleteOrgServiceAccount", "count": 0,
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    });
    mount.atlas.fault(refusal).await;
    mount.system.set_tainted(true);
    mount.tick().await.expect_err("the host logs it");
    mount.revoke(&lease).await.expect_err("still there");
    mount.atlas.no_more_faults().await;
    mount.revoke(&lease).await.expect("revoked");
    assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

/// The account is the engine's own, yet a secret that somebody added to it and uses is not.
#[tokio::test]
async fn a_strangers_secret_of_a_managed_account_is_left_alone() {
    let mount = mount(json!({})).await;
    let (data, _) = mount.issue("reader").await;
    let client_id = data["client_id"].as_str().expect("an id");
    let wanted = json!({"client_id": client_id});
    let made = mount.atlas.control("POST", "/secrets", wanted).await;
    let value = made["client_secret"].as_str().expect("a secret");
    assert!(mount.atlas.mints(client_id, value).await);
    mount.advance(HOUR * 24 * 5).await;
    let _ = mount.tick().await;
    assert!(mount.atlas.mints(client_id, value).await);
}

#[tokio::test]
async fn a_managed_accounts_secret_whose_answer_was_lost_is_deleted() {
    let mount = mount(json!({})).await;
    let (data, _) = mount.issue("reader").await;
    let client_id = data["client_id"].as_str().expect("an id").to_owned();
    mount.advance(HOUR * 24 * 5).await;
    let lost = json!({"operation": "createOrgSecret", "action": {"kind": "lose_answer"}});
    mount.atlas.fault(lost).await;
    mount.tick().await.expect_err("no answer");
    let before = mount.atlas.secrets(&client_id).await;
    assert_eq!(before.len(), 2);
    mount.tick_for(1).await;
    let after = mount.atlas.secrets(&client_id).await;
    assert_eq!(after.len(), 2);
    assert!(!after.contains(&before[1]), "{before:?} {after:?}");
}

/// Atlas may not know yet everywhere what it made a moment ago. How long ago that was is not told by a
/// clock that somebody sets.
#[tokio::test]
async fn a_clock_that_is_ahead_gives_up_no_new_secret() {
    for restarts in [false, true] {
        let mut mount = mount(json!({})).await;
        mount.issue("reader").await;
        let before = mount.storage.value("managed-accounts/reader");
        mount.clock.jump(chrono::TimeDelta::minutes(4));
        if restarts {
            mount.restart().await;
        }
        let unknown = json!({
            "operation": "oauthToken", "count": 0,
            "action": {"kind": "answer", "status": 401, "body": {"error": "invalid_client"}},
        });
        let unlisted = json!({
            "operation": "getOrgServiceAccount", "count": 0,
            "action": {
                "kind": "answer", "status": 200,
                "body": {"clientId": client_id(&mount), "secrets": []},
            },
        });
        mount.atlas.fault(unknown).await;
        mount.atlas.fault(unlisted).await;
        mount.read("creds/reader").await.expect_err("refused");
        assert_eq!(mount.storage.value("managed-accounts/reader"), before);
        // In time it is believed, whatever the wall clock says.
        mount.clock.jump(-chrono::TimeDelta::hours(1));
        mount.advance(Duration::from_mins(3)).await;
        mount.read("creds/reader").await.expect_err("refused");
        assert_ne!(mount.storage.value("managed-accounts/reader"), before);
    }
}

fn client_id(mount: &TestMount) -> Value {
    let stored = mount.storage.value("managed-accounts/reader");
    let stored: Value = serde_json::from_slice(&stored).expect("JSON");
    stored["current"]["client_id"].clone()
}

/// Atlas has not told its time, so that nobody can tell when the request was there.
#[tokio::test]
async fn a_managed_accounts_secret_that_cannot_be_distinguished_from_a_strangers_is_shown_in_status()
 {
    let mount = mount(json!({})).await;
    let (data, _) = mount.issue("reader").await;
    let client_id = data["client_id"].as_str().expect("an id").to_owned();
    mount.atlas.settings(json!({"date_header": false})).await;
    mount.advance(HOUR * 24 * 5).await;
    let lost = json!({"operation": "createOrgSecret", "action": {"kind": "lose_answer"}});
    mount.atlas.fault(lost).await;
    mount.tick().await.expect_err("no answer");
    mount.advance(Duration::from_mins(1)).await;
    let _ = mount.tick().await;
    let made = mount.atlas.secrets(&client_id).await;
    assert_eq!(made.len(), 2, "none is deleted");
    let status = TestMount::data(mount.read("status").await);
    let entry = "managed-accounts/reader";
    assert_eq!(
        status["ambiguous_secrets"],
        json!({
            "count": 1,
            "secrets": [{"entry": entry, "client_id": client_id, "candidates": [made[1]]}],
        })
    );
}

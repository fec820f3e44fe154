//! Stories of secrets that nobody holds, in an account that others hold too.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::testing::TestMount;

const HOUR: Duration = Duration::from_hours(1);

/// A mount with a role of an account that has as many hours of a stranger's secret, or none.
async fn mount(secret_hours: u32) -> (TestMount, String) {
    let mount = TestMount::configured().await;
    let account = mount.atlas.make_account(secret_hours, json!({})).await;
    let role = json!({
        "credential_type": "service_account", "organization_id": mount.atlas.org(),
        "client_id": account, "ttl": "1h", "max_ttl": "24h",
    });
    mount.write("roles/shared", role).await.expect("a role");
    (mount, account)
}

/// Atlas fails so that nobody knows whether it made a secret; it did not.
async fn fail_to_issue(mount: &TestMount) {
    let fault = json!({
        "operation": "createOrgSecret", "count": 0, "action": {"kind": "answer", "status": 500},
    });
    mount.atlas.fault(fault).await;
    mount.read("creds/shared").await.expect_err("no answer");
    mount.atlas.no_more_faults().await;
    assert_eq!(mount.journal_keys().len(), 1);
}

/// Atlas makes a secret, the answer is lost, and the account cannot be read after.
async fn lose_a_secret(mount: &TestMount, account: &str) {
    let lost = json!({ "operation": "createOrgSecret", "action": {"kind": "lose_answer"} });
    let unreadable = json!({
        "operation": "getOrgServiceAccount", "skip": 1, "count": 0,
        "action": {"kind": "answer", "status": 403},
    });
    mount.atlas.fault(lost).await;
    mount.atlas.fault(unreadable).await;
    mount.read("creds/shared").await.expect_err("no answer");
    mount.atlas.no_more_faults().await;
    assert_eq!(mount.atlas.secrets(account).await.len(), 1);
}

async fn strangers_secret(mount: &TestMount, account: &str) -> String {
    let secret = json!({"client_id": account, "hours": 800});
    let made = mount.atlas.control("POST", "/secrets", secret).await;
    made["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_strangers_secret_of_later_is_not_taken_for_a_lost_one() {
    let (mut mount, account) = mount(0).await;
    fail_to_issue(&mount).await;
    mount.turn(Duration::from_mins(6)).await;
    let secret = strangers_secret(&mount, &account).await;
    mount.restart().await;
    mount.tick_for(8).await;
    assert_eq!(mount.atlas.secrets(&account).await, [secret]);
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

#[tokio::test]
async fn of_two_that_may_be_the_lost_one_none_is_deleted_not_even_the_last() {
    let (mut mount, account) = mount(0).await;
    fail_to_issue(&mount).await;
    let first = strangers_secret(&mount, &account).await;
    let second = strangers_secret(&mount, &account).await;
    mount.tick_for(1).await;
    let status = TestMount::data(mount.read("status").await);
    let error = status["journal"]["errors"][0]["error"].as_str();
    let told = error.unwrap_or_default();
    assert!(
        told.contains(&first) && told.contains("none was deleted"),
        "{status:?}"
    );
    assert_eq!(mount.atlas.secrets(&account).await.len(), 2);
    let path = format!("/secrets/{first}");
    mount.atlas.control("DELETE", &path, Value::Null).await;
    mount.restart().await;
    mount.tick_for(13).await;
    assert_eq!(mount.atlas.secrets(&account).await, [second]);
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

#[tokio::test]
async fn an_entry_of_a_secret_that_was_not_asked_for_takes_none() {
    let (mut mount, account) = mount(0).await;
    let refused = json!({
        "operation": "getOrgServiceAccount", "action": {"kind": "answer", "status": 403},
    });
    mount.atlas.fault(refused).await;
    mount.storage.fail_after(Some(2));
    mount.read("creds/shared").await.expect_err("no account");
    mount.storage.fail_after(None);
    assert_eq!(mount.journal_keys().len(), 1);
    let secret = strangers_secret(&mount, &account).await;
    mount.restart().await;
    mount.tick_for(13).await;
    assert_eq!(mount.atlas.secrets(&account).await, [secret]);
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

/// A tick that looks for the lost one while a reader settles it and gets another.
#[tokio::test]
async fn a_tick_does_not_take_a_readers_new_secret_for_the_lost_one() {
    let (mount, account) = mount(0).await;
    lose_a_secret(&mount, &account).await;
    let slow = json!({
        "operation": "getOrgServiceAccount", "action": {"kind": "delay", "seconds": 1.0},
    });
    mount.atlas.fault(slow).await;
    let reading = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        mount.issue("shared").await
    };
    let (ticked, (_, lease)) = tokio::join!(mount.tick(), reading);
    ticked.expect("a tick");
    let leased = lease.internal_data["secret_id"].clone();
    assert_eq!(json!(mount.atlas.secrets(&account).await), json!([leased]));
    assert_eq!(mount.journal_keys().len(), 1);
}

/// After a restore from a snapshot, what looks lost may have been handed out since.
#[tokio::test]
async fn held_deletions_hold_what_a_reader_would_have_to_delete_first() {
    let (mount, account) = mount(0).await;
    lose_a_secret(&mount, &account).await;
    let hold = |on: bool| mount.write("config", json!({ "hold": on }));
    hold(true).await.expect("held");
    let failure = mount.read("creds/shared").await.expect_err("held");
    assert!(failure.to_string().contains("hold "), "{failure}");
    assert_eq!(mount.atlas.secrets(&account).await.len(), 1);
    hold(false).await.expect("not held");
    mount.issue("shared").await;
    assert_eq!(mount.atlas.secrets(&account).await.len(), 1);
}

#[tokio::test]
async fn a_secret_that_outlived_its_lease_is_deleted_and_no_other() {
    let (mount, account) = mount(800).await;
    let strangers = mount.atlas.secrets(&account).await;
    mount.issue("shared").await;
    mount.turn(HOUR * 24).await;
    mount.tick().await.expect("a tick");
    assert_eq!(mount.atlas.secrets(&account).await.len(), 2);
    mount.turn(HOUR + Duration::from_mins(1)).await;
    mount.tick().await.expect("a tick");
    assert_eq!(mount.atlas.secrets(&account).await, strangers);
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
    assert_eq!(mount.figure("reaper", "deleted").await, 1);
}

#[tokio::test]
async fn tidy_misses_a_secret_that_is_gone() {
    let (mount, _) = mount(0).await;
    let (_, lease) = mount.issue("shared").await;
    mount.turn(HOUR * 2).await;
    let tidied = TestMount::data(mount.write("tidy", json!({})).await);
    assert_eq!(tidied["missing_count"], 0);
    let secret = lease.internal_data["secret_id"].as_str().expect("an id");
    let path = format!("/secrets/{secret}");
    mount.atlas.control("DELETE", &path, Value::Null).await;
    let tidied = TestMount::data(mount.write("tidy", json!({})).await);
    assert_eq!(tidied["missing_count"], 1);
    assert_eq!(tidied["not_compared_count"], 0);
}

#[tokio::test]
async fn an_expired_secret_is_not_renewed_for_the_mounts_longest_time() {
    let (mount, _) = mount(0).await;
    let (_, mut lease) = mount.issue("shared").await;
    lease.issue_time = Some(mount.now());
    mount.turn(HOUR * 25).await;
    let failure = mount.renew(&lease).await.expect_err("expired");
    assert!(failure.to_string().contains("has expired"), "{failure}");
}

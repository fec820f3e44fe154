//! Stories of secrets that nobody holds, in an account that others hold too.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::tests::mount_with_account;
use crate::engine::testing::TestMount;

const HOUR: Duration = Duration::from_hours(1);

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

async fn strangers_secret(mount: &TestMount, account: &str) -> String {
    let secret = json!({"client_id": account, "hours": 800});
    let made = mount.atlas.control("POST", "/secrets", secret).await;
    made["id"].as_str().expect("an id").to_owned()
}

/// The journal entry of the request that got no answer.
fn entry(mount: &TestMount) -> Value {
    let [key] = mount.journal_keys().try_into().expect("one entry");
    serde_json::from_slice(&mount.storage.value(&key)).expect("json")
}

/// A stranger's secret, made so many seconds after the request that got no answer was sent.
async fn secret_made_after(mount: &TestMount, account: &str, seconds: i64) -> Value {
    let request = entry(mount)["part"]["secret"]["request"].clone();
    let sent_at: DateTime<Utc> = serde_json::from_value(request["sent_at"].clone()).expect("one");
    let ahead = request["atlas_ahead_ms"]
        .as_i64()
        .expect("Atlas told its time");
    let made_at = sent_at + TimeDelta::milliseconds(ahead) + TimeDelta::seconds(seconds);
    let secret = json!({"client_id": account, "hours": 800, "created_at": made_at});
    mount.atlas.control("POST", "/secrets", secret).await
}

async fn ambiguous(mount: &TestMount) -> Value {
    let status = TestMount::data(mount.read("status").await);
    status["ambiguous_secrets"].clone()
}

/// Made by hand while the request was under way, and at work since.
#[tokio::test]
async fn a_strangers_secret_that_was_used_is_not_the_lost_one() {
    let (mut mount, account) = mount_with_account(0).await;
    fail_to_issue(&mount).await;
    let made = secret_made_after(&mount, &account, 0).await;
    let value = made["client_secret"].as_str().expect("a secret");
    assert!(mount.atlas.mints(&account, value).await);
    mount.tick_for(2).await;
    mount.restart().await;
    mount.tick_for(13).await;
    assert!(mount.atlas.mints(&account, value).await);
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

#[tokio::test]
async fn a_strangers_secret_from_before_or_after_the_request_is_not_the_lost_one() {
    let (mount, account) = mount_with_account(0).await;
    fail_to_issue(&mount).await;
    let mut secrets = Vec::new();
    for seconds in [-4, 120] {
        let made = secret_made_after(&mount, &account, seconds).await;
        secrets.push(made["id"].as_str().expect("an id").to_owned());
    }
    mount.tick_for(13).await;
    assert_eq!(mount.atlas.secrets(&account).await, secrets);
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

/// It is Atlas's clock that dates its secrets.
#[tokio::test]
async fn a_lost_secret_is_found_however_wrong_our_clock_is() {
    let (mount, account) = mount_with_account(0).await;
    mount.clock.jump(TimeDelta::hours(3));
    assert_eq!(mount.lose_a_secret(&account).await, 1);
    mount.tick_for(2).await;
    assert_eq!(mount.atlas.secrets(&account).await, Vec::<String>::new());
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

#[tokio::test]
async fn without_atlas_time_a_person_decides() {
    let (mut mount, account) = mount_with_account(0).await;
    mount.atlas.set(json!({ "date_header": false })).await;
    mount.restart().await;
    assert_eq!(mount.lose_a_secret(&account).await, 1);
    let key = mount.journal_keys().remove(0);
    mount.atlas.set(json!({ "date_header": true })).await;
    mount.tick_for(13).await;
    let [secret] = mount
        .atlas
        .secrets(&account)
        .await
        .try_into()
        .expect("it stays");
    let told = ambiguous(&mount).await;
    assert_eq!(told["count"], 1, "{told}");
    let listed = json!({ "entry": key, "client_id": account, "candidates": [secret] });
    assert_eq!(told["secrets"][0], listed);
    let failure = mount.read("creds/shared").await.expect_err("not settled");
    assert!(
        failure.to_string().contains("none was deleted"),
        "{failure}"
    );
    let path = format!("/secrets/{secret}");
    mount.atlas.control("DELETE", &path, Value::Null).await;
    mount.tick_for(70).await;
    assert_eq!(ambiguous(&mount).await["count"], 0);
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
    mount.issue("shared").await;
}

/// As earlier versions stored it: nothing says when the request was sent by Atlas's clock.
#[tokio::test]
async fn an_older_entry_is_left_to_a_person() {
    let (mut mount, account) = mount_with_account(0).await;
    assert_eq!(mount.lose_a_secret(&account).await, 1);
    let mut stored = entry(&mount);
    let part = stored["part"]["secret"].as_object_mut().expect("a secret");
    part.remove("request").expect("a request");
    let key = mount.journal_keys().remove(0);
    mount.storage.plant(&key, stored.to_string().as_bytes());
    mount.restart().await;
    mount.tick_for(13).await;
    assert_eq!(mount.atlas.secrets(&account).await.len(), 1);
    assert_eq!(ambiguous(&mount).await["count"], 1);
}

#[tokio::test]
async fn a_later_secret_of_a_stranger_is_not_taken_for_a_lost_one() {
    let (mut mount, account) = mount_with_account(0).await;
    fail_to_issue(&mount).await;
    mount.advance(Duration::from_mins(6)).await;
    let secret = strangers_secret(&mount, &account).await;
    mount.restart().await;
    mount.tick_for(8).await;
    assert_eq!(mount.atlas.secrets(&account).await, [secret]);
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

#[tokio::test]
async fn of_two_that_may_be_the_lost_one_none_is_deleted_not_even_the_last() {
    let (mut mount, account) = mount_with_account(0).await;
    fail_to_issue(&mount).await;
    let first = secret_made_after(&mount, &account, 0).await["id"].clone();
    let second = secret_made_after(&mount, &account, 0).await["id"].clone();
    let (first, second) = (
        first.as_str().expect("an id"),
        second.as_str().expect("an id"),
    );
    mount.tick_for(1).await;
    let status = TestMount::data(mount.read("status").await);
    let error = status["journal"]["errors"][0]["error"].as_str();
    let told = error.unwrap_or_default();
    assert!(
        told.contains(first) && told.contains("none was deleted"),
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
    let (mut mount, account) = mount_with_account(0).await;
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

/// A periodic run that looks for the lost one while a reader settles it and gets another.
#[tokio::test]
async fn a_periodic_run_does_not_take_a_readers_new_secret_for_the_lost_one() {
    let (mount, account) = mount_with_account(0).await;
    assert_eq!(mount.lose_a_secret(&account).await, 1);
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
    let (mount, account) = mount_with_account(0).await;
    assert_eq!(mount.lose_a_secret(&account).await, 1);
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
    let (mount, account) = mount_with_account(800).await;
    let strangers = mount.atlas.secrets(&account).await;
    mount.issue("shared").await;
    mount.advance(HOUR * 24).await;
    mount.tick().await.expect("a tick");
    assert_eq!(mount.atlas.secrets(&account).await.len(), 2);
    mount.advance(HOUR + Duration::from_mins(1)).await;
    mount.tick().await.expect("a tick");
    assert_eq!(mount.atlas.secrets(&account).await, strangers);
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
    assert_eq!(mount.figure("reaper", "deleted").await, 1);
}

#[tokio::test]
async fn tidy_reports_a_missing_secret() {
    let (mount, _) = mount_with_account(0).await;
    let (_, lease) = mount.issue("shared").await;
    mount.advance(HOUR * 2).await;
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
    let (mount, _) = mount_with_account(0).await;
    let (_, mut lease) = mount.issue("shared").await;
    lease.issue_time = Some(mount.now());
    mount.advance(HOUR * 25).await;
    let failure = mount.renew(&lease).await.expect_err("expired");
    assert!(failure.to_string().contains("has expired"), "{failure}");
}

/// Whether an account without secrets has an empty list or none is not documented.
#[tokio::test]
async fn an_answer_without_a_list_of_secrets_does_not_tell_that_none_was_lost() {
    let (mount, account) = mount_with_account(0).await;
    assert_eq!(mount.lose_a_secret(&account).await, 1);
    let unexpected = json!({
        "operation": "getOrgServiceAccount", "count": 0,
        "action": {"kind": "answer", "status": 200, "body": {"clientId": account, "name": "n"}},
    });
    mount.atlas.fault(unexpected).await;
    mount.tick_for(60).await;
    assert_eq!(mount.journal_keys().len(), 1);
    mount.atlas.no_more_faults().await;
    mount.tick_for(60).await;
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
    assert_eq!(mount.atlas.secrets(&account).await.len(), 0);
}

//! What becomes of an account's other secrets, seen through static roles.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::testing::{Account, TestMount};
use crate::vault::{Data, Operation};

const DAY: u64 = 86_400;

/// A mount with a static role `app` that rotates an account every day.
async fn rotated() -> (TestMount, Account) {
    let mount = TestMount::configured().await;
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let role = json!({
        "client_id": account.client_id, "organization_id": mount.atlas.org(),
        "rotation_period": DAY,
    });
    mount.write("static-roles/app", role).await.expect("a role");
    (mount, account)
}

async fn pass(mount: &TestMount, minutes: u64) {
    mount.advance(Duration::from_mins(minutes)).await;
    mount.tick().await.expect("a tick");
}

async fn shown(mount: &TestMount) -> Data {
    TestMount::data(mount.read("static-roles/app").await)
}

async fn delete(mount: &TestMount) {
    let deleted = mount.ask(Operation::Delete, "static-roles/app", json!({}));
    deleted.await.expect("deleted");
}

/// A client signs in once an hour, and works with its token in between.
#[tokio::test]
async fn a_client_that_signs_in_once_an_hour_is_seen() {
    let (mount, account) = rotated().await;
    pass(&mount, 15).await;
    assert!(mount.atlas.mints(&account.client_id, &account.secret).await);
    pass(&mount, 46).await;
    assert_eq!(mount.atlas.secrets(&account.client_id).await.len(), 2);
    let previous = shown(&mount).await["previous_secrets"].clone();
    assert_eq!(previous[0]["in_use"], json!(true), "{previous}");
    // Past twice the overlap it goes all the same.
    pass(&mount, 60).await;
    assert_eq!(mount.atlas.secrets(&account.client_id).await.len(), 1);
}

#[tokio::test]
async fn a_longer_overlap_is_not_taken_for_use() {
    let (mount, account) = rotated().await;
    let longer = json!({"overlap": "3h"});
    mount
        .write("static-roles/app", longer)
        .await
        .expect("changed");
    pass(&mount, 61).await;
    let previous = shown(&mount).await["previous_secrets"].clone();
    assert_eq!(previous[0]["in_use"], json!(false), "{previous}");
    pass(&mount, 120).await;
    assert_eq!(mount.atlas.secrets(&account.client_id).await.len(), 1);
}

#[tokio::test]
async fn a_shorter_overlap_counts_for_what_was_replaced_before() {
    let (mount, account) = rotated().await;
    let shorter = json!({"overlap": "10m"});
    mount
        .write("static-roles/app", shorter)
        .await
        .expect("changed");
    pass(&mount, 9).await;
    assert_eq!(mount.atlas.secrets(&account.client_id).await.len(), 2);
    pass(&mount, 2).await;
    assert_eq!(mount.atlas.secrets(&account.client_id).await.len(), 1);
    assert!(!mount.atlas.mints(&account.client_id, &account.secret).await);
}

/// Somebody used it, so that it was kept for longer than its first overlap.
#[tokio::test]
async fn a_shorter_overlap_ends_also_what_is_in_use_and_left_by_a_deleted_role() {
    let (mount, account) = rotated().await;
    pass(&mount, 50).await;
    assert!(mount.atlas.mints(&account.client_id, &account.secret).await);
    pass(&mount, 11).await;
    assert_eq!(mount.atlas.secrets(&account.client_id).await.len(), 2);
    let none = json!({"overlap": 0});
    mount
        .write("static-roles/app", none)
        .await
        .expect("changed");
    let previous = shown(&mount).await["previous_secrets"].clone();
    assert_eq!(
        previous[0]["removed_by"], previous[0]["replaced_at"],
        "{previous}"
    );
    delete(&mount).await;
    pass(&mount, 1).await;
    assert_eq!(mount.atlas.secrets(&account.client_id).await.len(), 1);
    assert_eq!(
        mount.storage.keys(),
        ["config", "origins", "storage-version"]
    );
}

fn answer_lost() -> Value {
    json!({"operation": "createOrgSecret", "action": {"kind": "lose_answer"}})
}

#[tokio::test]
async fn a_deleted_role_leaves_no_secret_that_is_listed_late() {
    let (mount, account) = rotated().await;
    pass(&mount, 61).await;
    let lag = json!({"read_lag_after_create_seconds": 90});
    mount.atlas.set(lag).await;
    mount.atlas.fault(answer_lost()).await;
    mount
        .write("rotate-role/app", json!({}))
        .await
        .expect_err("no answer");
    delete(&mount).await;
    for _ in 0..4 {
        pass(&mount, 1).await;
    }
    assert_eq!(mount.atlas.secrets(&account.client_id).await.len(), 1);
    for _ in 0..4 {
        pass(&mount, 1).await;
    }
    assert_eq!(
        mount.storage.keys(),
        ["config", "origins", "storage-version"]
    );
}

#[tokio::test]
async fn a_deleted_role_leaves_a_persons_secret_alone() {
    let (mount, account) = rotated().await;
    pass(&mount, 61).await;
    mount
        .atlas
        .fault(json!({"operation": "createOrgSecret", "action": {"kind": "close"}}))
        .await;
    mount
        .write("rotate-role/app", json!({}))
        .await
        .expect_err("no answer, and nothing made");
    delete(&mount).await;
    mount.advance(Duration::from_mins(30)).await;
    let wanted = json!({"client_id": account.client_id});
    let persons = mount.atlas.control("POST", "/secrets", wanted).await;
    pass(&mount, 1).await;
    let persons = persons["client_secret"].as_str().expect("a secret");
    assert!(mount.atlas.mints(&account.client_id, persons).await);
    assert_eq!(
        mount.storage.keys(),
        ["config", "origins", "storage-version"]
    );
}

#[tokio::test]
async fn settings_that_atlas_does_not_tell_are_asked_for_once_a_minute() {
    let (mount, _) = rotated().await;
    let other = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    mount.advance(Duration::from_hours(2)).await;
    mount
        .atlas
        .fault(json!({
            "operation": "getOrgSettings", "count": 0,
            "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
        }))
        .await;
    mount.atlas.forget_requests().await;
    let role = json!({"client_id": other.client_id, "organization_id": mount.atlas.org()});
    mount.write("static-roles/b", role).await.expect("a role");
    mount
        .write("rotate-role/app", json!({"force": true}))
        .await
        .expect("rotated");
    let asked = mount.atlas.operations().await["getOrgSettings"].clone();
    assert_eq!(asked, json!(1));
    mount.advance(Duration::from_secs(61)).await;
    mount
        .write("rotate-role/app", json!({"force": true}))
        .await
        .expect("rotated");
    let asked = mount.atlas.operations().await["getOrgSettings"].clone();
    assert_eq!(asked, json!(2));
}

/// Made by hand three minutes after the request, and not used yet.
#[tokio::test]
async fn a_secret_that_a_person_made_minutes_later_is_not_the_lost_one() {
    let (mount, account) = rotated().await;
    pass(&mount, 61).await;
    let nothing_made = json!({"operation": "createOrgSecret", "action": {"kind": "close"}});
    mount.atlas.fault(nothing_made).await;
    mount
        .write("rotate-role/app", json!({}))
        .await
        .expect_err("no answer, and nothing made");
    mount.advance(Duration::from_mins(3)).await;
    let wanted = json!({"client_id": account.client_id});
    let persons = mount.atlas.control("POST", "/secrets", wanted).await;
    pass(&mount, 10).await;
    delete(&mount).await;
    pass(&mount, 10).await;
    let persons = persons["client_secret"].as_str().expect("a secret");
    assert!(mount.atlas.mints(&account.client_id, persons).await);
    assert_eq!(
        mount.storage.keys(),
        ["config", "origins", "storage-version"]
    );
}

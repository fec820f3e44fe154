//! Names that come again: whatever happens between two requests, only the lease's own user is touched.

use std::time::Duration;

use serde_json::{Value, json};

use super::fault_tests::{issued, plant};
use super::tests::{HOUR, ends, ends_in, mount_with, the_user};
use crate::atlas::SHOWN_WITHIN;
use crate::engine::testing::TestMount;
use crate::vault::Failure;

/// Waits until Atlas was asked for this so often.
async fn asked(mount: &TestMount, operation: &str) {
    while mount.atlas.operations().await[operation].is_null() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Somebody deletes the user of this name, and makes another under it.
async fn give_away(mount: &TestMount, name: &str) {
    let project = mount.atlas.project(0);
    if !mount.atlas.database_users().await.is_empty() {
        mount.atlas.forget_database_user(project, name).await;
    }
    plant(mount, name).await;
}

fn is_strangers(user: &Value) -> bool {
    user["labels"] == json!([]) && user["delete_after"].is_null()
}

#[tokio::test]
async fn a_delete_that_is_sent_again_leaves_alone_who_has_the_name_by_now() {
    let mount = mount_with(json!({ "username_template": "app" })).await;
    let lease = issued(&mount).await;
    mount.atlas.lose_answer("deleteDatabaseUser").await;
    let taken = async {
        asked(&mount, "deleteDatabaseUser").await;
        give_away(&mount, "app").await;
    };
    let (revoked, ()) = tokio::join!(mount.revoke(&lease), taken);
    revoked.expect("it was deleted");
    assert_eq!(mount.atlas.operations().await["deleteDatabaseUser"], 1);
    assert!(is_strangers(&the_user(&mount).await));
    assert_eq!(mount.journal_keys().len(), 0);
}

#[tokio::test]
async fn a_change_that_is_sent_again_leaves_alone_who_has_the_name_by_now() {
    let mount = mount_with(json!({ "username_template": "app" })).await;
    let lease = issued(&mount).await;
    mount.advance(HOUR / 2).await;
    let close = json!({ "operation": "updateDatabaseUser", "action": {"kind": "close"} });
    mount.atlas.fault(close).await;
    let taken = async {
        asked(&mount, "updateDatabaseUser").await;
        give_away(&mount, "app").await;
    };
    let (renewed, ()) = tokio::join!(mount.renew(&lease), taken);
    let refused = renewed.expect_err("its user is gone");
    assert!(matches!(refused, Failure::BadRequest(_)), "{refused}");
    assert_eq!(mount.atlas.operations().await["updateDatabaseUser"], 1);
    assert!(is_strangers(&the_user(&mount).await));
}

/// What an administrator takes away while a renewal waits is not given back by it.
#[tokio::test]
async fn a_renewal_that_waits_keeps_what_the_user_may_by_then() {
    let mount = mount_with(json!({})).await;
    let lease = issued(&mount).await;
    mount.advance(HOUR / 2).await;
    let busy = json!({
        "operation": "updateDatabaseUser", "action": {"kind": "answer", "status": 503},
    });
    mount.atlas.fault(busy).await;
    let changed = async {
        asked(&mount, "updateDatabaseUser").await;
        let user = the_user(&mount).await;
        let less = json!({
            "project_id": mount.atlas.project(0), "username": user["username"],
            "labels": user["labels"], "description": user["description"],
            "delete_after": user["delete_after"],
        });
        mount.atlas.control("POST", "/database-users", less).await;
    };
    let (renewed, ()) = tokio::join!(mount.renew(&lease), changed);
    renewed.expect("renewed");
    assert!(ends_in(&mount, HOUR * 2).await);
    let user = the_user(&mount).await;
    assert_eq!(
        user["roles"],
        json!([{"roleName": "read", "databaseName": "admin"}])
    );
}

/// The name's former user is still shown, and the new one not yet.
#[tokio::test]
async fn one_whose_name_atlas_still_shows_as_anothers_is_not_taken_for_gone() {
    let mut mount = mount_with(json!({ "username_template": "app" })).await;
    let lag = json!({
        "read_lag_after_create_seconds": 90, "read_lag_after_delete_seconds": 90,
    });
    let first = issued(&mount).await;
    mount.atlas.set(lag).await;
    mount.advance(SHOWN_WITHIN).await;
    mount.revoke(&first).await.expect("revoked");
    let second = issued(&mount).await;
    let refused = mount.revoke(&second).await.expect_err("not proved");
    assert!(
        matches!(refused, Failure::Coded { status: 503, .. }),
        "{refused}"
    );
    assert_eq!(mount.journal_keys().len(), 1);
    mount.restart().await;
    mount.advance(SHOWN_WITHIN).await;
    mount.revoke(&second).await.expect("revoked");
    mount.assert_nothing_left("revoked").await;
}

/// The list is right sooner than a look at one, which shows another of that name: it is no proof alone.
#[tokio::test]
async fn one_look_at_another_of_the_name_proves_nothing() {
    let mount = mount_with(json!({ "username_template": "app" })).await;
    let lease = issued(&mount).await;
    mount.advance(SHOWN_WITHIN).await;
    let stale = json!({
        "username": "app", "databaseName": "admin",
        "labels": [{"key": "vault-description", "value": "vault-reader-of-before"}],
    });
    let fault = json!({
        "operation": "getDatabaseUser", "count": 0,
        "action": {"kind": "answer", "status": 200, "body": stale},
    });
    mount.atlas.fault(fault).await;
    mount.revoke(&lease).await.expect_err("it is listed");
    mount.advance(HOUR / 2).await;
    mount.renew(&lease).await.expect_err("it is listed");
    mount.atlas.no_more_faults().await;
    assert_eq!(mount.journal_keys().len(), 1);
    mount.revoke(&lease).await.expect("revoked");
    mount.assert_nothing_left("revoked").await;
}

/// Labels and description are taken away by hand, or by a tool that sends its own.
#[tokio::test]
async fn a_name_that_nobody_else_has_is_known_without_its_labels() {
    let mount = mount_with(json!({})).await;
    let lease = issued(&mount).await;
    let user = the_user(&mount).await;
    let bare = json!({
        "project_id": mount.atlas.project(0), "username": user["username"], "labels": [],
        "description": "x", "delete_after": user["delete_after"],
    });
    mount.atlas.control("POST", "/database-users", bare).await;
    mount.advance(HOUR / 2).await;
    mount.renew(&lease).await.expect("renewed");
    assert!(ends_in(&mount, HOUR * 2).await);
    assert_eq!(the_user(&mount).await["description"], "x");
    mount.revoke(&lease).await.expect("revoked");
    mount.assert_nothing_left("revoked").await;
}

/// Atlas deletes what it does not show yet.
#[tokio::test]
async fn a_name_that_nobody_else_has_is_deleted_before_it_is_shown() {
    let mount = mount_with(json!({})).await;
    let lag = json!({ "read_lag_after_create_seconds": 90 });
    mount.atlas.set(lag).await;
    let lease = issued(&mount).await;
    mount.revoke(&lease).await.expect("revoked");
    mount.assert_nothing_left("revoked").await;
}

#[tokio::test]
async fn a_renewal_takes_no_new_user_for_gone_that_is_not_shown_yet() {
    let mount = mount_with(json!({ "ttl": "1m" })).await;
    let lag = json!({ "read_lag_after_create_seconds": 90 });
    mount.atlas.set(lag).await;
    let lease = issued(&mount).await;
    mount.advance(Duration::from_secs(40)).await;
    let refused = mount.renew(&lease).await.expect_err("not shown yet");
    assert!(
        matches!(refused, Failure::Coded { status: 503, .. }),
        "{refused}"
    );
    mount.advance(Duration::from_mins(1)).await;
    mount.renew(&lease).await.expect("renewed");
}

/// The first renewal of a process, whose own clock is wrong: nothing is reckoned before Atlas told its time.
#[tokio::test]
async fn the_end_is_moved_in_atlas_time_after_a_restart_as_well() {
    for days in [-1, 1] {
        let mut mount = mount_with(json!({ "ttl": "5d", "max_ttl": "30d" })).await;
        let lease = issued(&mount).await;
        mount.advance(HOUR * 48).await;
        let atlas = mount.now();
        mount.restart().await;
        mount.clock.jump(chrono::TimeDelta::days(days));
        mount.renew(&lease).await.expect("renewed");
        let left = ends(&mount).await - atlas;
        let wanted = chrono::TimeDelta::hours(5 * 24 + 1);
        assert!(
            (left - wanted).abs() < chrono::TimeDelta::minutes(1),
            "{days}: {left}"
        );
    }
}

/// Atlas keeps a name in another form than it was sent.
#[tokio::test]
async fn a_user_of_another_name_than_asked_is_found_by_its_label() {
    let mount = mount_with(json!({ "username_template": "App" })).await;
    let shown = json!({ "username": "app", "databaseName": "admin" });
    let fault = json!({
        "operation": "createDatabaseUser",
        "action": {"kind": "answer", "status": 201, "after_effect": true, "body": shown},
    });
    mount.atlas.fault(fault).await;
    let slow = json!({
        "operation": "listDatabaseUsers", "skip": 1, "action": {"kind": "delay", "seconds": 0.5},
    });
    mount.atlas.fault(slow).await;
    let renamed = async {
        asked(&mount, "createDatabaseUser").await;
        let user = the_user(&mount).await;
        let project = mount.atlas.project(0);
        mount.atlas.forget_database_user(project, "App").await;
        let other = json!({
            "project_id": project, "username": "app", "labels": user["labels"],
            "description": user["description"], "delete_after": user["delete_after"],
        });
        mount.atlas.control("POST", "/database-users", other).await;
    };
    let (refused, ()) = tokio::join!(mount.read("creds/reader"), renamed);
    let told = refused.expect_err("not as asked").to_string();
    assert!(told.contains("was removed from Atlas again"), "{told}");
    mount.assert_nothing_left("removed").await;
}

/// Another conflict is no name that is taken, and is told as what it is.
#[tokio::test]
async fn a_conflict_of_another_kind_is_told_as_atlas_tells_it() {
    let mount = mount_with(json!({ "username_template": "app" })).await;
    let conflict = json!({
        "operation": "createDatabaseUser",
        "action": {"kind": "answer", "status": 409, "code": "CLUSTER_BEING_CHANGED"},
    });
    mount.atlas.fault(conflict).await;
    let told = mount.read("creds/reader").await.expect_err("a conflict");
    let told = told.to_string();
    assert!(told.contains("CLUSTER_BEING_CHANGED"), "{told}");
    assert!(!told.contains("username_template"), "{told}");
    // Chance that is cut off again gives no other name.
    let cut = "{{printf \"app-%s\" (random 20) | truncate 4}}";
    let change = json!({ "username_template": cut });
    mount.write("roles/reader", change).await.expect("written");
    plant(&mount, "app-").await;
    mount.atlas.forget_requests().await;
    let told = mount.read("creds/reader").await.expect_err("it is taken");
    let told = told.to_string();
    assert!(
        told.contains("put {{random 20}} into it") && told.contains("USER_ALREADY_EXISTS"),
        "{told}"
    );
    let asked = mount.atlas.operations().await;
    assert_eq!(
        asked["createDatabaseUser"], 1,
        "the same name is not tried again"
    );
}

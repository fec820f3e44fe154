//! Database users where Atlas, a cluster, storage, the process or a person fails.

use std::time::Duration;

use serde_json::{Value, json};

use super::tests::{NOTHING, ends, ends_in, mount_with, write_role};
use crate::engine::credentials::project_type_tests::{
    a_credential_of_another_organization, a_new_one_that_atlas_does_not_know_yet, gone_by_hand,
    outages_at_the_end_of,
};
use crate::engine::testing::{Outcome, TestMount};
use crate::vault::{Failure, Response, Secret};

const HOUR: Duration = Duration::from_hours(1);

pub(super) async fn change_cluster(mount: &TestMount, name: &str, change: Value) {
    let mut body = json!({ "project_id": mount.atlas.project(0), "name": name });
    for (key, value) in change.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    mount.atlas.control("POST", "/clusters/change", body).await;
}

pub(super) async fn plant(mount: &TestMount, username: &str) {
    let user = json!({ "project_id": mount.atlas.project(0), "username": username });
    mount.atlas.control("POST", "/database-users", user).await;
}

pub(super) fn answered(outcome: Outcome) -> Response {
    outcome.expect("the request succeeds").expect("an answer")
}

/// As the server keeps it.
pub(super) async fn issued(mount: &TestMount) -> Secret {
    let (_, mut lease) = mount.issue("reader").await;
    lease.issue_time = Some(mount.now());
    lease
}

#[tokio::test]
async fn a_user_whose_answer_is_of_no_use_is_found_and_removed_whatever_its_name() {
    for (action, template) in [
        ("lose_answer", ""),
        ("lose_answer", "app-{{random 4}}"),
        ("malformed_json", "app"),
        ("cut_json", ""),
        ("not_json", "app-{{random 4}}"),
    ] {
        let mount = mount_with(json!({ "username_template": template })).await;
        let fault = json!({ "operation": "createDatabaseUser", "action": {"kind": action} });
        mount.atlas.fault(fault).await;
        let failed = mount.read("creds/reader").await.expect_err("no answer");
        let told = failed.to_string();
        assert!(told.contains("was removed from Atlas again"), "{told}");
        let asked = mount.atlas.operations().await;
        assert_eq!(asked["createDatabaseUser"], 1, "{action}: never sent twice");
        mount.assert_nothing_left(action).await;
    }
}

/// The process ends before it could look, and another goes on from what storage holds.
#[tokio::test]
async fn a_lost_answer_is_settled_after_a_restart() {
    for arrives in [true, false] {
        // Long enough that Atlas does not end it by itself meanwhile.
        let mut mount = mount_with(json!({ "username_template": "app", "ttl": "5h" })).await;
        plant(&mount, "other").await;
        let action = if arrives { "lose_answer" } else { "close" };
        let fault = json!({ "operation": "createDatabaseUser", "action": {"kind": action} });
        mount.atlas.fault(fault).await;
        let unlisted = json!({
            "operation": "listDatabaseUsers", "skip": 1, "count": 0,
            "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
        });
        mount.atlas.fault(unlisted).await;
        let failed = mount.read("creds/reader").await.expect_err("no answer");
        let told = failed.to_string();
        assert!(told.contains("tried again every minute"), "{told}");
        let alive = mount.atlas.credentials().await.len();
        assert_eq!(alive, 1 + usize::from(arrives));
        mount.atlas.no_more_faults().await;
        mount.restart().await;
        mount.advance(Duration::from_mins(11)).await;
        mount.tick_for(2).await;
        assert_eq!(mount.atlas.credentials().await, ["other"], "{action}");
        assert_eq!(mount.journal_keys(), NOTHING, "{action}");
    }
}

#[tokio::test]
async fn storage_that_fails_at_any_write_leaves_no_user_behind() {
    for writes in 0..5 {
        let mount = mount_with(json!({})).await;
        mount.storage.fail_after(Some(writes));
        let outcome = mount.read("creds/reader").await;
        mount.storage.fail_after(None);
        if writes < 4 {
            assert!(matches!(outcome, Err(Failure::HostText(_))), "{outcome:?}");
            assert_eq!(mount.atlas.credentials().await, NOTHING, "{writes}");
            mount.advance(Duration::from_secs(601)).await;
            mount.tick_for(2).await;
            mount.assert_nothing_left("after ticks").await;
        } else {
            outcome.expect("the tag, and three of the entry");
        }
    }
}

#[tokio::test]
async fn a_crash_at_any_write_leaves_nothing() {
    for writes in 0..4 {
        let mut mount = mount_with(json!({ "ttl": "5h" })).await;
        mount.atlas.refuse("deleteDatabaseUser").await;
        mount.storage.fail_after(Some(writes));
        mount.read("creds/reader").await.expect_err("no storage");
        mount.storage.fail_after(None);
        mount.atlas.no_more_faults().await;
        mount.restart().await;
        mount.advance(Duration::from_mins(11)).await;
        mount.tick_for(2).await;
        mount.assert_nothing_left(&format!("{writes}")).await;
    }
}

#[tokio::test]
async fn a_full_project_is_told_of_before_and_when_atlas_refuses() {
    let mount = mount_with(json!({})).await;
    for number in 0..94 {
        plant(&mount, &format!("u{number}")).await;
    }
    let answer = answered(mount.read("creds/reader").await);
    let [warning] = answer.warnings.try_into().expect("one warning");
    assert!(
        warning.contains("has 95 database users with this one"),
        "{warning}"
    );
    for number in 94..99 {
        plant(&mount, &format!("u{number}")).await;
    }
    let refused = mount.read("creds/reader").await.expect_err("full");
    assert!(
        matches!(&refused, Failure::BadRequest(text)
            if text.contains("has 100 database users") && text.contains("no missing right")
                && !text.contains("access list")),
        "{refused}"
    );
    assert_eq!(mount.atlas.credentials().await.len(), 100);
    assert_eq!(mount.journal_keys().len(), 1);
    // Atlas's support has raised the limit.
    mount
        .atlas
        .set(json!({ "max_database_users_per_project": 200 }))
        .await;
    mount.issue("reader").await;
}

/// Another name is drawn where the template draws one.
#[tokio::test]
async fn a_name_that_is_taken_is_not_taken_away() {
    let mount = mount_with(json!({ "username_template": "{{random 1}}" })).await;
    let taken: Vec<char> = ('0'..='9').chain('a'..='z').chain('A'..='S').collect();
    for name in &taken {
        plant(&mount, &name.to_string()).await;
    }
    // Of 62 names seven are free: a few requests find one, and none touches another's.
    let mut given = 0;
    for _ in 0..40 {
        match mount.read("creds/reader").await {
            Ok(_) => given += 1,
            Err(refused) => assert!(
                refused.to_string().contains("USER_ALREADY_EXISTS"),
                "{refused}"
            ),
        }
    }
    let alive = mount.atlas.credentials().await.len();
    assert_eq!(
        (alive, mount.journal_keys().len()),
        (taken.len() + given, given)
    );
    write_role(&mount, json!({ "username_template": "a" })).await;
    let refused = mount.read("creds/reader").await.expect_err("taken");
    assert!(
        matches!(&refused, Failure::BadRequest(text) if text.contains("{{random 20}}")),
        "{refused}"
    );
    assert_eq!(mount.atlas.credentials().await.len(), alive);
}

/// One name for all: when its user is gone, somebody else may have it.
#[tokio::test]
async fn a_revocation_leaves_alone_who_has_the_name_by_now() {
    let mount = mount_with(json!({ "username_template": "app" })).await;
    let first = issued(&mount).await;
    mount.advance(HOUR * 2 + Duration::from_mins(1)).await;
    let (data, _) = mount.issue("reader").await;
    mount.renew(&first).await.expect_err("its user is gone");
    mount.revoke(&first).await.expect("gone is as good");
    assert!(
        mount.atlas.lets_in("east", &data).await,
        "it is another lease's"
    );
    assert_eq!(mount.journal_keys().len(), 1);
}

#[tokio::test]
async fn a_renewal_whose_end_was_not_moved_fails() {
    let mount = mount_with(json!({})).await;
    let lease = issued(&mount).await;
    mount.advance(HOUR / 2).await;
    let before = ends(&mount).await;
    let proof = json!({
        "username": "x", "databaseName": "admin", "deleteAfterDate": "2099-01-01T00:00:00Z",
    });
    for (operation, action) in [
        ("updateDatabaseUser", json!({"kind": "close"})),
        (
            "updateDatabaseUser",
            json!({"kind": "answer", "status": 503}),
        ),
        (
            "updateDatabaseUser",
            json!({"kind": "answer", "status": 200, "body": {}}),
        ),
        (
            "updateDatabaseUser",
            json!({"kind": "answer", "status": 200, "body": proof}),
        ),
        (
            "updateDatabaseUser",
            json!({"kind": "answer", "status": 202, "text": "<html>"}),
        ),
        (
            "updateDatabaseUser",
            json!({"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"}),
        ),
        (
            "getDatabaseUser",
            json!({"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"}),
        ),
    ] {
        let fault = json!({ "operation": operation, "count": 0, "action": action });
        mount.atlas.fault(fault).await;
        mount.renew(&lease).await.expect_err("not proved");
        assert_eq!(ends(&mount).await, before, "{operation}: {action}");
        mount.atlas.no_more_faults().await;
    }
    // Lost on its way back it was moved all the same, and the next try sees that.
    mount.atlas.lose_answer("updateDatabaseUser").await;
    mount.renew(&lease).await.expect("renewed");
    assert!(ends_in(&mount, HOUR * 2).await);
    // Gone by hand.
    mount.atlas.forget_credentials().await;
    let refused = mount.renew(&lease).await.expect_err("gone");
    assert!(
        matches!(&refused, Failure::BadRequest(text) if text.contains("read a new credential")),
        "{refused}"
    );
}

/// A renewal that storage does not note is none; the user only lives longer than its lease.
#[tokio::test]
async fn storage_that_fails_at_a_renewal_leaves_what_the_lease_revokes() {
    let mount = mount_with(json!({ "ttl": "2h", "max_ttl": "30d" })).await;
    let lease = issued(&mount).await;
    mount.advance(HOUR).await;
    mount.storage.fail_after(Some(0));
    mount.renew(&lease).await.expect_err("no storage");
    mount.storage.fail_after(None);
    mount.revoke(&lease).await.expect("revoked");
    mount.assert_nothing_left("revoked").await;
}

#[tokio::test]
async fn an_outage_at_the_end_of_a_lease_is_an_error_and_the_next_try_deletes() {
    let mount = mount_with(json!({})).await;
    let lease = issued(&mount).await;
    outages_at_the_end_of(&mount, &lease, "deleteDatabaseUser").await;
}

/// Gone by hand, alone or with its project.
#[tokio::test]
async fn a_user_that_is_gone_counts_as_revoked() {
    let mount = mount_with(json!({})).await;
    let (data, lease) = mount.issue("reader").await;
    let other = issued(&mount).await;
    let name = data["username"].as_str().expect("a name");
    mount
        .atlas
        .forget_database_user(mount.atlas.project(0), name)
        .await;
    gone_by_hand(&mount, &lease).await;
    let project = format!("/projects/{}", mount.atlas.project(0));
    mount.atlas.control("DELETE", &project, Value::Null).await;
    mount
        .renew(&other)
        .await
        .expect_err("gone with its project");
    mount.revoke(&other).await.expect("gone with its project");
    assert_eq!(mount.journal_keys(), NOTHING);
}

#[tokio::test]
async fn a_project_out_of_sight_is_no_project_that_is_gone() {
    let mount = mount_with(json!({ "username_template": "app-{{random 4}}" })).await;
    let unknown = ["createDatabaseUser", "listDatabaseUsers"];
    a_credential_of_another_organization(&mount, unknown).await;
}

#[tokio::test]
async fn a_new_user_that_atlas_does_not_know_yet_is_not_taken_for_gone() {
    let mut mount = mount_with(json!({})).await;
    a_new_one_that_atlas_does_not_know_yet(&mut mount, Duration::from_secs(100)).await;
}

/// Only 404 is declared for a user that is not there; two lists are proof all the same.
#[tokio::test]
async fn whatever_atlas_calls_a_user_that_is_gone_two_lists_prove_it() {
    for (status, code) in [
        (400, "BAD_REQUEST"),
        (404, "USER_NOT_FOUND"),
        (404, "USER_NOT_IN_GROUP"),
    ] {
        let mount = mount_with(json!({})).await;
        let unknown = json!({ "unknown_database_user": {"status": status, "code": code} });
        mount.atlas.set(unknown).await;
        let (_, lease) = mount.issue("reader").await;
        mount.atlas.forget_credentials().await;
        gone_by_hand(&mount, &lease).await;
        mount.assert_nothing_left(code).await;
    }
}

/// Rights and clusters that Atlas does not know, and an end that it takes off unless it is sent.
#[tokio::test]
async fn what_atlas_judges_itself_is_told_and_leaves_nothing() {
    let mount = mount_with(json!({ "scopes": "north" })).await;
    let strict = json!({ "unknown_scope": "refuse", "omitted_delete_after_date": "off" });
    mount.atlas.set(strict).await;
    for change in [
        json!({ "scopes": "north" }),
        json!({ "scopes": "west", "database_roles": "mine@app" }),
    ] {
        write_role(&mount, change.clone()).await;
        let refused = mount.read("creds/reader").await.expect_err("refused");
        assert!(
            matches!(&refused, Failure::BadRequest(text) if text.contains("createDatabaseUser")),
            "{change}: {refused}"
        );
        mount.assert_nothing_left("refused").await;
    }
    write_role(
        &mount,
        json!({ "scopes": "west", "database_roles": "read@app" }),
    )
    .await;
    let lease = issued(&mount).await;
    mount.advance(HOUR / 2).await;
    mount.renew(&lease).await.expect("renewed");
    assert!(ends_in(&mount, HOUR * 2).await);
}

#[tokio::test]
async fn a_user_with_other_rights_than_asked_is_not_handed_out() {
    let mount = mount_with(json!({ "username_template": "app" })).await;
    let wide = json!({
        "username": "app", "databaseName": "admin", "description": "x", "scopes": [],
        "roles": [{"roleName": "atlasAdmin", "databaseName": "admin"}],
    });
    let fault = json!({
        "operation": "createDatabaseUser",
        "action": {"kind": "answer", "status": 201, "after_effect": true, "body": wide},
    });
    mount.atlas.fault(fault).await;
    let failed = mount.read("creds/reader").await.expect_err("too much");
    let told = failed.to_string();
    assert!(told.contains("was removed from Atlas again"), "{told}");
    mount.assert_nothing_left("removed").await;
}

/// The lease is lost or was force-revoked, and Atlas was told of a later end: the reaper is there too.
#[tokio::test]
async fn a_user_that_outlives_its_lease_is_deleted_by_whoever_is_first() {
    let mount = mount_with(json!({ "ttl": "2h", "max_ttl": "2h" })).await;
    issued(&mount).await;
    let slow = json!({ "database_user_delete_delay_seconds": 86_400 });
    mount.atlas.set(slow).await;
    mount.advance(Duration::from_mins(3 * 60 - 2)).await;
    mount.tick_for(1).await;
    assert_eq!(mount.atlas.credentials().await.len(), 1);
    mount.tick_for(3).await;
    mount.assert_nothing_left("reaped").await;
    assert_eq!(mount.figure("reaper", "deleted").await, 1);
}

/// A clock that is set past every expiry deletes nothing that nobody ordered, and Atlas is told an end by its own.
#[tokio::test]
async fn a_clock_that_leaps_neither_deletes_a_user_nor_lets_it_live_too_long() {
    for days in [30, -30] {
        let mount = mount_with(json!({})).await;
        let lease = issued(&mount).await;
        mount.tick_for(20).await;
        // Ours alone: Atlas's clock stays.
        mount.clock.jump(chrono::TimeDelta::days(days));
        for _ in 0..3 {
            mount.tick().await.expect("a tick");
        }
        assert_eq!(mount.atlas.credentials().await.len(), 1);
        let (_, second) = mount.issue("reader").await;
        let shift = chrono::TimeDelta::days(days);
        for user in mount.atlas.database_users().await {
            let ends = user["delete_after"].as_str().expect("a moment");
            let ends: chrono::DateTime<chrono::Utc> = ends.parse().expect("a moment");
            let left = ends - (mount.now() - shift);
            assert!(left <= chrono::TimeDelta::minutes(121), "{days}: {left}");
            assert!(left >= chrono::TimeDelta::minutes(99), "{days}: {left}");
        }
        mount.revoke(&lease).await.expect("ordered");
        mount.revoke(&second).await.expect("ordered");
        mount.assert_nothing_left("revoked").await;
    }
}

#[tokio::test]
async fn a_held_server_neither_makes_nor_renews() {
    use crate::engine::process::ServerHold;
    let mut mount = mount_with(json!({})).await;
    let lease = issued(&mount).await;
    mount.restart_held(ServerHold::All).await;
    mount.atlas.forget_requests().await;
    let refused = mount.renew(&lease).await.expect_err("held");
    assert!(
        refused.to_string().contains("MONGODBATLAS_HOLD"),
        "{refused}"
    );
    mount.read("creds/reader").await.expect_err("held");
    assert_eq!(mount.atlas.request_count().await, 0);
}

#[tokio::test]
async fn two_mounts_in_one_project_leave_each_others_users_alone() {
    let mount = mount_with(json!({})).await;
    let beside = TestMount::beside(&mount).await;
    let emptied = json!({
        "organization_id": "", "roles": "", "ip_addresses": "", "scopes": "west",
    });
    write_role(&beside, emptied).await;
    let (data, lease) = mount.issue("reader").await;
    let (theirs, other) = beside.issue("reader").await;
    assert!(!mount.atlas.lets_in("east", &theirs).await);
    assert!(mount.atlas.lets_in("east", &data).await);
    mount.atlas.lose_answer("createDatabaseUser").await;
    mount.read("creds/reader").await.expect_err("no answer");
    assert_eq!(mount.atlas.credentials().await.len(), 2);
    mount.revoke(&lease).await.expect("revoked");
    assert!(mount.atlas.lets_in("west", &theirs).await);
    beside.revoke(&other).await.expect("revoked");
    beside.assert_nothing_left("both").await;
}

//! What others did to a migration's projects, and what nobody can tell of them.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::fleet_tests::{Fleet, column, row};
use crate::engine::process::ServerHold;
use crate::engine::testing::TestMount;

async fn apply_by_hand(fleet: &Fleet, number: usize) {
    let path = format!("encryption-at-rest/azure/{}", fleet.projects[number]);
    let ids = fleet.customer.ids();
    fleet.mount().write(&path, ids).await.expect("registered");
    let apply = format!("{path}/apply");
    let applied = fleet.mount().write(&apply, json!({})).await;
    applied.expect("changed over");
}

#[tokio::test]
async fn what_a_person_changed_over_meanwhile_is_not_changed_back() {
    let fleet = Fleet::new(2).await;
    fleet.customer.grant().await;
    for number in 0..2 {
        fleet.hand_in(number).await;
    }
    fleet
        .plan(json!({"observe": "2m", "keep_static": true}))
        .await;
    fleet.act("start").await;
    let data = fleet.settled().await;
    assert_eq!(column(&data, "step"), ["watching", "registered"]);
    apply_by_hand(&fleet, 1).await;
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "done", "{data:?}");
    let found = row(&data, &fleet.projects[1]);
    assert_eq!(found["step"], "skipped");
    assert_eq!(found["verdicts"][0], "already on a role");
    fleet.open_the_way_back().await;
    fleet.act("rollback").await;
    assert_eq!(fleet.to_the_end().await["state"], "rolled_back");
    assert_eq!(fleet.modes().await, ["static", "role"]);
}

/// The migration's own turn had begun, and Atlas had refused what it sent.
#[tokio::test]
async fn what_a_person_changed_over_after_a_refusal_is_not_changed_back() {
    let fleet = Fleet::new(1).await;
    fleet.hand_in(0).await;
    fleet
        .plan(json!({"observe": "2m", "keep_static": true}))
        .await;
    fleet.act("start").await;
    assert_eq!(column(&fleet.settled().await, "step"), ["changing"]);
    fleet.customer.grant().await;
    apply_by_hand(&fleet, 0).await;
    let data = fleet.to_the_end().await;
    assert_eq!(column(&data, "step"), ["skipped"], "{data:?}");
    fleet.open_the_way_back().await;
    let refused = fleet.refused(json!({"action": "rollback"})).await;
    assert!(refused.contains("changed no project"), "{refused}");
    assert_eq!(fleet.modes().await, ["role"]);
}

#[tokio::test]
async fn without_its_canary_a_migration_does_not_go_on() {
    let mut fleet = Fleet::new(2).await;
    fleet.customer.grant().await;
    fleet.customer.mount.restart_held(ServerHold::Unasked).await;
    fleet.plan(json!({"observe": "1m"})).await;
    fleet.act("start").await;
    assert_eq!(fleet.read().await["state"], "running");
    apply_by_hand(&fleet, 0).await;
    fleet.customer.mount.restart().await;
    let data = fleet.minute().await;
    assert_eq!(data["state"], "paused", "{data:?}");
    let told = format!(
        "the canary, project {}, is already on a role",
        fleet.projects[0]
    );
    assert_eq!(data["reason"], json!(told));
    assert_eq!(fleet.changes().await, [0]);
    fleet.act("resume").await;
    let data = fleet.to_the_end().await;
    assert_eq!((&data["state"], &data["done"]), (&json!("done"), &json!(1)));
    assert_eq!(data["canary"], json!(fleet.projects[1]));
}

/// Somebody else's role is nothing that this migration changed.
#[tokio::test]
async fn a_project_on_a_role_of_somebody_else_is_not_changed_back() {
    let fleet = Fleet::on_role().await;
    fleet.open_the_way_back().await;
    let mut block = fleet.customer.key.clone();
    block["enabled"] = json!(true);
    block["roleId"] = json!("aaaaaaaaaaaaaaaaaaaaaaaa");
    fleet.set_block(0, block).await;
    fleet.act("rollback").await;
    let data = fleet.to_the_end().await;
    assert_eq!(column(&data, "step"), ["kept"]);
    let told = column(&data, "error")[0].clone();
    assert!(told.contains("not this migration's"), "{told}");
    assert_eq!(fleet.changes().await, [0]);
}

/// `valid` is of the static credentials that Atlas shows beside the role.
#[tokio::test]
async fn a_role_that_never_proves_itself_stops_the_migration() {
    let fleet = Fleet::new(1).await;
    fleet.make_private(0, true).await;
    fleet.customer.grant().await;
    let never = json!({
        "private_verdict_seconds": 36_000, "private_valid_before_verdict": true,
    });
    fleet.mount().atlas.settings(never).await;
    fleet.plan(json!({"observe": "1m"})).await;
    fleet.act_with_consent("start").await.expect("started");
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "paused", "{data:?}");
    assert!(data["reason"].to_string().contains("in time"), "{data:?}");
    assert_eq!(column(&data, "step"), ["failed"]);
}

/// Before the data nodes' verdict `valid` says nothing of a secret that Atlas took unseen.
#[tokio::test]
async fn a_private_project_is_watched_to_the_end_before_the_next_goes_back() {
    let fleet = Fleet::private_on_role().await;
    for number in 0..2 {
        fleet.hand_in_another(number).await;
    }
    let early = json!({
        "private_verdict_seconds": 600, "private_valid_before_verdict": true,
    });
    fleet.mount().atlas.settings(early).await;
    fleet.mount().atlas.forget_requests().await;
    fleet.act_with_consent("rollback").await.expect("ordered");
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "paused", "{data:?}");
    assert_eq!(fleet.changes().await, [1]);
    let reason = data["reason"].to_string();
    assert!(reason.contains("cannot use the key"), "{reason}");
}

/// What a clock that was set forward says that data nodes have tried, they have not.
#[tokio::test]
async fn a_clock_that_was_set_forward_ends_no_watch_over_a_private_project() {
    let fleet = Fleet::private_on_role().await;
    for number in 0..2 {
        fleet.hand_in_another(number).await;
    }
    let early = json!({
        "private_verdict_seconds": 600, "private_valid_before_verdict": true,
    });
    fleet.mount().atlas.settings(early).await;
    fleet.act_with_consent("rollback").await.expect("ordered");
    let data = fleet.settled().await;
    assert_eq!(column(&data, "step"), ["leaving"; 2]);
    let forward = chrono::TimeDelta::minutes(45);
    fleet.mount().clock.jump(forward);
    for _ in 0..3 {
        let data = fleet.minute().await;
        assert_eq!(column(&data, "step"), ["leaving"; 2], "{data:?}");
    }
    assert_eq!(fleet.changes().await, [1]);
    fleet.mount().clock.jump(-forward);
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "paused", "{data:?}");
    assert_eq!(fleet.changes().await, [1]);
}

#[tokio::test]
async fn the_expected_end_of_a_way_back_counts_each_private_watch() {
    let fleet = Fleet::private_on_role().await;
    fleet.act_with_consent("rollback").await.expect("ordered");
    let data = fleet.settled().await;
    assert_eq!(data["state"], "rolling_back");
    let end = data["expected_end"].as_str().expect("an end");
    let end: DateTime<Utc> = end.parse().expect("a time");
    let left = end - fleet.mount().now();
    assert!(left > TimeDelta::minutes(39), "{left}");
    assert!(left <= TimeDelta::minutes(40), "{left}");
    fleet.to_the_end().await;
    assert_eq!(fleet.read().await["expected_end"], json!(null));
}

#[tokio::test]
async fn a_plan_tells_what_cannot_work() {
    let fleet = Fleet::new(3).await;
    let elsewhere = json!({"tenantID": "55555555-5555-4555-8555-555555555555"});
    fleet.set(0, elsewhere).await;
    fleet
        .set(1, json!({"requirePrivateNetworking": true}))
        .await;
    fleet.hand_in(2).await;
    let key = format!("encryption-at-rest/azure/{}", fleet.projects[2]);
    let read = TestMount::data(fleet.mount().read(&key).await);
    assert_eq!(read["state"], "static");
    let stored = fleet.mount().storage.value(&key);
    let stored = String::from_utf8(stored).expect("text");
    let rotating = stored.replace(r#""state":"static""#, r#""state":"rotating""#);
    fleet.mount().storage.plant(&key, rotating.as_bytes());
    let data = fleet.plan(json!({})).await;
    let verdict = |number: usize| row(&data, &fleet.projects[number])["verdicts"][0].clone();
    assert_eq!(
        verdict(0),
        json!("in another directory: 55555555-5555-4555-8555-555555555555")
    );
    assert_eq!(verdict(1), json!("no private endpoint"));
    assert_eq!(verdict(2), json!("under way: rotate or rollback"));
    assert_eq!(data["ready"], json!(0));
}

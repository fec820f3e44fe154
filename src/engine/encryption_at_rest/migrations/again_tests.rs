//! What is done again for a migration: by its own words, in its own time, and not while it is paused.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::doubt_tests::no_change_is_answered;
use super::fleet_tests::{Fleet, column};
use crate::vault::Operation;

const OTHER_APP: &str = "44444444-4444-4444-8444-444444444444";

#[tokio::test]
async fn words_of_last_week_change_nothing() {
    let fleet = Fleet::new(1).await;
    fleet.make_private(0, true).await;
    fleet.customer.grant().await;
    fleet.plan(json!({"observe": "1m"})).await;
    no_change_is_answered(&fleet).await;
    fleet.act_with_consent("start").await.expect("started");
    let data = fleet.settled().await;
    assert_eq!(column(&data, "step"), ["changing"]);
    fleet.act("pause").await;
    fleet.mount().advance(Duration::from_hours(24 * 7)).await;
    fleet.mount().atlas.no_more_faults().await;
    let sent = fleet.changes().await.len();
    fleet.mount().tick_for(2).await;
    fleet.act("resume").await;
    let data = fleet.to_the_end().await;
    assert_eq!(column(&data, "step"), ["failed"], "{data:?}");
    assert_eq!(fleet.changes().await.len(), sent);
    fleet.act_with_consent("resume").await.expect("resumed");
    fleet.to_the_end().await;
    assert_eq!(fleet.read().await["state"], "done");
    assert_eq!(fleet.modes().await, ["role"]);
}

/// A resume without words was refused, while nobody knew what came of the change.
#[tokio::test]
async fn words_count_for_a_project_in_doubt_at_the_first_resume() {
    let fleet = Fleet::new(1).await;
    fleet.make_private(0, true).await;
    fleet.customer.grant().await;
    fleet.plan(json!({"observe": "1m"})).await;
    no_change_is_answered(&fleet).await;
    fleet.act_with_consent("start").await.expect("started");
    fleet.settled().await;
    fleet.act("pause").await;
    fleet.mount().atlas.no_more_faults().await;
    fleet.act("resume").await;
    let data = fleet.settled().await;
    assert_eq!(data["state"], "paused", "{data:?}");
    fleet.act_with_consent("resume").await.expect("resumed");
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "done", "{data:?}");
    assert_eq!(fleet.modes().await, ["role"]);
}

/// Nobody orders it any more, and nobody is left to say so.
#[tokio::test]
async fn a_change_of_a_deleted_migration_ends() {
    for private in [false, true] {
        let fleet = Fleet::new(1).await;
        if private {
            fleet.make_private(0, true).await;
        }
        fleet.customer.grant().await;
        fleet.plan(json!({"observe": "1m"})).await;
        no_change_is_answered(&fleet).await;
        if private {
            fleet.act_with_consent("start").await.expect("started");
        } else {
            fleet.act("start").await;
        }
        fleet.settled().await;
        fleet.act("pause").await;
        let path = "encryption-at-rest/migrations/all";
        let deleted = fleet.mount().ask(Operation::Delete, path, json!({}));
        deleted.await.expect("deleted");
        fleet.mount().atlas.no_more_faults().await;
        let sent = fleet.changes().await.len();
        fleet.mount().tick_for(10).await;
        let read = fleet.customer.read().await;
        assert_eq!(read["state"], "failed", "{private}");
        let error = read["last_error"].to_string();
        assert!(error.contains("not sent again"), "{error}");
        assert_eq!(fleet.changes().await.len(), sent);
    }
}

#[tokio::test]
async fn words_do_not_outlast_a_hold() {
    let fleet = Fleet::new(1).await;
    fleet.make_private(0, true).await;
    fleet.customer.grant().await;
    fleet.plan(json!({"observe": "1m"})).await;
    no_change_is_answered(&fleet).await;
    fleet.act_with_consent("start").await.expect("started");
    fleet.settled().await;
    fleet.customer.hold(true).await;
    fleet.mount().advance(Duration::from_hours(24)).await;
    fleet.mount().atlas.no_more_faults().await;
    let sent = fleet.changes().await.len();
    fleet.customer.hold(false).await;
    fleet.minute().await;
    let data = fleet.to_the_end().await;
    assert_eq!(column(&data, "step"), ["failed"], "{data:?}");
    assert_eq!(fleet.changes().await.len(), sent);
    assert_eq!(fleet.modes().await, ["static"]);
}

#[tokio::test]
async fn a_way_back_that_is_tried_again_writes_over_nothing_of_others() {
    let fleet = Fleet::private_on_role().await;
    no_change_is_answered(&fleet).await;
    fleet.act_with_consent("rollback").await.expect("ordered");
    fleet.settled().await;
    fleet.mount().atlas.no_more_faults().await;
    let sent = fleet.changes().await.len();
    let mut block = fleet.customer.key.clone();
    for (name, value) in [
        ("enabled", json!(true)),
        ("requirePrivateNetworking", json!(true)),
        ("tenantID", json!(fleet.customer.tenant)),
        ("clientID", json!(OTHER_APP)),
        ("valid", json!(true)),
    ] {
        block[name] = value;
    }
    fleet.customer.looks_show(block, 0).await;
    fleet.to_the_end().await;
    fleet.mount().tick_for(5).await;
    assert_eq!(fleet.changes().await.len(), sent);
}

/// Atlas takes any secret of a private project, and the first one does not work.
#[tokio::test]
async fn a_private_project_that_is_found_changed_back_is_watched_too() {
    for kind in ["lose_answer", "pause"] {
        let fleet = Fleet::private_on_role().await;
        for number in 0..2 {
            fleet.hand_in_another(number).await;
        }
        if kind == "lose_answer" {
            let lost = json!({
                "operation": "updateEncryptionAtRest", "action": {"kind": kind},
            });
            fleet.mount().atlas.fault(lost).await;
        }
        fleet.act_with_consent("rollback").await.expect("ordered");
        fleet.settled().await;
        if kind == "pause" {
            fleet.act("pause").await;
            fleet.act_with_consent("rollback").await.expect("ordered");
        } else {
            // The periodic function is the first to see how it ended.
            for _ in 0..3 {
                fleet.mount().advance(Duration::from_secs(20)).await;
                fleet.mount().tick().await.expect("a tick");
            }
        }
        let data = fleet.to_the_end().await;
        assert_eq!(data["state"], "paused", "{kind}: {data:?}");
        assert_eq!(fleet.changes().await, [1], "{kind}");
    }
}

/// Somebody else is at work on the project when its turn comes.
#[tokio::test]
async fn a_pause_reaches_a_project_that_waits_for_its_lock() {
    let fleet = Fleet::new(2).await;
    fleet.customer.grant().await;
    fleet.make_private(1, true).await;
    fleet.plan(json!({"observe": "1m"})).await;
    fleet.act("start").await;
    let data = fleet.settled().await;
    assert_eq!(column(&data, "step"), ["watching", "registered"]);
    let slow = json!({
        "operation": "listRestPrivateEndpoints",
        "action": {"kind": "delay", "seconds": 3},
    });
    fleet.mount().atlas.fault(slow).await;
    let path = format!("encryption-at-rest/azure/{}/apply", fleet.projects[1]);
    let by_hand = fleet.mount().write(&path, json!({"dry_run": true}));
    let pause = async {
        sleep(Duration::from_millis(500)).await;
        fleet.mount().advance(Duration::from_mins(1)).await;
        fleet.mount().tick().await.expect("a tick");
        sleep(Duration::from_secs(1)).await;
        fleet.act("pause").await
    };
    let (shown, paused) = tokio::join!(by_hand, pause);
    shown.expect("a plan");
    assert_eq!(column(&paused, "step"), ["changed", "changing"]);
    sleep(Duration::from_secs(1)).await;
    let data = fleet.read().await;
    assert_eq!(column(&data, "step"), ["changed", "registered"]);
    assert_eq!(fleet.changes().await, [0]);
    fleet.act("resume").await;
    assert_eq!(fleet.to_the_end().await["state"], "done");
}

#[tokio::test]
async fn nothing_is_sent_again_while_a_migration_is_paused() {
    let fleet = Fleet::new(1).await;
    fleet.customer.grant().await;
    fleet
        .plan(json!({"observe": "1m", "keep_static": true}))
        .await;
    no_change_is_answered(&fleet).await;
    fleet.act("start").await;
    assert_eq!(column(&fleet.settled().await, "step"), ["changing"]);
    fleet.act("pause").await;
    fleet.mount().atlas.no_more_faults().await;
    let sent = fleet.changes().await.len();
    fleet.mount().tick_for(10).await;
    assert_eq!(fleet.changes().await.len(), sent);
    assert_eq!(fleet.modes().await, ["static"]);
    fleet.act("resume").await;
    assert_eq!(fleet.to_the_end().await["state"], "done");
    assert_eq!(fleet.modes().await, ["role"]);
    // A way back is: what Atlas tries before it takes it loses nothing.
    fleet.hand_in(0).await;
    fleet.open_the_way_back().await;
    no_change_is_answered(&fleet).await;
    fleet.act("rollback").await;
    fleet.settled().await;
    fleet.act("pause").await;
    fleet.mount().atlas.no_more_faults().await;
    fleet.mount().tick_for(10).await;
    assert_eq!(fleet.modes().await, ["static"]);
    fleet.act("resume").await;
    assert_eq!(fleet.to_the_end().await["state"], "rolled_back");
    assert_eq!(fleet.modes().await, ["static"]);
}

/// A person's order that is refused lifts no pause.
#[tokio::test]
async fn nothing_is_sent_for_a_paused_migration_after_an_order_that_was_refused() {
    let fleet = Fleet::new(2).await;
    fleet.customer.grant().await;
    fleet.make_private(1, true).await;
    fleet.plan(json!({"observe": "1m"})).await;
    fleet.act("start").await;
    fleet.settled().await;
    no_change_is_answered(&fleet).await;
    let mut data = fleet.minute().await;
    for _ in 0..3 {
        data = fleet.minute().await;
    }
    assert_eq!(column(&data, "step")[1], "changing", "{data:?}");
    fleet.act("pause").await;
    fleet.mount().atlas.no_more_faults().await;
    let sent = fleet.changes().await.len();
    fleet.customer.revoke().await;
    let path = format!("encryption-at-rest/azure/{}/apply", fleet.projects[1]);
    let refused = fleet.mount().write(&path, json!({})).await;
    refused.expect_err("the proof is over");
    fleet.customer.grant().await;
    fleet.mount().tick_for(5).await;
    assert_eq!(fleet.changes().await.len(), sent);
    assert_eq!(fleet.modes().await, ["role", "static"]);
    fleet.act("resume").await;
    assert_eq!(fleet.to_the_end().await["state"], "done");
    assert_eq!(fleet.modes().await, ["role", "role"]);
}

/// The registration was refused its authorization at first, as a new principal is not known everywhere.
#[tokio::test]
async fn what_was_not_authorized_is_authorized_when_it_is_resumed() {
    let fleet = Fleet::new(1).await;
    fleet.customer.grant().await;
    let refused = json!({
        "operation": "authorizeProviderAccessRole", "count": 0,
        "action": {"kind": "answer", "status": 400, "code": "BAD_REQUEST"},
    });
    fleet.mount().atlas.fault(refused).await;
    fleet.customer.refused(fleet.customer.ids()).await;
    fleet.mount().tick_for(10).await;
    fleet.plan(json!({"observe": "1m"})).await;
    fleet.act("start").await;
    let data = fleet.to_the_end().await;
    assert_eq!(column(&data, "step"), ["failed"], "{data:?}");
    fleet.mount().atlas.no_more_faults().await;
    fleet.act("resume").await;
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "done", "{data:?}");
    assert_eq!(fleet.modes().await, ["role"]);
}

//! A migration that is cut short anywhere ends all the same: each project on its role, or as it was.

use std::time::Duration;

use serde_json::json;
use tokio::time::{sleep, timeout};

use super::fleet_tests::Fleet;
use crate::vault::system_view::Replication;

/// More writes than a migration of two projects makes.
const MOST_WRITES: usize = 60;

async fn planned() -> Fleet {
    let fleet = Fleet::new(2).await;
    fleet.customer.grant().await;
    fleet.plan(json!({"observe": "1m"})).await;
    fleet
}

async fn ends_on_roles(fleet: &Fleet, what: &str) {
    fleet.mount().tick().await.expect("a tick");
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "done", "{what}: {data:?}");
    assert_eq!(fleet.modes().await, ["role"; 2], "{what}");
}

/// The same in the time that it takes, whatever fails.
async fn minutes(fleet: &Fleet, count: usize) {
    for _ in 0..count {
        sleep(Duration::from_millis(15)).await;
        fleet.mount().advance(Duration::from_mins(1)).await;
        let _ = fleet.mount().tick().await;
    }
    sleep(Duration::from_millis(15)).await;
}

/// One write fails, and the process lives on.
#[tokio::test]
async fn storage_that_fails_once_at_any_write_stops_nothing() {
    for writes in 0..MOST_WRITES {
        let fleet = planned().await;
        fleet.mount().storage.fail_once_after(Some(writes));
        if fleet.write(json!({"action": "start"})).await.is_err() {
            fleet.mount().storage.fail_once_after(None);
            fleet.act("start").await;
        }
        minutes(&fleet, 5).await;
        let is_over = fleet.mount().storage.fail_once_after(None);
        ends_on_roles(&fleet, &format!("write {writes}")).await;
        if is_over {
            return;
        }
    }
    panic!("more than {MOST_WRITES} writes");
}

/// Storage fails from some write on, the process dies, and another begins with what is stored.
#[tokio::test]
async fn a_restart_at_any_step_changes_nothing_of_the_end() {
    for writes in 0..MOST_WRITES {
        let mut fleet = planned().await;
        fleet.mount().storage.fail_after(Some(writes));
        // It would wait for a plan that cannot be stored.
        let start = fleet.write(json!({"action": "start"}));
        let _ = timeout(Duration::from_millis(500), start).await;
        minutes(&fleet, 5).await;
        fleet.customer.mount.restart().await;
        fleet.mount().storage.fail_after(None);
        let state = fleet.read().await["state"].clone();
        if state == "planned" {
            fleet.act("start").await;
        }
        ends_on_roles(&fleet, &format!("write {writes}")).await;
        if state == "done" {
            return;
        }
    }
    panic!("more than {MOST_WRITES} writes");
}

/// The process dies while Atlas has not answered.
#[tokio::test]
async fn a_process_that_dies_while_it_asks_is_followed_by_one_that_goes_on() {
    for operation in [
        "createCloudProviderAccess",
        "authorizeProviderAccessRole",
        "getEncryptionAtRest",
        "updateEncryptionAtRest",
    ] {
        for (skip, after_effect) in [(0, true), (1, false), (2, true)] {
            let mut fleet = planned().await;
            let hang = json!({
                "operation": operation, "skip": skip,
                "action": {"kind": "hang", "after_effect": after_effect},
            });
            fleet.mount().atlas.fault(hang).await;
            let start = fleet.write(json!({"action": "start"}));
            let answered = timeout(Duration::from_secs(2), start).await;
            if answered.is_ok() {
                minutes(&fleet, 2).await;
            }
            fleet.customer.mount.restart().await;
            fleet.mount().atlas.no_more_faults().await;
            ends_on_roles(&fleet, &format!("{operation} {skip}")).await;
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_stops_nothing() {
    for operation in [
        "createCloudProviderAccess",
        "authorizeProviderAccessRole",
        "getEncryptionAtRest",
        "updateEncryptionAtRest",
    ] {
        for action in [
            json!({"kind": "lose_answer"}),
            json!({"kind": "close"}),
            json!({"kind": "answer", "status": 500}),
            json!({"kind": "answer", "status": 500, "after_effect": true}),
            json!({"kind": "not_json"}),
        ] {
            let fleet = planned().await;
            let fault = json!({"operation": operation, "skip": 1, "action": action});
            fleet.mount().atlas.fault(fault).await;
            fleet.act("start").await;
            ends_on_roles(&fleet, &format!("{operation} {action}")).await;
        }
    }
}

/// What a standby reads is not its own to work on.
#[tokio::test]
async fn a_standby_does_nothing_and_goes_on_once_it_is_active() {
    let fleet = planned().await;
    fleet.act("start").await;
    fleet.settled().await;
    fleet.mount().system.set_replication(Replication(24_608));
    minutes(&fleet, 5).await;
    assert_eq!(fleet.changes().await, [0]);
    fleet.mount().system.set_replication(Replication(8_224));
    ends_on_roles(&fleet, "active again").await;
}

/// Storage fails from some write on while projects are changed back, and the process dies.
#[tokio::test]
async fn a_restart_at_any_step_of_the_way_back_changes_nothing_of_the_end() {
    for writes in 0..MOST_WRITES {
        let mut fleet = Fleet::new(2).await;
        fleet.customer.grant().await;
        for number in 0..2 {
            fleet.hand_in(number).await;
        }
        fleet
            .plan(json!({"observe": "1m", "keep_static": true}))
            .await;
        fleet.act("start").await;
        assert_eq!(fleet.to_the_end().await["state"], "done");
        fleet.open_the_way_back().await;
        fleet.mount().storage.fail_after(Some(writes));
        let _ = fleet.write(json!({"action": "rollback"})).await;
        minutes(&fleet, 3).await;
        fleet.customer.mount.restart().await;
        fleet.mount().storage.fail_after(None);
        let state = fleet.read().await["state"].clone();
        if state == "done" {
            fleet.act("rollback").await;
        }
        fleet.mount().tick().await.expect("a tick");
        let data = fleet.to_the_end().await;
        assert_eq!(data["state"], "rolled_back", "write {writes}: {data:?}");
        assert_eq!(fleet.modes().await, ["static"; 2], "write {writes}");
        if state == "rolled_back" {
            return;
        }
    }
    panic!("more than {MOST_WRITES} writes");
}

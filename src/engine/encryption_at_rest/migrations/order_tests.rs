//! What an order takes with it: the projects and the consents that it was given for, and no others.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::doubt_tests::no_change_is_answered;
use super::fleet_tests::{CONSENTS, Fleet, column, row};
use crate::engine::process::ServerHold;
use crate::engine::testing::TestMount;

#[tokio::test]
async fn a_start_takes_the_projects_that_were_planned_and_no_others() {
    let fleet = Fleet::new(2).await;
    fleet.customer.grant().await;
    fleet.set_block(1, json!({})).await;
    let mut all = fleet.customer.ids();
    (all["all_static"], all["observe"]) = (json!(true), json!("1m"));
    fleet.write(all).await.expect("planned");
    // Encrypted after the plan.
    fleet.make_private(1, true).await;
    fleet.act_with_consent("start").await.expect("started");
    let data = fleet.to_the_end().await;
    assert_eq!(
        (&data["state"], &data["total"]),
        (&json!("done"), &json!(1))
    );
    assert_eq!(fleet.changes().await, [0]);
    let data = TestMount::data(fleet.write(json!({"observe": "1m"})).await);
    let found = row(&data, &fleet.projects[1])["verdicts"][0].clone();
    assert!(found.to_string().contains("proved by"), "{found}");
}

/// The order of each of two private projects that are alike, as it was left to them.
async fn two_private() -> Fleet {
    let fleet = Fleet::new(2).await;
    fleet.customer.grant().await;
    for number in 0..2 {
        fleet.make_private(number, true).await;
    }
    fleet
}

#[tokio::test]
async fn a_consent_goes_with_the_order_that_follows_a_plan() {
    let fleet = two_private().await;
    let mut first = fleet.all();
    for name in CONSENTS {
        first[name] = json!(true);
    }
    let mut at_once = first.clone();
    at_once["action"] = json!("start");
    for unseen in [first, at_once] {
        let refused = fleet.refused(unseen).await;
        for name in CONSENTS {
            let told = format!("{name}: is for the private projects that a plan");
            assert!(refused.contains(&told), "{refused}");
        }
    }
    let data = fleet.plan(json!({"observe": "1m"})).await;
    let needs = r#"["needs accept_unvalidated","way back: none"]"#;
    assert_eq!(column(&data, "verdicts"), [needs; 2]);
    assert_eq!(column(&data, "private"), ["true"; 2]);
    // One word is none.
    for half in CONSENTS {
        let plan_id = fleet.read().await["plan_id"].clone();
        let half = json!({"action": "start", half: true, "plan_id": plan_id});
        fleet.write(half).await.expect("started");
        let data = fleet.to_the_end().await;
        assert_eq!(
            (&data["state"], &data["skipped"]),
            (&json!("done"), &json!(2))
        );
    }
    fleet.act_with_consent("start").await.expect("started");
    assert_eq!(fleet.to_the_end().await["state"], "done");
    assert_eq!(fleet.modes().await, ["role"; 2]);
}

/// Nobody knows how things stand after a hold of days, and who gave the order does not wait for it.
#[tokio::test]
async fn a_consent_is_over_once_its_order_lay_still_for_long() {
    for (minutes, left, changes) in [(50, "watching", 1), (90, "skipped", 0)] {
        let mut fleet = Fleet::new(1).await;
        fleet.customer.grant().await;
        fleet.make_private(0, true).await;
        fleet.customer.mount.restart_held(ServerHold::Unasked).await;
        fleet.plan(json!({"observe": "1m"})).await;
        fleet.act_with_consent("start").await.expect("started");
        fleet.read().await;
        let held = Duration::from_mins(minutes);
        fleet.mount().advance(held).await;
        fleet.customer.mount.restart().await;
        let data = fleet.minute().await;
        assert_eq!(column(&data, "step"), [left], "{minutes}: {data:?}");
        assert_eq!(fleet.changes().await.len(), changes, "{minutes}");
    }
}

#[tokio::test]
async fn a_consent_to_the_way_back_is_over_once_that_lay_still_for_long() {
    let mut fleet = Fleet::private_on_role().await;
    fleet.customer.mount.restart_held(ServerHold::Unasked).await;
    fleet.act_with_consent("rollback").await.expect("ordered");
    fleet.mount().advance(Duration::from_mins(90)).await;
    fleet.customer.mount.restart().await;
    fleet.minute().await;
    let data = fleet.to_the_end().await;
    assert_eq!(column(&data, "step"), ["kept"; 2], "{data:?}");
    assert_eq!(fleet.changes().await, [] as [usize; 0]);
}

/// Each waits for the watch over the one before.
#[tokio::test]
async fn a_consent_lasts_as_long_as_its_order_goes_on() {
    let fleet = two_private().await;
    let mut block = fleet.other_key().await;
    block["requirePrivateNetworking"] = json!(true);
    fleet.set(1, block).await;
    let own =
        json!({"vault": "w", "service_principal_id": fleet.customer.ids()["service_principal_id"]});
    for role in ["Reader", "Key Vault Crypto User"] {
        let mut grant = own.clone();
        grant["role"] = json!(role);
        let atlas = &fleet.mount().atlas;
        atlas.control("POST", "/azure/grants", grant).await;
    }
    fleet.plan(json!({"observe": "100m"})).await;
    fleet.act_with_consent("start").await.expect("started");
    let mut data = fleet.settled().await;
    for _ in 0..102 {
        data = fleet.minute().await;
    }
    assert_eq!(column(&data, "step"), ["changed", "watching"], "{data:?}");
    assert_eq!(fleet.changes().await, [0, 1]);
}

/// A second operator may have it planned anew with projects that the first one never saw.
#[tokio::test]
async fn a_consent_is_for_the_plan_that_its_sender_saw() {
    let fleet = two_private().await;
    let one = json!({"observe": "1m", "project_ids": [fleet.projects[0]]});
    let seen = fleet.plan(one.clone()).await["plan_id"].clone();
    let data = fleet.plan(json!({})).await;
    assert_ne!(data["plan_id"], seen);
    for deleted in [false, true] {
        if deleted {
            fleet.delete().await.expect("deleted");
            fleet.plan(json!({"observe": "1m"})).await;
        }
        let refused = fleet.act_with_consent_to(&seen, "start").await;
        let refused = refused.expect_err("another plan").to_string();
        assert!(refused.contains("plan_id: the migration was"), "{refused}");
    }
    let [word, _] = CONSENTS;
    let unnamed = json!({"action": "start", word: true});
    let refused = fleet.refused(unnamed).await;
    assert!(refused.contains("plan_id: is missing"), "{refused}");
    // So does an order that accepts nothing, if it names a plan.
    let other = json!({"action": "start", "plan_id": seen});
    let refused = fleet.refused(other).await;
    assert!(refused.contains("plan_id: the migration was"), "{refused}");
    let refused = fleet.refused(json!({"plan_id": seen})).await;
    assert!(refused.contains("plan_id: goes with an order"), "{refused}");
    assert_eq!(fleet.read().await["state"], "planned");
    assert_eq!(fleet.changes().await, [] as [usize; 0]);
}

/// A policy that allows `action=pause` alone lets it pass.
#[tokio::test]
async fn a_write_without_fields_is_no_plan() {
    let fleet = Fleet::new(1).await;
    let planned = fleet.plan(json!({"observe": "5m"})).await;
    let refused = fleet.refused(json!({})).await;
    assert!(refused.contains("action: is missing"), "{refused}");
    assert_eq!(fleet.read().await["plan_id"], planned["plan_id"]);
    let again = TestMount::data(fleet.write(json!({"dry_run": true})).await);
    assert_ne!(again["plan_id"], planned["plan_id"]);
}

#[tokio::test]
async fn a_consent_to_the_way_back_is_for_the_projects_that_its_sender_saw() {
    let fleet = Fleet::private_on_role().await;
    let seen = fleet.read().await["plan_id"].clone();
    fleet.plan(json!({})).await;
    let refused = fleet.act_with_consent_to(&seen, "rollback").await;
    let refused = refused.expect_err("another plan").to_string();
    assert!(refused.contains("plan_id: the migration was"), "{refused}");
    fleet.act("rollback").await;
    fleet.act("pause").await;
    let refused = fleet.act_with_consent_to(&seen, "resume").await;
    let refused = refused.expect_err("another plan").to_string();
    assert!(refused.contains("plan_id: the migration was"), "{refused}");
    assert_eq!(fleet.changes().await, [] as [usize; 0]);
}

/// Each private one needs a consent, as what proves it is of another vault.
#[tokio::test]
async fn a_consent_is_none_to_what_an_earlier_order_began() {
    let fleet = two_private().await;
    let mut block = fleet.other_key().await;
    block["requirePrivateNetworking"] = json!(true);
    fleet.set(1, block).await;
    fleet.plan(json!({"observe": "5m"})).await;
    fleet.act_with_consent("start").await.expect("started");
    let data = fleet.settled().await;
    assert_eq!(column(&data, "step"), ["watching", "registered"]);
    fleet.act("pause").await;
    fleet.act("resume").await;
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "done", "{data:?}");
    assert_eq!(column(&data, "step"), ["changed", "skipped"]);
    assert_eq!(fleet.changes().await, [0]);
    assert_eq!(data[CONSENTS[0]], json!(false));
}

#[tokio::test]
async fn a_consent_is_none_to_what_was_not_shown_to_be_private() {
    let fleet = Fleet::new(2).await;
    fleet.make_private(0, true).await;
    fleet.plan(json!({"observe": "1m"})).await;
    fleet.make_private(1, true).await;
    fleet.customer.grant().await;
    let mut block = fleet.other_key().await;
    block["requirePrivateNetworking"] = json!(true);
    fleet.set(1, block).await;
    fleet.act_with_consent("start").await.expect("started");
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "done", "{data:?}");
    let left = row(&data, &fleet.projects[1]);
    assert_eq!(left["step"], "skipped");
    assert_eq!(left["verdicts"][0], "needs accept_unvalidated");
    assert_eq!(fleet.changes().await, [0]);
}

#[tokio::test]
async fn what_was_accepted_for_the_way_over_is_not_for_the_way_back() {
    let fleet = Fleet::private_on_role().await;
    fleet.act("rollback").await;
    let data = fleet.to_the_end().await;
    assert_eq!(column(&data, "step"), ["kept"; 2]);
    for error in column(&data, "error") {
        assert!(error.contains("accept_unvalidated"), "{error}");
    }
    assert_eq!(fleet.changes().await, [] as [usize; 0]);
    fleet.act_with_consent("rollback").await.expect("ordered");
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "rolled_back", "{data:?}");
    assert_eq!(column(&data, "step"), ["rolled_back"; 2]);
    assert_eq!(fleet.changes().await, [1, 0]);
    assert_eq!(fleet.modes().await, ["static"; 2]);
}

#[tokio::test]
async fn what_was_accepted_for_a_way_back_is_not_for_one_that_is_resumed() {
    let mut fleet = Fleet::private_on_role().await;
    fleet.customer.mount.restart_held(ServerHold::Unasked).await;
    fleet.act_with_consent("rollback").await.expect("ordered");
    fleet.act("pause").await;
    fleet.customer.mount.restart().await;
    // What would be without effect is refused there, too.
    let refused = fleet
        .refused(json!({"action": "resume", "max_failures": 2}))
        .await;
    assert!(
        refused.contains("max_failures: changes nothing"),
        "{refused}"
    );
    fleet.act("resume").await;
    let data = fleet.to_the_end().await;
    assert_eq!(column(&data, "step"), ["kept"; 2], "{data:?}");
    assert_eq!(fleet.modes().await, ["role"; 2]);
}

/// Nobody who ordered the way back knew that Atlas would take the secret unseen.
#[tokio::test]
async fn a_project_that_became_private_since_its_plan_does_not_go_back_by_a_consent() {
    let fleet = Fleet::on_role().await;
    let path = format!("encryption-at-rest/azure/{}", fleet.projects[0]);
    let role = TestMount::data(fleet.mount().read(&path).await)["role_id"].clone();
    let mut block = fleet.customer.key.clone();
    block["enabled"] = json!(true);
    block["roleId"] = role;
    block["requirePrivateNetworking"] = json!(true);
    fleet.set_block(0, block).await;
    fleet.endpoint(0, true).await;
    fleet.act_with_consent("rollback").await.expect("ordered");
    let data = fleet.to_the_end().await;
    assert_eq!(column(&data, "step"), ["kept"], "{data:?}");
    assert_eq!(fleet.changes().await, [0]);
}

/// Atlas takes any secret of a private project.
#[tokio::test]
async fn a_private_project_that_went_back_and_does_not_work_stops_the_way_back() {
    let fleet = Fleet::private_on_role().await;
    for number in 0..2 {
        fleet.hand_in_another(number).await;
    }
    fleet.act_with_consent("rollback").await.expect("ordered");
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "paused", "{data:?}");
    let reason = data["reason"].to_string();
    assert!(reason.contains("cannot use the key"), "{reason}");
    assert!(reason.contains(&fleet.projects[1]), "{reason}");
    assert_eq!(fleet.changes().await, [1]);
    assert_eq!(column(&data, "step"), ["leaving", "rolled_back"]);
}

#[tokio::test]
async fn what_is_ordered_while_projects_are_listed_is_not_undone() {
    let fleet = Fleet::new(1).await;
    fleet.hand_in(0).await;
    fleet.customer.grant().await;
    fleet.open_the_way_back().await;
    fleet
        .plan(json!({"observe": "1m", "keep_static": true}))
        .await;
    fleet.act("start").await;
    fleet.to_the_end().await;
    let slow = json!({
        "operation": "listGroups", "action": {"kind": "delay", "seconds": 2},
    });
    fleet.mount().atlas.fault(slow).await;
    let start = fleet.write(json!({"all_static": true, "action": "start"}));
    let rollback = async {
        sleep(Duration::from_millis(300)).await;
        fleet.act("rollback").await;
        fleet.settled().await
    };
    let (started, back) = tokio::join!(start, rollback);
    assert_eq!(back["state"], "rolled_back");
    let refused = started.expect_err("changed meanwhile").to_string();
    assert!(refused.contains("retry"), "{refused}");
    assert_eq!(fleet.read().await["state"], "rolled_back");
}

#[tokio::test]
async fn a_field_that_an_order_does_not_take_is_refused_by_name() {
    let fleet = Fleet::new(1).await;
    fleet.customer.grant().await;
    fleet.plan(json!({"observe": "5m"})).await;
    fleet.act("start").await;
    fleet.settled().await;
    let refused = fleet
        .refused(json!({"action": "pause", "max_failures": 2}))
        .await;
    assert!(refused.contains("max_failures: goes without"), "{refused}");
    let refused = fleet
        .refused(json!({"action": "rollback", "observe": "1m"}))
        .await;
    assert!(refused.contains("observe: changes nothing"), "{refused}");
    assert_eq!(fleet.read().await["state"], "running");
}

#[tokio::test]
async fn a_project_that_others_have_to_prove_is_no_canary() {
    let fleet = Fleet::new(2).await;
    fleet.make_private(0, true).await;
    fleet.customer.grant().await;
    let refused = json!({"canary": fleet.projects[0]});
    let data = fleet.plan(refused).await;
    let told = format!(
        "canary: project {} is needs accept_unvalidated",
        fleet.projects[0]
    );
    assert_eq!(data["reason"], json!(told));
    fleet.act("start").await;
    assert_eq!(fleet.to_the_end().await["state"], "planned");
    assert_eq!(fleet.changes().await, [] as [usize; 0]);
}

#[tokio::test]
async fn status_and_check_tell_of_a_migration_that_stopped_itself() {
    let fleet = Fleet::new(1).await;
    fleet.plan(json!({"observe": "1m"})).await;
    fleet.act("start").await;
    assert_eq!(fleet.to_the_end().await["state"], "paused");
    let status = TestMount::data(fleet.mount().read("status").await);
    let check = TestMount::data(fleet.mount().read("check").await);
    let told = "migration all of encryption at rest: paused: 1 failed";
    for found in [
        &status["encryption_at_rest"]["warnings"],
        &check["warnings"],
    ] {
        assert!(found.to_string().contains(told), "{found}");
    }
}

/// Whoever deleted the first one left its projects as they are.
#[tokio::test]
async fn a_migration_of_the_same_name_does_not_go_on_with_what_another_began() {
    let fleet = Fleet::new(2).await;
    fleet.customer.grant().await;
    let of = |number: usize| json!({"observe": "5m", "project_ids": [fleet.projects[number]]});
    fleet.plan(of(0)).await;
    no_change_is_answered(&fleet).await;
    fleet.act("start").await;
    fleet.settled().await;
    fleet.act("pause").await;
    fleet.delete().await.expect("deleted");
    fleet.mount().atlas.no_more_faults().await;
    fleet.mount().atlas.forget_requests().await;
    fleet.mount().advance(Duration::from_secs(1)).await;
    fleet.plan(of(1)).await;
    fleet.act("start").await;
    for _ in 0..3 {
        assert_eq!(fleet.minute().await["state"], "running");
    }
    assert_eq!(fleet.changes().await, [1]);
}

//! Migrations from start to end, on the simulator: the canary, one by one, stops, and the way back.

use serde_json::{Value, json};

use super::fleet_tests::{Fleet, column, row};
use crate::engine::process::ServerHold;
use crate::engine::testing::TestMount;

#[tokio::test]
async fn the_canary_is_watched_to_the_end_then_one_follows_the_other() {
    let fleet = Fleet::new(3).await;
    fleet.customer.grant().await;
    fleet.plan(json!({"observe": "5m"})).await;
    fleet.act("start").await;
    let data = fleet.settled().await;
    assert_eq!(data["state"], "running");
    assert_eq!(
        column(&data, "step"),
        ["watching", "registered", "registered"]
    );
    assert_eq!((&data["done"], &data["left"]), (&json!(0), &json!(3)));
    let at_work = &data["at_work"];
    assert_eq!(
        (&at_work["project_id"], &at_work["looks"]),
        (&json!(fleet.projects[0]), &json!(1))
    );
    let refused = fleet.delete().await.expect_err("at work").to_string();
    assert!(refused.contains("running"), "{refused}");
    let refused = fleet.refused(json!({"max_failures": 2})).await;
    assert!(refused.contains("action=pause"), "{refused}");
    for _ in 0..4 {
        let data = fleet.minute().await;
        assert_eq!(column(&data, "step")[0], "watching");
        assert_eq!(fleet.changes().await, [0]);
    }
    let data = fleet.minute().await;
    assert_eq!(column(&data, "step"), ["changed", "watching", "registered"]);
    assert_eq!(fleet.changes().await, [0, 1]);
    // The next one once `valid` was seen again, an interval later.
    let data = fleet.minute().await;
    assert_eq!(column(&data, "step"), ["changed", "changed", "watching"]);
    let data = fleet.minute().await;
    assert_eq!(data["state"], "done");
    assert_eq!((&data["done"], &data["left"]), (&json!(3), &json!(0)));
    assert_eq!(fleet.modes().await, ["role"; 3]);
    fleet.delete().await.expect("deleted");
    assert!(
        fleet
            .mount()
            .read("encryption-at-rest/migrations/all")
            .await
            .expect("an answer")
            .is_none()
    );
}

#[tokio::test]
async fn the_expected_end_comes() {
    let fleet = Fleet::new(4).await;
    fleet.customer.grant().await;
    fleet.plan(json!({"observe": "5m"})).await;
    fleet.act("start").await;
    let told = fleet.settled().await["expected_end"].clone();
    let data = fleet.to_the_end().await;
    assert_eq!(data["since"], told);
}

#[tokio::test]
async fn private_projects_come_last_and_the_first_ones_prove_them() {
    let fleet = Fleet::new(3).await;
    fleet.make_private(0, true).await;
    fleet.customer.grant().await;
    fleet.plan(json!({"observe": "5m"})).await;
    fleet.act("start").await;
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "done", "{data:?}");
    assert_eq!(fleet.changes().await, [1, 2, 0]);
    assert_eq!(fleet.modes().await, ["role"; 3]);
    // One that nothing proves is left alone.
    let alone = Fleet::new(1).await;
    alone.make_private(0, true).await;
    alone.plan(json!({})).await;
    alone.act("start").await;
    let data = alone.to_the_end().await;
    assert_eq!(
        (&data["state"], &data["skipped"]),
        (&json!("done"), &json!(1))
    );
    assert_eq!(alone.changes().await, [] as [usize; 0]);
}

#[tokio::test]
async fn a_private_project_is_watched_through_the_whole_of_observe() {
    let fleet = Fleet::new(2).await;
    fleet.make_private(1, true).await;
    fleet.customer.grant().await;
    fleet.plan(json!({"observe": "4m"})).await;
    fleet.act("start").await;
    fleet.settled().await;
    for minute in 1..8 {
        let data = fleet.minute().await;
        assert_eq!(data["state"], "running", "{minute}");
    }
    assert_eq!(fleet.to_the_end().await["state"], "done");
}

#[tokio::test]
async fn a_failing_canary_stops_it_and_it_goes_on_after_the_repair() {
    let fleet = Fleet::new(3).await;
    fleet
        .plan(json!({"max_failures": 5, "observe": "2m"}))
        .await;
    let data = fleet.act("start").await;
    assert_ne!(data["state"], "done");
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "paused");
    assert_eq!(
        column(&data, "step"),
        ["failed", "registered", "registered"]
    );
    let reason = data["reason"].as_str().expect("why");
    assert!(reason.contains(&fleet.projects[0]), "{reason}");
    assert!(reason.contains("INVALID_AZURE_CREDENTIALS"), "{reason}");
    assert_eq!(fleet.modes().await, ["static"; 3]);
    fleet.minute().await;
    // A grant may not be known at once.
    assert_eq!(fleet.changes().await, [0, 0, 0], "it stays paused");
    fleet.customer.grant().await;
    fleet.act("resume").await;
    let data = fleet.to_the_end().await;
    assert_eq!(
        (&data["state"], &data["failed"]),
        (&json!("done"), &json!(0))
    );
    assert_eq!(fleet.modes().await, ["role"; 3]);
    assert_eq!(fleet.changes().await, [0, 0, 0, 0, 1, 2]);
}

#[tokio::test]
async fn a_grant_that_is_not_known_at_once_stops_nothing() {
    let fleet = Fleet::new(2).await;
    let late = json!({"azure_grant_delay_seconds": 90});
    fleet.mount().atlas.settings(late).await;
    fleet.customer.grant().await;
    fleet.plan(json!({"observe": "1m"})).await;
    fleet.act("start").await;
    let data = fleet.settled().await;
    assert_eq!(column(&data, "step")[0], "changing");
    let told = column(&data, "error")[0].clone();
    assert!(told.contains("INVALID_AZURE_CREDENTIALS"), "{told}");
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "done", "{data:?}");
    assert_eq!(fleet.changes().await, [0, 0, 0, 1]);
    assert_eq!(column(&data, "error"), ["null"; 2]);
}

/// Two of four have a key of their own, which nobody granted.
async fn two_without_grant(max_failures: u32) -> Fleet {
    let fleet = Fleet::new(4).await;
    fleet.customer.grant().await;
    let key = fleet.other_key().await;
    for number in [1, 2] {
        fleet.set(number, key.clone()).await;
    }
    fleet
        .plan(json!({"max_failures": max_failures, "observe": "1m"}))
        .await;
    fleet.act("start").await;
    fleet
}

#[tokio::test]
async fn it_stops_at_as_many_failures_as_it_may_have() {
    let first = two_without_grant(1).await;
    let data = first.to_the_end().await;
    assert_eq!(data["state"], "paused");
    assert_eq!(
        column(&data, "step"),
        ["changed", "failed", "registered", "registered"]
    );
    let second = two_without_grant(2).await;
    let data = second.to_the_end().await;
    assert_eq!(data["state"], "paused");
    assert_eq!(
        column(&data, "step"),
        ["changed", "failed", "failed", "registered"]
    );
    let third = two_without_grant(3).await;
    let data = third.to_the_end().await;
    assert_eq!(
        (&data["state"], &data["failed"]),
        (&json!("done"), &json!(2))
    );
    assert_eq!(third.modes().await, ["role", "static", "static", "role"]);
}

#[tokio::test]
async fn it_pauses_and_resumes_when_told() {
    let fleet = Fleet::new(2).await;
    fleet.customer.grant().await;
    fleet.plan(json!({"observe": "3m"})).await;
    fleet.act("start").await;
    fleet.settled().await;
    let data = fleet.act("pause").await;
    assert_eq!(
        (&data["state"], &data["reason"]),
        (&json!("paused"), &json!("paused by request"))
    );
    for _ in 0..6 {
        fleet.minute().await;
    }
    assert_eq!(fleet.changes().await, [0]);
    fleet.act("resume").await;
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "done");
    assert_eq!(fleet.changes().await, [0, 1]);
}

#[tokio::test]
async fn a_grant_that_is_taken_away_while_it_is_watched_stops_it() {
    let fleet = Fleet::new(2).await;
    fleet.customer.grant().await;
    fleet.plan(json!({"observe": "5m"})).await;
    fleet.act("start").await;
    fleet.settled().await;
    let principal = &fleet.customer.principal;
    let revoke = json!({"vault": "v", "service_principal_id": principal});
    let atlas = &fleet.mount().atlas;
    atlas.control("POST", "/azure/grants/revoke", revoke).await;
    let data = fleet.minute().await;
    assert_eq!(data["state"], "paused");
    let told = row(&data, &fleet.projects[0])["error"].to_string();
    assert!(told.contains("cannot use the key"), "{told}");
    // It is on its role, and works again once the grant is back.
    fleet.customer.grant().await;
    fleet.act("resume").await;
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "done");
    assert_eq!(fleet.changes().await, [0, 1]);
}

#[tokio::test]
async fn it_waits_while_it_is_held() {
    let mut fleet = Fleet::new(1).await;
    fleet.customer.grant().await;
    fleet.customer.mount.restart_held(ServerHold::Unasked).await;
    fleet.plan(json!({"observe": "1m"})).await;
    fleet.act("start").await;
    let mount = fleet.mount();
    mount.tick_for(2).await;
    let warned = mount
        .read_warnings("encryption-at-rest/migrations/all")
        .await;
    assert!(warned[0].contains("MONGODBATLAS_HOLD"), "{warned:?}");
    assert_eq!(fleet.changes().await, [] as [usize; 0]);
    fleet.customer.mount.restart().await;
    fleet.minute().await;
    assert_eq!(fleet.to_the_end().await["state"], "done");
}

#[tokio::test]
async fn what_was_changed_is_changed_back_the_last_one_first() {
    let fleet = Fleet::new(4).await;
    for number in [0, 1, 3] {
        fleet.hand_in(number).await;
    }
    fleet.customer.grant().await;
    fleet
        .plan(json!({"observe": "1m", "keep_static": true}))
        .await;
    fleet.act("start").await;
    assert_eq!(fleet.to_the_end().await["state"], "done");
    let atlas = &fleet.mount().atlas;
    let allowed = json!({"static_credentials_after_role": "accept"});
    atlas.settings(allowed).await;
    atlas.forget_requests().await;
    fleet.act("rollback").await;
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "rolled_back");
    assert_eq!(fleet.changes().await, [3, 1, 0]);
    assert_eq!(fleet.modes().await, ["static", "static", "role", "static"]);
    let kept = row(&data, &fleet.projects[2]);
    assert_eq!(
        (&kept["step"], &kept["error"]),
        (&json!("kept"), &json!("no static secret in keeping"))
    );
    assert_eq!((&data["done"], &data["failed"]), (&json!(3), &json!(1)));
    // On the way over again it is still one that was not changed back.
    fleet.act("start").await;
    let data = fleet.act("pause").await;
    let counts = ["done", "left", "failed", "skipped"].map(|name| data[name].clone());
    assert_eq!(counts, [0, 3, 1, 0].map(|count| json!(count)), "{data:?}");
    let atlas = &fleet.mount().atlas;
    let log = atlas.control("GET", "/requests", Value::Null).await;
    assert!(!log.to_string().contains(&fleet.customer.secret));
    assert!(!json!(data).to_string().contains(&fleet.customer.secret));
}

#[tokio::test]
async fn where_atlas_refuses_the_way_back_it_says_so_with_each_project() {
    let fleet = Fleet::new(2).await;
    fleet.hand_in(0).await;
    fleet.hand_in(1).await;
    fleet.customer.grant().await;
    fleet
        .plan(json!({"observe": "1m", "keep_static": true}))
        .await;
    fleet.act("start").await;
    fleet.to_the_end().await;
    fleet.act("rollback").await;
    let data = fleet.to_the_end().await;
    assert_eq!(
        (&data["state"], &data["failed"]),
        (&json!("rolled_back"), &json!(2))
    );
    for error in column(&data, "error") {
        assert!(error.contains("refuses the way back"), "{error}");
    }
    assert_eq!(fleet.modes().await, ["role"; 2]);
    // Asked once more, it is tried once more.
    let atlas = &fleet.mount().atlas;
    atlas
        .settings(json!({"static_credentials_after_role": "accept"}))
        .await;
    fleet.act("rollback").await;
    fleet.to_the_end().await;
    assert_eq!(fleet.modes().await, ["static"; 2]);
}

#[tokio::test]
async fn a_project_that_was_changed_stays_in_its_migration() {
    let fleet = Fleet::new(2).await;
    fleet.customer.grant().await;
    let one = json!({"project_ids": [fleet.projects[0]], "observe": "1m"});
    fleet.plan(one).await;
    fleet.act("start").await;
    fleet.to_the_end().await;
    let refused = fleet
        .refused(json!({"project_ids": [fleet.projects[1]]}))
        .await;
    assert!(refused.contains(&fleet.projects[0]), "{refused}");
    let more = TestMount::data(fleet.write(json!({"project_ids": fleet.projects})).await);
    assert_eq!(
        (&more["state"], &more["done"], &more["left"]),
        (&json!("planned"), &json!(1), &json!(1))
    );
    fleet.act("start").await;
    fleet.to_the_end().await;
    assert_eq!(fleet.changes().await, [0, 1]);
}

/// Atlas takes it unseen, the data nodes cannot use it, and the look takes it back before a cluster stops.
#[tokio::test]
async fn a_private_project_without_its_grant_goes_back_and_stops_it() {
    let fleet = Fleet::new(2).await;
    for number in 0..2 {
        fleet.make_private(number, true).await;
        fleet.hand_in(number).await;
    }
    fleet.open_the_way_back().await;
    fleet.plan(json!({})).await;
    fleet.act_with_consent("start").await.expect("started");
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "paused", "{data:?}");
    assert_eq!(column(&data, "step"), ["failed", "registered"]);
    let reason = data["reason"].to_string();
    assert!(reason.contains("look at the grants"), "{reason}");
    let status = TestMount::data(fleet.mount().read("status").await);
    let told = status["encryption_at_rest"]["warnings"].to_string();
    assert!(told.contains("static: Atlas could not use"), "{told}");
    assert_eq!(fleet.modes().await, ["static"; 2]);
    // There and back.
    assert_eq!(fleet.changes().await, [0, 0]);
}

/// All kinds at once, cut short in the middle.
#[tokio::test]
async fn twenty_projects_of_all_kinds_end_on_their_role_or_as_they_were() {
    let mut fleet = Fleet::new(20).await;
    fleet.customer.grant().await;
    let other = fleet.other_key().await;
    for number in [3, 9, 14] {
        fleet.set(number, other.clone()).await;
    }
    for number in [5, 6] {
        fleet.set_block(number, json!({})).await;
    }
    for number in [0, 10, 11] {
        fleet.make_private(number, true).await;
    }
    fleet
        .plan(json!({"observe": "2m", "max_failures": 3}))
        .await;
    fleet.act("start").await;
    for _ in 0..8 {
        fleet.minute().await;
    }
    fleet.customer.mount.restart().await;
    fleet.minute().await;
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "paused", "{data:?}");
    // The third failure of the kind is repaired, with those before.
    for role in ["Reader", "Key Vault Crypto User"] {
        let grant = json!({
            "vault": "w", "service_principal_id": fleet.customer.principal, "role": role,
        });
        let atlas = &fleet.mount().atlas;
        atlas.control("POST", "/azure/grants", grant).await;
    }
    fleet.act("resume").await;
    let data = fleet.to_the_end().await;
    assert_eq!(
        (&data["state"], &data["done"], &data["skipped"]),
        (&json!("done"), &json!(18), &json!(2)),
        "{data:?}"
    );
    let want: Vec<&str> = (0..20)
        .map(|number| {
            if [5, 6].contains(&number) {
                "none"
            } else {
                "role"
            }
        })
        .collect();
    assert_eq!(fleet.modes().await, want);
    // Private ones last.
    let changes = fleet.changes().await;
    assert_eq!(changes[changes.len() - 3..], [0, 10, 11]);
}

#[tokio::test]
async fn a_way_back_that_is_paused_goes_on_back_and_not_forth() {
    let fleet = Fleet::new(2).await;
    for number in 0..2 {
        fleet.hand_in(number).await;
    }
    fleet.customer.grant().await;
    fleet
        .plan(json!({"observe": "1m", "keep_static": true}))
        .await;
    fleet.act("start").await;
    fleet.to_the_end().await;
    let atlas = &fleet.mount().atlas;
    let slow = json!({"kind": "answer", "status": 503});
    let fault = json!({"operation": "updateEncryptionAtRest", "count": 0, "action": slow});
    atlas.fault(fault).await;
    let allowed = json!({"static_credentials_after_role": "accept"});
    atlas.settings(allowed).await;
    fleet.act("rollback").await;
    fleet.settled().await;
    assert_eq!(fleet.act("pause").await["state"], "paused");
    atlas.no_more_faults().await;
    let refused = fleet.refused(json!({"action": "start"})).await;
    assert!(
        refused.contains("while this migration is paused"),
        "{refused}"
    );
    // A plan would have them stay on their role.
    let refused = fleet.refused(json!({"observe": "2m"})).await;
    assert!(refused.contains("a plan means nothing"), "{refused}");
    fleet.act("resume").await;
    assert_eq!(fleet.to_the_end().await["state"], "rolled_back");
    assert_eq!(fleet.modes().await, ["static"; 2]);
}

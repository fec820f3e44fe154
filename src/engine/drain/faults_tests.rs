//! What comes in between: Atlas that refuses, storage that fails, a restart, holds and clocks.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::tests::{
    draining, end_drain, is_refused, issue_all, order, ordered, refuse_deletions, until,
    until_done, with_every_type,
};
use crate::engine::log_lines::Lines;
use crate::engine::process::ServerHold;
use crate::engine::testing::{Atlas, TestMount};
use crate::vault::Failure;

#[tokio::test]
async fn a_failure_keeps_nothing_else_and_is_tried_again_with_pauses() {
    let (mount, account) = with_every_type().await;
    issue_all(&mount).await;
    let own = mount.atlas.secrets(&account).await.len();
    refuse_deletions(&mount).await;
    let refusal = json!({
        "operation": "deleteOrgServiceAccount", "count": 0,
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    });
    mount.atlas.fault(refusal).await;
    ordered(&mount).await;
    // The key, the account, and the account that is kept; the token waits for that.
    until(&mount, "three fail", |state| {
        (&state["failing"], &state["remaining"]) == (&json!(3), &json!(4))
    })
    .await;
    assert_eq!(mount.atlas.secrets(&account).await.len(), own - 1);
    mount.atlas.forget_requests().await;
    mount.tick_for(7).await;
    // After 1, 3 and 7 minutes.
    let operations = mount.atlas.operations().await;
    assert_eq!(operations["deleteOrgApiKey"], 3, "{operations}");
    assert_eq!(operations["deleteOrgServiceAccount"], 6, "{operations}");
    mount.atlas.no_more_faults().await;
    mount.tick_for(8).await;
    assert_eq!(draining(&mount).await["remaining"], 0);
}

#[tokio::test]
async fn an_outage_ends_the_round() {
    let mount = TestMount::with_role(json!({})).await;
    for _ in 0..12 {
        mount.issue("reader").await;
    }
    mount.atlas.forget_requests().await;
    refuse_deletions(&mount).await;
    ordered(&mount).await;
    until(&mount, "some fail", |state| state["failing"] != 0).await;
    sleep(Duration::from_millis(300)).await;
    let asked = mount.atlas.operations().await["deleteOrgApiKey"].clone();
    assert!(asked.as_u64().is_some_and(|asked| asked <= 7), "{asked}");
    assert_eq!(draining(&mount).await["remaining"], 12);
    mount.atlas.no_more_faults().await;
    mount.tick_for(2).await;
    assert_eq!(draining(&mount).await["remaining"], 0);
}

#[tokio::test]
async fn a_restart_continues_by_what_is_stored() {
    let (mut mount, _) = with_every_type().await;
    issue_all(&mount).await;
    refuse_deletions(&mount).await;
    let first = ordered(&mount).await;
    until(&mount, "the rest is gone", |state| state["remaining"] == 1).await;
    mount.restart().await;
    let refused = mount.read("creds/reader").await;
    assert!(is_refused(&refused), "{refused:?}");
    mount.atlas.no_more_faults().await;
    mount.tick().await.expect("a tick");
    let state = draining(&mount).await;
    assert_eq!(state["since"], first["draining"]["since"]);
    assert_eq!(
        (&state["remaining"], &state["ended"]),
        (&json!(0), &json!(1))
    );
}

/// The process died after the account was deleted, and before the entries of its tokens said so.
#[tokio::test]
async fn tokens_whose_account_is_gone_have_ended() {
    let (mut mount, _) = with_every_type().await;
    let (_, lease) = mount.issue("token").await;
    let key = mount.storage.keys();
    let key = key.iter().find(|key| key.starts_with("managed-accounts/"));
    let key = key.expect("an account is kept").clone();
    mount.storage.unplant(&key);
    mount.restart().await;
    ordered(&mount).await;
    until_done(&mount).await;
    // The account that no role names any more was found in the journal.
    assert_eq!(
        mount.atlas.credentials().await.len(),
        1,
        "the existing account"
    );
    let id = lease.internal_data["journal_id"].as_str().expect("an id");
    let entry = TestMount::data(mount.read(&format!("issued/{id}")).await);
    assert_eq!(entry["state"], "ended");
    mount.revoke(&lease).await.expect("revoked");
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

#[tokio::test]
async fn an_order_that_cannot_be_stored_is_refused_and_begins_nothing() {
    let mount = TestMount::with_role(json!({})).await;
    mount.issue("reader").await;
    mount.storage.fail_after(Some(0));
    order(&mount, false).await.expect_err("no storage");
    mount.storage.fail_after(None);
    assert_eq!(draining(&mount).await, Value::Null);
    mount.tick_for(2).await;
    assert_eq!(mount.atlas.credentials().await.len(), 1);
    mount.issue("reader").await;
}

/// The credential is gone, and the entry does not say so: the next round completes it.
#[tokio::test]
async fn storage_that_fails_in_a_round_loses_nothing() {
    for writes in 1..8 {
        let (mount, account) = with_every_type().await;
        issue_all(&mount).await;
        let own = mount.atlas.secrets(&account).await.len();
        mount.storage.fail_after(Some(writes));
        ordered(&mount).await;
        sleep(Duration::from_millis(200)).await;
        mount.storage.fail_after(None);
        for _ in 0..3 {
            mount.tick_for(1).await;
        }
        let state = draining(&mount).await;
        assert_eq!(state["remaining"], 0, "{writes}: {state}");
        assert_eq!(mount.atlas.credentials().await.len(), 1, "{writes}");
        assert_eq!(
            mount.atlas.secrets(&account).await.len(),
            own - 1,
            "{writes}"
        );
    }
}

#[tokio::test]
async fn the_environment_rests_a_drain_that_storage_holds_and_begins_none() {
    let (mut mount, _) = with_every_type().await;
    issue_all(&mount).await;
    let away = json!({"count": 0, "unauthenticated": true, "action": {"kind": "close"}});
    mount.atlas.fault(away).await;
    ordered(&mount).await;
    mount.restart_held(ServerHold::Unasked).await;
    mount.atlas.no_more_faults().await;
    let before = mount.atlas.credentials().await;
    mount.tick_for(3).await;
    assert_eq!(mount.atlas.credentials().await, before);
    let state = draining(&mount).await;
    let held = state["held"].as_str().unwrap_or_default();
    assert!(held.contains("MONGODBATLAS_HOLD=true"), "{state}");
    assert_eq!(state["remaining"], 5, "{state}");
    let refused = mount.read("creds/reader").await;
    assert!(is_refused(&refused), "{refused:?}");
    let refused = order(&mount, false).await;
    assert!(
        matches!(&refused, Err(Failure::BadRequest(text)) if text.starts_with("dry_run: MONGODBATLAS_HOLD=true")),
        "{refused:?}"
    );
    assert_eq!(TestMount::data(order(&mount, true).await)["remaining"], 5);
    mount.restart().await;
    mount.tick().await.expect("a tick");
    assert_eq!(draining(&mount).await["remaining"], 0);
}

#[tokio::test]
async fn a_copy_that_must_not_touch_atlas_does_not() {
    let mut mount = TestMount::with_role(json!({})).await;
    mount.issue("reader").await;
    mount.restart_held(ServerHold::All).await;
    mount.atlas.forget_requests().await;
    let refused = order(&mount, false).await;
    assert!(
        matches!(&refused, Err(Failure::Coded { status: 503, text }) if text.contains("MONGODBATLAS_HOLD=all")),
        "{refused:?}"
    );
    assert_eq!(TestMount::data(order(&mount, true).await)["remaining"], 1);
    mount.tick_for(2).await;
    assert_eq!(mount.atlas.operations().await, json!({}));
    assert_eq!(draining(&mount).await, Value::Null);
}

/// It was ordered after the hold was, by a person; what is incomplete goes as well.
#[tokio::test]
async fn the_hold_of_the_configuration_does_not_hold_an_ordered_drain() {
    let mut mount = TestMount::with_role(json!({})).await;
    mount.issue("reader").await;
    for operation in ["createOrgAccessEntry", "deleteOrgApiKey"] {
        let refusal = json!({
            "operation": operation, "count": 0,
            "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
        });
        mount.atlas.fault(refusal).await;
    }
    mount.read("creds/reader").await.expect_err("half-made");
    mount.atlas.no_more_faults().await;
    mount.restart().await;
    let hold = json!({ "hold": true });
    mount.write("config", hold).await.expect("held");
    mount.advance(Duration::from_mins(20)).await;
    mount.tick_for(2).await;
    assert_eq!(mount.atlas.credentials().await.len(), 2);
    ordered(&mount).await;
    until_done(&mount).await;
    assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
    let shown = TestMount::data(mount.read("config").await);
    assert_eq!(shown["hold"], true);
    end_drain(&mount).await;
    let shown = TestMount::data(mount.read("config").await);
    assert_eq!(shown["hold"], true, "only the drain is over");
}

#[tokio::test]
async fn a_clock_that_was_turned_does_not_hold_it() {
    let (mount, _) = with_every_type().await;
    mount.tick_for(2).await;
    issue_all(&mount).await;
    mount.clock.jump(TimeDelta::hours(4));
    mount.tick().await.expect("a tick");
    let status = TestMount::data(mount.read("status").await);
    assert!(!status["hold"]["clock"].is_null(), "{status:?}");
    ordered(&mount).await;
    let held = draining(&mount).await["held"].clone();
    let held = held.as_str().unwrap_or_default();
    assert!(held.contains("set forward"), "{held}");
    assert!(held.contains("incomplete credentials wait"), "{held}");
    until_done(&mount).await;
    assert_eq!(
        mount.atlas.credentials().await.len(),
        1,
        "the existing account"
    );
}

/// Its entry says that it is kept, and no role's stored accounts do. While it is there its tokens live.
#[tokio::test]
async fn an_account_that_cannot_be_deleted_keeps_its_tokens_from_counting_as_ended() {
    let (mut mount, _) = with_every_type().await;
    mount.issue("token").await;
    for key in mount.storage.keys() {
        if key.starts_with("managed-accounts/") {
            mount.storage.unplant(&key);
        }
    }
    mount.restart().await;
    let refusal = json!({
        "operation": "deleteOrgServiceAccount", "count": 0,
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    });
    mount.atlas.fault(refusal).await;
    ordered(&mount).await;
    let state = until(&mount, "it fails", |state| state["failing"] == 1).await;
    assert_eq!(state["remaining"], 2, "{state}");
    mount
        .tick()
        .await
        .expect("what Atlas refuses is no error of the tick");
    assert_eq!(mount.atlas.operations().await["deleteOrgServiceAccount"], 1);
    mount.atlas.no_more_faults().await;
    mount.tick_for(1).await;
    assert_eq!(draining(&mount).await["remaining"], 0);
}

/// A mount whose first round has ended some of twelve keys, at a slow Atlas.
async fn in_the_middle_of_a_round() -> TestMount {
    let mount = TestMount::with_role(json!({})).await;
    for _ in 0..12 {
        mount.issue("reader").await;
    }
    let slow = json!({
        "operation": "deleteOrgApiKey", "count": 0, "action": {"kind": "delay", "seconds": 0.5},
    });
    mount.atlas.fault(slow).await;
    ordered(&mount).await;
    until(&mount, "some are gone", |state| state["ended"] != 0).await;
    mount
}

#[tokio::test]
async fn a_round_stops_when_the_drain_is_called_off() {
    let mount = in_the_middle_of_a_round().await;
    end_drain(&mount).await;
    sleep(Duration::from_secs(2)).await;
    let left = mount.atlas.credentials().await.len();
    assert!(left >= 4, "only what had begun was ended: {left} are left");
    mount.issue("reader").await;
}

/// What its last tick leaves nobody ends.
#[tokio::test]
async fn the_last_periodic_run_of_a_mount_waits_for_the_round_at_work() {
    let mount = in_the_middle_of_a_round().await;
    mount.system.set_tainted(true);
    mount.tick().await.expect("the last tick");
    assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
}

/// No credential fails by itself where none is tried.
#[tokio::test]
async fn a_drain_that_cannot_sign_in_says_so() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let mount = TestMount::with_role(json!({})).await;
    mount.issue("reader").await;
    assert_eq!(
        TestMount::data(mount.read("status").await)["draining"],
        Value::Null
    );
    let key = format!("/keys/{}", mount.atlas.key_id());
    mount.atlas.control("DELETE", &key, Value::Null).await;
    ordered(&mount).await;
    let state = until(&mount, "it is blocked", |state| state["blocked"] == true).await;
    assert_eq!(
        (&state["failing"], &state["remaining"]),
        (&json!(0), &json!(1)),
        "{state}"
    );
    assert!(state["last_error"].is_string(), "{state}");
    assert!(state["last_error_time"].is_string(), "{state}");
    mount.tick_for(1).await;
    let told = lines.take("cannot end everything yet");
    assert!(
        told.len() == 1 && told[0].contains("blocked=true"),
        "{told:?}"
    );
}

/// The order found the mount that it named, and another configuration is written before it is stored.
#[tokio::test]
async fn a_configuration_that_is_written_meanwhile_decides_whose_mount_it_is() {
    let mount = TestMount::with_role(json!({})).await;
    let elsewhere = Atlas::another().await;
    let slow = json!({
        "operation": "listOrgs", "action": {"kind": "delay", "seconds": 0.5},
    });
    elsewhere.fault(slow).await;
    let named = mount.atlas.org().to_owned();
    let mut config = elsewhere.key_config();
    config["organization_id"] = json!(elsewhere.org());
    let orders = async {
        sleep(Duration::from_millis(150)).await;
        order(&mount, false).await
    };
    let (written, ordered) = tokio::join!(mount.write("config", config), orders);
    written.expect("written");
    assert_ne!(named, elsewhere.org());
    let refused = ordered.expect_err("of another organization").to_string();
    assert!(refused.contains("belongs to organization"), "{refused}");
    assert_eq!(draining(&mount).await, Value::Null);
}

/// As where the write of it failed half-way: storage knows, memory does not.
#[tokio::test]
async fn a_token_whose_entry_says_that_it_was_ended_is_not_left() {
    let (mount, _) = with_every_type().await;
    let (_, lease) = mount.issue("token").await;
    let id = lease.internal_data["journal_id"].as_str().expect("an id");
    let key = format!("issued/{id}");
    let stored = mount.storage.value(&key);
    let mut entry: Value = serde_json::from_slice(&stored).expect("JSON");
    entry["state"] = json!("ended");
    entry["ended"] =
        json!({ "at": mount.now(), "by": { "display_name": "token", "entity_id": "" } });
    mount.storage.plant(&key, entry.to_string().as_bytes());
    ordered(&mount).await;
    until_done(&mount).await;
}

/// A rotation is refused meanwhile, and a write of the configuration calls the drain off.
#[tokio::test]
async fn what_the_mount_signs_in_with_is_refused_with_a_way_that_a_drain_leaves_open() {
    let mount = TestMount::configured().await;
    let role = json!({ "organization_id": mount.atlas.org(), "roles": "ORG_OWNER" });
    mount.write("roles/reader", role).await.expect("a role");
    let (data, _) = mount.issue("reader").await;
    let config = json!({
        "public_key": data["public_key"], "private_key": data["private_key"],
    });
    mount.write("config", config).await.expect("written");
    ordered(&mount).await;
    let state = until(&mount, "it fails", |state| state["failing"] == 1).await;
    let told = state["last_error"].as_str().unwrap_or_default();
    assert!(
        told.contains("another credential to config, then order the drain again")
            && !told.contains("rotate-root"),
        "{told}"
    );
}

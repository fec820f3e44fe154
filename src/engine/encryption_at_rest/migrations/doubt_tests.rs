//! What a migration makes of projects of which it does not know how they stand.

use std::time::Duration;

use chrono::DateTime;
use serde_json::json;
use tokio::time::timeout;

use super::super::entry::{AzureEntry, Mode, Seen};
use super::fleet_tests::{Fleet, column, row};
use super::looks::is_valid;
use crate::atlas::VaultKey;
use crate::engine::origin::BoundTo;

/// Atlas answers changes with an error, after which nobody knows what became of them.
pub(super) async fn no_change_is_answered(fleet: &Fleet) {
    let fault = json!({
        "operation": "updateEncryptionAtRest", "count": 0,
        "action": {"kind": "answer", "status": 500},
    });
    fleet.mount().atlas.fault(fault).await;
}

#[tokio::test]
async fn what_a_person_takes_back_meanwhile_is_not_changed_again() {
    let fleet = Fleet::new(1).await;
    fleet.hand_in(0).await;
    fleet.customer.grant().await;
    fleet.open_the_way_back().await;
    no_change_is_answered(&fleet).await;
    fleet.plan(json!({"observe": "1m"})).await;
    fleet.act("start").await;
    let data = fleet.settled().await;
    assert_eq!(column(&data, "step"), ["changing"]);
    fleet.mount().atlas.no_more_faults().await;
    let path = format!("encryption-at-rest/azure/{}/rollback", fleet.projects[0]);
    let back = fleet.mount().write(&path, json!({})).await;
    back.expect("changed back");
    let data = fleet.to_the_end().await;
    assert_eq!(
        (&data["state"], column(&data, "step")),
        (&json!("paused"), vec!["failed".to_owned()])
    );
    let reason = data["reason"].to_string();
    assert!(reason.contains("called the change off"), "{reason}");
    assert_eq!(fleet.modes().await, ["static"]);
}

/// The periodic function would send it once more.
#[tokio::test]
async fn a_change_that_nobody_answered_is_rolled_back_too() {
    for held in [None, Some("good"), Some("wrong")] {
        let fleet = Fleet::new(1).await;
        if held.is_some() {
            fleet.hand_in(0).await;
        }
        if held == Some("wrong") {
            fleet.hand_in_another(0).await;
        }
        fleet.customer.grant().await;
        fleet.open_the_way_back().await;
        fleet.plan(json!({"observe": "1m"})).await;
        no_change_is_answered(&fleet).await;
        fleet.act("start").await;
        let data = fleet.to_the_end().await;
        assert_eq!(column(&data, "step"), ["failed"], "{data:?}");
        fleet.mount().atlas.no_more_faults().await;
        fleet.act("rollback").await;
        let data = fleet.to_the_end().await;
        assert_eq!(data["state"], "rolled_back", "{data:?}");
        fleet.mount().tick_for(10).await;
        assert_eq!(fleet.modes().await, ["static"], "{held:?}");
    }
}

#[tokio::test]
async fn a_refusal_that_repeats_the_secret_is_kept_without_it() {
    let fleet = Fleet::new(1).await;
    fleet.hand_in(0).await;
    fleet.customer.grant().await;
    let keep = json!({"observe": "1m", "keep_static": true});
    fleet.plan(keep).await;
    fleet.act("start").await;
    assert_eq!(fleet.to_the_end().await["state"], "done");
    let secret = &fleet.customer.secret;
    let body = json!({
        "error": 400, "errorCode": "BAD_REQUEST", "detail": format!("'{secret}' is too long"),
    });
    let action = json!({"kind": "answer", "status": 400, "body": body});
    fleet.customer.fault("updateEncryptionAtRest", action).await;
    fleet.act("rollback").await;
    let data = fleet.to_the_end().await;
    assert_eq!(column(&data, "step"), ["kept"]);
    let told = json!(data).to_string();
    assert!(told.contains("'***' is too long"), "{told}");
    assert!(!told.contains(secret.as_str()), "{told}");
}

/// Who deletes a migration, or plans it anew, wants nothing sent for it any more.
#[tokio::test]
async fn a_change_of_a_migration_that_is_no_more_is_not_sent_again() {
    for is_deleted in [false, true] {
        let fleet = Fleet::new(1).await;
        fleet.customer.grant().await;
        fleet.plan(json!({"observe": "1m"})).await;
        no_change_is_answered(&fleet).await;
        fleet.act("start").await;
        assert_eq!(column(&fleet.settled().await, "step"), ["changing"]);
        fleet.act("pause").await;
        if is_deleted {
            fleet.delete().await.expect("deleted");
        } else {
            fleet.plan(json!({})).await;
        }
        fleet.mount().atlas.no_more_faults().await;
        fleet.mount().atlas.forget_requests().await;
        fleet.mount().tick_for(10).await;
        assert_eq!(fleet.changes().await, [] as [usize; 0], "{is_deleted}");
        // What a person orders then goes on.
        let path = format!("encryption-at-rest/azure/{}/apply", fleet.projects[0]);
        let applied = fleet.mount().write(&path, json!({})).await;
        applied.expect("changed over");
        assert_eq!(fleet.modes().await, ["role"]);
    }
}

#[tokio::test]
async fn a_change_that_nobody_answered_goes_on_with_a_resume() {
    let fleet = Fleet::new(1).await;
    fleet.customer.grant().await;
    fleet.plan(json!({"observe": "1m"})).await;
    no_change_is_answered(&fleet).await;
    fleet.act("start").await;
    fleet.to_the_end().await;
    fleet.mount().atlas.no_more_faults().await;
    fleet.act("resume").await;
    fleet.mount().tick_for(6).await;
    assert_eq!(fleet.to_the_end().await["state"], "done");
    assert_eq!(fleet.modes().await, ["role"]);
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_keeps_no_other_from_its_plan() {
    let fleet = Fleet::new(2).await;
    let key = format!("encryption-at-rest/azure/{}", fleet.projects[0]);
    fleet.mount().storage.plant(&key, b"{");
    fleet.customer.grant().await;
    let data = fleet.plan(json!({"observe": "1m"})).await;
    assert_eq!(data["state"], "planned");
    let unread = row(&data, &fleet.projects[0]);
    assert_eq!(unread["verdicts"], json!(["unknown"]));
    assert!(unread["error"].to_string().contains(&key), "{unread}");
    fleet.act("start").await;
    assert_eq!(fleet.to_the_end().await["state"], "done");
    assert_eq!(fleet.modes().await, ["static", "role"]);
}

#[tokio::test]
async fn a_plan_that_does_not_end_can_be_deleted() {
    let fleet = Fleet::new(1).await;
    let limit = json!({
        "operation": "getEncryptionAtRest", "count": 0,
        "action": {"kind": "answer", "status": 500},
    });
    fleet.mount().atlas.fault(limit).await;
    let plan = fleet.write(fleet.all());
    let _ = timeout(Duration::from_millis(700), plan).await;
    assert_eq!(fleet.read().await["state"], "planning");
    // Nothing follows it, before and after a pause.
    assert_eq!(fleet.act("pause").await["state"], "paused");
    fleet.mount().atlas.no_more_faults().await;
    fleet.mount().tick().await.expect("a tick");
    assert_eq!(fleet.settled().await["state"], "paused");
    assert_eq!(fleet.act("resume").await["state"], "planned");
    assert_eq!(fleet.changes().await, [] as [usize; 0]);
    fleet.delete().await.expect("deleted");
}

/// A start plans first.
#[tokio::test]
async fn a_start_that_is_paused_while_it_plans_goes_on_with_a_resume() {
    let fleet = Fleet::new(1).await;
    fleet.customer.grant().await;
    fleet.plan(json!({"observe": "1m"})).await;
    let limit = json!({
        "operation": "getEncryptionAtRest", "count": 0,
        "action": {"kind": "answer", "status": 500},
    });
    fleet.mount().atlas.fault(limit).await;
    let start = fleet.write(json!({"action": "start"}));
    let _ = timeout(Duration::from_millis(700), start).await;
    assert_eq!(fleet.act("pause").await["state"], "paused");
    fleet.mount().atlas.no_more_faults().await;
    fleet.act("resume").await;
    assert_eq!(fleet.to_the_end().await["state"], "done");
    assert_eq!(fleet.modes().await, ["role"]);
}

/// Somebody else has given the project the role, and its data nodes have not tried it.
#[test]
fn a_private_key_is_not_seen_to_be_used_while_static_credentials_are_left() {
    for (private, left, is_used) in [
        (true, true, false),
        (true, false, true),
        (false, true, true),
        (false, false, true),
    ] {
        let mut entry = AzureEntry::new(BoundTo::default());
        entry.key = Some(VaultKey {
            environment: "AZURE".to_owned(),
            subscription_id: String::new(),
            resource_group: String::new(),
            vault: String::new(),
            key_identifier: String::new(),
            require_private_networking: Some(private),
        });
        entry.seen = Some(Seen {
            mode: Mode::Role,
            valid: Some(true),
            static_left: left,
            other_application: false,
            at: DateTime::UNIX_EPOCH,
        });
        assert_eq!(is_valid(&entry), is_used, "{private} {left}");
    }
}

/// It would be sent to a private project that works.
#[tokio::test]
async fn a_private_change_that_nobody_answered_is_called_off_and_no_secret_is_sent() {
    let fleet = Fleet::new(1).await;
    fleet.make_private(0, true).await;
    fleet.hand_in(0).await;
    fleet.customer.grant().await;
    fleet.open_the_way_back().await;
    fleet.plan(json!({"observe": "1m"})).await;
    no_change_is_answered(&fleet).await;
    fleet.act_with_consent("start").await.expect("started");
    let data = fleet.to_the_end().await;
    assert_eq!(column(&data, "step"), ["failed"], "{data:?}");
    fleet.mount().atlas.no_more_faults().await;
    let sent = fleet.changes().await.len();
    fleet.act_with_consent("rollback").await.expect("ordered");
    let data = fleet.to_the_end().await;
    assert_eq!(data["state"], "rolled_back", "{data:?}");
    fleet.mount().tick_for(10).await;
    assert_eq!(fleet.changes().await.len(), sent);
    assert_eq!(fleet.modes().await, ["static"]);
}

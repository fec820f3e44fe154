//! When Atlas's verdict on what it took unseen counts, and what may be sent by it.

use serde_json::{Value, json};

use super::customer_tests::{Customer, OWN_APP};
use crate::engine::testing::TestMount;
use crate::vault::Operation;

/// Half a year.
const LONG: u64 = 180 * 86_400;

/// The first look after the change shows how all was before, and the data nodes have not tried it yet.
#[tokio::test]
async fn an_old_answer_after_a_change_is_no_verdict() {
    let customer = Customer::new().await;
    let slow = json!({"private_verdict_seconds": 240});
    let wrong = json!({"client_secret": "wrong-one"});
    customer.private_with(wrong, slow).await;
    customer.grant().await;
    customer.looks_show(customer.own_block(true), 2).await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(25).await;
    assert_eq!(customer.state().await, "applied");
    assert_eq!(customer.sent().await, 1);
    assert_eq!(customer.standing().await["check"], "usable");
}

/// Nobody knows that it was taken until its verdict comes.
#[tokio::test]
async fn a_bad_secret_whose_answer_was_lost_is_taken_back_when_its_verdict_comes() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    let first = customer.another_secret(LONG).await;
    TestMount::data(customer.rotate_unseen(&first).await);
    customer.mount.tick_for(25).await;
    assert_eq!(customer.read().await["way_back"], "available");
    let late = json!({"private_valid_before_verdict": true, "private_verdict_seconds": 480});
    customer.mount.atlas.settings(late).await;
    let atlas = &customer.mount.atlas;
    atlas.lose_answer("updateEncryptionAtRest").await;
    let given = json!({"client_secret": "wrong-one", "accept_unvalidated": true});
    customer.rotate(given).await.expect_err("unknown");
    customer.mount.tick_for(20).await;
    assert!(customer.holds(&first).await);
    customer.standing().await;
}

#[tokio::test]
async fn a_registration_that_atlas_does_not_authorize_holds_nothing_up() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let fault = json!({
        "operation": "authorizeProviderAccessRole", "count": 0,
        "action": {"kind": "answer", "status": 400, "code": "BAD_REQUEST"},
    });
    customer.mount.atlas.fault(fault).await;
    customer.refused(customer.ids()).await;
    assert_eq!(customer.state().await, "registering");
    customer.mount.tick_for(10).await;
    let read = customer.read().await;
    assert_eq!(read["state"], "registered");
    let error = read["last_error"].to_string();
    assert!(error.contains("BAD_REQUEST"), "{error}");
    let new = customer.another_secret(LONG).await;
    TestMount::data(customer.rotate(json!({"client_secret": new})).await);
    // Written again, it is tried again.
    customer.mount.atlas.no_more_faults().await;
    assert_eq!(customer.register().await["last_error"], Value::Null);
}

#[tokio::test]
async fn an_entry_whose_registration_does_not_end_is_deleted_by_force() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let fault = json!({
        "operation": "authorizeProviderAccessRole", "count": 0,
        "action": {"kind": "answer", "status": 503},
    });
    customer.mount.atlas.fault(fault).await;
    customer.refused(customer.ids()).await;
    assert_eq!(customer.state().await, "registering");
    let delete = async |fields| {
        let (mount, path) = (&customer.mount, &customer.path);
        mount.ask(Operation::Delete, path, fields).await
    };
    delete(json!({})).await.expect_err("not by accident");
    delete(json!({"force": true})).await.expect("forgotten");
    assert!(!customer.mount.storage.keys().contains(&customer.path));
}

/// Nobody gave a word, and the other project's proof is still true.
#[tokio::test]
async fn an_unproved_secret_does_not_go_over_a_role_that_others_prove() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    let wrong = json!({"client_secret": "wrong-one"});
    customer.registered_with(wrong).await;
    customer.back_is_allowed().await;
    customer.grant().await;
    let other = customer.another(&json!({})).await;
    customer.apply_to(&other).await.expect("changed over");
    let late = json!({"private_static_dropped_at_once": true, "private_verdict_seconds": 420});
    customer.mount.atlas.settings(late).await;
    TestMount::data(customer.apply().await);
    let sent = customer.sent().await;
    customer.mount.tick_for(25).await;
    assert_eq!(customer.sent().await, sent);
    assert_eq!(customer.state().await, "applied");
    customer.standing().await;
}

/// Atlas is out of reach from the change on, and was not waiting to be looked at.
#[tokio::test]
async fn a_change_that_is_found_late_has_settled_since_its_order() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    let atlas = &customer.mount.atlas;
    atlas.lose_answer("updateEncryptionAtRest").await;
    let away = json!({
        "operation": "getEncryptionAtRest", "skip": 1, "count": 0,
        "action": {"kind": "answer", "status": 503},
    });
    atlas.fault(away).await;
    customer.with_both_consents().await.expect_err("unknown");
    customer.mount.tick_for(7).await;
    assert_eq!(customer.state().await, "applying");
    customer.mount.atlas.no_more_faults().await;
    customer.mount.tick_for(7).await;
    assert!(customer.holds(&customer.secret).await);
    assert_eq!(customer.standing().await["check"], "usable");
}

/// What only a change needs to know keeps nobody from seeing what came of one.
#[tokio::test]
async fn a_change_is_found_where_atlas_lists_no_private_endpoints() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    let atlas = &customer.mount.atlas;
    atlas.lose_answer("updateEncryptionAtRest").await;
    // The look that follows a lost answer fails, too.
    let once = json!({
        "operation": "getEncryptionAtRest", "skip": 1, "count": 6,
        "action": {"kind": "answer", "status": 503},
    });
    atlas.fault(once).await;
    let away = json!({
        "operation": "listRestPrivateEndpoints", "skip": 1, "count": 0,
        "action": {"kind": "answer", "status": 503},
    });
    atlas.fault(away).await;
    customer.with_both_consents().await.expect_err("unknown");
    assert_eq!(customer.state().await, "applying");
    customer.mount.tick_for(14).await;
    assert_eq!(customer.state().await, "static");
    let stored = customer.entry();
    assert_eq!(stored["static"]["client_id"], OWN_APP);
    customer.standing().await;
}

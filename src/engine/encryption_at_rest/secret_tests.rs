//! What is known of a static secret, and when it ends: nothing is sent by what was true once.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::customer_tests::{Customer, OWN_APP};
use crate::engine::testing::TestMount;

/// Half a year.
const LONG: u64 = 180 * 86_400;
const OTHER_APP: &str = "44444444-4444-4444-8444-444444444444";

impl Customer {
    pub(super) fn plant(&self, change: impl FnOnce(&mut Value)) {
        let mut stored = self.entry();
        change(&mut stored);
        let text = stored.to_string();
        self.mount.storage.plant(&self.path, text.as_bytes());
    }

    /// How Atlas would show the project with these credentials.
    pub(super) fn block(&self, fields: &Value) -> Value {
        let mut block = self.key.clone();
        block["enabled"] = json!(true);
        block["requirePrivateNetworking"] = json!(true);
        for (name, value) in fields.as_object().into_iter().flatten() {
            block[name] = value.clone();
        }
        block
    }

    pub(super) async fn others_are_shown(&self, valid: bool) {
        let shown = json!({"clientID": OTHER_APP, "tenantID": self.tenant, "valid": valid});
        self.looks_show(self.block(&shown), 0).await;
    }

    pub(super) async fn back_with_both(&self) -> crate::engine::testing::Outcome {
        let path = format!("{}/rollback", self.path);
        let both = json!({"accept_unvalidated": true, "accept_no_way_back": true});
        self.mount.write(&path, both).await
    }

    pub(super) async fn sent(&self) -> usize {
        self.changes().await.len()
    }
}

#[tokio::test]
async fn a_proof_ends_when_the_secret_is_seen_to_fail() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    let short = customer.another_secret(600).await;
    TestMount::data(customer.rotate(json!({"client_secret": short})).await);
    assert_eq!(customer.read().await["way_back"], "available");
    // It is over in Azure, and nobody said so here.
    customer.mount.advance(Duration::from_mins(11)).await;
    customer.mount.tick_for(6).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["valid"], &read["way_back"]),
        (&json!(false), &json!("unproved"))
    );
}

/// After a rotation nobody may have the secret any more.
#[tokio::test]
async fn the_end_of_a_secret_in_keeping_can_be_given_alone() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let end = json!({"client_secret_expires_at": "2200-01-31T12:00:00Z"});
    let refused = customer.mount.write(&customer.path, end.clone()).await;
    let refused = refused.expect_err("none in keeping").to_string();
    assert!(refused.contains("no secret is in keeping"), "{refused}");
    let new = customer.another_secret(LONG).await;
    TestMount::data(customer.rotate(json!({"client_secret": new})).await);
    let read = TestMount::data(customer.mount.write(&customer.path, end).await);
    assert_eq!(read["client_secret_expires_at"], "2200-01-31T12:00:00Z");
    assert_eq!(read["way_back"], "available");
    let stored = customer.entry();
    assert_eq!(stored["static"]["client_secret"], json!(new));
    assert_eq!(stored["static"]["in_force"], json!(true));
}

#[tokio::test]
async fn a_proof_ends_when_another_application_is_shown() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    let new = customer.another_secret(LONG).await;
    TestMount::data(customer.rotate_unseen(&new).await);
    customer.mount.tick_for(25).await;
    assert_eq!(customer.read().await["way_back"], "available");
    customer.others_are_shown(true).await;
    let sent = customer.sent().await;
    let third = customer.another_secret(LONG).await;
    let refused = customer.rotate_unseen(&third).await;
    let refused = refused.expect_err("of another application").to_string();
    assert!(refused.contains(OTHER_APP), "{refused}");
    assert!(refused.contains(OWN_APP), "{refused}");
    // At the second look.
    customer.mount.tick_for(31).await;
    assert_eq!(customer.read().await["way_back"], "unproved");
    assert_eq!(customer.sent().await, sent);
}

/// `valid` before the data nodes' verdict is of nothing that they tried.
#[tokio::test]
async fn an_early_valid_proves_no_secret() {
    let customer = Customer::new().await;
    let early = json!({"private_valid_before_verdict": true, "private_verdict_seconds": 600});
    let wrong = json!({"client_secret": "wrong-one"});
    customer.private_with(wrong, early).await;
    customer.grant().await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(12).await;
    customer.back_with_both().await.expect("accepted");
    customer.mount.tick_for(3).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["valid"], &read["way_back"]),
        (&json!("static"), &json!(true), &json!("unproved"))
    );
}

#[tokio::test]
async fn an_early_valid_does_not_take_a_new_secret_up() {
    let customer = Customer::new().await;
    let settings = json!({"private_valid_before_verdict": true, "private_verdict_seconds": 300});
    customer.encrypted_privately().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    customer.mount.atlas.settings(settings).await;
    let short = json!({"observe": "0s"});
    customer
        .mount
        .write(&customer.path, short)
        .await
        .expect("taken");
    TestMount::data(customer.rotate_unseen("wrong-one").await);
    customer.mount.tick_for(3).await;
    let stored = customer.entry();
    assert_eq!(stored["state"], "rotating");
    assert_eq!(stored["static"]["client_secret"], json!(customer.secret));
    customer.mount.tick_for(5).await;
    assert_eq!(customer.state().await, "static");
    assert!(customer.holds(&customer.secret).await);
    customer.standing().await;
}

/// It is not sent again, but Atlas may have taken it.
#[tokio::test]
async fn a_secret_that_works_takes_the_place_of_one_whose_answer_was_lost() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    let first = customer.another_secret(LONG).await;
    TestMount::data(customer.rotate_unseen(&first).await);
    customer.mount.tick_for(25).await;
    assert_eq!(customer.read().await["way_back"], "available");
    let lost = json!({"kind": "lose_answer"});
    customer.fault("updateEncryptionAtRest", lost).await;
    customer
        .rotate_unseen("wrong-one")
        .await
        .expect_err("unknown");
    let sent = customer.sent().await;
    customer.mount.tick_for(4).await;
    assert_eq!(customer.state().await, "rotating");
    assert_eq!(customer.sent().await, sent);
    customer.mount.tick_for(6).await;
    assert!(customer.holds(&first).await);
    assert_eq!(customer.state().await, "static");
    customer.mount.tick_for(30).await;
    assert_eq!(customer.standing().await["check"], "usable");
}

#[tokio::test]
async fn an_end_alone_is_not_taken_while_there_are_two_secrets() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    let new = customer.another_secret(LONG).await;
    TestMount::data(customer.rotate_unseen(&new).await);
    let end = json!({"client_secret_expires_at": "2150-01-31T12:00:00Z"});
    let refused = customer.refused(end.clone()).await;
    assert!(refused.contains("give it with rotate"), "{refused}");
    TestMount::data(customer.rotate(end).await);
    customer.mount.tick_for(30).await;
    assert!(customer.holds(&new).await);
    let read = customer.read().await;
    assert_eq!(read["client_secret_expires_at"], "2150-01-31T12:00:00Z");
}

#[tokio::test]
async fn one_false_takes_no_new_secret_back() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    let new = customer.another_secret(LONG).await;
    TestMount::data(customer.rotate_unseen(&new).await);
    customer.mount.tick_for(7).await;
    let shown = json!({"clientID": OWN_APP, "tenantID": customer.tenant, "valid": false});
    customer.looks_show(customer.block(&shown), 1).await;
    customer.mount.tick_for(1).await;
    assert_eq!(customer.entry()["pending"]["client_secret"], json!(new));
    customer.mount.tick_for(30).await;
    assert_eq!(customer.state().await, "static");
    assert!(customer.holds(&new).await);
    assert_eq!(customer.sent().await, 1);
}

#[tokio::test]
async fn what_somebody_else_puts_back_is_not_written_over_by_a_way_back() {
    for valid in [false, true] {
        let customer = Customer::new().await;
        customer.private_with(json!({}), json!({})).await;
        customer.with_both_consents().await.expect("taken unseen");
        customer.every_change_meets(json!({"kind": "close"})).await;
        customer.mount.tick_for(7).await;
        assert_eq!(customer.state().await, "rolling_back");
        let sent = customer.sent().await;
        customer.mount.atlas.no_more_faults().await;
        customer.others_are_shown(valid).await;
        customer.mount.tick_for(6).await;
        let read = customer.read().await;
        assert_eq!(read["state"], "failed", "{valid}");
        assert!(read["drift"].to_string().contains(OTHER_APP), "{read:?}");
        assert_eq!(customer.sent().await, sent, "{valid}");
    }
}

/// Without a word for the change there is none for an unproved secret while Atlas has a good one.
#[tokio::test]
async fn an_unproved_secret_is_not_sent_by_itself_without_words() {
    let customer = Customer::new().await;
    let slow = json!({"private_verdict_seconds": 540});
    let wrong = json!({"client_secret": "wrong-one", "settle": "0s"});
    customer.private_with(wrong, slow).await;
    customer.grant().await;
    customer.with_both_consents().await.expect("taken unseen");
    // As where another project proved the grants.
    customer.plant(|stored| stored["unproved"] = json!(false));
    customer.mount.tick_for(4).await;
    assert_eq!(customer.read().await["invalid_since"], Value::Null);
    customer.mount.tick_for(8).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["valid"]),
        (&json!("observing"), &json!(true))
    );
    assert_eq!(customer.sent().await, 1);
}

#[tokio::test]
async fn a_change_that_is_not_there_yet_is_called_off_by_a_rollback() {
    for (private, waits) in [(false, false), (false, true), (true, false)] {
        let customer = Customer::new().await;
        if private {
            customer.private_with(json!({}), json!({})).await;
        } else {
            customer.encrypted().await;
            customer.registered_with(json!({})).await;
        }
        if waits {
            let wait = json!({"retry_for": "30m"});
            customer.apply_with(wait).await.expect("it waits");
        } else {
            customer.every_change_meets(json!({"kind": "close"})).await;
            customer.with_both_consents().await.expect_err("unknown");
            customer.mount.atlas.no_more_faults().await;
        }
        let sent = customer.sent().await;
        let answer = TestMount::data(customer.roll_back().await);
        assert_eq!(answer["state"], "failed");
        assert_eq!(answer["last_error"], "the change was called off");
        customer.grant().await;
        customer.mount.tick_for(8).await;
        assert_eq!(customer.sent().await, sent, "{private} {waits}");
        assert_eq!(customer.standing().await["mode"], "static");
    }
}

/// Atlas may take it after that: a refusal was seen to take 21 seconds.
#[tokio::test]
async fn a_change_that_was_called_off_and_came_late_is_told() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.registered_with(json!({})).await;
    customer.every_change_meets(json!({"kind": "close"})).await;
    customer.with_both_consents().await.expect_err("unknown");
    customer.mount.atlas.no_more_faults().await;
    customer.roll_back().await.expect("called off");
    customer.grant().await;
    let mut block = customer.key.clone();
    block["enabled"] = json!(true);
    block["roleId"] = customer.read().await["role_id"].clone();
    customer.set(block).await;
    customer.mount.tick_for(17).await;
    let read = customer.read().await;
    assert_eq!(read["mode"], "role", "{read:?}");
    let told = read["last_error"].to_string();
    assert!(told.contains("took effect all the same"), "{told}");
}

#[tokio::test]
async fn a_way_back_is_not_sent_long_after_its_order_and_can_be_called_off() {
    for is_called_off in [false, true] {
        let customer = Customer::new().await;
        let keep = json!({"keep_static": true});
        customer.private_with(keep, json!({})).await;
        customer.grant().await;
        customer.with_both_consents().await.expect("taken unseen");
        customer.mount.tick_for(25).await;
        customer.every_change_meets(json!({"kind": "close"})).await;
        customer.back_with_both().await.expect_err("unknown");
        assert_eq!(customer.state().await, "rolling_back");
        customer.mount.atlas.no_more_faults().await;
        let sent = customer.sent().await;
        if is_called_off {
            TestMount::data(customer.apply().await);
        } else {
            customer.hold(true).await;
            customer.mount.advance(Duration::from_hours(3)).await;
            customer.mount.tick_for(1).await;
            customer.hold(false).await;
        }
        customer.mount.tick_for(6).await;
        let read = customer.read().await;
        assert_eq!(
            (&read["state"], &read["mode"]),
            (&json!("applied"), &json!("role"))
        );
        let error = read["last_error"].to_string();
        assert!(
            is_called_off || error.contains("ordered too long ago"),
            "{error}"
        );
        assert_eq!(customer.sent().await, sent);
    }
}

#[tokio::test]
async fn a_new_secret_is_not_sent_long_after_its_order_and_makes_way_for_another() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    let (first, second) = (
        customer.another_secret(LONG).await,
        customer.another_secret(LONG).await,
    );
    customer.every_change_meets(json!({"kind": "close"})).await;
    customer.rotate_unseen(&first).await.expect_err("unknown");
    customer.mount.atlas.no_more_faults().await;
    customer.hold(true).await;
    customer.mount.advance(Duration::from_hours(3)).await;
    customer.mount.tick_for(1).await;
    customer.hold(false).await;
    let sent = customer.sent().await;
    customer.mount.tick_for(3).await;
    let stored = customer.entry();
    assert_eq!(stored["state"], "failed");
    // Atlas may hold it.
    assert_eq!(stored["pending"]["client_secret"], json!(first));
    assert_eq!(customer.sent().await, sent);
    TestMount::data(customer.rotate_unseen(&second).await);
    customer.mount.tick_for(25).await;
    let stored = customer.entry();
    assert_eq!(stored["static"]["client_secret"], json!(second));
    assert_eq!(stored["pending"], Value::Null);
}

#[tokio::test]
async fn a_new_secret_is_not_sent_nor_taken_up_as_one_of_another_application() {
    for is_taken in [false, true] {
        let customer = Customer::new().await;
        customer.encrypted_privately().await;
        customer.kept("2200-01-31T12:00:00Z").await;
        let new = customer.another_secret(LONG).await;
        if is_taken {
            TestMount::data(customer.rotate_unseen(&new).await);
        } else {
            customer.every_change_meets(json!({"kind": "close"})).await;
            customer.rotate_unseen(&new).await.expect_err("unknown");
            customer.mount.atlas.no_more_faults().await;
        }
        let sent = customer.sent().await;
        customer.others_are_shown(true).await;
        customer.mount.tick_for(30).await;
        let stored = customer.entry();
        assert_eq!(stored["state"], "failed", "{is_taken}");
        assert_eq!(stored["pending"]["client_secret"], json!(new));
        assert_eq!(stored["static"]["client_id"], OWN_APP);
        assert_eq!(stored["static"]["client_secret"], json!(customer.secret));
        assert_eq!(customer.sent().await, sent, "{is_taken}");
    }
}

/// One answer may be an old one.
#[tokio::test]
async fn one_answer_that_encryption_is_off_ends_no_way_back_nor_rotation() {
    let customer = Customer::new().await;
    customer.changed_over().await;
    customer.back_is_allowed().await;
    customer
        .fault("updateEncryptionAtRest", json!({"kind": "close"}))
        .await;
    customer.roll_back().await.expect_err("unknown");
    customer.looks_show(json!({"enabled": false}), 1).await;
    customer.mount.tick_for(1).await;
    assert_eq!(customer.state().await, "rolling_back");
    customer.mount.tick_for(3).await;
    assert_eq!(customer.state().await, "static");

    let customer = Customer::new().await;
    customer.encrypted().await;
    let new = customer.another_secret(LONG).await;
    customer
        .fault("updateEncryptionAtRest", json!({"kind": "close"}))
        .await;
    let given = json!({"client_secret": new});
    customer.rotate(given).await.expect_err("unknown");
    customer.looks_show(json!({"enabled": false}), 1).await;
    customer.mount.tick_for(5).await;
    assert_eq!(customer.state().await, "static");
    assert!(customer.holds(&new).await);
}

#[tokio::test]
async fn a_clock_that_was_set_forward_proves_nothing_that_was_taken_unseen() {
    let customer = Customer::new().await;
    let early = json!({
        "private_valid_before_verdict": true, "private_static_dropped_at_once": true,
    });
    customer.private_with(json!({}), early).await;
    customer.grant().await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.clock.jump(TimeDelta::hours(1));
    customer.mount.tick_for(3).await;
    assert_eq!(customer.state().await, "observing");
}

#[tokio::test]
async fn a_role_that_others_set_much_later_is_not_watched_as_ours() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.registered_with(json!({})).await;
    customer.apply().await.expect_err("no grant");
    assert_eq!(customer.state().await, "failed");
    customer.mount.advance(Duration::from_hours(30)).await;
    customer.grant().await;
    let mut block = customer.key.clone();
    block["enabled"] = json!(true);
    block["roleId"] = customer.read().await["role_id"].clone();
    customer.set(block).await;
    customer.mount.tick_for(2).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["observe_until"]),
        (&json!("applied"), &Value::Null)
    );
}

#[tokio::test]
async fn the_end_of_a_secret_is_kept_where_it_is_handed_in_again_without() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    let again = json!({"client_id": OWN_APP, "client_secret": customer.secret});
    let written = customer.mount.write(&customer.path, again).await;
    written.expect("the same");
    assert_eq!(
        customer.read().await["client_secret_expires_at"],
        "2200-01-31T12:00:00Z"
    );
    let refused = customer.refused(json!({"settle": "2h"})).await;
    assert!(refused.contains("settle: must be at most"), "{refused}");
}

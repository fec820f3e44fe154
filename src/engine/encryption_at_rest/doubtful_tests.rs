//! What one old answer, one refusal or the end of another order must not lead to where Atlas takes changes
//! unseen.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::customer_tests::{Customer, OWN_APP};
use crate::engine::log_lines::Lines;
use crate::engine::testing::TestMount;

/// Half a year.
const LONG: u64 = 180 * 86_400;

impl Customer {
    pub(super) fn own_block(&self, valid: bool) -> Value {
        let shown = json!({"clientID": OWN_APP, "tenantID": self.tenant, "valid": valid});
        self.block(&shown)
    }

    /// Minutes pass until it is in this state.
    async fn until(&self, state: &str, most: u64) {
        for _ in 0..most {
            if self.state().await == state {
                return;
            }
            self.mount.tick_for(1).await;
        }
        assert_eq!(self.state().await, state);
    }

    /// A rotation that Atlas refuses for good after an answer was lost.
    async fn rotation_without_an_answer(&self) -> String {
        let new = self.another_secret(LONG).await;
        let away = json!({"kind": "close"});
        self.fault("updateEncryptionAtRest", away).await;
        let given = json!({"client_secret": new});
        self.rotate(given).await.expect_err("unknown");
        let code = "AZURE_KEY_VAULT_CREDENTIALS_DEPRECATED";
        let refused = json!({"kind": "answer", "status": 400, "code": code});
        self.fault("updateEncryptionAtRest", refused).await;
        self.mount.tick_for(3).await;
        assert_eq!(self.state().await, "failed");
        new
    }

    async fn vault_is_reachable(&self, reachable: bool) {
        let change = json!({"reachable": reachable});
        let atlas = &self.mount.atlas;
        atlas.control("POST", "/azure/vaults/v", change).await;
    }
}

#[tokio::test]
async fn one_look_that_says_invalid_loses_nothing() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.looks_show(customer.own_block(false), 1).await;
    let given = json!({"client_secret": "wrong-one", "accept_unvalidated": true});
    let refused = customer.rotate(given).await.expect_err("one word");
    let refused = refused.to_string();
    assert!(refused.contains("accept_no_way_back=true"), "{refused}");
    assert_eq!(customer.sent().await, 0);
}

#[tokio::test]
async fn a_new_secret_that_was_taken_back_is_not_proved_by_the_one_before() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    TestMount::data(customer.rotate_unseen("wrong-one").await);
    let lost = json!({"kind": "lose_answer"});
    customer.fault("updateEncryptionAtRest", lost).await;
    customer.until("failed", 20).await;
    assert!(customer.holds(&customer.secret).await);
    let sent = customer.sent().await;
    TestMount::data(customer.rotate_unseen("wrong-one").await);
    assert_eq!(customer.sent().await, sent + 1, "sent again");
    customer.mount.tick_for(30).await;
    let stored = customer.entry();
    assert_eq!(stored["static"]["client_secret"], json!(customer.secret));
    assert!(customer.holds(&customer.secret).await);
    assert_eq!(customer.standing().await["check"], "usable");
}

/// The role does not work, and the way back is not there yet.
#[tokio::test]
async fn one_old_answer_ends_no_way_back_from_a_role() {
    for valid in [false, true] {
        let customer = Customer::new().await;
        customer.private_with(json!({}), json!({})).await;
        customer.with_both_consents().await.expect("taken unseen");
        let busy = json!({"kind": "answer", "status": 503});
        customer.every_change_meets(busy).await;
        customer.until("rolling_back", 8).await;
        customer.mount.atlas.no_more_faults().await;
        customer.looks_show(customer.own_block(valid), 1).await;
        customer.mount.tick_for(6).await;
        assert_eq!(customer.state().await, "static", "{valid}");
        assert_eq!(customer.standing().await["mode"], "static", "{valid}");
        customer.mount.tick_for(30).await;
        assert_eq!(customer.standing().await["check"], "usable", "{valid}");
    }
}

/// The new secret does not work, and the one before is not there yet.
#[tokio::test]
async fn one_old_answer_ends_no_way_back_from_a_new_secret() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    TestMount::data(customer.rotate_unseen("wrong-one").await);
    let busy = json!({"kind": "answer", "status": 503});
    customer.every_change_meets(busy).await;
    customer.until("rolling_back", 9).await;
    customer.mount.atlas.no_more_faults().await;
    customer.looks_show(customer.own_block(true), 1).await;
    customer.mount.tick_for(6).await;
    assert!(customer.holds(&customer.secret).await);
    customer.mount.tick_for(20).await;
    assert_eq!(customer.standing().await["check"], "usable");
}

/// `valid: false` is also what a vault shows that is out of reach, and Atlas stops nothing then.
#[tokio::test]
async fn an_unproved_secret_is_not_sent_over_a_role_that_worked() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let customer = Customer::new().await;
    let wrong = json!({"client_secret": "wrong-one"});
    customer.private_with(wrong, json!({})).await;
    customer.grant().await;
    customer.with_both_consents().await.expect("taken unseen");
    // As where another project proved the grants.
    customer.plant(|stored| stored["unproved"] = json!(false));
    customer.mount.tick_for(8).await;
    assert_eq!(customer.read().await["valid"], json!(true));
    customer.vault_is_reachable(false).await;
    customer.mount.tick_for(6).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["valid"]),
        (&json!("observing"), &json!(false))
    );
    let told = lines.take("a static secret that is not proved");
    assert_eq!(told.len(), 1, "{told:?}");
    let refused = customer.roll_back().await.expect_err("without words");
    let refused = refused.to_string();
    assert!(refused.contains("accept_no_way_back=true"), "{refused}");
    assert_eq!(customer.sent().await, 1);
    customer.vault_is_reachable(true).await;
    customer.mount.tick_for(25).await;
    assert_eq!(customer.state().await, "applied");
    customer.standing().await;
}

#[tokio::test]
async fn a_new_secret_is_not_sent_by_one_word_over_one_that_worked() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    let new = customer.another_secret(LONG).await;
    TestMount::data(customer.rotate_unseen(&new).await);
    customer.mount.tick_for(25).await;
    customer.vault_is_reachable(false).await;
    customer.mount.tick_for(20).await;
    assert_eq!(customer.read().await["valid"], json!(false));
    let given = json!({"client_secret": "wrong-one", "accept_unvalidated": true});
    let refused = customer.rotate(given).await.expect_err("one word");
    let refused = refused.to_string();
    assert!(refused.contains("accept_no_way_back=true"), "{refused}");
    assert_eq!(customer.sent().await, 1);
}

#[tokio::test]
async fn a_refusal_may_pass_and_the_way_back_is_tried_again() {
    for (status, code) in [
        (409, "CONFLICT"),
        (400, "INVALID_AZURE_CREDENTIALS"),
        (400, "AZURE_KEY_VAULT_KEY_EXPIRING"),
    ] {
        for rotates in [false, true] {
            let customer = Customer::new().await;
            if rotates {
                customer.encrypted_privately().await;
                customer.kept("2200-01-31T12:00:00Z").await;
                TestMount::data(customer.rotate_unseen("wrong-one").await);
            } else {
                customer.private_with(json!({}), json!({})).await;
                customer.with_both_consents().await.expect("taken unseen");
            }
            let action = json!({"kind": "answer", "status": status, "code": code});
            customer.fault("updateEncryptionAtRest", action).await;
            customer.mount.tick_for(14).await;
            let at = format!("{code} {rotates}");
            assert!(customer.holds(&customer.secret).await, "{at}");
            assert_eq!(customer.state().await, "static", "{at}");
            customer.mount.tick_for(20).await;
            assert_eq!(customer.standing().await["check"], "usable", "{at}");
        }
    }
}

/// The role is what leads out of it.
#[tokio::test]
async fn a_principal_is_registered_where_a_rotation_ended_without_an_answer() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let new = customer.rotation_without_an_answer().await;
    assert_eq!(customer.register().await["state"], "registered");
    assert_eq!(customer.entry()["pending"]["client_secret"], json!(new));
    customer.grant().await;
    assert_eq!(
        TestMount::data(customer.apply().await)["state"],
        "observing"
    );
    customer.mount.tick_for(25).await;
    assert_eq!(customer.state().await, "applied");
    // It was the way back until now.
    assert!(customer.stored().contains(&new));
    customer.mount.tick_for(35).await;
    assert!(!customer.stored().contains(&new));
}

/// It is the only copy of what Atlas signs in with.
#[tokio::test]
async fn one_old_answer_leaves_the_secret_in_force_protected() {
    let customer = Customer::new().await;
    let keep = json!({"keep_static": true});
    customer.private_with(keep, json!({})).await;
    customer.grant().await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(25).await;
    let role = customer.read().await["role_id"].clone();
    let old = customer.block(&json!({"roleId": role, "valid": true}));
    // Rollback looks once before the change.
    customer.looks_show(old, 2).await;
    customer.back_with_both().await.expect("accepted");
    let another = json!({"client_id": OWN_APP, "client_secret": "another"});
    let refused = customer.refused(another).await;
    assert!(refused.contains("force=true"), "{refused}");
    customer.mount.tick_for(40).await;
    assert_eq!(customer.read().await["way_back"], "available");
}

#[tokio::test]
async fn a_clock_that_jumps_for_a_minute_ends_no_way_back() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    let end = customer.mount.now() + TimeDelta::days(30);
    customer.kept(&crate::base::Rfc3339(end).to_string()).await;
    TestMount::data(customer.rotate_unseen("wrong-one").await);
    let busy = json!({"kind": "answer", "status": 503});
    customer.every_change_meets(busy).await;
    customer.until("rolling_back", 9).await;
    customer.mount.atlas.no_more_faults().await;
    customer.mount.clock.jump(TimeDelta::days(60));
    customer.mount.tick().await.expect("a tick");
    customer.mount.clock.jump(TimeDelta::days(-60));
    customer.mount.tick_for(6).await;
    assert!(customer.holds(&customer.secret).await);
    customer.standing().await;
}

/// The words were for a way back that came to nothing.
#[tokio::test]
async fn words_for_an_order_that_ended_are_none_for_a_later_one() {
    let customer = Customer::new().await;
    let slow = json!({"private_verdict_seconds": 540});
    let wrong = json!({"client_secret": "wrong-one", "settle": "0s"});
    customer.private_with(wrong, slow).await;
    customer.grant().await;
    customer.with_both_consents().await.expect("taken unseen");
    // As where another project proved the grants.
    customer.plant(|stored| stored["unproved"] = json!(false));
    let away = json!({"kind": "close"});
    customer.fault("updateEncryptionAtRest", away).await;
    customer.back_with_both().await.expect_err("unknown");
    let sent = customer.sent().await;
    // Called off.
    TestMount::data(customer.apply().await);
    customer.mount.tick_for(12).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["valid"]),
        (&json!("observing"), &json!(true))
    );
    assert_eq!(customer.sent().await, sent);
}

/// Somebody else set the role, long after.
#[tokio::test]
async fn a_role_of_others_is_not_watched_as_the_change_that_failed() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    let refused = json!({"kind": "answer", "status": 400, "code": "AZURE_KEY_VAULT_KEY_EXPIRED"});
    customer.fault("updateEncryptionAtRest", refused).await;
    customer.with_both_consents().await.expect_err("refused");
    assert_eq!(customer.state().await, "failed");
    customer.mount.advance(Duration::from_hours(30)).await;
    customer.grant().await;
    let role = customer.read().await["role_id"].clone();
    customer.set(customer.block(&json!({"roleId": role}))).await;
    let answer = TestMount::data(customer.apply().await);
    assert_eq!(answer["state"], "applied");
    assert_eq!(customer.entry()["unproved"], json!(false));
}

/// One node's clock is behind, and the next one's is right.
#[tokio::test]
async fn the_time_alone_proves_no_secret_that_was_taken_unseen() {
    let mut customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    let early = json!({"private_valid_before_verdict": true, "private_verdict_seconds": 600});
    customer.mount.atlas.settings(early).await;
    customer.mount.clock.jump(TimeDelta::minutes(-20));
    TestMount::data(customer.rotate_unseen("wrong-one").await);
    customer.mount.clock.jump(TimeDelta::minutes(20));
    customer.mount.restart().await;
    customer.mount.tick_for(3).await;
    let stored = customer.entry();
    assert_eq!(stored["pending"]["client_secret"], "wrong-one");
    assert_eq!(stored["static"]["client_secret"], json!(customer.secret));
    customer.mount.tick_for(20).await;
    assert!(customer.holds(&customer.secret).await);
    customer.standing().await;
}

#[tokio::test]
async fn one_old_answer_ends_no_change_that_waits() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.register().await;
    let wait = json!({"retry_for": "30m"});
    customer.apply_with(wait).await.expect("it waits");
    customer.looks_show(json!({"enabled": false}), 1).await;
    customer.mount.tick_for(4).await;
    customer.grant().await;
    customer.mount.tick_for(8).await;
    assert_eq!(customer.state().await, "observing");
}

#[tokio::test]
async fn a_new_secret_is_forgotten_once_a_role_of_others_has_served() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.register().await;
    let new = customer.rotation_without_an_answer().await;
    assert!(customer.stored().contains(&new));
    customer.grant().await;
    let mut block = customer.key.clone();
    block["enabled"] = json!(true);
    block["roleId"] = customer.read().await["role_id"].clone();
    customer.set(block).await;
    customer.mount.tick_for(50).await;
    assert_eq!(customer.state().await, "applied");
    assert!(!customer.stored().contains(&new));
}

/// Nobody knows whether Atlas took the first.
#[tokio::test]
async fn a_secret_that_may_be_in_force_is_kept_until_another_was_taken() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let first = customer.rotation_without_an_answer().await;
    let second = customer.another_secret(LONG).await;
    let away = json!({"kind": "close"});
    customer.fault("updateEncryptionAtRest", away).await;
    let given = json!({"client_secret": second});
    customer.rotate(given).await.expect_err("unknown");
    assert!(customer.stored().contains(&first));
    let refused = json!({"kind": "answer", "status": 400, "code": "AZURE_KEY_VAULT_KEY_EXPIRED"});
    customer.fault("updateEncryptionAtRest", refused).await;
    customer.mount.tick_for(3).await;
    let stored = customer.entry();
    assert_eq!(stored["state"], "failed");
    assert_eq!(stored["pending"]["client_secret"], json!(first));
    TestMount::data(customer.rotate(json!({"client_secret": second})).await);
    assert!(!customer.stored().contains(&first));
}

/// Whoever ordered it a week ago may want it no more.
#[tokio::test]
async fn words_of_last_week_send_no_secret() {
    let customer = Customer::new().await;
    let wrong = json!({"client_secret": "wrong-one", "keep_static": true});
    customer.private_with(wrong, json!({})).await;
    customer.grant().await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(25).await;
    let away = json!({"kind": "close"});
    customer.fault("updateEncryptionAtRest", away).await;
    customer.back_with_both().await.expect_err("unknown");
    customer.hold(true).await;
    customer.mount.advance(Duration::from_hours(7 * 24)).await;
    customer.vault_is_reachable(false).await;
    customer.mount.tick_for(3).await;
    assert_eq!(customer.state().await, "rolling_back");
    let sent = customer.sent().await;
    customer.hold(false).await;
    customer.mount.tick_for(9).await;
    assert_eq!(customer.state().await, "observing");
    assert_eq!(customer.sent().await, sent);
    customer.vault_is_reachable(true).await;
    customer.mount.tick_for(20).await;
    assert_eq!(customer.standing().await["mode"], "role");
}

/// The looks between were right.
#[tokio::test]
async fn two_old_answers_with_right_ones_between_end_no_rotation() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    TestMount::data(customer.rotate_unseen("wrong-one").await);
    for _ in 0..2 {
        customer.looks_show(json!({"enabled": false}), 1).await;
        customer.mount.tick_for(3).await;
        assert_ne!(customer.state().await, "failed");
    }
    customer.mount.tick_for(12).await;
    assert!(customer.holds(&customer.secret).await);
    customer.standing().await;
}

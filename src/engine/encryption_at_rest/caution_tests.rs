//! What one answer, an early `valid` or an old order must not lead to.

use std::time::Duration;

use serde_json::{Value, json};

use super::customer_tests::Customer;
use crate::base::Rfc3339;
use crate::engine::testing::TestMount;

impl Customer {
    /// With private networking, and its static secret in keeping.
    pub(super) async fn private_with(&self, fields: Value, settings: Value) {
        self.encrypted_privately().await;
        self.registered_with(fields).await;
        self.back_is_allowed().await;
        self.mount.atlas.settings(settings).await;
    }

    pub(super) async fn state(&self) -> Value {
        self.read().await["state"].clone()
    }

    pub(super) async fn hold(&self, on: bool) {
        let config = json!({"hold": on});
        self.mount.write("config", config).await.expect("taken");
    }

    pub(super) async fn every_change_meets(&self, action: Value) {
        let fault = json!({"operation": "updateEncryptionAtRest", "count": 0, "action": action});
        self.mount.atlas.fault(fault).await;
    }

    /// The next looks are answered with this instead of the truth.
    pub(super) async fn looks_show(&self, block: Value, count: u32) {
        let body = json!({"azureKeyVault": block});
        let fault = json!({
            "operation": "getEncryptionAtRest", "count": count,
            "action": {"kind": "answer", "status": 200, "body": body},
        });
        self.mount.atlas.fault(fault).await;
    }
}

#[tokio::test]
async fn valid_proves_nothing_while_the_static_credentials_are_left() {
    let customer = Customer::new().await;
    let early = json!({"private_verdict_seconds": 3000, "private_valid_before_verdict": true});
    customer.private_with(json!({}), early).await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(45).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["valid"]),
        (&json!("observing"), &json!(true))
    );
    assert!(customer.stored().contains(&customer.secret));
    customer.mount.tick_for(9).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["mode"]),
        (&json!("static"), &json!("static"))
    );
    customer.mount.tick_for(51).await;
    assert_eq!(customer.standing().await["check"], "usable");
}

#[tokio::test]
async fn a_private_project_proves_another_only_once_its_own_watch_is_over() {
    let customer = Customer::new().await;
    let early = json!({
        "private_valid_before_verdict": true, "private_static_dropped_at_once": true,
    });
    customer.private_with(json!({}), early).await;
    customer.grant().await;
    let path = customer.another_private_one().await;
    customer.with_both_consents().await.expect("taken unseen");
    let apply = format!("{path}/apply");
    for minutes in [0, 3] {
        customer.mount.tick_for(minutes).await;
        assert_eq!(customer.read().await["valid"], json!(true));
        let refused = customer.mount.write(&apply, json!({})).await;
        let refused = refused.expect_err("no proof").to_string();
        assert!(refused.contains("accept_no_way_back=true"), "{refused}");
    }
    customer.mount.tick_for(20).await;
    assert_eq!(customer.state().await, "applied");
    let answer = customer.mount.write(&apply, json!({})).await;
    assert_eq!(TestMount::data(answer)["state"], "observing");
}

#[tokio::test]
async fn a_false_that_does_not_stay_sends_nothing_back() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    customer.grant().await;
    customer.with_both_consents().await.expect("taken unseen");
    // Sooner it would be no verdict.
    customer.mount.tick_for(6).await;
    let mut block = customer.key.clone();
    for (name, value) in [
        ("enabled", json!(true)),
        ("requirePrivateNetworking", json!(true)),
        ("roleId", customer.read().await["role_id"].clone()),
        ("valid", json!(false)),
    ] {
        block[name] = value;
    }
    customer.looks_show(block, 2).await;
    customer.mount.tick_for(1).await;
    assert!(customer.read().await["invalid_since"].is_string());
    customer.mount.tick_for(3).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["valid"]),
        (&json!("observing"), &json!(true))
    );
    assert_eq!(customer.changes().await.len(), 1);
}

#[tokio::test]
async fn a_secret_of_another_application_is_not_sent_unasked() {
    let customer = Customer::new().await;
    let other = json!({"client_id": "44444444-4444-4444-8444-444444444444"});
    customer.private_with(other, json!({})).await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(9).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["valid"]),
        (&json!("observing"), &json!(false))
    );
    assert_eq!(customer.changes().await.len(), 1);
}

#[tokio::test]
async fn a_way_back_that_began_by_itself_ends_once_the_role_works() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.every_change_meets(json!({"kind": "close"})).await;
    customer.mount.tick_for(7).await;
    assert_eq!(customer.state().await, "rolling_back");
    let sent = customer.changes().await.len();
    customer.mount.atlas.no_more_faults().await;
    customer.grant().await;
    customer.mount.tick_for(6).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["mode"], &read["valid"]),
        (&json!("observing"), &json!("role"), &json!(true))
    );
    assert_eq!(customer.changes().await.len(), sent);
    customer.standing().await;
}

#[tokio::test]
async fn an_expired_secret_is_not_sent_unseen() {
    let customer = Customer::new().await;
    let end = customer.mount.now() + chrono::TimeDelta::minutes(30);
    let expires = json!({"client_secret_expires_at": Rfc3339(end), "keep_static": true});
    customer.private_with(expires, json!({})).await;
    customer.grant().await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(3).await;
    customer.every_change_meets(json!({"kind": "close"})).await;
    let path = format!("{}/rollback", customer.path);
    let back = async || {
        let back = json!({"accept_unvalidated": true, "accept_no_way_back": true});
        customer.mount.write(&path, back).await
    };
    back().await.expect_err("unknown");
    customer.hold(true).await;
    customer.mount.advance(Duration::from_mins(40)).await;
    customer.mount.tick_for(2).await;
    assert_eq!(customer.state().await, "rolling_back");
    customer.mount.atlas.no_more_faults().await;
    customer.hold(false).await;
    let sent = customer.changes().await.len();
    customer.mount.tick_for(6).await;
    let read = customer.read().await;
    assert!(read["last_error"].to_string().contains("has expired"));
    assert_ne!(read["state"], "rolling_back");
    let refused = back().await.expect_err("expired").to_string();
    assert!(refused.contains("has expired"), "{refused}");
    assert_eq!(customer.changes().await.len(), sent);
    assert_eq!(customer.standing().await["mode"], "role");
}

#[tokio::test]
async fn an_order_is_not_sent_much_later_than_it_was_given() {
    for waits in [false, true] {
        let customer = Customer::new().await;
        customer.encrypted().await;
        customer.register().await;
        if waits {
            let wait = json!({"retry_for": "10m"});
            customer.apply_with(wait).await.expect("it waits");
        } else {
            customer.every_change_meets(json!({"kind": "close"})).await;
            customer.apply().await.expect_err("unknown");
            customer.mount.atlas.no_more_faults().await;
        }
        customer.hold(true).await;
        customer.grant().await;
        let sent = customer.changes().await.len();
        let minutes = if waits { 20 } else { 70 };
        customer.mount.advance(Duration::from_mins(minutes)).await;
        customer.mount.tick_for(1).await;
        customer.hold(false).await;
        customer.mount.tick_for(5).await;
        let read = customer.read().await;
        assert_eq!(
            (&read["state"], &read["mode"]),
            (&json!("failed"), &json!("static"))
        );
        let error = read["last_error"].to_string();
        assert!(error.contains("ordered too long ago"), "{error}");
        assert_eq!(customer.changes().await.len(), sent, "{waits}");
        customer.apply().await.expect("ordered anew");
    }
}

#[tokio::test]
async fn one_wrong_answer_does_not_end_the_watch_nor_is_its_end_for_good() {
    let customer = Customer::new().await;
    customer.changed_over().await;
    customer.mount.tick_for(19).await;
    customer.looks_show(json!({"enabled": false}), 1).await;
    customer.mount.tick_for(1).await;
    assert_eq!(customer.state().await, "observing");
    customer.mount.tick_for(3).await;
    assert_eq!(customer.state().await, "applied");

    let customer = Customer::new().await;
    customer.changed_over().await;
    let role = customer.read().await["role_id"].clone();
    customer.put_static_back().await;
    customer.mount.tick_for(22).await;
    assert_eq!(customer.state().await, "failed");
    let mut block = customer.key.clone();
    block["enabled"] = json!(true);
    block["roleId"] = role;
    customer.set(block).await;
    customer.mount.tick_for(16).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["last_error"], &read["drift"]),
        (&json!("observing"), &Value::Null, &json!([]))
    );
}

#[tokio::test]
async fn a_short_watch_costs_no_secret_with_private_networking() {
    let customer = Customer::new().await;
    customer
        .private_with(json!({"observe": "0s"}), json!({}))
        .await;
    customer.grant().await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(19).await;
    assert!(customer.stored().contains(&customer.secret));
    customer.mount.tick_for(30).await;
    assert_eq!(customer.read().await["way_back"], "no secret in keeping");
}

#[tokio::test]
async fn a_watch_is_not_ended_by_writing_a_shorter_one() {
    let customer = Customer::new().await;
    customer.changed_over().await;
    customer.registered_with(json!({"observe": "0s"})).await;
    customer.mount.tick_for(5).await;
    assert_eq!(customer.state().await, "observing");
}

/// Every answer to the change is lost: what Atlas shows decides in the end.
#[tokio::test]
async fn a_way_back_is_not_sent_for_ever() {
    for (action, ends) in [("lose_answer", "static"), ("close", "role")] {
        let customer = Customer::new().await;
        customer.changed_over().await;
        customer.back_is_allowed().await;
        customer.every_change_meets(json!({"kind": action})).await;
        customer.roll_back().await.expect_err("unknown");
        customer.mount.tick_for(40).await;
        let read = customer.read().await;
        assert_eq!(read["mode"], ends);
        assert_ne!(read["state"], "rolling_back", "{action}");
        let sent = customer.changes().await.len();
        customer.mount.tick_for(20).await;
        assert_eq!(customer.changes().await.len(), sent, "{action}");
        customer.mount.atlas.no_more_faults().await;
        customer.apply().await.expect("allowed");
        assert_eq!(customer.standing().await["mode"], "role");
    }
}

#[tokio::test]
async fn who_can_store_nothing_sends_nothing_again() {
    for back in [false, true] {
        let customer = Customer::new().await;
        if back {
            customer.changed_over().await;
            customer.back_is_allowed().await;
        } else {
            customer.encrypted().await;
            customer.register().await;
            customer.grant().await;
        }
        customer.every_change_meets(json!({"kind": "close"})).await;
        let outcome = if back {
            customer.roll_back().await
        } else {
            customer.apply().await
        };
        outcome.expect_err("unknown");
        let sent = customer.changes().await.len();
        customer.mount.storage.fail_after(Some(0));
        customer.mount.tick_for(3).await;
        assert_eq!(customer.changes().await.len(), sent, "{back}");
        customer.mount.storage.fail_after(None);
        customer.mount.tick_for(1).await;
        assert!(customer.changes().await.len() > sent, "{back}");
    }
}

//! Static secrets where something goes wrong: none that may be needed is lost, sent unasked or taken for one
//! that is known to work.

use std::time::Duration;

use serde_json::{Value, json};

use super::customer_tests::{Customer, OWN_APP};
use crate::engine::log_lines::Lines;
use crate::engine::testing::TestMount;

/// Half a year.
const LONG: u64 = 180 * 86_400;

impl Customer {
    /// Hands this secret in as the present one.
    async fn hand_in(&self, secret: &str, force: bool) -> Result<(), String> {
        let given = json!({"client_id": OWN_APP, "client_secret": secret, "force": force});
        let written = self.mount.write(&self.path, given).await;
        written.map(drop).map_err(|error| error.to_string())
    }

    fn kept_secret(&self) -> Value {
        self.entry()["static"]["client_secret"].clone()
    }
}

#[tokio::test]
async fn the_secret_before_is_sent_until_atlas_answers() {
    for (status, code) in [
        (429, "RATE_LIMITED"),
        (403, "USER_UNAUTHORIZED"),
        (503, "BUSY"),
    ] {
        let customer = Customer::new().await;
        customer.encrypted_privately().await;
        customer.kept("2200-01-31T12:00:00Z").await;
        TestMount::data(customer.rotate_unseen("wrong-one").await);
        let action = json!({"kind": "answer", "status": status, "code": code});
        customer.fault("updateEncryptionAtRest", action).await;
        customer.mount.tick_for(13).await;
        let stored = customer.entry();
        assert_eq!(stored["state"], "static", "{status}: {stored}");
        assert!(customer.holds(&customer.secret).await, "{status}");
        assert_eq!(customer.kept_secret(), json!(customer.secret));
        customer.mount.tick_for(20).await;
        assert_eq!(customer.standing().await["check"], "usable", "{status}");
    }
}

/// A gateway shows what it was sent, and a validator tells which value it does not like.
#[tokio::test]
async fn a_refusal_that_repeats_the_secret_tells_it_nobody() {
    let customer = Customer::new().await;
    customer.changed_over().await;
    let lines = Lines::default();
    let _listening = lines.listen();
    let body = json!({
        "error": 400, "errorCode": format!("INVALID_{}", customer.secret),
        "detail": format!("secret: '{}' is too long", customer.secret),
        "badRequestDetail": {"fields": [{"field": "secret", "description": customer.secret}]},
    });
    let action = json!({"kind": "answer", "status": 400, "body": body});
    customer.fault("updateEncryptionAtRest", action).await;
    let refused = customer.roll_back().await.expect_err("refused").to_string();
    assert!(refused.contains("secret: '***' is too long"), "{refused}");
    let read = json!(customer.read().await).to_string();
    let mut stored = customer.entry();
    stored["static"]["client_secret"] = Value::Null;
    let log = lines.take("").join("\n");
    for (what, told) in [
        ("answer", refused),
        ("read", read),
        ("entry", stored.to_string()),
        ("log", log),
    ] {
        assert!(!told.contains(&customer.secret), "{what}: {told}");
    }
}

/// Answers that are none about Azure: Atlas did not look at what was sent.
fn unseen_by_azure() -> [Value; 2] {
    [
        json!({"kind": "answer", "status": 403, "code": "USER_UNAUTHORIZED"}),
        json!({
            "kind": "answer", "status": 429, "code": "RATE_LIMITED",
            "headers": {"Retry-After": "3600"},
        }),
    ]
}

#[tokio::test]
async fn a_rotation_that_atlas_did_not_look_at_leaves_all_as_it_was() {
    for action in unseen_by_azure() {
        for is_private in [false, true] {
            let customer = Customer::new().await;
            if is_private {
                customer.encrypted_privately().await;
            } else {
                customer.encrypted().await;
            }
            let new = customer.another_secret(LONG).await;
            customer.every_change_meets(action.clone()).await;
            customer.rotate_unseen(&new).await.expect_err("not taken");
            let read = customer.mount.read(&customer.path).await;
            assert!(read.expect("an answer").is_none(), "{action}");
            customer.kept("2200-01-31T12:00:00Z").await;
            customer.rotate_unseen(&new).await.expect_err("not taken");
            let stored = customer.entry();
            let what = format!("{action}: {stored}");
            assert_eq!(stored["state"], "static", "{what}");
            assert_eq!(stored["pending"], Value::Null, "{what}");
            assert_eq!(stored["accepted"], Value::Null, "{what}");
            assert_eq!(customer.kept_secret(), json!(customer.secret), "{what}");
            let sent = customer.changes().await.len();
            customer.mount.tick_for(10).await;
            assert_eq!(customer.changes().await.len(), sent, "{what}");
            assert!(customer.holds(&customer.secret).await);
        }
    }
}

#[tokio::test]
async fn a_way_back_that_atlas_did_not_look_at_leaves_all_as_it_was() {
    for action in unseen_by_azure() {
        let customer = Customer::new().await;
        customer.changed_over().await;
        customer.back_is_allowed().await;
        customer.every_change_meets(action.clone()).await;
        customer.roll_back().await.expect_err("not taken");
        let sent = customer.changes().await.len();
        customer.mount.tick_for(3).await;
        assert_eq!(customer.changes().await.len(), sent, "{action}");
        let read = customer.read().await;
        assert_eq!(read["state"], "observing", "{action}");
        assert_eq!(read["way_back"], "unproved", "{action}");
        assert_eq!(customer.standing().await["mode"], "role", "{action}");
    }
}

/// The key that another sets between the question and the change is put back, and there is no trace of
/// it; what he sets after the change is told.
#[tokio::test]
async fn what_another_sets_around_a_static_secret_is_put_back_or_told() {
    for is_rotation in [true, false] {
        for is_after in [false, true] {
            let customer = Customer::new().await;
            if is_rotation {
                customer.encrypted().await;
                customer.kept("2200-01-31T12:00:00Z").await;
            } else {
                customer.changed_over().await;
                customer.back_is_allowed().await;
            }
            let key = json!({"vault": "v", "name": "k"});
            let made = customer.mount.atlas.control("POST", "/azure/keys", key);
            let other = made.await["keyIdentifier"].clone();
            let meddle = json!({
                "kind": "other_writer", "after_effect": is_after,
                "body": {"azureKeyVault": {"keyIdentifier": other}},
            });
            customer.fault("updateEncryptionAtRest", meddle).await;
            let answer = if is_rotation {
                let new = customer.another_secret(LONG).await;
                customer.rotate(json!({"client_secret": new})).await
            } else {
                customer.roll_back().await
            };
            let data = TestMount::data(answer);
            let what = format!("rotation: {is_rotation}, after: {is_after}: {data:?}");
            assert_eq!(data["state"], "static", "{what}");
            let drift = data["drift"].to_string();
            let other = other.as_str().expect("a text");
            assert_eq!(drift.contains(other), is_after, "{what}");
            assert_eq!(drift == "[]", !is_after, "{what}");
            assert_eq!(customer.standing().await["check"], "usable", "{what}");
        }
    }
}

#[tokio::test]
async fn another_secret_while_the_first_is_watched_is_refused() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    let first = customer.another_secret(LONG).await;
    let second = customer.another_secret(LONG).await;
    TestMount::data(customer.rotate_unseen(&first).await);
    customer.mount.tick_for(2).await;
    let refused = customer.rotate_unseen(&second).await;
    let refused = refused.expect_err("neither kept nor sent").to_string();
    assert!(refused.contains("is rotating"), "{refused}");
    // The same again is no other.
    TestMount::data(customer.rotate_unseen(&first).await);
    customer.mount.tick_for(25).await;
    assert_eq!(customer.kept_secret(), json!(first));
    assert!(customer.holds(&first).await);
}

/// What is stored is then the only copy.
#[tokio::test]
async fn the_first_secret_of_a_project_outlives_a_failure_of_storage() {
    for writes in 1..3 {
        let mut customer = Customer::new().await;
        customer.encrypted().await;
        let new = customer.another_secret(LONG).await;
        customer.mount.storage.fail_once_after(Some(writes));
        let asked = customer.rotate(json!({"client_secret": new})).await;
        asked.expect_err("not stored");
        assert!(customer.holds(&new).await);
        customer.mount.restart().await;
        customer.mount.tick_for(3).await;
        assert_eq!(customer.kept_secret(), json!(new), "{writes}");
        assert_eq!(customer.entry()["state"], "static", "{writes}");
    }
}

#[tokio::test]
async fn a_principal_is_not_registered_over_a_rotation() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    TestMount::data(customer.rotate_unseen("wrong-one").await);
    let refused = customer.refused(customer.ids()).await;
    assert!(refused.contains("is rotating"), "{refused}");
    assert_eq!(customer.registrations().await, 0);
    let mut stored = customer.entry();
    assert_eq!(stored["state"], "rotating");
    stored["state"] = json!("rolling_back");
    let text = stored.to_string();
    customer
        .mount
        .storage
        .plant(&customer.path, text.as_bytes());
    let refused = customer.refused(customer.ids()).await;
    assert!(refused.contains("is rolling_back"), "{refused}");
}

#[tokio::test]
async fn a_secret_that_atlas_never_had_is_not_proved_by_another() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let new = customer.another_secret(LONG).await;
    TestMount::data(customer.rotate(json!({"client_secret": new})).await);
    customer.mount.advance(Duration::from_secs(1)).await;
    customer.hand_in("never-sent", true).await.expect("forced");
    assert_eq!(customer.read().await["way_back"], "unproved");
    customer.mount.tick_for(16).await;
    let read = customer.read().await;
    assert_eq!(read["valid"], json!(true));
    assert_eq!(read["way_back"], "unproved");
}

#[tokio::test]
async fn a_secret_that_may_be_needed_is_not_replaced_by_a_write() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let new = customer.another_secret(LONG).await;
    let end = "2200-01-31T12:00:00Z";
    let given = json!({"client_secret": new, "client_secret_expires_at": end});
    TestMount::data(customer.rotate(given).await);
    let refused = customer.hand_in("another", false).await;
    let refused = refused.expect_err("it is in force");
    assert!(refused.contains("use rotate"), "{refused}");
    assert!(!refused.contains("another-"), "{refused}");
    assert_eq!(customer.kept_secret(), json!(new));
    assert_eq!(customer.read().await["client_secret_expires_at"], end);
    customer.hand_in(&new, false).await.expect("the same");
    customer.hand_in("another", true).await.expect("forced");
    assert_eq!(customer.kept_secret(), "another");
    // Nothing is known of this one.
    customer.hand_in("a-third", false).await.expect("unproved");
}

#[tokio::test]
async fn the_secret_for_the_way_back_is_not_replaced_while_that_may_be_gone() {
    let customer = Customer::new().await;
    customer.changed_over().await;
    assert_eq!(customer.read().await["state"], "observing");
    let refused = customer.hand_in("another", false).await;
    let refused = refused.expect_err("watched");
    assert!(refused.contains("force=true"), "{refused}");
    let mut stored = customer.entry();
    stored["state"] = json!("rolling_back");
    let text = stored.to_string();
    customer
        .mount
        .storage
        .plant(&customer.path, text.as_bytes());
    let refused = customer.hand_in("another", true).await;
    let refused = refused.expect_err("it is what is sent");
    assert!(refused.contains("is rolling_back"), "{refused}");
    assert_eq!(customer.kept_secret(), json!(customer.secret));
}

#[tokio::test]
async fn a_private_project_without_a_known_secret_needs_both_words() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    let refused = json!({"client_secret": "wrong-one", "accept_unvalidated": true});
    let refused = customer.rotate(refused).await.expect_err("no way back");
    let refused = refused.to_string();
    assert!(refused.contains("accept_no_way_back=true"), "{refused}");
    assert_eq!(customer.changes().await.len(), 0);
    let lines = Lines::default();
    let _listening = lines.listen();
    TestMount::data(customer.rotate_unseen("wrong-one").await);
    customer.mount.tick_for(8).await;
    let told = lines.take("none before it is in keeping");
    assert_eq!(told.len(), 1, "{told:?}");
    let read = customer.read().await;
    assert_eq!(read["state"], "failed");
    let error = read["last_error"].as_str().expect("a reason");
    assert!(error.contains("rotate again"), "{error}");
    // Nothing is left to be lost.
    let new = customer.another_secret(LONG).await;
    let given = json!({"client_secret": new, "accept_unvalidated": true});
    TestMount::data(customer.rotate(given).await);
    customer.mount.tick_for(25).await;
    assert_eq!(customer.read().await["state"], "static");
    assert_eq!(customer.standing().await["check"], "usable");
    // This one is known to work.
    let newer = customer.another_secret(LONG).await;
    let given = json!({"client_secret": newer, "accept_unvalidated": true});
    TestMount::data(customer.rotate(given).await);
}

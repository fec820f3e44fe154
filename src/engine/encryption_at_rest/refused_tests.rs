//! What is refused before anything is sent.

use std::time::Duration;

use serde_json::{Value, json};

use super::customer_tests::{Customer, OWN_APP};
use crate::engine::log_lines::Lines;
use crate::engine::testing::TestMount;
use crate::vault::Operation;

#[tokio::test]
async fn without_the_time_for_an_answer_nothing_is_begun() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    let words = json!({"accept_unvalidated": true, "accept_no_way_back": true});
    let mut rotation = words.clone();
    rotation["client_secret"] = json!("another");
    for (order, given) in [("rotate", rotation), ("apply", words)] {
        let path = format!("{}/{order}", customer.path);
        let soon = Duration::from_secs(20);
        let ordered = customer.mount.write_within(&path, given, soon).await;
        let error = ordered.expect_err("no time").to_string();
        assert!(error.contains("no time was left"), "{order}: {error}");
        assert_eq!(customer.state().await, "registered", "{order}");
    }
    assert_eq!(customer.sent().await, 0);
    assert_eq!(customer.entry()["pending"], Value::Null);
}

#[tokio::test]
async fn a_secret_id_is_no_secret() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    let id = "c2d7f3a8-1b1e-4b52-9a94-0a5a2d5f6f10";
    let refused = customer.rotate_unseen(id).await;
    let refused = refused.expect_err("no password of Azure's").to_string();
    assert!(refused.contains("Secret ID"), "{refused}");
    assert_eq!(customer.sent().await, 0);
    // Old tools made such ones.
    let given = json!({"client_id": OWN_APP, "client_secret": id});
    let written = customer.mount.write(&customer.path, given).await;
    let warnings = TestMount::warnings(written).join("; ");
    assert!(warnings.contains("Secret ID"), "{warnings}");
    let given = json!({"client_id": OWN_APP, "client_secret": customer.secret});
    let written = customer.mount.write(&customer.path, given).await;
    let warnings = TestMount::warnings(written).join("; ");
    assert!(!warnings.contains("Secret ID"), "{warnings}");
}

/// Nobody knows what came of it, and nobody at the present address is asked.
#[tokio::test]
async fn who_forgets_what_is_unfinished_elsewhere_is_told_what_that_means() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.kept("2200-01-31T12:00:00Z").await;
    customer.plant(|stored| {
        stored["state"] = json!("rotating");
        stored["origin"] = json!("https://elsewhere.example.net");
    });
    let delete = |given: Value| customer.mount.ask(Operation::Delete, &customer.path, given);
    delete(json!({})).await.expect_err("unfinished");
    let deleted = delete(json!({"force": true})).await;
    let warnings = TestMount::warnings(deleted).join("; ");
    assert!(warnings.contains("leave every password"), "{warnings}");
    assert_eq!(lines.take("as somebody ordered").len(), 1);
    assert!(!customer.mount.storage.keys().contains(&customer.path));
}

/// A rotation that came to its end without an answer, with the new secret kept.
async fn unanswered() -> Customer {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    let away = json!({"kind": "close"});
    customer.fault("updateEncryptionAtRest", away).await;
    customer
        .rotate_unseen("another")
        .await
        .expect_err("unknown");
    customer.mount.atlas.no_more_faults().await;
    customer.mount.tick_for(8).await;
    assert_eq!(customer.state().await, "failed");
    customer
}

#[tokio::test]
async fn what_is_not_sent_again_for_want_of_time_stays_as_it_was() {
    let customer = unanswered().await;
    let sent = customer.sent().await;
    let words = json!({"accept_unvalidated": true, "accept_no_way_back": true});
    let path = format!("{}/rotate", customer.path);
    let soon = Duration::from_secs(20);
    let ordered = customer.mount.write_within(&path, words, soon).await;
    let error = ordered.expect_err("no time").to_string();
    assert!(error.contains("no time was left"), "{error}");
    assert_eq!(customer.state().await, "failed");
    assert_eq!(customer.sent().await, sent);
}

#[tokio::test]
async fn who_forgets_a_secret_that_atlas_may_hold_is_told_so() {
    let customer = unanswered().await;
    let delete = |given: Value| customer.mount.ask(Operation::Delete, &customer.path, given);
    delete(json!({})).await.expect_err("a secret is kept");
    let deleted = delete(json!({"force": true})).await;
    let warnings = TestMount::warnings(deleted).join("; ");
    assert!(
        warnings.contains("secret of the last rotation"),
        "{warnings}"
    );
}

//! What one look shows, and a second one does not; and what becomes of a secret that may be in force.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::customer_tests::{Customer, OWN_APP};
use super::entry::{AzureEntry, Mode, Sent, State};
use super::note::note;
use crate::engine::origin::BoundTo;
use crate::engine::testing::TestMount;

/// Half a year.
const LONG: u64 = 180 * 86_400;
const OTHER_APP: &str = "44444444-4444-4444-8444-444444444444";

impl Customer {
    async fn another_is_refused_without_force(&self) {
        let another = json!({"client_id": OWN_APP, "client_secret": "another"});
        let refused = self.refused(another).await;
        assert!(refused.contains("force=true"), "{refused}");
    }

    async fn project_is_gone_for_one_look(&self) {
        let gone = json!({"kind": "answer", "status": 404, "code": "GROUP_NOT_FOUND"});
        self.fault("getEncryptionAtRest", gone).await;
    }
}

#[tokio::test]
async fn one_look_at_another_application_ends_no_proof() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    let new = customer.another_secret(LONG).await;
    TestMount::data(customer.rotate_unseen(&new).await);
    customer.mount.tick_for(25).await;
    assert_eq!(customer.read().await["way_back"], "available");
    let shown = json!({"clientID": OTHER_APP, "tenantID": customer.tenant, "valid": true});
    customer.looks_show(customer.block(&shown), 1).await;
    customer.mount.tick_for(16).await;
    assert_eq!(customer.entry()["seen"]["other_application"], json!(true));
    assert_eq!(customer.read().await["way_back"], "available");
    customer.another_is_refused_without_force().await;
    customer.mount.tick_for(16).await;
    assert_eq!(customer.read().await["way_back"], "available");
    assert_eq!(customer.entry()["static"]["in_force"], json!(true));
}

/// Atlas signs in with a secret of which this mount holds the only copy, as pending.
#[tokio::test]
async fn the_secret_of_a_first_rotation_leads_back_from_the_role() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.back_is_allowed().await;
    let new = customer.another_secret(LONG).await;
    customer
        .mount
        .atlas
        .lose_answer("updateEncryptionAtRest")
        .await;
    customer.rotate_unseen(&new).await.expect_err("unknown");
    customer.mount.tick_for(10).await;
    let read = customer.read().await;
    assert_eq!(read["state"], "failed");
    let error = read["last_error"].to_string();
    assert!(error.contains("which one it holds"), "{error}");
    assert!(customer.holds(&new).await);
    customer.register().await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(15).await;
    assert_eq!(customer.state().await, "static");
    assert!(customer.holds(&new).await);
    assert_eq!(customer.standing().await["check"], "usable");
    assert_eq!(customer.entry()["pending"], Value::Null);
}

/// As where its answer was lost: what Atlas holds is in keeping, and nothing proves it.
#[tokio::test]
async fn a_secret_that_was_sent_back_without_an_answer_is_not_replaced() {
    let customer = Customer::new().await;
    let keep = json!({"keep_static": true});
    customer.private_with(keep, json!({})).await;
    customer.grant().await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(25).await;
    customer
        .mount
        .atlas
        .lose_answer("updateEncryptionAtRest")
        .await;
    customer.back_with_both().await.expect_err("unknown");
    customer.mount.tick_for(4).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["way_back"]),
        (&json!("static"), &json!("unproved"))
    );
    customer.another_is_refused_without_force().await;
}

/// Atlas answered, so that nobody has to look what came of it.
#[tokio::test]
async fn what_was_sent_by_words_and_refused_does_not_wait() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    let refused = json!({"kind": "answer", "status": 400, "code": "INVALID_AZURE_CREDENTIALS"});
    customer.fault("updateEncryptionAtRest", refused).await;
    let given = json!({
        "accept_unvalidated": true, "accept_no_way_back": true, "retry_for": "30m",
    });
    customer.apply_with(given).await.expect_err("refused");
    customer.mount.tick_for(10).await;
    let read = customer.read().await;
    assert_eq!(read["state"], "failed");
    let error = read["last_error"].to_string();
    assert!(error.contains("INVALID_AZURE_CREDENTIALS"), "{error}");
    assert_eq!(customer.sent().await, 1);
}

#[tokio::test]
async fn what_waits_and_is_proved_no_more_ends_for_that_reason() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.register().await;
    customer.grant().await;
    let other = customer.another(&json!({})).await;
    customer.apply_to(&other).await.expect("changed over");
    let refused = json!({"kind": "answer", "status": 400, "code": "INVALID_AZURE_CREDENTIALS"});
    customer.fault("updateEncryptionAtRest", refused).await;
    let wait = json!({"retry_for": "30m"});
    let answer = TestMount::data(customer.apply_with(wait).await);
    assert_eq!(answer["state"], "waiting");
    customer.revoke().await;
    customer.mount.tick_for(12).await;
    let read = customer.read().await;
    assert_eq!(read["state"], "failed");
    let error = read["last_error"].to_string();
    assert!(error.contains("accept_no_way_back=true"), "{error}");
}

#[tokio::test]
async fn a_project_that_is_gone_at_two_looks_with_a_right_one_between_is_not_gone() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    customer.grant().await;
    customer.every_change_meets(json!({"kind": "close"})).await;
    customer.with_both_consents().await.expect_err("unknown");
    customer.mount.atlas.no_more_faults().await;
    for _ in 0..2 {
        customer.project_is_gone_for_one_look().await;
        customer.mount.tick_for(1).await;
        assert_eq!(customer.state().await, "applying");
        customer.mount.tick_for(1).await;
        assert_eq!(customer.read().await["last_error"], Value::Null);
    }
}

/// A second look decides, and two that come shortly after each other may meet the same fault.
#[tokio::test]
async fn what_failed_is_tried_again_no_sooner_than_a_second_look_counts() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.registered_with(json!({})).await;
    customer.every_change_meets(json!({"kind": "close"})).await;
    customer.apply().await.expect_err("unknown");
    for _ in 0..12 {
        customer.plant(|stored| {
            stored["failures"] = json!(0);
            stored["next_retry_time"] = Value::Null;
        });
        customer.mount.tick().await.expect("a tick");
        let next = customer.entry()["next_retry_time"].clone();
        let next: DateTime<Utc> = serde_json::from_value(next).expect("a time");
        assert!(next - customer.mount.now() >= TimeDelta::seconds(50));
    }
}

/// Nothing is on trial any more.
#[test]
fn a_secret_that_works_after_its_rotation_failed_has_worked() {
    let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
    let vault = json!({
        "azureEnvironment": "AZURE", "subscriptionID": "s", "resourceGroupName": "g",
        "keyVaultName": "v", "keyIdentifier": "k", "requirePrivateNetworking": true,
        "clientID": OWN_APP, "valid": true,
    });
    let vault: crate::atlas::AzureKeyVault = serde_json::from_value(vault).expect("a vault");
    let project = "000000000000000000000001".parse().expect("an id");
    for (state, worked) in [(State::Rotating, false), (State::Failed, true)] {
        let mut entry = AzureEntry::new(BoundTo::default());
        entry.state = state;
        entry.never_worked = true;
        let key = vault.key.clone();
        entry.sent = Some(Sent {
            mode: Mode::Static,
            key,
        });
        entry.changed_at = Some(now - Duration::from_mins(30));
        let pending = json!({"client_secret": "s", "since": now});
        entry.pending = Some(serde_json::from_value(pending).expect("a secret"));
        note(&mut entry, &project, Some(&vault), now);
        assert_eq!(entry.never_worked, !worked, "{state:?}");
    }
}

//! Who comes too late: the static secret has ended, and Atlas cannot use the key any more.

use std::time::Duration;

use serde_json::{Value, json};

use super::customer_tests::Customer;
use crate::engine::testing::TestMount;

impl Customer {
    /// Atlas signs in with a secret that has ended two minutes ago; it is in keeping. Atlas's next check,
    /// at which it stops the clusters, is some minutes away.
    async fn with_an_ended_secret(&self, is_private: bool) {
        let ending = self.another_secret(60).await;
        if is_private {
            self.encrypted_privately().await;
        } else {
            self.encrypted().await;
        }
        let ended = json!({"requirePrivateNetworking": is_private, "secret": ending});
        self.set(self.static_block(&ended)).await;
        let end = self.mount.now() + chrono::TimeDelta::seconds(60);
        let end = crate::base::Rfc3339(end).to_string();
        let fields = json!({"client_secret": ending, "client_secret_expires_at": end});
        self.registered_with(fields).await;
        self.mount.advance(Duration::from_mins(3)).await;
        let plan = TestMount::data(self.apply_with(json!({"dry_run": true})).await);
        assert_eq!(plan["valid"], json!(false));
        assert!(self.read().await["invalid_since"].is_string());
    }

    async fn assert_works_by_role(&self) {
        let read = self.read().await;
        assert_eq!(
            (&read["mode"], &read["valid"], &read["invalid_since"]),
            (&json!("role"), &json!(true), &Value::Null)
        );
        assert_eq!(self.standing().await["check"], "usable");
        self.assert_only_credentials_were_sent().await;
    }
}

#[tokio::test]
async fn apply_repairs_a_public_project_once_the_grant_is_there() {
    let customer = Customer::new().await;
    customer.with_an_ended_secret(false).await;
    let refused = customer.apply().await.expect_err("no grant").to_string();
    assert!(refused.contains("see grants"), "{refused}");
    assert_eq!(customer.state().await, "failed");
    let answer = TestMount::data(customer.apply_with(json!({"retry_for": "10m"})).await);
    assert_eq!(answer["state"], "waiting");
    customer.grant().await;
    customer.mount.tick_for(5).await;
    assert_eq!(customer.state().await, "observing");
    customer.assert_works_by_role().await;
    let changes = customer.changes().await;
    let ids: Vec<&Value> = changes
        .iter()
        .map(|change| &change["azureKeyVault"]["keyIdentifier"])
        .collect();
    assert!(ids.iter().all(|id| **id == customer.key["keyIdentifier"]));
}

#[tokio::test]
async fn apply_repairs_a_private_project_by_both_words() {
    let customer = Customer::new().await;
    customer.with_an_ended_secret(true).await;
    let refused = customer.apply().await.expect_err("no consent").to_string();
    assert!(refused.contains("accept_no_way_back=true"), "{refused}");
    customer.grant().await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(2).await;
    customer.assert_works_by_role().await;
}

#[tokio::test]
async fn apply_repairs_a_private_project_by_a_proof() {
    let customer = Customer::new().await;
    customer.grant().await;
    customer.with_an_ended_secret(true).await;
    let other = customer.another(&json!({})).await;
    customer.apply_to(&other).await.expect("changed over");
    customer.apply().await.expect("proved by another");
    customer.mount.tick_for(2).await;
    customer.assert_works_by_role().await;
}

/// What it had before is no better: it stays on the role, and a grant repairs it.
#[tokio::test]
async fn a_private_project_without_its_grant_is_not_sent_back_to_an_ended_secret() {
    let customer = Customer::new().await;
    customer.with_an_ended_secret(true).await;
    customer.back_is_allowed().await;
    // It had time until the next check; this one keeps the simulator's clusters out of it.
    let late = json!({"key_check_seconds": 86_400});
    customer.mount.atlas.settings(late).await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(9).await;
    let read = customer.read().await;
    assert_eq!(
        (&read["state"], &read["mode"], &read["valid"]),
        (&json!("observing"), &json!("role"), &json!(false))
    );
    assert!(read["invalid_since"].is_string());
    assert_eq!(customer.changes().await.len(), 1);
    customer.grant().await;
    customer.mount.tick_for(2).await;
    customer.assert_works_by_role().await;
}

/// Whether Atlas lets the credential be changed then is not documented for a role.
#[tokio::test]
async fn that_atlas_takes_no_change_while_the_key_is_lost_is_told_for_what_it_is() {
    let customer = Customer::new().await;
    customer.with_an_ended_secret(false).await;
    customer.grant().await;
    let action = json!({
        "kind": "answer", "status": 400, "code": "ENCRYPTION_AT_REST_SETTINGS_INVALID",
    });
    customer.fault("updateEncryptionAtRest", action).await;
    let refused = customer.apply().await.expect_err("refused").to_string();
    for part in [
        "ENCRYPTION_AT_REST_SETTINGS_INVALID",
        "the static credentials stay in force",
        "with rotate, then apply",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    assert_eq!(customer.state().await, "failed");
    let another = customer.another_secret(86_400).await;
    let given = json!({"client_secret": another});
    customer.rotate(given).await.expect("repaired");
    customer.apply().await.expect("changed over");
    customer.assert_works_by_role().await;
}

//! What counts as a proof for a project with private networking, and how long.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::customer_tests::Customer;
use crate::engine::testing::{Outcome, TestMount};

impl Customer {
    /// Another project of the same vault, registered: its path.
    pub(super) async fn another(&self, fields: &Value) -> String {
        let block = self.static_block(fields);
        let atlas = &self.mount.atlas;
        let given = json!({"project_id": atlas.project(1), "azureKeyVault": block});
        atlas.control("POST", "/encryption", given).await;
        let path = format!("encryption-at-rest/azure/{}", atlas.project(1));
        let written = self.mount.write(&path, self.ids()).await;
        written.expect("registered");
        path
    }

    /// The same, with private networking and an endpoint.
    pub(super) async fn another_private_one(&self) -> String {
        let atlas = &self.mount.atlas;
        let endpoint = json!({
            "project_id": atlas.project(1), "region": "US_EAST", "create": true, "approved": true,
        });
        atlas.control("POST", "/private-endpoints", endpoint).await;
        let private = json!({"requirePrivateNetworking": true});
        self.another(&private).await
    }

    pub(super) async fn apply_to(&self, path: &str) -> Outcome {
        self.mount.write(&format!("{path}/apply"), json!({})).await
    }
}

/// A private project, and another one that is public and proves the grants.
async fn proved() -> Customer {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    customer.register().await;
    customer.grant().await;
    let other = customer.another(&json!({})).await;
    customer.apply_to(&other).await.expect("changed over");
    let plan = TestMount::data(customer.apply_with(json!({"dry_run": true})).await);
    assert_eq!(plan["proved_by"], json!(customer.mount.atlas.project(1)));
    customer
}

#[tokio::test]
async fn the_proof_is_looked_at_once_more_before_the_change() {
    let customer = proved().await;
    // The look that proves it is not a minute old.
    customer.revoke().await;
    let refused = customer.apply().await.expect_err("it proves nothing");
    let refused = refused.to_string();
    let other = customer.mount.atlas.project(1);
    for part in [other, "cannot use the key", "accept_no_way_back=true"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    assert_eq!(customer.changes().await.len(), 1, "the other one's");
    assert_eq!(customer.read().await["state"], "registered");
    customer.grant().await;
    let answer = TestMount::data(customer.apply().await);
    assert_eq!(answer["state"], "observing");
}

#[tokio::test]
async fn a_proof_that_was_changed_by_others_is_none() {
    let customer = proved().await;
    let mut block = customer.key.clone();
    block["enabled"] = json!(false);
    let given = json!({"project_id": customer.mount.atlas.project(1), "azureKeyVault": block});
    let atlas = &customer.mount.atlas;
    atlas.control("POST", "/encryption", given).await;
    let refused = customer.apply().await.expect_err("it proves nothing");
    let refused = refused.to_string();
    assert!(
        refused.contains("does not sign in by its role"),
        "{refused}"
    );
    assert_eq!(customer.changes().await.len(), 1, "the other one's");
}

#[tokio::test]
async fn without_an_answer_of_the_proof_nothing_is_sent() {
    let customer = proved().await;
    let fault = json!({
        "operation": "getEncryptionAtRest", "skip": 1, "count": 0,
        "action": {"kind": "answer", "status": 503},
    });
    customer.mount.atlas.fault(fault).await;
    let refused = customer.apply().await.expect_err("nobody knows");
    let refused = refused.to_string();
    assert!(refused.contains("which proves the grants"), "{refused}");
    assert_eq!(customer.changes().await.len(), 1, "the other one's");
}

#[tokio::test]
async fn under_a_clock_that_was_set_no_private_project_proves_anything() {
    let customer = Customer::new().await;
    customer.private_with(json!({}), json!({})).await;
    customer.grant().await;
    let other = customer.another_private_one().await;
    customer.with_both_consents().await.expect("taken unseen");
    customer.mount.tick_for(22).await;
    assert_eq!(customer.state().await, "applied");
    // Its last look is of a time ago at which it still counts.
    customer.mount.clock.jump(TimeDelta::minutes(6));
    let refused = customer.apply_to(&other).await.expect_err("no proof");
    let refused = refused.to_string();
    assert!(refused.contains("accept_no_way_back=true"), "{refused}");
    assert_eq!(customer.changes().await.len(), 1);
    customer.mount.clock.jump(TimeDelta::minutes(-6));
    customer.mount.tick_for(40).await;
    let answer = TestMount::data(customer.apply_to(&other).await);
    assert_eq!(answer["state"], "observing");
}

#[tokio::test]
async fn an_entry_that_storage_refuses_takes_no_other_s_proof_away() {
    let customer = proved().await;
    let storage = &customer.mount.storage;
    let refused = format!("encryption-at-rest/azure/{:024x}", 9);
    storage.plant(&refused, &storage.value(&customer.path));
    storage.refuse_key(&refused, true);
    let found = TestMount::data(customer.mount.read("check").await);
    let problems = found["problems"].to_string();
    assert!(problems.contains("000009: storage failed"), "{problems}");
    let answer = TestMount::data(customer.apply().await);
    assert_eq!(answer["state"], "observing");
}

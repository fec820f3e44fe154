//! A rotation that ended without anybody knowing whether Atlas took the new secret: that is kept, and is
//! tried again without being handed in once more.

use std::time::Duration;

use serde_json::{Value, json};

use super::customer_tests::{Customer, OWN_APP};
use crate::engine::testing::TestMount;

/// Half a year.
const LONG: u64 = 180 * 86_400;

impl Customer {
    /// A rotation of which no answer came, and which nobody looked after for hours. The new secret is the
    /// answer.
    async fn given_up(&self) -> String {
        self.kept("2200-01-31T12:00:00Z").await;
        let new = self.another_secret(LONG).await;
        self.every_change_meets(json!({"kind": "close"})).await;
        let given = json!({
            "client_secret": new, "client_secret_expires_at": "2201-01-31T12:00:00Z",
            "accept_unvalidated": true, "accept_no_way_back": true,
        });
        self.rotate(given).await.expect_err("nobody knows");
        self.mount.atlas.no_more_faults().await;
        self.hold(true).await;
        self.mount.advance(Duration::from_hours(3)).await;
        self.mount.tick_for(1).await;
        self.hold(false).await;
        self.mount.tick_for(3).await;
        assert_eq!(self.state().await, "failed");
        new
    }

    fn pending(&self) -> Value {
        self.entry()["pending"]["client_secret"].clone()
    }
}

#[tokio::test]
async fn a_new_secret_that_atlas_may_hold_is_tried_again_without_being_handed_in() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let new = customer.given_up().await;
    let warnings = customer.mount.read_warnings(&customer.path).await;
    let warnings = warnings.join("\n");
    assert!(warnings.contains("without client_secret"), "{warnings}");
    let answer = customer.rotate(json!({})).await;
    let answer = answer.expect("rotated").expect("an answer");
    assert_eq!(answer.data.expect("data")["state"], "static");
    let told = answer.warnings.join("\n");
    assert!(!told.contains("was not given"), "{told}");
    assert!(customer.holds(&new).await);
    let stored = customer.entry();
    assert_eq!(stored["static"]["client_secret"], json!(new));
    assert_eq!(stored["static"]["expires_at"], "2201-01-31T12:00:00Z");
    assert_eq!(customer.pending(), Value::Null);
}

/// Those of the first order were for how things stood then.
#[tokio::test]
async fn a_private_project_wants_its_words_again() {
    let customer = Customer::new().await;
    customer.encrypted_privately().await;
    let new = customer.given_up().await;
    let sent = customer.changes().await.len();
    let refused = customer.rotate(json!({})).await.expect_err("no word");
    let refused = refused.to_string();
    assert!(refused.contains("accept_unvalidated=true"), "{refused}");
    customer.mount.tick_for(3).await;
    assert_eq!(customer.changes().await.len(), sent);
    assert_eq!(customer.state().await, "failed");
    assert_eq!(customer.pending(), json!(new));
    let both = json!({"accept_unvalidated": true, "accept_no_way_back": true});
    TestMount::data(customer.rotate(both).await);
    assert_eq!(customer.state().await, "rotating");
    customer.mount.tick_for(25).await;
    assert_eq!(customer.state().await, "static");
    assert!(customer.holds(&new).await);
    assert_eq!(customer.standing().await["check"], "usable");
}

#[tokio::test]
async fn one_that_does_not_work_is_kept_still_and_that_is_told() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let new = customer.given_up().await;
    let refusal = json!({
        "kind": "answer", "status": 400, "code": "INVALID_AZURE_CREDENTIALS",
    });
    customer.every_change_meets(refusal).await;
    let refused = customer.rotate(json!({})).await.expect_err("refused");
    let refused = refused.to_string();
    assert!(refused.contains("without client_secret"), "{refused}");
    assert_eq!(customer.state().await, "rotating");
    customer.mount.tick_for(75).await;
    let read = customer.read().await;
    assert_eq!(read["state"], "failed");
    let error = read["last_error"].to_string();
    assert!(error.contains("INVALID_AZURE_CREDENTIALS"), "{error}");
    assert!(error.contains("rotate does so without"), "{error}");
    assert_eq!(customer.pending(), json!(new));
    // Another takes its place.
    customer.mount.atlas.no_more_faults().await;
    let other = customer.another_secret(LONG).await;
    TestMount::data(customer.rotate(json!({"client_secret": other})).await);
    assert!(customer.holds(&other).await);
    assert!(!customer.entry().to_string().contains(&new));
}

#[tokio::test]
async fn without_one_that_is_kept_a_secret_is_asked_for() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    for is_known in [false, true] {
        if is_known {
            customer.kept("2200-01-31T12:00:00Z").await;
        }
        let refused = customer.rotate(json!({})).await.expect_err("none");
        let refused = refused.to_string();
        assert!(refused.contains("client_secret is missing"), "{refused}");
    }
    assert_eq!(customer.changes().await, [] as [Value; 0]);
    assert_eq!(customer.entry()["static"]["client_id"], OWN_APP);
}

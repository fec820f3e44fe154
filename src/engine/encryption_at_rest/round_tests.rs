//! The periodic run: whose turn it is, and how often Atlas is asked.

use serde_json::json;

use super::customer_tests::Customer;
use crate::base::Rfc3339;
use crate::engine::log_lines::Lines;
use crate::engine::testing::TestMount;

#[tokio::test]
async fn an_entry_that_storage_refuses_keeps_no_other_from_its_turn() {
    for gives_none in [false, true] {
        let lines = Lines::default();
        let _listening = lines.listen();
        let customer = Customer::new().await;
        customer.encrypted().await;
        // It is about to be told of, which is stored.
        let end = customer.mount.now() + chrono::TimeDelta::days(10);
        customer.kept(&Rfc3339(end).to_string()).await;
        customer.grant().await;
        let other = customer.another(&json!({})).await;
        customer
            .fault("updateEncryptionAtRest", json!({"kind": "close"}))
            .await;
        customer.apply_to(&other).await.expect_err("unknown");
        customer
            .mount
            .storage
            .refuse_key(&customer.path, gives_none);
        customer.mount.tick_for(1).await;
        let told = lines.take("storage failed for one project");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(customer.mount.atlas.project(0)));
        let read = TestMount::data(customer.mount.read(&other).await);
        assert_eq!(read["state"], "observing", "{gives_none}");
    }
}

//! Entries that cannot be read: storage was damaged, or changed by hand.

use serde_json::{Value, json};

use super::customer_tests::Customer;
use crate::engine::keys;
use crate::engine::log_lines::Lines;
use crate::engine::testing::{Outcome, TestMount};
use crate::vault::Operation;

const WAY_OUT: &str = "delete it with force=true and write it anew";

async fn delete(customer: &Customer, path: &str, fields: Value) -> Outcome {
    customer.mount.ask(Operation::Delete, path, fields).await
}

async fn told_by_status(customer: &Customer) -> String {
    let status = TestMount::data(customer.mount.read("status").await);
    status["encryption_at_rest"]["warnings"].to_string()
}

#[tokio::test]
async fn a_project_is_deleted_by_force_alone_and_written_anew() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.registered_with(json!({})).await;
    customer.mount.storage.plant(&customer.path, b"{");
    let check = TestMount::data(customer.mount.read("check").await);
    for told in [
        told_by_status(&customer).await,
        check["problems"].to_string(),
    ] {
        assert!(told.contains(WAY_OUT), "{told}");
    }
    let refused = customer.refused(customer.ids()).await;
    assert!(refused.contains(WAY_OUT), "{refused}");
    let refused = delete(&customer, &customer.path, json!({})).await;
    let refused = refused.expect_err("not by accident").to_string();
    assert!(refused.contains(WAY_OUT), "{refused}");
    let both = json!({"force": true, "deauthorize": true});
    let refused = delete(&customer, &customer.path, both).await;
    let refused = refused.expect_err("whose is it?").to_string();
    assert!(refused.contains("deauthorize"), "{refused}");
    assert!(customer.mount.storage.keys().contains(&customer.path));
    let deleted = delete(&customer, &customer.path, json!({"force": true})).await;
    let warnings = TestMount::warnings(deleted).join("; ");
    assert!(warnings.contains("leave every password"), "{warnings}");
    assert_eq!(lines.take("was deleted, as somebody ordered").len(), 1);
    assert!(!customer.mount.storage.keys().contains(&customer.path));
    assert_eq!(told_by_status(&customer).await, "[]");
    customer.registered_with(json!({})).await;
    assert_eq!(customer.state().await, "registered");
}

#[tokio::test]
async fn a_migration_is_deleted_by_force_alone_and_written_anew() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let customer = Customer::new().await;
    customer.encrypted().await;
    let path = "encryption-at-rest/migrations/all";
    let mut given = customer.ids();
    given["project_ids"] = json!([customer.mount.atlas.project(0)]);
    customer
        .mount
        .write(path, given.clone())
        .await
        .expect("a plan");
    let key = keys::azure_migration("all");
    customer.mount.storage.plant(&key, b"{");
    let told = told_by_status(&customer).await;
    assert!(told.contains(WAY_OUT), "{told}");
    let refused = delete(&customer, path, json!({})).await;
    let refused = refused.expect_err("not by accident").to_string();
    assert!(refused.contains(WAY_OUT), "{refused}");
    let deleted = delete(&customer, path, json!({"force": true})).await;
    let warnings = TestMount::warnings(deleted).join("; ");
    assert!(warnings.contains("each project's own entry"), "{warnings}");
    assert_eq!(lines.take("was deleted, as somebody ordered").len(), 1);
    assert!(!customer.mount.storage.keys().contains(&key));
    customer.mount.write(path, given).await.expect("a plan");
}

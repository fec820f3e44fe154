//! What an order of a change is told before and after, and how a change that failed is left behind.

use std::time::Duration;

use serde_json::{Value, json};

use super::customer_tests::{Customer, OWN_APP, text};
use crate::engine::testing::TestMount;

#[tokio::test]
async fn a_principal_of_another_directory_is_told_before_and_after() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let atlas = &customer.mount.atlas;
    let tenant = atlas.control("POST", "/azure/tenants", json!({})).await;
    let tenant = text(&tenant, "tenant_id");
    let principal = json!({"tenant_id": tenant});
    let principal = atlas.control("POST", "/azure/principals", principal).await;
    let ids = json!({
        "tenant_id": tenant, "service_principal_id": principal["service_principal_id"],
    });
    let written = customer.mount.write(&customer.path, ids).await;
    written.expect("registered");
    let plan = customer.apply_with(json!({"dry_run": true})).await;
    let warnings = TestMount::warnings(plan).join("; ");
    for part in [&tenant, &customer.tenant, "lets none of another in"] {
        assert!(warnings.contains(part), "{part}: {warnings}");
    }
    let refused = customer.apply().await.expect_err("no grant can help");
    let refused = refused.to_string();
    assert!(refused.contains("lets none of another in"), "{refused}");
    assert!(!refused.contains("see grants"), "{refused}");
    let waiting = customer.apply_with(json!({"retry_for": "10m"})).await;
    let warnings = TestMount::warnings(waiting).join("; ");
    assert!(warnings.contains("lets none of another in"), "{warnings}");
}

#[tokio::test]
async fn nothing_is_told_of_directories_where_it_is_the_same() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.register().await;
    let plan = customer.apply_with(json!({"dry_run": true})).await;
    assert_eq!(TestMount::warnings(plan), [""; 0]);
    let refused = customer.apply().await.expect_err("no grant").to_string();
    assert!(refused.contains("see grants"), "{refused}");
}

#[tokio::test]
async fn a_key_without_a_version_is_warned_of_and_atlas_decides() {
    let customer = Customer::new().await;
    customer.register().await;
    customer.grant().await;
    let mut fields = customer.enabling();
    fields["dry_run"] = json!(true);
    let plan = customer.apply_with(fields.clone()).await;
    assert_eq!(TestMount::warnings(plan), [""; 0]);
    fields["key_identifier"] = json!("https://v.vault.azure.net/keys/k");
    let plan = customer.apply_with(fields.clone()).await;
    let warnings = TestMount::warnings(plan).join("; ");
    assert!(warnings.contains("names no version"), "{warnings}");
    fields["dry_run"] = json!(false);
    let refused = customer.apply_with(fields).await.expect_err("Atlas's word");
    let refused = refused.to_string();
    assert!(
        refused.contains("AZURE_KEY_VAULT_KEY_IDENTIFIER_INVALID_FORMAT"),
        "{refused}"
    );
    assert_eq!(customer.changes().await.len(), 1);
}

async fn failed(customer: &Customer) -> Value {
    let status = TestMount::data(customer.mount.read("status").await);
    status["encryption_at_rest"]["failed"].clone()
}

#[tokio::test]
async fn who_leaves_the_project_as_it_is_ends_the_failure_with_a_write() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.registered_with(json!({})).await;
    customer.apply().await.expect_err("no grant");
    // It may have been taken all the same.
    let written = customer.mount.write(&customer.path, json!({})).await;
    let warnings = TestMount::warnings(written).join("; ");
    assert!(warnings.contains("stays failed until"), "{warnings}");
    assert_eq!(failed(&customer).await, json!(1));
    customer.mount.advance(Duration::from_mins(71)).await;
    customer.mount.tick().await.expect("a tick");
    // Who hands in a secret is about to go on.
    customer.registered_with(json!({})).await;
    assert_eq!(customer.state().await, "failed");
    let written = customer.mount.write(&customer.path, json!({})).await;
    let answer = TestMount::data(written);
    assert_eq!(
        (&answer["state"], &answer["last_error"]),
        (&json!("registered"), &Value::Null)
    );
    assert_eq!(failed(&customer).await, json!(0));
    customer.mount.tick_for(2).await;
    assert_eq!(customer.state().await, "registered");
    customer.grant().await;
    let answer = TestMount::data(customer.apply().await);
    assert_eq!(answer["state"], "observing");
}

#[tokio::test]
async fn a_refused_rotation_is_left_behind_unless_a_secret_is_in_doubt() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let end = customer.mount.now() + chrono::TimeDelta::days(300);
    customer.kept(&crate::base::Rfc3339(end).to_string()).await;
    let wrong = json!({"client_secret": "no secret of this application"});
    customer.rotate(wrong).await.expect_err("refused");
    assert_eq!(customer.state().await, "failed");
    let mut entry = customer.entry();
    let written = customer.mount.write(&customer.path, json!({})).await;
    assert_eq!(TestMount::data(written)["state"], "static");
    assert!(customer.holds(&customer.secret).await);
    assert_eq!(customer.read().await["client_id"], OWN_APP);
    // Of this one nobody knows whether Atlas took it.
    entry["pending"] = json!({"client_secret": "sent", "since": customer.mount.now()});
    let planted = entry.to_string();
    let storage = &customer.mount.storage;
    storage.plant(&customer.path, planted.as_bytes());
    let written = customer.mount.write(&customer.path, json!({})).await;
    let warnings = TestMount::warnings(written).join("; ");
    assert!(warnings.contains("it stays failed"), "{warnings}");
    assert_eq!(customer.state().await, "failed");
}

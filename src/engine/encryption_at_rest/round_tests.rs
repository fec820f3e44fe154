//! The periodic run: whose turn it is, and how often Atlas is asked.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

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

/// So often Atlas told how a project's encryption stands, since the log was cleared.
async fn looks(customer: &Customer) -> usize {
    let log = customer
        .mount
        .atlas
        .control("GET", "/requests", Value::Null);
    let log = log.await;
    let requests = log["requests"].as_array().expect("a list").iter();
    requests
        .filter(|request| request["operation_id"] == "getEncryptionAtRest")
        .filter(|request| request["status"] == 200)
        .count()
}

#[tokio::test]
async fn a_project_is_looked_at_each_minute_while_it_is_watched_and_then_each_quarter() {
    let customer = Customer::new().await;
    customer.changed_over().await;
    customer.mount.atlas.forget_requests().await;
    customer.mount.tick_for(20).await;
    assert_eq!(customer.state().await, "applied");
    let watched = looks(&customer).await;
    assert!((19..=21).contains(&watched), "{watched}");
    customer.mount.atlas.forget_requests().await;
    customer.mount.tick_for(24 * 60).await;
    let looks = looks(&customer).await;
    assert!((94..=97).contains(&looks), "{looks}");
}

#[tokio::test]
async fn eight_projects_have_their_turn_at_the_same_time() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.registered_with(json!({})).await;
    let stored = customer.mount.storage.value(&customer.path);
    for number in 1..=9_u32 {
        let path = format!("encryption-at-rest/azure/{number:024x}");
        customer.mount.storage.plant(&path, &stored);
    }
    customer.mount.advance(Duration::from_mins(16)).await;
    let slow = json!({
        "operation": "getEncryptionAtRest", "count": 0,
        "action": {"kind": "delay", "seconds": 1.0},
    });
    customer.mount.atlas.fault(slow).await;
    customer.mount.atlas.forget_requests().await;
    let begun = Instant::now();
    customer.mount.tick().await.expect("a tick");
    let took = begun.elapsed();
    // Two after eight: neither all at once, nor one after the other.
    assert!(took >= Duration::from_secs(2), "{took:?}");
    assert!(took < Duration::from_secs(8), "{took:?}");
}

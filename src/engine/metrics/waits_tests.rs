//! What the values say of Atlas, its limits, and those who wait for it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::tests::data;
use super::values_tests::{assert_values, told, value};
use crate::engine::testing::TestMount;

const HOUR: Duration = Duration::from_hours(1);
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(25);

async fn once(what: &str, is_so: impl AsyncFn() -> bool) {
    let so = async {
        while !is_so().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, so).await.expect(what);
}

#[tokio::test]
async fn a_crowd_and_whom_it_keeps_out_are_told() {
    let mount = Arc::new(TestMount::with_role(json!({})).await);
    let hang = json!({"operation": "createOrgApiKey", "count": 0, "action": {"kind": "hang"}});
    mount.atlas.fault(hang).await;
    let mut readers = JoinSet::new();
    for _ in 0..128 {
        let mount = Arc::clone(&mount);
        readers.spawn(async move { mount.read("creds/reader").await });
    }
    let waiting = async || told(&mount, "waiting_requests", json!({})).await;
    once("all wait", async || waiting().await == Some(128.0)).await;
    mount.read("creds/reader").await.expect_err("one too many");
    let failed = json!({
        "operation": "issue", "credential_type": "programmatic_api_key", "outcome": "failure",
    });
    let all = data(&mount).await;
    assert_values(
        &all,
        &[
            ("waiting_refusals_total", json!({}), 1.0),
            ("lease_operations_total", failed, 1.0),
        ],
    );
    let sent = async || told(&mount, "limiter_in_flight", json!({"calls": "API keys"})).await;
    once("they are sent", async || {
        sent().await.is_some_and(|sent| sent > 0.0)
    })
    .await;
    readers.shutdown().await;
}

#[tokio::test]
async fn waits_for_atlas_limits_are_told_while_they_last_and_after() {
    let mount = Arc::new(TestMount::with_role(json!({})).await);
    let used_up = json!({
        "operation": "createOrgApiKey",
        "action": {
            "kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN",
            "headers": {"RateLimit-Limit": "100", "RateLimit-Remaining": "0"},
        },
    });
    mount.atlas.fault(used_up).await;
    mount.read("creds/reader").await.expect_err("refused");
    let impatient = mount.read_within("creds/reader", Duration::from_millis(100));
    impatient.await.expect_err("it would wait for too long");
    let (reader, mut readers) = (Arc::clone(&mount), JoinSet::new());
    let reading = readers.spawn(async move { reader.read("creds/reader").await });
    let calls = json!({"calls": "API keys"});
    let queued = async || told(&mount, "limiter_queue_length", calls.clone()).await;
    once("it waits", async || queued().await == Some(1.0)).await;
    let all = data(&mount).await;
    let free = value(&all, "limiter_free_ratio", calls.clone());
    assert!(free.is_some_and(|free| free < 0.05), "{free:?}");
    let refused = value(&all, "limiter_refusals_total", json!({}));
    assert!(refused.is_some_and(|refused| refused >= 1.0), "{refused:?}");
    once("it is served", async || {
        mount.advance(Duration::from_secs(1)).await;
        sleep(Duration::from_millis(50)).await;
        reading.is_finished()
    })
    .await;
    let issued = readers.join_next().await.expect("one");
    issued.expect("it ends").expect("a credential");
    let all = data(&mount).await;
    for name in ["limiter_waits_total", "limiter_wait_seconds_total"] {
        let value = value(&all, name, json!({}));
        assert!(value.is_some_and(|value| value > 0.0), "{name}: {value:?}");
    }
    let waiting = value(&all, "limiter_queue_length", calls);
    assert!(waiting.is_none_or(|waiting| waiting < 0.5), "{waiting:?}");
}

#[tokio::test]
async fn whether_atlas_answers_and_how_calls_end_is_told() {
    let mount = TestMount::configured().await;
    let reachable = async || told(&mount, "atlas_reachable", json!({})).await;
    assert_eq!(reachable().await, Some(1.0));
    let count = async |outcome: &str| {
        let labels = json!({"operation": "listOrgs", "outcome": outcome});
        told(&mount, "atlas_requests_total", labels).await
    };
    assert_eq!(count("no_answer").await, Some(0.0), "told before the first");
    for (action, outcome, is_reachable) in [
        (json!({"kind": "close"}), "no_answer", 0.0),
        (json!({"kind": "answer", "status": 503}), "fault", 0.0),
        (
            json!({"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"}),
            "refused",
            1.0,
        ),
    ] {
        let fault = json!({
            "operation": "listOrgs", "count": 0, "unauthenticated": true, "action": action,
        });
        mount.atlas.fault(fault).await;
        // Told by the metrics, whatever the answer.
        let _ = mount.read("check").await;
        assert_eq!(reachable().await, Some(is_reachable), "{outcome}");
        let times = count(outcome).await;
        assert!(times.is_some_and(|times| times > 0.0), "{outcome}");
        mount.atlas.no_more_faults().await;
        mount.advance(HOUR).await;
    }
}

//! Many credentials at once: leases that end together, and an Atlas that lets few requests through.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use crate::support::{Bao, Client, Mount};

/// Room for any number of keys, and no rate limit in the way of making them.
async fn roomy(mount: &Mount) {
    let settings = json!({
        "max_api_keys_per_org": 5_000,
        "buckets": { "apiKeys_org": bucket(10_000, 10_000) },
        "refill": "continuous",
    });
    mount.atlas.settings(settings).await;
}

fn bucket(capacity: u64, a_second: u64) -> Value {
    json!({ "capacity": capacity, "refill_rate": a_second, "refill_seconds": 1 })
}

async fn shrink(mount: &Mount, capacity: u64, a_second: u64) {
    let buckets = json!({ "apiKeys_org": bucket(capacity, a_second) });
    mount.atlas.settings(json!({ "buckets": buckets })).await;
}

async fn issue_many(mount: &Mount, role: &str, count: usize) -> Vec<String> {
    stream::iter(0..count)
        .map(|_| async { mount.issue(role).await.lease_id() })
        .buffer_unordered(32)
        .collect()
        .await
}

async fn irrevocable(client: &Client) -> Value {
    let answer = client.read("sys/leases/count?type=irrevocable").await;
    answer.data()["lease_count"].clone()
}

#[tokio::test]
async fn a_thousand_leases_that_expire_together_are_all_revoked() {
    let bao = Bao::dev();
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    roomy(&mount).await;
    mount.org_role("short", 30, 30).await;
    issue_many(&mount, "short", 1_000).await;
    shrink(&mount, 100, 5).await;
    // 900 requests at 5 a second are three minutes.
    mount.atlas.empties(Duration::from_mins(10)).await;
    let give_up = Instant::now() + Duration::from_mins(1);
    while mount.leases("short").await > 0 {
        assert!(Instant::now() < give_up, "leases without keys are left");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(irrevocable(&mount.client).await, 0);
    assert_eq!(mount.list("issued").await.status, 404);
}

#[tokio::test]
async fn what_outlived_its_lease_goes_however_few_requests_atlas_allows() {
    let bao = Bao::dev_with_clock();
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    roomy(&mount).await;
    mount.org_role("gone", 600, 600).await;
    mount.org_role("kept", 36_000, 36_000).await;
    issue_many(&mount, "gone", 60).await;
    mount.issue("kept").await;
    let refusal = json!({
        "operation": "deleteOrgApiKey", "count": 0,
        "action": { "kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN" },
    });
    mount.atlas.fault(refusal).await;
    let force = format!("sys/leases/revoke-force/{}/creds/gone", mount.path);
    assert!(mount.client.write(&force, json!({})).await.ok());
    assert_eq!(mount.leases("gone").await, 0);
    mount.atlas.no_more_faults().await;
    assert_eq!(mount.atlas.credentials().await.len(), 61);

    shrink(&mount, 5, 1).await;
    let by = Duration::from_hours(3);
    bao.clock.as_ref().expect("a clock to turn").turn(by);
    mount.atlas.turn_clock(by).await;
    mount.atlas.holds(1, Duration::from_mins(8)).await;
    assert_eq!(mount.leases("kept").await, 1);
}

#[tokio::test]
async fn a_prefix_of_two_thousand_leases_is_revoked() {
    let bao = Bao::dev();
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    roomy(&mount).await;
    mount.org_role("ended", 3_600, 0).await;
    mount.org_role("kept", 3_600, 0).await;
    issue_many(&mount, "ended", 2_000).await;
    mount.issue("kept").await;
    let prefix = format!("sys/leases/revoke-prefix/{}/creds/ended", mount.path);
    let revoked = mount.client.write(&prefix, json!({ "sync": false })).await;
    assert!(revoked.ok(), "{revoked:?}");
    mount.atlas.holds(1, Duration::from_mins(3)).await;
    let give_up = Instant::now() + Duration::from_mins(1);
    while mount.leases("ended").await > 0 {
        assert!(Instant::now() < give_up, "leases without keys are left");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(mount.leases("kept").await, 1);
    assert_eq!(irrevocable(&mount.client).await, 0);
}

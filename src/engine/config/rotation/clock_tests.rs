//! What a rotation of the configuration's credential replaced, while the clock is doubted.

use chrono::TimeDelta;
use serde_json::json;

use super::stray_tests::with_account;
use crate::engine::testing::TestMount;

const AHEAD: TimeDelta = TimeDelta::hours(4);

/// The deletion failed, and by a clock that is ahead it is time to try again.
#[tokio::test]
async fn a_replaced_key_is_kept_while_the_clock_is_doubted() {
    let mount = TestMount::configured().await;
    let old = mount.atlas.key_id().to_owned();
    mount.atlas.refuse("deleteOrgApiKey").await;
    mount.rotate_root(json!({})).await.expect("rotated");
    mount.atlas.no_more_faults().await;
    mount.tick().await.expect("a tick");
    let is_there = async || {
        mount
            .keys_at_atlas()
            .await
            .iter()
            .any(|key| key["id"] == old)
    };
    assert!(is_there().await);
    mount.clock.jump(AHEAD);
    mount.minutes(3).await;
    assert!(is_there().await, "deleted by a clock that was set");
    mount.clock.jump(-AHEAD);
    mount.minutes(14).await;
    assert!(
        is_there().await,
        "deleted a quarter of an hour after a step"
    );
    mount.minutes(60).await;
    assert!(!is_there().await);
    assert!(mount.is_alive().await);
}

#[tokio::test]
async fn a_replaced_secret_is_kept_while_the_clock_is_doubted() {
    let mount = with_account().await;
    mount.atlas.refuse("deleteOrgSecret").await;
    mount.rotate_root(json!({})).await.expect("rotated");
    mount.atlas.no_more_faults().await;
    mount.tick().await.expect("a tick");
    assert_eq!(mount.own_secrets().await, 2);
    mount.clock.jump(AHEAD);
    mount.minutes(3).await;
    assert_eq!(
        mount.own_secrets().await,
        2,
        "deleted by a clock that was set"
    );
    mount.clock.jump(-AHEAD);
    mount.minutes(14).await;
    assert_eq!(mount.own_secrets().await, 2);
    mount.minutes(60).await;
    assert_eq!(mount.own_secrets().await, 1);
    assert!(mount.is_alive().await);
}

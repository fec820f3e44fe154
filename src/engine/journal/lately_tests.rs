//! What Atlas does not know yet everywhere is not taken for gone.

use std::time::Duration;

use serde_json::json;

use super::ending_tests::{Kind, NOTHING, alive, end, id, mount_of, public};
use crate::engine::testing::TestMount;
use crate::vault::Failure;

/// As an Atlas that does not know the key yet everywhere, so many times.
async fn lags(mount: &TestMount, count: u32) {
    let fault = json!({
        "operation": "deleteOrgApiKey", "count": count,
        "action": {"kind": "answer", "status": 404, "code": "API_KEY_NOT_FOUND"},
    });
    mount.atlas.fault(fault).await;
}

#[tokio::test]
async fn what_was_made_a_moment_ago_is_not_ended_by_a_not_found() {
    let mount = mount_of(Kind::Key).await;
    mount.advance(Duration::from_mins(5)).await;
    let (data, lease) = mount.issue("reader").await;
    lags(&mount, 1).await;
    let refused = end(&mount, public(&data)).await;
    assert!(
        matches!(&refused, Err(Failure::Coded { status: 503, text }) if text.contains("try again in two minutes")),
        "{refused:?}"
    );
    let shown = TestMount::data(mount.read(&format!("issued/{}", id(&lease))).await);
    assert_eq!(shown["state"], "active");
    let told = TestMount::warnings(end(&mount, public(&data)).await);
    assert_eq!(told, NOTHING, "deleted now");
    assert!(!alive(&mount, &data).await);
}

#[tokio::test]
async fn a_not_found_is_believed_once_atlas_would_show_it() {
    for restarted in [false, true] {
        let mut mount = mount_of(Kind::Key).await;
        let (data, _) = mount.issue("reader").await;
        if restarted {
            mount.restart().await;
        }
        mount.atlas.forget_credentials().await;
        end(&mount, public(&data)).await.expect_err("too early");
        mount.advance(Duration::from_mins(2)).await;
        let told = TestMount::warnings(end(&mount, public(&data)).await);
        assert_eq!(told, ["it was gone from Atlas already"], "{restarted}");
    }
}

#[tokio::test]
async fn the_revocation_of_a_new_key_looks_twice() {
    let mount = mount_of(Kind::Key).await;
    let (data, lease) = mount.issue("reader").await;
    lags(&mount, 1).await;
    mount.revoke(&lease).await.expect("revoked");
    assert!(!alive(&mount, &data).await);
    assert_eq!(mount.journal_keys(), NOTHING);
    // Somebody deleted it by hand: the second look says the same.
    let (_, lease) = mount.issue("reader").await;
    mount.atlas.forget_credentials().await;
    mount.revoke(&lease).await.expect("gone is as good");
    assert_eq!(mount.journal_keys(), NOTHING);
    let (_, old) = mount.issue("reader").await;
    mount.advance(Duration::from_mins(2)).await;
    mount.atlas.forget_credentials().await;
    mount.atlas.forget_requests().await;
    mount.revoke(&old).await.expect("gone is as good");
    assert_eq!(mount.atlas.operations().await["deleteOrgApiKey"], 1);
}

#[tokio::test]
async fn a_drain_comes_back_to_what_atlas_does_not_know_yet() {
    let mount = mount_of(Kind::Key).await;
    mount.advance(Duration::from_mins(5)).await;
    mount.issue("reader").await;
    lags(&mount, 1).await;
    let order = json!({ "organization_id": mount.atlas.org(), "dry_run": false });
    mount.write("issued-end", order).await.expect("ordered");
    mount.tick_for(2).await;
    assert_eq!(mount.atlas.credentials().await, NOTHING);
    let status = TestMount::data(mount.read("status").await);
    assert_eq!(status["draining"]["remaining"], 0);
}

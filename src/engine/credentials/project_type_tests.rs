//! What every type that is made and deleted in its project goes through in the same way.

use serde_json::json;

use crate::engine::testing::TestMount;
use crate::vault::Secret;

/// Atlas fails at the end of the mount's only lease: nothing counts as deleted until Atlas did it.
pub(super) async fn outages_at_the_end_of(mount: &TestMount, lease: &Secret, deletion: &str) {
    for action in [
        json!({"kind": "close"}),
        json!({"kind": "answer", "status": 503, "code": "UNEXPECTED_ERROR"}),
        json!({"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"}),
        json!({"kind": "answer", "status": 202, "text": "<html>"}),
        json!({"kind": "answer", "status": 404, "code": "RESOURCE_NOT_FOUND"}),
    ] {
        let fault = json!({ "operation": deletion, "count": 0, "action": action });
        mount.atlas.fault(fault).await;
        mount.revoke(lease).await.expect_err("it is alive");
        assert_eq!(mount.atlas.credentials().await.len(), 1, "{action}");
        assert_eq!(mount.journal_keys().len(), 1);
        mount.atlas.no_more_faults().await;
    }
    mount.atlas.lose_answer(deletion).await;
    mount.revoke(lease).await.expect("deleted all the same");
    mount.assert_nothing_left("revoked").await;
}

/// `issued-end` ends what the mount has issued.
pub(super) async fn a_drain_of(mount: &TestMount, credential_type: &str) {
    mount.issue("reader").await;
    let mut order = json!({ "organization_id": mount.atlas.org() });
    let counted = TestMount::data(mount.write("issued-end", order.clone()).await);
    assert_eq!(
        counted["remaining_by_type"][credential_type], 1,
        "{counted:?}"
    );
    order["dry_run"] = json!(false);
    mount.write("issued-end", order).await.expect("ordered");
    mount.tick_for(1).await;
    let nothing: [String; 0] = [];
    assert_eq!(mount.atlas.credentials().await, nothing);
}

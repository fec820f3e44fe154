//! Credentials whose lease is over though nobody ended it are counted, once it is sure that it is.

use std::time::Duration;

use serde_json::{Value, json};

use crate::base::Rfc3339;
use crate::engine::testing::TestMount;
use crate::vault::Secret;

const MINUTE: Duration = Duration::from_mins(1);

async fn lost(mount: &TestMount) -> u64 {
    mount.figure("entries", "past_ttl").await
}

async fn with_role() -> (TestMount, Secret) {
    let role = json!({ "ttl": "1h", "max_ttl": "9h", "ip_addresses": "" });
    let mount = TestMount::with_role(role).await;
    let (_, mut lease) = mount.issue("reader").await;
    lease.issue_time = Some(mount.now());
    (mount, lease)
}

/// The server revokes in time, and tries a revocation that fails again for a while.
#[tokio::test]
async fn a_lease_that_nobody_renewed_or_revoked_is_counted_as_lost() {
    let (mount, lease) = with_role().await;
    mount.advance(74 * MINUTE).await;
    assert_eq!(lost(&mount).await, 0);
    mount.advance(2 * MINUTE).await;
    assert_eq!(lost(&mount).await, 1);
    assert_eq!(mount.figure("entries", "active").await, 1);
    mount.revoke(&lease).await.expect("revoked");
    assert_eq!(lost(&mount).await, 0);
}

#[tokio::test]
async fn a_renewed_lease_is_not_lost_and_its_renewal_writes_nothing() {
    let (mount, mut lease) = with_role().await;
    for _ in 0..4 {
        mount.advance(50 * MINUTE).await;
        mount.storage.fail_after(Some(0));
        mount.renew(&lease).await.expect("it only reads");
        mount.storage.fail_after(None);
    }
    mount.advance(74 * MINUTE).await;
    assert_eq!(lost(&mount).await, 0);
    lease.increment = 3 * 60 * MINUTE;
    mount.renew(&lease).await.expect("renewed");
    mount.advance(180 * MINUTE).await;
    assert_eq!(lost(&mount).await, 0, "it runs as long as was asked");
    mount.advance(20 * MINUTE).await;
    assert_eq!(lost(&mount).await, 1);
}

/// Renewals are not stored, so that another process allows for one at its start.
#[tokio::test]
async fn another_process_counts_from_its_start() {
    let (mut mount, _) = with_role().await;
    mount.advance(50 * MINUTE).await;
    mount.restart().await;
    mount.advance(70 * MINUTE).await;
    assert_eq!(lost(&mount).await, 0);
    mount.advance(10 * MINUTE).await;
    assert_eq!(lost(&mount).await, 1);
    mount.invalidate("issued/00000000000000000000").await;
    assert_eq!(lost(&mount).await, 0, "another node may have renewed it");
}

/// Which renewals gave it how much is noted nowhere but in memory; the longest of them is stored.
#[tokio::test]
async fn another_process_allows_for_the_longest_renewal_that_there_was() {
    let (mut mount, mut lease) = with_role().await;
    lease.increment = 5 * 60 * MINUTE;
    mount.advance(50 * MINUTE).await;
    mount.renew(&lease).await.expect("renewed");
    mount.storage.fail_after(Some(0));
    mount.renew(&lease).await.expect("it only reads");
    mount.storage.fail_after(None);
    mount.restart().await;
    mount.advance(310 * MINUTE).await;
    assert_eq!(lost(&mount).await, 0, "it may be valid still");
    mount.advance(10 * MINUTE).await;
    assert_eq!(lost(&mount).await, 1);
}

#[tokio::test]
async fn another_process_allows_for_a_renewal_under_a_ttl_that_was_raised() {
    let (mut mount, lease) = with_role().await;
    let longer = json!({ "ttl": "3h" });
    mount.write("roles/reader", longer).await.expect("a role");
    mount.advance(50 * MINUTE).await;
    mount.renew(&lease).await.expect("renewed");
    mount.restart().await;
    mount.advance(190 * MINUTE).await;
    assert_eq!(lost(&mount).await, 0, "it may be valid still");
    mount.advance(10 * MINUTE).await;
    assert_eq!(lost(&mount).await, 1);
}

/// No lease outlives its last possible moment, however long the last renewal was.
#[tokio::test]
async fn another_process_counts_no_longer_than_a_lease_can_last() {
    let (mut mount, _) = with_role().await;
    mount.advance(520 * MINUTE).await;
    mount.restart().await;
    mount.advance(34 * MINUTE).await;
    assert_eq!(lost(&mount).await, 0);
    mount.advance(2 * MINUTE).await;
    assert_eq!(lost(&mount).await, 1);
}

#[tokio::test]
async fn a_lost_lease_is_named_with_the_time_of_its_end() {
    let (mount, lease) = with_role().await;
    let id = lease.internal_data["journal_id"].as_str().expect("an id");
    let ended = Rfc3339(mount.now() + 60 * MINUTE).to_string();
    let (_, other) = mount.issue("reader").await;
    mount.advance(50 * MINUTE).await;
    mount.renew(&other).await.expect("renewed");
    for lost in [false, true] {
        let list = TestMount::data(mount.list("issued/").await);
        let listed = &list["key_info"][id];
        let shown = TestMount::data(mount.read(&format!("issued/{id}")).await);
        let want = lost.then(|| json!(ended));
        assert_eq!(listed.get("past_ttl_since"), want.as_ref(), "{listed}");
        assert_eq!(shown.get("past_ttl_since"), want.as_ref(), "{shown:?}");
        let all = json!(list).to_string();
        assert_eq!(all.matches("past_ttl_since").count(), usize::from(lost));
        mount.advance(26 * MINUTE).await;
    }
}

#[tokio::test]
async fn the_mounts_default_counts_where_the_role_has_no_ttl() {
    let mount = TestMount::with_role(json!({ "ip_addresses": "" })).await;
    mount.system.set_ttls(30 * MINUTE, 600 * MINUTE);
    mount.issue("reader").await;
    mount.advance(40 * MINUTE).await;
    assert_eq!(lost(&mount).await, 0);
    mount.advance(10 * MINUTE).await;
    assert_eq!(lost(&mount).await, 1);
}

/// Entries of before hold no `ttl`; access tokens end by themselves.
#[tokio::test]
async fn what_has_no_known_end_is_not_counted() {
    let (mut mount, _) = with_role().await;
    let key = mount.journal_keys().remove(0);
    let entry = mount.storage.value(&key);
    let mut entry: Value = serde_json::from_slice(&entry).expect("JSON");
    assert_eq!(entry["ttl"], 3_600);
    entry.as_object_mut().expect("an object").remove("ttl");
    mount.storage.plant(&key, entry.to_string().as_bytes());
    mount.restart().await;
    let tokens = json!({ "credential_type": "access_token" });
    mount.write_reader(tokens).await;
    mount.issue("reader").await;
    mount.advance(200 * MINUTE).await;
    assert_eq!(lost(&mount).await, 0);
    assert_eq!(mount.figure("entries", "active").await, 2);
}

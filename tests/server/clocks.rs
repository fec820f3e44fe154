//! Clocks that jump: the plugin's, forward and back, and Atlas's apart from it.

use std::time::Duration;

use serde_json::json;

use crate::support::{Bao, Mount};

/// A mount that signs in with tokens, whose ends go by the clock.
async fn mount(bao: &Bao) -> Mount {
    let mount = Mount::on(&bao.client()).await;
    let written = mount.write("config", mount.atlas.account_config()).await;
    assert!(written.ok(), "{written:?}");
    mount.org_role("r", 3_600, 36_000).await;
    mount
}

/// Nothing has ended, what is there is renewed and revoked, and more is issued.
async fn all_goes_on(mount: &Mount, lease: &str) {
    assert_eq!(mount.leases("r").await, 1);
    assert_eq!(mount.atlas.credentials().await.len(), 1);
    let renewed = mount.renew(lease, 0).await;
    assert!(renewed.ok(), "{renewed:?}");
    let another = mount.issue("r").await.lease_id();
    for lease in [lease, &another] {
        let revoked = mount.revoke(lease).await;
        assert!(revoked.ok(), "{revoked:?}");
    }
    assert!(mount.atlas.credentials().await.is_empty());
    assert_eq!(mount.list("issued").await.status, 404);
}

#[tokio::test]
async fn a_clock_that_jumps_forward_ends_no_credential_before_its_time() {
    let bao = Bao::dev_with_wrong_clock();
    let mount = mount(&bao).await;
    let lease = mount.issue("r").await.lease_id();
    let by = Duration::from_hours(2);
    bao.clock.as_ref().unwrap().turn(by);
    mount.atlas.turn_clock(by).await;
    bao.log.ticks(1).await;
    all_goes_on(&mount, &lease).await;
}

/// Every lease looks long over for a minute, while the server goes on renewing it.
#[tokio::test]
async fn a_clock_four_hours_ahead_for_a_minute_deletes_nothing() {
    let bao = Bao::dev_with_wrong_clock();
    let mount = mount(&bao).await;
    mount.org_role("r", 3_600, 7_200).await;
    let lease = mount.issue("r").await.lease_id();
    bao.log.ticks(1).await;
    let (clock, by) = (bao.clock.as_ref().unwrap(), Duration::from_hours(4));
    clock.turn(by);
    bao.log.ticks(2).await;
    let status = mount.read("status").await;
    let reason = status.data()["hold"]["clock"]["reason"].to_string();
    assert!(reason.contains("set forward by 14"), "{status:?}");
    clock.turn_back(by);
    bao.log.ticks(2).await;
    let told = "until the clocks agree";
    bao.log.tells(told).await;
    assert_eq!(bao.log.text().matches(told).count(), 1);
    all_goes_on(&mount, &lease).await;
}

/// The process is older than the reaper's grace after a start, so that nothing holds it but the clocks:
/// by the plugin's own every lease is long over, and Atlas's alone says that it is not.
#[tokio::test]
async fn a_clock_four_hours_ahead_of_atlas_deletes_nothing_in_an_old_process() {
    let bao = Bao::dev_with_clock();
    let mount = mount(&bao).await;
    mount.org_role("r", 3_600, 7_200).await;
    let lease = mount.issue("r").await.lease_id();
    bao.log.ticks(1).await;
    let clock = bao.clock.as_ref().unwrap();
    let (grace, by) = (Duration::from_mins(16), Duration::from_hours(4));
    clock.turn(grace);
    mount.atlas.turn_clock(grace).await;
    bao.log.ticks(1).await;
    clock.turn(by);
    bao.log.ticks(2).await;
    let status = mount.read("status").await;
    let reason = status.data()["hold"]["clock"]["reason"].to_string();
    assert!(reason.contains("s ahead of Atlas's"), "{status:?}");
    assert_eq!(mount.atlas.credentials().await.len(), 1);
    let renewed = mount.renew(&lease, 0).await;
    assert!(renewed.ok(), "{renewed:?}");
    // Once Atlas's clock confirms it, the same process reaps.
    mount.atlas.turn_clock(by).await;
    mount.atlas.empties(Duration::from_mins(4)).await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_stops_nothing() {
    let bao = Bao::dev_with_wrong_clock();
    let mount = mount(&bao).await;
    let lease = mount.issue("r").await.lease_id();
    bao.clock
        .as_ref()
        .unwrap()
        .turn_back(Duration::from_hours(3));
    bao.log.ticks(1).await;
    all_goes_on(&mount, &lease).await;
    let half_made = json!({
        "operation": "createOrgApiKey", "action": { "kind": "lose_answer" },
    });
    mount.atlas.fault(half_made).await;
    assert!(!mount.read("creds/r").await.ok());
    mount.atlas.empties(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_token_that_atlas_holds_for_dead_is_replaced_although_our_clock_disagrees() {
    let bao = Bao::dev();
    let mount = mount(&bao).await;
    let lease = mount.issue("r").await.lease_id();
    mount.atlas.turn_clock(Duration::from_hours(2)).await;
    all_goes_on(&mount, &lease).await;
}

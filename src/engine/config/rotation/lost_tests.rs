//! A secret of the configuration's account whose answer was lost, and what may be taken for one.

use std::time::Duration;

use serde_json::json;

use super::stray_tests::with_account;
use crate::engine::testing::TestMount;

/// Atlas made no secret, and nobody was told so.
async fn after_a_rotation_without_an_answer() -> TestMount {
    let mount = with_account().await;
    mount
        .atlas
        .fault(json!({"operation": "createOrgSecret", "action": {"kind": "close"}}))
        .await;
    mount
        .rotate_root(json!({}))
        .await
        .expect_err("no answer, and nothing made");
    mount
}

#[tokio::test]
async fn a_persons_secret_is_not_taken_for_one_whose_answer_was_lost() {
    let mount = after_a_rotation_without_an_answer().await;
    mount.advance(Duration::from_mins(30)).await;
    let persons = mount.add_secret().await;
    assert!(mount.uses(&persons).await);
    mount.tick().await.expect("a tick");
    mount.rotate_root(json!({})).await.expect_err("in use");
    assert!(mount.uses(&persons).await && mount.is_alive().await);
}

/// Made by hand three minutes after the request, and not used yet.
#[tokio::test]
async fn the_periodic_run_does_not_take_a_new_secret_of_a_person_for_a_lost_one() {
    let mount = after_a_rotation_without_an_answer().await;
    mount.advance(Duration::from_mins(3)).await;
    let persons = mount.add_secret().await;
    mount.tick_for(10).await;
    assert!(mount.uses(&persons).await && mount.is_alive().await);
}

#[tokio::test]
async fn who_may_no_longer_write_deletes_no_secret() {
    let mount = with_account().await;
    let lost = json!({"operation": "createOrgSecret", "action": {"kind": "lose_answer"}});
    mount.atlas.fault(lost).await;
    mount
        .rotate_root(json!({}))
        .await
        .expect_err("no answer, but made");
    assert_eq!(mount.own_secrets().await, 2);
    mount.storage.fail_after(Some(0));
    mount
        .rotate_root(json!({}))
        .await
        .expect_err("nothing can be written");
    assert_eq!(mount.own_secrets().await, 2);
    mount.storage.fail_after(None);
    mount.rotate_root(json!({})).await.expect("rotated");
    assert_eq!(mount.own_secrets().await, 1);
    assert!(mount.is_alive().await);
}

/// A secret that mints nothing for long enough to be given up is not deleted by a node that was
/// deposed: the active one may have published it meanwhile.
#[tokio::test]
async fn who_may_no_longer_write_gives_up_no_secret() {
    let mount = with_account().await;
    let slow = json!({"new_credential_delay_seconds": 3_000});
    mount.atlas.set(slow).await;
    mount.rotate_root(json!({})).await.expect_err("not proved");
    mount.advance(Duration::from_mins(11)).await;
    mount.storage.fail_after(Some(0));
    mount
        .rotate_root(json!({}))
        .await
        .expect_err("nothing can be written");
    assert_eq!(mount.own_secrets().await, 2);
}

/// Atlas has not told its time, so that nobody can tell when the request was there.
#[tokio::test]
async fn a_secret_that_cannot_be_distinguished_from_a_persons_is_shown_in_status() {
    let mount = with_account().await;
    mount.atlas.set(json!({"date_header": false})).await;
    mount.advance(Duration::from_hours(2)).await;
    let lost = json!({"operation": "createOrgSecret", "action": {"kind": "lose_answer"}});
    mount.atlas.fault(lost).await;
    mount.rotate_root(json!({})).await.expect_err("no answer");
    mount.minutes(10).await;
    let client_id = mount.atlas.seed_account().client_id;
    let made = mount.atlas.secrets(&client_id).await;
    let status = TestMount::data(mount.read("status").await);
    assert_eq!(
        status["ambiguous_secrets"],
        json!({
            "count": 1,
            "secrets": [{"entry": "config", "client_id": client_id, "candidates": [made[1]]}],
        })
    );
    assert_eq!(mount.own_secrets().await, 2, "none is deleted");
}

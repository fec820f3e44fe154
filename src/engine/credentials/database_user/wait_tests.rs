//! New users that are held back until the clusters know them.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::fault_tests::{answered, change_cluster};
use super::tests::{NOTHING, mount_with, write_role};

/// The answer comes once the clusters know the user.
#[tokio::test]
async fn a_user_is_held_back_until_the_clusters_know_it() {
    let mount = mount_with(json!({})).await;
    change_cluster(&mount, "west", json!({ "stuck": true })).await;
    let released = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(mount.journal_keys().len(), 1);
        change_cluster(&mount, "west", json!({ "stuck": false })).await;
    };
    let begun = Instant::now();
    let (outcome, ()) = tokio::join!(mount.read("creds/reader"), released);
    let answer = answered(outcome);
    assert!(begun.elapsed() >= Duration::from_millis(600));
    assert_eq!(answer.warnings, NOTHING);
    let data = answer.data.expect("data");
    assert!(mount.atlas.lets_in("west", &data).await);
}

#[tokio::test]
async fn a_cluster_that_does_not_follow_is_told_of_after_the_wait() {
    let mount = mount_with(json!({ "wait": 1 })).await;
    change_cluster(&mount, "west", json!({ "stuck": true })).await;
    let answer = answered(mount.read("creds/reader").await);
    let [warning] = answer.warnings.try_into().expect("one warning");
    assert!(
        warning.contains("after 1s Atlas had not made it known to cluster west"),
        "{warning}"
    );
    let data = answer.data.expect("data");
    assert!(mount.atlas.lets_in("east", &data).await);
    assert!(!mount.atlas.lets_in("west", &data).await);
    // Those of the role's scopes alone are waited for, and none without a wait.
    for fields in [json!({ "scopes": "east" }), json!({ "wait": 0 })] {
        write_role(&mount, fields.clone()).await;
        if fields["wait"] == 0 {
            mount.atlas.forget_requests().await;
        }
        let answer = answered(mount.read("creds/reader").await);
        assert_eq!(answer.warnings, NOTHING, "{fields}");
    }
    let asked = mount.atlas.operations().await;
    assert_eq!(
        (&asked["listClusters"], &asked["getClusterStatus"]),
        (&Value::Null, &Value::Null)
    );
}

/// A caller who waits less than the role is answered in time.
#[tokio::test]
async fn nobody_is_kept_longer_than_the_caller_waits() {
    let mount = mount_with(json!({ "wait": "1h" })).await;
    change_cluster(&mount, "west", json!({ "stuck": true })).await;
    let budget = Duration::from_secs(6);
    let begun = Instant::now();
    let answer = answered(mount.read_within("creds/reader", budget).await);
    assert!(begun.elapsed() < Duration::from_secs(4));
    assert_eq!(answer.warnings.len(), 1, "{:?}", answer.warnings);
    // One who goes away meanwhile leaves nothing behind.
    let gone = CancellationToken::new();
    let leaving = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        gone.cancel();
    };
    let read = mount.read_until("creds/reader", gone.clone());
    let (outcome, ()) = tokio::join!(read, leaving);
    outcome.expect_err("nobody is there");
    assert_eq!(mount.atlas.credentials().await.len(), 1);
    assert_eq!(mount.journal_keys().len(), 1);
}

#[tokio::test]
async fn a_project_without_clusters_or_with_paused_ones_waits_for_nothing() {
    let mount = mount_with(json!({})).await;
    for name in ["east", "west"] {
        change_cluster(&mount, name, json!({ "paused": true })).await;
    }
    assert_eq!(answered(mount.read("creds/reader").await).warnings, NOTHING);
    for name in ["east", "west"] {
        let path = format!("/clusters/{}/{name}", mount.atlas.project(0));
        mount.atlas.control("DELETE", &path, Value::Null).await;
    }
    assert_eq!(answered(mount.read("creds/reader").await).warnings, NOTHING);
}

/// Clusters follow a while after Atlas, and paused ones when they are resumed.
#[tokio::test]
async fn clusters_that_follow_later_let_the_user_in_later() {
    let mount = mount_with(json!({ "wait": 1 })).await;
    let slow = json!({ "cluster_apply_seconds": 60, "paused_cluster_pending": true });
    mount.atlas.set(slow).await;
    change_cluster(&mount, "west", json!({ "paused": true })).await;
    let answer = answered(mount.read("creds/reader").await);
    let [warning] = answer.warnings.try_into().expect("one warning");
    assert!(warning.contains("known to cluster east;"), "{warning}");
    let data = answer.data.expect("data");
    assert!(!mount.atlas.lets_in("east", &data).await);
    mount.advance(Duration::from_mins(1)).await;
    assert!(mount.atlas.lets_in("east", &data).await);
}

/// What Atlas does not tell is no reason to throw a good user away.
#[tokio::test]
async fn a_state_that_is_not_told_is_warned_of() {
    for (operation, scopes) in [("listClusters", ""), ("getClusterStatus", "east")] {
        let mount = mount_with(json!({ "scopes": scopes })).await;
        mount.atlas.refuse(operation).await;
        let answer = answered(mount.read("creds/reader").await);
        let [warning] = answer.warnings.try_into().expect("one warning");
        assert!(warning.contains("is not known"), "{warning}");
        assert!(
            mount
                .atlas
                .lets_in("east", &answer.data.expect("data"))
                .await
        );
    }
}

#[tokio::test]
async fn as_many_clusters_are_waited_for_as_is_sensible() {
    let mount = mount_with(json!({})).await;
    for number in 0..20 {
        let cluster = json!({ "project_id": mount.atlas.project(0), "name": format!("c{number}") });
        mount.atlas.control("POST", "/clusters", cluster).await;
    }
    mount.atlas.forget_requests().await;
    let [warning] = answered(mount.read("creds/reader").await)
        .warnings
        .try_into()
        .expect("one warning");
    assert!(warning.contains("22 clusters, of which 20"), "{warning}");
    assert_eq!(mount.atlas.operations().await["getClusterStatus"], 20);
}

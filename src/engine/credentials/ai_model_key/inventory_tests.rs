//! AI model API keys in `tidy`.

use std::time::Duration;

use serde_json::{Value, json};

use super::tests::{NOTHING, mount_with, sign_in_as, text, write_role};
use crate::engine::credentials::project_type_tests::{assert_counts, tidied};
use crate::engine::testing::TestMount;
use crate::vault::{Data, Operation};

async fn tidied_with(mount: &TestMount, order: Value) -> (Data, Vec<String>) {
    let answer = mount.write("tidy", order).await.expect("tidied");
    let answer = answer.expect("an answer");
    (answer.data.expect("data"), answer.warnings)
}

/// One list of the organization shows the keys of all projects.
#[tokio::test]
async fn tidy_deletes_orphans_of_every_project_and_nothing_else() {
    let mut mount = mount_with(json!({})).await;
    let beside = TestMount::beside(&mount).await;
    let emptied = json!({ "organization_id": "", "roles": "", "ip_addresses": "" });
    write_role(&beside, emptied).await;
    mount.issue("reader").await;
    write_role(&mount, json!({ "project_id": mount.atlas.project(1) })).await;
    mount.issue("reader").await;
    beside.issue("reader").await;
    let by_hand = json!({ "project_id": mount.atlas.project(0), "name": "by hand" });
    mount.atlas.control("POST", "/model-keys", by_hand).await;
    for key in mount.journal_keys() {
        mount.storage.unplant(&key);
    }
    mount.restart().await;
    mount.advance(Duration::from_mins(10)).await;
    let found = tidied(&mount).await;
    assert_counts(
        &found,
        [
            ("scanned_count", 6),
            ("orphan_count", 0),
            ("recent_count", 2),
            ("untagged_count", 1),
        ],
    );
    mount.advance(Duration::from_hours(2)).await;
    let found = tidied(&mount).await;
    assert_counts(
        &found,
        [
            ("orphan_count", 2),
            ("removed_count", 2),
            ("untagged_count", 1),
            ("missing_count", 0),
        ],
    );
    assert_eq!(mount.atlas.credentials().await.len(), 2);
    let found = tidied(&beside).await;
    assert_counts(&found, [("orphan_count", 0), ("missing_count", 0)]);
}

#[tokio::test]
async fn tidy_tells_keys_that_are_gone_and_prunes_them_in_the_end() {
    let mount = mount_with(json!({})).await;
    mount.issue("reader").await;
    mount.atlas.forget_credentials().await;
    mount.advance(Duration::from_hours(2)).await;
    let found = tidied(&mount).await;
    assert_eq!(
        (&found["missing_count"], &found["pruned_count"]),
        (&json!(1), &json!(0))
    );
    mount.advance(Duration::from_hours(8)).await;
    assert_eq!(tidied(&mount).await["pruned_count"], 1);
    assert_eq!(mount.journal_keys(), NOTHING);
}

/// Such as an Atlas that has no such keys, or a credential that may not list them.
#[tokio::test]
async fn tidy_compares_all_else_where_model_keys_are_not_listed() {
    let mount = mount_with(json!({})).await;
    mount.issue("reader").await;
    mount.advance(Duration::from_hours(2)).await;
    for operation in ["listOrgModelKeys", "listGroupModelKeys"] {
        let refused = json!({
            "operation": operation, "count": 0,
            "action": {"kind": "answer", "status": 403, "code": "FEATURE_UNSUPPORTED"},
        });
        mount.atlas.fault(refused).await;
    }
    let (found, warnings) = tidied_with(&mount, json!({})).await;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    for (warning, told) in warnings
        .iter()
        .zip(["compared only in", "were not compared"])
    {
        assert!(
            warning.contains(told) && warning.contains("FEATURE_UNSUPPORTED"),
            "{warning}"
        );
    }
    assert_eq!(
        (&found["scanned_count"], &found["missing_count"]),
        (&json!(2), &json!(0))
    );
    mount.atlas.no_more_faults().await;
    let failed =
        json!({ "operation": "listOrgModelKeys", "count": 0, "action": {"kind": "close"} });
    mount.atlas.fault(failed).await;
    mount.write("tidy", json!({})).await.expect_err("no answer");
}

/// The credential that is enough for the keys is enough to find what a restore has left of them.
#[tokio::test]
async fn tidy_finds_orphans_with_the_credential_of_a_model_owner() {
    let mut mount = mount_with(json!({})).await;
    sign_in_as(&mount, "GROUP_MODEL_OWNER").await;
    mount.issue("reader").await;
    mount.issue("reader").await;
    for key in mount.journal_keys() {
        mount.storage.unplant(&key);
    }
    mount.restart().await;
    mount.advance(Duration::from_hours(2)).await;
    let (live, _) = mount.issue("reader").await;
    // The project is that of an entry, and no role's.
    mount.issue("reader").await;
    mount
        .ask(Operation::Delete, "roles/reader", json!({}))
        .await
        .expect("deleted");
    let (found, warnings) = tidied_with(&mount, json!({ "dry_run": false })).await;
    assert_counts(
        &found,
        [
            ("orphan_count", 2),
            ("removed_count", 2),
            ("missing_count", 0),
        ],
    );
    let told = warnings.join("\n");
    for told_of in [
        "service accounts were not compared",
        "AI model API keys were compared only in projects that roles and entries name (1)",
    ] {
        assert!(told.contains(told_of), "{told}");
    }
    assert_eq!(warnings.len(), 2, "{told}");
    let left = mount.atlas.credentials().await;
    assert!(left.len() == 2 && left.contains(&text(&live, "name").to_owned()));
}

/// An answer need not tell the project of a key, nor when it was made.
#[tokio::test]
async fn what_a_list_does_not_tell_of_a_key_hides_no_orphan() {
    for (untold, told) in [
        ("/results/0/groupId", "does not tell the project of 1"),
        ("/results/0/createdAt", "does not tell when they were made"),
    ] {
        let mut mount = mount_with(json!({})).await;
        mount.issue("reader").await;
        for key in mount.journal_keys() {
            mount.storage.unplant(&key);
        }
        mount.restart().await;
        mount.advance(Duration::from_hours(2)).await;
        let fault = json!({
            "operation": "listOrgModelKeys", "count": 0,
            "action": {"kind": "withhold", "pointer": untold},
        });
        mount.atlas.fault(fault).await;
        let (found, warnings) = tidied_with(&mount, json!({})).await;
        assert!(warnings.join("").contains(told), "{warnings:?}");
        let is_dated = untold.ends_with("groupId");
        assert_eq!(
            (&found["orphan_count"], &found["recent_count"]),
            (&json!(u8::from(is_dated)), &json!(u8::from(!is_dated))),
            "{untold}: {found:?}"
        );
        let order = json!({ "dry_run": false, "min_age": 0 });
        let (found, _) = tidied_with(&mount, order).await;
        assert_eq!(found["removed_count"], 1, "{untold}: {found:?}");
        mount.assert_nothing_left(untold).await;
    }
}

/// However many are gone, their list is read twice for all.
#[tokio::test]
async fn tidy_looks_for_all_keys_of_a_project_in_two_lists() {
    let mount = mount_with(json!({})).await;
    for _ in 0..5 {
        mount.issue("reader").await;
    }
    mount.atlas.forget_credentials().await;
    mount.advance(Duration::from_hours(2)).await;
    mount.atlas.forget_requests().await;
    assert_eq!(tidied(&mount).await["missing_count"], 5);
    let asked = mount.atlas.operations().await;
    assert_eq!(
        (&asked["getGroupModelKey"], &asked["listGroupModelKeys"]),
        (&json!(5), &json!(2))
    );
}

//! AI model API keys where Atlas, storage, the process or a person fails.

use std::time::Duration;

use serde_json::{Value, json};

use super::tests::{NOTHING, mount_with, write_role};
use crate::engine::credentials::project_type_tests::{
    a_credential_of_another_organization, a_new_one_that_atlas_does_not_know_yet, gone_by_hand,
    outages_at_the_end_of,
};
use crate::engine::testing::TestMount;
use crate::vault::{Failure, Operation};

#[tokio::test]
async fn a_key_whose_answer_is_of_no_use_is_found_by_its_name_and_removed() {
    for action in ["lose_answer", "malformed_json", "cut_json", "not_json"] {
        let mount = mount_with(json!({})).await;
        let fault = json!({ "operation": "createGroupModelKey", "action": {"kind": action} });
        mount.atlas.fault(fault).await;
        let failed = mount.read("creds/reader").await.expect_err("no answer");
        let told = failed.to_string();
        assert!(told.contains("was removed from Atlas again"), "{told}");
        let asked = mount.atlas.operations().await;
        assert_eq!(
            asked["createGroupModelKey"], 1,
            "{action}: never sent twice"
        );
        assert_eq!(asked["listOrgModelKeys"], Value::Null);
        mount.assert_nothing_left(action).await;
    }
}

/// Somebody else's key may have any name.
#[tokio::test]
async fn a_lost_answer_touches_no_other_key() {
    let mount = mount_with(json!({})).await;
    mount.issue("reader").await;
    for name in ["vault-reader", "by hand"] {
        let key = json!({ "project_id": mount.atlas.project(0), "name": name });
        mount.atlas.control("POST", "/model-keys", key).await;
    }
    let before = mount.atlas.credentials().await;
    mount.atlas.lose_answer("createGroupModelKey").await;
    mount.read("creds/reader").await.expect_err("no answer");
    assert_eq!(mount.atlas.credentials().await, before);
    assert_eq!(mount.journal_keys().len(), 1);
}

/// The process ends before it could look, and another goes on from what storage holds.
#[tokio::test]
async fn a_lost_answer_is_settled_after_a_restart() {
    for arrives in [true, false] {
        let mut mount = mount_with(json!({})).await;
        let action = if arrives { "lose_answer" } else { "close" };
        let fault = json!({ "operation": "createGroupModelKey", "action": {"kind": action} });
        mount.atlas.fault(fault).await;
        mount.atlas.refuse("listGroupModelKeys").await;
        let failed = mount.read("creds/reader").await.expect_err("no answer");
        let told = failed.to_string();
        assert!(told.contains("tried again every minute"), "{told}");
        assert_eq!(mount.atlas.credentials().await.len(), usize::from(arrives));
        mount.atlas.no_more_faults().await;
        mount.restart().await;
        mount.advance(Duration::from_mins(11)).await;
        mount.tick_for(2).await;
        mount.assert_nothing_left(action).await;
    }
}

/// Atlas shows a new key only later, and a deleted one still.
#[tokio::test]
async fn lists_that_lag_are_waited_out() {
    let mount = mount_with(json!({})).await;
    let lag = json!({ "read_lag_after_create_seconds": 90, "read_lag_after_delete_seconds": 90 });
    mount.atlas.set(lag).await;
    let (_, lease) = mount.issue("reader").await;
    mount.revoke(&lease).await.expect("deleted by its id");
    mount.assert_nothing_left("revoked").await;
    mount.atlas.lose_answer("createGroupModelKey").await;
    mount.read("creds/reader").await.expect_err("no answer");
    assert_eq!(mount.atlas.credentials().await.len(), 1, "not listed yet");
    mount.tick_for(3).await;
    mount.assert_nothing_left("found by a tick").await;
}

#[tokio::test]
async fn storage_that_fails_at_any_write_leaves_no_key_behind() {
    for writes in 0..4 {
        let mount = mount_with(json!({})).await;
        mount.storage.fail_after(Some(writes));
        let outcome = mount.read("creds/reader").await;
        mount.storage.fail_after(None);
        if writes < 3 {
            assert!(matches!(outcome, Err(Failure::HostText(_))), "{outcome:?}");
            assert_eq!(mount.atlas.credentials().await, NOTHING, "{writes}");
            mount.advance(Duration::from_secs(601)).await;
            mount.tick_for(2).await;
            mount.assert_nothing_left("after ticks").await;
        } else {
            outcome.expect("the tag, and two of the entry");
        }
    }
}

#[tokio::test]
async fn a_crash_at_any_write_leaves_nothing() {
    for writes in 0..3 {
        let mut mount = mount_with(json!({})).await;
        mount.atlas.refuse("deleteGroupModelKey").await;
        mount.storage.fail_after(Some(writes));
        mount.read("creds/reader").await.expect_err("no storage");
        mount.storage.fail_after(None);
        mount.atlas.no_more_faults().await;
        mount.restart().await;
        mount.advance(Duration::from_mins(11)).await;
        mount.tick_for(2).await;
        mount.assert_nothing_left(&format!("{writes}")).await;
    }
}

/// What was made all the same is found by its name where the answer is another's, and removed.
#[tokio::test]
async fn another_key_than_was_asked_for_is_not_handed_out() {
    let mount = mount_with(json!({ "geography": "EU" })).await;
    let takes = json!({ "model_key_geographies": ["EU", "ANY"] });
    mount.atlas.set(takes).await;
    let earlier = |project: &str, name: &str| {
        json!({"kind": "answer", "status": 201, "after_effect": true, "body": {
            "apiKeyId": "a86r5kwrfsk5r5ku5tgvhmpj", "secret": "al-x", "geography": "EU",
            "cloud": "ANY", "groupId": project, "name": name,
        }})
    };
    let [first, second] = [0, 1].map(|number| mount.atlas.project(number).to_owned());
    for action in [
        earlier(&first, "vault-reader-4Jr1vTq8ZkY2mWc0bXnL"),
        earlier(&second, ""),
        json!({"kind": "withhold", "pointer": "/geography"}),
    ] {
        let fault = json!({ "operation": "createGroupModelKey", "action": action });
        mount.atlas.fault(fault).await;
        let failed = mount.read("creds/reader").await.expect_err("another one");
        let told = failed.to_string();
        assert!(
            !told.contains("al-") && told.contains("was removed from Atlas again"),
            "{action}: {told}"
        );
        mount.assert_nothing_left(&action.to_string()).await;
    }
}

#[tokio::test]
async fn what_atlas_refuses_to_make_leaves_nothing() {
    let limit = json!({
        "max_model_keys_per_project": 1,
        "model_keys_exhausted": {"status": 403, "code": "MODEL_KEY_LIMIT"},
    });
    for (settings, told) in [
        (limit, "MODEL_KEY_LIMIT"),
        (json!({ "model_key_clouds": ["AWS"] }), "BAD_REQUEST"),
    ] {
        let mount = mount_with(json!({})).await;
        let by_hand = json!({ "project_id": mount.atlas.project(0), "name": "by hand" });
        mount.atlas.control("POST", "/model-keys", by_hand).await;
        mount.atlas.set(settings).await;
        let refused = mount.read("creds/reader").await.expect_err("refused");
        assert!(refused.to_string().contains(told), "{refused}");
        assert_eq!(mount.atlas.credentials().await, ["by hand"]);
        assert_eq!(mount.journal_keys(), NOTHING);
    }
}

/// Each name is drawn: one that is taken is refused by an Atlas that wants unique names, and not by ours.
#[tokio::test]
async fn two_keys_of_a_role_never_have_one_name() {
    let mount = mount_with(json!({})).await;
    mount
        .atlas
        .set(json!({ "model_key_names_unique": true }))
        .await;
    for _ in 0..5 {
        mount.issue("reader").await;
    }
    let taken = json!({
        "operation": "createGroupModelKey",
        "action": {"kind": "answer", "status": 409, "code": "NAME_TAKEN"},
    });
    mount.atlas.fault(taken).await;
    let refused = mount.read("creds/reader").await.expect_err("refused");
    assert!(refused.to_string().contains("NAME_TAKEN"), "{refused}");
    assert_eq!(mount.journal_keys().len(), 5);
}

#[tokio::test]
async fn an_outage_at_the_end_of_a_lease_is_an_error_and_the_next_try_deletes() {
    let mount = mount_with(json!({})).await;
    let (_, lease) = mount.issue("reader").await;
    outages_at_the_end_of(&mount, &lease, "deleteGroupModelKey").await;
}

/// Gone by hand, alone or with its project.
#[tokio::test]
async fn a_key_that_is_gone_counts_as_revoked() {
    let mount = mount_with(json!({})).await;
    let (_, lease) = mount.issue("reader").await;
    let (_, other) = mount.issue("reader").await;
    let [one, _] = mount.atlas.model_keys().await.try_into().expect("two");
    let internal = |lease: &crate::vault::Secret| lease.internal_data["ai_model_key_id"].clone();
    let (lease, other) = if internal(&lease) == one["id"] {
        (lease, other)
    } else {
        (other, lease)
    };
    let path = format!("/model-keys/{}", one["id"].as_str().expect("an id"));
    mount.atlas.control("DELETE", &path, Value::Null).await;
    gone_by_hand(&mount, &lease).await;
    let project = format!("/projects/{}", mount.atlas.project(0));
    mount.atlas.control("DELETE", &project, Value::Null).await;
    mount.revoke(&other).await.expect("gone with its project");
    mount.assert_nothing_left("revoked").await;
}

#[tokio::test]
async fn a_project_out_of_sight_is_no_project_that_is_gone() {
    let mount = mount_with(json!({})).await;
    let unknown = ["createGroupModelKey", "listGroupModelKeys"];
    a_credential_of_another_organization(&mount, unknown).await;
}

#[tokio::test]
async fn a_new_key_that_atlas_does_not_know_yet_is_not_taken_for_gone() {
    let mut mount = mount_with(json!({})).await;
    a_new_one_that_atlas_does_not_know_yet(&mut mount, Duration::from_secs(100)).await;
}

/// No code is documented for a key that is not there, and of API keys Atlas answers a 400.
#[tokio::test]
async fn whatever_atlas_calls_a_key_that_is_gone_two_lists_prove_it() {
    for (status, code) in [
        (400, "API_KEY_NOT_FOUND"),
        (400, "BAD_REQUEST"),
        (404, "AI_MODEL_API_KEY_NOT_FOUND"),
    ] {
        let mut mount = mount_with(json!({})).await;
        let unknown = json!({ "unknown_model_key": {"status": status, "code": code} });
        mount.atlas.set(unknown).await;
        let (_, lease) = mount.issue("reader").await;
        mount.issue("reader").await;
        mount.atlas.forget_credentials().await;
        gone_by_hand(&mount, &lease).await;
        let left = &mount.journal_keys()[0];
        let ended = mount.ask(Operation::Delete, left, json!({})).await;
        ended.unwrap_or_else(|refused| panic!("{status} {code}: {refused}"));
        mount.issue("reader").await;
        mount.atlas.forget_credentials().await;
        mount.restart().await;
        mount.advance(Duration::from_hours(9)).await;
        mount.tick_for(20).await;
        mount.assert_nothing_left(code).await;

        // A key that is listed is there, whatever the answers to its own calls say.
        let (_, lease) = mount.issue("reader").await;
        mount.advance(Duration::from_mins(3)).await;
        for operation in ["deleteGroupModelKey", "getGroupModelKey"] {
            let action = json!({ "kind": "answer", "status": status, "code": code });
            let fault = json!({ "operation": operation, "count": 0, "action": action });
            mount.atlas.fault(fault).await;
        }
        mount.revoke(&lease).await.expect_err("it is listed");
        assert_eq!(mount.journal_keys().len(), 1, "{status} {code}");
    }
}

/// Of a project that is gone nothing is left of what may have been made in it.
#[tokio::test]
async fn a_lost_answer_ends_with_the_project() {
    let mount = mount_with(json!({})).await;
    mount.atlas.lose_answer("createGroupModelKey").await;
    mount.atlas.refuse("listGroupModelKeys").await;
    mount.read("creds/reader").await.expect_err("no answer");
    mount.atlas.no_more_faults().await;
    let project = format!("/projects/{}", mount.atlas.project(0));
    mount.atlas.control("DELETE", &project, Value::Null).await;
    mount.advance(Duration::from_mins(11)).await;
    mount.tick_for(2).await;
    mount.assert_nothing_left("gone").await;
}

/// The lease is lost or was force-revoked: nobody revokes it. Atlas sets a key no end.
#[tokio::test]
async fn a_key_that_outlives_its_lease_is_deleted_an_hour_later_and_not_before() {
    let mount = mount_with(json!({})).await;
    mount.issue("reader").await;
    mount.advance(Duration::from_mins(9 * 60 - 2)).await;
    mount.tick_for(1).await;
    assert_eq!(mount.atlas.credentials().await.len(), 1);
    mount
        .write("config", json!({ "hold": true }))
        .await
        .expect("held");
    mount.tick_for(2).await;
    assert_eq!(
        mount.atlas.credentials().await.len(),
        1,
        "deletions are held"
    );
    mount
        .write("config", json!({ "hold": false }))
        .await
        .expect("on");
    mount.tick_for(1).await;
    mount.assert_nothing_left("reaped").await;
    assert_eq!(mount.figure("reaper", "deleted").await, 1);
}

/// A clock that is set past every expiry deletes nothing that nobody ordered.
#[tokio::test]
async fn a_clock_that_leaps_deletes_no_key() {
    let mount = mount_with(json!({})).await;
    let (_, lease) = mount.issue("reader").await;
    mount.tick_for(20).await;
    // Ours alone: Atlas's clock stays.
    mount.clock.jump(chrono::TimeDelta::days(30));
    for _ in 0..3 {
        mount.tick().await.expect("a tick");
    }
    assert_eq!(mount.atlas.credentials().await.len(), 1);
    mount.revoke(&lease).await.expect("ordered");
    mount.assert_nothing_left("revoked").await;
}

#[tokio::test]
async fn two_mounts_in_one_project_leave_each_others_keys_alone() {
    let mount = mount_with(json!({})).await;
    let beside = TestMount::beside(&mount).await;
    let emptied = json!({ "organization_id": "", "roles": "", "ip_addresses": "" });
    write_role(&beside, emptied).await;
    let (_, lease) = mount.issue("reader").await;
    let (_, other) = beside.issue("reader").await;
    mount.atlas.lose_answer("createGroupModelKey").await;
    mount.read("creds/reader").await.expect_err("no answer");
    assert_eq!(mount.atlas.credentials().await.len(), 2);
    mount.revoke(&lease).await.expect("revoked");
    assert_eq!(mount.atlas.credentials().await.len(), 1);
    beside.revoke(&other).await.expect("revoked");
    beside.assert_nothing_left("both").await;
}

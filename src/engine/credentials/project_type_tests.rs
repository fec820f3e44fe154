//! What every type that is made and deleted in its project goes through in the same way.

use std::time::Duration;

use serde_json::{Value, json};

use crate::atlas::SHOWN_WITHIN;
use crate::engine::testing::TestMount;
use crate::vault::{Data, Failure, Operation, Secret};

/// The types.
pub(super) const PROJECT_TYPES: [&str; 2] = ["ai_model_key", "database_user"];

/// The role `reader` of such a type, in the first project.
pub(super) fn role_of(mount: &TestMount, credential_type: &str) -> Value {
    let mut role = json!({
        "credential_type": credential_type, "project_id": mount.atlas.project(0),
    });
    if credential_type == "database_user" {
        role["database_roles"] = json!("read@app");
    }
    role
}

/// What a `tidy` that deletes answers.
pub(super) async fn tidied(mount: &TestMount) -> Data {
    TestMount::data(mount.write("tidy", json!({ "dry_run": false })).await)
}

/// Asserts counts of such an answer.
#[track_caller]
pub(super) fn assert_counts<const N: usize>(found: &Data, want: [(&str, u64); N]) {
    let told = want.map(|(name, _)| (name, found[name].as_u64()));
    assert_eq!(
        told,
        want.map(|(name, count)| (name, Some(count))),
        "{found:?}"
    );
}

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
    if let Err(refused) = mount.revoke(lease).await {
        // What nobody has seen in Atlas yet may only not be shown.
        assert_is_not_proved(&refused);
        mount.advance(SHOWN_WITHIN).await;
        mount.revoke(lease).await.expect("deleted all the same");
    }
    mount.assert_nothing_left("revoked").await;
}

fn assert_is_not_proved(refused: &Failure) {
    let told = "not conclusive within two minutes";
    assert!(refused.to_string().contains(told), "{refused}");
}

/// Gone by hand a moment after it was made: within two minutes Atlas may only not show it yet.
pub(super) async fn gone_by_hand(mount: &TestMount, lease: &Secret) {
    let entries = mount.journal_keys().len();
    let refused = mount.revoke(lease).await.expect_err("not proved");
    assert_is_not_proved(&refused);
    assert_eq!(mount.journal_keys().len(), entries);
    mount.advance(SHOWN_WITHIN).await;
    mount.revoke(lease).await.expect("gone is as good");
    assert_eq!(mount.journal_keys().len(), entries - 1);
}

/// An Atlas that lags answers that it does not know what it made, to reads and deletes alike.
pub(super) async fn a_new_one_that_atlas_does_not_know_yet(
    mount: &mut TestMount,
    outlives: Duration,
) {
    let lag = json!({ "read_lag_after_create_seconds": 90, "deletes_lag_after_create": true });
    mount.atlas.set(lag).await;
    let (_, lease) = mount.issue("reader").await;
    let refused = mount.revoke(&lease).await.expect_err("not shown yet");
    assert_is_not_proved(&refused);
    assert_eq!(mount.journal_keys().len(), 1);
    // Nor does the process that comes after know how old it is.
    mount.restart().await;
    let refused = mount.revoke(&lease).await.expect_err("not shown yet");
    assert_is_not_proved(&refused);
    mount.advance(outlives).await;
    mount.revoke(&lease).await.expect("shown by now");
    mount.assert_nothing_left("revoked").await;
}

/// A credential of another organization that was stored unseen: the configuration still names the former one,
/// and whatever was made in that is out of its sight. `unknown`: a create's answer and the list that tells
/// what came of it.
pub(super) async fn a_credential_of_another_organization(mount: &TestMount, unknown: [&str; 2]) {
    let stays = json!({
        "foreign_project": {"status": 404, "code": "GROUP_NOT_FOUND"},
        "database_user_delete_delay_seconds": 864_000,
    });
    mount.atlas.set(stays).await;
    let (_, lease) = mount.issue("reader").await;
    let [create, list] = unknown;
    mount.atlas.lose_answer(create).await;
    let unlisted = json!({
        "operation": list, "skip": u8::from(create == "createDatabaseUser"), "count": 0,
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    });
    mount.atlas.fault(unlisted).await;
    mount.read("creds/reader").await.expect_err("no answer");
    mount.atlas.no_more_faults().await;
    for is_seen in [false, true] {
        write_pair_of_another_organization(mount, is_seen).await;
        mount.advance(SHOWN_WITHIN).await;
        let refused = mount.revoke(&lease).await.expect_err("out of sight");
        let told = "has no access to project";
        assert!(refused.to_string().contains(told), "{is_seen}: {refused}");
        let id = lease.internal_data["journal_id"].as_str().expect("an id");
        let path = format!("issued/{id}");
        let ended = mount.ask(Operation::Delete, &path, json!({}));
        ended.await.expect_err("out of sight");
        mount.advance(Duration::from_mins(20)).await;
        mount.tick_for(3).await;
        mount.advance(Duration::from_hours(12)).await;
        mount.tick_for(3).await;
        if !is_seen {
            // The organization's lists may be open to it all the same.
            for list in [
                "listOrgApiKeys",
                "listOrgServiceAccounts",
                "listOrgModelKeys",
            ] {
                let action = json!({
                    "kind": "answer", "status": 200, "body": {"results": [], "totalCount": 0},
                });
                let fault = json!({ "operation": list, "count": 0, "action": action });
                mount.atlas.fault(fault).await;
            }
            let tidied = mount.write("tidy", json!({ "dry_run": false })).await;
            let tidied = TestMount::data(tidied);
            assert_eq!(
                (&tidied["missing_count"], &tidied["pruned_count"]),
                (&json!(0), &json!(0)),
                "{tidied:?}"
            );
            mount.atlas.no_more_faults().await;
        }
        assert_eq!(mount.atlas.credentials().await.len(), 2, "{is_seen}");
        assert_eq!(mount.journal_keys().len(), 2, "{is_seen}");
    }
    let back = mount.atlas.key_and_organization();
    mount.write("config", back).await.expect("configured");
    mount.revoke(&lease).await.expect("revoked");
    mount.tick_for(20).await;
    mount.assert_nothing_left("back in its organization").await;
}

/// A key of an Organization Owner elsewhere; seen, the configuration names its organization.
async fn write_pair_of_another_organization(mount: &TestMount, is_seen: bool) {
    let org = json!({ "name": "other" });
    let org = mount.atlas.control("POST", "/orgs", org).await;
    let key = json!({ "org_id": org["id"], "org_roles": ["ORG_OWNER"], "desc": "seed" });
    let key = mount.atlas.control("POST", "/keys", key).await;
    let mut config = mount.atlas.key_config();
    for part in ["public_key", "private_key"] {
        config[part] = key[part].clone();
    }
    if is_seen {
        config["organization_id"] = org["id"].clone();
    } else {
        config["verify_connection"] = json!(false);
    }
    mount.write("config", config).await.expect("configured");
    let named = TestMount::data(mount.read("config").await);
    let named = named["organization_id"].as_str() == org["id"].as_str();
    assert_eq!(named, is_seen);
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

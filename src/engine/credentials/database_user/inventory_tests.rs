//! Database users in `check/<role>`, `issued/`, `issued-end` and `tidy`.

use std::time::Duration;

use serde_json::{Value, json};

use super::tests::{HOUR, NOTHING, mount_with, text, write_role};
use crate::engine::credentials::project_type_tests::{a_drain_of, assert_counts, tidied};
use crate::engine::testing::TestMount;
use crate::vault::Operation;

#[tokio::test]
async fn a_check_says_what_stands_against_the_role() {
    let mount = mount_with(json!({ "scopes": "north,west" })).await;
    mount.atlas.forget_requests().await;
    let found = TestMount::data(mount.read("check/reader").await);
    assert_eq!(found["ok"], true, "{found:?}");
    assert!(
        found["warnings"][0]
            .as_str()
            .is_some_and(|text| text.contains("north"))
    );
    let asked = mount.atlas.operations().await;
    assert_eq!(asked["createDatabaseUser"], Value::Null);
    for number in 0..95 {
        let user =
            json!({ "project_id": mount.atlas.project(0), "username": format!("u{number}") });
        mount.atlas.control("POST", "/database-users", user).await;
    }
    let found = TestMount::data(mount.read("check/reader").await);
    assert_eq!(found["database_users"], 95);
    assert!(
        found["warnings"]
            .to_string()
            .contains("has 95 database users")
    );
    let refused = json!({
        "operation": "listDatabaseUsers",
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    });
    mount.atlas.fault(refused).await;
    let found = TestMount::data(mount.read("check/reader").await);
    let problem = found["problems"][0].as_str().expect("a problem");
    assert!(problem.contains("database users"), "{problem}");
    write_role(&mount, json!({ "project_id": "f".repeat(24) })).await;
    let found = TestMount::data(mount.read("check/reader").await);
    assert_eq!(
        found["problems"].as_array().map(Vec::len),
        Some(1),
        "{found:?}"
    );
}

#[tokio::test]
async fn the_journal_shows_a_user_by_its_name_and_ends_it() {
    let mount = mount_with(json!({ "username_template": "app-{{random 6}}" })).await;
    let (data, mut lease) = mount.issue("reader").await;
    let path = format!("issued/{}", text(&data, "username"));
    let shown = TestMount::data(mount.read(&path).await);
    assert_eq!(
        (
            &shown["database_username"],
            &shown["state"],
            &shown["credential_type"]
        ),
        (&data["username"], &json!("active"), &json!("database_user"))
    );
    assert!(text(&shown, "description").starts_with("vault-reader-"));
    let listed = TestMount::data(mount.list("issued/").await);
    let info = &listed["key_info"][text(&shown, "id")];
    assert_eq!(info["public"], data["username"]);
    mount
        .ask(Operation::Delete, &path, json!({}))
        .await
        .expect("ended");
    assert!(!mount.atlas.lets_in("east", &data).await);
    lease.issue_time = Some(mount.now());
    mount.renew(&lease).await.expect_err("it was ended");
    mount.atlas.forget_requests().await;
    mount.revoke(&lease).await.expect("revoked");
    assert_eq!(mount.atlas.request_count().await, 0);
    assert_eq!(mount.journal_keys(), NOTHING);
}

/// Such as from a display name: whatever a name can have, it is asked for by it.
#[tokio::test]
async fn the_journal_knows_users_of_any_name() {
    for template in [
        "a/{{random 8}} @x%.",
        "oidc-ann@example.com-{{random 8}}",
        "-{{uuid}}/",
    ] {
        let mount = mount_with(json!({ "username_template": template })).await;
        let (data, lease) = mount.issue("reader").await;
        let path = format!("issued/{}", text(&data, "username"));
        let shown = TestMount::data(mount.read(&path).await);
        assert_eq!(shown["database_username"], data["username"], "{template}");
        let ended = mount.ask(Operation::Delete, &path, json!({})).await;
        ended.expect("ended");
        assert!(!mount.atlas.lets_in("east", &data).await, "{template}");
        mount.revoke(&lease).await.expect("revoked");
        mount.assert_nothing_left(template).await;
    }
}

#[tokio::test]
async fn a_drained_mount_ends_its_users() {
    let mount = mount_with(json!({})).await;
    a_drain_of(&mount, "database_user").await;
}

/// An organization does not list them: the projects are those of the roles.
#[tokio::test]
async fn tidy_deletes_orphans_of_the_roles_projects_and_nothing_else() {
    let days = json!({ "ttl": "5d", "max_ttl": "30d" });
    let mut mount = mount_with(days.clone()).await;
    let beside = TestMount::beside(&mount).await;
    let mut theirs = json!({ "organization_id": "", "roles": "", "ip_addresses": "" });
    theirs["ttl"] = json!("5d");
    theirs["max_ttl"] = json!("30d");
    write_role(&beside, theirs).await;
    mount.issue("reader").await;
    beside.issue("reader").await;
    let by_hand = json!({ "project_id": mount.atlas.project(0), "username": "by hand" });
    mount
        .atlas
        .control("POST", "/database-users", by_hand)
        .await;
    for key in mount.journal_keys() {
        mount.storage.unplant(&key);
    }
    mount.restart().await;
    mount.advance(Duration::from_mins(10)).await;
    let found = tidied(&mount).await;
    assert_counts(
        &found,
        [
            ("orphan_count", 0),
            ("recent_count", 1),
            ("untagged_count", 1),
        ],
    );
    mount.advance(HOUR * 2).await;
    let found = tidied(&mount).await;
    assert_counts(
        &found,
        [
            ("orphan_count", 1),
            ("removed_count", 1),
            ("untagged_count", 1),
            ("missing_count", 0),
        ],
    );
    assert_eq!(mount.atlas.credentials().await.len(), 2);
    let found = tidied(&beside).await;
    assert_counts(&found, [("orphan_count", 0), ("missing_count", 0)]);
}

/// Before a mount is disabled its roles go first.
#[tokio::test]
async fn tidy_looks_in_the_projects_of_leases_whose_role_is_gone() {
    let mut mount = mount_with(json!({ "ttl": "5d", "max_ttl": "30d" })).await;
    mount.issue("reader").await;
    let kept = mount.journal_keys();
    mount.issue("reader").await;
    for key in mount.journal_keys() {
        if !kept.contains(&key) {
            mount.storage.unplant(&key);
        }
    }
    mount.restart().await;
    let deleted = mount.ask(Operation::Delete, "roles/reader", json!({}));
    deleted.await.expect("deleted");
    mount.advance(HOUR * 2).await;
    let found = tidied(&mount).await;
    assert_eq!(
        (&found["orphan_count"], &found["removed_count"]),
        (&json!(1), &json!(1)),
        "{found:?}"
    );
    assert_eq!(mount.atlas.credentials().await.len(), 1);
}

/// Somebody's user is nothing that could be ours; a list of no sense is told, and all else compared.
#[tokio::test]
async fn tidy_compares_all_else_where_a_list_makes_no_sense() {
    let mount = mount_with(json!({})).await;
    let fault = json!({
        "operation": "listDatabaseUsers", "action": {"kind": "malformed_json"},
    });
    mount.atlas.fault(fault).await;
    let answer = mount.write("tidy", json!({})).await.expect("tidied");
    let [warning] = answer.expect("an answer").warnings.try_into().expect("one");
    assert!(warning.contains("were not compared"), "{warning}");
}

#[tokio::test]
async fn tidy_tells_users_that_are_gone_and_compares_all_else_where_it_may_not_list_them() {
    let mount = mount_with(json!({})).await;
    mount.issue("reader").await;
    mount.atlas.forget_credentials().await;
    mount.advance(HOUR * 2).await;
    let found = tidied(&mount).await;
    assert_eq!(
        (&found["missing_count"], &found["pruned_count"]),
        (&json!(1), &json!(0))
    );
    mount.atlas.refuse("listDatabaseUsers").await;
    let answer = mount.write("tidy", json!({})).await.expect("tidied");
    let [warning] = answer.expect("an answer").warnings.try_into().expect("one");
    assert!(warning.contains("database users of project"), "{warning}");
    mount.atlas.no_more_faults().await;
    mount.advance(HOUR * 8).await;
    assert_eq!(tidied(&mount).await["pruned_count"], 1);
    assert_eq!(mount.journal_keys(), NOTHING);
}

/// However many are gone, their list is read twice for all.
#[tokio::test]
async fn tidy_looks_for_all_users_of_a_project_in_two_lists() {
    let mount = mount_with(json!({})).await;
    for _ in 0..5 {
        mount.issue("reader").await;
    }
    mount.atlas.forget_credentials().await;
    mount.advance(HOUR * 2).await;
    mount.atlas.forget_requests().await;
    assert_eq!(tidied(&mount).await["missing_count"], 5);
    let asked = mount.atlas.operations().await;
    // One more is what Atlas has beside the journal.
    assert_eq!(
        (&asked["getDatabaseUser"], &asked["listDatabaseUsers"]),
        (&json!(5), &json!(3))
    );
}

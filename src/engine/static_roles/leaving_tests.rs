//! Deleting static roles, and what is still to be done after it.

use std::time::Duration;

use serde_json::json;

use super::tests::{DAY, HOUR, Rotated, refusal};
use crate::engine::testing::TestMount;
use crate::vault::Operation;

impl Rotated {
    async fn delete(&self) -> Vec<String> {
        let deleted = self
            .mount
            .ask(Operation::Delete, "static-roles/app", json!({}))
            .await;
        refusal(deleted).expect("deleted")
    }
}

#[tokio::test]
async fn a_deleted_role_leaves_its_account_alone() {
    let app = Rotated::every_day().await;
    app.pass(HOUR + 1).await;
    let secret = app.secret().await;
    let told = app.delete().await;
    assert!(told[0].contains("were left as they are"), "{told:?}");
    app.pass(2 * DAY).await;
    assert!(app.mints(&secret).await);
    assert_eq!(
        app.mount.storage.keys(),
        ["config", "origins", "storage-version"]
    );
    let gone = refusal(app.mount.read("static-creds/app").await).expect_err("gone");
    assert!(gone.contains("there is no static role \"app\""), "{gone}");
    assert!(
        app.delete().await.is_empty(),
        "deleting what is gone is fine"
    );
}

#[tokio::test]
async fn what_a_deleted_role_had_yet_to_remove_is_removed() {
    let mut app = Rotated::every_day().await;
    let secret = app.secret().await;
    let told = app.delete().await;
    assert!(
        told[1].contains("deleted when its time is over"),
        "{told:?}"
    );
    let listed = TestMount::data(app.mount.list("static-roles/").await);
    assert!(!listed.contains_key("keys"));
    app.mount.restart().await;
    app.pass(HOUR / 2).await;
    assert!(
        app.mints(&app.account.secret).await,
        "its overlap is not over"
    );
    app.mount.advance(Duration::from_mins(70)).await;
    app.tick().await;
    assert!(!app.mints(&app.account.secret).await);
    assert!(app.mints(&secret).await);
    assert_eq!(
        app.mount.storage.keys(),
        ["config", "origins", "storage-version"]
    );
}

#[tokio::test]
async fn a_role_deleted_in_the_middle_of_a_rotation_leaves_no_secret_behind() {
    let app = Rotated::every_day().await;
    app.pass(HOUR + 1).await;
    let secret = app.secret().await;
    let lost = json!({"operation": "createOrgSecret", "action": {"kind": "lose_answer"}});
    app.mount.atlas.fault(lost).await;
    app.mount
        .write("rotate-role/app", json!({}))
        .await
        .expect_err("no answer");
    assert_eq!(app.secrets_at_atlas().await, 2);
    app.delete().await;
    app.pass(60).await;
    assert_eq!(app.secrets_at_atlas().await, 1);
    assert!(app.mints(&secret).await);
    assert_eq!(
        app.mount.storage.keys(),
        ["config", "origins", "storage-version"]
    );
}

#[tokio::test]
async fn a_role_that_comes_back_takes_over_what_was_left() {
    let app = Rotated::every_day().await;
    let secret = app.secret().await;
    app.delete().await;
    let back = json!({"client_secret": secret, "skip_initial_rotation": true});
    app.write(back).await.expect("a role");
    assert_eq!(
        app.mount.storage.keys(),
        ["config", "origins", "static-roles/app", "storage-version"]
    );
    let shown = app.shown().await;
    assert_eq!(
        shown["previous_secrets"].as_array().map(Vec::len),
        Some(1),
        "{shown:?}"
    );
    app.pass(HOUR + HOUR / 2).await;
    assert_eq!(app.secrets_at_atlas().await, 1);
    assert!(app.works().await);
}

#[tokio::test]
async fn deleting_fails_whole_where_storage_fails() {
    for writes in 0..2 {
        let mut app = Rotated::every_day().await;
        app.mount.storage.fail_after(Some(writes));
        let deleted = app
            .mount
            .ask(Operation::Delete, "static-roles/app", json!({}))
            .await;
        assert!(deleted.is_err(), "{writes}");
        app.mount.storage.fail_after(None);
        app.mount.restart().await;
        app.pass(DAY + 1).await;
        assert!(app.works().await, "{writes}");
        app.delete().await;
        app.pass(HOUR + HOUR / 2).await;
        assert_eq!(
            app.mount.storage.keys(),
            ["config", "origins", "storage-version"],
            "{writes}"
        );
    }
}

/// What a deleted role had yet to remove is forgotten only once the account is proved gone.
#[tokio::test]
async fn a_gateway_that_knows_no_account_makes_nothing_forgotten() {
    for (status, answer) in [
        (404, json!({"error": "not_found"})),
        (404, json!({"status": 404, "error": "Not Found"})),
        (
            404,
            json!({"error": 404, "errorCode": "RESOURCE_NOT_FOUND"}),
        ),
        (200, json!({})),
    ] {
        let app = Rotated::every_day().await;
        let secret = app.secret().await;
        app.delete().await;
        app.mount
            .atlas
            .fault(json!({
                "operation": "getOrgServiceAccount", "count": 0,
                "action": {"kind": "answer", "status": status, "body": answer},
            }))
            .await;
        app.mount.advance(Duration::from_mins(70)).await;
        let _ = app.mount.tick().await;
        app.mount.atlas.no_more_faults().await;
        assert_eq!(app.secrets_at_atlas().await, 2, "{answer}");
        app.pass(HOUR).await;
        assert!(!app.mints(&app.account.secret).await, "{answer}");
        assert!(app.mints(&secret).await, "{answer}");
        assert_eq!(
            app.mount.storage.keys(),
            ["config", "origins", "storage-version"],
            "{answer}"
        );
    }
}

#[tokio::test]
async fn with_an_account_that_was_deleted_nothing_is_left_to_remove() {
    let app = Rotated::every_day().await;
    app.delete().await;
    app.mount.atlas.forget_credentials().await;
    app.pass(70 * 60).await;
    assert_eq!(
        app.mount.storage.keys(),
        ["config", "origins", "storage-version"]
    );
}

/// Taken out of its project, an account lives on in the organization with all its secrets.
#[tokio::test]
async fn what_was_left_is_removed_also_where_the_account_left_its_project() {
    let mount = TestMount::configured().await;
    let project = mount.atlas.project(0).to_owned();
    let holder = json!({
        "project_roles": {project.clone(): ["GROUP_READ_ONLY"]}, "home_project": project,
    });
    let client_id = mount.atlas.make_account(9_000, holder).await;
    let role = json!({"client_id": client_id, "project_id": project, "rotation_period": DAY});
    refusal(mount.write("static-roles/app", role).await).expect("a role");
    assert_eq!(mount.atlas.secrets(&client_id).await.len(), 2);
    let deleted = mount.ask(Operation::Delete, "static-roles/app", json!({}));
    refusal(deleted.await).expect("deleted");
    mount.atlas.leave_project(&client_id, &project).await;
    mount.advance(Duration::from_mins(70)).await;
    mount.tick_for(5).await;
    assert_eq!(mount.atlas.secrets(&client_id).await.len(), 1);
    assert_eq!(
        mount.storage.keys(),
        ["config", "origins", "storage-version"]
    );
}

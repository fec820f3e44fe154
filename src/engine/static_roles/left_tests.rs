//! What a deleted static role has left stands in the journal, and is worked off from there.

use std::time::Duration;

use serde_json::{Value, json};

use super::tests::{DAY, HOUR, Rotated, refusal, status};
use crate::engine::testing::TestMount;
use crate::vault::{Data, Operation};

/// What is left once all is done.
const NOTHING_LEFT: [&str; 3] = ["config", "origins", "storage-version"];

/// A role that an account rotates itself by, with a replaced secret.
async fn own() -> Rotated {
    let app = Rotated::not_yet_adopted(json!(["ORG_OWNER"])).await;
    let role = json!({
        "rotation_mode": "self", "client_secret": app.account.secret, "rotation_period": DAY,
    });
    app.write(role).await.expect("a role");
    app
}

async fn deleted(app: &Rotated) -> Result<Vec<String>, String> {
    let deleted = app
        .mount
        .ask(Operation::Delete, "static-roles/app", json!({}));
    refusal(deleted.await)
}

fn left_keys(app: &Rotated) -> Vec<String> {
    let mut keys = app.mount.storage.keys();
    keys.retain(|key| !NOTHING_LEFT.contains(&key.as_str()));
    keys
}

/// The entry, as its path shows it.
async fn shown(app: &Rotated) -> Data {
    let path = format!("issued/{}", app.account.client_id);
    TestMount::data(app.mount.read(&path).await)
}

fn refused_deletion(count: u32) -> Value {
    json!({
        "operation": "deleteOrgSecret", "count": count,
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    })
}

#[tokio::test]
async fn it_is_listed_and_counted_and_holds_no_secret() {
    let app = Rotated::every_day().await;
    let present = app.secret().await;
    deleted(&app).await.expect("deleted");
    let keys = left_keys(&app);
    assert_eq!(keys.len(), 1, "{keys:?}");
    let stored = app.mount.storage.value(&keys[0]);
    let stored = String::from_utf8(stored).expect("JSON");
    for secret in [&present, &app.account.secret] {
        assert!(!stored.contains(secret.as_str()), "{stored}");
    }
    let entry = shown(&app).await;
    assert_eq!(
        (&entry["owner"], &entry["static_role"], &entry["state"]),
        (&json!("static_role"), &json!("app"), &json!("pending")),
        "{entry:?}"
    );
    assert_eq!(entry["display_name"], "token", "{entry:?}");
    let listed = entry["retiring_secret_ids"].as_array().map(Vec::len);
    assert_eq!(listed, Some(1), "{entry:?}");
    assert_eq!(status(&app).await["deleting"], 1);
    assert_eq!(app.mount.figure("entries", "pending").await, 1);
    app.pass(HOUR + HOUR / 2).await;
    assert_eq!(status(&app).await["deleting"], 0);
    assert_eq!(app.mount.storage.keys(), NOTHING_LEFT);
}

/// Its replaced secret has users until its time is over, whoever asks for its end.
#[tokio::test]
async fn nothing_but_its_own_time_ends_it() {
    let app = Rotated::every_day().await;
    deleted(&app).await.expect("deleted");
    let path = format!("issued/{}", app.account.client_id);
    let ended = app.mount.ask(Operation::Delete, &path, json!({})).await;
    let text = refusal(ended).expect_err("refused");
    assert!(text.contains("what static role \"app\" left at"), "{text}");
    let drained = json!({ "organization_id": app.mount.atlas.org(), "dry_run": false });
    let drained = app.mount.write("issued-end", drained).await;
    TestMount::data(drained);
    app.pass(60).await;
    assert!(app.mints(&app.account.secret).await);
    assert_eq!(left_keys(&app).len(), 1);
}

#[tokio::test]
async fn it_is_removed_by_the_account_itself_where_that_rotated_itself() {
    let app = own().await;
    let present = app.secret().await;
    deleted(&app).await.expect("deleted");
    let keys = left_keys(&app);
    let value = format!("present-secrets/{}", app.account.client_id);
    assert!(keys.len() == 2 && keys.contains(&value), "{keys:?}");
    app.mount.atlas.forget_requests().await;
    app.pass(HOUR + HOUR / 2).await;
    assert_eq!(app.secrets_at_atlas().await, 1);
    assert!(app.mints(&present).await);
    assert_eq!(app.mount.storage.keys(), NOTHING_LEFT);
    let requests = app.mount.atlas.control("GET", "/requests", Value::Null);
    let requests = requests.await["requests"].clone();
    let mut requests = requests.as_array().expect("a list").iter();
    let deletion = requests.find(|request| request["operation_id"] == "deleteOrgSecret");
    let deletion = deletion.expect("a deletion");
    assert_eq!(deletion["principal"], json!(app.account.client_id));
}

/// Whichever write of the deletion fails, the role is there as before, what was put aside does not count
/// beside it, and the deletion works the next time.
#[tokio::test]
async fn a_deletion_that_fails_at_any_write_leaves_the_role_as_it_was() {
    for itself in [false, true] {
        for writes in 0..3 {
            let mut app = if itself {
                own().await
            } else {
                Rotated::every_day().await
            };
            app.mount.storage.fail_after(Some(writes));
            let answer = deleted(&app).await;
            app.mount.storage.fail_after(None);
            if writes == 2 && !itself {
                answer.expect("all writes passed");
                continue;
            }
            answer.expect_err("storage has failed");
            app.mount.restart().await;
            app.pass(60).await;
            assert_eq!(left_keys(&app), ["static-roles/app"], "{itself} {writes}");
            app.pass(DAY + 1).await;
            assert!(app.works().await, "{itself} {writes}");
            deleted(&app).await.expect("deleted");
            app.pass(HOUR + HOUR / 2).await;
            assert_eq!(app.mount.storage.keys(), NOTHING_LEFT, "{itself} {writes}");
            assert_eq!(app.secrets_at_atlas().await, 1, "{itself} {writes}");
        }
    }
}

/// The same where the process goes on: what memory knows is no better than what storage holds.
#[tokio::test]
async fn a_deletion_that_failed_is_seen_to_by_the_same_process() {
    for writes in 0..2 {
        let app = Rotated::every_day().await;
        app.mount.storage.fail_after(Some(writes));
        deleted(&app).await.expect_err("storage has failed");
        app.mount.storage.fail_after(None);
        app.pass(DAY + 1).await;
        assert!(app.works().await, "{writes}");
        assert_eq!(left_keys(&app), ["static-roles/app"], "{writes}");
        deleted(&app).await.expect("deleted");
        app.pass(HOUR + HOUR / 2).await;
        assert_eq!(app.mount.storage.keys(), NOTHING_LEFT, "{writes}");
    }
}

/// A role that was being rotated when it was deleted: a secret whose answer was lost, or one that was
/// made and mints no token yet, and the replaced one.
async fn deleted_while_rotating(lost: bool) -> Rotated {
    let app = Rotated::every_day().await;
    app.pass(HOUR + 1).await;
    if lost {
        let lost = json!({"operation": "createOrgSecret", "action": {"kind": "lose_answer"}});
        app.mount.atlas.fault(lost).await;
    } else {
        let late = json!({"new_credential_delay_seconds": 3_000});
        app.mount.atlas.set(late).await;
    }
    let rotated = app.mount.write("rotate-role/app", json!({})).await;
    rotated.expect_err("not finished");
    assert_eq!(app.secrets_at_atlas().await, 2);
    deleted(&app).await.expect("deleted");
    app
}

#[tokio::test]
async fn a_crash_at_any_write_of_its_removal_leaves_nothing() {
    for lost in [false, true] {
        for writes in 0..5 {
            let mut app = deleted_while_rotating(lost).await;
            app.mount.storage.fail_after(Some(writes));
            app.mount.advance(Duration::from_mins(20)).await;
            let _ = app.mount.tick().await;
            app.mount.storage.fail_after(None);
            app.mount.restart().await;
            for _ in 0..4 {
                app.pass(600).await;
            }
            assert_eq!(app.mount.storage.keys(), NOTHING_LEFT, "{lost} {writes}");
            assert_eq!(app.secrets_at_atlas().await, 1, "{lost} {writes}");
        }
    }
}

#[tokio::test]
async fn what_fails_rests_for_longer_and_longer_and_is_counted() {
    let app = Rotated::every_day().await;
    deleted(&app).await.expect("deleted");
    app.mount.atlas.fault(refused_deletion(0)).await;
    app.mount.advance(Duration::from_secs(HOUR)).await;
    app.mount.atlas.forget_requests().await;
    app.mount.tick_for(16).await;
    let asked = app.mount.atlas.operations().await;
    let asked = asked["deleteOrgSecret"].as_u64().expect("a number");
    assert!((3..=6).contains(&asked), "{asked}");
    assert_eq!(app.mount.figure("entries", "failing").await, 1);
    let journal = TestMount::data(app.mount.read("status").await)["journal"].clone();
    assert_eq!(journal["errors"][0]["during"], "retirement", "{journal}");
    app.mount.atlas.no_more_faults().await;
    app.pass(2 * HOUR).await;
    assert_eq!(app.mount.storage.keys(), NOTHING_LEFT);
    assert_eq!(app.mount.figure("entries", "failing").await, 0);
}

#[tokio::test]
async fn a_hold_holds_it() {
    let app = Rotated::every_day().await;
    deleted(&app).await.expect("deleted");
    let hold = json!({ "hold": true });
    app.mount.write("config", hold).await.expect("held");
    app.pass(2 * DAY).await;
    assert_eq!(app.secrets_at_atlas().await, 2);
    let hold = json!({ "hold": false });
    app.mount.write("config", hold).await.expect("no more");
    app.pass(60).await;
    assert_eq!(app.secrets_at_atlas().await, 1);
}

/// What its rotation had made and not published goes before the new role's first rotation needs its place.
#[tokio::test]
async fn a_role_that_comes_back_after_a_rotation_that_did_not_finish_is_rotated() {
    for lost in [false, true] {
        let app = deleted_while_rotating(lost).await;
        let settings = json!({"new_credential_delay_seconds": 0});
        app.mount.atlas.set(settings).await;
        app.write(json!({"rotation_period": DAY}))
            .await
            .expect("a role");
        for _ in 0..12 {
            app.pass(600).await;
        }
        assert!(app.works().await, "{lost}");
        assert_eq!(app.secrets_at_atlas().await, 1, "{lost}");
        assert_eq!(left_keys(&app), ["static-roles/app"], "{lost}");
    }
}

//! Another credential is written, or the configuration deleted, while rotations still have something
//! to remove.

use serde_json::{Value, json};

use crate::engine::process::ServerHold;
use crate::engine::testing::{Outcome, TestMount};
use crate::vault::Operation;

async fn delete(mount: &TestMount, options: Value) -> Outcome {
    mount.ask(Operation::Delete, "config", options).await
}

fn refuse(operation: &str) -> Value {
    json!({
        "operation": operation, "count": 0,
        "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
    })
}

/// A mount whose rotation has made a secret that mints no token yet; and that secret's id.
async fn half_rotated() -> (TestMount, String) {
    let mount = TestMount::new().await;
    mount
        .write("config", mount.atlas.account_config())
        .await
        .expect("a configuration");
    mount
        .atlas
        .set(json!({"new_credential_delay_seconds": 3_000}))
        .await;
    mount.rotate_root(json!({})).await.expect_err("not proved");
    let seed = mount.atlas.seed_account().client_id;
    let made = mount.atlas.secrets(&seed).await;
    assert_eq!(made.len(), 2);
    let made = made.last().cloned().expect("the new one");
    (mount, made)
}

#[tokio::test]
async fn another_credential_leaves_no_incomplete_secret_behind() {
    let (mount, made) = half_rotated().await;
    let written = mount.write("config", mount.atlas.key_config()).await;
    assert!(matches!(written, Ok(None)), "{written:?}");
    let seed = mount.atlas.seed_account().client_id;
    let left = mount.atlas.secrets(&seed).await;
    assert!(left.len() == 1 && !left.contains(&made), "{left:?}");
    assert!(mount.is_alive().await);
}

#[tokio::test]
async fn what_cannot_be_removed_before_another_credential_is_reported() {
    let (mount, made) = half_rotated().await;
    mount.atlas.fault(refuse("deleteOrgSecret")).await;
    let written = mount.write("config", mount.atlas.key_config()).await;
    let told = written.expect("written").expect("warnings").warnings;
    assert!(
        told.iter()
            .any(|text| text.contains(&made) && text.contains("delete them in Atlas")),
        "{told:?}"
    );
    assert!(mount.is_alive().await);
    // It stands in the journal, and goes once nothing keeps it.
    let mut mount = mount;
    for restarted in [false, true] {
        if restarted {
            mount.restart().await;
        }
        assert_eq!(mount.config().await["pending_deletions"], 1, "{restarted}");
        let seed = mount.atlas.seed_account().client_id;
        let shown = TestMount::data(mount.read(&format!("issued/{seed}")).await);
        assert_eq!(shown["owner"], "root", "{shown:?}");
        assert!(
            !json!(shown).to_string().contains("mdb_sa_sk_"),
            "{shown:?}"
        );
        let refused = delete(&mount, json!({})).await.expect_err("needed");
        assert!(refused.to_string().contains(&seed), "{refused}");
    }
    mount.atlas.no_more_faults().await;
    mount.minutes(3).await;
    assert_only_the_first_secret(&mount, &made).await;
}

/// The account's present secret stays, and nothing is noted any more.
async fn assert_only_the_first_secret(mount: &TestMount, made: &String) {
    let seed = mount.atlas.seed_account();
    let left = mount.atlas.secrets(&seed.client_id).await;
    assert!(left.len() == 1 && !left.contains(made), "{left:?}");
    assert!(mount.atlas.mints(&seed.client_id, &seed.secret).await);
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
    assert_eq!(mount.config().await.get("pending_deletions"), None);
}

#[tokio::test]
async fn what_is_left_when_the_configuration_is_deleted_is_removed_with_the_next() {
    let (mount, made) = half_rotated().await;
    delete(&mount, json!({"force": true}))
        .await
        .expect("forced");
    mount.minutes(2).await;
    let seed = mount.atlas.seed_account().client_id;
    assert_eq!(mount.atlas.secrets(&seed).await.len(), 2);
    let config = mount.atlas.key_config();
    mount.write("config", config).await.expect("written");
    mount.minutes(2).await;
    assert_only_the_first_secret(&mount, &made).await;
}

/// Whatever is written of the new configuration and of the journal, what is left is removed in the end,
/// and the present secret is not.
#[tokio::test]
async fn storage_that_fails_at_any_write_of_another_credential_loses_nothing() {
    for writes in 0.. {
        let (mut mount, made) = half_rotated().await;
        mount.atlas.fault(refuse("deleteOrgSecret")).await;
        mount.storage.fail_after(Some(writes));
        let written = mount.write("config", mount.atlas.key_config()).await;
        mount.storage.fail_after(None);
        mount.restart().await;
        mount.atlas.no_more_faults().await;
        if written.is_ok() {
            assert!(writes > 1, "the entry and the configuration at least");
            mount.minutes(3).await;
            assert_only_the_first_secret(&mount, &made).await;
            return;
        }
        assert!(mount.is_alive().await, "{writes}");
        mount.minutes(3).await;
        // The account is the configuration's still, and what it has begun is in its hands alone.
        assert_eq!(mount.journal_keys(), Vec::<String>::new(), "{writes}");
        let again = mount.write("config", mount.atlas.key_config()).await;
        again.expect("written");
        mount.minutes(3).await;
        assert_only_the_first_secret(&mount, &made).await;
    }
}

#[tokio::test]
async fn an_account_that_is_written_back_takes_over_what_it_was_left_with() {
    let (mount, made) = half_rotated().await;
    mount.atlas.fault(refuse("deleteOrgSecret")).await;
    let key = mount.atlas.key_config();
    mount.write("config", key).await.expect("written");
    let still = json!({"new_credential_delay_seconds": 0});
    mount.atlas.set(still).await;
    let account = mount.atlas.account_config();
    mount.write("config", account).await.expect("written back");
    assert_eq!(
        mount.stored().await["rotation"]
            .to_string()
            .matches(&made)
            .count(),
        1
    );
    mount.atlas.no_more_faults().await;
    mount.minutes(3).await;
    assert_only_the_first_secret(&mount, &made).await;
    assert!(mount.is_alive().await);
}

#[tokio::test]
async fn a_new_secret_of_the_same_account_takes_over_what_is_to_be_removed() {
    let (mount, made) = half_rotated().await;
    let seed = mount.atlas.seed_account().client_id;
    let old = mount.atlas.secrets(&seed).await.first().cloned();
    mount
        .atlas
        .set(json!({"new_credential_delay_seconds": 0}))
        .await;
    let wanted = json!({"client_id": seed});
    let given = mount.atlas.control("POST", "/secrets", wanted).await;
    let path = format!("/secrets/{}", old.expect("the first one"));
    mount.atlas.control("DELETE", &path, Value::Null).await;
    let config = json!({"client_secret": given["client_secret"]});
    let written = mount.write("config", config).await;
    assert!(matches!(written, Ok(None)), "{written:?}");
    mount.minutes(1).await;
    let left = mount.atlas.secrets(&seed).await;
    assert!(left.len() == 1 && !left.contains(&made), "{left:?}");
    assert!(mount.is_alive().await);
}

#[tokio::test]
async fn a_configuration_with_something_left_to_remove_is_deleted_by_force_only() {
    let (mount, made) = half_rotated().await;
    let refused = delete(&mount, json!({})).await.expect_err("refused");
    assert!(refused.to_string().contains(&made), "{refused}");
    delete(&mount, json!({"force": true}))
        .await
        .expect("forced");

    let mount = TestMount::configured().await;
    mount.atlas.fault(refuse("deleteOrgApiKey")).await;
    mount.rotate_root(json!({})).await.expect("rotated");
    let refused = delete(&mount, json!({})).await.expect_err("refused");
    assert!(
        refused.to_string().contains(mount.atlas.key_id()),
        "{refused}"
    );
}

#[tokio::test]
async fn a_configuration_with_incomplete_credentials_is_deleted_by_force_only() {
    let mount = TestMount::with_role(json!({ "ip_addresses": "192.0.2.1" })).await;
    for operation in ["createOrgAccessEntry", "deleteOrgApiKey"] {
        let refused = json!({"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"});
        let fault = json!({"operation": operation, "count": 0, "action": refused});
        mount.atlas.fault(fault).await;
    }
    mount.read("creds/reader").await.expect_err("refused");
    mount.atlas.no_more_faults().await;
    let refused = delete(&mount, json!({})).await.expect_err("half-made");
    assert!(
        refused
            .to_string()
            .contains("need the configuration, 1 of them"),
        "{refused}"
    );
    mount.tick().await.expect("a tick");
    delete(&mount, json!({})).await.expect("nothing is left");
}

#[tokio::test]
async fn a_configuration_with_static_roles_is_deleted_by_force_only() {
    let mount = TestMount::configured().await;
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let role = json!({"client_id": account.client_id, "organization_id": mount.atlas.org()});
    mount.write("static-roles/app", role).await.expect("a role");
    let refused = delete(&mount, json!({})).await.expect_err("refused");
    assert!(refused.to_string().contains("static role"), "{refused}");
    assert!(refused.to_string().contains("app"), "{refused}");
    // Deleted, but its replaced secret is still to be removed.
    let deleted = mount.ask(Operation::Delete, "static-roles/app", json!({}));
    deleted.await.expect("deleted");
    let refused = delete(&mount, json!({})).await.expect_err("refused");
    assert!(
        refused.to_string().contains(&account.client_id),
        "{refused}"
    );
    mount.minutes(61).await;
    delete(&mount, json!({})).await.expect("nothing is left");
}

/// It is not looked for any more: that might take the one which was just made by hand.
#[tokio::test]
async fn a_new_secret_of_the_same_account_tells_of_one_whose_answer_was_lost() {
    let lines = crate::engine::log_lines::Lines::default();
    let _listening = lines.listen();
    let mount = TestMount::new().await;
    let mut config = mount.atlas.account_config();
    mount.write("config", config.clone()).await.expect("one");
    let lost = json!({"operation": "createOrgSecret", "action": {"kind": "lose_answer"}});
    mount.atlas.fault(lost).await;
    mount.rotate_root(json!({})).await.expect_err("no answer");
    let seed = mount.atlas.seed_account();
    let before = mount.atlas.secrets(&seed.client_id).await;
    assert_eq!(before.len(), 2);
    let path = format!("/secrets/{}", before[0]);
    mount.atlas.control("DELETE", &path, Value::Null).await;
    let wanted = json!({"client_id": seed.client_id});
    let given = mount.atlas.control("POST", "/secrets", wanted).await;
    config["client_secret"] = given["client_secret"].clone();
    let written = mount.write("config", config).await.expect("written");
    let told = written.expect("a warning").warnings;
    assert!(
        told.iter().any(|text| text.contains(&seed.client_id)
            && text.contains("delete the unused ones in Atlas")),
        "{told:?}"
    );
    assert_eq!(lines.take("no longer searching").len(), 1);
    mount.minutes(10).await;
    assert_eq!(mount.atlas.secrets(&seed.client_id).await.len(), 2);
    assert!(mount.is_alive().await);
}

/// Nobody asked for the end of what the former one left, and a hold is for what nobody asks for.
#[tokio::test]
async fn a_hold_keeps_what_the_former_configuration_left() {
    for hold in [None, Some(ServerHold::Unasked)] {
        let (mut mount, made) = half_rotated().await;
        if let Some(hold) = hold {
            mount.restart_held(hold).await;
        }
        let mut config = mount.atlas.key_config();
        config["hold"] = json!(hold.is_none());
        let written = mount.write("config", config).await;
        let told = written.expect("written").expect("warnings").warnings;
        let by = match hold {
            None => "hold is on in config",
            Some(_) => "MONGODBATLAS_HOLD=true",
        };
        let names_it = |text: &String| text.contains(&made) && text.contains(by);
        assert!(told.iter().any(names_it), "{told:?}");
        mount.tick_for(20).await;
        let seed = mount.atlas.seed_account().client_id;
        assert!(mount.atlas.secrets(&seed).await.contains(&made));
        let asked = mount.atlas.operations().await;
        assert_eq!(asked.get("deleteOrgSecret"), None, "{asked}");
    }
}

/// The same account at another address of the same Atlas, with what it was left with at the first.
async fn left_at_the_former_address() -> (TestMount, String) {
    let (mount, made) = half_rotated().await;
    let still = json!({"new_credential_delay_seconds": 0});
    mount.atlas.set(still).await;
    mount.atlas.fault(refuse("deleteOrgSecret")).await;
    let mut account = mount.atlas.account_config();
    account["base_url"] = json!(mount.atlas.address().replace("127.0.0.1", "localhost"));
    mount.write("config", account).await.expect("written");
    mount.minutes(2).await;
    assert_eq!(mount.config().await["pending_deletions"], 1);
    (mount, made)
}

#[tokio::test]
async fn what_an_account_was_left_with_at_another_address_is_removed_once_that_is_carried_over() {
    for writes in 0..4 {
        let (mut mount, made) = left_at_the_former_address().await;
        let from = json!({ "from": mount.atlas.address() });
        mount.write("config/move", from).await.expect("carried");
        mount.storage.fail_after(Some(writes));
        mount.minutes(1).await;
        mount.storage.fail_after(None);
        mount.restart().await;
        mount.atlas.no_more_faults().await;
        mount.minutes(4).await;
        assert_only_the_first_secret(&mount, &made).await;
        assert!(mount.is_alive().await, "{writes}");
    }
}

/// Nobody could look for it without the organization of its account.
#[tokio::test]
async fn what_the_journal_cannot_take_over_is_told_when_the_configuration_is_deleted() {
    let (mount, made) = half_rotated().await;
    let forgets = json!({"organization_id": "", "verify_connection": false});
    mount.write("config", forgets).await.expect("written");
    let deleted = delete(&mount, json!({"force": true})).await;
    let told = deleted.expect("forced").expect("warnings").warnings;
    let names_it = |text: &String| text.contains(&made) && text.contains("delete them in Atlas");
    assert!(told.iter().any(names_it), "{told:?}");
    assert_eq!(mount.journal_keys(), Vec::<String>::new());
}

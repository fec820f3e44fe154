//! What the engine itself has in hand was never issued, and is told from what is not known.

use serde_json::json;

use super::ending_tests::{end, refused, text};
use super::entry::JournalEntry;
use super::owner::Owner;
use crate::engine::entries::CredentialType;
use crate::engine::testing::{Account, TestMount};
use crate::vault::Operation;

/// Tries to end this name, and fails: no request goes to Atlas.
async fn refusal(mount: &TestMount, name: &str) -> String {
    mount.atlas.forget_requests().await;
    let text = refused(end(mount, name).await);
    assert_eq!(mount.atlas.request_count().await, 0, "{text}");
    assert!(text.contains(name), "{text}");
    text
}

#[tokio::test]
async fn the_key_and_the_account_that_a_mount_signs_in_with_are_refused_with_the_way_to_go() {
    let mount = TestMount::configured().await;
    let key = TestMount::data(mount.read("config").await);
    let text_of_key = refusal(&mount, text(&key, "public_key")).await;
    let account = mount.atlas.account_config();
    mount
        .write("config", account.clone())
        .await
        .expect("written");
    let client_id = account["client_id"].as_str().expect("a client id");
    for told in [text_of_key, refusal(&mount, client_id).await] {
        assert!(
            told.contains("this mount signs in with") && told.contains("config/rotate-root"),
            "{told}"
        );
    }
}

/// They are the mount's until they are gone from Atlas.
#[tokio::test]
async fn what_the_mounts_rotation_has_still_to_remove_is_refused_with_what_keeps_it() {
    let mut mount = TestMount::configured().await;
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await.client_id;
    let begun = |kind| JournalEntry {
        owner: Owner::Root,
        organization_id: mount.atlas.org().parse().ok(),
        origin: serde_json::from_value(json!(mount.atlas.address())).expect("an origin"),
        ..JournalEntry::begun(String::new(), kind, mount.now())
    };
    let successor = JournalEntry {
        client_id: account.parse().ok(),
        ..begun(CredentialType::ServiceAccount)
    };
    let predecessor = JournalEntry {
        programmatic_api_key_id: "0123456789abcdef01234567".parse().ok(),
        public_key: Some("replaced".to_owned()),
        ..begun(CredentialType::ProgrammaticApiKey)
    };
    for (number, entry) in [successor, predecessor].into_iter().enumerate() {
        mount.plant_entry(&format!("{number:020}"), &entry);
    }
    mount.restart().await;
    for name in [account.as_str(), "replaced", &format!("{:020}", 1)] {
        let text = refused(end(&mount, name).await);
        assert!(text.contains("is still to be removed"), "{text}");
        assert!(text.contains("pending_deletions"), "{text}");
    }
    assert_eq!(
        TestMount::data(mount.read("config").await)["pending_deletions"],
        2
    );
}

#[tokio::test]
async fn the_account_of_a_static_role_is_refused_with_the_way_to_go_until_it_has_left() {
    let mut mount = TestMount::configured().await;
    let Account { client_id, .. } = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let role = json!({
        "client_id": client_id, "organization_id": mount.atlas.org(), "rotation_period": 0,
    });
    mount
        .write("static-roles/rotates", role)
        .await
        .expect("a static role");
    for restarted in [false, true] {
        if restarted {
            mount.restart().await;
        }
        let told = refusal(&mount, &client_id).await;
        for part in [
            "static role \"rotates\" rotates",
            "overlap to 0",
            "rotate-role/rotates",
        ] {
            assert!(told.contains(part), "{told}");
        }
    }
    mount
        .ask(Operation::Delete, "static-roles/rotates", json!({}))
        .await
        .expect("deleted");
    let told = refusal(&mount, &client_id).await;
    assert!(told.contains("is still being removed"), "{told}");
}

#[tokio::test]
async fn an_account_that_roles_add_secrets_to_is_refused_with_the_role() {
    let mount = TestMount::configured().await;
    let account = mount.atlas.make_account(0, json!({})).await;
    let role = json!({
        "credential_type": "service_account", "organization_id": mount.atlas.org(),
        "client_id": account,
    });
    mount.write("roles/adds", role).await.expect("a role");
    let told = refusal(&mount, &account).await;
    assert!(
        told.contains("role \"adds\" adds secrets to service account"),
        "{told}"
    );
}

//! One project, step by step: registered, granted, changed over, and left alone otherwise.

use serde_json::json;

use super::customer::{Customer, text};

#[tokio::test]
async fn a_project_is_changed_over_by_the_printed_grants_alone() {
    let customer = Customer::new().await;
    let key = customer.vault("kv-one").await;
    let project = customer.encrypted("one", &key).await;
    let before = customer.held(&project).await;

    let registered = customer.register(&project, false).await;
    assert_eq!(registered["state"], "registered");
    assert_eq!(registered["way_back"], "no secret in keeping");
    let scope = format!(
        "/subscriptions/{}/resourceGroups/g/providers/Microsoft.KeyVault/vaults/kv-one",
        text(&key, "subscriptionID")
    );
    let grant = |role: &str| {
        format!(
            "az role assignment create --assignee-object-id {} --assignee-principal-type \
             ServicePrincipal --role {role} --scope {scope}",
            customer.principal
        )
    };
    let grants = [grant("\"Reader\""), grant("\"Key Vault Crypto User\"")];
    assert_eq!(registered["grants"], json!(grants));
    for command in &grants {
        customer.az(command).await;
    }

    let plan = customer
        .order(&project, "apply", json!({ "dry_run": true }))
        .await;
    let plan = plan.data();
    assert_eq!(plan["mode"], "static");
    assert_eq!(plan["valid"], true);
    assert_eq!(plan["require_private_networking"], false);
    assert_eq!(plan["would_change"], json!(["roleId"]));
    assert_eq!(plan["obstacles"], json!([]));
    assert_eq!(customer.held(&project).await, before);
    assert!(customer.changes(&project).await.is_empty());

    let applied = customer.order(&project, "apply", json!({})).await;
    let applied = applied.data();
    assert_eq!(applied["state"], "observing");
    assert_eq!(applied["mode"], "role");
    assert_eq!(applied["valid"], true);
    assert_eq!(applied["drift"], json!([]));
    customer.is_on_its_role(&project).await;
    assert_eq!(customer.changes(&project).await.len(), 1);
    customer.nothing_else_was_touched().await;
}

#[tokio::test]
async fn a_missing_grant_is_refused_in_atlas_s_words_and_changes_nothing() {
    let customer = Customer::new().await;
    let key = customer.vault("kv-two").await;
    let project = customer.encrypted("two", &key).await;
    let search = json!({ "project_id": project, "enabledForSearchNodes": true });
    customer.control("/encryption", search).await;
    let before = customer.held(&project).await;
    customer.register(&project, false).await;

    for code in [
        "INVALID_AZURE_CREDENTIALS",
        "NO_PERMISSION_TO_ENCRYPT_DECRYPT",
    ] {
        let refused = customer.order(&project, "apply", json!({})).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        let said = refused.errors();
        for part in [code, "nothing was changed", "grants"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert_eq!(customer.held(&project).await, before);
        assert_eq!(customer.state(&project).await, "failed");
        customer.grant_half("kv-two").await;
    }
    customer.grant("kv-two").await;
    let applied = customer.order(&project, "apply", json!({})).await;
    assert_eq!(applied.data()["state"], "observing");
    customer.is_on_its_role(&project).await;
    let after = customer.held(&project).await;
    for name in ["others", "search_nodes", "search_node_changes"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    customer.nothing_else_was_touched().await;
}

#[tokio::test]
async fn a_principal_is_registered_once_whatever_is_lost() {
    let customer = Customer::new().await;
    let key = customer.vault("kv-three").await;
    let project = customer.encrypted("three", &key).await;
    for operation in ["createCloudProviderAccess", "authorizeProviderAccessRole"] {
        let lost = json!({ "operation": operation, "action": { "kind": "lose_answer" } });
        customer.mount.atlas.fault(lost).await;
    }
    // What was lost is found again, by the engine itself or by a second write.
    let mut answer = customer.write(&project, customer.ids()).await;
    for _ in 0..3 {
        if answer.ok() {
            break;
        }
        answer = customer.write(&project, customer.ids()).await;
    }
    let role = text(answer.data(), "role_id");
    assert_eq!(customer.registrations(&project).await, 1);
    let again = customer.write(&project, customer.ids()).await;
    assert_eq!(again.data()["role_id"], role.as_str());
    assert_eq!(customer.registrations(&project).await, 1);
    customer.nothing_else_was_touched().await;
}

/// Another mount, or somebody by hand, registered the principal: it serves, and stays when this mount
/// forgets the project.
#[tokio::test]
async fn a_registration_of_somebody_else_is_adopted_and_never_removed() {
    let customer = Customer::new().await;
    let key = customer.vault("kv-four").await;
    let project = customer.encrypted("four", &key).await;
    let other = customer.mount.beside(&customer.mount.client).await;
    let made = other.write(&Customer::path(&project), customer.ids()).await;
    let role = text(made.data(), "role_id");

    let adopted = customer.register(&project, false).await;
    assert_eq!(adopted["role_id"], role.as_str());
    assert_eq!(customer.registrations(&project).await, 1);
    let path = format!("{}?deauthorize=true", Customer::path(&project));
    let refused = customer.mount.delete(&path).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.errors().contains("did not make"), "{refused:?}");
    let forgotten = customer.mount.delete(&Customer::path(&project)).await;
    assert!(forgotten.ok(), "{forgotten:?}");
    assert_eq!(customer.registrations(&project).await, 1);

    // Whose it is removes it, while nothing uses it.
    let removed = other.delete(&path).await;
    assert!(removed.ok(), "{removed:?}");
    assert_eq!(customer.registrations(&project).await, 0);
    customer.nothing_else_was_touched().await;
}

/// The key is what it is at that moment, also where somebody gave the project a new version of it a
/// moment before; and what others keep beside it is nobody's business here.
#[tokio::test]
async fn a_change_carries_over_what_another_writer_set_a_moment_before() {
    let customer = Customer::new().await;
    let key = customer.vault("kv-five").await;
    let project = customer.encrypted("five", &key).await;
    let beside = json!({
        "project_id": project, "enabledForSearchNodes": true,
        "awsKms": { "enabled": true, "region": "US_EAST_1" },
        "googleCloudKms": { "enabled": true, "serviceAccountKey": "its secret" },
    });
    customer.control("/encryption", beside).await;
    customer.register(&project, false).await;
    customer.grant("kv-five").await;
    let plan = customer
        .order(&project, "apply", json!({ "dry_run": true }))
        .await;
    assert_eq!(plan.data()["obstacles"], json!([]));

    let version = json!({ "vault": "kv-five", "name": "key" });
    let version = customer.control("/azure/keys", version).await;
    let mut newer = key.clone();
    newer["keyIdentifier"] = version["keyIdentifier"].clone();
    let block = customer.static_block(&newer, &customer.secret);
    // Carried out when the engine asks, before it is answered.
    let other = json!({
        "operation": "getEncryptionAtRest",
        "action": { "kind": "other_writer", "body": { "azureKeyVault": block } },
    });
    customer.mount.atlas.fault(other).await;
    let before = customer.held(&project).await;
    let applied = customer.order(&project, "apply", json!({})).await;
    assert_eq!(applied.data()["state"], "observing");
    assert_eq!(applied.data()["drift"], json!([]));
    customer.is_on_its_role(&project).await;
    let after = customer.held(&project).await;
    assert_eq!(after["vault"]["keyIdentifier"], newer["keyIdentifier"]);
    assert_ne!(newer["keyIdentifier"], key["keyIdentifier"]);
    for name in ["others", "search_nodes", "search_node_changes"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    customer.now_has(&project, &newer);
    customer.nothing_else_was_touched().await;
}

/// Somebody sets another key right after the change: both are told, and nobody is overwritten.
#[tokio::test]
async fn a_key_that_another_writer_set_right_after_the_change_is_told_and_stays() {
    let customer = Customer::new().await;
    let key = customer.vault("kv-six").await;
    let project = customer.encrypted("six", &key).await;
    let registered = customer.register(&project, false).await;
    customer.grant("kv-six").await;
    let version = json!({ "vault": "kv-six", "name": "key" });
    let version = customer.control("/azure/keys", version).await;
    let mut newer = key.clone();
    newer["keyIdentifier"] = version["keyIdentifier"].clone();
    newer["enabled"] = json!(true);
    newer["roleId"] = registered["role_id"].clone();
    let other = json!({
        "operation": "updateEncryptionAtRest",
        "action": {
            "kind": "other_writer", "body": { "azureKeyVault": newer }, "after_effect": true,
        },
    });
    customer.mount.atlas.fault(other).await;
    let applied = customer.order(&project, "apply", json!({})).await;
    let drift = applied.data()["drift"].to_string();
    for identifier in [&key["keyIdentifier"], &newer["keyIdentifier"]] {
        let identifier = identifier.as_str().expect("a text");
        assert!(drift.contains(identifier), "{identifier}: {drift}");
        assert!(applied.warnings().contains(identifier), "{applied:?}");
    }
    assert_eq!(customer.changes(&project).await.len(), 1);
    let held = customer.held(&project).await;
    assert_eq!(held["vault"]["keyIdentifier"], newer["keyIdentifier"]);
}

//! Validity is computed from Azure: at a change, when asked, and every quarter of an hour.

use serde_json::{Value, json};

use crate::cloud::{APP, Cloud};
use crate::harness::Atlas;

const QUARTER: u64 = 900;

async fn valid(atlas: &Atlas) -> bool {
    atlas.azure_block().await["valid"].as_bool().unwrap()
}

#[tokio::test]
async fn a_refused_change_leaves_all_as_it_was() {
    let atlas = Atlas::start("keys_refused").await;
    let cloud = Cloud::bare(&atlas).await;
    atlas.grant(&cloud, &cloud.own, "Reader").await;
    atlas
        .grant(&cloud, &cloud.own, "Key Vault Crypto User")
        .await;
    atlas.configure(cloud.with_secret(&cloud.secret)).await.ok();
    let before = atlas.encryption().await;
    let id = atlas.register(&cloud).await;
    let refusal = async || {
        let answer = atlas.configure(cloud.with_role(&id)).await;
        assert_eq!(answer.status, 400);
        answer.code().to_owned()
    };
    assert_eq!(refusal().await, "INVALID_AZURE_CREDENTIALS");
    atlas
        .grant(&cloud, &cloud.principal, "Key Vault Reader")
        .await;
    assert_eq!(refusal().await, "NO_PERMISSION_TO_ENCRYPT_DECRYPT");
    atlas
        .settings(json!({"missing_key_use": {"status": 400, "code": "INVALID_AZURE_CREDENTIALS"}}))
        .await;
    assert_eq!(refusal().await, "INVALID_AZURE_CREDENTIALS");
    assert_eq!(atlas.encryption().await, before);
    assert_eq!(atlas.standing().await["secret_id"], json!(cloud.secret_id));
    atlas
        .grant(&cloud, &cloud.principal, "Key Vault Crypto User")
        .await;
    atlas.configure(cloud.with_role(&id)).await.ok();
    assert_eq!(atlas.stops().await, 0);
}

#[tokio::test]
async fn a_grant_takes_effect_after_its_lag() {
    let atlas = Atlas::start("keys_lag").await;
    atlas
        .settings(json!({"azure_grant_delay_seconds": 180}))
        .await;
    let cloud = Cloud::granted(&atlas).await;
    let id = atlas.register(&cloud).await;
    let block = cloud.with_role(&id);
    assert_eq!(atlas.configure(block.clone()).await.status, 400);
    atlas.advance(170).await;
    assert_eq!(atlas.configure(block.clone()).await.status, 400);
    atlas.advance(10).await;
    atlas.configure(block).await.ok();
    atlas.revoke(&cloud, &cloud.principal).await;
    assert!(valid(&atlas).await, "a revoked grant lags as well");
    atlas.advance(180).await;
    assert!(!valid(&atlas).await);
}

#[tokio::test]
async fn an_access_policy_needs_its_permissions_and_the_reading_of_the_vault() {
    let atlas = Atlas::start("keys_policy").await;
    let cloud = Cloud::granted(&atlas).await;
    atlas.change_vault(&cloud, json!({"rbac": false})).await;
    let id = atlas.register(&cloud).await;
    let block = cloud.with_role(&id);
    let code = async || atlas.configure(block.clone()).await.code().to_owned();
    let allow = async |permissions: Value| {
        let grant = json!({
            "vault": cloud.vault["keyVaultName"], "service_principal_id": cloud.principal,
            "key_permissions": permissions,
        });
        atlas.turn("/azure/grants", grant).await;
    };
    assert_eq!(code().await, "NO_PERMISSION_TO_ENCRYPT_DECRYPT");
    allow(json!(["get", "encrypt"])).await;
    assert_eq!(code().await, "NO_PERMISSION_TO_ENCRYPT_DECRYPT");
    allow(json!(["get", "encrypt", "decrypt", "wrapKey", "unwrapKey"])).await;
    assert_eq!(code().await, "");
    atlas.revoke(&cloud, &cloud.principal).await;
    allow(json!(["get", "encrypt", "decrypt"])).await;
    assert_eq!(code().await, "INVALID_AZURE_CREDENTIALS");
}

#[tokio::test]
async fn the_state_of_the_key_is_told_by_its_code() {
    let atlas = Atlas::start("keys_key").await;
    let cloud = Cloud::granted(&atlas).await;
    let block = cloud.with_secret(&cloud.secret);
    let change = async |change: Value| {
        let mut body = json!({
            "vault": cloud.vault["keyVaultName"], "key_identifier": cloud.vault["keyIdentifier"],
        });
        let fields = change.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(fields);
        atlas.turn("/azure/keys/change", body).await;
        let answer = atlas.configure(block.clone()).await;
        answer.code().replace("AZURE_KEY_VAULT_KEY_", "")
    };
    assert_eq!(change(json!({"enabled": false})).await, "NOT_ENABLED");
    assert_eq!(change(json!({"enabled": true})).await, "");
    assert_eq!(
        change(json!({"not_before_in_seconds": 60})).await,
        "NOT_ACTIVE"
    );
    atlas.advance(60).await;
    let day = json!({"expires_in_seconds": 86_400});
    assert_eq!(change(day).await, "EXPIRING");
    assert!(valid(&atlas).await, "it can be used until it expires");
    assert_eq!(change(json!({"expires_in_seconds": 0})).await, "EXPIRED");
    assert!(!valid(&atlas).await);
    let week = json!({"expires_in_seconds": 7 * 86_400});
    assert_eq!(change(week).await, "");
    for (name, wrong) in [
        (
            "keyIdentifier",
            "https://customers.vault.azure.net/keys/key/00",
        ),
        (
            "keyIdentifier",
            "https://others.vault.azure.net/keys/key/00",
        ),
        ("keyVaultName", "others"),
        ("resourceGroupName", "others"),
    ] {
        let mut other = block.clone();
        other[name] = json!(wrong);
        let answer = atlas.configure(other).await;
        assert_eq!(answer.code(), "AZURE_KEY_VAULT_KEY_NOT_FOUND", "{name}");
    }
}

#[tokio::test]
async fn an_application_signs_in_with_any_secret_that_lives() {
    let atlas = Atlas::start("keys_secrets").await;
    let cloud = Cloud::granted(&atlas).await;
    atlas.configure(cloud.with_secret(&cloud.secret)).await.ok();
    atlas
        .settings(json!({"azure_secret_delay_seconds": 60}))
        .await;
    let body = json!({"tenant_id": cloud.tenant, "app_id": APP, "client_secret": "second"});
    let second = atlas
        .control("POST", "/azure/secrets", body)
        .await
        .text("id");
    let secret = async |secret: &str| {
        atlas
            .configure(cloud.with_secret(secret))
            .await
            .code()
            .to_owned()
    };
    assert_eq!(secret("wrong").await, "INVALID_AZURE_CREDENTIALS");
    assert_eq!(secret("second").await, "INVALID_AZURE_CREDENTIALS");
    assert_eq!(atlas.standing().await["secret_id"], json!(cloud.secret_id));
    atlas.advance(60).await;
    assert_eq!(secret("second").await, "");
    assert_eq!(atlas.standing().await["secret_id"], json!(second));
    let first = format!("/azure/secrets/{}", cloud.secret_id);
    assert_eq!(
        atlas.control("DELETE", &first, Value::Null).await.status,
        204
    );
    assert!(valid(&atlas).await, "the other secret went");
    atlas
        .turn(&format!("/azure/secrets/{second}/expire"), Value::Null)
        .await;
    assert!(!valid(&atlas).await);
}

#[tokio::test]
async fn a_scheduled_check_stops_the_clusters_of_a_project_whose_secret_expired() {
    let atlas = Atlas::start("keys_expired").await;
    let cloud = Cloud::granted(&atlas).await;
    let day = 86_400;
    let body = json!({
        "tenant_id": cloud.tenant, "app_id": APP, "client_secret": "short", "seconds": day - 100,
    });
    atlas.turn("/azure/secrets", body).await;
    atlas.configure(cloud.with_secret("short")).await.ok();
    atlas.advance(day - 200).await;
    assert!(valid(&atlas).await);
    atlas.advance(150).await;
    assert!(!valid(&atlas).await);
    assert_eq!(atlas.stops().await, 0, "asking is no scheduled check");
    // Days of checks, one stop.
    atlas.advance(5 * day).await;
    assert_eq!(atlas.stops().await, 1);
    assert_eq!(atlas.standing().await["stopped"], json!(true));
    // A role repairs it, and the clusters come back with the next check.
    let id = atlas.register(&cloud).await;
    atlas.configure(cloud.with_role(&id)).await.ok();
    assert!(valid(&atlas).await);
    atlas.advance(QUARTER).await;
    let standing = atlas.standing().await;
    assert_eq!(
        (&standing["stopped"], &standing["stops"]),
        (&json!(false), &json!(1))
    );
}

#[tokio::test]
async fn a_lack_that_ends_before_the_next_check_stops_nothing() {
    let atlas = Atlas::start("keys_repaired").await;
    let cloud = Cloud::granted(&atlas).await;
    let id = atlas.register(&cloud).await;
    atlas.configure(cloud.with_role(&id)).await.ok();
    for round in 1..=3 {
        atlas.advance(QUARTER - 300).await;
        atlas.revoke(&cloud, &cloud.principal).await;
        assert!(!valid(&atlas).await);
        atlas.advance(120).await;
        for role in ["Reader", "Key Vault Crypto User"] {
            atlas.grant(&cloud, &cloud.principal, role).await;
        }
        atlas.advance(180).await;
        assert_eq!(atlas.stops().await, 0, "round {round}");
    }
    atlas.revoke(&cloud, &cloud.principal).await;
    atlas.advance(QUARTER).await;
    assert_eq!(atlas.stops().await, 1);
}

#[tokio::test]
async fn a_vault_out_of_reach_stops_nothing() {
    let atlas = Atlas::start("keys_unreachable").await;
    let cloud = Cloud::granted(&atlas).await;
    let id = atlas.register(&cloud).await;
    let block = cloud.with_role(&id);
    atlas.configure(block.clone()).await.ok();
    for change in [
        json!({"reachable": false}),
        json!({"public_network": false}),
    ] {
        atlas.change_vault(&cloud, change).await;
        assert!(!valid(&atlas).await);
        atlas.advance(86_400).await;
        let answer = atlas.configure(block.clone()).await;
        assert_eq!(answer.code(), "INVALID_AZURE_CREDENTIALS");
        let open = json!({"reachable": true, "public_network": true});
        atlas.change_vault(&cloud, open).await;
        assert!(valid(&atlas).await);
    }
    assert_eq!(atlas.stops().await, 0);
    atlas
        .settings(json!({"valid_while_unreachable": true}))
        .await;
    atlas
        .change_vault(&cloud, json!({"reachable": false}))
        .await;
    assert!(valid(&atlas).await);
}

#[tokio::test]
async fn a_lost_key_can_be_repaired_and_neither_changed_nor_switched_off() {
    let atlas = Atlas::start("keys_lost").await;
    let cloud = Cloud::granted(&atlas).await;
    atlas.settings(json!({"encrypted_clusters": false})).await;
    atlas.configure(cloud.with_secret(&cloud.secret)).await.ok();
    let expire = format!("/azure/secrets/{}/expire", cloud.secret_id);
    atlas.turn(&expire, Value::Null).await;
    let id = atlas.register(&cloud).await;
    let body = json!({"vault": cloud.vault["keyVaultName"], "name": "other"});
    let key = atlas.control("POST", "/azure/keys", body).await.ok();
    let mut other = cloud.with_role(&id);
    other["keyIdentifier"] = key["keyIdentifier"].clone();
    let lost = (400, "ENCRYPTION_AT_REST_SETTINGS_INVALID");
    assert_eq!(atlas.configure(other.clone()).await.refusal(), lost);
    let off = json!({"enabled": false});
    assert_eq!(atlas.configure(off.clone()).await.refusal(), lost);
    atlas.configure(cloud.with_role(&id)).await.ok();
    atlas.configure(other).await.ok();
    atlas.configure(off).await.ok();
}

#[tokio::test]
async fn checks_go_on_from_the_first_change_if_the_setting_says_so() {
    let atlas = Atlas::start("keys_grid").await;
    let cloud = Cloud::granted(&atlas).await;
    atlas
        .settings(json!({"key_check_restarts_on_change": false}))
        .await;
    let id = atlas.register(&cloud).await;
    atlas.configure(cloud.with_role(&id)).await.ok();
    atlas.advance(QUARTER - 60).await;
    atlas.configure(cloud.with_role(&id)).await.ok();
    atlas.revoke(&cloud, &cloud.principal).await;
    atlas.advance(60).await;
    assert_eq!(atlas.stops().await, 1, "counted from the first change");
}

#[tokio::test]
async fn validity_cannot_be_wished_for() {
    let atlas = Atlas::start("keys_wish").await;
    let cloud = Cloud::bare(&atlas).await;
    let given = json!({
        "project_id": atlas.seed().project_ids[0],
        "azureKeyVault": cloud.with_secret(&cloud.secret),
    });
    atlas.turn("/encryption", given).await;
    assert!(
        !valid(&atlas).await,
        "set by the control port, and no grant"
    );
    atlas.advance(QUARTER).await;
    assert_eq!(atlas.stops().await, 1);
}

#[tokio::test]
async fn azure_is_part_of_a_world_that_is_kept() {
    let first = Atlas::start("keys_world_kept").await;
    let cloud = Cloud::granted(&first).await;
    first.configure(cloud.with_secret(&cloud.secret)).await.ok();
    let mut world = first.control("GET", "/world", Value::Null).await.ok();
    let second = Atlas::start("keys_world_put").await;
    let put = async |world: &Value| second.control("PUT", "/world", world.clone()).await.status;
    assert_eq!(put(&world).await, 204);
    let project = &first.seed().project_ids[0];
    let check = async || {
        let state = second.state().await;
        let mut projects = state["projects"].as_array().unwrap().iter();
        let project = projects
            .find(|other| other["id"] == json!(project))
            .unwrap();
        project["encryption"]["check"].clone()
    };
    assert_eq!(check().await, "usable");
    // One that was kept before there was an Azure.
    world.as_object_mut().unwrap().remove("azure");
    for project in world["projects"].as_object_mut().unwrap().values_mut() {
        let project = project.as_object_mut().unwrap();
        project.remove("encryption");
        project.remove("private_endpoints");
    }
    assert_eq!(put(&world).await, 204);
    assert_eq!(check().await, Value::Null);
}

//! Azure: cloud provider access, encryption at rest.

use serde_json::{Value, json};

use crate::harness::{Answer, Atlas};

const TENANT: &str = "11111111-1111-4111-8111-111111111111";
const PRINCIPAL: &str = "aaaaaaaa-2222-4222-8222-222222222222";

fn principal() -> Value {
    json!({"providerName": "AZURE", "tenantId": TENANT, "servicePrincipalId": PRINCIPAL})
}

async fn register(atlas: &Atlas) -> String {
    let path = format!("{}/cloudProviderAccess", atlas.project());
    atlas.post(&path, principal()).await.text("_id")
}

async fn configure(atlas: &Atlas, vault: Value) -> Answer {
    let path = format!("{}/encryptionAtRest", atlas.project());
    atlas.patch(&path, json!({"azureKeyVault": vault})).await
}

fn vault(credentials: Value) -> Value {
    let mut vault = json!({
        "enabled": true, "azureEnvironment": "AZURE", "subscriptionID": TENANT,
        "resourceGroupName": "group", "keyVaultName": "vault",
        "keyIdentifier": "https://vault.vault.azure.net/keys/key/0123456789abcdef",
    });
    vault
        .as_object_mut()
        .unwrap()
        .extend(credentials.as_object().unwrap().clone());
    vault
}

#[tokio::test]
async fn a_principal_is_registered_once() {
    let atlas = Atlas::start("azure_register").await;
    let id = register(&atlas).await;
    let path = format!("{}/cloudProviderAccess", atlas.project());
    let mut again = principal();
    again["servicePrincipalId"] = json!(PRINCIPAL.to_uppercase());
    let answer = atlas.post(&path, again).await;
    assert_eq!(answer.refusal(), (409, "DUPLICATE_AZURE_SERVICE_PRINCIPAL"));
    let list = atlas.get(&path).await.ok();
    assert_eq!(list["azureServicePrincipals"][0]["_id"], json!(id));
    assert_eq!(
        atlas.get(&format!("{path}/{id}")).await.ok()["tenantId"],
        TENANT
    );
    let elsewhere = format!(
        "/groups/{}/cloudProviderAccess",
        atlas.seed().project_ids[1]
    );
    assert_eq!(atlas.post(&elsewhere, principal()).await.status, 409);
    atlas
        .settings(json!({"azure_principal_unique_everywhere": false}))
        .await;
    assert_eq!(atlas.post(&elsewhere, principal()).await.status, 200);
}

#[tokio::test]
async fn bad_principals_are_refused() {
    let atlas = Atlas::start("azure_bad").await;
    let path = format!("{}/cloudProviderAccess", atlas.project());
    atlas
        .settings(json!({"invalid_service_principals": [PRINCIPAL]}))
        .await;
    let answer = atlas.post(&path, principal()).await;
    assert_eq!(
        answer.refusal(),
        (400, "CANNOT_AUTHENTICATE_SERVICE_PRINCIPAL")
    );
    for wrong in [
        json!({"providerName": "AZURE", "tenantId": TENANT}),
        json!({"providerName": "AZURE", "tenantId": "x", "servicePrincipalId": PRINCIPAL}),
        json!({"tenantId": TENANT, "servicePrincipalId": PRINCIPAL}),
        json!({"providerName": "MARS", "tenantId": TENANT, "servicePrincipalId": PRINCIPAL}),
    ] {
        assert_eq!(
            atlas.post(&path, wrong.clone()).await.status,
            400,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn a_principal_in_use_stays() {
    let atlas = Atlas::start("azure_in_use").await;
    let id = register(&atlas).await;
    let path = format!("{}/cloudProviderAccess", atlas.project());
    atlas.patch(&format!("{path}/{id}"), principal()).await.ok();
    let other = json!({"providerName": "AZURE", "tenantId": PRINCIPAL});
    let answer = atlas.patch(&format!("{path}/{id}"), other).await;
    assert_eq!(
        answer.code(),
        "CLOUD_PROVIDER_ACCESS_AZURE_SERVICE_PRINCIPAL_INVALID"
    );
    configure(&atlas, vault(json!({"roleId": id}))).await.ok();
    let read = atlas.get(&format!("{path}/{id}")).await.ok();
    assert_eq!(
        read["featureUsages"][0]["featureType"],
        "ENCRYPTION_AT_REST"
    );
    let delete = format!("{path}/AZURE/{id}");
    assert_eq!(
        atlas.delete(&delete).await.refusal(),
        (400, "AZURE_SERVICE_PRINCIPAL_IN_USE")
    );
    configure(&atlas, json!({"enabled": false})).await.ok();
    assert_eq!(atlas.delete(&delete).await.status, 204);
    assert_eq!(atlas.delete(&delete).await.status, 404);
    assert_eq!(atlas.delete(&format!("{path}/MARS/{id}")).await.status, 400);
}

#[tokio::test]
async fn static_credentials_give_way_to_a_role() {
    let atlas = Atlas::start("azure_migrate").await;
    let statics = json!({"tenantID": TENANT, "clientID": TENANT, "secret": "hush"});
    let body = configure(&atlas, vault(statics)).await.ok();
    assert_eq!(
        (&body["azureKeyVault"]["valid"], &body["awsKms"]["enabled"]),
        (&json!(true), &json!(false))
    );
    assert!(!body.to_string().contains("hush"));
    let id = register(&atlas).await;
    let body = configure(&atlas, json!({"roleId": id})).await.ok();
    assert_eq!(body["azureKeyVault"]["roleId"], json!(id));
    assert!(body["azureKeyVault"].get("clientID").is_none());
    configure(&atlas, json!({"enabled": false})).await.ok();
    let body = atlas
        .get(&format!("{}/encryptionAtRest", atlas.project()))
        .await
        .ok();
    assert_eq!(body["azureKeyVault"], json!({"enabled": false}));
}

#[tokio::test]
async fn going_back_to_static_credentials_and_having_both_follow_the_setting() {
    let atlas = Atlas::start("azure_back").await;
    let statics = json!({"tenantID": TENANT, "clientID": TENANT, "secret": "hush"});
    let id = register(&atlas).await;
    configure(&atlas, vault(json!({"roleId": id}))).await.ok();
    atlas
        .settings(json!({"static_credentials_after_role": "refuse"}))
        .await;
    let answer = configure(&atlas, statics.clone()).await;
    assert_eq!(
        answer.refusal(),
        (400, "ENCRYPTION_AT_REST_SETTINGS_INVALID")
    );
    atlas
        .settings(json!({"static_credentials_after_role": "accept"}))
        .await;
    let body = configure(&atlas, statics.clone()).await.ok();
    assert!(body["azureKeyVault"].get("roleId").is_none());
    let mut both = statics;
    both["roleId"] = json!(id);
    assert_eq!(
        configure(&atlas, both.clone()).await.refusal(),
        (400, "BAD_REQUEST")
    );
    atlas
        .settings(json!({"both_azure_credentials": "accept"}))
        .await;
    let body = configure(&atlas, both).await.ok();
    assert_eq!(body["azureKeyVault"]["roleId"], json!(id));
    assert!(body["azureKeyVault"].get("clientID").is_none());
}

#[tokio::test]
async fn a_failed_check_leaves_what_was() {
    let atlas = Atlas::start("azure_check").await;
    let id = register(&atlas).await;
    atlas
        .settings(json!({"key_vault_error": "NO_PERMISSION_TO_ENCRYPT_DECRYPT"}))
        .await;
    let answer = configure(&atlas, vault(json!({"roleId": id}))).await;
    assert_eq!(answer.refusal(), (400, "NO_PERMISSION_TO_ENCRYPT_DECRYPT"));
    let body = atlas
        .get(&format!("{}/encryptionAtRest", atlas.project()))
        .await
        .ok();
    assert_eq!(body["azureKeyVault"], json!({"enabled": false}));
    let private = configure(
        &atlas,
        vault(json!({"roleId": id, "requirePrivateNetworking": true})),
    )
    .await;
    assert_eq!(
        private.status, 200,
        "with private networking the check comes later"
    );
}

#[tokio::test]
async fn configurations_are_checked() {
    let atlas = Atlas::start("azure_configurations").await;
    let statics = json!({"tenantID": TENANT, "clientID": TENANT, "secret": "hush"});
    let code = async |vault: Value| configure(&atlas, vault).await.code().to_owned();
    assert_eq!(code(json!({"enabled": true})).await, "MISSING_ATTRIBUTE");
    assert_eq!(
        code(vault(json!({"roleId": "507f1f77bcf86cd799439011"}))).await,
        "CLOUD_PROVIDER_ACCESS_ROLE_NOT_AUTHORIZED"
    );
    assert_eq!(
        code(vault(json!({"tenantID": TENANT}))).await,
        "MISSING_ATTRIBUTE"
    );
    let mut wrong = vault(statics.clone());
    wrong["keyIdentifier"] = json!("https://vault.vault.azure.net/keys/key");
    assert_eq!(
        code(wrong).await,
        "AZURE_KEY_VAULT_KEY_IDENTIFIER_INVALID_FORMAT"
    );
    assert_eq!(code(json!({"valid": true})).await, "INVALID_ATTRIBUTE");
    assert_eq!(
        code(json!({"azureEnvironment": "MARS"})).await,
        "AZURE_KEY_VAULT_ENVIRONMENT_NOT_SUPPORTED"
    );
    atlas
        .settings(json!({"static_azure_credentials": "refuse"}))
        .await;
    assert_eq!(
        code(vault(statics)).await,
        "AZURE_KEY_VAULT_CREDENTIALS_DEPRECATED"
    );
    let path = format!("{}/encryptionAtRest", atlas.project());
    assert_eq!(
        atlas.patch(&path, json!({})).await.code(),
        "MISSING_ENCRYPTION_AT_REST_PROVIDER"
    );
    atlas
        .patch(&path, json!({"enabledForSearchNodes": true}))
        .await
        .ok();
}

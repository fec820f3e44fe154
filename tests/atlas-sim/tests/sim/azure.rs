//! Azure: cloud provider access, and what encryption at rest takes.

use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::harness::Atlas;

const NOBODY: &str = "aaaaaaaa-2222-4222-8222-222222222222";

#[tokio::test]
async fn a_principal_is_registered_once_in_a_project() {
    let atlas = Atlas::start("azure_register").await;
    let cloud = Cloud::bare(&atlas).await;
    let id = atlas.register(&cloud).await;
    let path = format!("{}/cloudProviderAccess", atlas.project());
    let mut again = cloud.registration();
    again["servicePrincipalId"] = json!(cloud.principal.to_uppercase());
    let answer = atlas.post(&path, again).await;
    assert_eq!(answer.refusal(), (409, "DUPLICATE_AZURE_SERVICE_PRINCIPAL"));
    let list = atlas.get(&path).await.ok();
    assert_eq!(list["azureServicePrincipals"][0]["_id"], json!(id));
    assert_eq!(
        atlas.get(&format!("{path}/{id}")).await.ok()["tenantId"],
        json!(cloud.tenant)
    );
    let other = &atlas.seed().project_ids[1];
    let elsewhere = format!("/groups/{other}/cloudProviderAccess");
    atlas
        .settings(json!({"azure_principal_unique_everywhere": true}))
        .await;
    let answer = atlas.post(&elsewhere, cloud.registration()).await;
    assert_eq!(answer.status, 409);
    atlas
        .settings(json!({"azure_principal_unique_everywhere": false}))
        .await;
    let answer = atlas.post(&elsewhere, cloud.registration()).await;
    assert_eq!(answer.status, 200, "one principal serves many projects");
}

#[tokio::test]
async fn what_azure_does_not_know_is_not_registered() {
    let atlas = Atlas::start("azure_unknown").await;
    let cloud = Cloud::bare(&atlas).await;
    let path = format!("{}/cloudProviderAccess", atlas.project());
    let refusal = async |name: &str, value: &str| {
        let mut body = cloud.registration();
        body[name] = json!(value);
        let answer = atlas.post(&path, body).await;
        assert_eq!(answer.status, 400, "{name} {}", answer.text);
        answer.code().to_owned()
    };
    let unknown = "CANNOT_AUTHENTICATE_SERVICE_PRINCIPAL";
    assert_eq!(refusal("servicePrincipalId", NOBODY).await, unknown);
    // The application's own id in the place of the object id, and another's principal.
    let app = "9efedfcc-2eca-4b27-a613-0cad1e114cb7";
    assert_eq!(refusal("servicePrincipalId", app).await, unknown);
    assert_eq!(refusal("servicePrincipalId", &cloud.own).await, unknown);
    assert_eq!(refusal("atlasAzureAppId", NOBODY).await, unknown);
    let wrong = "CLOUD_PROVIDER_ACCESS_AZURE_SERVICE_PRINCIPAL_INVALID";
    assert_eq!(refusal("tenantId", NOBODY).await, wrong);
    let list = atlas.get(&path).await.ok();
    assert_eq!(list["azureServicePrincipals"], json!([]));
    assert_eq!(
        atlas.post(&path, cloud.registration()).await.status,
        200,
        "the ids that Azure knows"
    );
}

#[tokio::test]
async fn azure_needs_a_while_for_a_new_principal() {
    let atlas = Atlas::start("azure_new_principal").await;
    atlas
        .settings(json!({"azure_principal_delay_seconds": 120}))
        .await;
    let cloud = Cloud::bare(&atlas).await;
    let path = format!("{}/cloudProviderAccess", atlas.project());
    let answer = atlas.post(&path, cloud.registration()).await;
    let unknown = "CANNOT_AUTHENTICATE_SERVICE_PRINCIPAL";
    assert_eq!(answer.refusal(), (400, unknown));
    atlas.advance(120).await;
    assert_eq!(atlas.post(&path, cloud.registration()).await.status, 200);
}

#[tokio::test]
async fn malformed_registrations_are_refused() {
    let atlas = Atlas::start("azure_malformed").await;
    let cloud = Cloud::bare(&atlas).await;
    let path = format!("{}/cloudProviderAccess", atlas.project());
    for (name, value) in [
        ("servicePrincipalId", json!(null)),
        ("tenantId", json!("x")),
        ("providerName", json!("MARS")),
        ("surprise", json!(1)),
    ] {
        let mut body = cloud.registration();
        body[name] = value;
        let answer = atlas.post(&path, body).await;
        assert_eq!(answer.status, 400, "{name}");
    }
}

#[tokio::test]
async fn a_principal_in_use_stays() {
    let atlas = Atlas::start("azure_in_use").await;
    let cloud = Cloud::granted(&atlas).await;
    let id = atlas.register(&cloud).await;
    let path = format!("{}/cloudProviderAccess", atlas.project());
    let other = json!({"providerName": "AZURE", "tenantId": NOBODY});
    let answer = atlas.patch(&format!("{path}/{id}"), other).await;
    assert_eq!(
        answer.code(),
        "CLOUD_PROVIDER_ACCESS_AZURE_SERVICE_PRINCIPAL_INVALID"
    );
    atlas.configure(cloud.with_role(&id)).await.ok();
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
    let off = json!({"enabled": false});
    let answer = atlas.configure(off.clone()).await;
    assert_eq!(answer.refusal(), (409, "CANNOT_DISABLE_ENCRYPTION_AT_REST"));
    atlas.settings(json!({"encrypted_clusters": false})).await;
    let body = atlas.configure(off).await.ok();
    assert_eq!(body["azureKeyVault"], json!({"enabled": false}));
    assert_eq!(atlas.delete(&delete).await.status, 204);
    assert_eq!(atlas.delete(&delete).await.status, 404);
    assert_eq!(atlas.delete(&format!("{path}/MARS/{id}")).await.status, 400);
}

#[tokio::test]
async fn a_role_serves_its_own_project_once_it_is_authorized() {
    let atlas = Atlas::start("azure_authorize").await;
    let cloud = Cloud::granted(&atlas).await;
    let path = format!("{}/cloudProviderAccess", atlas.project());
    let id = atlas.post(&path, cloud.registration()).await.text("_id");
    let refused = (400, "CLOUD_PROVIDER_ACCESS_ROLE_NOT_AUTHORIZED");
    let block = cloud.with_role(&id);
    assert_eq!(atlas.configure(block.clone()).await.refusal(), refused);
    atlas
        .patch(&format!("{path}/{id}"), cloud.registration())
        .await
        .ok();
    let elsewhere = format!("/groups/{}/encryptionAtRest", atlas.seed().project_ids[1]);
    let answer = atlas
        .patch(&elsewhere, json!({"azureKeyVault": block.clone()}))
        .await;
    assert_eq!(answer.refusal(), refused, "another project's role");
    atlas.configure(block).await.ok();
}

#[tokio::test]
async fn authorizing_is_not_needed_if_the_setting_says_so() {
    let atlas = Atlas::start("azure_no_authorize").await;
    let cloud = Cloud::granted(&atlas).await;
    atlas
        .settings(json!({"azure_role_needs_authorization": false}))
        .await;
    let path = format!("{}/cloudProviderAccess", atlas.project());
    let id = atlas.post(&path, cloud.registration()).await.text("_id");
    atlas.configure(cloud.with_role(&id)).await.ok();
}

#[tokio::test]
async fn static_credentials_give_way_to_a_role() {
    let atlas = Atlas::start("azure_migrate").await;
    let cloud = Cloud::granted(&atlas).await;
    let body = atlas.configure(cloud.with_secret(&cloud.secret)).await.ok();
    assert_eq!(
        (&body["azureKeyVault"]["valid"], &body["awsKms"]["enabled"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(body["azureKeyVault"]["tenantID"], json!(cloud.tenant));
    let id = atlas.register(&cloud).await;
    let body = atlas.configure(json!({"roleId": id})).await.ok();
    let block = &body["azureKeyVault"];
    assert_eq!(
        (&block["roleId"], &block["valid"]),
        (&json!(id), &json!(true))
    );
    for gone in ["tenantID", "clientID", "secret"] {
        assert!(block.get(gone).is_none(), "{gone}");
    }
    let standing = atlas.standing().await;
    assert_eq!(
        (&standing["mode"], &standing["holds_static"]),
        (&json!("role"), &json!(false))
    );
}

#[tokio::test]
async fn going_back_to_static_credentials_and_having_both_follow_the_settings() {
    let atlas = Atlas::start("azure_back").await;
    let cloud = Cloud::granted(&atlas).await;
    let id = atlas.register(&cloud).await;
    atlas.configure(cloud.with_role(&id)).await.ok();
    let back = cloud.with_secret(&cloud.secret);
    let deprecated = (400, "AZURE_KEY_VAULT_CREDENTIALS_DEPRECATED");
    assert_eq!(atlas.configure(back.clone()).await.refusal(), deprecated);
    atlas
        .settings(json!({"static_credentials_after_role": "unproved",
            "static_after_role_refusal": {"status": 400, "code": "SOMETHING_ELSE"}}))
        .await;
    let answer = atlas.configure(back.clone()).await;
    assert_eq!(answer.refusal(), (400, "SOMETHING_ELSE"), "it was proved");
    atlas
        .settings(json!({"static_credentials_after_role": "accept"}))
        .await;
    let body = atlas.configure(back.clone()).await.ok();
    assert!(body["azureKeyVault"].get("roleId").is_none());
    let mut both = back;
    both["roleId"] = json!(id);
    let answer = atlas.configure(both.clone()).await;
    assert_eq!(answer.refusal(), (400, "BAD_REQUEST"));
    atlas
        .settings(json!({"both_azure_credentials": "accept"}))
        .await;
    let body = atlas.configure(both).await.ok();
    assert_eq!(body["azureKeyVault"]["roleId"], json!(id));
    assert!(body["azureKeyVault"].get("clientID").is_none());
}

#[tokio::test]
async fn static_credentials_can_be_refused_for_all() {
    let atlas = Atlas::start("azure_deprecated").await;
    let cloud = Cloud::granted(&atlas).await;
    atlas.configure(cloud.with_secret(&cloud.secret)).await.ok();
    atlas
        .settings(json!({"static_azure_credentials": "refuse"}))
        .await;
    let answer = atlas.configure(cloud.with_secret(&cloud.secret)).await;
    let deprecated = (400, "AZURE_KEY_VAULT_CREDENTIALS_DEPRECATED");
    assert_eq!(answer.refusal(), deprecated);
    let id = atlas.register(&cloud).await;
    atlas.configure(cloud.with_role(&id)).await.ok();
}

#[tokio::test]
async fn configurations_are_checked() {
    let atlas = Atlas::start("azure_configurations").await;
    let cloud = Cloud::granted(&atlas).await;
    let whole = cloud.with_secret(&cloud.secret);
    let code = async |block: Value| atlas.configure(block).await.code().to_owned();
    let with = |name: &str, value: Value| {
        let mut block = whole.clone();
        block[name] = value;
        block
    };
    assert_eq!(code(json!({"enabled": true})).await, "MISSING_ATTRIBUTE");
    let unknown = cloud.with_role("507f1f77bcf86cd799439011");
    assert_eq!(
        code(unknown).await,
        "CLOUD_PROVIDER_ACCESS_ROLE_NOT_AUTHORIZED"
    );
    let half = cloud.with(json!({"tenantID": cloud.tenant}));
    assert_eq!(code(half).await, "MISSING_ATTRIBUTE");
    let versionless = json!("https://customers.vault.azure.net/keys/key");
    assert_eq!(
        code(with("keyIdentifier", versionless)).await,
        "AZURE_KEY_VAULT_KEY_IDENTIFIER_INVALID_FORMAT"
    );
    assert_eq!(code(with("valid", json!(true))).await, "INVALID_ATTRIBUTE");
    assert_eq!(
        code(with("azureEnvironment", json!("MARS"))).await,
        "AZURE_KEY_VAULT_ENVIRONMENT_NOT_SUPPORTED"
    );
    let path = format!("{}/encryptionAtRest", atlas.project());
    assert_eq!(
        atlas.patch(&path, json!({})).await.code(),
        "MISSING_ENCRYPTION_AT_REST_PROVIDER"
    );
    atlas.configure(whole).await.ok();
    atlas.settings(json!({"partial_key_vault": "refuse"})).await;
    let partial = json!({"enabled": true, "secret": cloud.secret});
    assert_eq!(code(partial).await, "MISSING_ATTRIBUTE");
}

#[tokio::test]
async fn what_is_not_of_azure_is_kept_and_watched() {
    let atlas = Atlas::start("azure_others").await;
    let cloud = Cloud::granted(&atlas).await;
    let aws = json!({"enabled": true, "region": "US_EAST_1", "secretAccessKey": "hush"});
    let given = json!({"project_id": atlas.seed().project_ids[0], "awsKms": aws});
    atlas.turn("/encryption", given).await;
    let body = atlas.configure(cloud.with_secret(&cloud.secret)).await.ok();
    assert_eq!(
        body["awsKms"],
        json!({"enabled": true, "region": "US_EAST_1"})
    );
    assert_eq!(body["enabledForSearchNodes"], json!(false));
    assert_eq!(atlas.standing().await["search_node_changes"], 0);
    let path = format!("{}/encryptionAtRest", atlas.project());
    for (flag, changes) in [(false, 0), (true, 1), (true, 1), (false, 2)] {
        atlas
            .patch(&path, json!({"enabledForSearchNodes": flag}))
            .await
            .ok();
        assert_eq!(atlas.standing().await["search_node_changes"], changes);
    }
    let off = json!({"awsKms": {"enabled": false}, "enabledForSearchNodes": false});
    let body = atlas.patch(&path, off).await.ok();
    assert_eq!(body["awsKms"], json!({"enabled": false}));
}

#[tokio::test]
async fn a_static_secret_is_seen_nowhere_and_can_be_compared() {
    let atlas = Atlas::unrecorded().await;
    let cloud = Cloud::granted(&atlas).await;
    let answer = atlas.configure(cloud.with_secret(&cloud.secret)).await;
    assert!(!answer.text.contains(&cloud.secret));
    for path in ["/state", "/requests", "/azure"] {
        let shown = atlas.control("GET", path, Value::Null).await;
        assert!(!shown.text.contains(&cloud.secret), "{path}");
    }
    let standing = atlas.standing().await;
    assert_eq!(standing["secret_id"], json!(cloud.secret_id));
    let logged = atlas.control("GET", "/requests", Value::Null).await.ok();
    let last = logged["requests"].as_array().unwrap().last().unwrap();
    assert_eq!(
        last["body"]["azureKeyVault"]["secret"],
        standing["secret_digest"]
    );
    for (secret, held) in [(cloud.secret.as_str(), true), ("other", false)] {
        let asked = json!({"project_id": atlas.seed().project_ids[0], "client_secret": secret});
        let answer = atlas.control("POST", "/encryption/holds", asked).await.ok();
        assert_eq!(answer["holds"], json!(held));
    }
}

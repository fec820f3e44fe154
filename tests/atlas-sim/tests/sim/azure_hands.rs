//! What others do to a project's encryption at rest, and what a customer does in Azure.

use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::harness::Atlas;

#[tokio::test]
async fn another_writer_comes_in_between() {
    let atlas = Atlas::start("keys_other_writer").await;
    let cloud = Cloud::granted(&atlas).await;
    atlas
        .settings(json!({"static_credentials_after_role": "accept"}))
        .await;
    atlas.configure(cloud.with_secret(&cloud.secret)).await.ok();
    let id = atlas.register(&cloud).await;
    let meddle = async |operation: &str, block: Value, after_effect: bool| {
        let action = json!({
            "kind": "other_writer", "body": {"azureKeyVault": block}, "after_effect": after_effect,
        });
        let fault = json!({"operation": operation, "action": action});
        atlas.turn("/faults", fault).await;
    };
    // As an operator does that puts back what it was told, after each of our changes.
    meddle(
        "updateEncryptionAtRest",
        cloud.with_secret(&cloud.secret),
        true,
    )
    .await;
    let body = atlas.configure(cloud.with_role(&id)).await.ok();
    assert_eq!(body["azureKeyVault"]["roleId"], json!(id));
    assert_eq!(atlas.standing().await["mode"], "static");
    // A moment before it, and refused as anybody is.
    meddle("getEncryptionAtRest", cloud.with_role(&id), false).await;
    assert_eq!(atlas.azure_block().await["roleId"], json!(id));
    meddle("getEncryptionAtRest", cloud.with_secret("wrong"), false).await;
    assert_eq!(atlas.azure_block().await["roleId"], json!(id));
    let log = atlas.control("GET", "/requests", Value::Null).await.ok();
    let others = log["requests"].as_array().unwrap().iter();
    let others = others.filter(|request| request["principal"] == "other-writer");
    let statuses: Vec<&Value> = others.map(|request| &request["status"]).collect();
    assert_eq!(statuses, [200, 200, 400]);
    for path in ["/requests", "/faults"] {
        let shown = atlas.control("GET", path, Value::Null).await;
        assert!(!shown.text.contains(&cloud.secret), "{path}");
    }
}

#[tokio::test]
async fn every_call_can_be_lost_late_or_refused() {
    let atlas = Atlas::unrecorded().await;
    let cloud = Cloud::granted(&atlas).await;
    let registrations = format!("{}/cloudProviderAccess", atlas.project());
    let owner = atlas.owner();
    let send = async |method: &str, path: &str, body: Value| {
        let request = atlas.request(method, path, Some(&body));
        atlas.send(&owner, request).await
    };
    let fault = async |operation: &str, action: Value| {
        let fault = json!({"operation": operation, "action": action});
        atlas.turn("/faults", fault).await;
    };
    fault("createCloudProviderAccess", json!({"kind": "lose_answer"})).await;
    let unanswered = send("POST", &registrations, cloud.registration()).await;
    assert!(unanswered.is_err());
    let list = atlas.get(&registrations).await.ok();
    let id = list["azureServicePrincipals"][0]["_id"].as_str().unwrap();
    let one = format!("{registrations}/{id}");
    let limited = json!({"kind": "answer", "status": 429, "code": "RATE_LIMITED"});
    fault("authorizeProviderAccessRole", limited).await;
    let answer = send("PATCH", &one, cloud.registration()).await.unwrap();
    assert_eq!(answer.status, 429);
    let block = cloud.with_role(id);
    let refused = (400, "CLOUD_PROVIDER_ACCESS_ROLE_NOT_AUTHORIZED");
    assert_eq!(atlas.configure(block.clone()).await.refusal(), refused);
    atlas.patch(&one, cloud.registration()).await.ok();
    let failed = json!({
        "kind": "answer", "status": 500, "code": "UNEXPECTED_ERROR", "after_effect": true,
    });
    fault("updateEncryptionAtRest", failed).await;
    assert_eq!(atlas.configure(block).await.status, 500);
    assert_eq!(atlas.standing().await["mode"], "role");
    fault(
        "getEncryptionAtRest",
        json!({"kind": "delay", "seconds": 0.2}),
    )
    .await;
    let started = std::time::Instant::now();
    assert_eq!(atlas.azure_block().await["valid"], json!(true));
    assert!(started.elapsed() >= std::time::Duration::from_millis(200));
}

#[tokio::test]
async fn a_customer_follows_the_page_word_for_word() {
    let atlas = Atlas::start("keys_az").await;
    let tenant = atlas
        .control("POST", "/azure/tenants", json!({}))
        .await
        .text("tenant_id");
    let az = async |command: &str| {
        let line = json!({"tenant_id": tenant, "command": command});
        atlas.control("POST", "/azure/az", line).await
    };
    let created = az("az ad sp create --id 9efedfcc-2eca-4b27-a613-0cad1e114cb7").await;
    let principal = created.text("id");
    let new = json!({"tenant_id": tenant, "vault": "paged", "resource_group": "g"});
    let vault = atlas.control("POST", "/azure/vaults", new).await.ok();
    let cloud = Cloud {
        tenant: tenant.clone(),
        own: String::new(),
        secret: String::new(),
        secret_id: String::new(),
        principal,
        vault,
    };
    let id = atlas.register(&cloud).await;
    let subscription = cloud.vault["subscriptionID"].as_str().unwrap();
    let group = format!("/subscriptions/{subscription}/resourceGroups/g");
    let scope = format!("{group}/providers/Microsoft.KeyVault/vaults/paged");
    let principal = &cloud.principal;
    let assign = |role: &str, scope: &str| {
        format!(
            "az role assignment create --assignee-object-id {principal} \\\n  --role '{role}' --scope {scope}"
        )
    };
    assert_eq!(atlas.configure(cloud.with_role(&id)).await.status, 400);
    for line in [
        assign("Reader", &group),
        assign("Key Vault Crypto User", &scope),
    ] {
        let answer = az(&line).await.ok();
        assert_eq!(answer["vaults"], json!(["paged"]));
    }
    atlas.configure(cloud.with_role(&id)).await.ok();
    for refused in [
        assign("Reader", &scope.replace("paged", "others")),
        assign("Reader", &scope).replace(principal, "nobody"),
        "az ad sp create --id 9efedfcc-2eca-4b27-a613-0cad1e114cb7".to_owned(),
        "az ad app credential reset --id nobody --append".to_owned(),
    ] {
        assert!(az(&refused).await.status >= 400, "{refused}");
    }
    let add =
        "az ad app credential reset --id 9efedfcc-2eca-4b27-a613-0cad1e114cb7 --append --years 2";
    let password = az(add).await.text("password");
    atlas.change_vault(&cloud, json!({"rbac": false})).await;
    let policy = format!(
        "az keyvault set-policy --name paged --object-id {principal} --key-permissions get encrypt decrypt"
    );
    az(&policy).await.ok();
    // The application whose password it is holds these grants, be it Atlas's own.
    atlas
        .settings(json!({"static_credentials_after_role": "accept"}))
        .await;
    let app = "9efedfcc-2eca-4b27-a613-0cad1e114cb7";
    let back = cloud.with(json!({"tenantID": tenant, "clientID": app, "secret": password}));
    atlas.configure(back).await.ok();
}

//! A customer's Azure for the tests: a tenant with Atlas's principal and an application of its own, and
//! a vault with a key that both may use.

use serde_json::{Value, json};

use crate::harness::{Answer, Atlas};

/// An application of the customer's.
pub(crate) const APP: &str = "33333333-3333-4333-8333-333333333333";
/// What encryption at rest asks for, and what comes with a role in Azure.
const ROLES: [&str; 2] = ["Reader", "Key Vault Crypto User"];

/// A customer's Azure.
pub(crate) struct Cloud {
    pub(crate) tenant: String,
    /// Object id of the principal of Atlas's application.
    pub(crate) principal: String,
    /// Object id of the principal of [`APP`].
    pub(crate) own: String,
    pub(crate) secret: String,
    pub(crate) secret_id: String,
    /// The fields of encryption at rest that name the key.
    pub(crate) vault: Value,
}

impl Cloud {
    /// As described above, the grants included.
    pub(crate) async fn granted(atlas: &Atlas) -> Self {
        let cloud = Self::bare(atlas).await;
        for principal in [&cloud.principal, &cloud.own] {
            for role in ROLES {
                atlas.grant(&cloud, principal, role).await;
            }
        }
        cloud
    }

    /// Without any grant.
    pub(crate) async fn bare(atlas: &Atlas) -> Self {
        let make = async |path: &str, body: Value| {
            let path = format!("/azure/{path}");
            atlas.control("POST", &path, body).await.ok()
        };
        let field = |body: &Value, name: &str| body[name].as_str().unwrap().to_owned();
        let tenant = field(&make("tenants", json!({})).await, "tenant_id");
        let of_atlas = make("principals", json!({"tenant_id": tenant})).await;
        let own = make("principals", json!({"tenant_id": tenant, "app_id": APP})).await;
        let secret = make("secrets", json!({"tenant_id": tenant, "app_id": APP})).await;
        let vault = json!({"tenant_id": tenant, "vault": "Customers"});
        Self {
            principal: field(&of_atlas, "service_principal_id"),
            own: field(&own, "service_principal_id"),
            secret: field(&secret, "client_secret"),
            secret_id: field(&secret, "id"),
            vault: make("vaults", vault).await,
            tenant,
        }
    }

    /// The body of a registration.
    pub(crate) fn registration(&self) -> Value {
        json!({
            "providerName": "AZURE", "tenantId": self.tenant, "servicePrincipalId": self.principal,
        })
    }

    /// The Azure block with a role.
    pub(crate) fn with_role(&self, role_id: &str) -> Value {
        self.with(json!({"roleId": role_id}))
    }

    /// The Azure block with static credentials.
    pub(crate) fn with_secret(&self, secret: &str) -> Value {
        self.with(json!({"tenantID": self.tenant, "clientID": APP, "secret": secret}))
    }

    /// The Azure block with these fields.
    pub(crate) fn with(&self, fields: Value) -> Value {
        let mut block = self.vault.clone();
        block["enabled"] = json!(true);
        let fields = fields.as_object().unwrap().clone();
        block.as_object_mut().unwrap().extend(fields);
        block
    }
}

impl Atlas {
    pub(crate) async fn grant(&self, cloud: &Cloud, principal: &str, role: &str) {
        let vault = &cloud.vault["keyVaultName"];
        let body = json!({"vault": vault, "service_principal_id": principal, "role": role});
        self.turn("/azure/grants", body).await;
    }

    pub(crate) async fn revoke(&self, cloud: &Cloud, principal: &str) {
        let vault = &cloud.vault["keyVaultName"];
        let body = json!({"vault": vault, "service_principal_id": principal});
        self.turn("/azure/grants/revoke", body).await;
    }

    pub(crate) async fn change_vault(&self, cloud: &Cloud, change: Value) {
        let name = cloud.vault["keyVaultName"].as_str().unwrap();
        self.turn(&format!("/azure/vaults/{name}"), change).await;
    }

    /// A control request that has to succeed.
    pub(crate) async fn turn(&self, path: &str, body: Value) {
        let answer = self.control("POST", path, body).await;
        assert!(answer.status < 300, "{path}: {}", answer.text);
    }

    /// Registers the principal, both steps, and gives the role id.
    pub(crate) async fn register(&self, cloud: &Cloud) -> String {
        let path = format!("{}/cloudProviderAccess", self.project());
        let id = self.post(&path, cloud.registration()).await.text("_id");
        let path = format!("{path}/{id}");
        self.patch(&path, cloud.registration()).await.ok();
        id
    }

    /// Sends an Azure block.
    pub(crate) async fn configure(&self, block: Value) -> Answer {
        let path = format!("{}/encryptionAtRest", self.project());
        self.patch(&path, json!({"azureKeyVault": block})).await
    }

    /// What Atlas shows of encryption at rest.
    pub(crate) async fn encryption(&self) -> Value {
        let path = format!("{}/encryptionAtRest", self.project());
        self.get(&path).await.ok()
    }

    /// The Azure block of that.
    pub(crate) async fn azure_block(&self) -> Value {
        self.encryption().await["azureKeyVault"].take()
    }

    /// How the first project's encryption really stands.
    pub(crate) async fn standing(&self) -> Value {
        let state = self.state().await;
        let mut projects = state["projects"].as_array().unwrap().iter();
        let id = self.seed().project_ids[0].as_str();
        let project = projects.find(|project| project["id"] == id).unwrap();
        project["encryption"].clone()
    }

    /// How often clusters were stopped.
    pub(crate) async fn stops(&self) -> u64 {
        self.state().await["cluster_stops"].as_u64().unwrap()
    }
}

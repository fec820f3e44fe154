//! A customer's Azure for the tests of this room.

use serde_json::{Value, json};

use crate::engine::testing::TestMount;
use crate::vault::Data;

pub(super) const OWN_APP: &str = "33333333-3333-4333-8333-333333333333";

/// A mount, and a customer's Azure without any grant.
pub(super) struct Customer {
    pub(super) mount: TestMount,
    pub(super) path: String,
    pub(super) tenant: String,
    pub(super) principal: String,
    own: String,
    pub(super) secret: String,
    pub(super) key: Value,
}

pub(super) fn text(body: &Value, name: &str) -> String {
    body[name].as_str().expect("a text").to_owned()
}

impl Customer {
    pub(super) async fn new() -> Self {
        let mount = TestMount::configured().await;
        let make = async |path: &str, body: Value| mount.atlas.control("POST", path, body).await;
        let tenant = text(&make("/azure/tenants", json!({})).await, "tenant_id");
        let of_atlas = make("/azure/principals", json!({"tenant_id": tenant})).await;
        let app = json!({"tenant_id": tenant, "app_id": OWN_APP});
        let own = make("/azure/principals", app.clone()).await;
        let secret = make("/azure/secrets", app).await;
        let vault = json!({"tenant_id": tenant, "vault": "v", "resource_group": "g"});
        let key = make("/azure/vaults", vault).await;
        Self {
            path: format!("encryption-at-rest/azure/{}", mount.atlas.project(0)),
            principal: text(&of_atlas, "service_principal_id"),
            own: text(&own, "service_principal_id"),
            secret: text(&secret, "client_secret"),
            tenant,
            key,
            mount,
        }
    }

    /// The project signs in with the static secret.
    pub(super) async fn encrypted(&self) {
        for role in ["Reader", "Key Vault Crypto User"] {
            let grant = json!({"vault": "v", "service_principal_id": self.own, "role": role});
            self.mount
                .atlas
                .control("POST", "/azure/grants", grant)
                .await;
        }
        let mut block = self.key.clone();
        for (name, value) in [
            ("tenantID", self.tenant.as_str()),
            ("clientID", OWN_APP),
            ("secret", self.secret.as_str()),
        ] {
            block[name] = json!(value);
        }
        block["enabled"] = json!(true);
        self.set(block).await;
    }

    pub(super) async fn set(&self, block: Value) {
        let given = json!({"project_id": self.mount.atlas.project(0), "azureKeyVault": block});
        self.mount.atlas.control("POST", "/encryption", given).await;
    }

    pub(super) fn ids(&self) -> Value {
        json!({"tenant_id": self.tenant, "service_principal_id": self.principal})
    }

    pub(super) async fn register(&self) -> Data {
        TestMount::data(self.mount.write(&self.path, self.ids()).await)
    }

    pub(super) async fn refused(&self, data: Value) -> String {
        let refused = self.mount.write(&self.path, data).await;
        refused.expect_err("refused").to_string()
    }

    pub(super) async fn registrations(&self) -> usize {
        let state = self.mount.atlas.state().await;
        let id = self.mount.atlas.project(0);
        let mut projects = state["projects"].as_array().expect("a list").iter();
        let project = projects.find(|project| project["id"] == id);
        let project = project.expect("the project");
        project["azure_principals"]
            .as_array()
            .expect("a list")
            .len()
    }

    /// How the project's encryption really stands.
    pub(super) async fn standing(&self) -> Value {
        let state = self.mount.atlas.state().await;
        assert_eq!(state["cluster_stops"], 0);
        let id = self.mount.atlas.project(0);
        let mut projects = state["projects"].as_array().expect("a list").iter();
        let project = projects.find(|project| project["id"] == id);
        project.expect("the project")["encryption"].clone()
    }

    pub(super) async fn grant(&self) {
        for role in ["Reader", "Key Vault Crypto User"] {
            let grant = json!({"vault": "v", "service_principal_id": self.principal, "role": role});
            self.mount
                .atlas
                .control("POST", "/azure/grants", grant)
                .await;
        }
    }

    pub(super) async fn apply(&self) -> crate::engine::testing::Outcome {
        self.mount
            .write(&format!("{}/apply", self.path), json!({}))
            .await
    }

    /// The bodies of all changes that were sent.
    pub(super) async fn changes(&self) -> Vec<Value> {
        let log = self
            .mount
            .atlas
            .control("GET", "/requests", Value::Null)
            .await;
        let requests = log["requests"].as_array().expect("a list").iter();
        requests
            .filter(|request| request["operation_id"] == "updateEncryptionAtRest")
            .filter(|request| request["challenge"] == false)
            .map(|request| request["body"].clone())
            .collect()
    }

    pub(super) async fn fault(&self, operation: &str, action: Value) {
        let fault = json!({"operation": operation, "action": action});
        self.mount.atlas.fault(fault).await;
    }
}

impl Customer {
    /// Changed over, with the static secret in keeping.
    pub(super) async fn changed_over(&self) {
        self.encrypted().await;
        let mut both = self.ids();
        both["client_id"] = json!(OWN_APP);
        both["client_secret"] = json!(self.secret);
        self.mount
            .write(&self.path, both)
            .await
            .expect("registered");
        self.grant().await;
        TestMount::data(self.apply().await);
    }

    pub(super) async fn roll_back(&self) -> crate::engine::testing::Outcome {
        let path = format!("{}/rollback", self.path);
        self.mount.write(&path, json!({})).await
    }

    pub(super) async fn apply_with(&self, fields: Value) -> crate::engine::testing::Outcome {
        let path = format!("{}/apply", self.path);
        self.mount.write(&path, fields).await
    }

    pub(super) async fn read(&self) -> Data {
        TestMount::data(self.mount.read(&self.path).await)
    }

    /// Registered, with the static secret in keeping, and what `fields` adds.
    pub(super) async fn registered_with(&self, fields: Value) {
        let mut given = self.ids();
        given["client_id"] = json!(OWN_APP);
        given["client_secret"] = json!(self.secret);
        for (name, value) in fields.as_object().into_iter().flatten() {
            given[name] = value.clone();
        }
        let written = self.mount.write(&self.path, given).await;
        written.expect("registered");
    }

    /// The project signs in with the static secret, over a private endpoint that is up.
    pub(super) async fn encrypted_privately(&self) {
        self.encrypted().await;
        self.endpoint(json!({"create": true, "approved": true}))
            .await;
        let private = json!({"requirePrivateNetworking": true});
        self.set(self.static_block(&private)).await;
    }

    /// What Atlas has of a project that signs in with the static secret, and what `fields` adds or changes.
    pub(super) fn static_block(&self, fields: &Value) -> Value {
        let mut block = self.key.clone();
        for (name, value) in [
            ("enabled", json!(true)),
            ("tenantID", json!(self.tenant)),
            ("clientID", json!(OWN_APP)),
            ("secret", json!(self.secret)),
        ] {
            block[name] = value;
        }
        for (name, value) in fields.as_object().into_iter().flatten() {
            block[name] = value.clone();
        }
        block
    }

    pub(super) async fn endpoint(&self, mut change: Value) {
        change["project_id"] = json!(self.mount.atlas.project(0));
        change["region"] = json!("US_EAST");
        let path = "/private-endpoints";
        self.mount.atlas.control("POST", path, change).await;
    }

    pub(super) async fn revoke(&self) {
        let all = json!({"vault": "v", "service_principal_id": self.principal});
        let path = "/azure/grants/revoke";
        self.mount.atlas.control("POST", path, all).await;
    }

    /// Whether every change that was sent changes the credential alone.
    pub(super) async fn assert_only_credentials_were_sent(&self) {
        for change in self.changes().await {
            let body = change.as_object().expect("a body");
            let names: Vec<&String> = body.keys().collect();
            assert_eq!(names, ["azureKeyVault"], "{change}");
            let block = &change["azureKeyVault"];
            for (name, value) in self.key.as_object().expect("a key") {
                assert_eq!(&block[name], value, "{name}: {change}");
            }
            let both = block["roleId"].is_string() && block["secret"].is_string();
            assert!(!both && block["valid"].is_null(), "{change}");
        }
        let standing = self.standing().await;
        assert_eq!(standing["search_node_changes"], 0);
    }

    /// Another password of the application, beside those that it has.
    pub(super) async fn another_secret(&self, seconds: u64) -> String {
        let app = json!({"tenant_id": self.tenant, "app_id": OWN_APP, "seconds": seconds});
        let made = self.mount.atlas.control("POST", "/azure/secrets", app);
        text(&made.await, "client_secret")
    }

    pub(super) async fn rotate(&self, given: Value) -> crate::engine::testing::Outcome {
        let path = format!("{}/rotate", self.path);
        self.mount.write(&path, given).await
    }

    /// The same with all that a private project wants.
    pub(super) async fn rotate_unseen(&self, secret: &str) -> crate::engine::testing::Outcome {
        let given = json!({
            "client_secret": secret, "accept_unvalidated": true, "accept_no_way_back": true,
        });
        self.rotate(given).await
    }

    /// Whether this is the secret with which Atlas signs in.
    pub(super) async fn holds(&self, secret: &str) -> bool {
        let asked = json!({
            "project_id": self.mount.atlas.project(0), "client_secret": secret,
        });
        let told = self.mount.atlas.control("POST", "/encryption/holds", asked);
        told.await["holds"] == json!(true)
    }

    /// The entry as it is stored.
    pub(super) fn entry(&self) -> Value {
        let stored = self.mount.storage.value(&self.path);
        serde_json::from_slice(&stored).expect("JSON")
    }

    /// The present static secret is taken into keeping.
    pub(super) async fn kept(&self, expires_at: &str) {
        let given = json!({
            "client_id": OWN_APP, "client_secret": self.secret,
            "client_secret_expires_at": expires_at,
        });
        self.mount.write(&self.path, given).await.expect("kept");
    }
}

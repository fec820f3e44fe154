//! A customer's Azure behind the simulator, and how the customer's projects stand in Atlas.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::traffic;
use crate::support::{Answer, Mount};

/// The customer's own application, whose secrets Atlas signs in with before the change.
pub(crate) const OWN_APP: &str = "33333333-3333-4333-8333-333333333333";
/// What Atlas needs in a vault.
const ROLES: [&str; 2] = ["Reader", "Key Vault Crypto User"];

/// A mount, and a customer's directory, vault and projects in its simulator.
pub(crate) struct Customer {
    pub(crate) mount: Mount,
    pub(crate) tenant: String,
    /// The principal of Atlas's application. It is granted nothing.
    pub(super) principal: String,
    own: String,
    /// A secret of the customer's own application.
    pub(crate) secret: String,
    /// The key that each project had when it was set up, in Atlas's words.
    keys: Mutex<BTreeMap<String, Value>>,
}

/// A text of a body.
#[track_caller]
pub(super) fn text(body: &Value, name: &str) -> String {
    let text = body[name].as_str();
    text.unwrap_or_else(|| panic!("{name}: {body}")).to_owned()
}

impl Customer {
    /// On the server that most tests share.
    pub(super) async fn new() -> Self {
        Self::of(Mount::configured().await).await
    }

    /// Of a configured mount.
    pub(super) async fn of(mount: Mount) -> Self {
        let mut customer = Self::without_principal(mount).await;
        let tenant = json!({ "tenant_id": customer.tenant });
        let of_atlas = customer.control("/azure/principals", tenant).await;
        customer.principal = text(&of_atlas, "service_principal_id");
        customer
    }

    /// The same before anybody made the principal of Atlas's application.
    pub(crate) async fn without_principal(mount: Mount) -> Self {
        let make = async |path: &str, body: Value| mount.atlas.control("POST", path, body).await;
        let tenant = text(&make("/azure/tenants", json!({})).await, "tenant_id");
        let app = json!({ "tenant_id": tenant, "app_id": OWN_APP });
        let own = make("/azure/principals", app.clone()).await;
        let secret = make("/azure/secrets", app).await;
        Self {
            principal: String::new(),
            own: text(&own, "service_principal_id"),
            secret: text(&secret, "client_secret"),
            tenant,
            keys: Mutex::default(),
            mount,
        }
    }

    pub(super) async fn control(&self, path: &str, body: Value) -> Value {
        self.mount.atlas.control("POST", path, body).await
    }

    /// A vault with a key that the own application may use.
    pub(crate) async fn vault(&self, name: &str) -> Value {
        let vault = json!({ "tenant_id": self.tenant, "vault": name, "resource_group": "g" });
        let key = self.control("/azure/vaults", vault).await;
        self.grant_to(name, &self.own).await;
        key
    }

    /// What the printed commands grant, on this vault.
    pub(super) async fn grant(&self, vault: &str) {
        self.grant_to(vault, &self.principal).await;
    }

    async fn grant_to(&self, vault: &str, principal: &str) {
        for role in ROLES {
            self.control("/azure/grants", right(vault, principal, role))
                .await;
        }
    }

    /// The principal may read the vault, and not use its keys.
    pub(super) async fn grant_half(&self, vault: &str) {
        self.control("/azure/grants", right(vault, &self.principal, ROLES[0]))
            .await;
    }

    /// A new project without encryption.
    pub(crate) async fn project(&self, name: &str) -> String {
        let project = json!({ "org_id": self.mount.atlas.org(), "name": name });
        text(&self.control("/projects", project).await, "id")
    }

    /// A new project that signs in to this vault with the static secret.
    pub(crate) async fn encrypted(&self, name: &str, key: &Value) -> String {
        let project = self.project(name).await;
        self.encrypt(&project, key, &self.secret).await;
        project
    }

    /// Somebody sets the project's encryption to this key and secret.
    pub(crate) async fn encrypt(&self, project: &str, key: &Value, secret: &str) {
        let block = self.static_block(key, secret);
        let given = json!({ "project_id": project, "azureKeyVault": block });
        self.control("/encryption", given).await;
        self.keys
            .lock()
            .unwrap()
            .insert(project.to_owned(), key.clone());
    }

    /// What Terraform or the Kubernetes operator send.
    pub(super) fn static_block(&self, key: &Value, secret: &str) -> Value {
        let mut block = key.clone();
        block["enabled"] = json!(true);
        block["tenantID"] = json!(self.tenant);
        block["clientID"] = json!(OWN_APP);
        block["secret"] = json!(secret);
        block
    }

    /// Another secret of the own application.
    pub(super) async fn another_secret(&self, seconds: u64) -> Value {
        let asked = json!({ "tenant_id": self.tenant, "app_id": OWN_APP, "seconds": seconds });
        self.control("/azure/secrets", asked).await
    }

    /// Runs a command of `az`, as the customer.
    pub(super) async fn az(&self, command: &str) -> Value {
        let line = json!({ "tenant_id": self.tenant, "command": command });
        self.control("/azure/az", line).await
    }
}

fn right(vault: &str, principal: &str, role: &str) -> Value {
    json!({ "vault": vault, "service_principal_id": principal, "role": role })
}

/// The paths of a project.
impl Customer {
    pub(super) fn path(project: &str) -> String {
        format!("encryption-at-rest/azure/{project}")
    }

    pub(super) fn ids(&self) -> Value {
        json!({ "tenant_id": self.tenant, "service_principal_id": self.principal })
    }

    /// The ids, and the present secret to be kept.
    pub(super) fn ids_and_secret(&self) -> Value {
        let mut both = self.ids();
        both["client_id"] = json!(OWN_APP);
        both["client_secret"] = json!(self.secret);
        both
    }

    pub(super) async fn read(&self, project: &str) -> Answer {
        self.mount.read(&Self::path(project)).await
    }

    pub(super) async fn write(&self, project: &str, body: Value) -> Answer {
        self.mount.write(&Self::path(project), body).await
    }

    /// One of `apply`, `rotate`, `rollback`.
    pub(super) async fn order(&self, project: &str, order: &str, body: Value) -> Answer {
        let path = format!("{}/{order}", Self::path(project));
        self.mount.write(&path, body).await
    }

    pub(super) async fn check(&self, project: &str) -> Answer {
        let path = format!("{}/check", Self::path(project));
        self.mount.read(&path).await
    }

    /// Registered, which must succeed; with the present secret in keeping if it is so wanted.
    pub(super) async fn register(&self, project: &str, keeps: bool) -> Value {
        let body = if keeps {
            self.ids_and_secret()
        } else {
            self.ids()
        };
        self.write(project, body).await.data().clone()
    }

    /// The state that a read shows.
    pub(super) async fn state(&self, project: &str) -> String {
        text(self.read(project).await.data(), "state")
    }
}

/// What is true in Atlas.
impl Customer {
    async fn in_atlas(&self, project: &str) -> Value {
        let state = self.mount.atlas.state().await;
        let all = state["projects"].as_array().expect("a list").iter();
        let mut found = all.filter(|each| each["id"] == project);
        found.next().expect("the project").clone()
    }

    /// How the project's encryption really stands.
    pub(super) async fn standing(&self, project: &str) -> Value {
        self.in_atlas(project).await["encryption"].clone()
    }

    pub(super) async fn registrations(&self, project: &str) -> usize {
        let project = self.in_atlas(project).await;
        let all = project["azure_principals"].as_array().map(Vec::len);
        all.expect("a list")
    }

    /// All that the project holds for encryption at rest, secrets included, and nothing that changes as
    /// time goes by.
    pub(super) async fn held(&self, project: &str) -> Value {
        let world = self.mount.atlas.control("GET", "/world", Value::Null);
        let encryption = world.await["projects"][project]["encryption"].clone();
        json!({
            "vault": encryption["vault"], "others": encryption["others"],
            "search_nodes": encryption["search_nodes"],
            "search_node_changes": encryption["search_node_changes"],
        })
    }

    /// Whether this is the secret with which Atlas signs in.
    pub(super) async fn holds(&self, project: &str, secret: &str) -> bool {
        let asked = json!({ "project_id": project, "client_secret": secret });
        let answer = self.control("/encryption/holds", asked).await;
        answer["holds"].as_bool().expect("yes or no")
    }

    /// The role has the project, has been seen to work, and nothing static is left.
    pub(super) async fn is_on_its_role(&self, project: &str) {
        let standing = self.standing(project).await;
        let role = self.read(project).await.data()["role_id"].clone();
        assert_eq!(standing["mode"], "role", "{standing}");
        assert_eq!(standing["role_id"], role, "{standing}");
        assert_eq!(standing["holds_static"], false, "{standing}");
        assert_eq!(standing["proved"], true, "{standing}");
    }

    /// No cluster was ever stopped, and no request was sent that changes what is not this engine's.
    pub(crate) async fn nothing_else_was_touched(&self) {
        let state = self.mount.atlas.state().await;
        assert_eq!(state["cluster_stops"], 0, "clusters were stopped");
        let log = self
            .mount
            .atlas
            .control("GET", "/requests", Value::Null)
            .await;
        let keys = self.keys.lock().unwrap().clone();
        traffic::is_allowed(&log, &keys);
    }

    /// Notes that the project's key is this one from now on.
    pub(super) fn now_has(&self, project: &str, key: &Value) {
        self.keys
            .lock()
            .unwrap()
            .insert(project.to_owned(), key.clone());
    }

    /// The changes of this project that the engine sent, by their bodies.
    pub(super) async fn changes(&self, project: &str) -> Vec<Value> {
        let log = self
            .mount
            .atlas
            .control("GET", "/requests", Value::Null)
            .await;
        traffic::changes(&log, project)
    }
}

//! The simulator as tests use it: what is there, what is to fail, and what became of it.

use std::sync::Arc;

use serde_json::{Value, json};

/// A service account and a secret of it.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) client_id: String,
    pub(crate) secret: String,
}

/// The simulator, with its control port. Clones share it.
#[derive(Clone)]
pub(crate) struct Atlas {
    running: Arc<atlas_sim::Running>,
    http: reqwest::Client,
}

impl Atlas {
    pub(super) async fn start() -> Self {
        let running = atlas_sim::start(atlas_sim::Options::default())
            .await
            .expect("a simulator");
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        Self {
            running: Arc::new(running),
            http,
        }
    }

    /// What to write to `config` for the seed's key.
    pub(crate) fn key_config(&self) -> Value {
        let key = &self.running.seed().api_key;
        json!({
            "public_key": key.public_key,
            "private_key": key.private_key,
            "base_url": self.running.api(),
        })
    }

    /// Another Atlas, at another address, that knows nothing of this one.
    pub(crate) async fn another() -> Self {
        Self::start().await
    }

    /// Where it is reached.
    pub(crate) fn address(&self) -> &str {
        self.running.api()
    }

    /// How many requests came, challenges included.
    pub(crate) async fn request_count(&self) -> u64 {
        let requests = self.control("GET", "/requests", Value::Null).await;
        requests["count"].as_u64().expect("a count")
    }

    /// The same for a mount that was configured for another organization.
    pub(crate) fn key_and_organization(&self) -> Value {
        let mut config = self.key_config();
        config["organization_id"] = json!(self.org());
        config
    }

    /// The seed's service account and its secret.
    pub(crate) fn seed_account(&self) -> Account {
        let account = &self.running.seed().service_account;
        Account {
            client_id: account.client_id.clone(),
            secret: account.client_secret.clone(),
        }
    }

    /// A service account of the seed's organization beside the seed's own.
    pub(crate) async fn account(&self, roles: Value) -> Account {
        let wanted = json!({"org_id": self.org(), "name": "app", "org_roles": roles});
        let made = self.control("POST", "/accounts", wanted).await;
        let text = |name: &str| made[name].as_str().expect("a text").to_owned();
        Account {
            client_id: text("client_id"),
            secret: text("client_secret"),
        }
    }

    /// What Atlas holds of an account; null if there is none.
    pub(crate) async fn account_state(&self, client_id: &str) -> Value {
        let state = self.control("GET", "/state", Value::Null).await;
        let accounts = state["accounts"].as_array().cloned().unwrap_or_default();
        let found = accounts
            .into_iter()
            .find(|account| account["client_id"] == client_id);
        found.unwrap_or(Value::Null)
    }

    /// Ids of an account's secrets.
    pub(crate) async fn secrets(&self, client_id: &str) -> Vec<String> {
        let state = self.account_state(client_id).await;
        let secrets = state["secrets"].as_array().cloned().unwrap_or_default();
        secrets
            .iter()
            .filter_map(|secret| secret["id"].as_str().map(ToOwned::to_owned))
            .collect()
    }

    /// Whether a secret mints an access token.
    pub(crate) async fn mints(&self, client_id: &str, secret: &str) -> bool {
        let url = format!("{}/api/oauth/token", self.running.api());
        let request = self.http.post(url).basic_auth(client_id, Some(secret));
        let request = request
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Accept", "application/json")
            .body("grant_type=client_credentials");
        let answer = request.send().await.expect("an answer");
        answer.status().is_success()
    }

    /// Sets switches of the simulator.
    pub(crate) async fn set(&self, settings: Value) {
        self.control("POST", "/settings", settings).await;
    }

    /// What to write to `config` for the seed's service account.
    pub(crate) fn account_config(&self) -> Value {
        let account = &self.running.seed().service_account;
        json!({
            "client_id": account.client_id,
            "client_secret": account.client_secret,
            "base_url": self.running.api(),
        })
    }

    /// The id of the seed's key.
    pub(crate) fn key_id(&self) -> &str {
        &self.running.seed().api_key.id
    }

    pub(crate) fn org(&self) -> &str {
        &self.running.seed().org_id
    }

    pub(crate) fn project(&self, number: usize) -> &str {
        &self.running.seed().project_ids[number]
    }

    /// A call of the control port that must succeed.
    pub(crate) async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.running.control());
        let request = self.http.request(method.parse().expect("a method"), url);
        let request = if body.is_null() {
            request
        } else {
            request
                .header("Content-Type", "application/json")
                .body(body.to_string())
        };
        let answer = request.send().await.expect("an answer");
        assert!(
            answer.status().is_success(),
            "{method} {path}: {}",
            answer.status()
        );
        serde_json::from_str(&answer.text().await.expect("a text")).unwrap_or(Value::Null)
    }

    /// Everything that exists.
    pub(crate) async fn state(&self) -> Value {
        self.control("GET", "/state", Value::Null).await
    }

    /// Turns switches of the simulator.
    pub(crate) async fn settings(&self, switches: Value) {
        self.control("POST", "/settings", switches).await;
    }

    /// Changes settings of the organization, as its owner does.
    pub(crate) async fn change_organization(&self, settings: Value) {
        let path = format!("/orgs/{}/settings", self.org());
        self.as_owner("PATCH", &path, settings).await;
    }

    /// Somebody takes a service account out of a project; it lives on in the organization.
    pub(crate) async fn leave_project(&self, client_id: &str, project: &str) {
        let path = format!("/groups/{project}/serviceAccounts/{client_id}");
        self.as_owner("DELETE", &path, Value::Null).await;
    }

    /// A call of the API by the organization's owner that must succeed.
    async fn as_owner(&self, method: &str, path: &str, body: Value) {
        let account = &self.running.seed().service_account;
        let token = self
            .http
            .post(format!("{}/api/oauth/token", self.running.api()))
            .basic_auth(&account.client_id, Some(&account.client_secret))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        let token = token.send().await.expect("an answer");
        let token: Value =
            serde_json::from_str(&token.text().await.expect("a text")).expect("a token");
        let media_type = "application/vnd.atlas.2025-03-12+json";
        let url = format!("{}/api/atlas/v2{path}", self.running.api());
        let mut request = self
            .http
            .request(method.parse().expect("a method"), url)
            .bearer_auth(token["access_token"].as_str().expect("a token"))
            .header("Accept", media_type);
        if !body.is_null() {
            request = request
                .header("Content-Type", media_type)
                .body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// Makes a service account behind the engine's back; answers its client id.
    pub(crate) async fn make_account(&self, secret_hours: u32, holder: Value) -> String {
        let mut account = json!({
            "org_id": self.org(), "org_roles": ["ORG_MEMBER"], "secret_hours": secret_hours,
        });
        if let (Some(account), Value::Object(holder)) = (account.as_object_mut(), holder) {
            account.extend(holder);
        }
        let made = self.control("POST", "/accounts", account).await;
        made["client_id"].as_str().expect("an id").to_owned()
    }

    /// A key made by somebody else; its id.
    pub(crate) async fn plant_key(&self, description: &str) -> String {
        let key = json!({
            "org_id": self.org(), "desc": description, "org_roles": ["ORG_MEMBER"],
        });
        let made = self.control("POST", "/keys", key).await;
        made["id"].as_str().expect("an id").to_owned()
    }

    /// Somebody deletes every key and account beside the seed's.
    pub(crate) async fn forget_credentials(&self) {
        let state = self.control("GET", "/state", Value::Null).await;
        for (list, id, name) in [("keys", "id", "desc"), ("accounts", "client_id", "name")] {
            for each in state[list].as_array().into_iter().flatten() {
                if each[name] != "seed" {
                    let id = each[id].as_str().expect("an id");
                    let path = format!("/{list}/{id}");
                    self.control("DELETE", &path, Value::Null).await;
                }
            }
        }
        for key in model_keys(&state) {
            let path = format!("/model-keys/{}", key["id"].as_str().expect("an id"));
            self.control("DELETE", &path, Value::Null).await;
        }
        for (project, user) in database_users(&state) {
            let name = user["username"].as_str().expect("a name");
            self.forget_database_user(&project, name).await;
        }
    }

    pub(crate) async fn fault(&self, fault: Value) {
        self.control("POST", "/faults", fault).await;
    }

    /// Has Atlas refuse an operation for want of a right, until there are no more faults.
    pub(crate) async fn refuse(&self, operation: &str) {
        let refusal = json!({
            "operation": operation, "count": 0,
            "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
        });
        self.fault(refusal).await;
    }

    /// Has the next answer to an operation lost on its way.
    pub(crate) async fn lose_answer(&self, operation: &str) {
        let lost = json!({ "operation": operation, "action": {"kind": "lose_answer"} });
        self.fault(lost).await;
    }

    pub(crate) async fn no_more_faults(&self) {
        self.control("DELETE", "/faults", Value::Null).await;
    }

    /// The AI model keys of all projects.
    pub(crate) async fn model_keys(&self) -> Vec<Value> {
        model_keys(&self.state().await)
    }

    /// The database users of all projects.
    pub(crate) async fn database_users(&self) -> Vec<Value> {
        let users = database_users(&self.state().await).into_iter();
        users.map(|(_, user)| user).collect()
    }

    /// Somebody deletes a database user by hand; its name needs no encoding.
    pub(crate) async fn forget_database_user(&self, project: &str, username: &str) {
        let path = format!("/database-users/{project}/{username}");
        self.control("DELETE", &path, Value::Null).await;
    }

    /// Whether a cluster of the first project lets this user in now.
    pub(crate) async fn lets_in(&self, cluster: &str, data: &crate::vault::Data) -> bool {
        let asked = json!({
            "project_id": self.project(0), "cluster": cluster,
            "username": data["username"], "password": data["password"],
        });
        let said = self.control("POST", "/sign-in", asked).await;
        said["signs_in"] == true
    }

    /// Descriptions or names of the keys and accounts beside the seed's.
    pub(crate) async fn credentials(&self) -> Vec<String> {
        let state = self.control("GET", "/state", Value::Null).await;
        let texts = |list: &str, text: &str| -> Vec<String> {
            let list = state[list].as_array().cloned().unwrap_or_default();
            list.iter()
                .filter_map(|each| each[text].as_str().map(ToOwned::to_owned))
                .collect()
        };
        let mut all = texts("keys", "desc");
        all.extend(texts("accounts", "name"));
        let keys = model_keys(&state).into_iter();
        all.extend(keys.filter_map(|key| key["name"].as_str().map(ToOwned::to_owned)));
        let users = database_users(&state).into_iter();
        all.extend(users.filter_map(|(_, user)| user["username"].as_str().map(ToOwned::to_owned)));
        all.retain(|text| text != "seed");
        all
    }

    /// How often each operation was asked since the last `forget_requests`, challenges left out.
    pub(crate) async fn operations(&self) -> Value {
        self.control("GET", "/requests", Value::Null).await["operations"].clone()
    }

    pub(crate) async fn forget_requests(&self) {
        self.control("DELETE", "/requests", Value::Null).await;
    }
}

/// With their projects.
fn database_users(state: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for project in state["projects"].as_array().into_iter().flatten() {
        let id = project["id"].as_str().unwrap_or_default();
        let users = project["database_users"].as_array().into_iter().flatten();
        found.extend(users.map(|user| (id.to_owned(), user.clone())));
    }
    found
}

fn model_keys(state: &Value) -> Vec<Value> {
    let projects = state["projects"].as_array().into_iter().flatten();
    let keys = projects.filter_map(|project| project["model_keys"].as_array());
    keys.flatten().cloned().collect()
}

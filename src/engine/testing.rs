//! A mount for tests: this engine on storage in memory, and an Atlas simulator in the same process.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{EngineFactory, ProcessSettings};
use crate::base::time::TurnedClock;
use crate::base::{Clock as _, SystemEntropy};
use crate::engine::process::ServerHold;
use crate::vault::memory::{FixedSystemView, MemoryStorage};
use crate::vault::{
    Backend, Caller, Data, Factory as _, Failure, Mount, Operation, Request, Response, Secret,
    Tasks,
};

/// An answer to a request of a test.
pub(crate) type Outcome = Result<Option<Response>, Failure>;

/// One mount, its storage, its host's view, its clock, and Atlas.
pub(crate) struct TestMount {
    pub(crate) storage: Arc<MemoryStorage>,
    pub(crate) system: Arc<FixedSystemView>,
    pub(crate) clock: Arc<TurnedClock>,
    pub(crate) atlas: Atlas,
    backend: Arc<dyn Backend>,
    tasks: Tasks,
}

impl TestMount {
    /// A mount without configuration.
    pub(crate) async fn new() -> Self {
        Self::new_with(ProcessSettings::default()).await
    }

    /// The same, in a process with these settings.
    pub(crate) async fn new_with(process: ProcessSettings) -> Self {
        let storage = Arc::new(MemoryStorage::default());
        let system = Arc::new(FixedSystemView::default());
        let clock = Arc::new(TurnedClock::new());
        let (backend, tasks) = backend(&storage, &system, &clock, process).await;
        Self {
            storage,
            system,
            clock,
            atlas: Atlas::start().await,
            backend,
            tasks,
        }
    }

    /// A mount with the simulator's Organization Owner key.
    pub(crate) async fn configured() -> Self {
        let mount = Self::new().await;
        let written = mount.write("config", mount.atlas.key_config()).await;
        assert!(written.is_ok(), "{written:?}");
        mount
    }

    /// A configured mount with the role `reader`: an organization key with one address, and what
    /// `fields` adds or changes.
    pub(crate) async fn with_role(fields: Value) -> Self {
        let mount = Self::configured().await;
        mount.write_reader(fields).await;
        mount
    }

    /// Another mount, with a storage of its own, on the same Atlas; the role `reader` as well.
    pub(crate) async fn beside(other: &Self) -> Self {
        let storage = Arc::new(MemoryStorage::default());
        let system = Arc::new(FixedSystemView::default());
        let clock = Arc::clone(&other.clock);
        let (backend, tasks) = backend(&storage, &system, &clock, ProcessSettings::default()).await;
        let mount = Self {
            storage,
            system,
            clock,
            atlas: other.atlas.clone(),
            backend,
            tasks,
        };
        let written = mount.write("config", mount.atlas.key_config()).await;
        assert!(written.is_ok(), "{written:?}");
        mount.write_reader(json!({})).await;
        mount
    }

    pub(crate) async fn write_reader(&self, fields: Value) {
        let mut role = json!({
            "organization_id": self.atlas.org(), "roles": "ORG_MEMBER", "ip_addresses": "192.0.2.1",
        });
        for (key, value) in fields.as_object().into_iter().flatten() {
            role[key] = value.clone();
        }
        let written = self.write("roles/reader", role).await;
        assert!(written.is_ok(), "{written:?}");
    }

    /// The keys of the journal and of write-ahead log entries.
    pub(crate) fn journal_keys(&self) -> Vec<String> {
        let mut keys = self.storage.keys();
        keys.retain(|key| key.starts_with("issued/") || key.starts_with("wal/"));
        keys
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A number of `status`, by its place in the journal's part.
    pub(crate) async fn figure(&self, part: &str, name: &str) -> u64 {
        let status = Self::data(self.read("status").await);
        status["journal"][part][name].as_u64().unwrap_or_default()
    }

    /// Ticks as the host does, a minute apart.
    pub(crate) async fn tick_for(&self, minutes: u64) {
        for _ in 0..minutes {
            self.turn(Duration::from_mins(1)).await;
            self.tick().await.expect("a tick");
        }
    }

    /// The process dies and another takes its place: memory is gone, storage and Atlas are not.
    pub(crate) async fn restart(&mut self) {
        self.restart_held(ServerHold::Off).await;
    }

    /// The same, in a server whose environment holds it.
    pub(crate) async fn restart_held(&mut self, hold: ServerHold) {
        self.tasks.close(Duration::ZERO).await;
        let process = ProcessSettings {
            hold,
            ..ProcessSettings::default()
        };
        let (backend, tasks) = backend(&self.storage, &self.system, &self.clock, process).await;
        (self.backend, self.tasks) = (backend, tasks);
    }

    /// This engine starts on what an earlier one left in storage: this configuration, and whatever
    /// else is there by now.
    pub(crate) async fn take_over(&mut self, config: Value) {
        self.storage.unplant("origins");
        self.storage.plant("config", config.to_string().as_bytes());
        self.restart().await;
    }

    /// Asks anything.
    pub(crate) async fn ask(&self, operation: Operation, path: &str, data: Value) -> Outcome {
        self.backend.handle(request(operation, path, data)).await
    }

    pub(crate) async fn read(&self, path: &str) -> Outcome {
        self.ask(Operation::Read, path, json!({})).await
    }

    /// A read by a caller who waits no longer than this.
    pub(crate) async fn read_within(&self, path: &str, patience: Duration) -> Outcome {
        let mut request = request(Operation::Read, path, json!({}));
        request.caller = Caller::waiting(patience);
        self.backend.handle(request).await
    }

    /// A read by a caller who goes away when `gone` is cancelled.
    pub(crate) async fn read_until(&self, path: &str, gone: CancellationToken) -> Outcome {
        let mut request = request(Operation::Read, path, json!({}));
        request.caller.gone = gone;
        self.backend.handle(request).await
    }

    /// The host is about to end the mount: what runs is asked to end.
    pub(crate) async fn close(&self) {
        self.tasks.close(Duration::ZERO).await;
    }

    pub(crate) async fn write(&self, path: &str, data: Value) -> Outcome {
        self.ask(Operation::Update, path, data).await
    }

    pub(crate) async fn list(&self, path: &str) -> Outcome {
        self.ask(Operation::List, path, json!({})).await
    }

    /// A read that must succeed: its data.
    #[track_caller]
    pub(crate) fn data(outcome: Outcome) -> Data {
        let response = outcome
            .expect("the request succeeds")
            .expect("there is an answer");
        response.data.expect("the answer has data")
    }

    /// A credential that must be issued: its data and lease.
    pub(crate) async fn issue(&self, role: &str) -> (Data, Secret) {
        let answer = self.read(&format!("creds/{role}")).await;
        let answer = answer.expect("a credential").expect("an answer");
        (answer.data.expect("data"), answer.secret.expect("a lease"))
    }

    /// Atlas makes a secret of `account` for the role `shared`, the answer is lost, and the account
    /// cannot be read after. Tells how many secrets the account has then.
    pub(crate) async fn lose_a_secret(&self, account: &str) -> usize {
        let lost = json!({ "operation": "createOrgSecret", "action": {"kind": "lose_answer"} });
        let unreadable = json!({
            "operation": "getOrgServiceAccount", "skip": 1, "count": 0,
            "action": {"kind": "answer", "status": 403},
        });
        self.atlas.fault(lost).await;
        self.atlas.fault(unreadable).await;
        self.read("creds/shared").await.expect_err("no answer");
        self.atlas.no_more_faults().await;
        self.atlas.secrets(account).await.len()
    }

    pub(crate) async fn revoke(&self, secret: &Secret) -> Outcome {
        self.about(Operation::Revoke, secret).await
    }

    pub(crate) async fn renew(&self, secret: &Secret) -> Outcome {
        self.about(Operation::Renew, secret).await
    }

    async fn about(&self, operation: Operation, secret: &Secret) -> Outcome {
        let mut request = request(operation, "creds/role", json!({}));
        request.secret = Some(secret.clone());
        self.backend.handle(request).await
    }

    /// A lease as the Go engine left it, of a key of an organization, or of a project alone.
    pub(crate) fn go_lease(&self, key: &str, org: &str, project: &str) -> Secret {
        let internal = json!({
            "programmatic_api_key_id": key, "organization_id": org, "project_id": project,
            "role": "reader", "secret_type": "programmatic_api_key",
        });
        let Value::Object(internal_data) = internal else {
            unreachable!("it is an object");
        };
        Secret {
            internal_data,
            ttl: Duration::from_hours(1),
            max_ttl: Duration::from_hours(2),
            renewable: true,
            increment: Duration::ZERO,
            issue_time: Some(self.now()),
        }
    }

    /// The host's tick.
    pub(crate) async fn tick(&self) -> Outcome {
        self.ask(Operation::Rollback, "", json!({})).await
    }

    /// Another node changed a key.
    pub(crate) async fn invalidate(&self, key: &str) {
        self.backend.invalidate(key).await;
    }

    /// Time passes, for us and for Atlas.
    pub(crate) async fn turn(&self, by: Duration) {
        // Atlas first: what a limiter believes to be refilled is so there as well.
        self.atlas
            .control("POST", "/clock", json!({ "advance_seconds": by.as_secs() }))
            .await;
        self.clock.turn(by);
    }
}

async fn backend(
    storage: &Arc<MemoryStorage>,
    system: &Arc<FixedSystemView>,
    clock: &Arc<TurnedClock>,
    process: ProcessSettings,
) -> (Arc<dyn Backend>, Tasks) {
    let tasks = Tasks::new(&CancellationToken::new());
    let mount = Mount {
        uuid: "a-mount".to_owned(),
        storage: Arc::clone(storage) as _,
        system: Arc::clone(system) as _,
        tasks: tasks.clone(),
    };
    let factory = EngineFactory::new(
        "v0.0.0".to_owned(),
        Arc::clone(clock) as _,
        Arc::new(SystemEntropy),
    )
    .without_naps()
    .with_settings(process);
    let backend = factory.create(mount).await.expect("a backend");
    backend.initialize().await.expect("initialized");
    (backend, tasks)
}

fn request(operation: Operation, path: &str, data: Value) -> Request {
    Request {
        operation,
        path: path.to_owned(),
        data: match data {
            Value::Object(data) => data,
            _ => Data::new(),
        },
        secret: None,
        mount_point: "mongodbatlas/".to_owned(),
        display_name: "token".to_owned(),
        entity_id: String::new(),
        caller: Caller::waiting(Duration::from_secs(30)),
    }
}

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
    async fn start() -> Self {
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
    }

    pub(crate) async fn fault(&self, fault: Value) {
        self.control("POST", "/faults", fault).await;
    }

    pub(crate) async fn no_more_faults(&self) {
        self.control("DELETE", "/faults", Value::Null).await;
    }

    /// Descriptions of the keys and names of the accounts beside the seed's.
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

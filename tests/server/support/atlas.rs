//! The Atlas simulator of one test, in the test's own process, and its control port.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

/// A simulator and its control port.
pub(crate) struct Atlas {
    running: atlas_sim::Running,
    http: reqwest::Client,
}

/// Where every exchange with the simulator is noted, to be held against Atlas's own description.
fn exchanges() -> Option<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let folder = PathBuf::from(std::env::var_os("ATLAS_EXCHANGES")?);
    std::fs::create_dir_all(&folder).expect("the folder for exchanges");
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Some(folder.join(format!("server-{}-{number}.jsonl", std::process::id())))
}

impl Atlas {
    pub(crate) async fn start() -> Self {
        let options = atlas_sim::Options {
            exchanges: exchanges(),
            ..atlas_sim::Options::default()
        };
        let running = atlas_sim::start(options).await.expect("a simulator");
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        Self { running, http }
    }

    pub(crate) fn api(&self) -> &str {
        self.running.api()
    }

    pub(crate) fn control_url(&self) -> &str {
        self.running.control()
    }

    pub(crate) fn org(&self) -> &str {
        &self.running.seed().org_id
    }

    pub(crate) fn project(&self, number: usize) -> &str {
        &self.running.seed().project_ids[number]
    }

    /// What to write to `config` for the seed's Organization Owner key.
    pub(crate) fn key_config(&self) -> Value {
        let key = &self.running.seed().api_key;
        json!({
            "public_key": key.public_key,
            "private_key": key.private_key,
            "base_url": self.api(),
        })
    }

    /// The same as the Go engine takes and stores it, which knows no other address than Atlas's own.
    pub(crate) fn go_config(&self) -> Value {
        let key = &self.running.seed().api_key;
        json!({ "public_key": key.public_key, "private_key": key.private_key })
    }

    /// What to write to `config` for the seed's Organization Owner service account.
    pub(crate) fn account_config(&self) -> Value {
        let account = &self.running.seed().service_account;
        json!({
            "client_id": account.client_id,
            "client_secret": account.client_secret,
            "base_url": self.api(),
        })
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
        let status = answer.status();
        let text = answer.text().await.expect("a text");
        assert!(status.is_success(), "{method} {path}: {status}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Whether an account's secret mints an access token.
    pub(crate) async fn mints(&self, client_id: &str, secret: &str) -> bool {
        let request = self
            .http
            .post(format!("{}/api/oauth/token", self.api()))
            .basic_auth(client_id, Some(secret))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Accept", "application/json")
            .body("grant_type=client_credentials");
        request.send().await.expect("an answer").status() == 200
    }

    pub(crate) async fn fault(&self, fault: Value) {
        self.control("POST", "/faults", fault).await;
    }

    /// Waits until a request has met the newest fault.
    pub(crate) async fn fault_is_met(&self) {
        for _ in 0..3_000 {
            let faults = self.control("GET", "/faults", Value::Null).await;
            let newest = faults["faults"].as_array().and_then(|all| all.last());
            if newest.is_some_and(|newest| newest["applied"].as_u64() > Some(0)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no request met the fault");
    }

    pub(crate) async fn no_more_faults(&self) {
        self.control("DELETE", "/faults", Value::Null).await;
    }

    pub(crate) async fn settings(&self, settings: Value) {
        self.control("POST", "/settings", settings).await;
    }

    pub(crate) async fn state(&self) -> Value {
        self.control("GET", "/state", Value::Null).await
    }

    /// Ids of the keys and accounts, and names of the database users, beside the seed's: what the engine has in Atlas.
    pub(crate) async fn credentials(&self) -> Vec<String> {
        let state = self.state().await;
        let ids = |list: &str, id: &str, name: &str| -> Vec<String> {
            let list = state[list].as_array().cloned().unwrap_or_default();
            list.iter()
                .filter(|each| each[name] != "seed")
                .filter_map(|each| each[id].as_str().map(ToOwned::to_owned))
                .collect()
        };
        let mut all = ids("keys", "id", "desc");
        all.extend(ids("accounts", "client_id", "name"));
        all.extend(in_projects(&state));
        all
    }

    /// Public keys, client ids, ids of AI model API keys and names of database users of what the engine has in Atlas.
    pub(crate) async fn public_parts(&self) -> BTreeSet<String> {
        let state = self.state().await;
        let parts = |list: &str, part: &str, name: &str| -> Vec<String> {
            let list = state[list].as_array().cloned().unwrap_or_default();
            list.iter()
                .filter(|each| each[name] != "seed")
                .filter_map(|each| each[part].as_str().map(ToOwned::to_owned))
                .collect()
        };
        let mut all = parts("keys", "public_key", "desc");
        all.extend(parts("accounts", "client_id", "name"));
        all.extend(in_projects(&state));
        all.into_iter().collect()
    }

    /// The key or account of the state whose public part is this.
    pub(crate) async fn known(&self, public_part: &str) -> Value {
        let state = self.state().await;
        let all = ["keys", "accounts"]
            .into_iter()
            .flat_map(|list| state[list].as_array().cloned().unwrap_or_default());
        let mut found = all
            .filter(|each| each["public_key"] == public_part || each["client_id"] == public_part);
        found.next().unwrap_or(Value::Null)
    }

    /// Adds a cluster to the first project.
    pub(crate) async fn add_cluster(&self, name: &str) {
        let cluster = json!({ "project_id": self.project(0), "name": name });
        self.control("POST", "/clusters", cluster).await;
    }

    /// Whether a cluster of the first project lets somebody in with this name and password now.
    pub(crate) async fn lets_in(&self, cluster: &str, user: &Value) -> bool {
        let asked = json!({
            "project_id": self.project(0), "cluster": cluster,
            "username": user["username"], "password": user["password"],
        });
        self.control("POST", "/sign-in", asked).await["signs_in"] == true
    }

    /// Waits until nothing of the engine's is left, for at most `limit`.
    #[track_caller]
    pub(crate) fn empties(&self, limit: Duration) -> impl Future<Output = ()> + '_ {
        self.holds(0, limit)
    }

    /// Waits until exactly `count` credentials of the engine's are there, for at most `limit`.
    pub(crate) async fn holds(&self, count: usize, limit: Duration) {
        let give_up = std::time::Instant::now() + limit;
        loop {
            let there = self.credentials().await;
            if there.len() == count {
                return;
            }
            assert!(
                std::time::Instant::now() < give_up,
                "{} credentials are left in Atlas, not {count}: {there:?}",
                there.len()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn forget_requests(&self) {
        self.control("DELETE", "/requests", Value::Null).await;
    }

    /// How often each operation was asked since the log was emptied, challenges left out.
    pub(crate) async fn operations(&self) -> Value {
        self.control("GET", "/requests", Value::Null).await["operations"].clone()
    }

    /// How many requests came, challenges included.
    pub(crate) async fn request_count(&self) -> u64 {
        self.control("GET", "/requests", Value::Null).await["count"]
            .as_u64()
            .expect("a count")
    }
}

/// Ids of the AI model API keys and names of the database users of all projects; the seed has none.
fn in_projects(state: &Value) -> Vec<String> {
    let projects = state["projects"].as_array().cloned().unwrap_or_default();
    let of_project = |project: &Value| {
        let texts = [("model_keys", "id"), ("database_users", "username")].map(|(list, text)| {
            let list = project[list].as_array().cloned().unwrap_or_default();
            let texts = list.into_iter().map(move |each| each[text].clone());
            texts.collect::<Vec<_>>()
        });
        texts.concat()
    };
    let all = projects.iter().flat_map(of_project);
    all.filter_map(|text| text.as_str().map(ToOwned::to_owned))
        .collect()
}

impl Atlas {
    /// Turns Atlas's clock forward.
    pub(crate) async fn turn_clock(&self, by: Duration) {
        self.control("POST", "/clock", json!({ "advance_seconds": by.as_secs() }))
            .await;
    }
}

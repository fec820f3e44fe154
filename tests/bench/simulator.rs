//! The simulator as a process of its own, so that it costs the plugin's process nothing.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

pub(crate) struct Simulator {
    child: Child,
    start: Value,
    http: reqwest::Client,
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Simulator {
    pub(crate) fn start() -> Self {
        let binary = std::env::var_os("ATLAS_SIM_BINARY").expect("ATLAS_SIM_BINARY is set");
        let mut child = Command::new(binary)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the simulator starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("standard output"));
        output.read_line(&mut line).expect("a line");
        let start = serde_json::from_str(&line).expect("the simulator's line");
        Self {
            child,
            start,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    pub(crate) fn org(&self) -> &str {
        self.start["org_id"].as_str().unwrap()
    }

    pub(crate) fn project(&self, number: usize) -> &str {
        self.start["project_ids"][number].as_str().unwrap()
    }

    /// Where the API is served.
    pub(crate) fn api(&self) -> &str {
        self.start["api"].as_str().unwrap()
    }

    /// The seed's key.
    pub(crate) fn key(&self) -> Value {
        let key = &self.start["api_key"];
        json!({ "public_key": key["public_key"], "private_key": key["private_key"] })
    }

    pub(crate) fn config(&self) -> Value {
        let mut config = self.key();
        config["base_url"] = json!(self.api());
        config
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.start["control"].as_str().unwrap());
        let mut request = self.http.request(method.parse().unwrap(), url);
        if !body.is_null() {
            request = request
                .header("Content-Type", "application/json")
                .body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        assert!(
            answer.status().is_success(),
            "{method} {path}: {}",
            answer.status()
        );
        serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null)
    }

    /// No limits: the plugin is measured, not Atlas's patience.
    pub(crate) async fn unlimited(&self) {
        let settings = json!({
            "max_api_keys_per_org": 1_000_000, "max_service_accounts_per_org": 1_000_000,
        });
        self.control("POST", "/settings", settings).await;
        self.bucket(1_000_000, 1_000_000).await;
    }

    /// Limits again: an organization's keys get `capacity` requests and `a_second` more a second.
    pub(crate) async fn bucket(&self, capacity: u64, a_second: u64) {
        let size = json!({
            "capacity": capacity, "refill_rate": a_second, "refill_seconds": 1,
        });
        let buckets = json!({
            "apiKeys_org": size, "apiKeys_group": size, "serviceAccounts_org": size,
        });
        let settings = json!({ "refill": "continuous", "buckets": buckets });
        self.control("POST", "/settings", settings).await;
    }

    /// Every answer is late by this.
    pub(crate) async fn delay(&self, milliseconds: u64) {
        self.control("DELETE", "/faults", Value::Null).await;
        if milliseconds > 0 {
            let seconds = Duration::from_millis(milliseconds).as_secs_f64();
            let fault = json!({ "count": 0, "action": { "kind": "delay", "seconds": seconds } });
            self.control("POST", "/faults", fault).await;
        }
    }

    pub(crate) async fn request_count(&self) -> u64 {
        self.control("GET", "/requests?since=0", Value::Null).await["last"]
            .as_u64()
            .unwrap()
    }

    /// Makes a service account of the organization, as somebody else would.
    pub(crate) async fn account(&self, name: &str) -> Value {
        let body = json!({ "org_id": self.org(), "name": name, "org_roles": ["ORG_MEMBER"] });
        self.control("POST", "/accounts", body).await
    }

    /// Ids of the secrets of each account, the newest last.
    pub(crate) async fn secrets(&self) -> HashMap<String, Vec<String>> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let state = self.control("GET", "/state", Value::Null).await;
        let accounts = state["accounts"].as_array().unwrap().iter();
        let secrets = accounts.map(|account| {
            let secrets = account["secrets"].as_array().unwrap().iter();
            let ids = secrets.map(|secret| text(&secret["id"])).collect();
            (text(&account["client_id"]), ids)
        });
        secrets.collect()
    }

    /// Turns Atlas's clock forward.
    pub(crate) async fn turn_clock(&self, by: Duration) {
        let body = json!({ "advance_seconds": by.as_secs() });
        self.control("POST", "/clock", body).await;
    }

    /// Waits until exactly `count` keys beside the seed's are there.
    pub(crate) async fn wait_for(&self, count: usize) {
        while self.keys().await != count {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// How many keys beside the seed's are there.
    pub(crate) async fn keys(&self) -> usize {
        let state = self.control("GET", "/state", Value::Null).await;
        state["keys"].as_array().unwrap().len() - 1
    }
}

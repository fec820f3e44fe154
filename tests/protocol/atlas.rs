//! The Atlas simulator, in the test's own process.

use std::time::Duration;

use serde_json::{Value, json};

use crate::mount::{Mount, org_role};

/// A simulator and its control port.
pub(crate) struct Atlas {
    running: atlas_sim::Running,
    http: reqwest::Client,
}

impl Atlas {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        let running = atlas_sim::start(atlas_sim::Options::default()).await;
        let http = reqwest::Client::builder().no_proxy().build();
        Self {
            running: running.expect("a simulator"),
            http: http.expect("a client"),
        }
    }

    /// What to write to `config` for the seed's key.
    pub(crate) fn config(&self) -> Value {
        let key = &self.running.seed().api_key;
        json!({
            "public_key": key.public_key,
            "private_key": key.private_key,
            "base_url": self.running.api(),
        })
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

    /// Where it is served.
    /// What the mount's storage and leases hold from earlier engines belongs to this Atlas.
    pub(crate) fn was_here_before(&self, mount: &Mount) {
        let origins = json!({ "legacy_origin": self.address() });
        mount.host.store.plant("origins", origins.to_string());
    }

    pub(crate) fn address(&self) -> String {
        self.running.api().to_owned()
    }

    /// The secrets of the seed.
    pub(crate) fn secrets(&self) -> [&str; 2] {
        let seed = self.running.seed();
        [
            &seed.api_key.private_key,
            &seed.service_account.client_secret,
        ]
    }

    /// The organization.
    pub(crate) fn org(&self) -> &str {
        &self.running.seed().org_id
    }

    /// One of its projects.
    pub(crate) fn project(&self) -> &str {
        &self.running.seed().project_ids[0]
    }

    /// Configures a mount, and writes a role of each kind: `role` and `account`.
    pub(crate) async fn configure(&self, mount: &Mount) {
        mount.write_well("config", self.config()).await;
        mount.write_well("roles/role", org_role(self.org())).await;
        let mut account = org_role(self.org());
        account["credential_type"] = "service_account".into();
        mount.write_well("roles/account", account).await;
    }

    /// A call of the control port that must succeed.
    pub(crate) async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.running.control());
        let mut request = self.http.request(method.parse().expect("a method"), url);
        if !body.is_null() {
            request = request.header("Content-Type", "application/json");
            request = request.body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a text");
        assert!(
            status.is_success(),
            "{method} {path}: {status} {text} for {body}"
        );
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Makes requests of the API fail.
    pub(crate) async fn fault(&self, fault: Value) {
        self.control("POST", "/faults", fault).await;
    }

    /// Ends that.
    pub(crate) async fn no_more_faults(&self) {
        self.control("DELETE", "/faults", Value::Null).await;
    }

    /// Switches the limits off that slow a crowd down.
    pub(crate) async fn without_limits(&self) {
        let settings = json!({
            "rate_limits": false,
            "token_requests_per_minute": 0,
            "max_api_keys_per_org": 10_000,
        });
        self.control("POST", "/settings", settings).await;
    }

    /// Descriptions of the keys and names of the accounts beside the seed's.
    pub(crate) async fn credentials(&self) -> Vec<String> {
        let state = self.control("GET", "/state", Value::Null).await;
        let mut all = Vec::new();
        for (list, text) in [("keys", "desc"), ("accounts", "name")] {
            let list = state[list].as_array().expect("a list");
            all.extend(
                list.iter()
                    .filter_map(|each| each[text].as_str().map(str::to_owned)),
            );
        }
        all.retain(|text| text != "seed");
        all
    }

    /// How many requests came so far, those included that fetch a challenge.
    pub(crate) async fn requests(&self) -> u64 {
        let log = self.control("GET", "/requests", Value::Null).await;
        log["last"].as_u64().expect("a number")
    }

    /// Waits until an operation was asked for.
    pub(crate) async fn until_asked(&self, operation: &str) {
        eventually("the request reaches Atlas", async || {
            let log = self.control("GET", "/requests", Value::Null).await;
            let faults = self.control("GET", "/faults", Value::Null).await;
            let hit = faults["faults"].as_array().expect("a list");
            log["operations"][operation].as_u64() > Some(0)
                || hit.iter().any(|fault| fault["applied"].as_u64() > Some(0))
        })
        .await;
    }
}

/// Waits until something is so; half a minute is for machines with much else to do.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within half a minute: {what}");
}

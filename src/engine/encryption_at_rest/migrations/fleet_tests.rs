//! Many projects of one customer, for the tests of this room.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::super::customer_tests::{Customer, OWN_APP};
use crate::engine::testing::{Outcome, TestMount};
use crate::vault::{Data, Operation};

const PATH: &str = "encryption-at-rest/migrations/all";

/// A customer's projects, which sign in with the same static secret to the same key.
pub(super) struct Fleet {
    pub(super) customer: Customer,
    pub(super) projects: Vec<String>,
}

/// What has to be accepted for private projects that nothing proves.
pub(super) const CONSENTS: [&str; 2] = ["accept_unvalidated", "accept_no_way_back"];

impl Fleet {
    /// So many projects, and no grant yet.
    pub(super) async fn new(count: usize) -> Self {
        let customer = Customer::new().await;
        customer.encrypted().await;
        let mut projects = vec![customer.mount.atlas.project(0).to_owned()];
        for number in 1..count {
            let new = json!({
                "org_id": customer.mount.atlas.org(), "name": format!("p{number}"),
            });
            let made = customer.mount.atlas.control("POST", "/projects", new).await;
            projects.push(made["id"].as_str().expect("an id").to_owned());
        }
        let fleet = Self { customer, projects };
        for number in 1..count {
            fleet.set(number, json!({})).await;
        }
        fleet
    }

    /// One project on its role, changed over by a migration, with its secret in keeping.
    pub(super) async fn on_role() -> Self {
        let fleet = Self::new(1).await;
        fleet.customer.grant().await;
        fleet.hand_in(0).await;
        fleet
            .plan(json!({"observe": "1m", "keep_static": true}))
            .await;
        fleet.act("start").await;
        assert_eq!(fleet.to_the_end().await["state"], "done");
        fleet
    }

    /// Two private ones, changed over by consent; Atlas would let them go back.
    pub(super) async fn private_on_role() -> Self {
        let fleet = Self::new(2).await;
        fleet.customer.grant().await;
        for number in 0..2 {
            fleet.make_private(number, true).await;
            fleet.hand_in(number).await;
        }
        fleet
            .plan(json!({"observe": "1m", "keep_static": true}))
            .await;
        fleet.act_with_consent("start").await.expect("started");
        assert_eq!(fleet.to_the_end().await["state"], "done");
        fleet.open_the_way_back().await;
        fleet.mount().atlas.forget_requests().await;
        fleet
    }

    /// Atlas takes static credentials again where there is a role.
    pub(super) async fn open_the_way_back(&self) {
        let allowed = json!({"static_credentials_after_role": "accept"});
        self.mount().atlas.settings(allowed).await;
    }

    pub(super) fn mount(&self) -> &TestMount {
        &self.customer.mount
    }

    /// Sets how a project signs in: with the static secret, and what `fields` adds or changes.
    pub(super) async fn set(&self, number: usize, fields: Value) {
        let block = self.customer.static_block(&fields);
        self.set_block(number, block).await;
    }

    pub(super) async fn set_block(&self, number: usize, block: Value) {
        let given = json!({"project_id": self.projects[number], "azureKeyVault": block});
        let atlas = &self.mount().atlas;
        atlas.control("POST", "/encryption", given).await;
    }

    /// Has a project require private networking, with an endpoint that is approved or is not.
    pub(super) async fn make_private(&self, number: usize, approved: bool) {
        let private = json!({"requirePrivateNetworking": true});
        self.set(number, private).await;
        self.endpoint(number, approved).await;
    }

    pub(super) async fn endpoint(&self, number: usize, approved: bool) {
        let endpoint = json!({
            "project_id": self.projects[number], "region": "US_EAST_2", "create": true,
            "approved": approved,
        });
        let atlas = &self.mount().atlas;
        atlas.control("POST", "/private-endpoints", endpoint).await;
    }

    /// A key in a vault of its own, which the customer's application may use.
    pub(super) async fn other_key(&self) -> Value {
        let atlas = &self.mount().atlas;
        let vault = json!({
            "tenant_id": self.customer.tenant, "vault": "w", "resource_group": "g",
        });
        let key = atlas.control("POST", "/azure/vaults", vault).await;
        let azure = atlas.control("GET", "/azure", Value::Null).await;
        let principals = azure["tenants"][0]["principals"].as_array();
        let mut principals = principals.expect("a list").iter();
        let own = principals.find(|principal| principal["app_id"] == OWN_APP);
        let own = own.expect("the customer's own")["service_principal_id"].clone();
        for role in ["Reader", "Key Vault Crypto User"] {
            let grant = json!({"vault": "w", "service_principal_id": own, "role": role});
            atlas.control("POST", "/azure/grants", grant).await;
        }
        key
    }

    /// Hands a project's static secret in, for the way back.
    pub(super) async fn hand_in(&self, number: usize) {
        let given = json!({"client_id": OWN_APP, "client_secret": self.customer.secret});
        let path = format!("encryption-at-rest/azure/{}", self.projects[number]);
        let written = self.mount().write(&path, given).await;
        written.expect("taken into keeping");
    }

    /// Hands in a secret that does not work.
    pub(super) async fn hand_in_another(&self, number: usize) {
        let given = json!({"client_id": OWN_APP, "client_secret": "expired long ago"});
        let path = format!("encryption-at-rest/azure/{}", self.projects[number]);
        let written = self.mount().write(&path, given).await;
        written.expect("taken into keeping");
    }

    /// What a write needs.
    pub(super) fn all(&self) -> Value {
        let mut body = self.customer.ids();
        body["project_ids"] = json!(self.projects);
        body
    }

    pub(super) async fn write(&self, body: Value) -> Outcome {
        self.mount().write(PATH, body).await
    }

    pub(super) async fn plan(&self, fields: Value) -> Data {
        let mut body = self.all();
        for (name, value) in fields.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        TestMount::data(self.write(body).await)
    }

    pub(super) async fn act(&self, action: &str) -> Data {
        TestMount::data(self.write(json!({"action": action})).await)
    }

    /// The same with both consents, for the plan as it is now.
    pub(super) async fn act_with_consent(&self, action: &str) -> Outcome {
        let plan_id = self.read().await["plan_id"].clone();
        self.act_with_consent_to(&plan_id, action).await
    }

    /// The same for the plan of this name.
    pub(super) async fn act_with_consent_to(&self, plan_id: &Value, action: &str) -> Outcome {
        let [one, other] = CONSENTS;
        let order = json!({"action": action, one: true, other: true, "plan_id": plan_id});
        self.write(order).await
    }

    pub(super) async fn refused(&self, body: Value) -> String {
        self.write(body).await.expect_err("refused").to_string()
    }

    pub(super) async fn delete(&self) -> Outcome {
        self.mount().ask(Operation::Delete, PATH, json!({})).await
    }

    pub(super) async fn read(&self) -> Data {
        TestMount::data(self.mount().read(PATH).await)
    }

    /// The same, once nothing more can be done before the clock goes on.
    pub(super) async fn settled(&self) -> Data {
        let give_up = Instant::now() + Duration::from_secs(20);
        loop {
            let data = self.read().await;
            if !self.is_at_work(&data) {
                return data;
            }
            assert!(Instant::now() < give_up, "{data:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn is_at_work(&self, data: &Data) -> bool {
        let state = data["state"].as_str().expect("a state");
        if !["planning", "running", "rolling_back"].contains(&state) {
            return false;
        }
        let due = data["next_step_time"].as_str();
        let due = due.map(|text| text.parse::<DateTime<Utc>>().expect("a time"));
        due.is_none_or(|due| due <= self.mount().now())
    }

    /// A minute passes, and the periodic function runs.
    pub(super) async fn minute(&self) -> Data {
        self.mount().advance(Duration::from_mins(1)).await;
        self.mount().tick().await.expect("a tick");
        self.settled().await
    }

    /// Minutes pass until it is at rest.
    pub(super) async fn to_the_end(&self) -> Data {
        let mut data = self.settled().await;
        for _ in 0..120 {
            if !["planning", "running", "rolling_back"]
                .contains(&data["state"].as_str().expect("a text"))
            {
                return data;
            }
            data = self.minute().await;
        }
        panic!("it does not end: {data:?}");
    }

    /// How each project really signs in, by its key's state at Atlas. No cluster was ever stopped.
    pub(super) async fn modes(&self) -> Vec<String> {
        let state = self.mount().atlas.state().await;
        assert_eq!(state["cluster_stops"], 0);
        let all = state["projects"].as_array().expect("a list");
        let mode = |id: &String| {
            let project = all.iter().find(|project| project["id"] == **id);
            let standing = &project.expect("the project")["encryption"];
            standing["mode"].as_str().unwrap_or("none").to_owned()
        };
        self.projects.iter().map(mode).collect()
    }

    /// The projects whose encryption was changed, by their place, in the order of the requests.
    pub(super) async fn changes(&self) -> Vec<usize> {
        let atlas = &self.mount().atlas;
        let log = atlas.control("GET", "/requests", Value::Null).await;
        let requests = log["requests"].as_array().expect("a list").iter();
        let changes = requests.filter(|request| {
            request["operation_id"] == "updateEncryptionAtRest" && request["challenge"] == false
        });
        let place = |request: &Value| {
            let path = request["path"].as_str().expect("a path");
            let mut projects = self.projects.iter();
            projects.position(|id| path.contains(id.as_str()))
        };
        changes
            .map(|each| place(each).expect("a project"))
            .collect()
    }
}

/// The value of a field in each row, in the order of the rows.
pub(super) fn column(data: &Data, field: &str) -> Vec<String> {
    let rows = data["rows"].as_array().expect("rows").iter();
    let text = |row: &Value| match &row[field] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    rows.map(text).collect()
}

/// The row of a project.
pub(super) fn row(data: &Data, project: &str) -> Value {
    let mut rows = data["rows"].as_array().expect("rows").iter();
    let row = rows.find(|row| row["project_id"] == project);
    row.expect("a row").clone()
}

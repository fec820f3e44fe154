//! What the API document says of each operation's answer, held against what is really answered.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::customer_tests::Customer;
use crate::engine::testing::{Outcome, TestMount};
use crate::vault::{Data, Operation};

const PROJECT: &str = "/encryption-at-rest/azure/{project_id}";
const MIGRATION: &str = "/encryption-at-rest/migrations/{name}";

/// Answers that were really given, by path and method.
#[derive(Default)]
struct Answers(BTreeMap<(String, &'static str), Vec<Data>>);

impl Answers {
    fn take(&mut self, path: &str, method: &'static str, outcome: Outcome) {
        let answers = self.0.entry((path.to_owned(), method)).or_default();
        answers.push(TestMount::data(outcome));
    }

    /// Asks for something about the customer's project.
    async fn order(&mut self, customer: &Customer, what: &str, body: Value) {
        let path = format!("{}{what}", customer.path);
        let outcome = customer.mount.write(&path, body).await;
        self.take(&format!("{PROJECT}{what}"), "post", outcome);
    }

    async fn look(&mut self, customer: &Customer) {
        for what in ["", "/check"] {
            let path = format!("{}{what}", customer.path);
            let outcome = customer.mount.read(&path).await;
            self.take(&format!("{PROJECT}{what}"), "get", outcome);
        }
    }

    /// Through all that can be done with a project without private networking.
    async fn public(&mut self) {
        let customer = Customer::new().await;
        customer.encrypted().await;
        let back = json!({"static_credentials_after_role": "accept"});
        customer.mount.atlas.settings(back).await;
        let secret = customer.another_secret(86_400).await;
        self.order(&customer, "", customer.ids()).await;
        let end = (customer.mount.now() + chrono::TimeDelta::hours(20)).to_rfc3339();
        let new = json!({"client_secret": secret, "client_secret_expires_at": end});
        self.order(&customer, "/rotate", new).await;
        customer.grant().await;
        let dry = json!({"dry_run": true});
        self.order(&customer, "/apply", dry).await;
        self.order(&customer, "/apply", json!({})).await;
        self.look(&customer).await;
        self.order(&customer, "/rollback", json!({})).await;
        let asked = customer
            .mount
            .ask(Operation::Delete, &customer.path, json!({"force": true}));
        assert!(asked.await.expect("deleted").is_none());
    }

    /// What only private networking shows.
    async fn private(&mut self) {
        let customer = Customer::new().await;
        customer.encrypted_privately().await;
        self.order(&customer, "", customer.ids()).await;
        let dry = json!({"dry_run": true});
        self.order(&customer, "/apply", dry).await;
        self.look(&customer).await;
    }

    async fn migration(&mut self) {
        let customer = Customer::new().await;
        customer.encrypted().await;
        let mut plan = customer.ids();
        plan["project_ids"] = json!([customer.mount.atlas.project(0)]);
        let path = "encryption-at-rest/migrations/all";
        self.take(MIGRATION, "post", customer.mount.write(path, plan).await);
        self.take(MIGRATION, "get", customer.mount.read(path).await);
    }
}

/// Whether a value is what its schema says; what is not known is `null`.
fn fits(schema: &Value, value: &Value) -> bool {
    match (schema["type"].as_str(), value) {
        (_, Value::Null) => true,
        (Some("string"), Value::String(text)) => {
            schema["format"] != "date-time" || text.parse::<DateTime<Utc>>().is_ok()
        }
        (Some("array"), Value::Array(items)) => items.iter().all(|item| {
            let is_given = !item.is_null();
            is_given && fits(&schema["items"], item)
        }),
        (Some(kind), _) => {
            (kind == "boolean" && value.is_boolean())
                || (kind == "integer" && value.is_i64())
                || (kind == "object" && value.is_object())
        }
        (None, _) => false,
    }
}

#[tokio::test]
async fn the_document_names_what_each_operation_answers_and_of_which_type() {
    let mut answers = Answers::default();
    answers.public().await;
    answers.private().await;
    answers.migration().await;
    let mount = TestMount::new().await;
    let help = mount.ask(Operation::Help, "", json!({})).await;
    let document = TestMount::data(help)["openapi"].clone();
    let mut documented = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        if !path.starts_with("/encryption-at-rest/") || !path.ends_with('}') && !path.contains("}/")
        {
            continue;
        }
        assert!(methods["delete"].is_null() || methods["delete"]["responses"]["204"].is_object());
        for method in ["get", "post"] {
            if methods[method].is_object() {
                documented.insert((path.clone(), method));
            }
        }
    }
    let given: BTreeSet<_> = answers.0.keys().cloned().collect();
    assert_eq!(given, documented, "each operation is asked here");
    for ((path, method), answers) in answers.0 {
        let content = &document["paths"][&path][method]["responses"]["200"]["content"];
        let name = content["application/json"]["schema"]["ref"].as_str();
        let name = name.and_then(|name| name.rsplit('/').next());
        let schema = &document["components"]["schemas"][name.unwrap_or_default()]["properties"];
        let schema = schema
            .as_object()
            .unwrap_or_else(|| panic!("{path} {method}"));
        let declared: BTreeSet<&String> = schema.keys().collect();
        let answered: BTreeSet<&String> = answers.iter().flat_map(Data::keys).collect();
        assert_eq!(answered, declared, "{path} {method}");
        for (name, value) in answers.iter().flatten() {
            assert!(
                fits(&schema[name], value),
                "{path} {method} {name}: {value}"
            );
        }
    }
}

#[tokio::test]
async fn private_endpoints_and_rows_are_lists_of_objects() {
    let mut answers = Answers::default();
    answers.private().await;
    answers.migration().await;
    let check = &answers.0[&(format!("{PROJECT}/check"), "get")][0];
    assert_eq!(
        check["private_endpoints"],
        json!([{"region": "US_EAST", "status": "ACTIVE"}])
    );
    let plan = &answers.0[&(format!("{PROJECT}/apply"), "post")][0];
    assert_eq!(plan["private_endpoints"], check["private_endpoints"]);
    let migration = &answers.0[&(MIGRATION.to_owned(), "get")][0];
    assert!(migration["rows"][0]["project_id"].is_string());
}

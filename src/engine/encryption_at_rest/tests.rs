//! Registering a principal, what is kept of it, and what `apply` would do, on the simulator.

use serde_json::{Value, json};

use crate::engine::testing::TestMount;
use crate::vault::{Data, Operation};

const OWN_APP: &str = "33333333-3333-4333-8333-333333333333";

/// A mount, and a customer's Azure without any grant.
struct Customer {
    mount: TestMount,
    path: String,
    tenant: String,
    principal: String,
    own: String,
    secret: String,
    key: Value,
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().expect("a text").to_owned()
}

impl Customer {
    async fn new() -> Self {
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
    async fn encrypted(&self) {
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

    async fn set(&self, block: Value) {
        let given = json!({"project_id": self.mount.atlas.project(0), "azureKeyVault": block});
        self.mount.atlas.control("POST", "/encryption", given).await;
    }

    fn ids(&self) -> Value {
        json!({"tenant_id": self.tenant, "service_principal_id": self.principal})
    }

    async fn register(&self) -> Data {
        TestMount::data(self.mount.write(&self.path, self.ids()).await)
    }

    async fn refused(&self, data: Value) -> String {
        let refused = self.mount.write(&self.path, data).await;
        refused.expect_err("refused").to_string()
    }

    async fn registrations(&self) -> usize {
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
    async fn standing(&self) -> Value {
        let state = self.mount.atlas.state().await;
        assert_eq!(state["cluster_stops"], 0);
        let id = self.mount.atlas.project(0);
        let mut projects = state["projects"].as_array().expect("a list").iter();
        let project = projects.find(|project| project["id"] == id);
        project.expect("the project")["encryption"].clone()
    }

    async fn grant(&self) {
        for role in ["Reader", "Key Vault Crypto User"] {
            let grant = json!({"vault": "v", "service_principal_id": self.principal, "role": role});
            self.mount
                .atlas
                .control("POST", "/azure/grants", grant)
                .await;
        }
    }

    async fn apply(&self) -> crate::engine::testing::Outcome {
        self.mount
            .write(&format!("{}/apply", self.path), json!({}))
            .await
    }

    /// The bodies of all changes that were sent.
    async fn changes(&self) -> Vec<Value> {
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

    async fn fault(&self, operation: &str, action: Value) {
        let fault = json!({"operation": operation, "action": action});
        self.mount.atlas.fault(fault).await;
    }
}

#[tokio::test]
async fn a_principal_is_registered_and_the_grants_name_its_vault() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let answer = customer.register().await;
    assert_eq!(answer["state"], "registered");
    assert_eq!(
        (&answer["mode"], &answer["valid"]),
        (&json!("static"), &json!(true))
    );
    let subscription = text(&customer.key, "subscriptionID");
    let principal = &customer.principal;
    let grant = |role: &str| {
        format!(
            "az role assignment create --assignee-object-id {principal} --assignee-principal-type \
             ServicePrincipal --role \"{role}\" --scope /subscriptions/{subscription}/resourceGroups\
             /g/providers/Microsoft.KeyVault/vaults/v"
        )
    };
    let want = json!([grant("Reader"), grant("Key Vault Crypto User")]);
    assert_eq!(answer["grants"], want);
    // As printed they are what Azure takes.
    for command in answer["grants"].as_array().expect("a list") {
        let line = json!({"tenant_id": customer.tenant, "command": command});
        customer
            .mount
            .atlas
            .control("POST", "/azure/az", line)
            .await;
    }
    let read = TestMount::data(customer.mount.read(&customer.path).await);
    assert_eq!(read["role_id"], answer["role_id"]);
    let listed = TestMount::data(customer.mount.list("encryption-at-rest/azure").await);
    assert_eq!(listed["keys"], json!([customer.mount.atlas.project(0)]));
}

#[tokio::test]
async fn twice_and_after_a_lost_answer_there_is_one_registration() {
    let customer = Customer::new().await;
    customer
        .fault("createCloudProviderAccess", json!({"kind": "lose_answer"}))
        .await;
    let first = customer.register().await;
    assert_eq!(first["state"], "registered");
    let second = customer.register().await;
    assert_eq!(second["role_id"], first["role_id"]);
    assert_eq!(customer.registrations().await, 1);
}

#[tokio::test]
async fn a_registration_of_somebody_else_is_used_and_never_removed() {
    let mut customer = Customer::new().await;
    let first = customer.register().await;
    let delete = async |customer: &Customer| {
        let data = json!({"deauthorize": true});
        let ask = customer.mount.ask(Operation::Delete, &customer.path, data);
        ask.await
    };
    // Forgotten here, it is there like any other's.
    let forgotten = customer
        .mount
        .ask(Operation::Delete, &customer.path, json!({}));
    forgotten.await.expect("forgotten");
    customer.mount.restart().await;
    let adopted = customer.register().await;
    assert_eq!(adopted["role_id"], first["role_id"]);
    let refused = delete(&customer).await.expect_err("not ours");
    assert!(refused.to_string().contains("did not make"), "{refused}");
    assert_eq!(customer.registrations().await, 1);
    // One that it made it does remove.
    let other = Customer::new().await;
    other.register().await;
    delete(&other).await.expect("removed");
    assert_eq!(other.registrations().await, 0);
    assert!(
        other
            .mount
            .read(&other.path)
            .await
            .expect("an answer")
            .is_none()
    );
}

#[tokio::test]
async fn what_atlas_refuses_leaves_nothing() {
    let customer = Customer::new().await;
    let mut wrong = customer.ids();
    wrong["service_principal_id"] = json!("44444444-4444-4444-8444-444444444444");
    let refused = customer.refused(wrong).await;
    assert!(
        refused.contains("az ad sp create --id 9efedfcc"),
        "{refused}"
    );
    assert!(
        refused.contains("CANNOT_AUTHENTICATE_SERVICE_PRINCIPAL"),
        "{refused}"
    );
    let read = customer.mount.read(&customer.path).await;
    assert!(read.expect("an answer").is_none());
    customer.register().await;
}

#[tokio::test]
async fn a_crash_at_any_step_of_registering_ends_in_one_registration() {
    for operation in ["createCloudProviderAccess", "authorizeProviderAccessRole"] {
        for action in [
            json!({"kind": "answer", "status": 500}),
            json!({"kind": "answer", "status": 500, "after_effect": true}),
            json!({"kind": "close"}),
        ] {
            let mut customer = Customer::new().await;
            let count = json!({"operation": operation, "count": 0, "action": action});
            customer.mount.atlas.fault(count).await;
            let written = customer.mount.write(&customer.path, customer.ids()).await;
            customer.mount.restart().await;
            customer.mount.atlas.no_more_faults().await;
            let read = TestMount::data(customer.mount.read(&customer.path).await);
            // Where Atlas failed after the effect, the registration is found at once.
            let state = if written.is_ok() {
                "registered"
            } else {
                "registering"
            };
            assert_eq!(read["state"], state, "{operation}");
            let answer = customer.register().await;
            assert_eq!(answer["state"], "registered", "{operation}");
            assert_eq!(customer.registrations().await, 1, "{operation}");
        }
    }
}

#[tokio::test]
async fn a_static_secret_is_kept_and_never_shown() {
    let customer = Customer::new().await;
    let given = json!({
        "client_id": OWN_APP, "client_secret": customer.secret,
        "client_secret_expires_at": "2200-01-31T12:00:00Z",
    });
    let answer = TestMount::data(customer.mount.write(&customer.path, given).await);
    assert_eq!(
        (&answer["state"], &answer["way_back"]),
        (&json!("static"), &json!("unproved"))
    );
    let read = TestMount::data(customer.mount.read(&customer.path).await);
    assert!(!json!(read).to_string().contains(&customer.secret));
    let delete = async |data: Value| {
        let ask = customer.mount.ask(Operation::Delete, &customer.path, data);
        ask.await
    };
    let refused = delete(json!({})).await.expect_err("it would be lost");
    assert!(refused.to_string().contains("force=true"), "{refused}");
    delete(json!({"force": true})).await.expect("deleted");
}

#[tokio::test]
async fn every_fault_of_a_write_is_named() {
    let customer = Customer::new().await;
    let refused = customer
        .refused(json!({
            "tenant_id": "x", "client_id": "y", "client_secret_expires_at": "soon",
            "observe": "25h",
        }))
        .await;
    for field in [
        "tenant_id",
        "service_principal_id",
        "client_id",
        "client_secret_expires_at",
        "observe",
    ] {
        assert!(refused.contains(field), "{field}: {refused}");
    }
    let nothing = customer.refused(json!({})).await;
    assert!(nothing.contains("tenant_id"), "{nothing}");
    customer.register().await;
    let other = customer
        .refused(json!({"tenant_id": "44444444-4444-4444-8444-444444444444"}))
        .await;
    assert!(other.contains("cannot be changed"), "{other}");
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_changes_nothing() {
    let customer = Customer::new().await;
    let apply = format!("{}/apply", customer.path);
    let dry = async || customer.mount.write(&apply, json!({"dry_run": true})).await;
    let refused = dry().await.expect_err("not registered").to_string();
    assert!(
        refused.contains("no registered service principal"),
        "{refused}"
    );
    customer.register().await;
    let off = TestMount::data(dry().await);
    assert_eq!(off["mode"], "none");
    assert!(
        off["obstacles"][0]
            .as_str()
            .expect("a text")
            .contains("is off")
    );
    customer.encrypted().await;
    let before = customer.mount.atlas.state().await;
    let plan = TestMount::data(dry().await);
    assert_eq!(
        (&plan["mode"], &plan["valid"]),
        (&json!("static"), &json!(true))
    );
    assert_eq!(plan["would_change"], json!(["roleId"]));
    assert_eq!(plan["obstacles"], json!([]));
    let after = customer.mount.atlas.state().await;
    assert_eq!(after["projects"], before["projects"]);
}

#[tokio::test]
async fn a_dry_run_names_endpoints_that_are_not_up_and_the_danger() {
    let customer = Customer::new().await;
    customer.register().await;
    customer.encrypted().await;
    let project = customer.mount.atlas.project(0);
    for (region, approved) in [("US_EAST", true), ("EUROPE_WEST", false)] {
        let endpoint = json!({
            "project_id": project, "region": region, "create": true, "approved": approved,
        });
        let made = customer
            .mount
            .atlas
            .control("POST", "/private-endpoints", endpoint);
        made.await;
    }
    let mut block = customer.key.clone();
    block["enabled"] = json!(true);
    block["requirePrivateNetworking"] = json!(true);
    block["tenantID"] = json!(customer.tenant);
    block["clientID"] = json!(OWN_APP);
    block["secret"] = json!(customer.secret);
    customer.set(block).await;
    let apply = format!("{}/apply", customer.path);
    let plan = customer.mount.write(&apply, json!({"dry_run": true})).await;
    let plan = TestMount::data(plan);
    let obstacles = plan["obstacles"].to_string();
    assert!(
        obstacles.contains("private endpoint in EUROPE_WEST is PENDING_ACCEPTANCE"),
        "{obstacles}"
    );
    assert!(!obstacles.contains("US_EAST"), "{obstacles}");
    assert!(obstacles.contains("stops the clusters"), "{obstacles}");
    assert_eq!(plan["require_private_networking"], json!(true));
}

#[tokio::test]
async fn a_credential_without_the_right_learns_which_one_it_needs() {
    let customer = Customer::new().await;
    let missing = json!({
        "kind": "answer", "status": 401, "code": "USER_UNAUTHORIZED",
    });
    customer.fault("createCloudProviderAccess", missing).await;
    let refused = customer.refused(customer.ids()).await;
    assert!(refused.contains("Project Owner"), "{refused}");
}

#[tokio::test]
async fn a_project_is_changed_over_and_nothing_but_its_credential() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.register().await;
    customer.grant().await;
    let answer = TestMount::data(customer.apply().await);
    assert_eq!(
        (&answer["state"], &answer["mode"]),
        (&json!("observing"), &json!("role"))
    );
    assert_eq!(
        (&answer["valid"], &answer["drift"]),
        (&json!(true), &json!([]))
    );
    let standing = customer.standing().await;
    assert_eq!(
        (&standing["role_id"], &standing["holds_static"]),
        (&answer["role_id"], &json!(false))
    );
    let mut block = customer.key.clone();
    block["enabled"] = json!(true);
    block["roleId"] = answer["role_id"].clone();
    assert_eq!(customer.changes().await, [json!({"azureKeyVault": block})]);
    // Again, it is there already, and nothing is sent.
    TestMount::data(customer.apply().await);
    assert_eq!(customer.changes().await.len(), 1);
}

#[tokio::test]
async fn a_missing_grant_changes_nothing_and_is_told() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.register().await;
    let before = customer.standing().await;
    let refused = customer.apply().await.expect_err("no grant").to_string();
    assert!(refused.contains("nothing was changed"), "{refused}");
    assert!(refused.contains("INVALID_AZURE_CREDENTIALS"), "{refused}");
    assert_eq!(customer.standing().await, before);
    let read = TestMount::data(customer.mount.read(&customer.path).await);
    assert_eq!(read["state"], "failed");
    customer.grant().await;
    let answer = TestMount::data(customer.apply().await);
    assert_eq!(answer["state"], "observing");
}

#[tokio::test]
async fn a_crash_or_a_lost_answer_leaves_the_role_or_what_was() {
    for action in [
        json!({"kind": "lose_answer"}),
        json!({"kind": "close"}),
        json!({"kind": "answer", "status": 500}),
        json!({"kind": "answer", "status": 500, "after_effect": true}),
        json!({"kind": "not_json"}),
    ] {
        let mut customer = Customer::new().await;
        customer.encrypted().await;
        customer.register().await;
        customer.grant().await;
        customer
            .fault("updateEncryptionAtRest", action.clone())
            .await;
        let _ = customer.apply().await;
        let standing = customer.standing().await;
        assert_eq!(standing["check"], "usable", "{action}");
        customer.mount.restart().await;
        let answer = TestMount::data(customer.apply().await);
        assert_eq!(answer["state"], "observing", "{action}");
        assert_eq!(customer.standing().await["mode"], "role", "{action}");
    }
}

#[tokio::test]
async fn what_another_writes_at_the_same_time_is_told_and_not_fought() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.register().await;
    customer.grant().await;
    let made =
        customer
            .mount
            .atlas
            .control("POST", "/azure/keys", json!({"vault": "v", "name": "k"}));
    let other = made.await["keyIdentifier"].clone();
    let meddle = json!({
        "kind": "other_writer", "after_effect": true,
        "body": {"azureKeyVault": {"keyIdentifier": other}},
    });
    customer.fault("updateEncryptionAtRest", meddle).await;
    let answer = customer.apply().await.expect("changed").expect("an answer");
    let data = answer.data.expect("data");
    assert_eq!(
        data["drift"].as_array().map(Vec::len),
        Some(1),
        "{:?}",
        data["drift"]
    );
    assert_eq!(answer.warnings.len(), 1);
    assert!(answer.warnings[0].contains(other.as_str().expect("a text")));
    assert_eq!(data["mode"], "role");
    // One is ours, the other the other's; no third came of it.
    assert_eq!(customer.changes().await.len(), 2);
}

#[tokio::test]
async fn a_private_project_is_not_changed_yet() {
    let customer = Customer::new().await;
    customer.register().await;
    let mut block = customer.key.clone();
    for (name, value) in [
        ("enabled", json!(true)),
        ("requirePrivateNetworking", json!(true)),
        ("tenantID", json!(customer.tenant)),
        ("clientID", json!(OWN_APP)),
        ("secret", json!(customer.secret)),
    ] {
        block[name] = value;
    }
    customer.set(block).await;
    let refused = customer.apply().await.expect_err("private").to_string();
    assert!(refused.contains("private networking"), "{refused}");
    assert_eq!(customer.changes().await, [] as [Value; 0]);
}

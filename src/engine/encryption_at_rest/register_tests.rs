//! Registering a principal, what is kept of it, and what `apply` would do, on the simulator.

use serde_json::{Value, json};

use super::customer_tests::{Customer, OWN_APP, text};
use crate::engine::testing::TestMount;
use crate::vault::Operation;

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

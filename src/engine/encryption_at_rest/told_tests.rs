//! What people are told of projects: the end of a secret, the checks, the status, and what a change of
//! the configuration means for them.

use std::time::Duration;

use serde_json::{Value, json};

use super::customer_tests::{Customer, OWN_APP};
use crate::engine::log_lines::Lines;
use crate::engine::testing::{Atlas, TestMount};
use crate::vault::Operation;

const DAY: u64 = 86_400;

async fn status(customer: &Customer) -> Value {
    TestMount::data(customer.mount.read("status").await)["encryption_at_rest"].clone()
}

async fn check(customer: &Customer) -> Value {
    let path = format!("{}/check", customer.path);
    json!(TestMount::data(customer.mount.read(&path).await))
}

/// A project whose static secret ends in so many days.
async fn ending_in(days: i64) -> Customer {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let end = customer.mount.now() + chrono::TimeDelta::days(days);
    customer.kept(&crate::base::Rfc3339(end).to_string()).await;
    customer.mount.tick().await.expect("a tick");
    customer
}

async fn pass_days(customer: &Customer, days: u64) {
    customer
        .mount
        .advance(Duration::from_secs(days * DAY))
        .await;
    customer.mount.tick().await.expect("a tick");
}

#[tokio::test]
async fn the_end_of_a_secret_is_told_in_time_and_each_distance_once() {
    let mut customer = ending_in(40).await;
    let lines = Lines::default();
    let _listening = lines.listen();
    let told = || lines.take("static secret of a key vault");
    assert_eq!(status(&customer).await["expiring"], 0);
    assert_eq!(customer.mount.read_warnings(&customer.path).await, [""; 0]);
    for (days, within) in [
        (11, "30 days"),
        (15, "14 days"),
        (7, "7 days"),
        (4, "3 days"),
        (2, "a day"),
    ] {
        pass_days(&customer, days).await;
        let now = told();
        assert_eq!(now.len(), 1, "{within}: {now:?}");
        assert!(
            now[0].contains(&format!("expires within {within}")),
            "{now:?}"
        );
        assert!(now[0].contains(customer.mount.atlas.project(0)), "{now:?}");
        // Neither a later run nor another process tells it again.
        customer.mount.tick_for(2).await;
        customer.mount.restart().await;
        customer.mount.tick_for(2).await;
        assert_eq!(told(), [""; 0], "{within}");
        assert_eq!(status(&customer).await["expiring"], 1);
        let read = customer
            .mount
            .read_warnings(&customer.path)
            .await
            .join("\n");
        assert!(read.contains("expires at"), "{read}");
    }
    let problems = check(&customer).await["problems"].to_string();
    assert!(!problems.contains("expire"), "{problems}");
    pass_days(&customer, 1).await;
    let now = told();
    assert_eq!(now.len(), 1, "{now:?}");
    assert!(now[0].contains("has expired"), "{now:?}");
    let read = customer
        .mount
        .read_warnings(&customer.path)
        .await
        .join("\n");
    assert!(read.contains("expired at"), "{read}");
    let problems = check(&customer).await["problems"].to_string();
    assert!(problems.contains("expired at"), "{problems}");
}

/// As one that ran ahead over the end, and was set back, leaves it.
#[tokio::test]
async fn a_clock_that_was_ahead_silences_no_later_warning() {
    let customer = ending_in(5).await;
    let mut stored = customer.entry();
    stored["warned"] = json!({
        "expires_at": stored["static"]["expires_at"], "step": 5,
    });
    let text = stored.to_string();
    customer
        .mount
        .storage
        .plant(&customer.path, text.as_bytes());
    let lines = Lines::default();
    let _listening = lines.listen();
    for (days, want) in [
        (0, "within 7 days"),
        (3, "within 3 days"),
        (2, "has expired"),
    ] {
        pass_days(&customer, days).await;
        let told = lines.take("static secret of a key vault");
        assert_eq!(told.len(), 1, "{want}: {told:?}");
        assert!(told[0].contains(want), "{told:?}");
    }
}

#[tokio::test]
async fn another_secret_and_a_role_end_the_warnings() {
    let customer = ending_in(5).await;
    assert_eq!(status(&customer).await["expiring"], 1);
    let new = customer.another_secret(90 * DAY).await;
    let end = customer.mount.now() + chrono::TimeDelta::days(20);
    let end = crate::base::Rfc3339(end).to_string();
    let given = json!({"client_secret": new, "client_secret_expires_at": end});
    let lines = Lines::default();
    let _listening = lines.listen();
    customer.rotate(given).await.expect("rotated");
    customer.mount.tick_for(1).await;
    // A new secret has distances of its own.
    let told = lines.take("expires within");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("within 30 days"), "{told:?}");
    customer.register().await;
    customer.grant().await;
    customer.apply().await.expect("applied");
    assert_eq!(status(&customer).await["expiring"], 0);
}

/// Atlas may sign in with it already.
#[tokio::test]
async fn the_end_of_a_new_secret_is_told_before_it_is_known_to_be_in_force() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let new = customer.another_secret(5 * DAY).await;
    let end = customer.mount.now() + chrono::TimeDelta::days(5);
    let end = crate::base::Rfc3339(end).to_string();
    let away = json!({"kind": "close"});
    customer.fault("updateEncryptionAtRest", away).await;
    let given = json!({"client_secret": new, "client_secret_expires_at": end});
    customer.rotate(given).await.expect_err("unknown");
    assert_eq!(status(&customer).await["expiring"], 1);
}

#[tokio::test]
async fn the_status_counts_and_names_what_is_wrong() {
    let customer = Customer::new().await;
    let none = json!({
        "projects": 0, "static": 0, "role": 0, "invalid": 0, "drifted": 0, "expiring": 0,
        "failed": 0, "warnings": [],
    });
    assert_eq!(status(&customer).await, none);
    customer.encrypted().await;
    customer.register().await;
    assert_eq!(
        (
            &status(&customer).await["projects"],
            &status(&customer).await["static"]
        ),
        (&json!(1), &json!(1))
    );
    customer.apply().await.expect_err("no grant");
    let failed = status(&customer).await;
    assert_eq!(failed["failed"], 1, "{failed}");
    let told = failed["warnings"].to_string();
    assert!(told.contains(customer.mount.atlas.project(0)), "{told}");
    customer.grant().await;
    customer.apply().await.expect("applied");
    let fine = status(&customer).await;
    assert_eq!(
        (&fine["role"], &fine["failed"]),
        (&json!(1), &json!(0)),
        "{fine}"
    );
    assert_eq!(fine["warnings"], json!([]));
}

#[tokio::test]
async fn the_check_of_the_mount_names_projects_that_are_in_trouble() {
    let customer = ending_in(1).await;
    let found = TestMount::data(customer.mount.read("check").await);
    assert_eq!(found["ok"], json!(true), "{found:?}");
    let warnings = found["warnings"].to_string();
    assert!(
        warnings.contains(customer.mount.atlas.project(0)),
        "{warnings}"
    );
    customer.mount.advance(Duration::from_secs(DAY)).await;
    let found = TestMount::data(customer.mount.read("check").await);
    assert_eq!(found["ok"], json!(false), "{found:?}");
    customer.mount.storage.plant(&customer.path, b"{");
    let found = TestMount::data(customer.mount.read("check").await);
    let problems = found["problems"].to_string();
    assert!(problems.contains("cannot be read"), "{problems}");
}

#[tokio::test]
async fn a_check_shows_how_a_project_stands_and_sends_reads_alone() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    // Of a project of which nothing was written, too.
    let found = check(&customer).await;
    assert_eq!(
        (&found["ok"], &found["state"]),
        (&json!(true), &json!("")),
        "{found}"
    );
    assert_eq!(
        (&found["mode"], &found["valid"]),
        (&json!("static"), &json!(true))
    );
    assert_eq!(
        (&found["client_id"], &found["role_owner"]),
        (&json!(OWN_APP), &json!("none"))
    );
    customer.register().await;
    customer.grant().await;
    customer.apply().await.expect("applied");
    customer.mount.atlas.forget_requests().await;
    let found = check(&customer).await;
    assert_eq!(found["ok"], json!(true), "{found}");
    for (name, want) in [
        ("mode", json!("role")),
        ("valid", json!(true)),
        ("role_owner", json!("entry")),
        ("feature_usages", json!(["ENCRYPTION_AT_REST"])),
        ("drift", json!([])),
        ("project_owner", json!(true)),
        ("require_private_networking", json!(false)),
        ("key_identifier", customer.key["keyIdentifier"].clone()),
    ] {
        assert_eq!(found[name], want, "{name}: {found}");
    }
    let log = customer
        .mount
        .atlas
        .control("GET", "/requests", Value::Null)
        .await;
    for request in log["requests"].as_array().expect("a list") {
        assert_eq!(request["method"], "GET", "{request}");
    }
}

#[tokio::test]
async fn a_check_names_what_does_not_work() {
    let customer = Customer::new().await;
    customer.changed_over().await;
    let revoke = json!({"vault": "v", "service_principal_id": customer.principal});
    customer
        .mount
        .atlas
        .control("POST", "/azure/grants/revoke", revoke)
        .await;
    let found = check(&customer).await;
    assert_eq!(
        (&found["ok"], &found["valid"]),
        (&json!(false), &json!(false)),
        "{found}"
    );
    let problems = found["problems"].to_string();
    assert!(problems.contains("Atlas cannot use the key"), "{problems}");
    // Somebody puts the static secret back.
    customer.grant().await;
    customer.encrypted().await;
    let found = check(&customer).await;
    let warnings = found["warnings"].to_string();
    assert!(warnings.contains("and not by role"), "{warnings}");
    assert_eq!(found["drift"].as_array().map(Vec::len), Some(1), "{found}");
}

#[tokio::test]
async fn a_check_says_what_the_configured_credential_lacks() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    let project = customer.mount.atlas.project(0).to_owned();
    for (role, owns) in [("GROUP_OWNER", true), ("GROUP_READ_ONLY", false)] {
        let wanted = json!({
            "org_id": customer.mount.atlas.org(), "desc": role, "org_roles": [],
            "project_roles": {project.as_str(): [role]}, "access_list": ["127.0.0.1"],
        });
        let key = customer.mount.atlas.control("POST", "/keys", wanted).await;
        let mut config = customer.mount.atlas.key_and_organization();
        config["public_key"] = key["public_key"].clone();
        config["private_key"] = key["private_key"].clone();
        config["verify_connection"] = json!(false);
        customer
            .mount
            .write("config", config)
            .await
            .expect("written");
        let found = check(&customer).await;
        assert_eq!(found["project_owner"], json!(owns), "{found}");
        let problems = found["problems"].to_string();
        let want =
            format!("the configured credential needs the role Project Owner in project {project}");
        assert_eq!(problems.contains(&want), !owns, "{problems}");
        let refused = customer.mount.write(&customer.path, customer.ids()).await;
        assert_eq!(refused.is_ok(), owns, "{refused:?}");
        if let Err(refused) = refused {
            let refused = refused.to_string();
            assert!(refused.contains(&want), "{refused}");
        }
    }
}

#[tokio::test]
async fn a_configuration_that_projects_need_is_not_deleted_by_accident() {
    let customer = Customer::new().await;
    customer.register().await;
    let delete = async |data: Value| customer.mount.ask(Operation::Delete, "config", data).await;
    let refused = delete(json!({})).await.expect_err("needed").to_string();
    assert!(
        refused.contains(customer.mount.atlas.project(0)),
        "{refused}"
    );
    assert!(refused.contains("force=true"), "{refused}");
    delete(json!({"force": true})).await.expect("deleted");
    let read = customer.read().await;
    assert_eq!(read["state"], "registered");
}

#[tokio::test]
async fn a_configuration_of_another_organization_or_address_is_told_of_the_projects() {
    let customer = Customer::new().await;
    customer.register().await;
    let made = customer
        .mount
        .atlas
        .control("POST", "/orgs", json!({"name": "other"}))
        .await;
    let org = made["id"].as_str().expect("an id").to_owned();
    let key = json!({
        "org_id": org, "desc": "other", "org_roles": ["ORG_OWNER"], "access_list": ["127.0.0.1"],
    });
    let key = customer.mount.atlas.control("POST", "/keys", key).await;
    let mut config = customer.mount.atlas.key_config();
    config["public_key"] = key["public_key"].clone();
    config["private_key"] = key["private_key"].clone();
    config["organization_id"] = json!(org);
    let told = TestMount::warnings(customer.mount.write("config", config).await).join("\n");
    assert!(told.contains("1 encryption-at-rest project"), "{told}");
    let found = check(&customer).await;
    assert_eq!(found["ok"], json!(false), "{found}");
    let other = Atlas::another().await;
    let config = other.key_and_organization();
    let told = TestMount::warnings(customer.mount.write("config", config).await).join("\n");
    assert!(
        told.contains("1 encryption-at-rest project belong"),
        "{told}"
    );
    assert!(told.contains(customer.mount.atlas.address()), "{told}");
}

#[tokio::test]
async fn projects_go_along_when_the_configuration_moves() {
    let customer = Customer::new().await;
    customer.encrypted().await;
    customer.register().await;
    customer.grant().await;
    let to = customer
        .mount
        .atlas
        .address()
        .replace("127.0.0.1", "localhost");
    let moved = customer
        .mount
        .write("config/move", json!({"base_url": to}))
        .await;
    assert_eq!(TestMount::data(moved)["carried"]["key_vaults"], 1);
    let answer = TestMount::data(customer.apply().await);
    assert_eq!(answer["mode"], "role");
}

async fn delete(customer: &Customer, data: Value) -> Result<(), String> {
    let asked = customer
        .mount
        .ask(Operation::Delete, &customer.path, data)
        .await;
    asked.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn an_entry_is_deleted_where_nothing_is_under_way() {
    let customer = Customer::new().await;
    customer.register().await;
    let set = |state: &str| {
        let mut stored = customer.entry();
        stored["state"] = json!(state);
        customer
            .mount
            .storage
            .plant(&customer.path, stored.to_string().as_bytes());
    };
    for state in ["applying", "waiting", "rotating", "rolling_back"] {
        set(state);
        for force in [false, true] {
            let refused = delete(&customer, json!({"force": force})).await;
            let refused = refused.expect_err(state);
            assert!(refused.contains(state), "{refused}");
        }
    }
    // A change that is watched may never prove itself, and a registration never be made.
    for state in ["observing", "registering"] {
        customer.register().await;
        set(state);
        let refused = delete(&customer, json!({})).await.expect_err(state);
        assert!(refused.contains(state), "{refused}");
        let forced = delete(&customer, json!({"force": true})).await;
        forced.expect("given up");
    }
    for state in ["registered", "applied", "static", "failed"] {
        customer.register().await;
        set(state);
        delete(&customer, json!({})).await.expect(state);
    }
}

#[tokio::test]
async fn a_registration_that_is_used_is_not_removed_though_atlas_would() {
    let customer = Customer::new().await;
    customer.changed_over().await;
    let mut stored = customer.entry();
    stored["state"] = json!("applied");
    customer
        .mount
        .storage
        .plant(&customer.path, stored.to_string().as_bytes());
    let both = json!({"deauthorize": true, "force": true});
    let refused = delete(&customer, both).await.expect_err("used");
    assert!(
        refused.contains("Atlas still uses this role for ENCRYPTION_AT_REST"),
        "{refused}"
    );
    let asked = customer.mount.atlas.operations().await;
    assert_eq!(
        asked["deauthorizeProviderAccessRole"],
        Value::Null,
        "{asked}"
    );
    assert_eq!(customer.registrations().await, 1);
    delete(&customer, json!({"force": true}))
        .await
        .expect("forgotten");
    assert_eq!(customer.registrations().await, 1);
    assert_eq!(customer.standing().await["mode"], "role");
}

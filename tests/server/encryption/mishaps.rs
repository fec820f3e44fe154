//! Atlas slow, failing, limiting, and losing answers in the middle of each step: every project ends on its
//! role without another order, registered once, or on the static secret that was ordered.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::customer::{Customer, OWN_APP, text};

/// Some periodic runs.
const LIMIT: Duration = Duration::from_mins(4);
const STEPS: [&str; 3] = [
    "createCloudProviderAccess",
    "authorizeProviderAccessRole",
    "updateEncryptionAtRest",
];

/// What may happen to a request.
fn actions() -> Vec<Value> {
    let failed = |after_effect: bool| {
        json!({
            "kind": "answer", "status": 503, "code": "SERVICE_UNAVAILABLE",
            "after_effect": after_effect,
        })
    };
    vec![
        json!({ "kind": "delay", "seconds": 25.0, "after_effect": true }),
        failed(false),
        failed(true),
        json!({
            "kind": "answer", "status": 429, "code": "RATE_LIMITED_TOKEN_BUCKET",
            "headers": { "Retry-After": "2" },
        }),
        json!({ "kind": "close" }),
        json!({ "kind": "lose_answer" }),
        json!({ "kind": "cut_json" }),
        json!({ "kind": "malformed_json" }),
    ]
}

/// Registers until that is answered well, then applies once, whatever is answered.
async fn is_changed_over(customer: &Customer, project: &str) {
    for _ in 0..5 {
        if customer.write(project, customer.ids()).await.ok() {
            break;
        }
    }
    customer.order(project, "apply", json!({})).await;
}

/// A project with a secret in keeping, and the order of another one or of the way back, which meets this.
async fn is_given_a_secret(
    customer: &Customer,
    key: &Value,
    name: &str,
    action: &Value,
) -> Ordered {
    let project = customer.encrypted(name, key).await;
    let is_rotation = name.starts_with("rotate");
    let (order, secret) = if is_rotation {
        let kept = json!({ "client_id": OWN_APP, "client_secret": customer.secret });
        customer.write(&project, kept).await.data();
        let made = customer.another_secret(86_400).await;
        ("rotate", text(&made, "client_secret"))
    } else {
        customer.register(&project, true).await;
        customer.order(&project, "apply", json!({})).await.data();
        ("rollback", customer.secret.clone())
    };
    let fault = json!({
        "operation": "updateEncryptionAtRest", "action": action,
        "path_prefix": format!("/api/atlas/v2/groups/{project}/"),
    });
    customer.mount.atlas.fault(fault).await;
    Ordered {
        project,
        order,
        secret,
    }
}

/// An order, and the secret with which it is to end.
struct Ordered {
    project: String,
    order: &'static str,
    secret: String,
}

#[tokio::test]
async fn whatever_becomes_of_one_request_the_ordered_secret_is_in_force() {
    let customer = Customer::new().await;
    let back = json!({ "static_credentials_after_role": "accept" });
    customer.mount.atlas.settings(back).await;
    let key = customer.vault("kv-orders").await;
    customer.grant("kv-orders").await;
    let mut all = Vec::new();
    for order in ["rotate", "rollback"] {
        for (number, action) in actions().iter().enumerate() {
            let name = format!("{order}-{number}");
            all.push(is_given_a_secret(&customer, &key, &name, action).await);
        }
    }
    join_all(all.iter().map(async |it| {
        let body = match it.order {
            "rotate" => json!({ "client_secret": it.secret }),
            _ => json!({}),
        };
        customer.order(&it.project, it.order, body).await
    }))
    .await;
    let give_up = Instant::now() + LIMIT;
    for it in &all {
        loop {
            let read = customer.read(&it.project).await;
            if text(read.data(), "state") == "static" {
                assert_eq!(read.data()["way_back"], "available", "{read:?}");
                break;
            }
            assert!(Instant::now() < give_up, "{}: {read:?}", it.order);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        assert!(
            customer.holds(&it.project, &it.secret).await,
            "{}",
            it.project
        );
        let standing = customer.standing(&it.project).await;
        assert_eq!(standing["check"], "usable", "{}: {standing}", it.order);
    }
    let faults = customer.mount.atlas.control("GET", "/faults", Value::Null);
    for fault in faults.await["faults"].as_array().expect("a list") {
        assert_eq!(fault["applied"], 1, "{fault}");
    }
    customer.nothing_else_was_touched().await;
}

#[tokio::test]
async fn whatever_becomes_of_one_request_the_project_ends_on_its_role() {
    let customer = Customer::new().await;
    let key = customer.vault("kv-mishaps").await;
    customer.grant("kv-mishaps").await;
    let mut projects = Vec::new();
    for step in STEPS {
        for (number, action) in actions().into_iter().enumerate() {
            let project = customer.encrypted(&format!("{step}-{number}"), &key).await;
            let fault = json!({
                "operation": step, "action": action,
                "path_prefix": format!("/api/atlas/v2/groups/{project}/"),
            });
            customer.mount.atlas.fault(fault).await;
            projects.push(project);
        }
    }
    join_all(
        projects
            .iter()
            .map(|project| is_changed_over(&customer, project)),
    )
    .await;
    let give_up = Instant::now() + LIMIT;
    for project in &projects {
        loop {
            let read = customer.read(project).await;
            let state = text(read.data(), "state");
            if ["observing", "applied"].contains(&state.as_str()) {
                break;
            }
            assert!(Instant::now() < give_up, "{read:?}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        customer.is_on_its_role(project).await;
        assert_eq!(customer.registrations(project).await, 1, "{project}");
    }
    let faults = customer.mount.atlas.control("GET", "/faults", Value::Null);
    for fault in faults.await["faults"].as_array().expect("a list") {
        assert_eq!(fault["applied"], 1, "{fault}");
    }
    customer.nothing_else_was_touched().await;
}

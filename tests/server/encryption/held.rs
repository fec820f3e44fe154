//! What an operator holds: a change that is half done is not sent again, through a kill too, and goes on
//! once nothing is held any more.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::customer::{Customer, OWN_APP, text};
use crate::support::{Bao, Mount};

/// Some periodic runs.
const LIMIT: Duration = Duration::from_mins(4);
/// Each order that changes a project, the state that it is in meanwhile, and that to which it comes.
const ORDERS: [[&str; 3]; 3] = [
    ["apply", "applying", "observing"],
    ["rotate", "rotating", "static"],
    ["rollback", "rolling_back", "static"],
];

/// A project for which this order can be given.
async fn prepared(customer: &Customer, key: &Value, order: &str) -> String {
    let project = customer.encrypted(order, key).await;
    let secret = json!({ "client_id": OWN_APP, "client_secret": customer.secret });
    let given = if order == "rotate" {
        secret
    } else {
        customer.ids_and_secret()
    };
    customer.write(&project, given).await.data();
    if order == "rollback" {
        customer.order(&project, "apply", json!({})).await.data();
    }
    project
}

async fn hold(customer: &Customer, on: bool) {
    let written = customer.mount.write("config", json!({ "hold": on })).await;
    assert!(written.ok(), "{written:?}");
}

async fn fault(customer: &Customer, project: &str, action: Value) {
    let fault = json!({
        "operation": "updateEncryptionAtRest", "action": action,
        "path_prefix": format!("/api/atlas/v2/groups/{project}/"),
    });
    customer.mount.atlas.fault(fault).await;
}

/// Has the plugin killed while Atlas carries out a change.
async fn killed_in_a_change(bao: &Bao, customer: &Customer, project: &str) {
    let action = json!({ "kind": "delay", "seconds": 20.0, "after_effect": true });
    fault(customer, project, action).await;
    let path = format!("{}/{}/apply", customer.mount.path, Customer::path(project));
    let order = customer
        .mount
        .client
        .try_call("POST", &path, Some(json!({})));
    let kill = async {
        let give_up = Instant::now() + LIMIT;
        while customer.changes(project).await.is_empty() {
            assert!(Instant::now() < give_up, "no change is sent");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bao.kill_plugins().await;
    };
    let (_, ()) = tokio::join!(order, kill);
    customer.mount.atlas.no_more_faults().await;
    while !customer.mount.read("config").await.ok() {}
}

#[tokio::test]
async fn what_is_half_done_is_not_sent_while_an_operator_holds_it() {
    let bao = Bao::dev();
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    let customer = Customer::of(mount).await;
    let back = json!({ "static_credentials_after_role": "accept" });
    customer.mount.atlas.settings(back).await;
    let key = customer.vault("kv").await;
    customer.grant("kv").await;
    let mut projects = Vec::new();
    for [order, ..] in ORDERS {
        projects.push(prepared(&customer, &key, order).await);
    }
    let killed = customer.encrypted("killed", &key).await;
    customer.register(&killed, false).await;
    let new = text(&customer.another_secret(86_400).await, "client_secret");

    hold(&customer, true).await;
    for (project, [order, state, _]) in projects.iter().zip(ORDERS) {
        fault(&customer, project, json!({ "kind": "close" })).await;
        let body = match order {
            "rotate" => json!({ "client_secret": new }),
            _ => json!({}),
        };
        let lost = customer.order(project, order, body).await;
        assert!(!lost.ok(), "{order}: {lost:?}");
        assert_eq!(customer.state(project).await, state, "{order}");
    }
    killed_in_a_change(&bao, &customer, &killed).await;
    let all = || projects.iter().chain([&killed]);
    let mut sent = Vec::new();
    for project in all() {
        sent.push(customer.changes(project).await.len());
    }
    bao.log.ticks(3).await;
    for (project, sent) in all().zip(&sent) {
        let changes = customer.changes(project).await;
        assert_eq!(changes.len(), *sent, "{project}");
    }
    for (project, [order, state, _]) in projects.iter().zip(ORDERS) {
        assert_eq!(customer.state(project).await, state, "{order}");
    }
    // A look alone finds what had its effect.
    assert_eq!(customer.state(&killed).await, "observing");

    hold(&customer, false).await;
    let give_up = Instant::now() + LIMIT;
    for ((project, [order, _, end]), sent) in projects.iter().zip(ORDERS).zip(&sent) {
        while customer.state(project).await != end {
            let read = customer.read(project).await;
            assert!(Instant::now() < give_up, "{order}: {read:?}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        assert_eq!(customer.changes(project).await.len(), sent + 1, "{order}");
        let standing = customer.standing(project).await;
        assert_eq!(standing["check"], "usable", "{order}: {standing}");
    }
    assert!(customer.holds(&projects[1], &new).await);
    assert!(customer.holds(&projects[2], &customer.secret).await);
    customer.nothing_else_was_touched().await;
}

//! A migration on a single server that is sealed in the middle of it, and then killed and started again:
//! it goes on from storage each time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::customer::Customer;
use crate::support::{Bao, Mount};

const MIGRATION: &str = "encryption-at-rest/migrations/few";
const PROJECTS: u64 = 4;
/// The server's periodic runs, a minute apart, have it go on.
const LIMIT: Duration = Duration::from_mins(4);

async fn until(mount: &Mount, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let give_up = Instant::now() + LIMIT;
    loop {
        let read = mount.read(MIGRATION).await.data().clone();
        if is(&read) {
            return read;
        }
        assert!(Instant::now() < give_up, "in vain: {what}: {read}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// So many projects are through, and it is at work.
async fn is_in_the_middle(mount: &Mount, done: u64) {
    let read = until(mount, "some are through", |read| {
        read["done"].as_u64() >= Some(done)
    });
    assert_eq!(read.await["state"], "running");
}

#[tokio::test]
async fn a_migration_goes_on_after_a_seal_and_after_a_crash() {
    let mut bao = Bao::on_disk().await;
    let registered = bao.register(&[]).await;
    assert!(registered.ok(), "{registered:?}");
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    let customer = Customer::of(mount).await;
    let key = customer.vault("kv").await;
    customer.grant("kv").await;
    let mut projects = Vec::new();
    for number in 0..PROJECTS {
        let name = format!("project-{number}");
        projects.push(customer.encrypted(&name, &key).await);
    }
    let mut order = customer.ids();
    order["project_ids"] = json!(projects);
    order["interval"] = json!("2s");
    order["observe"] = json!("2s");
    let mount = &customer.mount;
    let planned = mount.write(MIGRATION, order).await;
    assert_eq!(planned.data()["ready"], PROJECTS, "{planned:?}");
    let started = mount.write(MIGRATION, json!({ "action": "start" })).await;
    assert!(started.ok(), "{started:?}");

    is_in_the_middle(mount, 1).await;
    assert!(mount.client.call("PUT", "sys/seal", None).await.ok());
    bao.unseal().await;
    mount.serves().await;
    is_in_the_middle(mount, 2).await;
    bao.crash_and_restart().await;
    mount.serves().await;
    let done = until(mount, "it ends", |read| read["state"] == "done").await;
    assert_eq!(done["done"], PROJECTS, "{done}");
    for project in &projects {
        customer.is_on_its_role(project).await;
    }
    customer.nothing_else_was_touched().await;
}

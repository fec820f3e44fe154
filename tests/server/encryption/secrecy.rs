//! A static secret is in no answer, no log and no stored entry but the project's own, which is sealed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::customer::{Customer, OWN_APP, text};
use crate::secrecy::{audit_log, talkative_server};
use crate::support::{Answer, Client, Mount};

/// Every stored entry that holds this text, as the server itself reads it.
async fn stored_with(client: &Client, secret: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let listed = client.list(&format!("sys/raw/{folder}")).await;
        let keys = listed.body["data"]["keys"].as_array().cloned();
        for key in keys.unwrap_or_default() {
            let path = format!("{folder}{}", key.as_str().expect("a key"));
            if path.ends_with('/') {
                folders.push(path);
                continue;
            }
            let read = client.read(&format!("sys/raw/{path}")).await;
            if read.body.to_string().contains(secret) {
                found.push(path);
            }
        }
    }
    found
}

/// Everything that the project's paths can be asked, with what works and what fails.
async fn all_answers(customer: &Customer, project: &str, vault: &str, next: &str) -> Vec<Answer> {
    let mut answers = Vec::new();
    answers.push(customer.write(project, customer.ids_and_secret()).await);
    let wrong = json!({ "client_secret": "a wrong secret of a tidy length" });
    answers.push(customer.order(project, "rotate", wrong).await);
    let rotation =
        json!({ "client_secret": next, "client_secret_expires_at": "2027-11-01T00:00:00Z" });
    answers.push(customer.order(project, "rotate", rotation).await);
    answers.push(
        customer
            .order(project, "apply", json!({ "dry_run": true }))
            .await,
    );
    answers.push(customer.order(project, "apply", json!({})).await);
    customer.grant(vault).await;
    let lost =
        json!({ "operation": "updateEncryptionAtRest", "action": { "kind": "malformed_json" } });
    customer.mount.atlas.fault(lost).await;
    answers.push(customer.order(project, "apply", json!({})).await);
    answers.push(customer.order(project, "apply", json!({})).await);
    answers.push(customer.order(project, "rollback", json!({})).await);
    answers.push(customer.check(project).await);
    for path in ["status", "check", "encryption-at-rest/azure?list=true"] {
        answers.push(customer.mount.read(path).await);
    }
    answers.push(customer.read(project).await);
    answers
}

#[tokio::test]
async fn a_static_secret_is_seen_by_atlas_and_the_sealed_entry_alone() {
    let bao = talkative_server("raw_storage_endpoint = true").await;
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    let customer = Customer::of(mount).await;
    let key = customer.vault("kv").await;
    let project = customer.encrypted("one", &key).await;
    let next = text(&customer.another_secret(86_400).await, "client_secret");
    let answers = all_answers(&customer, &project, "kv", &next).await;
    bao.kill_plugins().await;
    while !customer.read(&project).await.ok() {}

    let log = bao
        .log
        .once("a call", |log| log.contains("updateEncryptionAtRest"))
        .await;
    let audit = audit_log(&bao);
    assert!(audit.contains(&project) && audit.contains("hmac-sha256:"));
    for secret in [
        &customer.secret,
        &next,
        &"a wrong secret of a tidy length".to_owned(),
    ] {
        for answer in &answers {
            assert!(!answer.body.to_string().contains(secret), "{answer:?}");
        }
        assert!(
            !log.contains(secret.as_str()),
            "a secret is in the server's log"
        );
        assert!(
            !audit.contains(secret.as_str()),
            "a secret is in the audit log"
        );
    }
    let sealed = stored_with(&customer.mount.client, &next).await;
    let entry = format!("/{}", Customer::path(&project));
    assert_eq!(sealed.len(), 1, "{sealed:?}");
    assert!(sealed[0].ends_with(&entry), "{sealed:?}");
    for gone in [customer.secret.as_str(), "a wrong secret of a tidy length"] {
        let stored = stored_with(&customer.mount.client, gone).await;
        assert!(stored.is_empty(), "{stored:?}");
    }
    assert_eq!(customer.mount.atlas.state().await["cluster_stops"], 0);
}

const MIGRATION: &str = "encryption-at-rest/migrations/all";

/// Has a project with a secret in keeping changed over and back by a migration. All that it answers.
async fn migrated(customer: &Customer, project: &str) -> Vec<Answer> {
    let back = json!({ "static_credentials_after_role": "accept" });
    customer.mount.atlas.settings(back).await;
    let mut order = customer.ids();
    for (name, value) in [
        ("project_ids", json!([project])),
        ("keep_static", json!(true)),
        ("interval", json!("1s")),
        ("observe", json!("1s")),
    ] {
        order[name] = value;
    }
    let mut answers = vec![
        customer.mount.write(MIGRATION, order).await,
        customer.mount.read(MIGRATION).await,
    ];
    for (action, end) in [("start", "done"), ("rollback", "rolled_back")] {
        let act: Value = json!({ "action": action });
        answers.push(customer.mount.write(MIGRATION, act).await);
        let give_up = Instant::now() + Duration::from_mins(4);
        loop {
            let read = customer.mount.read(MIGRATION).await;
            let state = text(read.data(), "state");
            answers.push(read);
            if state == end {
                break;
            }
            assert!(Instant::now() < give_up, "{action}: {answers:?}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
    answers
}

/// One of which nobody knows whether Atlas took it is stored, and so are the entries of a migration.
#[tokio::test]
async fn a_lost_rotation_and_a_migration_keep_a_secret_in_the_sealed_entry_alone() {
    let bao = talkative_server("raw_storage_endpoint = true").await;
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    let customer = Customer::of(mount).await;
    let key = customer.vault("kv").await;
    customer.grant("kv").await;
    let (lost, moved) = (
        customer.encrypted("lost", &key).await,
        customer.encrypted("moved", &key).await,
    );
    let kept = json!({ "client_id": OWN_APP, "client_secret": customer.secret });
    let mut answers = vec![customer.write(&moved, kept).await];
    answers.extend(migrated(&customer, &moved).await);

    let next = text(&customer.another_secret(86_400).await, "client_secret");
    let never = json!({
        "operation": "updateEncryptionAtRest", "count": 0, "action": { "kind": "close" },
    });
    customer.mount.atlas.fault(never).await;
    let rotation = json!({ "client_secret": next });
    let answer = customer.order(&lost, "rotate", rotation).await;
    assert!(!answer.ok(), "{answer:?}");
    answers.push(answer);
    // In the middle of a try to send it again, and once more from what is stored.
    bao.kill_plugins().await;
    while !customer.read(&lost).await.ok() {}
    bao.log.ticks(2).await;
    assert_eq!(customer.state(&lost).await, "rotating");
    for path in ["status", "check"] {
        answers.push(customer.mount.read(path).await);
    }
    answers.push(customer.read(&lost).await);
    let (log, audit) = (bao.log.text(), audit_log(&bao));
    for (secret, project) in [(&next, &lost), (&customer.secret, &moved)] {
        for answer in &answers {
            assert!(!answer.body.to_string().contains(secret), "{answer:?}");
        }
        assert!(!log.contains(secret.as_str()), "in the server's log");
        assert!(!audit.contains(secret.as_str()), "in the audit log");
        let stored = stored_with(&customer.mount.client, secret).await;
        assert_eq!(stored.len(), 1, "{stored:?}");
        assert!(stored[0].ends_with(&Customer::path(project)), "{stored:?}");
    }
    customer.nothing_else_was_touched().await;
}

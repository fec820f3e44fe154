//! The end of a secret that nobody rotates: warned of in time, told when it has come, and mended.

use std::time::Duration;

use serde_json::{Value, json};

use super::account::{Account, mints, secret, text};
use super::{mount, turn};
use crate::support::{Bao, Mount};

fn days(days: u64) -> Duration {
    Duration::from_hours(days * 24)
}

async fn warnings(mount: &Mount, path: &str) -> String {
    let answer = mount.read(path).await;
    assert!(answer.ok(), "{answer:?}");
    answer.warnings()
}

#[tokio::test]
async fn people_are_warned_before_a_secret_ends_and_told_what_to_do_after() {
    let bao = Bao::dev_with_clock();
    let app = mount(&bao).await;
    let accounts = [
        ("admin", Account::new(&app, "one", "ORG_MEMBER").await),
        ("self", Account::new(&app, "two", "ORG_OWNER").await),
    ];
    for (mode, account) in &accounts {
        let by_hand = json!({ "rotation_mode": mode, "secret_ttl": "40d", "rotation_period": 0 });
        assert_eq!(account.adopt(&app, mode, by_hand).await, "");
    }
    turn(&bao, &[&app], days(11)).await;
    for (mode, _) in &accounts {
        for path in ["static-roles", "static-creds"] {
            let told = warnings(&app, &format!("{path}/{mode}")).await;
            assert!(
                told.contains("no automatic rotation is expected before that"),
                "{told}"
            );
        }
    }
    let status = app.read("status").await;
    let expiring = &status.data()["static_roles"]["expiring_roles"];
    assert_eq!(expiring.as_array().map(Vec::len), Some(2), "{status:?}");

    turn(&bao, &[&app], days(30)).await;
    for (mode, account) in &accounts {
        let path = format!("static-creds/{mode}");
        let told = warnings(&app, &path).await;
        assert!(told.contains("expired at"), "{told}");
        assert_eq!(told.contains("rotate-role"), *mode == "admin", "{told}");
        assert_eq!(app.read(&path).await.data()["ttl"], 0);
        assert!(!mints(&app, &account.client_id, &secret(&app, mode).await).await);
    }
    // The mount's credential can still help one account; the other needs a person.
    let rotated = app.write("rotate-role/admin", json!({})).await;
    assert!(rotated.ok(), "{rotated:?}");
    let refused = app.write("rotate-role/self", json!({})).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.errors().contains("client_secret:"), "{refused:?}");
    given_by_hand(&app, &accounts[1].1).await;
    for (mode, account) in &accounts {
        let present = secret(&app, mode).await;
        assert!(mints(&app, &account.client_id, &present).await, "{mode}");
        assert_eq!(warnings(&app, &format!("static-creds/{mode}")).await, "");
    }
}

/// A person makes a secret in Atlas and writes it.
async fn given_by_hand(mount: &Mount, account: &Account) {
    let body = json!({ "client_id": account.client_id, "hours": 8_760 });
    let made = mount.atlas.control("POST", "/secrets", body).await;
    let secret = text(&made["client_secret"]);
    let written = mount
        .write("static-roles/self", json!({ "client_secret": secret }))
        .await;
    assert!(written.ok(), "{written:?}");
    let rotated = mount
        .write("rotate-role/self", json!({ "force": true }))
        .await;
    assert!(rotated.ok(), "{rotated:?}");
}

#[tokio::test]
async fn the_end_of_the_mounts_own_secret_is_warned_of() {
    let bao = Bao::dev_with_clock();
    let mount = Mount::on(&bao.client()).await;
    let written = mount.write("config", mount.atlas.account_config()).await;
    assert!(written.ok(), "{written:?}");
    assert_eq!(warnings(&mount, "config").await, "");
    turn(&bao, &[&mount], days(340)).await;
    let told = warnings(&mount, "config").await;
    assert!(told.contains("this mount's configuration"), "{told}");
    let rotated = mount
        .write("config/rotate-root", Value::from_iter([("force", true)]))
        .await;
    assert!(rotated.ok(), "{rotated:?}");
    assert_eq!(warnings(&mount, "config").await, "");
}

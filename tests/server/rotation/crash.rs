//! The plugin killed in the middle of rotations: the next periodic runs finish them, and meanwhile
//! whoever reads gets a secret that mints.

use std::time::Duration;

use serde_json::{Value, json};

use super::account::{Account, Readers, let_everybody_mint, secret, text, until};
use super::turn;
use crate::support::{Bao, Mount};

/// Long enough that all faults are met while the first still holds.
const HELD: u64 = 30;

/// Holds one request of the engine about that account, or any.
pub(super) async fn hold(
    mount: &Mount,
    operation: &str,
    client_id: Option<&str>,
    after_effect: bool,
) {
    let action = json!({ "kind": "delay", "seconds": HELD, "after_effect": after_effect });
    let mut fault = json!({ "operation": operation, "action": action });
    if let Some(client_id) = client_id {
        let org = mount.atlas.org();
        let path = format!("/api/atlas/v2/orgs/{org}/serviceAccounts/{client_id}/");
        fault["path_prefix"] = json!(path);
    }
    mount.atlas.fault(fault).await;
}

/// Whether every fault of these mounts has met its request.
pub(super) async fn all_held(mounts: &[&Mount]) -> bool {
    for mount in mounts {
        let faults = mount.atlas.control("GET", "/faults", Value::Null).await;
        let all = faults["faults"].as_array().unwrap();
        if all.iter().any(|fault| fault["applied"] == 0) {
            return false;
        }
    }
    true
}

/// The mounts whose own credential is rotated when the plugin is killed, and where that strikes.
async fn roots(bao: &Bao) -> Vec<Mount> {
    let mut roots = Vec::new();
    for (is_key, operation) in [
        (true, "createOrgApiKey"),
        (false, "createOrgSecret"),
        (false, "deleteOrgSecret"),
    ] {
        let mount = Mount::on(&bao.client()).await;
        let mut config = if is_key {
            mount.atlas.key_config()
        } else {
            mount.atlas.account_config()
        };
        config["rotation_period"] = json!("2h");
        let written = mount.write("config", config).await;
        assert!(written.ok(), "{written:?}");
        mount.org_role("r", 600, 0).await;
        hold(&mount, operation, None, true).await;
        roots.push(mount);
    }
    roots
}

#[tokio::test]
async fn what_a_killed_plugin_left_half_rotated_is_finished_by_the_next_ticks() {
    let bao = Bao::dev_with_clock();
    let app = super::mount(&bao).await;
    let mut accounts = Vec::new();
    for (name, operation, after_effect) in [
        ("asked", "createOrgSecret", false),
        ("made", "createOrgSecret", true),
        ("ending", "deleteOrgSecret", false),
        ("ended", "deleteOrgSecret", true),
    ] {
        let account = Account::new(&app, name, "ORG_MEMBER").await;
        let rotates = operation == "createOrgSecret";
        let period = if rotates { "2h" } else { "0" };
        let options = json!({ "rotation_period": period, "overlap": "1h" });
        account.adopt(&app, name, options).await;
        hold(&app, operation, Some(&account.client_id), after_effect).await;
        accounts.push((name, rotates, secret(&app, name).await, account));
    }
    let roots = roots(&bao).await;
    let mut all = vec![&app];
    all.extend(&roots);
    let readers = Readers::of(&app, &["asked", "made", "ending", "ended"]);

    turn(&bao, &all, Duration::from_hours(3)).await;
    until("every fault", async || all_held(&all).await).await;
    let clock = bao.clock.as_ref().expect("a clock to turn");
    clock.start_anew(killed(&bao, &all)).await;

    for (name, rotates, before, account) in &accounts {
        until(&format!("the end of what was begun: {name}"), async || {
            let role = app.read(&format!("static-roles/{name}")).await;
            let secrets = account.secrets(&app).await;
            let rotated = role.ok() && secret(&app, name).await != *before;
            // What is no longer at Atlas is proved gone by two looks, seconds apart.
            let kept = role.data()["previous_secrets"].as_array().map(Vec::len);
            let settled = kept == Some(usize::from(*rotates));
            rotated == *rotates && settled && secrets == if *rotates { 2 } else { 1 }
        })
        .await;
        let role = app.read(&format!("static-roles/{name}")).await;
        let role = role.data();
        assert_eq!(role["rotation_in_progress"], false, "{name}: {role}");
        assert!(role.get("last_error").is_none(), "{name}: {role}");
    }
    for mount in &roots {
        is_whole(mount).await;
    }
    for seen in readers.stop().await {
        assert!(seen.minted > 100 && seen.secrets <= 2, "{seen:?}");
    }
}

/// The plugin is killed, and answers again.
async fn killed(bao: &Bao, mounts: &[&Mount]) {
    bao.kill_plugins().await;
    for mount in mounts {
        mount.atlas.no_more_faults().await;
    }
    while !mounts[0].read("config").await.ok() {}
}

/// Rotated, with nothing left in Atlas but the one credential, and at work.
async fn is_whole(mount: &Mount) {
    let_everybody_mint(mount).await;
    until("the end of the mount's own rotation", async || {
        let config = mount.read("config").await;
        let waiting = config.data().get("pending_deletions").is_some();
        config.data()["last_rotated"].is_string() && !waiting
    })
    .await;
    let config = mount.read("config").await;
    let config = config.data();
    assert!(config.get("last_error").is_none(), "{config}");
    if let Some(client_id) = config.get("client_id") {
        let account = mount.atlas.known(&text(client_id)).await;
        assert_eq!(account["secrets"].as_array().map(Vec::len), Some(1));
    } else {
        // The seed's key has given way to this one.
        assert_eq!(mount.atlas.credentials().await.len(), 1);
    }
    let lease = mount.issue("r").await.lease_id();
    assert!(mount.revoke(&lease).await.ok());
}

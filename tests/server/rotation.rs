//! Rotation on a real server, driven by the server's own tick: static roles, and the credential of
//! the mount itself. Hours and days pass by turning the clocks of plugin and simulator.

mod account;
mod crash;
mod ends;
mod input;
mod leader;
mod root;
mod schedules;
mod two_hundred;

use std::time::Duration;

use serde_json::json;

use self::account::{Account, Readers, let_everybody_mint, mints, secret, text, until};
use crate::support::{Bao, Mount};

/// Turns the plugin's clock, and that of the Atlas of each mount.
async fn turn(bao: &Bao, mounts: &[&Mount], by: Duration) {
    for mount in mounts {
        mount.atlas.turn_clock(by).await;
    }
    bao.clock.as_ref().expect("a clock to turn").turn(by);
}

/// A mount on a server of its own, whose readers may mint as often as they like.
async fn mount(bao: &Bao) -> Mount {
    let mount = Mount::on(&bao.client()).await;
    let_everybody_mint(&mount).await;
    mount.configure().await;
    mount
}

/// Both modes, by hand and by tick, and beside them the mounts' own credentials: one server, so that
/// all wait for the same ticks.
#[tokio::test]
async fn what_is_due_is_rotated_by_the_periodic_run_and_readers_never_hold_a_dead_secret() {
    let bao = Bao::dev_with_clock();
    let app = mount(&bao).await;
    let accounts = [
        ("admin", Account::new(&app, "one", "ORG_MEMBER").await),
        ("self", Account::new(&app, "two", "ORG_OWNER").await),
    ];
    for (mode, account) in &accounts {
        let options = json!({
            "rotation_mode": mode, "rotation_period": "1d", "overlap": "1h", "secret_ttl": "3d",
        });
        let warnings = account.adopt(&app, mode, options).await;
        assert_eq!(warnings, "", "{mode}");
        let first = secret(&app, mode).await;
        assert_ne!(first, account.client_secret, "{mode}: rotated at once");
        for each in [&first, &account.client_secret] {
            assert!(mints(&app, &account.client_id, each).await, "{mode}");
        }
        shows_everything_but_secrets(&app, mode, &first).await;
    }
    let listed = app.list("static-roles").await;
    assert_eq!(listed.data()["keys"], json!(["admin", "self"]));
    let readers = Readers::of(&app, &["admin", "self"]);

    let roots = root::Due::on(&bao).await;
    let all = [&app, &roots.key, &roots.account];
    turn(&bao, &all, Duration::from_hours(3)).await;
    let by_hand = rotate_by_hand(&app, &accounts).await;

    turn(&bao, &all, Duration::from_hours(25)).await;
    for ((mode, account), old) in accounts.iter().zip(&by_hand) {
        until("a rotation by the tick", async || {
            secret(&app, mode).await != *old
        })
        .await;
        assert!(
            mints(&app, &account.client_id, old).await,
            "{mode}: its overlap has begun"
        );
        assert_eq!(account.secrets(&app).await, 2, "{mode}");
    }
    roots.are_rotated().await;

    turn(&bao, &all, Duration::from_hours(3)).await;
    for ((mode, account), old) in accounts.iter().zip(&by_hand) {
        until("the end of the replaced secret", async || {
            account.secrets(&app).await == 1
        })
        .await;
        assert!(!mints(&app, &account.client_id, old).await, "{mode}");
    }
    for seen in readers.stop().await {
        assert_eq!(seen.secrets, 3, "{seen:?}");
        // Hours that pass end the time of a request under way: at most one for each of the turns.
        assert!(seen.refused <= 3, "{seen:?}");
        assert!(seen.minted > 100, "{seen:?}");
    }
    let status = app.read("status").await;
    assert_eq!(status.data()["static_roles"]["failing"], 0, "{status:?}");
}

async fn shows_everything_but_secrets(mount: &Mount, mode: &str, secret: &str) {
    let role = mount.read(&format!("static-roles/{mode}")).await;
    let data = role.data();
    assert_eq!(data["rotation_mode"], mode);
    assert_eq!(data["rotation_period"], 86_400);
    assert_eq!(data["overlap"], 3_600);
    assert_eq!(data["secret_ttl"], 3 * 86_400);
    assert_eq!(data["rotation_in_progress"], false);
    assert_eq!(data["previous_secrets"].as_array().map(Vec::len), Some(1));
    assert!(!role.body.to_string().contains(secret), "{role:?}");
    let creds = mount.read(&format!("static-creds/{mode}")).await;
    let creds = creds.data();
    assert_eq!(creds["organization_id"], mount.atlas.org());
    assert_eq!(creds["client_id"], data["client_id"]);
    assert_eq!(creds["next_rotation"], data["next_rotation"]);
    let left = creds["ttl"].as_u64().unwrap();
    assert!((86_300..=86_400).contains(&left), "{left}");
    let mut names: Vec<_> = creds.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "client_id",
            "client_secret",
            "client_secret_expires_at",
            "last_rotated",
            "next_rotation",
            "organization_id",
            "ttl"
        ]
    );
}

/// Rotates both by hand; answers the secrets that came of it.
async fn rotate_by_hand(mount: &Mount, accounts: &[(&str, Account)]) -> Vec<String> {
    let mut made = Vec::new();
    for (mode, account) in accounts {
        let before = secret(mount, mode).await;
        let path = format!("rotate-role/{mode}");
        let rotated = mount.write(&path, json!({})).await;
        assert!(rotated.data()["last_rotated"].is_string(), "{rotated:?}");
        let after = secret(mount, mode).await;
        assert_ne!(before, after, "{mode}");
        assert!(!rotated.body.to_string().contains(&after), "{rotated:?}");
        assert!(mints(mount, &account.client_id, &before).await, "{mode}");
        let given = &account.client_secret;
        assert!(
            !mints(mount, &account.client_id, given).await,
            "{mode}: an account has two slots, and its time was over"
        );
        let again = mount.write(&path, json!({})).await;
        assert_eq!(again.status, 400, "{again:?}");
        assert!(again.errors().contains("force=true"), "{again:?}");
        made.push(after);
    }
    made
}

/// Nothing is turned here: the shortest period, as the clock on the wall has it.
#[tokio::test]
async fn a_period_of_a_minute_is_kept_in_real_time() {
    let mount = Mount::configured().await;
    let_everybody_mint(&mount).await;
    let account = Account::new(&mount, "app", "ORG_MEMBER").await;
    let options = json!({ "rotation_period": "60s", "overlap": "30s" });
    account.adopt(&mount, "app", options).await;
    let readers = Readers::of(&mount, &["app"]);
    let first = secret(&mount, "app").await;
    until("a rotation by the tick", async || {
        secret(&mount, "app").await != first
    })
    .await;
    assert!(
        mints(&mount, &account.client_id, &first).await,
        "its overlap"
    );
    let given = &account.client_secret;
    assert!(!mints(&mount, &account.client_id, given).await);
    for seen in readers.stop().await {
        assert_eq!((seen.secrets, seen.refused), (2, 0), "{seen:?}");
    }
}

#[tokio::test]
async fn static_roles_outlive_their_server() {
    let mut bao = Bao::on_disk().await;
    assert!(bao.register(&[]).await.ok());
    let mount = mount(&bao).await;
    let account = Account::new(&mount, "app", "ORG_MEMBER").await;
    account
        .adopt(&mount, "app", json!({ "rotation_period": "30d" }))
        .await;
    let role = mount.read("static-roles/app").await;
    let before = secret(&mount, "app").await;
    for crash in [false, true] {
        if crash {
            bao.crash_and_restart().await;
        } else {
            bao.restart().await;
        }
        assert_eq!(secret(&mount, "app").await, before);
        let after = mount.read("static-roles/app").await;
        assert_eq!(after.data(), role.data());
    }
    let forced = mount
        .write("rotate-role/app", json!({ "force": true }))
        .await;
    assert!(forced.ok(), "{forced:?}");
    let after = mount.read("static-creds/app").await;
    let after = text(&after.data()["client_secret"]);
    assert_ne!(after, before);
    assert!(mints(&mount, &account.client_id, &after).await);
}

//! A reader that polls and uses what it gets through two hundred rotations, in many of which
//! something goes wrong.

use std::time::Duration;

use serde_json::{Value, json};

use super::account::{Account, Readers, mints, secret, until};
use super::{mount, turn};
use crate::support::{Answer, Bao, Mount};

const ROTATIONS: usize = 200;

/// In so many rotations the plugin is killed once.
const KILL_EVERY: usize = 50;

/// What befalls a rotation.
enum Mishap {
    Fault(Value),
    /// Atlas takes a new secret only this many seconds after it has made it.
    LateSecret(u8),
}

fn mishaps() -> Vec<Mishap> {
    let refused = json!({ "kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN" });
    let broken = json!({ "kind": "answer", "status": 503, "text": "<html>down</html>" });
    let limited = json!({
        "kind": "answer", "status": 429, "code": "RATE_LIMITED_TOKEN_BUCKET",
        "headers": { "Retry-After": "1" },
    });
    let always = |operation| json!({ "operation": operation, "count": 0, "action": refused });
    let once = |operation, action: &Value| json!({ "operation": operation, "action": action });
    let mut faults = vec![
        always("createOrgSecret"),
        always("getOrgServiceAccount"),
        always("deleteOrgSecret"),
        once("createOrgSecret", &limited),
        once("createOrgSecret", &broken),
        once("deleteOrgSecret", &broken),
        once("oauthRevoke", &broken),
    ];
    for kind in ["lose_answer", "close", "cut_json", "malformed_json"] {
        for operation in ["createOrgSecret", "deleteOrgSecret"] {
            faults.push(once(operation, &json!({ "kind": kind })));
        }
    }
    let mut mishaps: Vec<_> = faults.into_iter().map(Mishap::Fault).collect();
    mishaps.push(Mishap::LateSecret(1));
    mishaps
}

impl Mishap {
    async fn strikes(&self, mount: &Mount) {
        match self {
            Self::Fault(fault) => mount.atlas.fault(fault.clone()).await,
            Self::LateSecret(seconds) => late_secrets(mount, *seconds).await,
        }
    }

    async fn is_over(&self, mount: &Mount) {
        match self {
            Self::Fault(_) => mount.atlas.no_more_faults().await,
            Self::LateSecret(_) => late_secrets(mount, 0).await,
        }
    }
}

async fn late_secrets(mount: &Mount, seconds: u8) {
    let settings = json!({ "new_credential_delay_seconds": seconds });
    mount.atlas.settings(settings).await;
}

async fn rotate(mount: &Mount) -> Answer {
    mount
        .write("rotate-role/app", json!({ "force": true }))
        .await
}

/// Rotates while the plugin is killed, and waits until it answers again.
async fn rotate_and_kill(bao: &Bao, mount: &Mount) {
    let killing = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        bao.kill_plugins().await;
        while !mount.read("config").await.ok() {}
    };
    let clock = bao.clock.as_ref().expect("a clock to turn");
    clock
        .start_anew(async {
            tokio::join!(rotate(mount), killing);
        })
        .await;
}

#[tokio::test]
async fn a_reader_never_holds_a_dead_secret_through_two_hundred_rotations_with_faults() {
    let bao = Bao::dev_with_clock();
    let app = mount(&bao).await;
    app.atlas.settings(json!({ "rate_limits": false })).await;
    let account = Account::new(&app, "app", "ORG_MEMBER").await;
    let options = json!({ "rotation_period": 0, "overlap": "1h" });
    account.adopt(&app, "app", options).await;
    let readers = Readers::of(&app, &["app"]);
    let mishaps = mishaps();

    for number in 0..ROTATIONS {
        let before = secret(&app, "app").await;
        turn(&bao, &[&app], Duration::from_hours(3)).await;
        if number % KILL_EVERY == KILL_EVERY / 2 {
            rotate_and_kill(&bao, &app).await;
        } else if number % 2 == 0 {
            let mishap = &mishaps[number / 2 % mishaps.len()];
            mishap.strikes(&app).await;
            let _ = rotate(&app).await;
            mishap.is_over(&app).await;
        }
        if secret(&app, "app").await == before {
            let rotated = rotate(&app).await;
            assert!(rotated.ok(), "rotation {number}: {rotated:?}");
        }
        let after = secret(&app, "app").await;
        assert_ne!(after, before, "rotation {number}");
        for each in [&before, &after] {
            let mints = mints(&app, &account.client_id, each).await;
            assert!(mints, "rotation {number}: its overlap");
        }
        assert_eq!(account.secrets(&app).await, 2, "rotation {number}");
    }

    turn(&bao, &[&app], Duration::from_hours(3)).await;
    until("the end of the last replaced secret", async || {
        account.secrets(&app).await == 1
    })
    .await;
    for seen in readers.stop().await {
        assert!(
            seen.minted > ROTATIONS && seen.secrets > ROTATIONS / 2,
            "{seen:?}"
        );
    }
}

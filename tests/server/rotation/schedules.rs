//! When things are rotated, and what is told when they are not: schedules and their windows, a change
//! of period, an account that is gone or full, and an Atlas that is away for a day.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::account::{Account, Readers, mints, secret, text, until};
use super::{mount, turn};
use crate::support::{Bao, Mount};

const DAY: Duration = Duration::from_hours(24);

/// Daily, and no later than an hour after that. At any time of day the first is late enough for what the
/// adoption replaced to be gone: an account holds two secrets.
async fn once_a_day(mount: &Mount) -> Value {
    let clock = mount.atlas.control("GET", "/clock", Value::Null).await;
    let hour = (time(&clock["now"]) + TimeDelta::hours(6)).format("%H");
    json!({ "rotation_schedule": format!("0 {hour} * * *"), "rotation_window": "1h" })
}

/// Daily, with secrets that outlive days without a rotation.
fn daily() -> Value {
    json!({ "rotation_period": "1d", "secret_ttl": "30d" })
}

fn time(value: &Value) -> DateTime<Utc> {
    let parsed = DateTime::parse_from_rfc3339(value.as_str().unwrap_or_default());
    parsed.expect("a time").to_utc()
}

/// How long it is until this time, by the turned clocks.
async fn until_then(mount: &Mount, then: DateTime<Utc>) -> Duration {
    let clock = mount.atlas.control("GET", "/clock", Value::Null).await;
    (then - time(&clock["now"]))
        .to_std()
        .expect("it is to come")
}

async fn role(mount: &Mount, name: &str) -> Value {
    let role = mount.read(&format!("static-roles/{name}")).await;
    role.data().clone()
}

/// Waits until the present secret is another, which it then answers.
async fn rotated(mount: &Mount, name: &str, before: &str) -> String {
    until(&format!("a rotation of {name}"), async || {
        secret(mount, name).await != before
    })
    .await;
    secret(mount, name).await
}

/// Waits until a failure is told with the role and in `status`, both with the next try.
async fn failure(mount: &Mount, name: &str) -> String {
    until(&format!("a failure of {name}"), async || {
        role(mount, name).await["last_error"].is_string()
    })
    .await;
    let role = role(mount, name).await;
    assert!(role["next_retry_time"].is_string(), "{role}");
    let status = mount.read("status").await;
    let failing = &status.data()["static_roles"]["failing_roles"];
    let told = failing
        .as_array()
        .and_then(|all| all.iter().find(|each| each["name"] == name));
    let told = told.unwrap_or_else(|| panic!("{name}: {failing}"));
    assert!(told["next_retry_time"].is_string(), "{told}");
    text(&role["last_error"])
}

/// A mount with a role of each case.
struct App {
    mount: Mount,
    gone: Account,
    full: Account,
}

impl App {
    async fn on(bao: &Bao) -> Self {
        let mount = mount(bao).await;
        let adopt = async |name: &str, options: Value| {
            let account = Account::new(&mount, name, "ORG_MEMBER").await;
            account.adopt(&mount, name, options).await;
            account
        };
        adopt("window", once_a_day(&mount).await).await;
        adopt("changed", json!({ "rotation_period": "30d" })).await;
        adopt("by-hand", json!({ "rotation_period": 0 })).await;
        let gone = adopt("gone", daily()).await;
        let full = adopt("full", daily()).await;
        Self { mount, gone, full }
    }
}

/// Mounts whose own key is rotated on a schedule, and never although a period is set.
async fn roots(bao: &Bao) -> [Mount; 2] {
    let [scheduled, disabled] = [mount(bao).await, mount(bao).await];
    let never = json!({ "rotation_period": "1d", "disable_automated_rotation": true });
    let once = once_a_day(&scheduled).await;
    for (mount, options) in [(&scheduled, once), (&disabled, never)] {
        let written = mount.write("config", options).await;
        assert!(written.ok(), "{written:?}");
    }
    [scheduled, disabled]
}

/// A mount with a role, both rotated daily, whose Atlas will be away.
async fn left_alone(bao: &Bao) -> Mount {
    let mount = mount(bao).await;
    let config = json!({ "rotation_period": "1d" });
    assert!(mount.write("config", config).await.ok());
    let account = Account::new(&mount, "app", "ORG_MEMBER").await;
    account.adopt(&mount, "app", daily()).await;
    mount
}

#[tokio::test]
async fn times_are_kept_as_written_and_what_keeps_from_it_is_reported() {
    let bao = Bao::dev_with_clock();
    let app = App::on(&bao).await;
    let [scheduled, disabled] = roots(&bao).await;
    let alone = left_alone(&bao).await;
    let all = [&app.mount, &scheduled, &disabled, &alone];
    let names = ["window", "changed", "by-hand", "gone", "full"];
    let mut first = std::collections::BTreeMap::new();
    for name in names {
        first.insert(name, secret(&app.mount, name).await);
    }
    let readers = Readers::of(&app.mount, &["window", "changed", "by-hand", "full"]);

    // The clocks leap over the window.
    let window_ends = time(&role(&app.mount, "window").await["next_rotation"]).max(time(
        &scheduled.read("config").await.data()["next_rotation"],
    )) + TimeDelta::minutes(65);
    turn(&bao, &all, until_then(&app.mount, window_ends).await).await;
    is_missed(&app.mount, &scheduled).await;
    assert_eq!(secret(&app.mount, "window").await, first["window"]);
    shorter_period(&app.mount).await;

    // Into the next one, and past the period of everybody else.
    goes_wrong(&app, &alone).await;
    let next_day = time(&role(&app.mount, "window").await["next_rotation"]).max(time(
        &scheduled.read("config").await.data()["next_rotation"],
    )) + TimeDelta::minutes(5);
    turn(&bao, &all, until_then(&app.mount, next_day).await).await;
    rotated(&app.mount, "window", &first["window"]).await;
    rotated(&app.mount, "changed", &first["changed"]).await;
    until("a rotation by schedule", async || {
        scheduled.read("config").await.data()["last_rotated"].is_string()
    })
    .await;
    is_told(&app, &alone).await;

    // A day later everybody has come to rest, but for the account that is gone.
    alone.atlas.no_more_faults().await;
    let before = secret(&alone, "app").await;
    turn(&bao, &all, DAY + Duration::from_hours(1)).await;
    rotated(&app.mount, "full", &first["full"]).await;
    rotated(&alone, "app", &before).await;
    until("a rotation of the key", async || {
        alone.read("config").await.data()["last_rotated"].is_string()
    })
    .await;
    assert_eq!(secret(&app.mount, "by-hand").await, first["by-hand"]);
    let config = disabled.read("config").await;
    assert_eq!(config.data()["last_rotated"], Value::Null, "{config:?}");
    for seen in readers.stop().await {
        // Hours that pass end the time of a request under way: at most one for each of the turns.
        assert!(seen.minted > 100 && seen.refused <= 3, "{seen:?}");
    }
}

/// Both the role and the mount's own key wait for the next moment, and say so.
async fn is_missed(app: &Mount, scheduled: &Mount) {
    until("a missed window", async || {
        let config = scheduled.read("config").await;
        let role = role(app, "window").await;
        role["last_missed_rotation"].is_string()
            && config.data()["last_missed_rotation"].is_string()
    })
    .await;
    assert_eq!(
        scheduled.read("config").await.data()["last_rotated"],
        Value::Null
    );
}

/// A change of period counts from the last rotation, at once.
async fn shorter_period(app: &Mount) {
    let changed = json!({ "rotation_period": "1d" });
    let written = app.write("static-roles/changed", changed).await;
    assert!(written.ok(), "{written:?}");
    let role = role(app, "changed").await;
    let between = time(&role["next_rotation"]) - time(&role["last_rotated"]);
    assert_eq!(between, TimeDelta::days(1));
}

/// An account is deleted by hand, another gets a second secret, and one Atlas is away.
async fn goes_wrong(app: &App, alone: &Mount) {
    let path = format!("/accounts/{}", app.gone.client_id);
    app.mount.atlas.control("DELETE", &path, Value::Null).await;
    until("a free place", async || {
        app.full.secrets(&app.mount).await == 1
    })
    .await;
    let body = json!({ "client_id": app.full.client_id });
    let second = app.mount.atlas.control("POST", "/secrets", body).await;
    let second = text(&second["client_secret"]);
    assert!(mints(&app.mount, &app.full.client_id, &second).await);
    let down = json!({ "kind": "answer", "status": 503, "text": "<html>down</html>" });
    let fault = json!({ "count": 0, "unauthenticated": true, "action": down });
    alone.atlas.fault(fault).await;
}

async fn is_told(app: &App, alone: &Mount) {
    let told = failure(&app.mount, "gone").await;
    assert!(told.contains("was it deleted by hand?"), "{told}");
    let told = failure(&app.mount, "full").await;
    assert!(told.contains("two secrets"), "{told}");
    failure(alone, "app").await;
    until("a failure of the key's rotation", async || {
        let config = alone.read("config").await;
        config.data()["next_retry_time"].is_string()
    })
    .await;
    assert!(alone.read("static-creds/app").await.ok());
}

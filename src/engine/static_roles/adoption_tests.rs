//! Taking accounts into care, and refusing what cannot work.

use serde_json::{Value, json};

use super::tests::{DAY, HOUR, Rotated, refusal};
use crate::engine::testing::TestMount;

#[tokio::test]
async fn an_account_is_rotated_when_it_is_adopted() {
    let app = Rotated::every_day().await;
    let creds = app.creds().await;
    assert_eq!(creds["client_id"], json!(app.account.client_id));
    assert_eq!(creds["organization_id"], json!(app.mount.atlas.org()));
    assert_eq!(creds["ttl"], json!(DAY));
    assert!(app.works().await);
    assert!(
        app.mints(&app.account.secret).await,
        "its overlap has begun"
    );
    assert_eq!(app.secrets_at_atlas().await, 2);
    app.pass(HOUR + HOUR / 2).await;
    assert!(!app.mints(&app.account.secret).await);
    assert!(app.works().await);
    assert_eq!(app.secrets_at_atlas().await, 1);
}

#[tokio::test]
async fn the_probe_token_is_revoked() {
    let app = Rotated::every_day().await;
    let state = app.mount.atlas.account_state(&app.account.client_id).await;
    assert_eq!(state["live_tokens"], json!(0));
}

#[tokio::test]
async fn reads_show_everything_but_secrets() {
    let app = Rotated::every_day().await;
    let shown = app.shown().await;
    for field in [
        "client_id",
        "organization_id",
        "project_id",
        "rotation_mode",
        "rotation_period",
        "rotation_schedule",
        "rotation_window",
        "secret_ttl",
        "overlap",
        "last_rotated",
        "next_rotation",
        "client_secret_expires_at",
        "previous_secrets",
    ] {
        assert!(shown.contains_key(field), "{field} is missing in {shown:?}");
    }
    assert!(!json!(shown).to_string().contains("mdb_sa_sk_"));
    let listed = TestMount::data(app.mount.list("static-roles/").await);
    assert_eq!(listed["keys"], json!(["app"]));
}

#[tokio::test]
async fn a_given_secret_is_kept_until_the_first_rotation_is_due() {
    let app = not_yet_adopted().await;
    let secret = app.account.secret.clone();
    let kept = json!({
        "client_secret": secret, "skip_initial_rotation": true, "rotation_period": DAY,
    });
    app.write(kept).await.expect("a role");
    assert_eq!(app.secret().await, secret);
    assert_eq!(app.secrets_at_atlas().await, 1);
    assert!(!app.creds().await["client_secret_expires_at"].is_null());
    app.pass(DAY + 1).await;
    assert_ne!(app.secret().await, secret);
    assert!(app.mints(&secret).await && app.works().await);
}

/// Writes that must be refused: the fault is told with its field, and nothing is stored.
async fn refuses(app: &Rotated, cases: Vec<(Value, &str)>) {
    let keys = app.mount.storage.keys();
    for (options, told) in cases {
        let refused = app.write(options.clone()).await.expect_err("refused");
        assert!(refused.contains(told), "{options}: {refused}");
        assert_eq!(app.mount.storage.keys(), keys, "{options}");
    }
    assert_eq!(app.secrets_at_atlas().await, 1);
}

async fn not_yet_adopted() -> Rotated {
    let mount = TestMount::configured().await;
    let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
    Rotated { mount, account }
}

#[tokio::test]
async fn accounts_that_cannot_be_rotated_are_refused() {
    let app = not_yet_adopted().await;
    let other = json!({"name": "other"});
    let other = app.mount.atlas.control("POST", "/orgs", other).await["id"].clone();
    let unknown = "mdb_sa_id_0123456789abcdef01234567";
    let project = app.mount.atlas.project(0);
    let cases = vec![
        (json!({"client_id": "x"}), "client_id: a client id is"),
        (
            json!({"client_id": unknown}),
            "client_id: Atlas knows no service account",
        ),
        (
            json!({"organization_id": other}),
            "organization_id: this mount's credential belongs",
        ),
        (
            json!({"organization_id": ""}),
            "organization_id: is missing",
        ),
        (
            json!({"project_id": project}),
            "project_id: give organization_id or",
        ),
        (
            json!({"client_secret": "mdb_sa_sk_wrong"}),
            "client_secret: Atlas gives no access token",
        ),
        (
            json!({"rotation_mode": "self"}),
            "client_secret: is needed for rotation_mode=self",
        ),
        (
            json!({"rotation_mode": "both"}),
            "rotation_mode: give admin or self",
        ),
        (
            json!({"skip_initial_rotation": true}),
            "client_secret: is needed with skip",
        ),
    ];
    refuses(&app, cases).await;
}

#[tokio::test]
async fn times_that_do_not_go_together_are_refused() {
    let app = not_yet_adopted().await;
    let daily = "0 0 * * *";
    let cases = vec![
        (
            json!({"rotation_period": DAY, "secret_ttl": DAY}),
            "secret_ttl: must be longer than",
        ),
        (
            json!({"secret_ttl": "9000h"}),
            "secret_ttl: must be 8 hours to 365",
        ),
        (json!({"secret_ttl": "1h"}), "secret_ttl: must be 8 hours"),
        (
            json!({"rotation_period": 59}),
            "rotation_period: must be at least 60 s",
        ),
        (
            json!({"rotation_period": "9000h"}),
            "rotation_period: the time between",
        ),
        (
            json!({"rotation_period": HOUR}),
            "overlap: must be shorter than the time",
        ),
        (json!({"overlap": "8d"}), "overlap: must be at most 7 days"),
        (
            json!({"rotation_period": 1, "rotation_schedule": daily}),
            "rotation_schedule: give",
        ),
        (
            json!({"rotation_schedule": "0 0 * *"}),
            "rotation_schedule: has 4 fields",
        ),
        (
            json!({"rotation_schedule": daily, "rotation_window": 59}),
            "rotation_window: must be at",
        ),
        (
            json!({"rotation_schedule": daily, "rotation_window": "25h"}),
            "rotation_window: must not",
        ),
        (
            json!({"rotation_window": "1h"}),
            "rotation_window: has no meaning without",
        ),
    ];
    refuses(&app, cases).await;
}

#[tokio::test]
async fn all_faults_are_reported_at_once() {
    let mount = TestMount::configured().await;
    let refused = mount
        .write(
            "static-roles/app",
            json!({"overlap": "8d", "rotation_window": 1}),
        )
        .await;
    let refused = refusal(refused).expect_err("refused");
    for field in [
        "client_id: is missing",
        "organization_id: is missing",
        "overlap: ",
        "rotation_window: ",
    ] {
        assert!(refused.contains(field), "{field} is missing in {refused}");
    }
}

#[tokio::test]
async fn the_organizations_longest_secret_lifetime_is_respected() {
    let app = not_yet_adopted().await;
    app.mount
        .atlas
        .fault(json!({
            "operation": "getOrgSettings", "count": 0,
            "action": {"kind": "answer", "status": 200, "body": limit_body()},
        }))
        .await;
    let refused = app
        .write(json!({"secret_ttl": "49h"}))
        .await
        .expect_err("too long");
    assert!(
        refused.contains("secret_ttl: the organization allows secrets of at most"),
        "{refused}"
    );
    let refused = app
        .write(json!({"rotation_period": "48h"}))
        .await
        .expect_err("too long");
    assert!(
        refused.contains("rotation_period: the time between two rotations"),
        "{refused}"
    );
    app.write(json!({"rotation_period": "40h"}))
        .await
        .expect("short enough");
    let state = app.mount.atlas.account_state(&app.account.client_id).await;
    let ends = state["secrets"][1]["expires_at"].as_str().expect("a time");
    let ends: chrono::DateTime<chrono::Utc> = ends.parse().expect("a time");
    let now = crate::base::Clock::now(&*app.mount.clock);
    assert!(
        ends - now <= chrono::TimeDelta::hours(48) + chrono::TimeDelta::minutes(1),
        "{ends}"
    );
}

fn limit_body() -> Value {
    json!({"maxServiceAccountSecretValidityInHours": 48, "apiAccessListRequired": false})
}

#[tokio::test]
async fn one_account_has_one_role() {
    let app = Rotated::every_day().await;
    let again = app
        .mount
        .write("static-roles/other", app.role(json!({})))
        .await;
    let refused = refusal(again).expect_err("refused");
    assert!(
        refused.contains("static role \"app\" rotates this account"),
        "{refused}"
    );
    let other = app.mount.atlas.account(json!(["ORG_MEMBER"])).await;
    let refused = app
        .write(json!({"client_id": other.client_id}))
        .await
        .expect_err("refused");
    assert!(
        refused.contains("client_id: cannot be changed"),
        "{refused}"
    );
}

#[tokio::test]
async fn the_configurations_own_account_is_no_static_role() {
    let mut mount = TestMount::configured().await;
    mount
        .write("config", mount.atlas.account_config())
        .await
        .expect("a configuration");
    let account = mount.atlas.seed_account();
    let role = json!({"client_id": account.client_id, "organization_id": mount.atlas.org()});
    let refused =
        refusal(mount.write("static-roles/app", role.clone()).await).expect_err("refused");
    assert!(
        refused.contains("client_id: this mount's configuration signs in"),
        "{refused}"
    );
    // Nor the other way round.
    mount
        .write("config", mount.atlas.key_config())
        .await
        .expect("a configuration");
    mount.write("static-roles/app", role).await.expect("a role");
    mount.restart().await;
    let refused = refusal(mount.write("config", mount.atlas.account_config()).await);
    let refused = refused.expect_err("refused");
    assert!(
        refused.contains("static role \"app\" rotates this account"),
        "{refused}"
    );
}

#[tokio::test]
async fn two_secrets_of_unknown_use_are_not_touched() {
    let app = not_yet_adopted().await;
    let wanted = json!({"client_id": app.account.client_id});
    app.mount.atlas.control("POST", "/secrets", wanted).await;
    let keys = app.mount.storage.keys();
    let refused = app.write(json!({})).await.expect_err("no room");
    assert!(refused.contains("already holds two secrets"), "{refused}");
    assert_eq!(app.mount.storage.keys(), keys);
    assert_eq!(app.secrets_at_atlas().await, 2);
    // Who says which one is in use gets the other out of the way.
    app.write(json!({"client_secret": app.account.secret}))
        .await
        .expect("a role");
    assert!(app.works().await && app.mints(&app.account.secret).await);
    assert_eq!(app.secrets_at_atlas().await, 2);
}

#[tokio::test]
async fn accounts_of_a_project_are_managed_there() {
    let mount = TestMount::configured().await;
    let project = mount.atlas.project(0).to_owned();
    let made = mount.atlas.control("POST", "/accounts", json!({
        "org_id": mount.atlas.org(), "name": "app", "home_project": project,
        "project_roles": {(project.clone()): ["GROUP_READ_ONLY"]}, "org_roles": ["ORG_MEMBER"],
    })).await;
    let role = json!({"client_id": made["client_id"], "project_id": project});
    mount.write("static-roles/app", role).await.expect("a role");
    let creds = TestMount::data(mount.read("static-creds/app").await);
    assert_eq!(creds["organization_id"], json!(mount.atlas.org()));
    let operations = mount.atlas.operations().await;
    assert_eq!(operations["createGroupSecret"], json!(1), "{operations}");
}

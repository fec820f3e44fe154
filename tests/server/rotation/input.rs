//! What is wrong is refused with the field's name, and nothing of it is stored.

use serde_json::{Value, json};

use super::account::{Account, let_everybody_mint, text};
use crate::support::Mount;

/// A mount with an account that could be adopted, and what a good write would be.
struct Ground {
    mount: Mount,
    account: Account,
}

impl Ground {
    async fn new() -> Self {
        let mount = Mount::configured().await;
        let_everybody_mint(&mount).await;
        let account = Account::new(&mount, "app", "ORG_MEMBER").await;
        Self { mount, account }
    }

    /// A good write with these fields changed; null leaves one out.
    fn with(&self, changes: &Value) -> Value {
        let mut role = self.account.role(&self.mount, changes);
        let fields = role.as_object_mut().unwrap();
        fields.retain(|_, value| !value.is_null());
        role
    }

    async fn refuses(&self, changes: Value, field: &str) {
        let role = self.with(&changes);
        let refused = self.mount.write("static-roles/app", role).await;
        assert_eq!(refused.status, 400, "{changes}: {refused:?}");
        let told = refused.errors();
        assert!(told.contains(&format!("{field}:")), "{changes}: {told}");
        let secret = &self.account.client_secret;
        assert!(!told.contains(secret), "{changes}: {told}");
        let listed = self.mount.list("static-roles").await;
        assert_eq!(listed.status, 404, "{changes} left {listed:?}");
        let creds = self.mount.read("static-creds/app").await;
        assert_eq!(creds.status, 400, "{changes}: {creds:?}");
    }
}

#[tokio::test]
async fn accounts_and_secrets_that_cannot_be_kept_fresh_are_refused() {
    let ground = Ground::new().await;
    let atlas = &ground.mount.atlas;
    let other = atlas
        .control("POST", "/orgs", json!({ "name": "other" }))
        .await;
    let body = json!({ "org_id": other["id"], "name": "theirs", "org_roles": ["ORG_OWNER"] });
    let theirs = atlas.control("POST", "/accounts", body).await;
    let unknown = format!("mdb_sa_id_{}", "0".repeat(24));
    let config = atlas.account_config();
    let their_client = json!({
        "client_id": theirs["client_id"], "client_secret": theirs["client_secret"],
    });
    let mut in_their_org = their_client.clone();
    in_their_org["organization_id"] = other["id"].clone();
    for (changes, field) in [
        (json!({ "client_id": null }), "client_id"),
        (json!({ "client_id": "app" }), "client_id"),
        (
            json!({ "client_id": unknown, "client_secret": null }),
            "client_id",
        ),
        (their_client, "client_id"),
        (in_their_org, "organization_id"),
        (json!({ "organization_id": null }), "organization_id"),
        (
            json!({ "organization_id": "0".repeat(24) }),
            "organization_id",
        ),
        (
            json!({ "organization_id": null, "project_id": "0".repeat(24) }),
            "project_id",
        ),
        (json!({ "project_id": atlas.project(0) }), "project_id"),
        (
            json!({ "client_secret": "mdb_sa_sk_wrong" }),
            "client_secret",
        ),
        (
            json!({ "client_id": unknown, "client_secret": config["client_secret"] }),
            "client_secret",
        ),
        (
            json!({ "client_secret": null, "rotation_mode": "self" }),
            "client_secret",
        ),
        (
            json!({ "client_secret": null, "skip_initial_rotation": true }),
            "client_secret",
        ),
        (json!({ "rotation_mode": "both" }), "rotation_mode"),
    ] {
        ground.refuses(changes, field).await;
    }
    assert_eq!(ground.account.secrets(&ground.mount).await, 1);
    let role = ground.with(&json!({}));
    let written = ground.mount.write("static-roles/app", role).await;
    assert!(written.ok(), "what the table changes was good: {written:?}");
    assert_eq!(
        text(&ground.mount.read("static-roles/app").await.data()["client_id"]),
        ground.account.client_id
    );
}

#[tokio::test]
async fn times_that_cannot_be_kept_are_refused() {
    let ground = Ground::new().await;
    for (changes, field) in [
        (
            json!({ "rotation_period": "8h", "overlap": "1h", "secret_ttl": "9h" }),
            "secret_ttl",
        ),
        (json!({ "secret_ttl": "7h" }), "secret_ttl"),
        (json!({ "secret_ttl": "366d" }), "secret_ttl"),
        (
            json!({ "rotation_period": "1d", "rotation_schedule": "0 3 * * *" }),
            "rotation_schedule",
        ),
        (
            json!({ "rotation_schedule": "0 3 * *" }),
            "rotation_schedule",
        ),
        (
            json!({ "rotation_schedule": "0 0 30 2 *" }),
            "rotation_schedule",
        ),
        (
            json!({ "rotation_schedule": "0 3 * * *", "rotation_window": "59s" }),
            "rotation_window",
        ),
        (
            json!({ "rotation_schedule": "0 3 * * *", "rotation_window": "25h" }),
            "rotation_window",
        ),
        (json!({ "rotation_window": "1h" }), "rotation_window"),
        (json!({ "rotation_period": "59s" }), "rotation_period"),
        (json!({ "rotation_period": "soon" }), "rotation_period"),
        (json!({ "rotation_period": "365d" }), "rotation_period"),
        (
            json!({ "rotation_period": "30m", "overlap": "30m" }),
            "overlap",
        ),
        (json!({ "overlap": "8d" }), "overlap"),
        (json!({ "overlap": -1 }), "overlap"),
    ] {
        ground.refuses(changes, field).await;
    }
    assert_eq!(ground.account.secrets(&ground.mount).await, 1);
}

#[tokio::test]
async fn one_account_is_rotated_in_one_place() {
    let ground = Ground::new().await;
    let mount = &ground.mount;
    ground.account.adopt(mount, "app", json!({})).await;
    let role = ground.with(&json!({}));
    let second = mount.write("static-roles/again", role.clone()).await;
    assert_eq!(second.status, 400, "{second:?}");
    assert!(second.errors().contains("\"app\""), "{second:?}");
    let body = json!({
        "client_id": ground.account.client_id, "client_secret": ground.account.client_secret,
    });
    let config = mount.write("config", body).await;
    assert_eq!(config.status, 400, "{config:?}");
    assert!(config.errors().contains("client_id:"), "{config:?}");
    let deleted = mount.delete("static-roles/app").await;
    assert!(deleted.ok(), "{deleted:?}");
    assert_eq!(mount.read("static-creds/app").await.status, 400);
    assert_eq!(mount.read("rotate-role/app").await.status, 405);
    let gone = mount.write("rotate-role/app", json!({})).await;
    assert_eq!(gone.status, 400, "{gone:?}");
    assert!(gone.errors().contains("no static role"), "{gone:?}");
}

/// This server asks for the canonical path first, so that its policies hold for every spelling.
#[tokio::test]
async fn a_static_role_is_found_in_any_case_and_its_policy_holds_for_all() {
    let ground = Ground::new().await;
    let mount = &ground.mount;
    let written = mount
        .write("static-roles/APP", ground.with(&json!({})))
        .await;
    assert!(written.ok(), "{written:?}");
    assert_eq!(
        mount.list("static-roles").await.data()["keys"],
        json!(["app"])
    );
    let rule = format!(
        "path \"{0}/static-creds/*\" {{ capabilities = [\"read\"] }}
         path \"{0}/static-creds/app\" {{ capabilities = [\"deny\"] }}",
        mount.path
    );
    let policy = format!("sys/policies/acl/{}", mount.path);
    let written = mount.client.write(&policy, json!({ "policy": rule })).await;
    assert!(written.ok(), "{written:?}");
    let body = json!({ "policies": [mount.path] });
    let token = mount.client.write("auth/token/create", body).await;
    let reader = mount
        .client
        .with_token(&text(&token.body["auth"]["client_token"]));
    for spelling in ["app", "APP"] {
        let path = format!("{}/static-creds/{spelling}", mount.path);
        assert!(mount.client.read(&path).await.ok(), "{spelling}");
        assert_eq!(reader.read(&path).await.status, 403, "{spelling}");
    }
}

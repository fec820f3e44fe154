//! However a lease ends, the credential is gone in Atlas.

use std::time::Duration;

use serde_json::json;

use crate::support::{Client, Mount};

#[tokio::test]
async fn a_lease_that_expires_takes_its_key_along() {
    let mount = Mount::configured().await;
    mount.org_role("short", 1, 2).await;
    mount.issue("short").await;
    assert_eq!(mount.atlas.credentials().await.len(), 1);
    mount.atlas.empties(Duration::from_secs(20)).await;
}

#[tokio::test]
async fn a_revoked_token_takes_its_leases_keys_along() {
    let mount = Mount::configured().await;
    mount.org_role("r", 600, 0).await;
    let policy = format!(
        "path \"{}/creds/*\" {{ capabilities = [\"read\"] }}",
        mount.path
    );
    let policies = format!("sys/policies/acl/{}", mount.path);
    assert!(
        mount
            .client
            .write(&policies, json!({ "policy": policy }))
            .await
            .ok()
    );
    let body = json!({ "policies": [mount.path], "ttl": "1h" });
    let token = mount.client.write("auth/token/create", body).await;
    let token = token.body["auth"]["client_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let application = mount.client.with_token(&token);
    for _ in 0..3 {
        let answer = application.read(&format!("{}/creds/r", mount.path)).await;
        assert!(answer.ok(), "{answer:?}");
    }
    assert_eq!(mount.atlas.credentials().await.len(), 3);
    let revoked = mount
        .client
        .write("auth/token/revoke", json!({ "token": token }))
        .await;
    assert!(revoked.ok());
    mount.atlas.empties(Duration::from_secs(20)).await;
}

#[tokio::test]
async fn a_revoked_prefix_takes_its_leases_keys_along() {
    let mount = Mount::configured().await;
    mount.org_role("kept", 600, 0).await;
    mount.org_role("ended", 600, 0).await;
    let kept = mount.issue("kept").await;
    for _ in 0..5 {
        mount.issue("ended").await;
    }
    let prefix = format!("sys/leases/revoke-prefix/{}/creds/ended", mount.path);
    assert!(
        mount
            .client
            .write(&prefix, json!({ "sync": false }))
            .await
            .ok()
    );
    mount.atlas.holds(1, Duration::from_secs(20)).await;
    let known = mount
        .atlas
        .known(kept.data()["public_key"].as_str().unwrap())
        .await;
    assert_eq!(known["desc"], kept.data()["description"]);
}

#[tokio::test]
async fn disabling_a_mount_with_live_leases_revokes_them_all() {
    let mount = Mount::configured().await;
    mount.org_role("r", 600, 0).await;
    for _ in 0..5 {
        mount.issue("r").await;
    }
    let disabled = mount
        .client
        .delete(&format!("sys/mounts/{}", mount.path))
        .await;
    assert!(disabled.ok(), "{disabled:?}");
    assert!(mount.atlas.credentials().await.is_empty());
}

#[tokio::test]
async fn disabling_a_mount_takes_the_accounts_kept_for_tokens_along() {
    let mount = Mount::configured().await;
    let role = json!({
        "credential_type": "access_token", "organization_id": mount.atlas.org(),
        "roles": "ORG_MEMBER",
    });
    mount.role("r", role).await;
    for _ in 0..3 {
        mount.issue("r").await;
    }
    assert_eq!(mount.atlas.credentials().await.len(), 1);
    let disabled = mount
        .client
        .delete(&format!("sys/mounts/{}", mount.path))
        .await;
    assert!(disabled.ok(), "{disabled:?}");
    assert!(mount.atlas.credentials().await.is_empty());
}

/// A role of this type, named as it.
async fn role_of_type(mount: &Mount, kind: &str) {
    let mut role = json!({ "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER" });
    if kind == "client_id" {
        let body = json!({ "org_id": mount.atlas.org(), "secret_hours": 0 });
        let account = mount.atlas.control("POST", "/accounts", body).await;
        role = json!({
            "credential_type": "service_account", "organization_id": mount.atlas.org(),
            "client_id": account["client_id"],
        });
    } else {
        role["credential_type"] = json!(kind);
    }
    mount.role(kind, role).await;
}

/// Where the control port deletes, as somebody would by hand, what was issued with this answer.
async fn places(mount: &Mount, kind: &str, issued: &serde_json::Value) -> Vec<String> {
    let part = |name: &str| issued[name].as_str().unwrap_or_default();
    let (public_key, client_id) = (part("public_key"), part("client_id"));
    let account = format!("/accounts/{client_id}");
    match kind {
        "programmatic_api_key" => {
            let key = mount.atlas.known(public_key).await;
            vec![format!("/keys/{}", key["id"].as_str().unwrap())]
        }
        "client_id" => {
            let known = mount.atlas.known(client_id).await;
            let secret = known["secrets"][0]["id"].as_str().unwrap();
            vec![format!("/secrets/{secret}"), account]
        }
        "access_token" => vec![format!("/tokens/{client_id}"), account],
        _ => vec![account],
    }
}

#[tokio::test]
async fn what_was_deleted_by_hand_counts_as_revoked() {
    let mount = Mount::configured().await;
    for (kind, places_to_try) in [
        ("programmatic_api_key", 1),
        ("service_account", 1),
        ("client_id", 2),
        ("access_token", 2),
    ] {
        role_of_type(&mount, kind).await;
        for number in 0..places_to_try {
            let issued = mount.issue(kind).await;
            let place = places(&mount, kind, issued.data()).await.remove(number);
            mount
                .atlas
                .control("DELETE", &place, serde_json::Value::Null)
                .await;
            let revoked = mount.revoke(&issued.lease_id()).await;
            assert!(revoked.ok(), "{kind} {place}: {revoked:?}");
            assert_eq!(mount.leases(kind).await, 0);
        }
    }
}

#[tokio::test]
async fn without_configuration_a_revocation_fails_and_the_lease_stays() {
    let mount = Mount::configured().await;
    mount.org_role("r", 600, 0).await;
    let lease = mount.issue("r").await.lease_id();
    let refused = mount.delete("config").await;
    assert_eq!(refused.status, 400);
    assert!(refused.errors().contains("force=true"), "{refused:?}");
    assert!(mount.delete("config?force=true").await.ok());
    let failed = mount.revoke(&lease).await;
    assert_eq!(failed.status, 400);
    assert!(failed.errors().contains("not configured"), "{failed:?}");
    assert_eq!(mount.leases("r").await, 1);
    assert_eq!(mount.atlas.credentials().await.len(), 1);
    mount.configure().await;
    assert!(mount.revoke(&lease).await.ok());
    assert!(mount.atlas.credentials().await.is_empty());
}

#[tokio::test]
async fn another_organizations_credential_does_not_take_a_lease_for_revoked() {
    let mount = Mount::configured().await;
    mount.org_role("r", 600, 0).await;
    let lease = mount.issue("r").await.lease_id();
    let other = mount
        .atlas
        .control("POST", "/orgs", json!({ "name": "other" }))
        .await;
    let body = json!({ "org_id": other["id"], "org_roles": ["ORG_OWNER"], "desc": "seed" });
    let key = mount.atlas.control("POST", "/keys", body).await;
    let body = json!({
        "public_key": key["public_key"], "private_key": key["private_key"], "organization_id": "",
    });
    let written = mount.write("config", body).await;
    assert!(written.ok(), "{written:?}");
    assert_eq!(
        mount.read("config").await.data()["organization_id"],
        other["id"]
    );
    let failed = mount.revoke(&lease).await;
    assert_eq!(failed.status, 400, "{failed:?}");
    assert_eq!(mount.leases("r").await, 1);
    mount
        .write("config", json!({ "organization_id": "" }))
        .await;
    let mut config = mount.atlas.key_config();
    config["organization_id"] = json!(mount.atlas.org());
    let written = mount.write("config", config).await;
    assert!(written.ok(), "{written:?}");
    assert!(mount.revoke(&lease).await.ok());
    mount.atlas.empties(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_renewal_that_asks_for_nothing_gets_the_roles_ttl() {
    let mount = Mount::configured().await;
    mount.org_role("r", 600, 7_200).await;
    let lease = mount.issue("r").await.lease_id();
    let renewed = mount.renew(&lease, 0).await;
    assert_eq!(renewed.body["lease_duration"], 600, "{renewed:?}");
    let renewed = mount.renew(&lease, 1_200).await;
    assert_eq!(renewed.body["lease_duration"], 1_200, "{renewed:?}");
    let longest = mount.renew(&lease, 10_000).await;
    let longest = longest.body["lease_duration"].as_u64();
    assert!(longest.is_some_and(|left| (7_100..=7_200).contains(&left)));
    assert!(mount.revoke(&lease).await.ok());
}

/// Whoever knows a lease id may renew it: the policy `default` allows that to every token.
#[tokio::test]
async fn a_renewal_shows_nothing_of_the_credential() {
    let mount = Mount::configured().await;
    mount.org_role("key", 600, 7_200).await;
    let mut role = json!({
        "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER", "ttl": 600,
        "credential_type": "service_account",
    });
    mount.role("account", role.clone()).await;
    let holder = json!({ "org_id": mount.atlas.org(), "name": "seed", "secret_hours": 0 });
    let holder = mount.atlas.control("POST", "/accounts", holder).await;
    role["client_id"] = holder["client_id"].clone();
    role["roles"] = json!("");
    mount.role("secret", role).await;
    let body = json!({ "policies": ["default"], "ttl": "1h" });
    let token = mount.client.write("auth/token/create", body).await;
    let token = token.body["auth"]["client_token"].as_str().unwrap();
    let stranger = mount.client.with_token(token);
    for role in ["key", "account", "secret"] {
        let lease = mount.issue(role).await.lease_id();
        // After the first one the server has no data of the lease any more.
        for _ in 0..2 {
            let body = json!({ "lease_id": lease, "increment": 900 });
            let renewed = stranger.write("sys/leases/renew", body).await;
            assert_eq!(renewed.body["lease_id"], lease.as_str(), "{renewed:?}");
            assert_eq!(renewed.body["lease_duration"], 900, "{role}");
            assert_eq!(renewed.body["renewable"], true, "{role}");
            assert!(renewed.body["data"].is_null(), "{role}: data is answered");
        }
        assert!(mount.revoke(&lease).await.ok());
        assert_eq!(mount.leases(role).await, 0);
    }
    mount.atlas.empties(Duration::from_secs(5)).await;
    let state = mount
        .atlas
        .known(holder["client_id"].as_str().unwrap())
        .await;
    assert_eq!(state["secrets"], json!([]), "the leased secret is gone");
}

#[tokio::test]
async fn a_lease_outlives_its_role_but_is_not_extended() {
    let mount = Mount::configured().await;
    mount.org_role("r", 600, 0).await;
    let lease = mount.issue("r").await.lease_id();
    assert!(mount.delete("roles/r").await.ok());
    let refused = mount.renew(&lease, 0).await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.errors().contains("role \"r\" was deleted"),
        "{refused:?}"
    );
    assert!(mount.revoke(&lease).await.ok());
    assert!(mount.atlas.credentials().await.is_empty());
}

/// OpenBao 2.7 resolves the path before its policies and the engine see it, so that a name of static roles
/// in upper case is the one in lower case. On a server that does not, it is refused.
#[tokio::test]
async fn a_static_role_is_read_in_any_spelling_that_the_server_resolves() {
    let mount = Mount::configured().await;
    let account = json!({
        "org_id": mount.atlas.org(), "name": "app", "org_roles": ["ORG_MEMBER"],
    });
    let account = mount.atlas.control("POST", "/accounts", account).await;
    let role = json!({
        "client_id": account["client_id"], "organization_id": mount.atlas.org(),
        "rotation_period": "1d",
    });
    let written = mount.write("static-roles/app", role).await;
    assert!(written.ok(), "{written:?}");
    let [small, large] = ["app", "APP"].map(|name| format!("static-creds/{name}"));
    let (small, large) = (mount.read(&small).await, mount.read(&large).await);
    assert!(small.ok(), "{small:?}");
    if !mount.client.resolves_paths().await {
        let told = large.errors();
        assert!(told.contains("must be in lower case"), "{large:?}");
        return;
    }
    assert!(large.ok(), "{large:?}");
    assert_eq!(small.data()["client_secret"], large.data()["client_secret"]);
}

#[tokio::test]
async fn access_rules_for_one_spelling_of_a_role_hold_for_all() {
    let mount = Mount::configured().await;
    mount.org_role("prod", 600, 0).await;
    mount.org_role("test", 600, 0).await;
    let policy = format!(
        "path \"{}/creds/test\" {{ capabilities = [\"read\"] }}",
        mount.path
    );
    let policies = format!("sys/policies/acl/{}", mount.path);
    assert!(
        mount
            .client
            .write(&policies, json!({ "policy": policy }))
            .await
            .ok()
    );
    let body = json!({ "policies": [mount.path] });
    let token = mount.client.write("auth/token/create", body).await;
    let client: Client = mount
        .client
        .with_token(token.body["auth"]["client_token"].as_str().unwrap());
    let other = client.read(&format!("{}/creds/TEST", mount.path)).await;
    if client.resolves_paths().await {
        assert!(other.ok(), "{other:?}");
    } else {
        assert_eq!(other.status, 403, "{other:?}");
    }
    assert_eq!(
        client
            .read(&format!("{}/creds/PROD", mount.path))
            .await
            .status,
        403
    );
    assert_eq!(
        client
            .read(&format!("{}/creds/prod", mount.path))
            .await
            .status,
        403
    );
}

//! Who may write `config` is not thereby the Organization Owner: what is stored goes to the address it
//! was given for.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Atlas, Client, Mount};

/// A client with a token that may do this and nothing else.
async fn with_policy(mount: &Mount, name: &str, rules: &[(&str, &str)]) -> Client {
    let rules = rules.iter().map(|(path, capabilities)| {
        format!(
            r#"path "{}/{path}" {{ capabilities = [{capabilities}] }}"#,
            mount.path
        )
    });
    let policy = json!({ "policy": rules.collect::<Vec<_>>().join("\n") });
    let name = format!("{}-{name}", mount.path);
    let written = mount
        .client
        .write(&format!("sys/policies/acl/{name}"), policy)
        .await;
    assert!(written.ok(), "{written:?}");
    let body = json!({ "policies": [name], "ttl": "1h" });
    let token = mount.client.write("auth/token/create", body).await;
    let token = token.body["auth"]["client_token"]
        .as_str()
        .expect("a token");
    mount.client.with_token(token)
}

async fn full() -> (Mount, Vec<String>, String) {
    let mount = Mount::configured().await;
    mount.org_role("key", 600, 3_600).await;
    let role = json!({
        "credential_type": "access_token", "organization_id": mount.atlas.org(),
        "roles": "ORG_MEMBER",
    });
    mount.role("token", role).await;
    let account = json!({
        "org_id": mount.atlas.org(), "name": "app", "org_roles": ["ORG_OWNER"],
    });
    let account = mount.atlas.control("POST", "/accounts", account).await;
    let role = json!({
        "client_id": account["client_id"], "client_secret": account["client_secret"],
        "organization_id": mount.atlas.org(), "rotation_mode": "self", "rotation_period": "24h",
    });
    let written = mount.write("static-roles/app", role).await;
    assert!(written.ok(), "{written:?}");
    let mut leases = Vec::new();
    for role in ["key", "token"] {
        leases.push(mount.issue(role).await.lease_id());
    }
    let secret = mount.read("static-creds/app").await;
    let secret = secret.data()["client_secret"]
        .as_str()
        .expect("a secret")
        .to_owned();
    (mount, leases, secret)
}

#[tokio::test]
async fn a_writer_of_config_has_no_secret_sent_to_an_address_of_his_own() {
    let (mount, leases, secret) = full().await;
    let his = Atlas::start().await;
    let writer = with_policy(
        &mount,
        "writer",
        &[("config", r#""update", "delete", "create""#)],
    )
    .await;
    let config = format!("{}/config", mount.path);
    mount.atlas.forget_requests().await;
    for more in [
        json!({}),
        json!({ "verify_connection": false, "rotation_period": 60 }),
        json!({ "ca_certificate": "", "organization_id": his.org() }),
    ] {
        let mut body = more;
        body["base_url"] = json!(his.api());
        let refused = writer.write(&config, body).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        let told = refused.errors();
        assert!(
            told.contains("base_url") && told.contains(his.api()),
            "{told}"
        );
        assert!(told.contains(mount.atlas.api()), "{told}");
    }
    assert_eq!(his.request_count().await, 0);
    assert_eq!(mount.atlas.request_count().await, 0);

    // With a credential of his own he has the mount, and none of what is stored in it.
    let deleted = writer.delete(&format!("{config}?force=true")).await;
    assert!(deleted.ok(), "{deleted:?}");
    let listing = format!("sys/leases/lookup/{}/creds/", mount.path);
    assert!(deleted.warnings().contains(&listing), "{deleted:?}");
    let written = writer.write(&config, his.key_config()).await;
    assert!(written.ok(), "{written:?}");
    assert!(written.warnings().contains("config/move"), "{written:?}");
    his.forget_requests().await;
    for lease in &leases {
        let refused = mount.revoke(lease).await;
        // The server answers 400, whatever a revocation failed for.
        assert!(!refused.ok(), "{refused:?}");
        let told = refused.errors();
        assert!(
            told.contains(his.api()) && told.contains(mount.atlas.api()),
            "{told}"
        );
    }
    // Nor is it renewed; here, too, the server answers 400 for a 500.
    let refused = mount.renew(&leases[0], 0).await;
    assert!(!refused.ok(), "{refused:?}");
    let told = refused.errors();
    assert!(
        told.contains(his.api()) && told.contains(mount.atlas.api()),
        "{told}"
    );
    let rotated = mount
        .write("rotate-role/app", json!({ "force": true }))
        .await;
    assert_eq!(rotated.status, 500, "{rotated:?}");
    assert_eq!(his.request_count().await, 0, "{}", his.operations().await);

    let back = mount.write("config", mount.atlas.key_config()).await;
    assert!(!back.ok(), "the organization is another: {back:?}");
    let mut own = mount.atlas.key_config();
    own["organization_id"] = json!(mount.atlas.org());
    assert!(mount.write("config", own).await.ok());
    for lease in &leases {
        let revoked = mount.revoke(lease).await;
        assert!(revoked.ok(), "{revoked:?}");
    }
    let creds = mount.read("static-creds/app").await;
    assert_eq!(creds.data()["client_secret"], secret.as_str());
}

/// The rotation that comes by itself would send the next private key there.
#[tokio::test]
async fn a_rotation_after_a_refused_address_sends_nothing_there() {
    let mount = Mount::configured().await;
    let his = Atlas::start().await;
    for body in [
        json!({ "base_url": his.api(), "rotation_period": 60 }),
        json!({ "base_url": his.api() }),
    ] {
        let refused = mount.write("config", body).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        let written = mount
            .write("config", json!({ "rotation_period": 60 }))
            .await;
        assert!(written.ok(), "{written:?}");
    }
    let give_up = Instant::now() + Duration::from_mins(5);
    while mount.read("config").await.data()["last_rotated"].is_null() {
        assert!(Instant::now() < give_up, "no rotation comes");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(his.request_count().await, 0);
}

#[tokio::test]
async fn moving_without_the_secret_needs_sudo_and_carries_everything_over() {
    let (mount, leases, _) = full().await;
    let to = mount.atlas.api().replace("127.0.0.1", "localhost");
    let path = format!("{}/config/move", mount.path);
    let body = json!({ "base_url": to });
    let writer = with_policy(&mount, "writer", &[("config/*", r#""update", "create""#)]).await;
    let refused = writer.write(&path, body.clone()).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert_eq!(
        mount.read("config").await.data()["base_url"],
        mount.atlas.api()
    );
    let operator = with_policy(&mount, "root", &[("config/move", r#""update", "sudo""#)]).await;
    let moved = operator.write(&path, body).await;
    assert!(moved.ok(), "{moved:?}");
    assert_eq!(moved.data()["to"], to.as_str());
    assert_eq!(
        moved.data()["carried"],
        json!({
            "credentials": 3, "static_roles": 1, "key_vaults": 0, "managed_accounts": 1, "pending_deletions": 0,
        })
    );
    assert_eq!(mount.read("config").await.data()["base_url"], to.as_str());
    assert!(mount.renew(&leases[0], 0).await.ok());
    for lease in &leases {
        let revoked = mount.revoke(lease).await;
        assert!(revoked.ok(), "{revoked:?}");
    }
    let rotated = mount
        .write("rotate-role/app", json!({ "force": true }))
        .await;
    assert!(rotated.ok(), "{rotated:?}");
    assert_eq!(mount.issue("token").await.data()["token_type"], "Bearer");
}

/// Somebody on the way to Atlas, with a credential of his own, for the same address.
#[tokio::test]
async fn a_writer_of_config_adds_no_certificate_under_which_other_secrets_go() {
    let (mount, leases, secret) = full().await;
    let rules = [("config", r#""update", "delete", "create""#)];
    let writer = with_policy(&mount, "writer", &rules).await;
    let config = format!("{}/config", mount.path);
    let signed = rcgen::generate_simple_self_signed(["atlas.example".to_owned()]).expect("one");
    let pem = signed.cert.pem();
    let mut his = mount.atlas.key_config();
    his["organization_id"] = json!(mount.atlas.org());
    let mut bare = his.clone();
    his["ca_certificate"] = json!(pem);
    // Beside the secret that is stored.
    mount.atlas.forget_requests().await;
    let refused = writer
        .write(&config, json!({ "ca_certificate": pem }))
        .await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let told = refused.errors();
    assert!(
        told.contains("ca_certificate: ") && told.contains("private_key or client_secret"),
        "{told}"
    );
    assert_eq!(mount.atlas.request_count().await, 0);
    for deletes in [false, true] {
        if deletes {
            let deleted = writer.delete(&format!("{config}?force=true")).await;
            assert!(deleted.ok(), "{deleted:?}");
        }
        mount.atlas.forget_requests().await;
        for verify_connection in [true, false] {
            his["verify_connection"] = json!(verify_connection);
            let refused = writer.write(&config, his.clone()).await;
            assert_eq!(refused.status, 400, "{refused:?}");
            let told = refused.errors();
            assert!(
                told.contains("ca_certificate: 3 issued credentials, 1 static role"),
                "{told}"
            );
            assert!(told.contains("config/move"), "{told}");
        }
        assert_eq!(mount.atlas.request_count().await, 0);
    }
    bare["verify_connection"] = json!(false);
    assert!(writer.write(&config, bare).await.ok());
    let path = format!("{}/config/move", mount.path);
    let body = json!({ "ca_certificate": pem });
    let refused = writer.write(&path, body.clone()).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let operator = with_policy(&mount, "root", &[("config/move", r#""update", "sudo""#)]).await;
    let moved = operator.write(&path, body).await;
    assert!(moved.ok(), "{moved:?}");
    for lease in &leases {
        let revoked = mount.revoke(lease).await;
        assert!(revoked.ok(), "{revoked:?}");
    }
    let creds = mount.read("static-creds/app").await;
    assert_eq!(creds.data()["client_secret"], secret.as_str());
}

/// Redirects lead nowhere: the address that is configured is the only one that hears of a credential.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mount = Mount::configured().await;
    mount.org_role("key", 600, 3_600).await;
    let his = Atlas::start().await;
    let location = format!("{}/api/atlas/v2/orgs", his.api());
    for status in [301, 302, 307, 308] {
        let fault = json!({
            "operation": "createOrgApiKey", "count": 1,
            "action": {"kind": "answer", "status": status, "headers": {"location": location}},
        });
        mount.atlas.fault(fault).await;
        let refused = mount.read("creds/key").await;
        assert!(!refused.ok(), "{status}: {refused:?}");
        mount.atlas.no_more_faults().await;
    }
    assert_eq!(his.request_count().await, 0);
}

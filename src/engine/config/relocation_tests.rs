//! `config/move`: another address of the same Atlas, without the secret.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::testing::{Atlas, TestMount};
use crate::vault::{Data, Operation, Secret};

/// The same Atlas under another name.
fn renamed(mount: &TestMount) -> String {
    mount.atlas.address().replace("127.0.0.1", "localhost")
}

async fn relocate(mount: &TestMount, body: Value) -> Result<Data, String> {
    match mount.write("config/move", body).await {
        Ok(answer) => Ok(answer.expect("an answer").data.expect("data")),
        Err(failure) => Err(failure.to_string()),
    }
}

/// A mount with leases of a key and a token, and a static role that rotates itself.
async fn full() -> (TestMount, Vec<Secret>) {
    let mount = TestMount::with_role(json!({})).await;
    let org = mount.atlas.org().to_owned();
    let role = json!({
        "credential_type": "access_token", "roles": "ORG_MEMBER", "organization_id": org,
    });
    mount.write("roles/token", role).await.expect("a role");
    let account = mount.atlas.account(json!(["ORG_OWNER"])).await;
    let role = json!({
        "client_id": account.client_id, "client_secret": account.secret, "organization_id": org,
        "rotation_mode": "self", "rotation_period": "24h",
    });
    mount.write("static-roles/app", role).await.expect("a role");
    let (_, key) = mount.issue("reader").await;
    let (_, token) = mount.issue("token").await;
    (mount, vec![key, token])
}

#[tokio::test]
async fn secrets_and_leases_are_carried_over_without_the_secret() {
    let (mut mount, leases) = full().await;
    let (from, to) = (mount.atlas.address().to_owned(), renamed(&mount));
    let told = relocate(&mount, json!({"base_url": to}))
        .await
        .expect("moved");
    assert_eq!(told["from"], from.as_str());
    assert_eq!(told["to"], to.as_str());
    assert_eq!(
        told["carried"],
        json!({
            "credentials": 3, "static_roles": 1, "key_vaults": 0, "managed_accounts": 1, "pending_deletions": 0,
        })
    );
    let config = TestMount::data(mount.read("config").await);
    assert_eq!(config["base_url"], to.as_str());
    mount.restart().await;
    mount.renew(&leases[0]).await.expect("renewed");
    for lease in &leases {
        mount
            .revoke(lease)
            .await
            .expect("revoked at the new address");
    }
    let force = json!({"force": true});
    mount
        .write("rotate-role/app", force)
        .await
        .expect("rotated");
    let (_, lease) = mount.issue("token").await;
    mount.revoke(&lease).await.expect("with the same account");
    mount.tick_for(2).await;
    let (_, lease) = mount.issue("reader").await;
    mount.revoke(&lease).await.expect("revoked");
    assert_eq!(
        mount.journal_keys().len(),
        1,
        "the account of the token role"
    );
}

#[tokio::test]
async fn it_goes_on_and_back_again() {
    let (mount, leases) = full().await;
    let (first, second) = (mount.atlas.address().to_owned(), renamed(&mount));
    for to in [&second, &first, &second, &first] {
        relocate(&mount, json!({"base_url": to}))
            .await
            .expect("moved");
        mount.renew(&leases[0]).await.expect("renewed");
        let (_, lease) = mount.issue("reader").await;
        mount.revoke(&lease).await.expect("revoked");
    }
    let (_, there) = {
        relocate(&mount, json!({"base_url": second}))
            .await
            .expect("moved");
        mount.issue("reader").await
    };
    relocate(&mount, json!({"base_url": first}))
        .await
        .expect("moved");
    for lease in leases.iter().chain([&there]) {
        mount.revoke(lease).await.expect("revoked");
    }
}

#[tokio::test]
async fn an_address_that_is_not_the_same_atlas_is_refused_and_nothing_changes() {
    let (mount, leases) = full().await;
    let other = Atlas::another().await;
    let before = (
        mount.storage.value("config"),
        mount.storage.value("origins"),
    );
    for body in [
        json!({"base_url": other.address()}),
        json!({"base_url": "http://127.0.0.1:1"}),
        json!({"base_url": "https://x.example/path"}),
        json!({"base_url": "http://x.example"}),
        json!({"ca_certificate": "no certificate"}),
        json!({"from": "nowhere"}),
        json!({"from": "https://x.example", "base_url": other.address()}),
        json!({}),
    ] {
        let budget = Duration::from_secs(3);
        let asked = tokio::time::timeout(budget * 10, relocate(&mount, body.clone())).await;
        asked.expect("an end").expect_err("refused");
        let now = (
            mount.storage.value("config"),
            mount.storage.value("origins"),
        );
        assert_eq!(now, before, "{body}");
    }
    mount.revoke(&leases[0]).await.expect("where it was");
}

/// Nobody is asked, where the operator says so; and without a configuration there is nothing to move.
#[tokio::test]
async fn it_can_be_stored_unseen() {
    let (mount, _) = full().await;
    mount.atlas.forget_requests().await;
    let unseen = json!({"base_url": "https://gateway.example", "verify_connection": false});
    relocate(&mount, unseen).await.expect("moved");
    assert_eq!(mount.atlas.request_count().await, 0);
    let force = json!({"force": true});
    mount
        .ask(Operation::Delete, "config", force)
        .await
        .expect("deleted");
    let told = relocate(&mount, json!({"base_url": renamed(&mount)})).await;
    assert!(told.expect_err("nothing").contains("not configured"));
}

/// Who has the secret writes it, and what was left behind is carried over after.
#[tokio::test]
async fn what_was_left_at_the_former_address_is_carried_over_by_its_name() {
    let (mount, leases) = full().await;
    let (from, to) = (mount.atlas.address().to_owned(), renamed(&mount));
    let mut config = mount.atlas.key_config();
    config["base_url"] = json!(to);
    let told = mount.write("config", config).await.expect("written");
    let told = told.expect("warnings").warnings;
    assert!(
        told.iter().any(|text| text.contains(&from)
            && text.contains("3 issued credentials")
            && text.contains("1 static role")
            && text.contains("config/move")),
        "{told:?}"
    );
    for lease in &leases {
        mount.revoke(lease).await.expect_err("left behind");
    }
    let (there, lease) = mount.issue("token").await;
    assert_ne!(
        Some(&there["client_id"]),
        leases[1].internal_data.get("client_id"),
        "another account, made there"
    );
    mount.revoke(&lease).await.expect("revoked");
    let told = relocate(&mount, json!({"from": from}))
        .await
        .expect("carried");
    assert_eq!(told["carried"]["credentials"], 3, "{told:?}");
    for lease in &leases {
        mount.revoke(lease).await.expect("revoked");
    }
}

/// Somebody took over the address that was left. Whoever writes `config`, with a credential of his own,
/// does not get there what was carried away.
#[tokio::test]
async fn nothing_goes_back_to_an_address_that_was_left_but_by_another_move() {
    for delete in [false, true] {
        let (mut mount, leases) = full().await;
        let (first, second) = (mount.atlas.address().to_owned(), renamed(&mount));
        relocate(&mount, json!({"base_url": second}))
            .await
            .expect("moved");
        if delete {
            let force = json!({"force": true});
            let deleted = mount.ask(Operation::Delete, "config", force).await;
            deleted.expect("deleted");
        }
        let config = mount.storage.keys().contains(&"config".to_owned());
        mount.atlas.forget_requests().await;
        for more in [json!({}), json!({"verify_connection": false})] {
            let mut his = mount.atlas.key_config();
            his["verify_connection"] = more["verify_connection"].clone();
            let refused = mount.write("config", his).await;
            let told = refused.expect_err("left").to_string();
            assert!(
                told.contains("base_url") && told.contains("config/move"),
                "{told}"
            );
            assert!(told.contains(&first) && told.contains(&second), "{told}");
        }
        assert_eq!(config, !delete);
        assert_eq!(mount.storage.keys().contains(&"config".to_owned()), config);
        for lease in &leases {
            if delete {
                mount.revoke(lease).await.expect_err("not configured");
            }
        }
        if delete {
            assert_eq!(mount.atlas.request_count().await, 0);
            let mut own = mount.atlas.key_config();
            own["base_url"] = json!(second);
            mount.write("config", own).await.expect("where it moved to");
        }
        mount.restart().await;
        let force = json!({"force": true});
        mount.write("rotate-role/app", force).await.expect("there");
        relocate(&mount, json!({"base_url": first}))
            .await
            .expect("back");
        for lease in &leases {
            mount.revoke(lease).await.expect("revoked");
        }
        let mut config = mount.atlas.key_config();
        config["base_url"] = json!(second);
        mount
            .write("config", config)
            .await
            .expect_err("left as well");
    }
}

/// What was carried over by mistake, to an Atlas that knows nothing of it, comes back by itself.
#[tokio::test]
async fn what_was_carried_over_by_mistake_comes_back_and_leaves_the_rest() {
    let (mount, leases) = full().await;
    let first = mount.atlas.address().to_owned();
    let other = Atlas::another().await;
    let config = other.key_and_organization();
    mount.write("config", config.clone()).await.expect("his");
    let unknown = relocate(&mount, json!({"from": first, "base_url": first})).await;
    let told = unknown.expect_err("nothing was moved");
    assert!(told.contains("from") && told.contains(&first), "{told}");
    relocate(&mount, json!({"from": first}))
        .await
        .expect("carried");
    let told = relocate(&mount, json!({"from": first, "base_url": first}))
        .await
        .expect("back");
    assert_eq!(told["carried"]["credentials"], 3, "{told:?}");
    let read = TestMount::data(mount.read("config").await);
    assert_eq!(read["base_url"], other.address());
    other.forget_requests().await;
    for lease in &leases {
        mount.revoke(lease).await.expect_err("elsewhere");
    }
    assert_eq!(other.request_count().await, 0);
    let own = mount.atlas.key_and_organization();
    mount.write("config", own).await.expect("the first one");
    for lease in &leases {
        mount.revoke(lease).await.expect("revoked");
    }
    mount.write("config", config).await.expect("the other one");
}

#[tokio::test]
async fn storage_that_fails_at_either_write_leaves_it_working_and_the_same_request_completes_it() {
    for writes in 0..2 {
        let (mut mount, leases) = full().await;
        let to = renamed(&mount);
        mount.storage.fail_after(Some(writes));
        let body = json!({"base_url": to});
        relocate(&mount, body.clone())
            .await
            .expect_err("storage fails");
        mount.storage.fail_after(None);
        mount.restart().await;
        mount.renew(&leases[0]).await.expect("as before");
        let force = json!({"force": true});
        mount
            .write("rotate-role/app", force)
            .await
            .expect("as before");
        let config = TestMount::data(mount.read("config").await);
        assert_eq!(config["base_url"], mount.atlas.address());
        relocate(&mount, body).await.expect("completed");
        for lease in &leases {
            mount.revoke(lease).await.expect("revoked");
        }
    }
}

//! Who writes `config` without its secret cannot have that secret, or any other that is stored, sent to
//! an address of his own.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::testing::{Atlas, Outcome, TestMount};
use crate::vault::{Failure, Operation};

/// A certificate authority of somebody's own.
fn certificate(name: &str) -> String {
    let key = rcgen::KeyPair::generate().expect("a key");
    let parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a name");
    parameters.self_signed(&key).expect("a certificate").pem()
}

/// What a refused write says, every bit of which was refused before anything was sent.
async fn refused(mount: &TestMount, other: &Atlas, body: Value) -> String {
    let before = mount.storage.value("config");
    mount.atlas.forget_requests().await;
    other.forget_requests().await;
    let failure = mount.write("config", body.clone()).await;
    assert_eq!(mount.atlas.request_count().await, 0, "{body}");
    assert_eq!(other.request_count().await, 0, "{body}");
    assert_eq!(mount.storage.value("config"), before, "{body}");
    match failure {
        Err(Failure::BadRequest(text)) => text,
        other => panic!("{body}: {other:?}"),
    }
}

#[tokio::test]
async fn the_stored_secret_is_not_sent_to_an_address_that_comes_without_it() {
    let other = Atlas::another().await;
    for config in ["key", "account"] {
        let mount = TestMount::new().await;
        let config = match config {
            "key" => mount.atlas.key_config(),
            _ => mount.atlas.account_config(),
        };
        mount.write("config", config.clone()).await.expect("one");
        for more in [
            json!({}),
            json!({"verify_connection": false}),
            json!({"rotation_period": 60, "verify_connection": false}),
            json!({"public_key": config["public_key"], "client_id": config["client_id"]}),
            json!({"private_key": "", "client_secret": " "}),
            json!({"organization_id": mount.atlas.org(), "api_version": "2025-03-12"}),
        ] {
            let mut body = more;
            body["base_url"] = json!(other.address());
            let told = refused(&mount, &other, body).await;
            assert!(
                told.contains("base_url") && told.contains(other.address()),
                "{told}"
            );
            assert!(told.contains(mount.atlas.address()), "{told}");
            assert!(told.contains("config/move"), "{told}");
        }
        // Another name of the same server is another origin.
        let renamed = mount.atlas.address().replace("127.0.0.1", "localhost");
        refused(&mount, &other, json!({"base_url": renamed})).await;
        mount.advance(Duration::from_hours(2)).await;
        mount.tick().await.expect("a tick");
        assert_eq!(other.request_count().await, 0);
    }
}

#[tokio::test]
async fn another_spelling_of_the_address_and_other_settings_need_no_secret() {
    let mount = TestMount::configured().await;
    let address = mount.atlas.address();
    for body in [
        json!({"base_url": format!("{address}/")}),
        json!({"base_url": address.replace("http:", "HTTP:")}),
        json!({"base_url": address, "api_version": "2025-03-12", "request_timeout": 20}),
    ] {
        mount
            .write("config", body.clone())
            .await
            .unwrap_or_else(|failure| panic!("{body}: {failure}"));
    }
}

#[tokio::test]
async fn who_is_trusted_beside_the_system_changes_with_the_secret_only() {
    let (one, two) = (certificate("one.example"), certificate("two.example"));
    let mount = TestMount::new().await;
    let other = Atlas::another().await;
    let with = |pem: &str| {
        let mut config = mount.atlas.key_config();
        config["ca_certificate"] = json!(pem);
        config
    };
    mount.write("config", with(&one)).await.expect("with it");
    for pem in [&two, &format!("{one}\n{two}")] {
        let told = refused(&mount, &other, json!({"ca_certificate": pem})).await;
        assert!(told.contains("ca_certificate"), "{told}");
    }
    let both = format!("{two}{one}");
    mount.write("config", with(&both)).await.expect("with it");
    let again = format!("{one}\n{two}\n{one}");
    for fewer in [again.as_str(), &one, ""] {
        mount
            .write("config", json!({"ca_certificate": fewer}))
            .await
            .expect("nobody new is trusted");
    }
    let told = refused(&mount, &other, json!({"ca_certificate": one})).await;
    assert!(told.contains("ca_certificate"), "{told}");
}

/// The core's own reload, a new process, or the Go engine that writes its two keys over ours.
#[tokio::test]
async fn a_stored_secret_goes_to_its_own_address_whatever_stands_beside_it() {
    let mut mount = TestMount::configured().await;
    let other = Atlas::another().await;
    let stored: Value = serde_json::from_slice(&mount.storage.value("config")).expect("JSON");
    let mut turned = stored.clone();
    turned["base_url"] = json!(other.address());
    mount.storage.plant("config", turned.to_string().as_bytes());
    mount.restart().await;
    for outcome in [
        mount.read("check").await,
        mount.write("config/rotate-root", json!({})).await,
    ] {
        let told = outcome.expect_err("bound").to_string();
        assert!(
            told.contains(mount.atlas.address()) && told.contains(other.address()),
            "{told}"
        );
    }
    mount.tick().await.expect("a tick");
    refused(&mount, &other, json!({"request_timeout": 20})).await;
    assert_eq!(other.request_count().await, 0);
}

async fn delete(mount: &TestMount) -> Outcome {
    let force = json!({"force": true});
    mount.ask(Operation::Delete, "config", force).await
}

#[tokio::test]
async fn deleting_the_configuration_shows_what_is_not_counted() {
    let mount = TestMount::configured().await;
    let told = delete(&mount).await.expect("deleted").expect("an answer");
    let listing = "sys/leases/lookup/mongodbatlas/creds/";
    assert!(told.warnings[0].contains(listing), "{:?}", told.warnings);
    let mount = TestMount::with_role(json!({})).await;
    mount.issue("reader").await;
    let refused = mount.ask(Operation::Delete, "config", json!({})).await;
    let refused = refused.expect_err("a live credential").to_string();
    assert!(refused.contains(listing), "{refused}");
}

/// Everything of before belongs to the address that was stored first, however the next came about.
#[tokio::test]
async fn what_names_no_address_belongs_to_the_one_that_was_stored_before() {
    for by in ["write", "delete", "failing start", "restart"] {
        let mut mount = TestMount::new().await;
        let key = mount.atlas.plant_key("vault-r-0123456789abcdefghij").await;
        if by == "failing start" {
            mount.storage.set_read_only(true);
        }
        mount.take_over(mount.atlas.key_config()).await;
        mount.storage.set_read_only(false);
        let other = Atlas::another().await;
        match by {
            "delete" => drop(delete(&mount).await.expect("deleted")),
            "restart" => mount.restart().await,
            _ => {}
        }
        mount
            .write("config", other.key_and_organization())
            .await
            .expect("a configuration of his own");
        mount.restart().await;
        other.forget_requests().await;
        let lease = mount.go_lease(&key, mount.atlas.org(), "");
        for outcome in [mount.revoke(&lease).await, mount.renew(&lease).await] {
            let told = outcome.expect_err("bound").to_string();
            assert!(
                told.contains(mount.atlas.address()) && told.contains(other.address()),
                "{by}: {told}"
            );
        }
        assert_eq!(other.request_count().await, 0, "{by}");
        mount
            .write("config", mount.atlas.key_and_organization())
            .await
            .expect("the former one");
        mount.revoke(&lease).await.expect("revoked");
        assert_eq!(mount.atlas.credentials().await, Vec::<String>::new());
    }
}

/// A node that may not write records nothing, and says so to nobody.
#[tokio::test]
async fn a_standby_reads_and_records_nothing() {
    let mut mount = TestMount::new().await;
    mount
        .system
        .set_replication(crate::vault::system_view::Replication(16_384));
    mount.storage.set_read_only(true);
    mount.take_over(mount.atlas.key_config()).await;
    TestMount::data(mount.read("config").await);
    assert_eq!(mount.storage.keys(), ["config"]);
}

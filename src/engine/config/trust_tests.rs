//! Who writes `config` with a secret and a certificate of his own has nothing else that is stored sent
//! to whoever holds that certificate's key.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::testing::{Atlas, TestMount};
use crate::vault::{Failure, Operation};

fn certificate(name: &str) -> String {
    let key = rcgen::KeyPair::generate().expect("a key");
    let parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a name");
    parameters.self_signed(&key).expect("a certificate").pem()
}

/// A whole configuration with these certificates.
fn with(mount: &TestMount, pem: &str) -> Value {
    let mut config = mount.atlas.key_and_organization();
    config["ca_certificate"] = json!(pem);
    config
}

/// A mount that trusts this certificate, and issued a credential.
async fn full(pem: &str) -> TestMount {
    let mount = TestMount::new().await;
    mount.write("config", with(&mount, pem)).await.expect("one");
    mount.write_reader(json!({})).await;
    mount.issue("reader").await;
    mount
}

async fn delete(mount: &TestMount) {
    let force = json!({"force": true});
    let deleted = mount.ask(Operation::Delete, "config", force).await;
    deleted.expect("deleted");
}

/// Nothing was sent, nothing was stored, and the way out is told.
async fn refused(mount: &TestMount, body: Value) {
    let stored = |key: &str| {
        mount
            .storage
            .keys()
            .contains(&key.to_owned())
            .then(|| mount.storage.value(key))
    };
    let before = (stored("config"), stored("origins"));
    mount.atlas.forget_requests().await;
    match mount.write("config", body.clone()).await {
        Err(Failure::BadRequest(told)) => {
            for part in [
                "ca_certificate: ",
                "1 issued credential",
                "config/move",
                mount.atlas.address(),
            ] {
                assert!(told.contains(part), "{part}: {told}");
            }
        }
        other => panic!("{body}: {other:?}"),
    }
    assert_eq!(mount.atlas.request_count().await, 0, "{body}");
    assert_eq!((stored("config"), stored("origins")), before, "{body}");
}

async fn trust(mount: &TestMount, pem: &str) {
    let moved = mount
        .write("config/move", json!({"ca_certificate": pem}))
        .await;
    moved.expect("trusted from now on");
}

#[tokio::test]
async fn where_nothing_else_belongs_a_certificate_comes_with_the_secret() {
    let mount = TestMount::new().await;
    let (one, two) = (certificate("one.example"), certificate("two.example"));
    mount
        .write("config", with(&mount, &one))
        .await
        .expect("the first");
    mount
        .write("config", with(&mount, &two))
        .await
        .expect("another");
    delete(&mount).await;
    mount
        .write("config", with(&mount, &one))
        .await
        .expect("anew");
    // What belongs elsewhere is not sent here.
    mount.write_reader(json!({})).await;
    mount.issue("reader").await;
    let other = Atlas::another().await;
    let mut config = other.key_and_organization();
    config["ca_certificate"] = json!(two);
    mount.write("config", config).await.expect("elsewhere");
}

#[tokio::test]
async fn a_secret_of_his_own_brings_no_certificate_to_what_else_is_sent_there() {
    let (one, two) = (certificate("one.example"), certificate("two.example"));
    for by in ["write", "delete", "another address"] {
        let mut mount = full(&one).await;
        refused(&mount, with(&mount, &two)).await;
        let other = Atlas::another().await;
        match by {
            "delete" => delete(&mount).await,
            "another address" => {
                let mut config = other.key_and_organization();
                config["ca_certificate"] = json!(two);
                mount.write("config", config).await.expect("his own");
            }
            _ => {}
        }
        mount.restart().await;
        let both = format!("{one}{two}");
        for pem in [&two, &both] {
            let mut config = with(&mount, pem);
            refused(&mount, config.clone()).await;
            config["verify_connection"] = json!(false);
            refused(&mount, config).await;
        }
        // Who was trusted there is trusted there.
        let written = mount.write("config", with(&mount, &one)).await;
        written.unwrap_or_else(|failure| panic!("{by}: {failure}"));
        refused(&mount, with(&mount, &two)).await;
    }
}

#[tokio::test]
async fn a_certificate_that_was_dropped_does_not_stay_trusted() {
    let (one, two) = (certificate("one.example"), certificate("two.example"));
    let mount = full(&one).await;
    delete(&mount).await;
    let mut bare = mount.atlas.key_and_organization();
    mount.write("config", bare.clone()).await.expect("without");
    refused(&mount, with(&mount, &one)).await;
    trust(&mount, &two).await;
    refused(&mount, with(&mount, &one)).await;
    delete(&mount).await;
    refused(&mount, with(&mount, &one)).await;
    bare["ca_certificate"] = json!(two);
    mount.write("config", bare).await.expect("as it was");
}

/// The way out that the refusal tells, with a configuration and without.
#[tokio::test]
async fn an_operator_adds_it_by_moving() {
    let (one, two) = (certificate("one.example"), certificate("two.example"));
    let mount = full("").await;
    refused(&mount, with(&mount, &one)).await;
    trust(&mount, &one).await;
    mount
        .write("config", with(&mount, &one))
        .await
        .expect("trusted");
    delete(&mount).await;
    refused(&mount, with(&mount, &two)).await;
    let mut bare = mount.atlas.key_and_organization();
    bare["verify_connection"] = json!(false);
    mount.write("config", bare).await.expect("without any");
    trust(&mount, &two).await;
    let config = TestMount::data(mount.read("config").await);
    assert_eq!(config["ca_certificate"], two.trim());
    let (_, lease) = mount.issue("reader").await;
    mount.revoke(&lease).await.expect("revoked");
}

#[tokio::test]
async fn what_is_stored_while_atlas_is_asked_counts() {
    let mount = TestMount::with_role(json!({})).await;
    let pause = json!({
        "operation": "listOrgs", "action": {"kind": "delay", "seconds": 1.0},
    });
    mount.atlas.fault(pause).await;
    let before = mount.storage.value("config");
    let pem = certificate("one.example");
    let write = mount.write("config", with(&mount, &pem));
    let issue = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        mount.issue("reader").await
    };
    let (written, _) = tokio::join!(write, issue);
    let told = written.expect_err("issued meanwhile").to_string();
    assert!(
        told.contains("ca_certificate: 1 issued credential"),
        "{told}"
    );
    assert_eq!(mount.storage.value("config"), before);
}

/// Nobody knows where a configuration was that cannot be read.
#[tokio::test]
async fn a_configuration_that_cannot_be_read_leaves_nobody_trusted() {
    let one = certificate("one.example");
    let mut mount = full(&one).await;
    delete(&mount).await;
    mount.storage.plant("config", b"{");
    mount.restart().await;
    delete(&mount).await;
    refused(&mount, with(&mount, &one)).await;
}

/// Asking the former credential for its organization takes its time, after the last look at Atlas.
#[tokio::test]
async fn what_is_stored_right_before_the_configuration_counts() {
    let mut mount = TestMount::with_role(json!({})).await;
    mount.take_over(mount.atlas.key_config()).await;
    let before = mount.storage.value("config");
    let pause = json!({
        "operation": "listOrgs", "action": {"kind": "delay", "seconds": 1.0},
    });
    mount.atlas.fault(pause).await;
    let mut config = mount.atlas.key_config();
    config["ca_certificate"] = json!(certificate("one.example"));
    config["verify_connection"] = json!(false);
    let issue = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        mount.issue("reader").await
    };
    let (written, _) = tokio::join!(mount.write("config", config), issue);
    let told = written.expect_err("issued meanwhile").to_string();
    assert!(
        told.contains("ca_certificate: 1 issued credential"),
        "{told}"
    );
    assert_eq!(mount.storage.value("config"), before);
}

async fn warnings_of(mount: &TestMount, body: Value) -> String {
    let answer = mount.write("config", body).await.expect("written");
    let warnings = answer.map(|answer| answer.warnings).unwrap_or_default();
    warnings.join("\n")
}

/// Who brings a secret is told who else may read it.
#[tokio::test]
async fn a_secret_is_not_sent_under_a_certificate_that_nobody_names() {
    let mount = TestMount::new().await;
    let (one, two) = (certificate("one.example"), certificate("two.example"));
    let silent = mount.atlas.key_and_organization();
    assert_eq!(
        warnings_of(&mount, with(&mount, &one)).await,
        "",
        "the first"
    );
    assert_eq!(
        warnings_of(&mount, with(&mount, &one)).await,
        "",
        "the same"
    );
    let kept = warnings_of(&mount, silent).await;
    assert!(kept.contains("ca_certificate was not given"), "{kept}");
    assert!(kept.contains("(SHA-256 "), "{kept}");
    let own = json!({ "hold": false });
    assert_eq!(
        warnings_of(&mount, own).await,
        "",
        "no secret, no certificate"
    );
    let added = warnings_of(&mount, with(&mount, &format!("{one}{two}"))).await;
    assert!(added.contains("that were not before (SHA-256 "), "{added}");
    assert_eq!(warnings_of(&mount, with(&mount, "")).await, "", "none");
}

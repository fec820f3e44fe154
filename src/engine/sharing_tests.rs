//! Mounts of one process share the connections to Atlas, and nothing of what goes over them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::testing::{Atlas, TestMount};

/// Which credential each request was signed with that made a key for a role of this name.
async fn makers(atlas: &Atlas) -> BTreeMap<String, Vec<String>> {
    let requests = atlas.control("GET", "/requests", Value::Null).await;
    let mut makers = BTreeMap::<String, Vec<String>>::new();
    for request in requests["requests"].as_array().into_iter().flatten() {
        let (Some(desc), Some(principal)) = (
            request["body"]["desc"].as_str(),
            request["principal"].as_str(),
        ) else {
            continue;
        };
        let role = desc.split('-').nth(1).expect("the role's name");
        makers
            .entry(role.to_owned())
            .or_default()
            .push(principal.to_owned());
    }
    makers
}

#[tokio::test]
async fn two_mounts_with_one_organization_sign_with_their_own_credentials() {
    let one = TestMount::configured().await;
    let other = TestMount::beside(&one).await;
    let account = one.atlas.account_config();
    other.write("config", account.clone()).await.expect("taken");
    let role = json!({ "organization_id": one.atlas.org(), "roles": "ORG_MEMBER" });
    one.write("roles/one", role.clone()).await.expect("a role");
    other.write("roles/other", role).await.expect("a role");
    for _ in 0..5 {
        tokio::join!(one.issue("one"), other.issue("other"));
    }
    let makers = makers(&one.atlas).await;
    let (key, account) = (one.atlas.key_id(), account["client_id"].as_str());
    let signed = |role: &str, by: &str| makers[role].iter().all(|maker| maker == by);
    assert_eq!((makers["one"].len(), makers["other"].len()), (5, 5));
    assert!(signed("one", key), "{makers:?}");
    assert!(signed("other", account.expect("an id")), "{makers:?}");
}

#[tokio::test]
async fn a_changed_configuration_takes_effect_at_once_and_for_its_mount_alone() {
    let one = TestMount::configured().await;
    let other = TestMount::beside(&one).await;
    let elsewhere = Atlas::another().await;
    for mount in [&one, &other] {
        let role = json!({ "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER" });
        mount.write("roles/r", role).await.expect("a role");
        mount.issue("r").await;
    }
    let moved = elsewhere.key_and_organization();
    one.write("config", moved).await.expect("taken");
    let role = json!({ "organization_id": elsewhere.org(), "roles": "ORG_MEMBER" });
    one.write("roles/r", role).await.expect("a role");
    one.atlas.forget_requests().await;
    one.issue("r").await;
    assert_eq!(one.atlas.request_count().await, 0);
    assert_eq!(elsewhere.credentials().await.len(), 1);
    other.issue("r").await;
    assert!(one.atlas.request_count().await > 0);
    assert_eq!(elsewhere.credentials().await.len(), 1);
}

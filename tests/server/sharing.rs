//! Mounts that act in one organization of Atlas: of two servers, with roles of the same name, and of one.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::bao::Extras;
use crate::support::cloud::Cloud;
use crate::support::{Answer, Atlas, Bao, Mount};

const EACH: usize = 50;

/// Fewer requests than the two need, so that both wait for the same bucket.
fn tight() -> Value {
    json!({
        "buckets": { "apiKeys_org": { "capacity": 60, "refill_rate": 20, "refill_seconds": 1 } },
        "refill": "continuous",
    })
}

async fn issue_many(mount: &Mount) -> Vec<String> {
    join_all((0..EACH).map(|_| async { mount.issue("r").await.lease_id() })).await
}

async fn journal(mount: &Mount) -> usize {
    let listed = mount.list("issued").await;
    listed.body["data"]["keys"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn two_servers_issue_and_revoke_in_one_organization_and_touch_only_their_own() {
    let (first, second) = (Bao::dev(), Bao::dev());
    let one = Mount::on(&first.client()).await;
    one.configure().await;
    let two = one.beside(&second.client()).await;
    one.atlas.settings(tight()).await;
    for mount in [&one, &two] {
        mount.org_role("r", 600, 3_600).await;
    }

    let (ours, theirs) = tokio::join!(issue_many(&one), issue_many(&two));
    assert_eq!(one.atlas.credentials().await.len(), 2 * EACH);
    for mount in [&one, &two] {
        assert_eq!(journal(mount).await, EACH);
        let looked = mount.write("tidy", json!({ "min_age": 0 })).await;
        assert_eq!(looked.data()["orphan_count"], 0, "{looked:?}");
        assert_eq!(looked.data()["missing_count"], 0, "{looked:?}");
    }

    let (half, rest) = theirs.split_at(EACH / 2);
    let (revoked, also) = tokio::join!(
        join_all(ours.iter().map(|lease| one.revoke(lease))),
        join_all(half.iter().map(|lease| two.revoke(lease)))
    );
    assert!(revoked.iter().chain(&also).all(Answer::ok), "{revoked:?}");
    assert_eq!(one.atlas.credentials().await.len(), rest.len());
    assert_eq!((journal(&one).await, one.leases("r").await), (0, 0));
    assert_eq!(journal(&two).await, rest.len());
    assert_eq!(two.leases("r").await, rest.len());
    for lease in rest {
        assert!(two.renew(lease, 0).await.ok());
        assert!(two.revoke(lease).await.ok());
    }
    assert!(one.atlas.credentials().await.is_empty());
}

/// One process, one address, one organization: what two mounts share are connections alone.
#[tokio::test]
async fn two_mounts_of_one_process_share_a_connection_and_sign_with_their_own_credentials() {
    let atlas = Atlas::start().await;
    let cloud = Cloud::of(&atlas).await;
    let extras = Extras {
        variables: cloud.variables(),
        ..Extras::default()
    };
    let bao = Bao::on_disk_with(extras).await;
    assert!(bao.register(&[]).await.ok());
    let one = Mount::with(&bao.client(), atlas).await;
    let two = Mount {
        atlas: Arc::clone(&one.atlas),
        ..Mount::on(&bao.client()).await
    };
    let without_address = |mut config: Value| {
        config.as_object_mut().expect("fields").remove("base_url");
        config
    };
    let key = without_address(one.atlas.key_config());
    let account = without_address(two.atlas.account_config());
    for (mount, config, role) in [(&one, &key, "one"), (&two, &account, "two")] {
        let written = mount.write("config", config.clone()).await;
        assert!(written.ok(), "{written:?}");
        mount.org_role(role, 600, 0).await;
    }
    for _ in 0..10 {
        tokio::join!(one.issue("one"), two.issue("two"));
    }
    assert_eq!(cloud.tunnels(), 1);

    let requests = one.atlas.control("GET", "/requests", Value::Null).await;
    let requests = requests["requests"].as_array().expect("a list");
    let signed_by = |role: &str| {
        let made = requests.iter().filter(|request| {
            let description = request["body"]["desc"].as_str().unwrap_or_default();
            !request["challenge"].as_bool().unwrap_or_default()
                && description.starts_with(&format!("vault-{role}-"))
        });
        made.map(|request| request["auth"].as_str().expect("a text"))
            .collect::<Vec<_>>()
    };
    assert_eq!(signed_by("one"), ["digest"; 10]);
    assert_eq!(signed_by("two"), ["bearer"; 10]);

    // What one is told at another address concerns the other in nothing.
    let elsewhere = Atlas::start().await;
    let mut config = elsewhere.key_config();
    config["organization_id"] = json!(elsewhere.org());
    let moved = one.write("config", config).await;
    assert!(moved.ok(), "{moved:?}");
    let role = json!({ "organization_id": elsewhere.org(), "roles": "ORG_MEMBER" });
    one.role("one", role).await;
    let before = two.atlas.request_count().await;
    one.issue("one").await;
    assert_eq!(two.atlas.request_count().await, before);
    assert_eq!(elsewhere.credentials().await.len(), 1);
    two.issue("two").await;
    assert_eq!(elsewhere.credentials().await.len(), 1);
}

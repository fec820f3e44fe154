//! Two servers whose mounts act in one organization of Atlas, with roles of the same name.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Answer, Bao, Mount};

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

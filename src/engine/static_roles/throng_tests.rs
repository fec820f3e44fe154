//! A thousand static roles due at the same minute.

use std::time::Duration;

use serde_json::{Value, json};

use crate::base::Clock as _;
use crate::engine::testing::TestMount;

const ROLES: usize = 1_000;

/// They all rotate, at Atlas's pace: our own limiter sees to it that Atlas never has to refuse.
#[tokio::test]
async fn a_thousand_roles_due_at_once_all_rotate() {
    let mut mount = TestMount::configured().await;
    let settings = json!({"max_service_accounts_per_org": 2_000, "max_secrets_per_account": 2});
    mount.atlas.set(settings).await;
    let org = mount.atlas.org().to_owned();
    let origin = mount.atlas.address().to_owned();
    let due = mount.clock.now() + chrono::TimeDelta::seconds(30);
    for number in 0..ROLES {
        let account = mount.atlas.account(json!(["ORG_MEMBER"])).await;
        let entry = json!({
            "client_id": account.client_id, "organization_id": org, "origin": origin,
            "rotation_period": 86_400_000_000_000_u64, "overlap": 3_600_000_000_000_u64,
            "current": {"client_secret": account.secret},
            "next_rotation": due,
        });
        let entry = serde_json::to_vec(&entry).expect("JSON");
        mount
            .storage
            .plant(&format!("static-roles/role-{number}"), &entry);
    }
    mount.restart().await;
    mount.advance(Duration::from_secs(31)).await;
    mount.atlas.forget_requests().await;
    let mut rounds = 0;
    let rotated = loop {
        rounds += 1;
        let mut tick = std::pin::pin!(mount.tick());
        // Time goes on while the periodic run waits for its turn at Atlas.
        loop {
            tokio::select! {
                ended = &mut tick => {
                    ended.expect("a tick");
                    break;
                }
                () = tokio::time::sleep(Duration::from_millis(20)) => {
                    mount.advance(Duration::from_secs(5)).await;
                }
            }
        }
        let requests = mount.atlas.control("GET", "/requests", Value::Null).await;
        let created = requests["statuses"]["201"].as_u64();
        if created == Some(ROLES as u64) || rounds == 20 {
            break created;
        }
        mount.advance(Duration::from_secs(15)).await;
    };
    let requests = mount.atlas.control("GET", "/requests", Value::Null).await;
    let figures = (&requests["operations"], &requests["statuses"]);
    assert_eq!(
        rotated,
        Some(ROLES as u64),
        "in {rounds} ticks: {figures:?}"
    );
    assert_eq!(
        requests["statuses"]["429"],
        Value::Null,
        "{}",
        requests["statuses"]
    );
    for number in [0, ROLES / 2, ROLES - 1] {
        let creds = TestMount::data(mount.read(&format!("static-creds/role-{number}")).await);
        let text = |name: &str| creds[name].as_str().expect("a text").to_owned();
        assert!(
            mount
                .atlas
                .mints(&text("client_id"), &text("client_secret"))
                .await
        );
        assert!(!creds["last_rotated"].is_null());
    }
}

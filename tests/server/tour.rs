//! The main job: enable, config, role, credential, renewal, revocation.

use std::time::Duration;

use serde_json::json;

use crate::support::{Answer, Mount};

#[tokio::test]
async fn an_application_gets_a_key_that_works_and_that_is_gone_with_its_lease() {
    let mount = Mount::configured().await;
    let config = mount.read("config").await;
    assert_eq!(config.data()["organization_id"], mount.atlas.org());
    assert!(config.data().get("private_key").is_none());

    mount.org_role("Reader", 600, 3_600).await;
    let answer = mount.issue("reader").await;
    assert_eq!(answer.body["lease_duration"], 600);
    assert_eq!(answer.body["renewable"], true);
    let data = answer.data();
    let description = data["description"].as_str().unwrap();
    assert!(
        description.starts_with("vault-reader-") && description.len() == 33,
        "{description}"
    );
    let key = mount
        .atlas
        .known(data["public_key"].as_str().unwrap())
        .await;
    assert_eq!(key["desc"], data["description"]);
    assert_eq!(key["org_roles"], json!(["ORG_MEMBER"]));

    let renewed = mount.renew(&answer.lease_id(), 0).await;
    assert_eq!(renewed.body["lease_duration"], 600, "{renewed:?}");
    let renewed = mount.renew(&answer.lease_id(), 100_000).await;
    let capped = renewed.body["lease_duration"].as_u64().unwrap();
    assert!(
        (3_590..=3_600).contains(&capped),
        "the role's max_ttl is the end: {renewed:?}"
    );

    assert!(mount.revoke(&answer.lease_id()).await.ok());
    assert!(mount.atlas.credentials().await.is_empty());
    assert_eq!(mount.leases("reader").await, 0);
}

#[tokio::test]
async fn every_shape_of_role_is_as_asked_in_atlas() {
    let mount = Mount::configured().await;
    let (org, first, second) = (
        mount.atlas.org(),
        mount.atlas.project(0),
        mount.atlas.project(1),
    );
    let shapes = [
        (
            "org",
            json!({ "organization_id": org, "roles": "ORG_READ_ONLY" }),
        ),
        (
            "project",
            json!({ "project_id": first, "roles": "GROUP_OWNER,GROUP_READ_ONLY" }),
        ),
        (
            "both",
            json!({
                "organization_id": org, "roles": "ORG_READ_ONLY", "project_id": first,
                "project_roles": "GROUP_OWNER", "project_assignments": { second: ["GROUP_READ_ONLY"] },
                "cidr_blocks": "10.0.0.0/8", "ip_addresses": "2001:db8::1",
            }),
        ),
    ];
    for kind in ["programmatic_api_key", "service_account"] {
        for (name, shape) in &shapes {
            let mut role = shape.clone();
            role["credential_type"] = json!(kind);
            mount.role(name, role).await;
            let answer = mount.issue(name).await;
            let data = answer.data();
            let public = if kind == "service_account" {
                "client_id"
            } else {
                "public_key"
            };
            let made = mount.atlas.known(data[public].as_str().unwrap()).await;
            assert_eq!(data["organization_id"], org);
            match *name {
                "org" => {
                    assert_eq!(made["org_roles"], json!(["ORG_READ_ONLY"]));
                    assert_eq!(made["project_roles"], json!({}));
                    assert!(data.get("project_id").is_none());
                }
                "project" => {
                    assert_eq!(made["org_roles"], json!(["ORG_MEMBER"]));
                    assert_eq!(made["project_roles"][first].as_array().unwrap().len(), 2);
                    assert_eq!(data["project_id"], first);
                }
                _ => {
                    let want = json!({ first: ["GROUP_OWNER"], second: ["GROUP_READ_ONLY"] });
                    assert_eq!(made["project_roles"], want);
                    assert_eq!(made["access_list"].as_array().unwrap().len(), 2);
                    assert_eq!(data["project_id"], first);
                }
            }
            assert!(mount.revoke(&answer.lease_id()).await.ok());
        }
    }
    assert!(mount.atlas.credentials().await.is_empty());
}

#[tokio::test]
async fn a_service_accounts_secret_expires_after_the_longest_lease() {
    let mount = Mount::configured().await;
    mount
        .role(
            "account",
            json!({
                "credential_type": "service_account", "organization_id": mount.atlas.org(),
                "roles": "ORG_MEMBER", "ttl": "1h", "max_ttl": "10h",
            }),
        )
        .await;
    let answer = mount.issue("account").await;
    let client_id = answer.data()["client_id"].as_str().unwrap();
    let account = mount.atlas.known(client_id).await;
    let secret = &account["secrets"][0];
    let lifetime = seconds(&secret["expires_at"]) - seconds(&secret["created_at"]);
    assert_eq!(
        lifetime,
        10 * 3_600,
        "the smallest lifetime that covers max_ttl"
    );
    let renewed = mount.renew(&answer.lease_id(), 1_000_000).await;
    let end = renewed.body["lease_duration"].as_i64().unwrap();
    assert!(end <= 10 * 3_600, "{renewed:?}");
    assert!(mount.revoke(&answer.lease_id()).await.ok());
    mount.atlas.empties(Duration::from_secs(5)).await;
}

fn seconds(time: &serde_json::Value) -> i64 {
    time.as_str()
        .unwrap()
        .parse::<chrono::DateTime<chrono::Utc>>()
        .unwrap()
        .timestamp()
}

#[tokio::test]
async fn config_takes_a_service_account_in_place_of_a_key_and_back() {
    let mount = Mount::configured().await;
    assert_eq!(
        mount.read("config").await.data()["credential_type"],
        "programmatic_api_key"
    );
    assert!(
        mount
            .write("config", mount.atlas.account_config())
            .await
            .ok()
    );
    let config = mount.read("config").await;
    assert_eq!(config.data()["credential_type"], "service_account");
    assert!(config.data().get("public_key").is_none());
    mount.org_role("r", 600, 0).await;
    mount.issue("r").await;
    mount.configure().await;
    let config = mount.read("config").await;
    assert!(config.data().get("client_id").is_none());
    mount.issue("r").await;
    assert_eq!(mount.atlas.credentials().await.len(), 2);
}

#[tokio::test]
async fn a_partial_update_keeps_what_is_not_given() {
    let mount = Mount::configured().await;
    assert!(
        mount
            .write("config", json!({ "request_timeout": "10s" }))
            .await
            .ok()
    );
    assert_eq!(mount.read("config").await.data()["request_timeout"], 10);
    mount.org_role("r", 600, 0).await;
    assert!(
        mount
            .write("roles/r", json!({ "max_ttl": "1h" }))
            .await
            .ok()
    );
    let role = mount.read("roles/r").await;
    assert_eq!(
        (&role.data()["ttl"], &role.data()["max_ttl"]),
        (&json!(600), &json!(3_600))
    );
    let patch = format!("{}/roles/r", mount.path);
    let patched = mount
        .client
        .call("PATCH", &patch, Some(json!({ "ttl": null })))
        .await;
    assert!(patched.ok(), "{patched:?}");
    let role = mount.read("roles/r").await;
    assert_eq!(
        (&role.data()["ttl"], &role.data()["max_ttl"]),
        (&json!(0), &json!(3_600))
    );
    assert_eq!(role.data()["roles"], json!(["ORG_MEMBER"]));
}

#[tokio::test]
async fn of_partial_updates_at_once_none_undoes_the_other() {
    let mount = Mount::configured().await;
    mount.org_role("r", 600, 0).await;
    for number in 1..30 {
        let address = format!("192.0.2.{number}");
        let (times, list, most) = (
            json!({ "ttl": number }),
            json!({ "ip_addresses": address }),
            json!({ "max_live": number }),
        );
        let writes = [times, list, most].map(|body| mount.write("roles/r", body));
        let written = futures_util::future::join_all(writes).await;
        assert!(written.iter().all(Answer::ok), "{written:?}");
        let role = mount.read("roles/r").await;
        assert_eq!(role.data()["ttl"], number, "{role:?}");
        assert_eq!(role.data()["ip_addresses"], json!([address]), "{role:?}");
        assert_eq!(role.data()["max_live"], number, "{role:?}");
    }
}

#[tokio::test]
async fn roles_are_listed_and_deleted() {
    let mount = Mount::configured().await;
    for name in ["b", "A", "c"] {
        mount.org_role(name, 0, 0).await;
    }
    assert_eq!(
        mount.list("roles").await.data()["keys"],
        json!(["a", "b", "c"])
    );
    assert_eq!(mount.delete("roles/B").await.status, 204);
    assert_eq!(mount.list("roles").await.data()["keys"], json!(["a", "c"]));
    assert_eq!(mount.read("roles/b").await.status, 404);
    assert_eq!(mount.delete("roles/b").await.status, 204);
}

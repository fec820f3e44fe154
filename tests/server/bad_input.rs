//! Bad input: a clear error, nothing stored, nothing made.

use serde_json::{Value, json};

use crate::support::Mount;

/// A write that must be refused with 400, naming each of `parts`.
async fn refused(mount: &Mount, path: &str, body: Value, parts: &[&str]) {
    let answer = mount.write(path, body.clone()).await;
    assert_eq!(answer.status, 400, "{body}: {answer:?}");
    for part in parts {
        assert!(
            answer.errors().contains(part),
            "{part:?} is missing: {answer:?}"
        );
    }
    assert_eq!(
        mount.read(path).await.status,
        404,
        "{body}: something was stored"
    );
}

#[tokio::test]
async fn a_role_is_refused_whole_with_every_fault_named() {
    let mount = Mount::configured().await;
    mount.atlas.forget_requests().await;
    let (org, project) = (mount.atlas.org(), mount.atlas.project(0));
    let cases: [(Value, &[&str]); 13] = [
        (json!({}), &["organization_id", "roles"]),
        (
            json!({ "organization_id": org }),
            &["roles: give at least one"],
        ),
        (
            json!({ "organization_id": org, "roles": [] }),
            &["roles: give at least one"],
        ),
        (
            json!({ "organization_id": "5cf5", "roles": "ORG_MEMBER" }),
            &["organization_id: ", "24"],
        ),
        (
            json!({ "organization_id": org, "roles": "GROUP_OWNER" }),
            &["roles: ", "organization"],
        ),
        (
            json!({ "project_id": project, "roles": "ORG_MEMBER" }),
            &["roles: ", "project"],
        ),
        (
            json!({ "organization_id": org, "project_id": project, "roles": "ORG_MEMBER" }),
            &["project_roles"],
        ),
        (
            json!({ "organization_id": org, "roles": "ORG_MEMBER", "ttl": "2h", "max_ttl": "1h" }),
            &["ttl: must not be longer than max_ttl"],
        ),
        (
            json!({ "organization_id": org, "roles": "ORG_MEMBER", "ttl": "soon", "max_ttl": -5 }),
            &["ttl: ", "max_ttl: "],
        ),
        (
            json!({ "organization_id": org, "roles": "ORG_MEMBER", "cidr_blocks": "10.0.0.1/8" }),
            &["cidr_blocks: entry 1", "10.0.0.0/8"],
        ),
        (
            json!({ "organization_id": org, "roles": "ORG_MEMBER", "ip_addresses": "10.0.0.256" }),
            &["ip_addresses: entry 1"],
        ),
        (
            json!({ "organization_id": org, "roles": "ORG_MEMBER", "credential_type": "password" }),
            &["credential_type: ", "service_account"],
        ),
        (
            json!({
                "organization_id": org, "roles": "ORG_MEMBER",
                "project_assignments": { "nonsense": ["ORG_OWNER"] },
            }),
            &["project_assignments: "],
        ),
    ];
    for (body, parts) in cases {
        refused(&mount, "roles/bad", body, parts).await;
    }
    assert_eq!(
        mount.atlas.request_count().await,
        0,
        "a refused role costs Atlas nothing"
    );
}

#[tokio::test]
async fn a_configuration_is_refused_whole() {
    let mount = Mount::new().await;
    let api = mount.atlas.api();
    let cases: [(Value, &[&str]); 9] = [
        (json!({}), &["public_key: ", "private_key: "]),
        (json!({ "public_key": "abcdefgh" }), &["private_key: "]),
        (
            json!({ "client_id": "nonsense", "client_secret": "x" }),
            &["client_id: ", "mdb_sa_id_"],
        ),
        (
            json!({ "public_key": "a", "private_key": "b", "client_id": "c", "client_secret": "d" }),
            &["not both"],
        ),
        (
            json!({ "public_key": "a", "private_key": "b", "base_url": "http://example.com" }),
            &["base_url: ", "https://"],
        ),
        (
            json!({ "public_key": "a", "private_key": "b", "api_version": "soon" }),
            &["api_version: "],
        ),
        (
            json!({ "public_key": "a", "private_key": "b", "ca_certificate": "not PEM" }),
            &["ca_certificate: "],
        ),
        (
            json!({ "public_key": "a", "private_key": "b", "request_timeout": "1d" }),
            &["request_timeout: "],
        ),
        (
            json!({ "public_key": "abcdefgh", "private_key": "wrong", "base_url": api }),
            &["refused the credential", "nothing was stored"],
        ),
    ];
    for (body, parts) in cases {
        refused(&mount, "config", body, parts).await;
    }
    let mut config = mount.atlas.key_config();
    config["organization_id"] = json!("5cf5a45a9ccf6400e60981b7");
    refused(&mount, "config", config, &["organization_id: "]).await;
}

#[tokio::test]
async fn what_a_user_mistypes_is_answered_in_words() {
    let mount = Mount::new().await;
    let none = mount.read("creds/none").await;
    assert_eq!(none.status, 400);
    assert!(
        none.errors().contains("there is no role \"none\""),
        "{none:?}"
    );
    mount.org_role("r", 0, 0).await;
    let unconfigured = mount.read("creds/r").await;
    assert_eq!(unconfigured.status, 400);
    assert!(
        unconfigured.errors().contains("not configured"),
        "{unconfigured:?}"
    );
    assert_eq!(mount.read("nowhere").await.status, 404);
    assert_eq!(mount.delete("creds/r").await.status, 405);
    assert_eq!(mount.read("config").await.status, 404);
    assert_eq!(mount.list("roles").await.data()["keys"], json!(["r"]));
    let patched = mount
        .client
        .call(
            "PATCH",
            &format!("{}/roles/none", mount.path),
            Some(json!({ "ttl": 5 })),
        )
        .await;
    assert_eq!(patched.status, 404, "{patched:?}");
}

#[tokio::test]
async fn an_unknown_field_is_reported_and_ignored() {
    let mount = Mount::configured().await;
    let role =
        json!({ "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER", "colour": "blue" });
    assert!(mount.write("roles/r", role).await.ok());
    let answer = mount.read("roles/r?colour=blue").await;
    assert!(
        answer
            .warnings()
            .contains("unrecognized parameters: [colour]"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn no_error_repeats_a_secret() {
    let mount = Mount::new().await;
    let secret = "3f0c2a7e-secret-9b1d";
    for body in [
        json!({ "public_key": secret, "private_key": secret, "base_url": mount.atlas.api() }),
        json!({ "client_id": secret, "client_secret": secret }),
        json!({ "public_key": "a", "private_key": "b", "base_url": secret, "api_version": secret }),
        json!({ "public_key": "a", "private_key": "b", "request_timeout": secret }),
    ] {
        let answer = mount.write("config", body).await;
        assert_eq!(answer.status, 400);
        assert!(!answer.body.to_string().contains(secret), "{answer:?}");
    }
    let role = json!({ "organization_id": secret, "roles": secret, "ttl": secret });
    let answer = mount.write("roles/r", role).await;
    assert!(!answer.body.to_string().contains(secret), "{answer:?}");
}

//! The API before versioned media types, as the Go engine asks it.

use serde_json::{Value, json};

use crate::harness::{Answer, Atlas, NEWEST};

const PLAIN: &str = "application/json";

/// A request below `/api/atlas/v1.0`, in this media type.
async fn asks(atlas: &Atlas, method: &str, path: &str, body: Option<Value>, media: &str) -> Answer {
    let url = format!("{}/api/atlas/v1.0{path}", atlas.api());
    let request = atlas.http().request(method.parse().unwrap(), url);
    let mut request = request.header("accept", media);
    if let Some(body) = body {
        request = request.header("content-type", media).body(body.to_string());
    }
    atlas.send(&atlas.owner(), request).await.unwrap()
}

#[tokio::test]
async fn a_key_is_made_assigned_and_removed_without_versions() {
    let atlas = Atlas::start("unversioned").await;
    let (org, project) = (atlas.org(), atlas.project());
    let call = async |method, path: &str, body| asks(&atlas, method, path, body, PLAIN).await;

    let wanted = json!({"desc": "x", "roles": ["ORG_MEMBER"]});
    let key = call("POST", &format!("{org}/apiKeys"), Some(wanted)).await;
    assert_eq!(key.header("content-type"), PLAIN);
    let key = key.ok();
    let id = key["id"].as_str().unwrap().to_owned();
    let href = key["links"][0]["href"].as_str().unwrap();
    assert!(
        href.ends_with(&format!("/api/atlas/v1.0{org}/apiKeys/{id}")),
        "{href}"
    );

    let entries = format!("{org}/apiKeys/{id}/accessList");
    let added = call("POST", &entries, Some(json!([{"ipAddress": "192.0.2.1"}]))).await;
    assert_eq!(added.ok()["results"][0]["cidrBlock"], "192.0.2.1/32");

    let in_project = format!("{project}/apiKeys/{id}");
    let roles = json!({"roles": ["GROUP_READ_ONLY"]});
    assert_eq!(call("PATCH", &in_project, Some(roles)).await.status, 200);
    let listed = call("GET", &format!("{project}/apiKeys?itemsPerPage=500"), None).await;
    assert_eq!(listed.ok()["results"][0]["id"], id);

    assert_eq!(call("DELETE", &in_project, None).await.status, 204);
    let in_org = format!("{org}/apiKeys/{id}");
    assert_eq!(call("DELETE", &in_org, None).await.status, 204);
    assert_eq!(
        call("GET", &in_org, None).await.refusal(),
        (400, "API_KEY_NOT_FOUND")
    );
}

#[tokio::test]
async fn it_is_as_strict_and_has_no_more_than_keys() {
    let atlas = Atlas::start("unversioned_refusals").await;
    let keys = format!("{}/apiKeys", atlas.org());
    let bad = json!({"desc": "x", "roles": ["ORG_MEMBER"], "name": "y"});
    let refused = asks(&atlas, "POST", &keys, Some(bad), PLAIN).await;
    assert_eq!(refused.refusal(), (400, "INVALID_ATTRIBUTE"));
    let versioned = asks(&atlas, "GET", &keys, None, NEWEST).await;
    assert_eq!(versioned.status, 406);
    let accounts = format!("{}/serviceAccounts", atlas.org());
    assert_eq!(
        asks(&atlas, "GET", &accounts, None, PLAIN).await.status,
        404
    );
    let assign = format!("{}/apiKeys/{}", atlas.project(), "0".repeat(24));
    let body = json!([{"roles": ["GROUP_READ_ONLY"]}]);
    let posted = asks(&atlas, "POST", &assign, Some(body), PLAIN).await;
    assert_eq!(posted.status, 405);
}

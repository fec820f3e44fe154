//! A disclosed credential is ended by its public part, by who is on call; its lease gives in without
//! Atlas.

use serde_json::{Value, json};

use crate::support::{Answer, Client, Mount};

const POLICIES: &str = include_str!("../../docs/policies.md");

/// A client of somebody who is on call, with the policy of the documentation.
async fn on_call(mount: &Mount) -> Client {
    let shown = POLICIES.split("<!-- policy on-call -->\n```hcl\n").nth(1);
    let policy = shown.and_then(|text| text.split_once("```"));
    let policy = policy.expect("the policy").0;
    let policy = policy.replace("\"mongodbatlas/", &format!("\"{}/", mount.path));
    let name = format!("{}-on-call", mount.path);
    let path = format!("sys/policies/acl/{name}");
    let written = mount.client.write(&path, json!({ "policy": policy })).await;
    assert!(written.ok(), "{written:?}");
    let body = json!({ "policies": [name], "display_name": "anna", "ttl": "1h" });
    let token = mount.client.write("auth/token/create", body).await;
    let token = token.body["auth"]["client_token"].as_str();
    mount.client.with_token(token.expect("a token"))
}

/// Roles for each kind of credential that can be ended, in the organization and in a project.
async fn with_roles() -> (Mount, [&'static str; 6]) {
    let mount = Mount::configured().await;
    let (org, project) = (mount.atlas.org(), mount.atlas.project(0));
    let in_project = json!({
        "org_id": org, "project_roles": {project: ["GROUP_READ_ONLY"]}, "home_project": project,
    });
    for (kind, holder) in [
        ("key", None),
        ("account", None),
        ("secret", Some(json!({ "org_id": org }))),
        ("project-key", None),
        ("project-account", None),
        ("project-secret", Some(in_project)),
    ] {
        let mut role = if kind.starts_with("project-") {
            json!({ "project_id": project, "roles": "GROUP_READ_ONLY" })
        } else {
            json!({ "organization_id": org, "roles": "ORG_MEMBER" })
        };
        if !kind.ends_with("key") {
            role["credential_type"] = json!("service_account");
        }
        if let Some(mut holder) = holder {
            holder["secret_hours"] = json!(0);
            let account = mount.atlas.control("POST", "/accounts", holder).await;
            role["client_id"] = account["client_id"].clone();
            role["roles"] = json!("");
        }
        role["ttl"] = json!(600);
        mount.role(kind, role).await;
    }
    let kinds = [
        "key",
        "account",
        "secret",
        "project-key",
        "project-account",
        "project-secret",
    ];
    (mount, kinds)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Its public key or client id.
fn public(issued: &Answer) -> String {
    let data = issued.data();
    let parts = [text(data, "public_key"), text(data, "client_id")];
    parts.concat()
}

async fn is_alive(mount: &Mount, issued: &Answer) -> bool {
    let data = issued.data();
    if text(data, "public_key").is_empty() {
        let (account, secret) = (text(data, "client_id"), text(data, "client_secret"));
        return mount.atlas.mints(account, secret).await;
    }
    !mount.atlas.known(text(data, "public_key")).await.is_null()
}

/// From now on nothing reaches Atlas.
async fn cut_off(mount: &Mount) {
    let fault = json!({ "path_prefix": "/api", "count": 0, "action": { "kind": "close" } });
    mount.atlas.fault(fault).await;
}

#[tokio::test]
async fn who_is_on_call_ends_a_disclosed_credential_by_its_public_part() {
    let (mount, kinds) = with_roles().await;
    let anna = on_call(&mount).await;
    let mut ended = Vec::new();
    for kind in kinds {
        let issued = mount.issue(kind).await;
        assert!(is_alive(&mount, &issued).await, "{kind}");
        let path = format!("{}/issued/{}", mount.path, public(&issued));
        let answer = anna.delete(&path).await;
        assert_eq!(answer.status, 204, "{kind}: {answer:?}");
        assert!(!is_alive(&mount, &issued).await, "{kind}");
        let shown = anna.read(&path).await;
        assert_eq!(shown.data()["stage"], "ended", "{kind}");
        assert_eq!(shown.data()["ended_by"], "token-anna", "{kind}");
        ended.push((kind, path, issued));
    }
    let status = mount.read("status").await;
    let entries = &status.data()["journal"]["entries"];
    assert_eq!(
        (&entries["ended"], &entries["live"]),
        (&json!(6), &json!(0))
    );

    cut_off(&mount).await;
    mount.atlas.forget_requests().await;
    for (kind, path, issued) in &ended {
        let lease = issued.lease_id();
        let refused = mount.renew(&lease, 0).await;
        assert_eq!(refused.status, 400, "{kind}: {refused:?}");
        let told = refused.errors();
        assert!(
            told.contains("this credential was ended at 20")
                && told.contains(&format!("by token-anna: read a new one from creds/{kind}")),
            "{kind}: {told}"
        );
        let revoked = mount.revoke(&lease).await;
        assert!(revoked.ok(), "{kind}: {revoked:?}");
        assert_eq!(mount.leases(kind).await, 0, "{kind}");
        assert_eq!(anna.read(path).await.status, 404, "{kind}");
        let again = anna.delete(path).await;
        assert_eq!(again.status, 400, "{kind}: {again:?}");
        assert!(again.errors().contains("no such issued credential"));
    }
    assert_eq!(mount.list("issued").await.status, 404);
    assert_eq!(mount.atlas.request_count().await, 0);
}

/// The access list of the mount's key, or an outage, may keep Atlas from being told.
#[tokio::test]
async fn what_atlas_does_not_hear_of_is_not_ended() {
    let mount = Mount::configured().await;
    mount.org_role("key", 600, 3_600).await;
    let issued = mount.issue("key").await;
    let path = format!("issued/{}", public(&issued));
    let refusal = json!({ "kind": "answer", "status": 403, "code": "ORG_REQUIRES_ACCESS_LIST" });
    let fault = json!({ "operation": "deleteOrgApiKey", "count": 0, "action": refusal });
    mount.atlas.fault(fault).await;
    let refused = mount.delete(&path).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert_eq!(mount.read(&path).await.data()["stage"], "live");
    assert!(mount.renew(&issued.lease_id(), 0).await.ok());
    mount.atlas.no_more_faults().await;
    let id = mount.read(&path).await.data()["id"].clone();
    let by_id = format!("issued/{}", id.as_str().expect("an id"));
    assert!(mount.delete(&by_id).await.ok());
    assert!(!is_alive(&mount, &issued).await);
    let again = mount.delete(&path).await;
    assert!(again.ok(), "{again:?}");
    assert!(again.warnings().contains("it was ended before"));
}

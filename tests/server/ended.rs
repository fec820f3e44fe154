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
        assert_eq!(shown.data()["state"], "ended", "{kind}");
        assert_eq!(shown.data()["ended_by"], "token-anna", "{kind}");
        ended.push((kind, path, issued));
    }
    let status = mount.read("status").await;
    let entries = &status.data()["journal"]["entries"];
    assert_eq!(
        (&entries["ended"], &entries["active"]),
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
    assert_eq!(mount.read(&path).await.data()["state"], "active");
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

/// A refused end: nothing is asked of Atlas, and the answer says what to do instead.
async fn refused(mount: &Mount, name: &str) -> String {
    mount.atlas.forget_requests().await;
    let answer = mount.delete(&format!("issued/{name}")).await;
    assert_eq!(answer.status, 400, "{name}: {answer:?}");
    assert_eq!(mount.atlas.request_count().await, 0, "{name}");
    answer.errors()
}

#[track_caller]
fn says(told: &str, parts: &[&str]) {
    for part in parts {
        assert!(told.contains(part), "{part}: {told}");
    }
}

/// What the engine itself has in hand was never issued, so that the journal does not know it.
#[tokio::test]
async fn what_the_engine_has_in_hand_is_refused_with_the_way_to_go() {
    let mount = Mount::configured().await;
    let config = mount.read("config").await;
    let key = text(config.data(), "public_key");
    let own = ["this mount signs in with", "config/rotate-root"];
    says(&refused(&mount, key).await, &own);
    let (org, secret_hours) = (mount.atlas.org(), 8_760);
    let holder = json!({ "org_id": org, "secret_hours": secret_hours });
    let account = mount.atlas.control("POST", "/accounts", holder).await;
    let client_id = text(&account, "client_id");
    let role = json!({
        "client_id": client_id, "organization_id": org, "rotation_period": 0,
        "client_secret": account["client_secret"], "skip_initial_rotation": true,
    });
    let written = mount.write("static-roles/rotates", role).await;
    assert!(written.ok(), "{written:?}");
    let way = ["static role \"rotates\" rotates", "rotate-role/rotates"];
    says(&refused(&mount, client_id).await, &way);
    let unknown = refused(&mount, "mdb_sa_id_0123456789abcdef01234567").await;
    says(&unknown, &["there is no such issued credential"]);
    let to_account = json!({ "credential_type": "service_account" });
    let rotated = mount.write("config/rotate-root", to_account).await;
    assert!(rotated.ok(), "{rotated:?}");
    says(
        &refused(&mount, text(rotated.data(), "client_id")).await,
        &own,
    );
    assert!(mount.read("check").await.ok(), "it signs in still");
}

#[tokio::test]
async fn what_cannot_be_ended_alone_is_refused_with_the_way_to_go() {
    let mount = Mount::configured().await;
    let org = mount.atlas.org();
    let holder = json!({ "org_id": org, "secret_hours": 0 });
    let account = mount.atlas.control("POST", "/accounts", holder).await;
    let client_id = text(&account, "client_id");
    let adds = json!({
        "credential_type": "service_account", "organization_id": org, "client_id": client_id,
        "ttl": 600,
    });
    mount.role("adds", adds).await;
    says(
        &refused(&mount, client_id).await,
        &["role \"adds\" adds secrets to"],
    );
    mount.issue("adds").await;
    mount.issue("adds").await;
    let ids = mount.list("issued").await;
    let ids: Vec<String> = ids.data()["keys"]
        .as_array()
        .expect("ids")
        .iter()
        .map(|id| format!("{} (active)", id.as_str().expect("an id")))
        .collect();
    let told = refused(&mount, client_id).await;
    says(&told, &["2 credentials are parts of", &ids[0], &ids[1]]);

    let token = json!({
        "credential_type": "access_token", "organization_id": org, "roles": "ORG_MEMBER",
    });
    mount.role("token", token).await;
    let issued = mount.issue("token").await;
    let kept = refused(&mount, text(issued.data(), "client_id")).await;
    says(
        &kept,
        &["is managed for the access tokens", "delete the role"],
    );
    let list = mount.list("issued").await;
    let entries = list.data()["key_info"].as_object().expect("entries");
    let tokens = entries.iter().filter(|(_, entry)| {
        entry["credential_type"] == "access_token" && entry["state"] == "active"
    });
    let ids: Vec<&String> = tokens.map(|(id, _)| id).collect();
    let told = refused(&mount, ids[0]).await;
    says(&told, &["is an access token", "revoke its lease"]);
}

/// Atlas has made it, refused its access list, and does not delete it.
#[tokio::test]
async fn what_is_incomplete_is_refused_as_unowned() {
    let mount = Mount::configured().await;
    let role = json!({
        "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER", "ip_addresses": "192.0.2.1",
    });
    mount.role("r", role).await;
    for operation in ["deleteOrgApiKey", "createOrgAccessEntry"] {
        let fault = json!({
            "operation": operation, "count": 0,
            "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
        });
        mount.atlas.fault(fault).await;
    }
    assert!(!mount.read("creds/r").await.ok());
    let ids = mount.list("issued").await;
    let id = ids.data()["keys"][0].as_str().expect("an id").to_owned();
    says(
        &refused(&mount, &id).await,
        &["is incomplete", "pending in status"],
    );
}

//! A proxy or gateway that answers in Atlas's place: it ends no lease, and completes no credential.

use serde_json::{Value, json};

use crate::support::{Answer, Bao, Mount};

const KINDS: [&str; 6] = [
    "programmatic_api_key",
    "service_account",
    "client_id",
    "access_token",
    "ai_model_key",
    "database_user",
];

/// A role of this type, named as it.
async fn role(mount: &Mount, kind: &str) {
    if KINDS[4..].contains(&kind) {
        return mount.project_role(kind, 3_000, 7_200).await;
    }
    let org = mount.atlas.org();
    let role = if kind == "client_id" {
        let body = json!({ "org_id": org, "secret_hours": 0 });
        let account = mount.atlas.control("POST", "/accounts", body).await;
        json!({
            "credential_type": "service_account", "organization_id": org,
            "client_id": account["client_id"],
        })
    } else {
        json!({
            "credential_type": kind, "organization_id": org, "roles": "ORG_MEMBER",
            "ip_addresses": "192.0.2.1,2001:db8::1", "project_id": mount.atlas.project(0),
            "project_roles": "GROUP_READ_ONLY",
        })
    };
    mount.role(kind, role).await;
}

/// What gateways answer on their own.
fn lies() -> Vec<Value> {
    let lie = |status: u16, text: &str, media_type: &str| {
        json!({
            "kind": "answer", "status": status, "text": text,
            "headers": { "Content-Type": media_type },
        })
    };
    vec![
        lie(200, "<html>", "text/html"),
        lie(202, "", "text/plain"),
        lie(200, "{}", "application/vnd.atlas.2025-03-12+json"),
        lie(
            404,
            r#"{"status":404,"error":"Not Found"}"#,
            "application/json",
        ),
        lie(404, r#"{"error":"not_found"}"#, "application/json"),
        lie(404, r#"{"message":"no Route"}"#, "application/json"),
        lie(404, "", "text/plain"),
    ]
}

/// Whether what was issued still exists in Atlas.
async fn is_alive(mount: &Mount, kind: &str, issued: &Answer) -> bool {
    let part = |name: &str| issued.data()[name].as_str().unwrap_or_default();
    match kind {
        "programmatic_api_key" => !mount.atlas.known(part("public_key")).await.is_null(),
        "ai_model_key" | "database_user" => {
            let id = [part("ai_model_key_id"), part("username")].concat();
            mount.atlas.credentials().await.contains(&id)
        }
        "access_token" => {
            let state = mount.atlas.state().await;
            let mut tokens = state["tokens"].as_array().unwrap().iter();
            tokens.any(|token| token["client_id"] == part("client_id"))
        }
        _ => {
            let (id, secret) = (part("client_id"), part("client_secret"));
            mount.atlas.mints(id, secret).await
        }
    }
}

#[tokio::test]
async fn what_a_gateway_answers_ends_no_lease() {
    let mount = Mount::configured().await;
    for kind in KINDS {
        role(&mount, kind).await;
        let issued = mount.issue(kind).await;
        for action in lies() {
            let fault = json!({ "count": 0, "action": action });
            mount.atlas.fault(fault).await;
            let revoked = mount.revoke(&issued.lease_id()).await;
            mount.atlas.no_more_faults().await;
            assert!(!revoked.ok(), "{kind} {action}: {revoked:?}");
            assert!(
                revoked.errors().contains("a proxy or gateway in between")
                    || revoked.errors().contains("cannot be used"),
                "{kind} {action}: {revoked:?}"
            );
            assert!(is_alive(&mount, kind, &issued).await, "{kind} {action}");
            assert_eq!(mount.leases(kind).await, 1, "{kind} {action}");
        }
        let revoked = mount.revoke(&issued.lease_id()).await;
        assert!(revoked.ok(), "{kind}: {revoked:?}");
        assert!(!is_alive(&mount, kind, &issued).await, "{kind}");
        assert_eq!(mount.leases(kind).await, 0);
    }
}

/// The delete was done, and a gateway hid Atlas's answer.
#[tokio::test]
async fn a_hidden_answer_to_a_delete_is_settled_in_the_same_request() {
    let mount = Mount::configured().await;
    for kind in &KINDS[..3] {
        role(&mount, kind).await;
        for mut action in lies().into_iter().take(3) {
            let issued = mount.issue(kind).await;
            action["after_effect"] = json!(true);
            let fault = json!({ "method": "DELETE", "count": 0, "action": action });
            mount.atlas.fault(fault).await;
            let revoked = mount.revoke(&issued.lease_id()).await;
            mount.atlas.no_more_faults().await;
            assert!(revoked.ok(), "{kind} {action}: {revoked:?}");
            assert!(!is_alive(&mount, kind, &issued).await, "{kind} {action}");
            assert_eq!(mount.leases(kind).await, 0);
        }
    }
}

/// When the accounts were listed since the log was emptied, by Atlas's clock in seconds.
async fn lists(mount: &Mount) -> Vec<i64> {
    let log = mount.atlas.control("GET", "/requests", Value::Null).await;
    let requests = log["requests"].as_array().unwrap().iter();
    let lists = requests.filter(|each| each["operation_id"] == "listOrgServiceAccounts");
    lists
        .map(|each| {
            let at: chrono::DateTime<chrono::Utc> = each["at"].as_str().unwrap().parse().unwrap();
            at.timestamp()
        })
        .collect()
}

#[tokio::test]
async fn an_account_is_gone_by_two_lists_seconds_apart_and_not_while_it_is_listed() {
    let mount = Mount::configured().await;
    role(&mount, "service_account").await;
    let issued = mount.issue("service_account").await;
    let unknown = json!({ "kind": "answer", "status": 404, "code": "RESOURCE_NOT_FOUND" });
    for operation in ["deleteOrgServiceAccount", "getOrgServiceAccount"] {
        let fault = json!({ "operation": operation, "action": unknown });
        mount.atlas.fault(fault).await;
    }
    let revoked = mount.revoke(&issued.lease_id()).await;
    assert!(!revoked.ok(), "{revoked:?}");
    assert!(is_alive(&mount, "service_account", &issued).await);
    let account = issued.data()["client_id"].as_str().unwrap();
    let path = format!("/accounts/{account}");
    mount.atlas.control("DELETE", &path, Value::Null).await;
    mount.atlas.forget_requests().await;
    let revoked = mount.revoke(&issued.lease_id()).await;
    assert!(revoked.ok(), "{revoked:?}");
    let [first, second] = lists(&mount).await[..] else {
        panic!("two lists");
    };
    assert!(second - first >= 2, "{first} {second}");
}

/// A step that was not done, or not wholly, although a success was answered.
#[tokio::test]
async fn no_credential_is_handed_out_without_what_its_role_asks_for() {
    let mount = Mount::configured().await;
    let switches = json!({ "shuffle_roles": false });
    mount.atlas.settings(switches).await;
    let withhold = |pointer: &str| json!({ "kind": "withhold", "pointer": pointer });
    let steps = [
        (KINDS[0], "createOrgApiKey", withhold("/roles/0")),
        (KINDS[0], "createOrgAccessEntry", withhold("/results/1")),
        (KINDS[1], "createOrgServiceAccount", withhold("/roles/0")),
        (KINDS[1], "createOrgAccessList", withhold("/results/0")),
        (KINDS[3], "createOrgAccessList", withhold("/results/0")),
    ];
    let not_done = [
        (KINDS[0], "createOrgAccessEntry"),
        (KINDS[1], "createOrgAccessList"),
        (KINDS[3], "createOrgAccessList"),
    ];
    let not_done = not_done.into_iter().flat_map(|(kind, operation)| {
        let answers = lies().into_iter().take(3);
        answers.map(move |action| (kind, operation, action))
    });
    for kind in [KINDS[0], KINDS[1], KINDS[3]] {
        role(&mount, kind).await;
    }
    for (kind, operation, action) in steps.into_iter().chain(not_done) {
        let fault = json!({ "operation": operation, "action": action });
        mount.atlas.fault(fault).await;
        let refused = mount.read(&format!("creds/{kind}")).await;
        mount.atlas.no_more_faults().await;
        assert_eq!(refused.status, 500, "{operation} {action}: {refused:?}");
        assert!(
            mount.atlas.credentials().await.is_empty(),
            "{operation} {action}"
        );
        assert_eq!(mount.list("issued").await.status, 404, "{operation}");
    }
}

/// A key's project: an empty 204, or a 200 that shows the role.
#[tokio::test]
async fn a_project_assignment_that_was_not_done_is_made_or_the_key_is_removed() {
    let mount = Mount::configured().await;
    role(&mount, KINDS[0]).await;
    let html = &lies()[0];
    let fault = json!({ "operation": "addGroupApiKey", "action": html });
    mount.atlas.fault(fault.clone()).await;
    let issued = mount.issue(KINDS[0]).await;
    let public_key = issued.data()["public_key"].as_str().unwrap();
    let known = mount.atlas.known(public_key).await;
    let project = mount.atlas.project(0);
    assert_eq!(known["project_roles"][project], json!(["GROUP_READ_ONLY"]));
    assert!(mount.revoke(&issued.lease_id()).await.ok());
    mount.atlas.fault(fault).await;
    let fault = json!({ "operation": "updateApiKeyRoles", "action": html });
    mount.atlas.fault(fault).await;
    let refused = mount.read(&format!("creds/{}", KINDS[0])).await;
    assert_eq!(refused.status, 500, "{refused:?}");
    assert!(mount.atlas.credentials().await.is_empty());
}

/// Nobody knows whether Atlas made a secret; it did not, and a person made one at that time and works with it.
#[tokio::test]
async fn a_secret_that_somebody_uses_is_not_taken_for_a_lost_one() {
    let bao = Bao::dev();
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    role(&mount, KINDS[2]).await;
    let fault = json!({
        "operation": "createOrgSecret", "count": 0, "action": { "kind": "answer", "status": 500 },
    });
    mount.atlas.fault(fault).await;
    let refused = mount.read(&format!("creds/{}", KINDS[2])).await;
    assert_eq!(refused.status, 500, "{refused:?}");
    mount.atlas.no_more_faults().await;
    let role = mount.read(&format!("roles/{}", KINDS[2])).await;
    let account = role.data()["client_id"].as_str().expect("an id");
    let secret = json!({ "client_id": account, "hours": 800 });
    let made = mount.atlas.control("POST", "/secrets", secret).await;
    let secret = made["client_secret"].as_str().expect("a secret");
    assert!(mount.atlas.mints(account, secret).await);
    bao.log.ticks(2).await;
    assert!(mount.atlas.mints(account, secret).await);
    let status = mount.read("status").await;
    assert_eq!(status.data()["ambiguous_secrets"]["count"], 0);
}

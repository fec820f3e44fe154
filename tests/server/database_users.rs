//! Database users by their leases.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Bao, Mount};

const SOON: Duration = Duration::from_secs(30);

async fn mount() -> Mount {
    let mount = Mount::configured().await;
    for cluster in ["east", "west"] {
        mount.atlas.add_cluster(cluster).await;
    }
    role(&mount, "users", json!({})).await;
    mount
}

async fn role(mount: &Mount, name: &str, fields: Value) {
    let mut body = json!({
        "credential_type": "database_user", "project_id": mount.atlas.project(0),
        "database_roles": "readWrite@app", "ttl": 600, "max_ttl": 1_200, "max_live": 50,
    });
    for (key, value) in fields.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    mount.role(name, body).await;
}

fn text(answer: &Answer, field: &str) -> String {
    answer.data()[field].as_str().unwrap().to_owned()
}

async fn assert_empty(mount: &Mount) {
    let left = mount.atlas.credentials().await;
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn a_user_signs_in_until_its_lease_ends_however_that_ends() {
    let mount = mount().await;
    role(&mount, "short", json!({ "ttl": 1, "max_ttl": 2 })).await;
    let answer = mount.issue("users").await;
    assert_eq!(answer.warnings(), "");
    assert_eq!(answer.data()["database"], "admin");
    for cluster in ["east", "west"] {
        assert!(
            mount.atlas.lets_in(cluster, answer.data()).await,
            "{cluster}"
        );
    }
    let (name, password) = (text(&answer, "username"), text(&answer, "password"));
    let renewed = mount.renew(&answer.lease_id(), 900).await;
    assert!(renewed.ok(), "{renewed:?}");
    let shown = mount.read(&format!("issued/{name}")).await;
    assert_eq!(shown.data()["credential_type"], "database_user");
    for body in [&renewed.body, &shown.body] {
        assert!(!body.to_string().contains(&password));
    }
    assert!(mount.revoke(&answer.lease_id()).await.ok());
    assert!(!mount.atlas.lets_in("east", answer.data()).await);
    assert_empty(&mount).await;

    mount.issue("short").await;
    mount.atlas.empties(SOON).await;

    let ended = mount.issue("users").await;
    let path = format!("issued/{}", text(&ended, "username"));
    assert!(mount.delete(&path).await.ok());
    assert_empty(&mount).await;
    assert!(!mount.renew(&ended.lease_id(), 900).await.ok());
    assert!(mount.revoke(&ended.lease_id()).await.ok());

    for _ in 0..3 {
        mount.issue("users").await;
    }
    let path = format!("sys/mounts/{}", mount.path);
    let disabled = mount.client.delete(&path).await;
    assert!(disabled.ok(), "{disabled:?}");
    mount.atlas.empties(SOON).await;
}

/// The server's own policy, as its database engine has it.
#[tokio::test]
async fn a_password_is_made_by_a_policy_of_the_server_and_a_name_by_the_template() {
    let mount = mount().await;
    let policy = json!({
        "policy": "length = 24\nrule \"charset\" { charset = \"abc\" min-chars = 1 }\n\
                   rule \"charset\" { charset = \"%/@\" min-chars = 2 }",
    });
    let written = mount
        .client
        .write("sys/policies/password/mine", policy)
        .await;
    assert!(written.ok(), "{written:?}");
    let template = "{{.RoleName | uppercase}}/{{.DisplayName | truncate 5}} {{random 10}}";
    let fields = json!({ "password_policy": "mine", "username_template": template });
    role(&mount, "mine", fields).await;
    let answer = mount.issue("mine").await;
    let password = text(&answer, "password");
    assert!(
        password.len() == 24 && password.chars().all(|c| "abc%/@".contains(c)),
        "{password}"
    );
    let name = text(&answer, "username");
    assert!(name.starts_with("MINE/"), "{name}");
    assert!(mount.atlas.lets_in("west", answer.data()).await);
    let checked = mount.read("check/mine").await;
    assert_eq!(checked.data()["problems"], json!([]), "{checked:?}");
    assert!(mount.renew(&answer.lease_id(), 900).await.ok());
    assert!(mount.revoke(&answer.lease_id()).await.ok());
    assert_empty(&mount).await;

    role(&mount, "mine", json!({ "password_policy": "nobody's" })).await;
    let refused = mount.read("creds/mine").await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(
        refused.errors().contains("is there a policy"),
        "{refused:?}"
    );
    let checked = mount.read("check/mine").await;
    assert_eq!(checked.data()["ok"], false, "{checked:?}");
}

/// In the forms in which Vault's database engine has them, and as a command line gives them.
#[tokio::test]
async fn rights_are_taken_as_lists_objects_and_their_texts() {
    let mount = mount().await;
    let given = r#"[{"roleName": "read", "databaseName": "app", "collectionName": "a,b"}]"#;
    let objects: Value = serde_json::from_str(given).unwrap();
    for roles in [
        json!(given),
        objects,
        json!(r#"{"roleName":"read","databaseName":"app","collectionName":"a,b"}"#),
    ] {
        role(
            &mount,
            "users",
            json!({ "database_roles": roles, "scopes": "west" }),
        )
        .await;
        let read = mount.read("roles/users").await;
        assert_eq!(read.data()["database_roles"], json!(["read@app.a,b"]));
    }
    let answer = mount.issue("users").await;
    assert!(!mount.atlas.lets_in("east", answer.data()).await);
    assert!(mount.atlas.lets_in("west", answer.data()).await);
    let wrong = json!({ "database_roles": "read", "roles": "GROUP_OWNER", "wait": "" });
    let refused = mount.write("roles/users", wrong).await;
    assert_eq!(refused.status, 400);
    assert!(refused.errors().contains("wait: "), "{refused:?}");
}

#[tokio::test]
async fn a_lost_answer_an_outage_and_a_deletion_by_hand_leave_no_user() {
    let bao = Bao::dev_with_clock();
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    mount.atlas.add_cluster("east").await;
    role(&mount, "users", json!({})).await;
    let lost = json!({ "operation": "createDatabaseUser", "action": {"kind": "lose_answer"} });
    mount.atlas.fault(lost).await;
    let refused = mount.read("creds/users").await;
    assert_eq!(refused.status, 500, "{refused:?}");
    assert_empty(&mount).await;

    let lease = mount.issue("users").await.lease_id();
    let outage = |operation: &str| {
        json!({
            "operation": operation, "count": 0,
            "action": {"kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN"},
        })
    };
    // A renewal that Atlas does not follow is none, and the lease ends when it is due.
    mount.atlas.fault(outage("updateDatabaseUser")).await;
    let refused = mount.renew(&lease, 1_200).await;
    assert!(!refused.ok(), "{refused:?}");
    mount.atlas.fault(outage("deleteDatabaseUser")).await;
    assert!(!mount.revoke(&lease).await.ok());
    mount.atlas.no_more_faults().await;
    assert!(mount.revoke(&lease).await.ok());
    assert_empty(&mount).await;

    let answer = mount.issue("users").await;
    let by_hand = format!(
        "/database-users/{}/{}",
        mount.atlas.project(0),
        text(&answer, "username")
    );
    mount.atlas.control("DELETE", &by_hand, Value::Null).await;
    mount.revoke_what_is_gone(&bao, &answer.lease_id()).await;
    let left = mount.list("issued").await;
    assert_eq!(left.status, 404, "{left:?}");
}

/// Two servers with a mount each in one project.
#[tokio::test]
async fn servers_of_one_project_keep_to_their_own_users() {
    let one = mount().await;
    let bao = Bao::dev();
    let other = one.beside(&bao.client()).await;
    role(&other, "users", json!({})).await;
    let (ours, theirs) = (one.issue("users").await, other.issue("users").await);
    let tidy = json!({ "dry_run": false, "min_age": 0 });
    for mount in [&one, &other] {
        let found = mount.write("tidy", tidy.clone()).await;
        let counts = ["orphan_count", "missing_count", "untagged_count"];
        let counts = counts.map(|name| found.data()[name].clone());
        assert_eq!(counts, [json!(0), json!(0), json!(1)], "{found:?}");
    }
    assert!(one.revoke(&ours.lease_id()).await.ok());
    assert!(one.atlas.lets_in("east", theirs.data()).await);
    assert!(other.revoke(&theirs.lease_id()).await.ok());
    assert_empty(&one).await;
}

/// What Atlas limits and what somebody else has already is told, and leaves nothing behind.
#[tokio::test]
async fn limits_and_names_that_are_taken_are_told() {
    let mount = mount().await;
    let by_hand =
        |username: &str| json!({ "project_id": mount.atlas.project(0), "username": username });
    mount
        .atlas
        .control("POST", "/database-users", by_hand("app"))
        .await;
    role(&mount, "fixed", json!({ "username_template": "app" })).await;
    let refused = mount.read("creds/fixed").await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(
        refused.errors().contains("put {{random 20}} into it"),
        "{refused:?}"
    );

    role(&mount, "few", json!({ "max_live": 1 })).await;
    let lease = mount.issue("few").await.lease_id();
    let refused = mount.read("creds/few").await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(mount.revoke(&lease).await.ok());
    mount.issue("few").await;

    let full = json!({ "max_database_users_per_project": 2 });
    mount.atlas.settings(full).await;
    let refused = mount.read("creds/users").await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(
        refused.errors().contains("has 2 database users"),
        "{refused:?}"
    );
    assert_eq!(mount.atlas.credentials().await.len(), 2);
    let listed = mount.list("issued").await;
    assert_eq!(listed.data()["keys"].as_array().map(Vec::len), Some(1));
}

/// A name of any form is asked for and ended by itself.
#[tokio::test]
async fn a_user_of_any_name_is_shown_and_ended_by_it() {
    let mount = mount().await;
    let template = "MINE/{{.DisplayName}}@x-{{random 10}}";
    role(&mount, "users", json!({ "username_template": template })).await;
    let answer = mount.issue("users").await;
    let path = format!("issued/{}", text(&answer, "username"));
    let shown = mount.read(&path).await;
    assert_eq!(shown.data()["database_username"], answer.data()["username"]);
    assert!(mount.delete(&path).await.ok());
    assert!(!mount.atlas.lets_in("east", answer.data()).await);
    assert!(mount.revoke(&answer.lease_id()).await.ok());
    assert_empty(&mount).await;
}

/// A cluster does not follow; Atlas is away when a lease expires; and a server that never comes back.
#[tokio::test]
async fn a_user_is_told_of_in_time_and_ends_without_atlas_or_the_server() {
    let bao = Bao::dev();
    let mount = Mount::on(&bao.client()).await;
    mount.configure().await;
    for cluster in ["east", "west"] {
        mount.atlas.add_cluster(cluster).await;
    }
    role(&mount, "users", json!({ "wait": 1 })).await;
    let stuck = json!({ "project_id": mount.atlas.project(0), "name": "west", "stuck": true });
    mount.atlas.control("POST", "/clusters/change", stuck).await;
    let answer = mount.issue("users").await;
    assert!(
        answer.warnings().contains("known to cluster west"),
        "{answer:?}"
    );
    assert!(mount.atlas.lets_in("east", answer.data()).await);
    assert!(!mount.atlas.lets_in("west", answer.data()).await);
    assert!(mount.revoke(&answer.lease_id()).await.ok());

    let away = json!({
        "operation": "deleteDatabaseUser", "count": 0, "action": {"kind": "answer", "status": 503},
    });
    mount.atlas.fault(away).await;
    role(
        &mount,
        "users",
        json!({ "ttl": 1, "max_ttl": 2, "wait": 0 }),
    )
    .await;
    let expired = mount.issue("users").await;
    mount.atlas.fault_is_met().await;
    assert!(mount.atlas.lets_in("east", expired.data()).await);
    mount.atlas.no_more_faults().await;
    mount.atlas.empties(SOON * 2).await;

    role(&mount, "users", json!({ "wait": 0 })).await;
    let left = mount.issue("users").await;
    drop(bao);
    mount.atlas.turn_clock(Duration::from_mins(69)).await;
    assert!(mount.atlas.lets_in("east", left.data()).await);
    mount.atlas.turn_clock(Duration::from_mins(2)).await;
    assert!(!mount.atlas.lets_in("east", left.data()).await);
    assert_empty(&mount).await;
}

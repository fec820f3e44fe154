//! Clusters: whom they let in, and when they have applied what was changed.

use serde_json::{Value, json};

use crate::harness::Atlas;

async fn add(atlas: &Atlas, name: &str) {
    let body = json!({"project_id": atlas.seed().project_ids[0], "name": name});
    atlas.control("POST", "/clusters", body).await.ok();
}

async fn change(atlas: &Atlas, name: &str, field: &str, value: bool) {
    let project = &atlas.seed().project_ids[0];
    let body = json!({"project_id": project, "name": name, field: value});
    let answer = atlas.control("POST", "/clusters/change", body).await;
    assert_eq!(answer.status, 204);
}

async fn put_user(atlas: &Atlas, method: &str, scopes: &[&str], password: &str) {
    let scopes: Vec<Value> = scopes
        .iter()
        .map(|name| json!({"name": name, "type": "CLUSTER"}))
        .collect();
    let body = json!({
        "groupId": atlas.seed().project_ids[0], "databaseName": "admin", "username": "u",
        "password": password, "scopes": scopes,
        "roles": [{"roleName": "read", "databaseName": "sales"}],
    });
    let path = format!("{}/databaseUsers", atlas.project());
    let path = if method == "POST" {
        path
    } else {
        format!("{path}/admin/u")
    };
    atlas
        .call(&atlas.owner(), method, &path, Some(body))
        .await
        .ok();
}

async fn delete_user(atlas: &Atlas) {
    let path = format!("{}/databaseUsers/admin/u", atlas.project());
    assert_eq!(atlas.delete(&path).await.status, 204);
}

async fn status(atlas: &Atlas, name: &str) -> String {
    let path = format!("{}/clusters/{name}/status", atlas.project());
    atlas.get(&path).await.text("changeStatus")
}

/// Whether the user `u` can sign in, or why not.
async fn sign_in(atlas: &Atlas, cluster: &str, password: &str) -> Value {
    let body = json!({
        "project_id": atlas.seed().project_ids[0], "cluster": cluster, "username": "u",
        "password": password,
    });
    let said = atlas.control("POST", "/sign-in", body).await.ok();
    if said["signs_in"] == true {
        return json!(true);
    }
    said["because"].clone()
}

const UNKNOWN: &str = "the cluster does not know the user";

#[tokio::test]
async fn clusters_are_listed_and_their_project_stays() {
    let atlas = Atlas::start("clusters").await;
    let path = format!("{}/clusters", atlas.project());
    assert_eq!(atlas.get(&path).await.ok()["results"], json!([]));
    add(&atlas, "one").await;
    add(&atlas, "Two").await;
    change(&atlas, "one", "paused", true).await;
    let listed = atlas.get(&path).await.ok();
    assert_eq!(listed["totalCount"], 2);
    let one = |name: &str| {
        let mut clusters = listed["results"].as_array().unwrap().iter();
        clusters
            .find(|cluster| cluster["name"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(one("one")["paused"], true);
    assert_eq!(one("Two")["paused"], false);
    assert_eq!(atlas.get(&atlas.project()).await.ok()["clusterCount"], 2);
    assert_eq!(
        atlas.delete(&atlas.project()).await.refusal(),
        (409, "CANNOT_CLOSE_GROUP_ACTIVE_ATLAS_CLUSTERS")
    );
    let unknown = format!("{path}/three/status");
    assert_eq!(
        atlas.get(&unknown).await.refusal(),
        (404, "CLUSTER_NOT_FOUND")
    );
    for name in ["one", "-three"] {
        let body = json!({"project_id": atlas.seed().project_ids[0], "name": name});
        assert_eq!(atlas.control("POST", "/clusters", body).await.status, 400);
    }
    for name in ["one", "Two"] {
        let one = format!("/clusters/{}/{name}", atlas.seed().project_ids[0]);
        assert_eq!(atlas.control("DELETE", &one, Value::Null).await.status, 204);
        assert_eq!(atlas.control("DELETE", &one, Value::Null).await.status, 404);
    }
    assert_eq!(atlas.delete(&atlas.project()).await.status, 204);
}

#[tokio::test]
async fn a_reader_of_the_project_sees_clusters() {
    let atlas = Atlas::start("clusters_roles").await;
    add(&atlas, "one").await;
    let project = atlas.seed().project_ids[0].clone();
    let reader = atlas
        .key(json!([]), json!({&project: ["GROUP_READ_ONLY"]}))
        .await;
    let member = atlas.key(json!(["ORG_MEMBER"]), json!({})).await;
    for rest in ["clusters", "clusters/one/status"] {
        let path = format!("{}/{rest}", atlas.project());
        assert_eq!(atlas.call(&reader, "GET", &path, None).await.status, 200);
        assert_eq!(atlas.call(&member, "GET", &path, None).await.status, 401);
    }
}

#[tokio::test]
async fn a_user_gets_in_where_its_scopes_say_and_once_it_is_applied() {
    let atlas = Atlas::start("clusters_apply").await;
    add(&atlas, "one").await;
    add(&atlas, "two").await;
    atlas.settings(json!({"cluster_apply_seconds": 30})).await;
    assert_eq!(status(&atlas, "one").await, "APPLIED");
    put_user(&atlas, "POST", &["one"], "password-1").await;
    assert_eq!(status(&atlas, "one").await, "PENDING");
    assert_eq!(status(&atlas, "two").await, "APPLIED");
    assert_eq!(sign_in(&atlas, "one", "password-1").await, UNKNOWN);
    atlas.advance(31).await;
    assert_eq!(status(&atlas, "one").await, "APPLIED");
    assert_eq!(sign_in(&atlas, "one", "password-1").await, true);
    assert_eq!(sign_in(&atlas, "two", "password-1").await, UNKNOWN);
    let wrong = sign_in(&atlas, "one", "password-2").await;
    assert_eq!(wrong, "the cluster knows another password");
    // A change is applied as late: the old password opens until then, and the scope left does.
    put_user(&atlas, "PATCH", &["two"], "password-2").await;
    assert_eq!(sign_in(&atlas, "one", "password-1").await, true);
    assert_eq!(sign_in(&atlas, "two", "password-2").await, UNKNOWN);
    atlas.advance(31).await;
    assert_eq!(sign_in(&atlas, "one", "password-1").await, UNKNOWN);
    assert_eq!(sign_in(&atlas, "two", "password-2").await, true);
    // And so is the end.
    delete_user(&atlas).await;
    assert_eq!(status(&atlas, "two").await, "PENDING");
    assert_eq!(sign_in(&atlas, "two", "password-2").await, true);
    atlas.advance(31).await;
    assert_eq!(sign_in(&atlas, "two", "password-2").await, UNKNOWN);
}

#[tokio::test]
async fn a_user_without_scopes_gets_in_everywhere_and_in_clusters_to_come() {
    let atlas = Atlas::start("clusters_all").await;
    add(&atlas, "one").await;
    put_user(&atlas, "POST", &[], "password-1").await;
    add(&atlas, "two").await;
    for name in ["one", "two"] {
        assert_eq!(sign_in(&atlas, name, "password-1").await, true, "{name}");
    }
    let state = atlas.state().await;
    assert_eq!(state["projects"][0]["clusters"][1]["users"], json!(["u"]));
    assert!(!state.to_string().contains("password-1"));
}

#[tokio::test]
async fn a_user_whose_date_has_passed_gets_in_no_more() {
    let atlas = Atlas::start("clusters_dates").await;
    add(&atlas, "one").await;
    atlas.settings(json!({"cluster_apply_seconds": 30})).await;
    let now = atlas.state().await["now"].as_str().unwrap().to_owned();
    let now = chrono::DateTime::parse_from_rfc3339(&now).unwrap();
    let body = json!({
        "project_id": atlas.seed().project_ids[0], "username": "u", "password": "password-1",
        "delete_after": now + chrono::TimeDelta::seconds(100),
    });
    atlas.control("POST", "/database-users", body).await.ok();
    atlas.advance(99).await;
    assert_eq!(sign_in(&atlas, "one", "password-1").await, true);
    // The date and the cluster's time, both in one turn of the clock.
    atlas.advance(40).await;
    assert_eq!(sign_in(&atlas, "one", "password-1").await, UNKNOWN);
    assert_eq!(status(&atlas, "one").await, "APPLIED");
}

#[tokio::test]
async fn a_cluster_out_of_order_applies_nothing_until_it_is_back() {
    let atlas = Atlas::start("clusters_trouble").await;
    for (field, value, because) in [
        ("paused", true, json!("the cluster is paused")),
        ("reachable", false, json!("the cluster is unreachable")),
        ("stuck", true, json!(UNKNOWN)),
    ] {
        add(&atlas, field).await;
        change(&atlas, field, field, value).await;
        put_user(&atlas, "POST", &[], "password-1").await;
        assert_eq!(status(&atlas, field).await, "PENDING", "{field}");
        assert_eq!(sign_in(&atlas, field, "password-1").await, because);
        change(&atlas, field, field, !value).await;
        assert_eq!(status(&atlas, field).await, "APPLIED", "{field}");
        assert_eq!(sign_in(&atlas, field, "password-1").await, true);
        delete_user(&atlas).await;
    }
    atlas
        .settings(json!({"paused_cluster_pending": false}))
        .await;
    change(&atlas, "paused", "paused", true).await;
    put_user(&atlas, "POST", &[], "password-1").await;
    assert_eq!(status(&atlas, "paused").await, "APPLIED");
    // Stuck is told without any change as well.
    change(&atlas, "stuck", "stuck", true).await;
    assert_eq!(status(&atlas, "stuck").await, "PENDING");
}

#[tokio::test]
async fn a_cluster_that_encryption_at_rest_stopped_lets_nobody_in() {
    let atlas = Atlas::start("clusters_stopped").await;
    add(&atlas, "one").await;
    put_user(&atlas, "POST", &[], "password-1").await;
    let project = &atlas.seed().project_ids[0];
    // A key that nobody has: the next check refuses it.
    let vault = json!({"enabled": true, "tenantID": "t", "clientID": "c", "secret": "s",
        "subscriptionID": "s", "resourceGroupName": "g", "keyVaultName": "v",
        "keyIdentifier": "https://v.vault.azure.net/keys/k/1"});
    let body = json!({"project_id": project, "azureKeyVault": vault});
    atlas.control("POST", "/encryption", body).await;
    atlas.advance(901).await;
    assert_eq!(atlas.state().await["cluster_stops"], 1);
    let because = "the cluster is stopped, as its key cannot be used";
    assert_eq!(sign_in(&atlas, "one", "password-1").await, because);
    put_user(&atlas, "PATCH", &[], "password-2").await;
    assert_eq!(status(&atlas, "one").await, "PENDING");
    atlas.settings(json!({"encrypted_clusters": false})).await;
    assert_eq!(sign_in(&atlas, "one", "password-2").await, true);
}

#[tokio::test]
async fn a_scope_without_a_cluster_is_accepted_unless_set_otherwise() {
    let atlas = Atlas::start("clusters_scopes").await;
    add(&atlas, "one").await;
    put_user(&atlas, "POST", &["one", "two"], "password-1").await;
    atlas.settings(json!({"unknown_scope": "refuse"})).await;
    let body = json!({
        "groupId": atlas.seed().project_ids[0], "databaseName": "admin", "username": "v",
        "password": "password-1", "scopes": [{"name": "two", "type": "CLUSTER"}],
        "roles": [{"roleName": "read", "databaseName": "sales"}],
    });
    let path = format!("{}/databaseUsers", atlas.project());
    assert_eq!(
        atlas.post(&path, body).await.refusal(),
        (404, "CLUSTER_NOT_FOUND")
    );
    // A cluster made later knows the users whose scopes name it.
    add(&atlas, "two").await;
    assert_eq!(sign_in(&atlas, "two", "password-1").await, true);
}

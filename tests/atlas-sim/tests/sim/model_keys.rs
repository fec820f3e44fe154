//! AI model API keys.

use serde_json::{Value, json};

use crate::harness::Atlas;

async fn create(atlas: &Atlas, name: &str) -> Value {
    let path = format!("{}/aiModelApiKeys", atlas.project());
    let body = json!({"name": name, "cloud": "ANY", "geography": "ANY"});
    atlas.post(&path, body).await.ok()
}

fn id(key: &Value) -> &str {
    key["apiKeyId"].as_str().unwrap()
}

#[tokio::test]
async fn a_model_key_shows_its_secret_once() {
    let atlas = Atlas::start("model_keys").await;
    let path = format!("{}/aiModelApiKeys", atlas.project());
    let answer = atlas
        .post(
            &path,
            json!({"name": "n", "cloud": "ANY", "geography": "ANY"}),
        )
        .await;
    assert_eq!(answer.status, 201);
    let key = answer.ok();
    let secret = key["secret"].as_str().unwrap();
    assert!(secret.starts_with("al-"));
    let one = format!("{path}/{}", key["apiKeyId"].as_str().unwrap());
    let read = atlas.get(&one).await.ok();
    assert!(!read.to_string().contains(secret));
    assert_eq!(
        atlas.patch(&one, json!({"name": "m"})).await.ok()["name"],
        "m"
    );
    assert_eq!(atlas.get(&path).await.ok()["totalCount"], 1);
    for wrong in [
        json!({"name": "n", "cloud": "AWS", "geography": "ANY"}),
        json!({"name": "", "cloud": "ANY", "geography": "ANY"}),
        json!({"name": "n"}),
        json!({"name": "n", "cloud": "ANY", "geography": "ANY", "endpoint": "x"}),
    ] {
        assert_eq!(
            atlas.post(&path, wrong.clone()).await.status,
            400,
            "{wrong}"
        );
    }
    assert_eq!(atlas.delete(&one).await.status, 204);
    assert_eq!(
        atlas.delete(&one).await.refusal(),
        (404, "RESOURCE_NOT_FOUND")
    );
}

#[tokio::test]
async fn names_are_unique_only_if_set_so() {
    let atlas = Atlas::start("model_keys_names").await;
    let path = format!("{}/aiModelApiKeys", atlas.project());
    let body = json!({"name": "n", "cloud": "ANY", "geography": "ANY"});
    for (unique, status) in [(false, 201), (false, 201), (true, 400)] {
        atlas
            .settings(json!({"model_key_names_unique": unique}))
            .await;
        assert_eq!(atlas.post(&path, body.clone()).await.status, status);
    }
}

#[tokio::test]
async fn an_organization_shows_the_keys_of_all_its_projects_and_changes_none() {
    let atlas = Atlas::start("model_keys_of_org").await;
    let made = create(&atlas, "n").await;
    let other = json!({"project_id": atlas.seed().project_ids[1], "name": "by hand"});
    let other = atlas.control("POST", "/model-keys", other).await.ok();
    let path = format!("{}/aiModelApiKeys", atlas.org());
    let listed = atlas.get(&path).await.ok();
    assert_eq!(listed["totalCount"], 2);
    assert!(
        !listed
            .to_string()
            .contains(made["secret"].as_str().unwrap())
    );
    let one = atlas.get(&format!("{path}/{}", id(&made))).await.ok();
    assert_eq!(one["groupId"], atlas.seed().project_ids[0]);
    let elsewhere = format!(
        "{}/aiModelApiKeys/{}",
        atlas.project(),
        other["id"].as_str().unwrap()
    );
    assert_eq!(
        atlas.get(&elsewhere).await.refusal(),
        (404, "RESOURCE_NOT_FOUND")
    );
    assert_eq!(
        atlas.delete(&elsewhere).await.refusal(),
        (404, "RESOURCE_NOT_FOUND")
    );
    assert_eq!(atlas.get(&format!("{path}/none")).await.status, 404);
    assert_eq!(atlas.post(&path, json!({"name": "n"})).await.status, 405);
    assert_eq!(
        atlas.delete(&format!("{path}/{}", id(&made))).await.status,
        405
    );
}

#[tokio::test]
async fn a_model_owner_manages_keys_and_a_reader_looks_at_them() {
    let atlas = Atlas::start("model_keys_roles").await;
    let project = atlas.seed().project_ids[0].clone();
    let path = format!("{}/aiModelApiKeys", atlas.project());
    let body = json!({"name": "n", "cloud": "ANY", "geography": "ANY"});
    for (role, status) in [
        ("GROUP_MODEL_OWNER", 201),
        ("GROUP_OWNER", 201),
        ("GROUP_READ_ONLY", 401),
    ] {
        let caller = atlas.key(json!([]), json!({&project: [role]})).await;
        let made = atlas.call(&caller, "POST", &path, Some(body.clone())).await;
        assert_eq!(made.status, status, "{role}");
        assert_eq!(
            atlas.call(&caller, "GET", &path, None).await.status,
            200,
            "{role}"
        );
        let of_org = format!("{}/aiModelApiKeys", atlas.org());
        assert_eq!(
            atlas.call(&caller, "GET", &of_org, None).await.status,
            401,
            "{role}"
        );
    }
}

#[tokio::test]
async fn cloud_and_geography_are_what_is_set_and_lead_to_an_endpoint() {
    let atlas = Atlas::start("model_keys_geography").await;
    let settings = json!({"model_key_clouds": ["ANY", "AZURE"], "model_key_geographies": ["EU"]});
    atlas.settings(settings).await;
    let path = format!("{}/aiModelApiKeys", atlas.project());
    let body = json!({"name": "n", "cloud": "AZURE", "geography": "EU"});
    let key = atlas.post(&path, body).await.ok();
    assert_eq!(
        (&key["cloud"], &key["geography"], &key["endpoint"]),
        (&json!("AZURE"), &json!("EU"), &json!("eu.ai.mongodb.com"))
    );
    let body = json!({"name": "n", "cloud": "ANY", "geography": "ANY"});
    assert_eq!(
        atlas.post(&path, body).await.refusal(),
        (400, "BAD_REQUEST")
    );
}

#[tokio::test]
async fn a_project_may_have_a_limit_of_keys() {
    let atlas = Atlas::start("model_keys_limit").await;
    let refusal = json!({"status": 403, "code": "TOO_MANY_MODEL_KEYS"});
    let settings = json!({"max_model_keys_per_project": 1, "model_keys_exhausted": refusal});
    atlas.settings(settings).await;
    let key = create(&atlas, "n").await;
    let path = format!("{}/aiModelApiKeys", atlas.project());
    let body = json!({"name": "m", "cloud": "ANY", "geography": "ANY"});
    let beyond = atlas.post(&path, body).await;
    assert_eq!(beyond.refusal(), (403, "TOO_MANY_MODEL_KEYS"));
    let one = format!("/model-keys/{}", id(&key));
    assert_eq!(atlas.control("DELETE", &one, Value::Null).await.status, 204);
    assert_eq!(atlas.control("DELETE", &one, Value::Null).await.status, 404);
    create(&atlas, "m").await;
    let state = atlas.state().await;
    assert_eq!(state["projects"][0]["model_keys"][0]["name"], "m");
    assert_eq!(
        state["projects"][0]["model_keys"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn a_new_key_is_not_shown_at_once_nor_a_deleted_one_gone_at_once() {
    let atlas = Atlas::start("model_keys_lag").await;
    let lag = json!({"read_lag_after_create_seconds": 30, "read_lag_after_delete_seconds": 60});
    atlas.settings(lag).await;
    let key = create(&atlas, "n").await;
    let path = format!("{}/aiModelApiKeys", atlas.project());
    let one = format!("{path}/{}", id(&key));
    assert_eq!(atlas.get(&path).await.ok()["totalCount"], 0);
    assert_eq!(atlas.get(&one).await.status, 404);
    atlas.advance(31).await;
    assert_eq!(atlas.get(&path).await.ok()["totalCount"], 1);
    assert_eq!(atlas.delete(&one).await.status, 204);
    assert_eq!(atlas.delete(&one).await.status, 404);
    assert_eq!(atlas.get(&one).await.status, 200);
    assert_eq!(atlas.state().await["projects"][0]["model_keys"], json!([]));
    atlas.advance(61).await;
    assert_eq!(atlas.get(&one).await.status, 404);
    assert_eq!(atlas.get(&path).await.ok()["totalCount"], 0);
}

#[tokio::test]
async fn deletes_can_lag_behind_creates_as_reads_do() {
    let atlas = Atlas::start("model_keys_deletes_lag").await;
    let lag = json!({"read_lag_after_create_seconds": 30, "deletes_lag_after_create": true});
    atlas.settings(lag).await;
    let key = create(&atlas, "n").await;
    let one = format!("{}/aiModelApiKeys/{}", atlas.project(), id(&key));
    assert_eq!(atlas.delete(&one).await.status, 404);
    atlas.advance(31).await;
    assert_eq!(atlas.get(&one).await.status, 200);
    assert_eq!(atlas.delete(&one).await.status, 204);
}

#[tokio::test]
async fn a_lost_answer_leaves_the_key() {
    let atlas = Atlas::start("model_keys_lost").await;
    let fault = json!({"operation": "createGroupModelKey", "action": {"kind": "lose_answer"}});
    atlas.control("POST", "/faults", fault).await.ok();
    let path = format!("{}/aiModelApiKeys", atlas.project());
    let body = json!({"name": "n", "cloud": "ANY", "geography": "ANY"});
    let request = atlas.request("POST", &path, Some(&body));
    assert!(atlas.send(&atlas.owner(), request).await.is_err());
    assert_eq!(atlas.get(&path).await.ok()["results"][0]["name"], "n");
}

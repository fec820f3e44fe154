//! AI model API keys.

use serde_json::json;

use crate::harness::Atlas;

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

//! Injected faults.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Answer, Atlas};

async fn inject(atlas: &Atlas, fault: Value) {
    atlas.control("POST", "/faults", fault).await.ok();
}

async fn create(atlas: &Atlas) -> Result<Answer, reqwest::Error> {
    let body = json!({"desc": "x", "roles": ["ORG_MEMBER"]});
    let request = atlas.request("POST", &format!("{}/apiKeys", atlas.org()), Some(&body));
    atlas.send(&atlas.owner(), request).await
}

async fn keys(atlas: &Atlas) -> usize {
    atlas.state().await["keys"].as_array().unwrap().len()
}

#[tokio::test]
async fn an_answer_takes_the_place_of_the_effect() {
    let atlas = Atlas::start("fault_answer").await;
    inject(&atlas, json!({"operation": "createOrgApiKey", "action": {"kind": "answer", "status": 503, "code": "UNEXPECTED_ERROR", "headers": {"Retry-After": "2"}}})).await;
    let answer = create(&atlas).await.unwrap();
    assert_eq!(answer.refusal(), (503, "UNEXPECTED_ERROR"));
    assert_eq!(answer.header("retry-after"), "2");
    assert_eq!(keys(&atlas).await, 1);
    assert_eq!(create(&atlas).await.unwrap().status, 200, "once only");
    inject(&atlas, json!({"method": "post", "action": {"kind": "answer", "status": 500, "text": "oops", "headers": {"Content-Type": "text/plain"}}})).await;
    let answer = create(&atlas).await.unwrap();
    assert_eq!(
        (
            answer.status,
            answer.text.as_str(),
            answer.header("content-type")
        ),
        (500, "oops", "text/plain")
    );
    inject(&atlas, json!({"action": {"kind": "answer", "status": 401}})).await;
    let answer = create(&atlas).await.unwrap();
    assert_eq!((answer.status, answer.text.as_str()), (401, ""));
    assert!(answer.headers.get("www-authenticate").is_none());
}

#[tokio::test]
async fn a_closed_connection_has_no_effect_and_a_lost_answer_has() {
    let atlas = Atlas::start("fault_close").await;
    inject(
        &atlas,
        json!({"operation": "createOrgApiKey", "action": {"kind": "close"}}),
    )
    .await;
    assert!(create(&atlas).await.is_err());
    assert_eq!(keys(&atlas).await, 1);
    inject(
        &atlas,
        json!({"operation": "createOrgApiKey", "action": {"kind": "lose_answer"}}),
    )
    .await;
    assert!(create(&atlas).await.is_err());
    assert_eq!(keys(&atlas).await, 2);
    let log = atlas.control("GET", "/requests", Value::Null).await.ok();
    let hit = |entry: &&Value| !entry["fault"].is_null();
    let hit: Vec<&Value> = log["requests"]
        .as_array()
        .unwrap()
        .iter()
        .filter(hit)
        .collect();
    assert_eq!(
        (&hit[0]["handled"], &hit[0]["status"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(
        (&hit[1]["handled"], &hit[1]["status"]),
        (&json!(true), &Value::Null)
    );
}

#[tokio::test]
async fn a_false_answer_may_come_after_the_effect() {
    let atlas = Atlas::start("fault_false").await;
    inject(&atlas, json!({"operation": "createOrgApiKey", "action": {"kind": "answer", "status": 202, "after_effect": true, "text": "<html>", "headers": {"Content-Type": "text/html"}}})).await;
    let answer = create(&atlas).await.unwrap();
    assert_eq!((answer.status, answer.text.as_str()), (202, "<html>"));
    assert_eq!(keys(&atlas).await, 2);
    let log = atlas.control("GET", "/requests", Value::Null).await.ok();
    let last = log["requests"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["handled"], &last["status"]),
        (&json!(true), &json!(202))
    );
    inject(&atlas, json!({"operation": "createOrgApiKey", "action": {"kind": "answer", "status": 200, "body": {}}})).await;
    let answer = create(&atlas).await.unwrap();
    assert!(
        answer
            .header("content-type")
            .starts_with("application/vnd.atlas.")
    );
    assert_eq!(keys(&atlas).await, 2);
}

#[tokio::test]
async fn a_part_of_an_answer_can_be_withheld() {
    let atlas = Atlas::start("fault_withhold").await;
    for (pointer, left) in [("/roles/0", json!([])), ("/roles", Value::Null)] {
        inject(&atlas, json!({"operation": "createOrgApiKey", "action": {"kind": "withhold", "pointer": pointer}})).await;
        let answer = create(&atlas).await.unwrap();
        assert_eq!((answer.status, &answer.body["roles"]), (200, &left));
        assert!(answer.body["privateKey"].is_string());
    }
    inject(&atlas, json!({"operation": "createOrgApiKey", "action": {"kind": "withhold", "pointer": "/nothing/5"}})).await;
    let answer = create(&atlas).await.unwrap();
    assert_eq!(answer.body["roles"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn broken_answers_come_after_the_effect() {
    let atlas = Atlas::start("fault_broken").await;
    for kind in ["malformed_json", "not_json"] {
        inject(
            &atlas,
            json!({"operation": "createOrgApiKey", "action": {"kind": kind}}),
        )
        .await;
        let answer = create(&atlas).await.unwrap();
        assert_eq!((answer.status, &answer.body), (200, &Value::Null), "{kind}");
        assert!(!answer.text.is_empty());
    }
    inject(
        &atlas,
        json!({"operation": "createOrgApiKey", "action": {"kind": "cut_json"}}),
    )
    .await;
    let cut = create(&atlas).await.unwrap_err();
    assert!(
        cut.is_body() || cut.is_decode(),
        "the head arrives, the body does not: {cut:?}"
    );
    assert_eq!(keys(&atlas).await, 4);
}

#[tokio::test]
async fn an_answer_can_be_late_or_never_come() {
    let atlas = Atlas::start("fault_late").await;
    for after_effect in [false, true] {
        inject(&atlas, json!({"operation": "createOrgApiKey", "action": {"kind": "delay", "seconds": 0.2, "after_effect": after_effect}})).await;
        let begun = Instant::now();
        assert_eq!(create(&atlas).await.unwrap().status, 200);
        assert!(begun.elapsed() >= Duration::from_millis(200));
    }
    for (after_effect, number) in [(false, 3), (true, 4)] {
        inject(&atlas, json!({"operation": "createOrgApiKey", "action": {"kind": "hang", "after_effect": after_effect}})).await;
        let outcome = tokio::time::timeout(Duration::from_millis(300), create(&atlas)).await;
        assert!(outcome.is_err());
        assert_eq!(keys(&atlas).await, number);
    }
}

#[tokio::test]
async fn the_nth_request_is_hit_and_challenges_are_not_counted() {
    let atlas = Atlas::start("fault_nth").await;
    inject(&atlas, json!({"path_prefix": "/api/atlas/v2/orgs", "skip": 1, "count": 2, "action": {"kind": "answer", "status": 500, "code": "UNEXPECTED_ERROR"}})).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(create(&atlas).await.unwrap().status);
    }
    assert_eq!(statuses, [200, 500, 500, 200]);
    let faults = atlas.control("GET", "/faults", Value::Null).await.ok();
    assert_eq!(
        (
            &faults["faults"][0]["matched"],
            &faults["faults"][0]["applied"]
        ),
        (&json!(4), &json!(2))
    );
    assert_eq!(
        atlas.control("DELETE", "/faults", Value::Null).await.status,
        204
    );
    inject(
        &atlas,
        json!({"unauthenticated": true, "action": {"kind": "answer", "status": 502}}),
    )
    .await;
    assert_eq!(
        create(&atlas).await.unwrap().status,
        502,
        "now the challenge is hit"
    );
}

#[tokio::test]
async fn the_token_endpoint_can_be_hit() {
    let atlas = Atlas::start("fault_token").await;
    inject(&atlas, json!({"operation": "oauthToken", "action": {"kind": "answer", "status": 500, "body": {"error": "server_error", "error_description": "Unexpected error."}}})).await;
    let answer = atlas.mint(atlas.client()).await;
    assert_eq!(
        (answer.status, &answer.body["error"]),
        (500, &json!("server_error"))
    );
    atlas.mint(atlas.client()).await.ok();
}

#[tokio::test]
async fn senseless_faults_are_refused() {
    let atlas = Atlas::start("fault_senseless").await;
    for fault in [
        json!({}),
        json!({"action": {"kind": "explode"}}),
        json!({"action": {"kind": "answer", "status": 99}}),
        json!({"action": {"kind": "delay", "seconds": -1.0}}),
        json!({"when": "now", "action": {"kind": "close"}}),
    ] {
        let answer = atlas.control("POST", "/faults", fault.clone()).await;
        assert_eq!(answer.status, 400, "{fault}");
        assert!(answer.body["error"].is_string());
    }
}

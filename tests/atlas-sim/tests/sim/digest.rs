//! HTTP Digest.

use serde_json::json;

use crate::harness::{Answer, Atlas, Auth, Challenge};

const PATH: &str = "/api/atlas/v2/orgs?pretty=false";

async fn challenge(atlas: &Atlas) -> Answer {
    atlas
        .call(&Auth::Nobody, "GET", "/orgs?pretty=false", None)
        .await
}

async fn answered(atlas: &Atlas, header: String) -> Answer {
    let request = atlas.request("GET", "/orgs?pretty=false", None);
    let request = request.header("authorization", header);
    atlas.send(&Auth::Nobody, request).await.unwrap()
}

fn key(atlas: &Atlas) -> (&str, &str) {
    let key = &atlas.seed().api_key;
    (&key.public_key, &key.private_key)
}

#[tokio::test]
async fn the_challenge_has_the_recorded_form() {
    let atlas = Atlas::start("digest_challenge").await;
    let answer = challenge(&atlas).await;
    let nonce = Challenge::of(&answer).nonce;
    assert_eq!(nonce.len(), 32);
    let wanted = format!(
        "Digest realm=\"MMS Public API\", domain=\"\", nonce=\"{nonce}\", algorithm=MD5, qop=\"auth\", stale=false"
    );
    assert_eq!(answer.header("www-authenticate"), wanted);
    assert_eq!(answer.refusal(), (401, "UNEXPECTED_ERROR"));
    assert_eq!(answer.header("x-error-code"), "UNEXPECTED_ERROR");
    assert_eq!(
        answer.body["detail"],
        "You are not authorized for this resource."
    );
    assert!(answer.body.get("parameters").is_none());
    assert!(answer.headers.get("ratelimit-limit").is_none());
    assert_ne!(Challenge::of(&challenge(&atlas).await).nonce, nonce);
}

#[tokio::test]
async fn a_wrong_user_and_a_wrong_password_look_the_same() {
    let atlas = Atlas::start("digest_wrong").await;
    let (user, password) = key(&atlas);
    for wrong in [("zzzzzzzz", password), (user, "wrong")] {
        let given = Challenge::of(&challenge(&atlas).await);
        let answer = answered(&atlas, given.answer(wrong, "GET", PATH)).await;
        assert_eq!(answer.refusal(), (401, "UNEXPECTED_ERROR"));
        assert!(answer.header("www-authenticate").contains("stale=false"));
    }
}

#[tokio::test]
async fn a_nonce_is_good_for_rising_counts_only() {
    let atlas = Atlas::start("digest_counts").await;
    let mut given = Challenge::of(&challenge(&atlas).await);
    for (count, status) in [(1, 200), (1, 401), (3, 200), (2, 401), (4, 200)] {
        given.count = count;
        let answer = answered(&atlas, given.answer(key(&atlas), "GET", PATH)).await;
        assert_eq!(answer.status, status, "count {count}");
    }
}

#[tokio::test]
async fn a_nonce_can_be_made_good_for_one_request() {
    let atlas = Atlas::start("digest_single").await;
    atlas
        .settings(json!({"digest_nonce_single_use": true}))
        .await;
    let mut given = Challenge::of(&challenge(&atlas).await);
    assert_eq!(
        answered(&atlas, given.answer(key(&atlas), "GET", PATH))
            .await
            .status,
        200
    );
    given.count = 2;
    let again = answered(&atlas, given.answer(key(&atlas), "GET", PATH)).await;
    assert_eq!(again.status, 401);
    assert!(again.header("www-authenticate").contains("stale=true"));
}

#[tokio::test]
async fn an_old_nonce_is_reported_as_stale_if_the_rest_is_right() {
    let atlas = Atlas::start("digest_stale").await;
    let given = Challenge::of(&challenge(&atlas).await);
    atlas.advance(300).await;
    let stale = answered(&atlas, given.answer(key(&atlas), "GET", PATH)).await;
    assert_eq!(stale.status, 401);
    assert!(stale.header("www-authenticate").contains("stale=true"));
    let fresh = Challenge::of(&stale);
    assert_eq!(
        answered(&atlas, fresh.answer(key(&atlas), "GET", PATH))
            .await
            .status,
        200
    );
    let wrong = answered(&atlas, given.answer(("zzzzzzzz", "x"), "GET", PATH)).await;
    assert!(wrong.header("www-authenticate").contains("stale=false"));
    atlas.settings(json!({"digest_says_stale": false})).await;
    let quiet = answered(&atlas, given.answer(key(&atlas), "GET", PATH)).await;
    assert!(quiet.header("www-authenticate").contains("stale=false"));
}

#[tokio::test]
async fn method_and_request_line_are_part_of_the_proof() {
    let atlas = Atlas::start("digest_uri").await;
    for (method, uri) in [("POST", PATH), ("GET", "/api/atlas/v2/orgs"), ("GET", "/")] {
        let given = Challenge::of(&challenge(&atlas).await);
        let answer = answered(&atlas, given.answer(key(&atlas), method, uri)).await;
        assert_eq!(answer.status, 401, "{method} {uri}");
    }
}

#[tokio::test]
async fn a_percent_encoded_slash_is_hashed_as_it_stands() {
    let atlas = Atlas::start("digest_encoded").await;
    let path = format!(
        "{}/apiKeys/{}/accessList",
        atlas.org(),
        atlas.seed().api_key.id
    );
    let list = json!([{"cidrBlock": "127.0.0.0/8"}]);
    atlas.post(&path, list).await.ok();
    let entry = atlas.get(&format!("{path}/127.0.0.0%2F8")).await.ok();
    assert_eq!(entry["cidrBlock"], "127.0.0.0/8");
}

#[tokio::test]
async fn an_unquoted_algorithm_is_taken_or_refused_as_set() {
    let atlas = Atlas::start("digest_algorithm").await;
    for (verdict, status) in [("accept", 200), ("refuse", 401)] {
        atlas
            .settings(json!({"digest_unquoted_algorithm": verdict}))
            .await;
        let given = Challenge::of(&challenge(&atlas).await);
        let header = given
            .answer(key(&atlas), "GET", PATH)
            .replace("\"MD5\"", "MD5");
        assert_eq!(answered(&atlas, header).await.status, status);
    }
}

#[tokio::test]
async fn other_qualities_and_an_invented_opaque_are_refused() {
    let atlas = Atlas::start("digest_other").await;
    for (from, to) in [
        ("qop=auth", "qop=auth-int"),
        ("\"MD5\"", "\"SHA-256\""),
        ("nc=00000001", "nc=1"),
        ("realm=\"MMS Public API\"", "realm=\"other\""),
        ("qop=auth", "opaque=\"x\", qop=auth"),
        ("qop=auth", "qop=auth, qop=auth"),
    ] {
        let given = Challenge::of(&challenge(&atlas).await);
        let header = given.answer(key(&atlas), "GET", PATH).replace(from, to);
        assert_eq!(answered(&atlas, header).await.status, 401, "{to}");
    }
}

#[tokio::test]
async fn the_401_can_have_no_body() {
    let atlas = Atlas::start("digest_empty").await;
    atlas.settings(json!({"unauthorized_body": "empty"})).await;
    let answer = challenge(&atlas).await;
    assert_eq!((answer.status, answer.text.as_str()), (401, ""));
    assert!(answer.header("www-authenticate").starts_with("Digest "));
}

//! What holds for every request: versions, media types, bodies, ids, pages, envelopes.

use serde_json::{Value, json};

use crate::harness::{Atlas, NEWEST};

#[tokio::test]
async fn the_version_served_is_reported() {
    let atlas = Atlas::start("request_version").await;
    let answer = atlas.get("/orgs").await;
    assert_eq!(
        answer.header("content-type"),
        "application/vnd.atlas.2023-01-01+json;charset=utf-8"
    );
    let accounts = format!("{}/serviceAccounts", atlas.org());
    let answer = atlas.get(&accounts).await;
    assert_eq!(
        answer.header("content-type"),
        "application/vnd.atlas.2024-08-05+json;charset=utf-8"
    );
    let old = atlas
        .http()
        .get(format!("{}/api/atlas/v2{accounts}", atlas.api()));
    let old = old.header("accept", "application/vnd.atlas.2023-01-01+json");
    let send = async || {
        atlas
            .send(&atlas.owner(), old.try_clone().unwrap())
            .await
            .unwrap()
    };
    assert_eq!(send().await.refusal(), (406, "INVALID_VERSION_DATE"));
    atlas
        .settings(json!({"version_before_first": "accept"}))
        .await;
    assert_eq!(send().await.status, 200);
}

#[tokio::test]
async fn a_missing_or_invented_version_is_refused() {
    let atlas = Atlas::start("request_no_version").await;
    for accept in [
        "",
        "*/*",
        "application/json",
        "application/vnd.atlas.2024-01-01+json",
    ] {
        let request = atlas
            .http()
            .get(format!("{}/api/atlas/v2/orgs", atlas.api()));
        let request = if accept.is_empty() {
            request
        } else {
            request.header("accept", accept)
        };
        let answer = atlas.send(&atlas.owner(), request).await.unwrap();
        assert_eq!(answer.refusal(), (406, "INVALID_VERSION_DATE"), "{accept}");
    }
    atlas
        .settings(json!({"bad_version": {"status": 400, "code": "INVALID_VERSION_DATE"}}))
        .await;
    let request = atlas
        .http()
        .get(format!("{}/api/atlas/v2/orgs", atlas.api()));
    assert_eq!(
        atlas.send(&atlas.owner(), request).await.unwrap().status,
        400
    );
}

#[tokio::test]
async fn versions_can_be_gone_or_deprecated() {
    let atlas = Atlas::start("request_gone").await;
    atlas
        .settings(json!({"gone_operations": ["listOrgs"], "deprecated_operations": ["listGroups"]}))
        .await;
    let gone = atlas.get("/orgs").await;
    assert_eq!(gone.refusal(), (410, "VERSION_GONE"));
    assert_eq!(
        gone.body["parameters"],
        json!(["2023-01-01", "/api/atlas/v2/orgs"])
    );
    let old = atlas.get("/groups").await;
    assert_eq!(old.status, 200);
    assert!(!old.header("deprecation").is_empty() && !old.header("sunset").is_empty());
}

#[tokio::test]
async fn only_json_bodies_are_taken() {
    let atlas = Atlas::start("request_media_type").await;
    let url = format!("{}/api/atlas/v2{}/apiKeys", atlas.api(), atlas.org());
    let body = json!({"desc": "x", "roles": ["ORG_MEMBER"]}).to_string();
    for (media_type, status) in [
        ("application/json", 200),
        ("application/vnd.atlas.2023-01-01+json", 200),
        (NEWEST, 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/vnd.atlas.2020-01-01+json", 415),
    ] {
        let request = atlas
            .http()
            .post(&url)
            .header("accept", NEWEST)
            .body(body.clone());
        let answer = atlas
            .send(&atlas.owner(), request.header("content-type", media_type))
            .await;
        assert_eq!(answer.unwrap().status, status, "{media_type}");
    }
}

/// Not recorded: the description refuses what this setting accepts.
#[tokio::test]
async fn media_types_can_be_ignored() {
    let atlas = Atlas::unrecorded().await;
    let url = format!("{}/api/atlas/v2{}/apiKeys", atlas.api(), atlas.org());
    let body = json!({"desc": "x", "roles": ["ORG_MEMBER"]}).to_string();
    atlas
        .settings(json!({"other_content_type": "accept"}))
        .await;
    let request = atlas.http().post(&url).header("accept", NEWEST).body(body);
    assert_eq!(
        atlas.send(&atlas.owner(), request).await.unwrap().status,
        200
    );
}

#[tokio::test]
async fn bodies_are_read_strictly() {
    let atlas = Atlas::start("request_bodies").await;
    let path = format!("{}/apiKeys", atlas.org());
    let refused = async |body: Value| {
        let answer = atlas.post(&path, body).await;
        assert_eq!(answer.header("x-error-code"), answer.code());
        assert_eq!(answer.header("content-type"), "application/json");
        (answer.status, answer.code().to_owned())
    };
    let roles = json!(["ORG_MEMBER"]);
    for (body, code) in [
        (
            json!({"desc": "x", "roles": roles, "color": 1}),
            "INVALID_ATTRIBUTE",
        ),
        (json!({"roles": roles}), "API_KEY_REQUIRES_DESCRIPTION"),
        (json!({"desc": "", "roles": roles}), "INVALID_API_KEY_DESC"),
        (
            json!({"desc": "x".repeat(251), "roles": roles}),
            "INVALID_API_KEY_DESC",
        ),
        (json!({"desc": 1, "roles": roles}), "INVALID_JSON_ATTRIBUTE"),
        (json!({"desc": "x"}), "MISSING_API_KEY_ROLES"),
        (json!({"desc": "x", "roles": []}), "MISSING_API_KEY_ROLES"),
        (
            json!({"desc": "x", "roles": "ORG_MEMBER"}),
            "INVALID_JSON_ATTRIBUTE",
        ),
        (json!([]), "INVALID_JSON"),
    ] {
        assert_eq!(refused(body).await, (400, code.to_owned()));
    }
    let broken = atlas
        .request("POST", &path, Some(&json!({})))
        .body("{\"desc\": ");
    let answer = atlas.send(&atlas.owner(), broken).await.unwrap();
    assert_eq!(answer.refusal(), (400, "MALFORMED_JSON"));
}

#[tokio::test]
async fn ids_and_paths_are_checked() {
    let atlas = Atlas::start("request_ids").await;
    let key = "507f1f77bcf86cd799439011";
    for (path, status, code) in [
        ("/orgs/x".to_owned(), 400, "INVALID_PATH_PARAMETER"),
        (format!("/orgs/{key}"), 404, "ORG_NOT_FOUND"),
        (
            "/groups/507F1F77BCF86CD799439011".to_owned(),
            400,
            "INVALID_PATH_PARAMETER",
        ),
        (format!("/groups/{key}"), 404, "GROUP_NOT_FOUND"),
        (
            format!("{}/apiKeys/abcdefgh", atlas.org()),
            400,
            "INVALID_PATH_PARAMETER",
        ),
        (
            format!("{}/serviceAccounts/{key}", atlas.org()),
            400,
            "INVALID_PATH_PARAMETER",
        ),
        ("/nothing".to_owned(), 404, "RESOURCE_NOT_FOUND"),
        ("/orgs/".to_owned(), 404, "RESOURCE_NOT_FOUND"),
    ] {
        assert_eq!(atlas.get(&path).await.refusal(), (status, code), "{path}");
    }
    assert_eq!(
        atlas.delete("/groups").await.refusal(),
        (405, "METHOD_NOT_ALLOWED")
    );
    atlas
        .settings(json!({"malformed_id": "not_found", "unknown_group_code": "INVALID_GROUP_ID"}))
        .await;
    assert_eq!(
        atlas.get("/orgs/x").await.refusal(),
        (404, "INVALID_ORG_ID")
    );
    assert_eq!(
        atlas.get(&format!("/groups/{key}")).await.refusal(),
        (404, "INVALID_GROUP_ID")
    );
}

#[tokio::test]
async fn lists_come_page_by_page() {
    let atlas = Atlas::start("request_pages").await;
    let path = format!("{}/apiKeys", atlas.org());
    for number in 0..4 {
        atlas
            .post(
                &path,
                json!({"desc": format!("k{number}"), "roles": ["ORG_MEMBER"]}),
            )
            .await
            .ok();
    }
    let mut seen = Vec::new();
    for page in 1..=3 {
        let body = atlas
            .get(&format!("{path}?pageNum={page}&itemsPerPage=2"))
            .await
            .ok();
        assert_eq!(body["totalCount"], 5);
        seen.extend(
            body["results"]
                .as_array()
                .unwrap()
                .iter()
                .map(|key| key["desc"].clone()),
        );
    }
    assert_eq!(seen, ["seed", "k0", "k1", "k2", "k3"]);
    let body = atlas
        .get(&format!("{path}?pageNum=9&includeCount=false"))
        .await
        .ok();
    assert_eq!(body["results"], json!([]));
    assert!(body.get("totalCount").is_none());
    for query in [
        "itemsPerPage=501",
        "itemsPerPage=0",
        "pageNum=0",
        "pageNum=x",
        "includeCount=7",
    ] {
        let answer = atlas.get(&format!("{path}?{query}")).await;
        assert_eq!(
            answer.refusal(),
            (400, "INVALID_QUERY_PARAMETER"),
            "{query}"
        );
    }
    assert_eq!(atlas.get(&format!("{path}?colour=red")).await.status, 200);
    atlas
        .settings(json!({"unknown_query_parameter": "refuse"}))
        .await;
    assert_eq!(atlas.get(&format!("{path}?colour=red")).await.status, 400);
}

#[tokio::test]
async fn answers_can_be_wrapped_and_indented() {
    let atlas = Atlas::start("request_envelope").await;
    let body = atlas
        .get(&format!("{}?envelope=true", atlas.org()))
        .await
        .ok();
    assert_eq!(body["status"], 200);
    assert_eq!(body["content"]["id"], json!(atlas.seed().org_id));
    let body = atlas.get("/orgs?envelope=true").await.ok();
    assert_eq!(body["status"], 200);
    assert_eq!(body["results"].as_array().unwrap().len(), 1);
    let refused = atlas.get("/groups/x?envelope=true").await;
    assert_eq!(
        (refused.status, &refused.body["content"]["errorCode"]),
        (400, &json!("INVALID_PATH_PARAMETER"))
    );
    assert!(
        atlas
            .get("/orgs?pretty=true")
            .await
            .text
            .contains("\n  \"results\"")
    );
}

#[tokio::test]
async fn unpleasant_but_legal_answers_can_be_had() {
    let atlas = Atlas::start("request_unpleasant").await;
    atlas.settings(json!({"extra_fields": true})).await;
    assert!(
        atlas
            .get(&atlas.org())
            .await
            .ok()
            .get("simUnknownField")
            .is_some()
    );
    let body = json!({"desc": "x", "roles": ["ORG_MEMBER", "ORG_READ_ONLY"]});
    let id = atlas
        .post(&format!("{}/apiKeys", atlas.org()), body)
        .await
        .text("id");
    let path = format!("{}/apiKeys/{id}", atlas.org());
    let first = async || atlas.get(&path).await.ok()["roles"][0]["roleName"].clone();
    let mut orders = vec![first().await, first().await, first().await, first().await];
    orders.sort_by_key(Value::to_string);
    orders.dedup();
    assert_eq!(
        orders,
        ["ORG_MEMBER", "ORG_READ_ONLY"],
        "the order changes between calls"
    );
}

#[tokio::test]
async fn http2_is_spoken() {
    let atlas = Atlas::start("request_http2").await;
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let token = atlas.mint(atlas.client()).await.text("access_token");
    let request = client.get(format!("{}/api/atlas/v2/orgs", atlas.api()));
    let request = request
        .header("accept", NEWEST)
        .header("authorization", format!("Bearer {token}"));
    let response = request.send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.version()),
        (200, reqwest::Version::HTTP_2)
    );
}

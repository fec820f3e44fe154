//! Rate limits.

use serde_json::json;

use crate::harness::Atlas;

#[tokio::test]
async fn a_bucket_empties_is_refused_and_refilled() {
    let atlas = Atlas::start("limits_bucket").await;
    let path = format!("{}/settings", atlas.org());
    for left in (0..10).rev() {
        let answer = atlas.get(&path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            (
                answer.header("ratelimit-limit"),
                answer.header("ratelimit-remaining")
            ),
            ("10", left.to_string().as_str())
        );
    }
    let refused = atlas.get(&path).await;
    assert_eq!(refused.refusal(), (429, "RATE_LIMITED_TOKEN_BUCKET"));
    assert_eq!(refused.body["reason"], "Too Many Requests");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait));
    let plain = path.trim_start_matches('/');
    assert_eq!(
        refused.body["parameters"],
        json!([format!("api/atlas/v2/{plain}"), wait, 10, 5, 60])
    );
    assert_eq!(
        atlas.get(&atlas.org()).await.status,
        200,
        "another endpoint set"
    );
    atlas.advance(wait).await;
    for _ in 0..5 {
        assert_eq!(atlas.get(&path).await.status, 200);
    }
    assert_eq!(atlas.get(&path).await.status, 429);
}

#[tokio::test]
async fn organization_and_project_have_buckets_of_their_own() {
    let atlas = Atlas::start("limits_scopes").await;
    assert_eq!(
        atlas
            .get(&format!("{}/apiKeys", atlas.org()))
            .await
            .header("ratelimit-limit"),
        "500"
    );
    assert_eq!(
        atlas
            .get(&format!("{}/apiKeys", atlas.project()))
            .await
            .header("ratelimit-limit"),
        "1200"
    );
    assert_eq!(
        atlas
            .get(&format!("{}/cloudProviderAccess", atlas.project()))
            .await
            .header("ratelimit-limit"),
        "2000"
    );
}

#[tokio::test]
async fn sizes_can_be_set_and_limits_lifted() {
    let atlas = Atlas::start("limits_settings").await;
    let size = json!({"capacity": 1, "refill_rate": 1, "refill_seconds": 10});
    atlas
        .settings(json!({"buckets": {"organizations_org": size}, "refill": "continuous"}))
        .await;
    assert_eq!(atlas.get(&atlas.org()).await.status, 200);
    let refused = atlas.get(&atlas.org()).await;
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&wait));
    atlas.settings(json!({"rate_limits": false})).await;
    let answer = atlas.get(&atlas.org()).await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers.get("ratelimit-limit").is_none());
}

#[tokio::test]
async fn the_limits_in_force_can_be_read() {
    let atlas = Atlas::start("limits_read").await;
    let all = atlas.get("/rateLimits").await.ok();
    assert_eq!(all["totalCount"], 14);
    let by_org = atlas
        .get(&format!("/rateLimits?orgId={}", atlas.seed().org_id))
        .await
        .ok();
    let scopes: Vec<_> = by_org["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|set| &set["scope"])
        .collect();
    assert_eq!(scopes, ["ORGANIZATION"; 4]);
    let named = atlas
        .get("/rateLimits?name=API%20Keys&name=Root")
        .await
        .ok();
    assert_eq!(named["totalCount"], 3);
    let path = "/rateLimits?endpointPath=%2Fapi%2Fatlas%2Fv2%2Forgs%2F%7BorgId%7D%2Fsettings";
    let settings = atlas.get(path).await.ok();
    assert_eq!(settings["results"][0]["endpointSetId"], "orgSettings_org");
    let one = atlas.get("/rateLimits/apiKeys_org").await.ok();
    assert_eq!(
        (&one["capacity"]["value"], &one["refillRate"]["value"]),
        (&json!(500), &json!(250))
    );
    assert_eq!(atlas.get("/rateLimits/nothing").await.status, 404);
    assert_eq!(atlas.get("/rateLimits?userId=somebody").await.status, 401);
    let own = format!("/rateLimits?userId={}", atlas.seed().api_key.public_key);
    assert_eq!(atlas.get(&own).await.status, 200);
    let by_project = atlas
        .get(&format!(
            "/rateLimits?groupId={}",
            atlas.seed().project_ids[0]
        ))
        .await
        .ok();
    assert_eq!(by_project["totalCount"], 6);
    assert_eq!(atlas.get("/rateLimits?groupId=x").await.status, 400);
}

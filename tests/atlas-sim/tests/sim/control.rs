//! The control port.

use serde_json::{Value, json};

use crate::harness::{Atlas, Auth};

#[tokio::test]
async fn the_log_shows_who_asked_what() {
    let atlas = Atlas::start("control_log").await;
    let path = format!("{}/apiKeys", atlas.org());
    let body = json!({"desc": "x", "roles": ["ORG_MEMBER"]});
    atlas.post(&path, body.clone()).await.ok();
    let token = atlas.token(atlas.client()).await;
    atlas
        .call(&token, "GET", "/orgs?pretty=true", None)
        .await
        .ok();
    let log = atlas.control("GET", "/requests", Value::Null).await.ok();
    assert_eq!(
        (&log["last"], &log["count"], &log["challenges"]),
        (&json!(4), &json!(4), &json!(1))
    );
    assert_eq!(
        log["operations"],
        json!({"createOrgApiKey": 1, "listOrgs": 1, "oauthToken": 1})
    );
    let requests = &log["requests"];
    assert_eq!(
        (&requests[0]["challenge"], &requests[0]["status"]),
        (&json!(true), &json!(401))
    );
    assert_eq!(
        (&requests[1]["auth"], &requests[1]["body"]),
        (&json!("digest"), &body)
    );
    assert_eq!(requests[1]["principal"], json!(atlas.seed().api_key.id));
    assert_eq!(
        (&requests[2]["auth"], &requests[2]["body"]),
        (&json!("basic"), &json!("(form)"))
    );
    assert_eq!(
        (&requests[3]["auth"], &requests[3]["principal"]),
        (&json!("bearer"), &json!(atlas.client().0))
    );
    assert_eq!(requests[3]["path"], "/api/atlas/v2/orgs?pretty=true");
    let later = atlas
        .control("GET", "/requests?since=3", Value::Null)
        .await
        .ok();
    assert_eq!(later["count"], 1);
    assert_eq!(
        atlas
            .control("DELETE", "/requests", Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(
        atlas.control("GET", "/requests", Value::Null).await.ok()["count"],
        0
    );
}

#[tokio::test]
async fn the_state_holds_no_secret() {
    let atlas = Atlas::start("control_state").await;
    let token = atlas.mint(atlas.client()).await.text("access_token");
    let state = atlas.state().await;
    let text = state.to_string();
    let seed = atlas.seed();
    for secret in [
        &seed.api_key.private_key,
        &seed.service_account.client_secret,
        &token,
    ] {
        assert!(!text.contains(secret));
    }
    assert_eq!(state["projects"].as_array().unwrap().len(), 3);
    assert_eq!(
        state["accounts"][0]["secrets"][0]["id"],
        json!(seed.service_account.secret_id)
    );
    assert_eq!(state["accounts"][0]["live_tokens"], 1);
    assert_eq!(state["tokens"][0]["client_id"], json!(atlas.client().0));
}

#[tokio::test]
async fn settings_are_merged_and_unknown_ones_refused() {
    let atlas = Atlas::start("control_settings").await;
    atlas.settings(json!({"max_api_keys_per_org": 7})).await;
    atlas.settings(json!({"rate_limits": false})).await;
    let settings = atlas.control("GET", "/settings", Value::Null).await.ok();
    assert_eq!(
        (&settings["max_api_keys_per_org"], &settings["rate_limits"]),
        (&json!(7), &json!(false))
    );
    for wrong in [
        json!({"no_such": 1}),
        json!({"rate_limits": "off"}),
        json!({"host_bits": "keep"}),
    ] {
        assert_eq!(atlas.control("POST", "/settings", wrong).await.status, 400);
    }
}

#[tokio::test]
async fn the_clock_goes_forward_only() {
    let atlas = Atlas::start("control_clock").await;
    let turned = atlas
        .control("POST", "/clock", json!({"advance_seconds": 1.5}))
        .await
        .ok();
    assert_eq!(turned["offset_millis"], 1_500);
    assert_eq!(
        atlas
            .control("POST", "/clock", json!({"advance_seconds": -1}))
            .await
            .status,
        400
    );
    assert_eq!(
        atlas.control("GET", "/clock", Value::Null).await.ok()["offset_millis"],
        1_500
    );
}

#[tokio::test]
async fn a_reset_goes_back_to_the_seed() {
    let atlas = Atlas::start("control_reset").await;
    atlas.settings(json!({"max_api_keys_per_org": 7})).await;
    atlas.advance(100).await;
    let body = json!({"desc": "x", "roles": ["ORG_MEMBER"]});
    atlas
        .post(&format!("{}/apiKeys", atlas.org()), body)
        .await
        .ok();
    atlas
        .control("POST", "/faults", json!({"action": {"kind": "close"}}))
        .await
        .ok();
    let seed = atlas.control("POST", "/reset", Value::Null).await.ok();
    assert_eq!(seed, atlas.control("GET", "/seed", Value::Null).await.ok());
    assert_eq!(atlas.state().await["keys"].as_array().unwrap().len(), 1);
    assert_eq!(
        atlas.control("GET", "/faults", Value::Null).await.ok()["faults"],
        json!([])
    );
    assert_eq!(
        atlas.control("GET", "/clock", Value::Null).await.ok()["offset_millis"],
        0
    );
    assert_eq!(
        atlas.control("GET", "/settings", Value::Null).await.ok()["max_api_keys_per_org"],
        500
    );
    assert_eq!(atlas.get("/orgs").await.status, 200);
}

#[tokio::test]
async fn things_are_made_and_deleted_by_hand() {
    let atlas = Atlas::start("control_objects").await;
    let org = atlas
        .control(
            "POST",
            "/orgs",
            json!({"name": "o", "settings": {"apiAccessListRequired": true}}),
        )
        .await
        .text("id");
    let project = atlas
        .control("POST", "/projects", json!({"org_id": org, "name": "p"}))
        .await
        .text("id");
    let body = json!({"org_id": org, "org_roles": ["ORG_OWNER"], "access_list": ["127.0.0.0/8"]});
    let key = atlas.control("POST", "/keys", body).await.ok();
    let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
    let owner = Auth::Key(text(&key, "public_key"), text(&key, "private_key"));
    assert_eq!(
        atlas
            .call(&owner, "GET", &format!("/groups/{project}"), None)
            .await
            .status,
        200
    );
    let body =
        json!({"org_id": org, "project_roles": {&project: ["GROUP_OWNER"]}, "secret_hours": 0});
    let account = atlas.control("POST", "/accounts", body).await.ok();
    assert_eq!(account["client_secret"], Value::Null);
    let client = text(&account, "client_id");
    let secret = atlas
        .control("POST", "/secrets", json!({"client_id": client, "hours": 8}))
        .await
        .ok();
    let value = text(&secret, "client_secret");
    let token = atlas.token((&client, &value)).await;
    assert_eq!(
        atlas
            .call(&token, "GET", &format!("/groups/{project}"), None)
            .await
            .refusal(),
        (403, "ORG_REQUIRES_ACCESS_LIST")
    );
    let list = json!({"id": client, "entries": ["127.0.0.1"]});
    assert_eq!(
        atlas.control("POST", "/access-lists", list).await.status,
        204
    );
    assert_eq!(
        atlas
            .call(&token, "GET", &format!("/groups/{project}"), None)
            .await
            .status,
        200
    );
    assert_eq!(
        atlas
            .control("DELETE", &format!("/tokens/{client}"), Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(atlas.call(&token, "GET", "/orgs", None).await.status, 401);
    for path in [
        format!("/secrets/{}", text(&secret, "id")),
        format!("/accounts/{client}"),
        format!("/keys/{}", text(&key, "id")),
        format!("/projects/{project}"),
        format!("/orgs/{org}"),
    ] {
        assert_eq!(
            atlas.control("DELETE", &path, Value::Null).await.status,
            204,
            "{path}"
        );
        assert_eq!(
            atlas.control("DELETE", &path, Value::Null).await.status,
            404,
            "{path}"
        );
    }
    assert_eq!(atlas.mint((&client, &value)).await.status, 401);
    assert_eq!(atlas.call(&owner, "GET", "/orgs", None).await.status, 401);
}

#[tokio::test]
async fn things_need_what_they_belong_to() {
    let atlas = Atlas::start("control_missing").await;
    let nowhere = "507f1f77bcf86cd799439011";
    assert_eq!(
        atlas
            .control("POST", "/projects", json!({"org_id": nowhere, "name": "p"}))
            .await
            .status,
        404
    );
    assert_eq!(
        atlas
            .control("POST", "/keys", json!({"org_id": nowhere}))
            .await
            .status,
        404
    );
    let body = json!({"org_id": atlas.seed().org_id, "project_roles": {nowhere: ["GROUP_OWNER"]}});
    assert_eq!(atlas.control("POST", "/accounts", body).await.status, 404);
    let body = json!({"org_id": atlas.seed().org_id, "access_list": ["everywhere"]});
    assert_eq!(atlas.control("POST", "/keys", body).await.status, 400);
    assert_eq!(
        atlas
            .control("POST", "/secrets", json!({"client_id": "x"}))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn the_date_header_follows_the_clock_and_its_switches() {
    let atlas = Atlas::start("control_date").await;
    let token = atlas.token(atlas.client()).await;
    let offset = async || {
        let answer = atlas.call(&token, "GET", "/orgs", None).await;
        let date = chrono::DateTime::parse_from_rfc2822(answer.header("date")).ok()?;
        let clock = atlas.control("GET", "/clock", Value::Null).await.ok();
        let now: chrono::DateTime<chrono::Utc> = clock["now"].as_str()?.parse().ok()?;
        Some((date.to_utc() - now).num_minutes())
    };
    assert_eq!(offset().await, Some(0));
    let turn = json!({"advance_seconds": 1_800});
    atlas.control("POST", "/clock", turn).await.ok();
    assert_eq!(offset().await, Some(0));
    atlas.settings(json!({"date_skew_seconds": -630})).await;
    assert_eq!(offset().await, Some(-10));
    atlas.settings(json!({"date_header": false})).await;
    assert_eq!(offset().await, None);
}

#[tokio::test]
async fn a_world_that_was_kept_is_another_ones() {
    let first = Atlas::start("control_world_kept").await;
    let body = json!({
        "org_id": first.seed().org_id, "org_roles": ["ORG_MEMBER"], "access_list": ["192.0.2.0/24"],
    });
    first.control("POST", "/accounts", body).await.ok();
    let token = first.token(first.client()).await;
    let world = first.control("GET", "/world", Value::Null).await.ok();
    let second = Atlas::start("control_world_put").await;
    let put = second.control("PUT", "/world", world.clone()).await;
    assert_eq!(put.status, 204, "{put:?}");
    assert_eq!(
        second.control("GET", "/world", Value::Null).await.ok(),
        world
    );
    let org = format!("/orgs/{}", first.seed().org_id);
    second.call(&token, "GET", &org, None).await.ok();
    let refused = second.control("PUT", "/world", json!({"orgs": {}})).await;
    assert_eq!(refused.status, 400, "{refused:?}");
}

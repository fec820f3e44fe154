//! Projects.

use serde_json::json;

use crate::harness::Atlas;

#[tokio::test]
async fn a_project_names_its_organization() {
    let atlas = Atlas::start("projects_read").await;
    let body = atlas.get(&atlas.project()).await.ok();
    assert_eq!(
        (&body["orgId"], &body["name"]),
        (&json!(atlas.seed().org_id), &json!("alpha"))
    );
    assert!(body.get("regionUsageRestrictions").is_none());
}

#[tokio::test]
async fn a_project_is_created_as_recorded_or_as_declared() {
    let atlas = Atlas::start("projects_create").await;
    let org = atlas.seed().org_id.clone();
    let answer = atlas
        .post(
            "/groups",
            json!({"name": "delta", "orgId": org, "tags": [{"key": "a", "value": "b"}]}),
        )
        .await;
    assert_eq!(answer.status, 201);
    assert!(
        answer
            .header("location")
            .starts_with("/api/atlas/v2/groups/")
    );
    let again = atlas
        .post("/groups", json!({"name": "delta", "orgId": org}))
        .await;
    assert_eq!(again.refusal(), (409, "GROUP_ALREADY_EXISTS"));
    atlas.settings(json!({"create_group_status": 200})).await;
    assert_eq!(
        atlas
            .post("/groups", json!({"name": "epsilon", "orgId": org}))
            .await
            .status,
        200
    );
    for (body, status) in [
        (json!({"name": "x"}), 400),
        (json!({"orgId": org}), 400),
        (json!({"name": "a/b", "orgId": org}), 400),
        (
            json!({"name": "x", "orgId": "507f1f77bcf86cd799439011"}),
            404,
        ),
        (
            json!({"name": "x", "orgId": org, "regionUsageRestrictions": "GOV_REGIONS_ONLY"}),
            400,
        ),
        (
            json!({"name": "x", "orgId": org, "tags": [{"key": "a"}]}),
            400,
        ),
    ] {
        assert_eq!(
            atlas.post("/groups", body.clone()).await.status,
            status,
            "{body}"
        );
    }
    atlas.settings(json!({"max_projects_per_org": 5})).await;
    let full = atlas
        .post("/groups", json!({"name": "zeta", "orgId": org}))
        .await;
    assert_eq!(full.refusal(), (400, "MAX_GROUPS_PER_ORG_EXCEEDED"));
}

#[tokio::test]
async fn members_see_the_projects_they_belong_to() {
    let atlas = Atlas::start("projects_list").await;
    let project = atlas.seed().project_ids[1].clone();
    let member = atlas
        .key(
            json!(["ORG_MEMBER"]),
            json!({&project: ["GROUP_READ_ONLY"]}),
        )
        .await;
    let seen = atlas.call(&member, "GET", "/groups", None).await.ok();
    assert_eq!(
        (&seen["totalCount"], &seen["results"][0]["id"]),
        (&json!(1), &json!(project))
    );
    let reader = atlas.key(json!(["ORG_READ_ONLY"]), json!({})).await;
    assert_eq!(
        atlas.call(&reader, "GET", "/groups", None).await.ok()["totalCount"],
        3
    );
}

#[tokio::test]
async fn a_project_is_changed_and_deleted_with_its_assignments() {
    let atlas = Atlas::start("projects_change").await;
    let body = atlas
        .patch(&atlas.project(), json!({"name": "omega"}))
        .await
        .ok();
    assert_eq!(body["name"], "omega");
    assert_eq!(
        atlas
            .patch(&atlas.project(), json!({"orgId": "x"}))
            .await
            .refusal(),
        (400, "INVALID_ATTRIBUTE")
    );
    let path = format!("{}/apiKeys", atlas.project());
    let id = atlas
        .post(&path, json!({"desc": "x", "roles": ["GROUP_OWNER"]}))
        .await
        .text("id");
    assert_eq!(atlas.delete(&atlas.project()).await.status, 204);
    assert_eq!(
        atlas.get(&atlas.project()).await.refusal(),
        (404, "GROUP_NOT_FOUND")
    );
    let key = atlas
        .get(&format!("{}/apiKeys/{id}", atlas.org()))
        .await
        .ok();
    assert_eq!(key["roles"].as_array().unwrap().len(), 1);
}

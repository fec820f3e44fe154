//! Private networking: a change is accepted unseen, and the data nodes tell later what it is worth.

use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::harness::Atlas;

const QUARTER: u64 = 900;
const REGION: &str = "US_EAST";

fn private(mut block: Value) -> Value {
    block["requirePrivateNetworking"] = json!(true);
    block
}

/// A project with static credentials, whose vault is reached by an approved endpoint alone.
async fn closed(atlas: &Atlas, cloud: &Cloud) {
    let project = &atlas.seed().project_ids[0];
    let endpoint =
        json!({"project_id": project, "region": REGION, "create": true, "approved": true});
    atlas.turn("/private-endpoints", endpoint).await;
    let change = json!({"public_network": false});
    atlas.change_vault(cloud, change).await;
    let block = private(cloud.with_secret(&cloud.secret));
    let body = atlas.configure(block).await.ok();
    let block = &body["azureKeyVault"];
    assert_eq!(block["valid"], json!(false), "the data nodes tell later");
    atlas.advance(60).await;
}

#[tokio::test]
async fn a_good_change_is_proved_by_the_data_nodes() {
    let atlas = Atlas::start("private_good").await;
    let cloud = Cloud::granted(&atlas).await;
    closed(&atlas, &cloud).await;
    assert_eq!(atlas.azure_block().await["valid"], json!(true));
    let id = atlas.register(&cloud).await;
    let body = atlas.configure(private(cloud.with_role(&id))).await.ok();
    let block = &body["azureKeyVault"];
    assert_eq!(
        (&block["roleId"], &block["valid"]),
        (&json!(id), &json!(false))
    );
    assert_eq!(
        block["tenantID"],
        json!(cloud.tenant),
        "kept until the verdict"
    );
    assert_eq!(atlas.standing().await["secret_id"], json!(cloud.secret_id));
    atlas.advance(60).await;
    let block = atlas.azure_block().await;
    assert_eq!(block["valid"], json!(true));
    assert!(block.get("tenantID").is_none());
    assert_eq!(atlas.standing().await["holds_static"], json!(false));
    atlas.advance(10 * QUARTER).await;
    assert_eq!(atlas.stops().await, 0);
}

#[tokio::test]
async fn a_bad_change_is_accepted_and_stops_the_clusters_at_the_next_check() {
    let atlas = Atlas::start("private_bad").await;
    let cloud = Cloud::granted(&atlas).await;
    closed(&atlas, &cloud).await;
    atlas.revoke(&cloud, &cloud.principal).await;
    let id = atlas.register(&cloud).await;
    atlas.configure(private(cloud.with_role(&id))).await.ok();
    atlas.advance(QUARTER - 60).await;
    let block = atlas.azure_block().await;
    assert_eq!(
        (&block["valid"], &block["roleId"]),
        (&json!(false), &json!(id))
    );
    assert_eq!(atlas.stops().await, 0);
    atlas.advance(60).await;
    assert_eq!(atlas.stops().await, 1);
}

#[tokio::test]
async fn the_way_back_is_open_until_the_verdict_if_the_setting_says_so() {
    let atlas = Atlas::start("private_back").await;
    let cloud = Cloud::granted(&atlas).await;
    closed(&atlas, &cloud).await;
    atlas.revoke(&cloud, &cloud.principal).await;
    let id = atlas.register(&cloud).await;
    atlas.configure(private(cloud.with_role(&id))).await.ok();
    let back = private(cloud.with_secret(&cloud.secret));
    assert_eq!(
        atlas.configure(back.clone()).await.refusal(),
        (400, "AZURE_KEY_VAULT_CREDENTIALS_DEPRECATED")
    );
    atlas
        .settings(json!({"static_credentials_after_role": "unproved"}))
        .await;
    atlas.advance(300).await;
    let body = atlas.configure(back).await.ok();
    assert!(body["azureKeyVault"].get("roleId").is_none());
    atlas.advance(2 * QUARTER).await;
    assert_eq!(atlas.azure_block().await["valid"], json!(true));
    assert_eq!(atlas.stops().await, 0);
}

#[tokio::test]
async fn static_credentials_can_be_gone_at_once() {
    let atlas = Atlas::start("private_dropped").await;
    let cloud = Cloud::granted(&atlas).await;
    closed(&atlas, &cloud).await;
    atlas
        .settings(json!({"private_static_dropped_at_once": true,
            "private_valid_before_verdict": true}))
        .await;
    let id = atlas.register(&cloud).await;
    let body = atlas.configure(private(cloud.with_role(&id))).await.ok();
    assert!(body["azureKeyVault"].get("tenantID").is_none());
    assert_eq!(body["azureKeyVault"]["valid"], json!(true));
}

#[tokio::test]
async fn private_networking_stays_and_the_vault_keeps_its_name_while_there_are_endpoints() {
    let atlas = Atlas::start("private_frozen").await;
    let cloud = Cloud::granted(&atlas).await;
    closed(&atlas, &cloud).await;
    let id = atlas.register(&cloud).await;
    let stays = "CANNOT_DISABLE_ENCRYPTION_AT_REST_REQUIRE_PRIVATE_NETWORKING_WHILE_PRIVATE_\
                 ENDPOINTS_EXIST";
    let before = atlas.encryption().await;
    let left_out = atlas.configure(cloud.with_role(&id)).await;
    assert_eq!(left_out.refusal(), (400, stays));
    let mut dropped = cloud.with_role(&id);
    dropped["requirePrivateNetworking"] = json!(false);
    assert_eq!(atlas.configure(dropped).await.refusal(), (400, stays));
    let mut renamed = private(cloud.with_role(&id));
    renamed["keyVaultName"] = json!("others");
    assert_eq!(
        atlas.configure(renamed).await.refusal(),
        (400, "BAD_REQUEST")
    );
    let off = atlas.configure(json!({"enabled": false})).await;
    let code = "CANNOT_DISABLE_ENCRYPTION_AT_REST_DUE_TO_PRIVATE_ENDPOINTS";
    assert_eq!(off.refusal(), (400, code));
    assert_eq!(atlas.encryption().await, before);
    atlas
        .settings(json!({"omitted_private_networking": "kept"}))
        .await;
    let body = atlas.configure(cloud.with_role(&id)).await.ok();
    assert_eq!(
        body["azureKeyVault"]["requirePrivateNetworking"],
        json!(true)
    );
}

#[tokio::test]
async fn an_endpoint_is_made_approved_and_seen_later() {
    let atlas = Atlas::start("private_endpoints").await;
    let cloud = Cloud::granted(&atlas).await;
    let path = format!(
        "{}/encryptionAtRest/AZURE/privateEndpoints",
        atlas.project()
    );
    let region = json!({"regionName": REGION});
    assert_eq!(
        atlas.post(&path, region.clone()).await.refusal(),
        (400, "BAD_REQUEST"),
        "private networking is not required"
    );
    atlas
        .configure(private(cloud.with_secret(&cloud.secret)))
        .await
        .ok();
    let made = atlas.post(&path, region.clone()).await;
    assert_eq!(made.status, 202);
    let id = made.text("id");
    let one = format!("{path}/{id}");
    let status = async || atlas.get(&one).await.ok()["status"].take();
    assert_eq!(status().await, "INITIATING");
    assert_eq!(atlas.post(&path, region.clone()).await.status, 400);
    atlas.advance(180).await;
    assert_eq!(status().await, "PENDING_ACCEPTANCE");
    assert_eq!(
        atlas.azure_block().await["valid"],
        json!(false),
        "no way to it"
    );
    let mut change = json!({
        "project_id": atlas.seed().project_ids[0], "region": REGION, "approved": true,
    });
    atlas.turn("/private-endpoints", change.clone()).await;
    assert_eq!(status().await, "PENDING_ACCEPTANCE", "Atlas is behind");
    assert_eq!(atlas.azure_block().await["valid"], json!(true));
    atlas.advance(180).await;
    let list = atlas.get(&path).await.ok();
    assert_eq!(
        (&list["results"][0]["status"], &list["totalCount"]),
        (&json!("ACTIVE"), &json!(1))
    );
    for trouble in ["PENDING_RECREATION", "FAILED"] {
        change["trouble"] = json!(trouble);
        atlas.turn("/private-endpoints", change.clone()).await;
        assert_eq!(status().await, trouble);
    }
    assert_eq!(atlas.delete(&one).await.status, 204);
    assert_eq!(status().await, "DELETING");
    atlas.advance(180).await;
    assert_eq!(atlas.get(&one).await.status, 404);
    assert_eq!(
        atlas.stops().await,
        0,
        "a vault without a way to it is out of reach"
    );
}

#[tokio::test]
async fn endpoints_are_for_project_owners_and_azure() {
    let atlas = Atlas::start("private_rights").await;
    let project = &atlas.seed().project_ids[0];
    let reader = atlas
        .key(json!(["ORG_MEMBER"]), json!({project: ["GROUP_READ_ONLY"]}))
        .await;
    let path = format!("{}/encryptionAtRest", atlas.project());
    assert_eq!(atlas.call(&reader, "GET", &path, None).await.status, 200);
    let endpoints = format!("{path}/AZURE/privateEndpoints");
    let answer = atlas.call(&reader, "GET", &endpoints, None).await;
    assert_eq!(answer.refusal(), (401, "USER_UNAUTHORIZED"));
    assert_eq!(atlas.get(&endpoints).await.ok()["results"], json!([]));
    for other in ["AWS", "MARS"] {
        let path = format!("{path}/{other}/privateEndpoints");
        assert_eq!(atlas.get(&path).await.status, 400, "{other}");
    }
    let unknown = format!("{endpoints}/507f1f77bcf86cd799439011");
    for answer in [atlas.get(&unknown).await, atlas.delete(&unknown).await] {
        assert_eq!(answer.refusal(), (404, "RESOURCE_NOT_FOUND"));
    }
    assert_eq!(atlas.get(&format!("{endpoints}/x")).await.status, 400);
}

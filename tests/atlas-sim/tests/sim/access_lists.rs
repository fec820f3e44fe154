//! Access lists of keys and accounts.

use serde_json::{Value, json};

use crate::harness::{Answer, Atlas, Auth};

fn key_list(atlas: &Atlas) -> String {
    format!(
        "{}/apiKeys/{}/accessList",
        atlas.org(),
        atlas.seed().api_key.id
    )
}

fn account_list(atlas: &Atlas) -> String {
    format!(
        "{}/serviceAccounts/{}/accessList",
        atlas.org(),
        atlas.client().0
    )
}

/// A key of its own, so that its list does not lock the owner out.
async fn other_key(atlas: &Atlas) -> (Auth, String) {
    let body = json!({"desc": "x", "roles": ["ORG_OWNER"]});
    let key = atlas
        .post(&format!("{}/apiKeys", atlas.org()), body)
        .await
        .ok();
    let text = |name: &str| key[name].as_str().unwrap().to_owned();
    let list = format!("{}/apiKeys/{}/accessList", atlas.org(), text("id"));
    (Auth::Key(text("publicKey"), text("privateKey")), list)
}

async fn from(atlas: &Atlas, auth: &Auth, address: &str) -> Answer {
    let request = atlas
        .request("GET", "/orgs", None)
        .header("x-caller", address);
    atlas.send(auth, request).await.unwrap()
}

#[tokio::test]
async fn from_the_first_entry_on_only_listed_addresses_pass() {
    let atlas = Atlas::start("list_effect").await;
    atlas
        .settings(json!({"caller_address_header": "x-caller"}))
        .await;
    let (key, list) = other_key(&atlas).await;
    assert_eq!(from(&atlas, &key, "198.51.100.9").await.status, 200);
    atlas
        .post(
            &list,
            json!([{"cidrBlock": "203.0.113.0/24"}, {"ipAddress": "2001:db8:0:0:0:0:0:1"}]),
        )
        .await
        .ok();
    assert_eq!(from(&atlas, &key, "203.0.113.77").await.status, 200);
    assert_eq!(from(&atlas, &key, "2001:db8::1").await.status, 200);
    let refused = from(&atlas, &key, "198.51.100.9").await;
    assert_eq!(refused.refusal(), (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST"));
    assert_eq!(
        refused.body["detail"],
        "IP address 198.51.100.9 is not allowed to access this resource."
    );
    atlas.settings(json!({"whitelist_codes": true})).await;
    assert_eq!(
        from(&atlas, &key, "198.51.100.9").await.code(),
        "IP_ADDRESS_NOT_ON_WHITELIST"
    );
    atlas
        .settings(json!({"caller_address": "203.0.113.1", "caller_address_header": null}))
        .await;
    assert_eq!(atlas.call(&key, "GET", "/orgs", None).await.status, 200);
}

#[tokio::test]
async fn an_organization_can_require_a_list() {
    let atlas = Atlas::start("list_required").await;
    let (key, list) = other_key(&atlas).await;
    atlas
        .post(&list, json!([{"ipAddress": "127.0.0.1"}]))
        .await
        .ok();
    let settings = format!("{}/settings", atlas.org());
    atlas
        .patch(&settings, json!({"apiAccessListRequired": true}))
        .await
        .ok();
    let refused = atlas.get("/orgs").await;
    assert_eq!(refused.refusal(), (403, "ORG_REQUIRES_ACCESS_LIST"));
    assert_eq!(refused.body["parameters"], json!(["127.0.0.1"]));
    assert_eq!(atlas.call(&key, "GET", "/orgs", None).await.status, 200);
}

#[tokio::test]
async fn a_key_list_answers_in_the_recorded_form() {
    let atlas = Atlas::start("list_key_form").await;
    let (_, list) = other_key(&atlas).await;
    let added = atlas
        .post(
            &list,
            json!([{"ipAddress": "192.0.2.1"}, {"cidrBlock": "198.51.100.0/24"}]),
        )
        .await;
    assert_eq!(added.status, 200);
    let added = added.ok();
    assert_eq!(added["totalCount"], 2);
    let one = &added["results"][0];
    assert_eq!(
        (&one["ipAddress"], &one["cidrBlock"], &one["count"]),
        (&json!("192.0.2.1"), &json!("192.0.2.1/32"), &json!(0))
    );
    assert!(
        one["links"][0]["href"]
            .as_str()
            .unwrap()
            .ends_with("/accessList/192.0.2.1")
    );
    assert!(added["results"][1].get("ipAddress").is_none());
    let read = atlas.get(&format!("{list}/198.51.100.0%2F24")).await.ok();
    assert_eq!(read["cidrBlock"], "198.51.100.0/24");
    assert_eq!(atlas.get(&format!("{list}/192.0.2.1")).await.status, 200);
    assert_eq!(
        atlas.get(&format!("{list}/192.0.2.1%2F32")).await.status,
        404
    );
    assert_eq!(
        atlas
            .delete(&format!("{list}/198.51.100.0%2F24"))
            .await
            .status,
        204
    );
    let gone = atlas.delete(&format!("{list}/198.51.100.0%2F24")).await;
    assert_eq!(gone.refusal(), (404, "API_KEY_ACCESS_LIST_ENTRY_NOT_FOUND"));
    assert_eq!(atlas.get(&list).await.ok()["totalCount"], 1);
}

#[tokio::test]
async fn an_account_list_is_one_for_organization_and_project() {
    let atlas = Atlas::start("list_account").await;
    let body = json!({"name": "x", "description": "x", "roles": ["GROUP_OWNER"], "secretExpiresAfterHours": 8});
    let id = atlas
        .post(&format!("{}/serviceAccounts", atlas.project()), body)
        .await
        .text("clientId");
    let in_project = format!("{}/serviceAccounts/{id}/accessList", atlas.project());
    let in_org = format!("{}/serviceAccounts/{id}/accessList", atlas.org());
    let added = atlas
        .post(
            &in_project,
            json!([{"cidrBlock": "2001:db8::/32"}, {"ipAddress": "192.0.2.1"}]),
        )
        .await;
    assert_eq!(added.status, 200);
    let entry = &added.ok()["results"][0];
    assert_eq!(
        (&entry["cidrBlock"], &entry["requestCount"]),
        (&json!("2001:db8:0:0:0:0:0:0/32"), &json!(0))
    );
    assert_eq!(atlas.get(&in_org).await.ok()["totalCount"], 2);
    assert_eq!(
        atlas.delete(&format!("{in_org}/192.0.2.1")).await.status,
        204
    );
    assert_eq!(atlas.get(&in_project).await.ok()["totalCount"], 1);
    assert_eq!(
        atlas
            .delete(&format!("{in_project}/192.0.2.1"))
            .await
            .status,
        404
    );
    assert_eq!(
        atlas
            .delete(&format!("{in_project}/2001:db8:0:0:0:0:0:0%2F32"))
            .await
            .status,
        204
    );
}

#[tokio::test]
async fn duplicates_are_conflicts() {
    let atlas = Atlas::start("list_duplicates").await;
    let (_, keys) = other_key(&atlas).await;
    let other = json!({"name": "x", "description": "x", "roles": ["ORG_MEMBER"], "secretExpiresAfterHours": 8});
    let id = atlas
        .post(&format!("{}/serviceAccounts", atlas.org()), other)
        .await
        .text("clientId");
    for list in [
        keys,
        format!("{}/serviceAccounts/{id}/accessList", atlas.org()),
    ] {
        let count = async || atlas.get(&list).await.ok()["totalCount"].clone();
        atlas
            .post(&list, json!([{"ipAddress": "192.0.2.1"}]))
            .await
            .ok();
        let twice = json!([{"ipAddress": "192.0.2.2"}, {"cidrBlock": "192.0.2.2/32"}]);
        assert_eq!(
            atlas.post(&list, twice).await.refusal(),
            (400, "DUPLICATE_ADDRESSES_IN_INPUT")
        );
        let again = json!([{"ipAddress": "192.0.2.1"}, {"ipAddress": "192.0.2.3"}]);
        let answer = atlas.post(&list, again.clone()).await;
        assert_eq!(answer.refusal(), (409, "ADDRESS_ALREADY_IN_ACCESS_LIST"));
        assert_eq!(count().await, 1);
        atlas
            .settings(json!({"partial_duplicates": "add_rest"}))
            .await;
        assert_eq!(atlas.post(&list, again).await.status, 409);
        assert_eq!(count().await, 2);
        atlas
            .settings(json!({"partial_duplicates": "add_none"}))
            .await;
    }
}

#[tokio::test]
async fn bad_addresses_are_refused_and_host_bits_follow_the_setting() {
    let atlas = Atlas::start("list_bad").await;
    let (_, list) = other_key(&atlas).await;
    for (entry, code) in [
        (
            json!({"ipAddress": "300.0.2.1"}),
            "INVALID_IP_ADDRESS_OR_CIDR_NOTATION",
        ),
        (
            json!({"ipAddress": "2001:db8::1"}),
            "INVALID_IP_ADDRESS_OR_CIDR_NOTATION",
        ),
        (
            json!({"ipAddress": "2001:DB8:0:0:0:0:0:1"}),
            "INVALID_IP_ADDRESS_OR_CIDR_NOTATION",
        ),
        (
            json!({"cidrBlock": "192.0.2.0/33"}),
            "INVALID_IP_ADDRESS_OR_CIDR_NOTATION",
        ),
        (json!({"cidrBlock": "192.0.2.1/24"}), "INVALID_CIDR_BLOCK"),
        (
            json!({"ipAddress": "192.0.2.1", "cidrBlock": "192.0.2.0/24"}),
            "BAD_REQUEST",
        ),
        (json!({}), "MISSING_ATTRIBUTE"),
        (
            json!({"ipAddress": "192.0.2.1", "comment": "x"}),
            "INVALID_ATTRIBUTE",
        ),
    ] {
        assert_eq!(
            atlas.post(&list, json!([entry])).await.refusal(),
            (400, code)
        );
    }
    assert_eq!(
        atlas
            .post(&list, json!({"ipAddress": "192.0.2.1"}))
            .await
            .refusal(),
        (400, "INVALID_JSON")
    );
    atlas.settings(json!({"host_bits": "mask"})).await;
    let added = atlas
        .post(&list, json!([{"cidrBlock": "192.0.2.1/24"}]))
        .await
        .ok();
    assert_eq!(added["results"][0]["cidrBlock"], "192.0.2.0/24");
}

#[tokio::test]
async fn a_list_is_bounded() {
    let atlas = Atlas::start("list_bounded").await;
    atlas.settings(json!({"max_access_list_entries": 2})).await;
    let (_, list) = other_key(&atlas).await;
    let entries = |range: std::ops::Range<u8>| -> Value {
        range
            .map(|last| json!({"ipAddress": format!("192.0.2.{last}")}))
            .collect()
    };
    assert_eq!(
        atlas.post(&list, entries(0..3)).await.refusal(),
        (400, "BAD_REQUEST")
    );
    atlas.post(&list, entries(0..2)).await.ok();
    assert_eq!(atlas.post(&list, entries(2..3)).await.status, 400);
}

#[tokio::test]
async fn the_caller_cannot_remove_its_own_address() {
    let atlas = Atlas::start("list_caller").await;
    let list = key_list(&atlas);
    atlas
        .post(
            &list,
            json!([{"cidrBlock": "127.0.0.0/8"}, {"ipAddress": "192.0.2.1"}]),
        )
        .await
        .ok();
    let own = format!("{list}/127.0.0.0%2F8");
    assert_eq!(
        atlas.delete(&own).await.refusal(),
        (400, "CANNOT_REMOVE_CALLER_FROM_ACCESS_LIST")
    );
    assert_eq!(atlas.delete(&format!("{list}/192.0.2.1")).await.status, 204);
    let token = atlas.token(atlas.client()).await;
    assert_eq!(
        atlas.call(&token, "DELETE", &own, None).await.status,
        204,
        "another credential may"
    );
    let account = account_list(&atlas);
    atlas
        .post(&account, json!([{"ipAddress": "127.0.0.1"}]))
        .await
        .ok();
    let entry = format!("{account}/127.0.0.1");
    assert_eq!(atlas.call(&token, "DELETE", &entry, None).await.status, 400);
    atlas
        .settings(json!({"caller_address_on_account_lists": "any_list"}))
        .await;
    assert_eq!(atlas.delete(&entry).await.status, 400);
    atlas
        .settings(json!({"caller_address_on_account_lists": "own_list"}))
        .await;
    assert_eq!(atlas.delete(&entry).await.status, 204);
}

#[tokio::test]
async fn uses_are_counted() {
    let atlas = Atlas::start("list_uses").await;
    let (key, list) = other_key(&atlas).await;
    atlas
        .post(&list, json!([{"ipAddress": "127.0.0.1"}]))
        .await
        .ok();
    assert_eq!(atlas.call(&key, "GET", "/orgs", None).await.status, 200);
    let entry = atlas.get(&format!("{list}/127.0.0.1")).await.ok();
    assert_eq!(
        (&entry["count"], &entry["lastUsedAddress"]),
        (&json!(1), &json!("127.0.0.1"))
    );
    assert!(entry["lastUsed"].is_string());
}

#[tokio::test]
async fn a_new_entry_can_be_slow_to_take_effect() {
    let atlas = Atlas::start("list_delay").await;
    atlas
        .settings(json!({"access_entry_delay_seconds": 30}))
        .await;
    let (key, list) = other_key(&atlas).await;
    atlas
        .post(&list, json!([{"ipAddress": "192.0.2.1"}]))
        .await
        .ok();
    assert_eq!(
        atlas.call(&key, "GET", "/orgs", None).await.status,
        200,
        "as if the list were empty"
    );
    atlas.advance(30).await;
    assert_eq!(atlas.call(&key, "GET", "/orgs", None).await.status, 403);
    atlas
        .post(&list, json!([{"ipAddress": "127.0.0.1"}]))
        .await
        .ok();
    assert_eq!(
        atlas.call(&key, "GET", "/orgs", None).await.status,
        403,
        "not yet"
    );
    atlas.advance(30).await;
    assert_eq!(atlas.call(&key, "GET", "/orgs", None).await.status, 200);
}

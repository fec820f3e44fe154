//! Database users: what is made, refused, changed and deleted, and by whom.

use serde_json::{Value, json};

use crate::harness::Atlas;

/// A moment so many seconds ahead of the simulator's clock.
async fn ahead(atlas: &Atlas, seconds: i64) -> String {
    let now = atlas.control("GET", "/clock", Value::Null).await.ok();
    let now = chrono::DateTime::parse_from_rfc3339(now["now"].as_str().unwrap()).unwrap();
    let then = now.to_utc() + chrono::TimeDelta::seconds(seconds);
    then.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn path(atlas: &Atlas) -> String {
    format!("{}/databaseUsers", atlas.project())
}

fn user(atlas: &Atlas, name: &str) -> Value {
    json!({
        "groupId": atlas.seed().project_ids[0], "databaseName": "admin", "username": name,
        "password": "correct-horse", "roles": [{"roleName": "readWrite", "databaseName": "sales"}],
    })
}

/// The user with other fields; null takes one away.
fn with(user: &Value, changes: Value) -> Value {
    let mut user = user.clone();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => user.as_object_mut().unwrap().remove(name),
            value => user
                .as_object_mut()
                .unwrap()
                .insert(name.clone(), value.clone()),
        };
    }
    user
}

#[tokio::test]
async fn a_user_is_made_read_changed_and_deleted_without_its_password_being_shown() {
    let atlas = Atlas::start("database_users").await;
    let path = path(&atlas);
    let date = ahead(&atlas, 3_600).await;
    let asked = with(
        &user(&atlas, "reader"),
        json!({
            "deleteAfterDate": date, "description": "for tests",
            "labels": [{"key": "owner", "value": "vault"}],
            "scopes": [{"name": "one", "type": "CLUSTER"}, {"name": "lake", "type": "DATA_LAKE"}],
        }),
    );
    let made = atlas.post(&path, asked.clone()).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.header("ratelimit-limit"), "10000");
    let made = made.ok();
    for field in [
        "username",
        "databaseName",
        "groupId",
        "roles",
        "scopes",
        "labels",
        "description",
    ] {
        assert_eq!(made[field], asked[field], "{field}");
    }
    assert_eq!(made["deleteAfterDate"], date);
    let kinds = ["awsIAMType", "ldapAuthType", "oidcAuthType", "x509Type"];
    assert!(kinds.iter().all(|kind| made[kind] == "NONE"));
    let one = format!("{path}/admin/reader");
    assert_eq!(atlas.get(&one).await.ok(), made);
    assert_eq!(atlas.get(&path).await.ok()["results"], json!([made]));

    let later = ahead(&atlas, 7_200).await;
    let change = with(
        &user(&atlas, "reader"),
        json!({"password": null, "deleteAfterDate": later}),
    );
    let changed = atlas.patch(&one, change).await.ok();
    assert_eq!(changed, with(&made, json!({"deleteAfterDate": later})));
    let silent = with(
        &user(&atlas, "reader"),
        json!({"password": null, "scopes": [], "labels": []}),
    );
    let silent = atlas.patch(&one, silent).await.ok();
    assert_eq!(silent, with(&changed, json!({"scopes": [], "labels": []})));

    assert_eq!(atlas.delete(&one).await.status, 204);
    assert_eq!(
        atlas.delete(&one).await.refusal(),
        (404, "USERNAME_NOT_FOUND")
    );
    assert_eq!(atlas.get(&one).await.refusal(), (404, "USERNAME_NOT_FOUND"));
    let gone = atlas.patch(&one, user(&atlas, "reader")).await;
    assert_eq!(gone.refusal(), (404, "USERNAME_NOT_FOUND"));
    let state = atlas.state().await;
    assert_eq!(state["projects"][0]["database_users"], json!([]));
    let log = atlas.control("GET", "/requests", Value::Null).await.ok();
    assert!(!log.to_string().contains("correct-horse"), "{log}");
}

#[tokio::test]
async fn what_the_description_or_atlas_refuses_is_refused() {
    let atlas = Atlas::start("database_users_refused").await;
    let path = path(&atlas);
    let long = |length: usize| "x".repeat(length);
    let role = |role: &str, database: &str| json!({"roleName": role, "databaseName": database});
    let past = ahead(&atlas, -1).await;
    let far = ahead(&atlas, 7 * 86_400 + 60).await;
    for (changes, code) in [
        (json!({"groupId": null}), "MISSING_ATTRIBUTE"),
        (json!({"username": null}), "MISSING_ATTRIBUTE"),
        (json!({"databaseName": null}), "MISSING_ATTRIBUTE"),
        (json!({"roles": null}), "MISSING_ATTRIBUTE"),
        (json!({"password": null}), "MISSING_ATTRIBUTE"),
        (
            json!({"groupId": atlas.seed().project_ids[1]}),
            "GROUP_MISMATCH",
        ),
        (
            json!({"databaseName": "$external"}),
            "DATABASE_NAME_INVALID_ADMIN",
        ),
        (json!({"x509Type": "MANAGED"}), "BAD_REQUEST"),
        (json!({"password": "short"}), "BAD_REQUEST"),
        (json!({"description": long(101)}), "BAD_REQUEST"),
        (json!({"username": ""}), "ATLAS_INVALID_USERNAME"),
        (json!({"username": long(1_025)}), "ATLAS_INVALID_USERNAME"),
        (json!({"roles": []}), "BAD_REQUEST"),
        (
            json!({"roles": [{"roleName": "read"}]}),
            "MISSING_ATTRIBUTE",
        ),
        (
            json!({"roles": [role("nobody", "admin")]}),
            "ATLAS_INVALID_ROLE",
        ),
        (
            json!({"roles": [role("atlasAdmin", "sales")]}),
            "ATLAS_INVALID_ROLE_DATABASE",
        ),
        (
            json!({"roles": [role("read", "a"), role("read", "a")]}),
            "DUPLICATE_DATABASE_ROLES",
        ),
        (json!({"scopes": [{"name": "one"}]}), "MISSING_ATTRIBUTE"),
        (
            json!({"scopes": [{"name": "-one", "type": "CLUSTER"}]}),
            "BAD_REQUEST",
        ),
        (
            json!({"scopes": [{"name": "one", "type": "HOUSE"}]}),
            "INVALID_ENUM_VALUE",
        ),
        (
            json!({"labels": [{"key": "", "value": "v"}]}),
            "BAD_REQUEST",
        ),
        (
            json!({"labels": {"key": "value"}}),
            "INVALID_JSON_ATTRIBUTE",
        ),
        (
            json!({"deleteAfterDate": "tomorrow"}),
            "INVALID_JSON_ATTRIBUTE",
        ),
        (json!({"deleteAfterDate": past}), "EXPIRATION_DATE_IN_PAST"),
        (
            json!({"deleteAfterDate": far}),
            "EXPIRATION_DATE_EXCEEDS_MAX",
        ),
        (json!({"links": []}), "INVALID_ATTRIBUTE"),
    ] {
        let refused = atlas
            .post(&path, with(&user(&atlas, "u"), changes.clone()))
            .await;
        assert_eq!(refused.refusal(), (400, code), "{changes}");
    }
    assert_eq!(atlas.get(&path).await.ok()["totalCount"], 0);
    let most = with(
        &user(&atlas, &long(1_024)),
        json!({"description": long(100), "deleteAfterDate": ahead(&atlas, 7 * 86_400 - 60).await}),
    );
    assert_eq!(atlas.post(&path, most).await.status, 201);
}

#[tokio::test]
async fn a_name_is_given_once_and_what_names_a_user_stays() {
    let atlas = Atlas::start("database_users_names").await;
    let path = path(&atlas);
    let asked = user(&atlas, "u");
    atlas.post(&path, asked.clone()).await.ok();
    assert_eq!(
        atlas.post(&path, asked.clone()).await.refusal(),
        (409, "USER_ALREADY_EXISTS")
    );
    let one = format!("{path}/admin/u");
    for (changes, code) in [
        (
            json!({"username": "v"}),
            "DATABASE_USERNAME_CANNOT_BE_CHANGED",
        ),
        (
            json!({"databaseName": "$external"}),
            "DATABASE_NAME_CANNOT_BE_CHANGED",
        ),
        (
            json!({"ldapAuthType": "USER"}),
            "AUTH_TYPE_CANNOT_BE_CHANGED",
        ),
    ] {
        let refused = atlas.patch(&one, with(&asked, changes)).await;
        assert_eq!(refused.refusal(), (409, code));
    }
    let temporary = with(&asked, json!({"deleteAfterDate": ahead(&atlas, 60).await}));
    assert_eq!(
        atlas.patch(&one, temporary).await.refusal(),
        (400, "PERMANENT_ENTITY_CANNOT_BE_MADE_TEMPORARY")
    );
    // A user of another database, or of another project, is unknown here.
    let external = format!("{path}/%24external/u");
    assert_eq!(
        atlas.get(&external).await.refusal(),
        (404, "USERNAME_NOT_FOUND")
    );
    let elsewhere = format!(
        "/groups/{}/databaseUsers/admin/u",
        atlas.seed().project_ids[1]
    );
    assert_eq!(
        atlas.delete(&elsewhere).await.refusal(),
        (404, "USERNAME_NOT_FOUND")
    );
    assert_eq!(atlas.get(&one).await.status, 200);
}

#[tokio::test]
async fn a_special_name_is_found_by_its_encoded_path_or_refused_if_set_so() {
    let atlas = Atlas::start("database_users_special").await;
    let path = path(&atlas);
    let asked = user(&atlas, "v-token/a b@c%");
    let made = atlas.post(&path, asked.clone()).await.ok();
    let link = made["links"][0]["href"].as_str().unwrap();
    assert!(
        link.ends_with("/databaseUsers/admin/v-token%2Fa%20b%40c%25"),
        "{link}"
    );
    let one = format!("{path}/admin/v-token%2Fa%20b%40c%25");
    assert_eq!(atlas.get(&one).await.ok()["username"], "v-token/a b@c%");
    assert_eq!(atlas.delete(&one).await.status, 204);
    atlas
        .settings(json!({"special_database_usernames": "refuse"}))
        .await;
    let refused = atlas.post(&path, asked).await;
    assert_eq!(refused.refusal(), (400, "ATLAS_INVALID_USERNAME"));
}

#[tokio::test]
async fn a_project_holds_a_hundred_users() {
    let atlas = Atlas::start("database_users_limit").await;
    let path = path(&atlas);
    let control = |name: String| {
        let body = json!({"project_id": atlas.seed().project_ids[0], "username": name});
        atlas.control("POST", "/database-users", body)
    };
    for number in 1..100 {
        control(format!("u{number}")).await.ok();
    }
    atlas.post(&path, user(&atlas, "last")).await.ok();
    let beyond = atlas.post(&path, user(&atlas, "beyond")).await;
    assert_eq!(beyond.refusal(), (403, "GROUP_USERS_LIMIT_EXCEEDED"));
    assert_eq!(beyond.body["parameters"], json!([100]));
    let one = format!("/database-users/{}/u1", atlas.seed().project_ids[0]);
    assert_eq!(atlas.control("DELETE", &one, Value::Null).await.status, 204);
    assert_eq!(atlas.control("DELETE", &one, Value::Null).await.status, 404);
    atlas.post(&path, user(&atlas, "beyond")).await.ok();
}

#[tokio::test]
async fn a_user_is_gone_once_its_date_has_passed() {
    let atlas = Atlas::start("database_users_dates").await;
    let path = path(&atlas);
    let date = ahead(&atlas, 600).await;
    let asked = with(&user(&atlas, "u"), json!({"deleteAfterDate": date}));
    atlas.post(&path, asked.clone()).await.ok();
    atlas.advance(590).await;
    let one = format!("{path}/admin/u");
    let later = with(&asked, json!({"deleteAfterDate": ahead(&atlas, 600).await}));
    atlas.patch(&one, later).await.ok();
    atlas.advance(590).await;
    assert_eq!(atlas.get(&one).await.status, 200);
    atlas.advance(20).await;
    assert_eq!(atlas.get(&one).await.refusal(), (404, "USERNAME_NOT_FOUND"));
    assert_eq!(atlas.get(&path).await.ok()["totalCount"], 0);

    atlas
        .settings(json!({"database_user_delete_delay_seconds": 60}))
        .await;
    let soon = with(&asked, json!({"deleteAfterDate": ahead(&atlas, 30).await}));
    atlas.post(&path, soon).await.ok();
    atlas.advance(31).await;
    let late = with(&asked, json!({"deleteAfterDate": ahead(&atlas, 600).await}));
    assert_eq!(
        atlas.patch(&one, late).await.refusal(),
        (400, "ALREADY_EXPIRED")
    );
    atlas.advance(60).await;
    assert_eq!(atlas.get(&one).await.status, 404);
}

#[tokio::test]
async fn a_change_without_a_date_keeps_it_or_not_as_set() {
    let atlas = Atlas::start("database_users_omitted").await;
    let path = path(&atlas);
    let date = ahead(&atlas, 600).await;
    let asked = with(&user(&atlas, "u"), json!({"deleteAfterDate": date}));
    atlas.post(&path, asked).await.ok();
    let one = format!("{path}/admin/u");
    let kept = atlas.patch(&one, user(&atlas, "u")).await.ok();
    assert_eq!(kept["deleteAfterDate"], date);
    atlas
        .settings(json!({"omitted_delete_after_date": "off"}))
        .await;
    let off = atlas.patch(&one, user(&atlas, "u")).await.ok();
    assert_eq!(off.get("deleteAfterDate"), None);
}

#[tokio::test]
async fn some_roles_may_write_users_and_all_of_the_project_may_read_them() {
    let atlas = Atlas::start("database_users_roles").await;
    let project = atlas.seed().project_ids[0].clone();
    let path = path(&atlas);
    for (number, (role, may_write)) in [
        ("GROUP_DATABASE_ACCESS_ADMIN", true),
        ("GROUP_OWNER", true),
        ("GROUP_STREAM_PROCESSING_OWNER", true),
        ("GROUP_DATA_ACCESS_ADMIN", false),
        ("GROUP_READ_ONLY", false),
    ]
    .into_iter()
    .enumerate()
    {
        let caller = atlas.key(json!([]), json!({&project: [role]})).await;
        let asked = user(&atlas, &format!("u{number}"));
        let made = atlas
            .call(&caller, "POST", &path, Some(asked.clone()))
            .await;
        assert_eq!(made.status, if may_write { 201 } else { 401 }, "{role}");
        atlas.post(&path, user(&atlas, "other")).await;
        let other = format!("{path}/admin/other");
        assert_eq!(
            atlas.call(&caller, "GET", &other, None).await.status,
            200,
            "{role}"
        );
        let changed = atlas
            .call(&caller, "PATCH", &other, Some(user(&atlas, "other")))
            .await;
        assert_eq!(changed.status, if may_write { 200 } else { 401 }, "{role}");
        let deleted = atlas.call(&caller, "DELETE", &other, None).await;
        assert_eq!(deleted.status, if may_write { 204 } else { 401 }, "{role}");
    }
    let member = atlas.key(json!(["ORG_MEMBER"]), json!({})).await;
    assert_eq!(atlas.call(&member, "GET", &path, None).await.status, 401);
}

#[tokio::test]
async fn a_new_user_is_not_shown_at_once_nor_a_deleted_one_gone_at_once() {
    let atlas = Atlas::start("database_users_lag").await;
    let lag = json!({"read_lag_after_create_seconds": 30, "read_lag_after_delete_seconds": 60});
    atlas.settings(lag).await;
    let path = path(&atlas);
    let one = format!("{path}/admin/u");
    atlas.post(&path, user(&atlas, "u")).await.ok();
    assert_eq!(atlas.get(&one).await.status, 404);
    assert_eq!(
        atlas.post(&path, user(&atlas, "u")).await.refusal(),
        (409, "USER_ALREADY_EXISTS")
    );
    atlas.advance(31).await;
    assert_eq!(atlas.get(&one).await.status, 200);
    assert_eq!(atlas.delete(&one).await.status, 204);
    assert_eq!(atlas.delete(&one).await.status, 404);
    assert_eq!(atlas.get(&one).await.status, 200);
    assert_eq!(
        atlas.state().await["projects"][0]["database_users"],
        json!([])
    );
    atlas.advance(61).await;
    assert_eq!(atlas.get(&path).await.ok()["totalCount"], 0);
}

#[tokio::test]
async fn a_lost_answer_leaves_the_user() {
    let atlas = Atlas::start("database_users_lost").await;
    let fault = json!({"operation": "createDatabaseUser", "action": {"kind": "lose_answer"}});
    atlas.control("POST", "/faults", fault).await.ok();
    let asked = user(&atlas, "u");
    let request = atlas.request("POST", &path(&atlas), Some(&asked));
    assert!(atlas.send(&atlas.owner(), request).await.is_err());
    let again = atlas.post(&path(&atlas), asked).await;
    assert_eq!(again.refusal(), (409, "USER_ALREADY_EXISTS"));
}

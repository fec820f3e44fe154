//! Tests of the calls on database users and on the state of clusters.

use std::time::Duration;

use super::*;
use crate::atlas::fake::{Fake, HEX, Reply, budget, project_id, test_clock};
use crate::atlas::{ChangeStatus, ClusterName, Deletion, Kept, Presence};
use crate::base::Clock as _;

const USERS: &str = "/api/atlas/v2/groups/32b6e34b3d91647abb20e7b8/databaseUsers";
const TAG: &str = "vault-reader-1";
const GONE: &str = "USERNAME_NOT_FOUND";

fn own(username: &str) -> OwnDatabaseUser {
    OwnDatabaseUser {
        username: username.parse().expect("a name"),
        tag: TAG.to_owned(),
    }
}

fn role(role: &str, database: &str, collection: Option<&str>) -> DatabaseRole {
    DatabaseRole {
        role: role.to_owned(),
        database: database.to_owned(),
        collection: collection.map(ToOwned::to_owned),
    }
}

fn moment(text: &str) -> DateTime<Utc> {
    text.parse().expect("a moment")
}

fn new_user(username: &str) -> NewDatabaseUser {
    NewDatabaseUser {
        user: own(username),
        password: Sensitive::new("p-a-s-s-w-o-r-d".to_owned()),
        roles: vec![role("read", "app", Some("orders")), role("read", "b", None)],
        scopes: vec![DatabaseScope {
            name: "Cluster0".to_owned(),
            kind: "CLUSTER".to_owned(),
        }],
        made_at: moment("2026-08-10T03:05:41.5Z"),
        ends_at: moment("2026-08-10T05:05:41.5Z"),
    }
}

/// In the form of the recorded answers.
fn shown(username: &str, ends: &str) -> String {
    format!(
        r#"{{"awsIAMType":"NONE","databaseName":"admin","deleteAfterDate":"{ends}",
        "description":"{TAG}","groupId":"{HEX}","labels":[{{"key":"vault-issued-at",
        "value":"2026-08-10T03:05:41Z"}},{{"key":"vault-description","value":"{TAG}"}}],
        "ldapAuthType":"NONE","links":[],"oidcAuthType":"NONE","roles":[
        {{"databaseName":"b","roleName":"read","collectionName":""}},
        {{"databaseName":"app","roleName":"read","collectionName":"orders"}}],
        "scopes":[{{"name":"Cluster0","type":"CLUSTER"}}],"username":"{username}","x509Type":"NONE"}}"#
    )
}

fn list(users: &[String]) -> Reply {
    Reply::new(200, &format!(r#"{{"results":[{}]}}"#, users.join(",")))
}

/// Whether it was asked to delete or change something.
fn changes(fake: &Fake) -> bool {
    let mut requests = fake.requests().into_iter();
    requests.any(|request| matches!(request.method.as_str(), "DELETE" | "PATCH"))
}

#[tokio::test]
async fn a_user_is_made_with_its_rights_its_end_and_its_tag() {
    let answer = shown("u", "2026-08-10T05:05:41Z");
    let (fake, atlas) = Fake::signed_in(move |_| Reply::new(201, &answer)).await;
    let new = new_user("u");
    let made = atlas
        .create_database_user(&project_id(), &new, budget(5))
        .await;
    let made = made.expect("a user");
    made.shows(&new).expect("as asked, in whatever order");
    assert_eq!(made.made_at(), Some(moment("2026-08-10T03:05:41Z")));
    let request = fake.requests().pop().expect("a request");
    assert_eq!(request.line(), format!("POST {USERS}"));
    assert_eq!(
        request.body,
        format!(
            r#"{{"groupId":"{HEX}","databaseName":"admin","username":"u","password":"p-a-s-s-w-o-r-d","roles":[{{"roleName":"read","databaseName":"app","collectionName":"orders"}},{{"roleName":"read","databaseName":"b"}}],"scopes":[{{"name":"Cluster0","type":"CLUSTER"}}],"description":"{TAG}","labels":[{{"key":"vault-description","value":"{TAG}"}},{{"key":"vault-issued-at","value":"2026-08-10T03:05:41Z"}}],"deleteAfterDate":"2026-08-10T05:05:41Z"}}"#
        )
    );
}

/// Source: Atlas API, `deleteAfterDate`: "can include the time zone designation".
#[test]
fn an_end_without_a_time_zone_is_in_utc() {
    let text = shown("u", "2026-08-10T05:05:41");
    let user: DatabaseUser = serde_json::from_str(&text).expect("a user");
    user.shows(&new_user("u")).expect("as asked");
}

/// However many rights it has: a buffer that grows leaves copies of the password behind.
#[test]
fn the_content_of_a_request_never_grows() {
    let role = |number: usize| DatabaseRole {
        role: format!("role{number}"),
        database: "\u{1}".to_owned(),
        collection: None,
    };
    let roles: Vec<_> = (0..5_000).map(role).collect();
    let password = "\u{1}\"\u{e9}".repeat(500);
    let content = Content {
        group_id: &project_id(),
        database_name: SIGN_IN_DATABASE,
        username: &own("u").username,
        password: Some(&password),
        roles: &roles,
        scopes: &[],
        description: "",
        labels: &[],
        delete_after_date: Rfc3339(moment("2026-08-10T05:05:41Z")),
    };
    let bytes = content.into_bytes();
    assert!(bytes.len() > 64 * 1_024);
}

#[tokio::test]
async fn a_user_that_is_not_as_asked_is_not_taken_for_it() {
    let good = shown("u", "2026-08-10T05:05:41Z");
    for (part, other) in [
        (r#""username":"u""#, r#""username":"v""#),
        (r#""databaseName":"b""#, r#""databaseName":"c""#),
        (r#""collectionName":"orders""#, r#""collectionName":null"#),
        (r#"{"name":"Cluster0","type":"CLUSTER"}"#, ""),
        ("05:05:41", "05:05:40"),
        ("05:05:41", "09:05:41"),
        (r#""2026-08-10T05:05:41Z""#, r#""soon""#),
        (r#""2026-08-10T05:05:41Z""#, "null"),
        (
            r#""vault-description","value":"vault-reader-1""#,
            r#""vault-description","value":"x""#,
        ),
    ] {
        assert!(good.contains(part), "{part}");
        let answer = good.replacen(part, other, 1);
        let (_fake, atlas) = Fake::signed_in(move |_| Reply::new(201, &answer)).await;
        let new = new_user("u");
        let made = atlas
            .create_database_user(&project_id(), &new, budget(5))
            .await;
        let error = made.expect("an answer").shows(&new);
        assert!(error.is_err_and(|error| error.outcome_unknown()), "{part}");
    }
}

#[tokio::test]
async fn a_create_of_unknown_outcome_is_not_repeated_and_does_not_tell_the_password() {
    for reply in [
        Reply::new(200, &shown("u", "2026-08-10T05:05:41Z")),
        Reply::new(201, "{"),
        Reply::error(500, "UNEXPECTED_ERROR"),
    ] {
        let (fake, atlas) = Fake::signed_in(move |_| reply.clone()).await;
        let new = new_user("u");
        let made = atlas
            .create_database_user(&project_id(), &new, budget(5))
            .await;
        let error = made.expect_err("no user");
        assert!(error.outcome_unknown(), "{error:?}");
        assert!(!format!("{error:?} {new:?}").contains("p-a-s-s"));
        assert_eq!(fake.count("POST", USERS), 1);
    }
}

#[tokio::test]
async fn a_refused_create_does_not_tell_the_password() {
    let (project, new) = (project_id(), new_user("v-1"));
    let password = new.password.expose().to_owned();
    let refusal = serde_json::json!({
        "error": 400, "errorCode": format!("INVALID_{password}"),
        "detail": format!("{password} is too short"),
        "badRequestDetail": {"fields": [{"field": "password", "description": password}]},
    });
    let refusal = Reply::new(400, &refusal.to_string());
    let (_fake, atlas) = Fake::signed_in(move |_| refusal.clone()).await;
    let made = atlas.create_database_user(&project, &new, budget(5));
    let error = made.await.expect_err("refused");
    let told = format!("{error} {error:?}");
    assert!(!told.contains(&password), "{told}");
    assert!(told.contains("*** is too short"), "{told}");
}

#[tokio::test]
async fn a_name_is_one_segment_of_the_path() {
    for (username, segment) in [
        ("a/b c", "a%2Fb%20c"),
        ("a.b-c_d~e", "a.b-c_d~e"),
        ("%2e?#", "%252e%3F%23"),
        ("\u{e9}@x", "%C3%A9%40x"),
    ] {
        let answer = shown(username, "2026-08-10T05:05:41Z");
        let (fake, atlas) =
            Fake::signed_in(
                move |request| match request.split(' ').next().unwrap_or_default() {
                    "DELETE" => Reply::new(204, ""),
                    _ => Reply::new(200, &answer),
                },
            )
            .await;
        let deleted = atlas
            .delete_database_user(&project_id(), &own(username), budget(5))
            .await;
        assert_eq!(deleted.expect("deleted"), Deletion::Deleted);
        assert_eq!(fake.count("DELETE", &format!("{USERS}/admin/{segment}")), 1);
    }
    for unfit in [".", "..", "", "a\nb", &"x".repeat(1_025)] {
        assert!(unfit.parse::<DatabaseUsername>().is_err(), "{unfit:?}");
    }
}

/// The name is somebody else's by now.
#[tokio::test]
async fn a_stranger_of_the_same_name_is_neither_deleted_nor_prolonged() {
    let stranger = shown("u", "2026-08-10T05:05:41Z").replace(TAG, "by hand");
    let (fake, atlas) = Fake::signed_in(move |request| {
        if request.contains("databaseUsers?") {
            return list(std::slice::from_ref(&stranger));
        }
        Reply::new(200, &stranger)
    })
    .await;
    let deleted = atlas
        .delete_database_user(&project_id(), &own("u"), budget(5))
        .await;
    assert_eq!(deleted.expect("gone"), Deletion::AlreadyGone);
    assert_eq!(fake.count("GET", &format!("{USERS}?")), 2, "no proof alone");
    let life = Duration::from_hours(1);
    let kept = atlas
        .keep_database_user(&project_id(), &own("u"), life, budget(5))
        .await;
    assert_eq!(kept.expect("an answer"), Kept::Gone);
    let seen = atlas
        .see_database_user(&project_id(), &own("u"), budget(5))
        .await;
    assert_eq!(seen.expect("an answer"), None, "half a proof");
    assert!(!changes(&fake));
}

/// People may change what stands in Atlas's user interface.
#[tokio::test]
async fn a_user_whose_description_was_changed_is_still_ours() {
    let changed = shown("u", "2026-08-10T05:05:41Z").replacen(TAG, "Ann's", 1);
    let (_fake, atlas) = Fake::signed_in(move |_| Reply::new(200, &changed)).await;
    let seen = atlas
        .see_database_user(&project_id(), &own("u"), budget(5))
        .await;
    assert_eq!(seen.expect("an answer"), Some(Presence::Present));
}

#[tokio::test]
async fn a_user_is_prolonged_as_it_is_and_only_where_it_must() {
    let before = shown("u", "2026-08-10T05:05:41Z");
    let after = shown("u", "2026-08-10T06:00:01Z");
    let (fake, _) =
        Fake::signed_in(
            move |request| match request.split(' ').next().unwrap_or_default() {
                "PATCH" => Reply::new(200, &after),
                _ => Reply::new(200, &before),
            },
        )
        .await;
    let clock = test_clock();
    let atlas = fake.bearer_client_at(clock.clone());
    let keep = |until: &str| {
        let life = (moment(until) - clock.now()).to_std().expect("later");
        let atlas = atlas.clone();
        async move {
            atlas
                .keep_database_user(&project_id(), &own("u"), life, budget(5))
                .await
        }
    };
    assert_eq!(
        keep("2026-08-10T05:05:41Z").await.expect("kept"),
        Kept::Until
    );
    assert_eq!(fake.count("PATCH", &format!("{USERS}/admin/u")), 0);
    assert_eq!(
        keep("2026-08-10T06:00:00.5Z").await.expect("kept"),
        Kept::Until
    );
    let request = fake.requests().pop().expect("a request");
    assert!(
        request
            .body
            .contains(r#""deleteAfterDate":"2026-08-10T06:00:01Z""#)
    );
    assert!(
        request
            .body
            .contains(r#""scopes":[{"name":"Cluster0","type":"CLUSTER"}]"#)
    );
    assert!(request.body.contains(r#""collectionName":"orders""#));
    assert!(!request.body.contains("password"), "{}", request.body);
    // Atlas shows an earlier end than was asked for.
    keep("2026-08-10T06:00:02Z").await.expect_err("not proved");
}

#[tokio::test]
async fn a_user_is_gone_once_two_lists_lack_it() {
    for (listed, gone) in [(false, true), (true, false)] {
        let user = shown("u", "2026-08-10T05:05:41Z");
        let (fake, atlas) = Fake::signed_in(move |request| {
            let is_list = request.contains("databaseUsers?");
            match is_list {
                true if listed => list(std::slice::from_ref(&user)),
                true => list(&[]),
                false => Reply::error(404, GONE),
            }
        })
        .await;
        let atlas = atlas.looking_again_after(Duration::ZERO);
        let deleted = atlas
            .delete_database_user(&project_id(), &own("u"), budget(5))
            .await;
        assert_eq!(deleted.is_ok(), gone, "{deleted:?}");
        assert!(!changes(&fake));
    }
}

/// Others sign in in other ways.
#[tokio::test]
async fn a_list_may_hold_users_of_any_kind() {
    let x509 =
        r#"{"databaseName":"$external","username":"CN=x,O=\u0001","roles":null,"labels":null}"#;
    let odd = r#"{"username":"x","deleteAfterDate":"soon","scopes":[{"name":"y"}],
        "roles":[{"roleName":"z"}]}"#;
    let user = shown("u", "2026-08-10T05:05:41Z");
    let (_fake, atlas) = Fake::signed_in(move |_| {
        list(&[
            x509.to_owned(),
            "{}".to_owned(),
            odd.to_owned(),
            user.clone(),
        ])
    })
    .await;
    let users = atlas.list_database_users(&project_id(), budget(5)).await;
    let users = users.expect("a list");
    let names: Vec<_> = users.iter().map(DatabaseUser::username).collect();
    assert_eq!(names, [None, None, None, Some(own("u").username)]);
    assert_eq!(users[3].tag(), TAG);
}

#[tokio::test]
async fn clusters_that_run_are_listed_and_tell_what_they_have_applied() {
    let (_fake, atlas) = Fake::signed_in(|request| {
        if request.contains("/status") {
            let name = if request.contains("/a/") {
                "APPLIED"
            } else {
                "PENDING"
            };
            return Reply::new(200, &format!(r#"{{"changeStatus":"{name}"}}"#));
        }
        Reply::new(
            200,
            r#"{"results":[{"name":"a"},{"name":"b","paused":true},{"name":"c","paused":null},{"name":"a name"}]}"#,
        )
    })
    .await;
    let running = atlas.running_clusters(&project_id(), budget(5)).await;
    let running = running.expect("a list");
    let names: Vec<_> = running.iter().map(ClusterName::as_str).collect();
    assert_eq!(names, ["a", "c"]);
    for (name, status) in running
        .iter()
        .zip([ChangeStatus::Applied, ChangeStatus::Pending])
    {
        let told = atlas.change_status(&project_id(), name, budget(5)).await;
        assert_eq!(told.expect("a state"), status);
    }
}

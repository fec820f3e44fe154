//! Tests of the calls on API keys.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::atlas::fake::{Fake, HEX, Reply, api_key_id, budget, org_id, project_id};

const KEYS: &str = "/api/atlas/v2/orgs/32b6e34b3d91647abb20e7b8/apiKeys";

fn new_key() -> NewApiKey {
    NewApiKey {
        description: "reader-1".to_owned(),
        roles: vec!["ORG_MEMBER".to_owned()],
    }
}

fn created() -> String {
    format!(
        r#"{{"id":"{HEX}","publicKey":"abcdefgh","privateKey":"p-r-i-v","desc":"d","new":1,
        "roles":[{{"groupId":"{HEX}","roleName":"GROUP_OWNER"}},{{"orgId":"{HEX}","roleName":"ORG_MEMBER"}}]}}"#
    )
}

#[tokio::test]
async fn a_created_project_key_names_its_organization() {
    let (fake, atlas) = Fake::signed_in(|_| Reply::new(200, &created())).await;
    let level = Level::Project(project_id());
    let key = atlas
        .create_api_key(&level, &new_key(), budget(5))
        .await
        .expect("a key");
    assert_eq!(key.org_id, Some(org_id()));
    assert_eq!(key.private_key.expose(), "p-r-i-v");
    let request = fake.requests().pop().expect("a request");
    assert_eq!(
        request.line(),
        format!("POST /api/atlas/v2/groups/{HEX}/apiKeys")
    );
    assert_eq!(
        request.body,
        r#"{"desc":"reader-1","roles":["ORG_MEMBER"]}"#
    );
    let media_type = Some("application/vnd.atlas.2025-03-12+json");
    assert_eq!(request.header("accept"), media_type);
    assert_eq!(request.header("content-type"), media_type);
}

#[tokio::test]
async fn a_create_with_an_unreadable_answer_is_unknown_and_not_repeated() {
    for reply in [
        Reply::new(200, &created()[..60]),
        Reply::new(200, &created()).cut(),
        Reply::new(200, r#"{"privateKey":"p-r-i-v"}"#),
        Reply::new(200, &created().replace("p-r-i-v", "")),
        Reply::error(500, "UNEXPECTED_ERROR"),
    ] {
        let (fake, atlas) = Fake::signed_in(move |_| reply.clone()).await;
        let level = Level::Org(org_id());
        let outcome = atlas.create_api_key(&level, &new_key(), budget(5)).await;
        let error = outcome.expect_err("no key");
        assert!(error.outcome_unknown(), "{error:?}");
        assert!(!format!("{error:?}").contains("p-r-i-v"), "{error:?}");
        assert_eq!(fake.count("POST", KEYS), 1);
    }
}

#[tokio::test]
async fn a_key_already_gone_is_as_good_as_deleted() {
    for (reply, there, want) in [
        (Reply::new(204, ""), false, Some(Deletion::Deleted)),
        (
            Reply::error(400, "API_KEY_NOT_FOUND"),
            false,
            Some(Deletion::AlreadyGone),
        ),
        (
            Reply::error(404, "API_KEY_NOT_FOUND"),
            false,
            Some(Deletion::AlreadyGone),
        ),
        // Anything else is settled by asking for the key.
        (
            Reply::error(404, "RESOURCE_NOT_FOUND"),
            false,
            Some(Deletion::AlreadyGone),
        ),
        (Reply::new(202, ""), false, Some(Deletion::AlreadyGone)),
        (Reply::new(200, "{}"), false, Some(Deletion::AlreadyGone)),
        (Reply::new(404, ""), false, Some(Deletion::AlreadyGone)),
        (Reply::error(404, "RESOURCE_NOT_FOUND"), true, None),
        (Reply::new(202, ""), true, None),
        (Reply::new(200, "{}"), true, None),
        (html(200), true, None),
        (Reply::new(404, ""), true, None),
        (Reply::new(404, r#"{"error":"not_found"}"#), true, None),
        (Reply::error(404, "ORG_NOT_FOUND"), false, None),
        (Reply::error(400, "BAD_REQUEST"), false, None),
    ] {
        let (_fake, atlas) = Fake::signed_in(move |line| {
            if !line.starts_with("GET") {
                reply.clone()
            } else if there {
                Reply::new(200, &format!(r#"{{"id":"{HEX}"}}"#))
            } else {
                Reply::error(400, "API_KEY_NOT_FOUND")
            }
        })
        .await;
        let outcome = atlas
            .delete_api_key(&org_id(), &api_key_id(), budget(5))
            .await;
        assert_eq!(outcome.as_ref().ok(), want.as_ref(), "{outcome:?}");
    }
}

fn html(status: u16) -> Reply {
    Reply::new(status, "<html>").with("content-type", "text/html")
}

/// A gateway answers everything alike, without asking Atlas.
#[tokio::test]
async fn what_a_gateway_answers_proves_no_key_gone() {
    for reply in [
        html(200),
        Reply::new(202, ""),
        Reply::new(200, "{}"),
        Reply::new(200, r#"{"results":[]}"#),
        Reply::new(404, r#"{"status":404,"error":"Not Found"}"#),
        Reply::new(404, r#"{"error":"API_KEY_NOT_FOUND"}"#),
        Reply::new(404, r#"{"errorCode":"API_KEY_NOT_FOUND"}"#),
        Reply::error(404, "RESOURCE_NOT_FOUND"),
    ] {
        let (_fake, atlas) = Fake::signed_in(move |_| reply.clone()).await;
        let outcome = atlas
            .delete_api_key(&org_id(), &api_key_id(), budget(5))
            .await;
        outcome.expect_err("nothing is proved");
    }
}

#[tokio::test]
async fn a_key_that_does_not_show_its_roles_is_not_complete() {
    let (_fake, atlas) = Fake::signed_in(|_| Reply::new(200, &created())).await;
    let (org, project) = (Level::Org(org_id()), Level::Project(project_id()));
    let key = atlas.create_api_key(&org, &new_key(), budget(5)).await;
    let key = key.expect("a key");
    for (level, role, complete) in [
        (&org, "ORG_MEMBER", true),
        (&project, "GROUP_OWNER", true),
        (&project, "ORG_MEMBER", false),
        (&org, "ORG_OWNER", false),
    ] {
        let shown = key.shows(level, &[role.to_owned()]);
        assert_eq!(shown.is_ok(), complete, "{role}: {shown:?}");
    }
}

#[tokio::test]
async fn an_assignment_is_done_by_an_empty_204_or_a_200_that_shows_the_role() {
    let shown = created();
    let other = shown.replace("GROUP_OWNER", "GROUP_READ_ONLY");
    for (assigned, patched, done) in [
        (Reply::new(204, ""), html(200), true),
        (Reply::new(200, &shown), html(200), true),
        (Reply::new(200, &other), Reply::new(200, &shown), true),
        (Reply::new(202, ""), Reply::new(200, &shown), true),
        (Reply::new(200, &other), Reply::new(200, &other), false),
        (html(200), html(200), false),
        (Reply::new(200, "{}"), Reply::new(200, "{}"), false),
        (Reply::new(201, &shown), Reply::new(204, ""), false),
    ] {
        let (_fake, atlas) = Fake::signed_in(move |line| match line {
            line if line.starts_with("POST") => assigned.clone(),
            _ => patched.clone(),
        })
        .await;
        let roles = ["GROUP_OWNER".to_owned()];
        let outcome = atlas
            .assign_api_key_to_project(&project_id(), &api_key_id(), &roles, budget(5))
            .await;
        assert_eq!(outcome.is_ok(), done, "{outcome:?}");
    }
}

/// Should Atlas give smaller pages than were asked for, the links tell that there are more.
#[tokio::test]
async fn a_short_page_that_links_another_is_not_the_last() {
    let (fake, atlas) = Fake::signed_in(|line| {
        let item = |number: u32| format!(r#"{{"id":"{number:024x}","desc":"d"}}"#);
        let next = r#""links":[{"rel":"next","href":"http://internal:8080/"}],"#;
        let (links, number) = if line.ends_with("pageNum=3") {
            ("", 3)
        } else {
            (next, 1)
        };
        Reply::new(200, &format!(r#"{{{links}"results":[{}]}}"#, item(number)))
    })
    .await;
    let listed = atlas.list_org_api_keys(&org_id(), budget(5)).await;
    assert_eq!(listed.expect("a list").len(), 3);
    assert_eq!(fake.count("GET", KEYS), 3);
}

/// A list is complete only where Atlas says so: else nothing is proved to be absent.
#[tokio::test]
async fn an_empty_page_that_links_another_is_no_end_of_a_list() {
    for (links, is_complete) in [(r#""links":[{"rel":"next"}],"#, false), ("", true)] {
        let body = format!(r#"{{{links}"results":[]}}"#);
        let (_fake, atlas) = Fake::signed_in(move |_| Reply::new(200, &body)).await;
        let listed = atlas.list_org_api_keys(&org_id(), budget(5)).await;
        assert_eq!(listed.is_ok(), is_complete, "{listed:?}");
    }
}

#[tokio::test]
async fn a_key_is_found_on_the_third_page() {
    let (fake, atlas) = Fake::signed_in(|line| {
        let page: usize = line
            .rsplit('=')
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or(0);
        let item = |index: usize| {
            let desc = if page == 3 && index == 1 {
                "wanted"
            } else {
                "wanted-not"
            };
            format!(
                r#"{{"id":"{:024x}","desc":"{desc}","roles":null}}"#,
                page * 1000 + index
            )
        };
        let items = if page < 3 { 500 } else { 2 };
        let items: Vec<_> = (0..items).map(item).collect();
        Reply::new(
            200,
            &format!(r#"{{"results":[{}],"totalCount":9}}"#, items.join(",")),
        )
    })
    .await;
    let found = atlas.list_org_api_keys(&org_id(), budget(5)).await;
    let ids: Vec<_> = found
        .expect("a list")
        .into_iter()
        .filter(|key| key.description == "wanted")
        .map(|key| key.id)
        .collect();
    assert_eq!(ids, [format!("{:024x}", 3001).parse().expect("an id")]);
    let target = format!("{KEYS}?itemsPerPage=500&pageNum=");
    assert_eq!(fake.count("GET", &target), 3);
}

#[tokio::test]
async fn an_assignment_of_unknown_outcome_is_set_by_patch() {
    let (fake, atlas) = Fake::signed_in(|line| match line {
        line if line.starts_with("POST") => Reply::new(503, ""),
        _ => Reply::new(200, &created()),
    })
    .await;
    let roles = ["GROUP_OWNER".to_owned()];
    let outcome = atlas
        .assign_api_key_to_project(&project_id(), &api_key_id(), &roles, budget(5))
        .await;
    outcome.expect("assigned");
    let requests = fake.requests();
    let sent: Vec<_> = requests
        .iter()
        .map(|r| (r.method.as_str(), r.body.as_str()))
        .collect();
    let assign = ("POST", r#"[{"roles":["GROUP_OWNER"]}]"#);
    let patched = ("PATCH", r#"{"roles":["GROUP_OWNER"]}"#);
    assert_eq!(sent[1..], [assign, patched]);
}

#[tokio::test]
async fn reads_and_deletes_are_repeated() {
    let tries = AtomicUsize::new(0);
    let (fake, atlas) = Fake::signed_in(move |_| match tries.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::new(503, ""),
        1 => Reply::new(200, "{").cut(),
        _ => Reply::error(400, "API_KEY_NOT_FOUND"),
    })
    .await;
    let outcome = atlas
        .delete_api_key(&org_id(), &api_key_id(), budget(10))
        .await;
    assert_eq!(outcome.expect("done"), Deletion::AlreadyGone);
    assert_eq!(fake.count("DELETE", KEYS), 3);
}

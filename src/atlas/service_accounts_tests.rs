//! Tests of the calls about service accounts.

use super::*;
use crate::atlas::fake::{Fake, HEX, Reply, budget, client_id, org_id, project_id};

/// Answers all but the token calls by method and target.
async fn start(handler: impl Fn(&str, &str) -> Reply + Send + Sync + 'static) -> (Fake, Atlas) {
    let fake = Fake::start(move |received| match received.target.as_str() {
        "/api/oauth/token" => Reply::token("t"),
        target => handler(&received.method, target),
    })
    .await;
    let atlas = fake.bearer_client();
    (fake, atlas)
}

fn new_account() -> NewServiceAccount {
    NewServiceAccount {
        name: "reader".to_owned(),
        description: "made by a test".to_owned(),
        roles: vec!["ORG_MEMBER".to_owned()],
        secret_lifetime: Hours::SHORTEST_SECRET,
    }
}

fn secret(fields: &str) -> String {
    format!(r#"{{"id":"{HEX}",{fields}}}"#)
}

fn account(secrets: &str) -> String {
    let id = client_id();
    format!(r#"{{"clientId":"{id}","name":"n","roles":["GROUP_OWNER"],"secrets":[{secrets}]}}"#)
}

#[tokio::test]
async fn a_created_account_comes_with_its_secret() {
    let body = account(&secret(
        r#""secret":"mdb_sa_sk_1","expiresAt":"2026-08-10T11:02:57Z""#,
    ));
    let (fake, atlas) = start(move |_, _| Reply::new(201, &body)).await;
    let level = Level::Org(org_id());
    let created = atlas
        .create_service_account(&level, &new_account(), budget(5))
        .await;
    let created = created.expect("an account");
    assert_eq!(created.client_id, client_id());
    assert_eq!(created.secret.client_secret.expose(), "mdb_sa_sk_1");
    assert_eq!(
        created.secret.expires_at.to_rfc3339(),
        "2026-08-10T11:02:57+00:00"
    );
    let request = fake.requests().pop().expect("a request");
    assert_eq!(
        request.body,
        r#"{"description":"made by a test","name":"reader","roles":["ORG_MEMBER"],"secretExpiresAfterHours":8}"#
    );
}

/// What was asked for is no proof of it: other secrets and the organization bring it forward.
#[tokio::test]
async fn a_secret_without_a_readable_expiry_is_unknown() {
    // What lies at the end of all that can be reckoned with is none either.
    for end in [
        r#""expiresAt":"soon""#,
        r#""expiresAt":"-262143-01-01T00:00:00Z""#,
        r#""expiresAt":"+262142-12-31T23:59:59Z""#,
        r#""expiresAt":null"#,
        r#""expiresAt":7"#,
        r#""createdAt":5"#,
    ] {
        let made = secret(&format!(r#""secret":"mdb_sa_sk_1",{end}"#));
        let of_account = account(&made);
        let (_fake, atlas) = start(move |_, target| {
            let adds = target.ends_with("/secrets");
            Reply::new(201, if adds { &made } else { &of_account })
        })
        .await;
        let level = Level::Org(org_id());
        let added = atlas
            .create_secret(&level, &client_id(), Hours::new(9), budget(5))
            .await;
        let account = atlas
            .create_service_account(&level, &new_account(), budget(5))
            .await;
        for error in [added.err(), account.err()] {
            let error = error.expect("not complete");
            assert!(error.outcome_unknown(), "{end}: {error}");
        }
    }
}

#[tokio::test]
async fn a_create_without_a_secret_in_the_answer_is_unknown() {
    let body = account(&secret(r#""maskedSecretValue":"mdb_sa_sk_...abcd""#));
    let (fake, atlas) = start(move |_, _| Reply::new(201, &body)).await;
    let level = Level::Project(project_id());
    let outcome = atlas
        .create_service_account(&level, &new_account(), budget(5))
        .await;
    assert!(outcome.expect_err("no secret").outcome_unknown());
    assert_eq!(fake.requests().len(), 2);
}

#[tokio::test]
async fn an_account_is_read_with_the_state_of_its_secrets() {
    let used = r#""lastUsedAt":"2026-08-10T03:02:57Z","expiresAt":"2026-08-11T03:02:57Z""#;
    let body = account(&format!(
        "{},{}",
        secret(used),
        secret(r#""lastUsedAt":null"#)
    ));
    let (_fake, atlas) = start(move |_, _| Reply::new(200, &body)).await;
    let level = Level::Org(org_id());
    let found = atlas.service_account(&level, &client_id(), budget(5)).await;
    let secrets = found.expect("an account").secrets;
    assert!(secrets[0].last_used_at.is_some() && secrets[0].expires_at.is_some());
    assert!(secrets[1].last_used_at.is_none() && secrets[1].expires_at.is_none());
}

#[tokio::test]
async fn a_last_use_that_cannot_be_read_is_not_never() {
    for used in ["\"soon\"", "5", "\"\"", "\"+262142-12-31T23:59:59Z\"", "{}"] {
        let body = account(&secret(&format!(r#""lastUsedAt":{used}"#)));
        let (_fake, atlas) = start(move |_, _| Reply::new(200, &body)).await;
        let level = Level::Org(org_id());
        let found = atlas.service_account(&level, &client_id(), budget(5)).await;
        let error = found.expect_err("no time");
        assert!(
            matches!(error, AtlasError::MalformedAnswer { .. }),
            "{used}: {error}"
        );
    }
}

/// Whether an account without secrets has an empty list or none is not documented.
#[tokio::test]
async fn without_a_list_of_secrets_none_is_proved_to_be_gone() {
    let id = client_id();
    for (list, is_gone) in [
        ("", false),
        (r#","secrets":null"#, false),
        (r#","secrets":[]"#, true),
    ] {
        let body = format!(r#"{{"clientId":"{id}","name":"n"{list}}}"#);
        let (_fake, atlas) = start(move |_, _| Reply::new(200, &body)).await;
        let level = Level::Org(org_id());
        let atlas = atlas.looking_again_after(std::time::Duration::ZERO);
        let secret = HEX.parse().expect("an id");
        let found = atlas
            .secret_presence(&level, &client_id(), &secret, budget(5))
            .await;
        assert_eq!(found.is_ok(), is_gone, "{list}: {found:?}");
        let read = atlas.service_account(&level, &client_id(), budget(5)).await;
        assert_eq!(read.expect("an account").secrets, []);
    }
}

#[tokio::test]
async fn an_invitation_of_unknown_outcome_is_looked_up() {
    for (role, found) in [("GROUP_OWNER", true), ("GROUP_READ_ONLY", false)] {
        let (fake, atlas) = start(|method, _| match method {
            "POST" => Reply::new(502, "<html>"),
            _ => Reply::new(200, &account("")),
        })
        .await;
        let (project, roles) = (project_id(), [role.to_owned()]);
        let outcome = atlas
            .invite_service_account_to_project(&project, &client_id(), &roles, budget(5))
            .await;
        assert_eq!(outcome.is_ok(), found, "{outcome:?}");
        let target = format!(
            "/api/atlas/v2/groups/{HEX}/serviceAccounts/{}:invite",
            client_id()
        );
        assert_eq!(fake.count("POST", &target), 1);
    }
}

fn page(items: &str) -> Reply {
    Reply::new(200, &format!(r#"{{"results":[{items}]}}"#))
}

/// Deletes an account and a secret of it, where `delete` is the answer to that, `read` that to a look
/// at the account, and `list` that to a list of all accounts.
async fn deletions(delete: &Reply, read: &Reply, list: &Reply) -> [Option<Deletion>; 2] {
    let (delete, read, list) = (delete.clone(), read.clone(), list.clone());
    let (_fake, atlas) = start(move |method, target| match method {
        "DELETE" => delete.clone(),
        _ if target.contains("?itemsPerPage=") => list.clone(),
        _ => read.clone(),
    })
    .await;
    let (org, account) = (org_id(), client_id());
    let of_account = atlas
        .delete_service_account(&org, &account, budget(5))
        .await;
    let (level, secret) = (Level::Org(org), HEX.parse().expect("an id"));
    let of_secret = atlas
        .delete_secret(&level, &account, &secret, budget(5))
        .await;
    [of_account.ok(), of_secret.ok()]
}

fn unknown() -> Reply {
    Reply::error(404, "RESOURCE_NOT_FOUND")
}

fn other_account() -> String {
    account("").replace(HEX, "000000000000000000000001")
}

#[tokio::test]
async fn a_delete_is_done_by_204() {
    let done = deletions(&Reply::new(204, ""), &unknown(), &unknown()).await;
    assert_eq!(done, [Some(Deletion::Deleted); 2]);
}

/// Whatever became of the delete, Atlas's 404 and two complete lists prove that all is gone.
#[tokio::test]
async fn accounts_and_secrets_already_gone_are_as_good_as_deleted() {
    for delete in [
        unknown(),
        Reply::error(404, "SERVICE_ACCOUNT_NOT_FOUND"),
        Reply::new(202, ""),
        Reply::new(200, "{}"),
        Reply::new(404, ""),
        Reply::new(404, r#"{"error":"not_found"}"#),
    ] {
        for list in [page(""), page(&other_account())] {
            let done = deletions(&delete, &unknown(), &list).await;
            assert_eq!(done, [Some(Deletion::AlreadyGone); 2], "{delete:?}");
        }
    }
}

#[tokio::test]
async fn a_404_is_no_proof_while_a_list_shows_the_account_or_cannot_be_read() {
    for list in [
        page(&account("")),
        page(&format!("{},{}", other_account(), account(""))),
        Reply::new(200, "{}"),
        Reply::new(200, r#"{"results":null}"#),
        Reply::new(200, r#"{"results":[{"name":"n"}]}"#),
        Reply::new(200, r#"{"results":[]}"#).with("content-type", "application/json"),
        Reply::new(202, r#"{"results":[]}"#),
        Reply::error(403, "ACCESS_FORBIDDEN"),
        unknown(),
    ] {
        let done = deletions(&unknown(), &unknown(), &list).await;
        assert_eq!(done, [None; 2], "{list:?}");
    }
}

/// Only the refusals that may mean it are looked into.
#[tokio::test]
async fn other_refusals_of_a_delete_prove_nothing() {
    for delete in [
        Reply::error(404, "ORG_NOT_FOUND"),
        Reply::error(400, "BAD_REQUEST"),
        Reply::error(400, "RESOURCE_NOT_FOUND"),
        Reply::error(403, "ACCESS_FORBIDDEN"),
    ] {
        let done = deletions(&delete, &unknown(), &page("")).await;
        assert_eq!(done, [None; 2], "{delete:?}");
    }
}

/// A gateway answers everything alike, without asking Atlas.
#[tokio::test]
async fn what_a_gateway_answers_proves_nothing_gone() {
    for reply in [
        Reply::new(200, "<html>").with("content-type", "text/html"),
        Reply::new(202, ""),
        Reply::new(200, "{}"),
        Reply::new(200, r#"{"results":[]}"#),
        Reply::new(404, r#"{"status":404,"error":"Not Found"}"#),
        Reply::new(404, r#"{"error":"not_found"}"#),
        Reply::new(404, r#"{"message":"no Route matched with those values"}"#),
        Reply::new(404, "<html>"),
    ] {
        let done = deletions(&reply, &reply, &reply).await;
        assert_eq!(done, [None; 2], "{reply:?}");
    }
}

#[tokio::test]
async fn a_secret_is_gone_once_its_account_was_seen_twice_without_it() {
    let there = Reply::new(200, &account(&secret(r#""lastUsedAt":null"#)));
    let without = Reply::new(200, &account(""));
    for (delete, read, want) in [
        (unknown(), without.clone(), Some(Deletion::AlreadyGone)),
        (
            Reply::new(202, ""),
            without.clone(),
            Some(Deletion::AlreadyGone),
        ),
        (unknown(), there.clone(), None),
        (Reply::new(202, ""), there, None),
        (unknown(), Reply::new(200, &other_account()), None),
    ] {
        let [_, of_secret] = deletions(&delete, &read, &page("")).await;
        assert_eq!(of_secret, want, "{delete:?} {read:?}");
    }
}

#[tokio::test]
async fn two_lists_are_asked_for_and_all_their_pages() {
    let (fake, atlas) = start(|method, target| match (method, target) {
        ("DELETE", _) => unknown(),
        (_, target) if target.ends_with("pageNum=1") => {
            let items: Vec<_> = (0..500)
                .map(|n| account("").replace(HEX, &format!("{n:024x}")))
                .collect();
            page(&items.join(","))
        }
        (_, target) if target.ends_with("pageNum=2") => page(&other_account()),
        _ => unknown(),
    })
    .await;
    let (org, account) = (org_id(), client_id());
    let deleted = atlas.delete_service_account(&org, &account, budget(5));
    assert_eq!(deleted.await.expect("gone"), Deletion::AlreadyGone);
    let target = format!("/api/atlas/v2/orgs/{HEX}/serviceAccounts?itemsPerPage=500&pageNum=");
    assert_eq!(fake.count("GET", &target), 4);
}

#[tokio::test]
async fn an_account_that_does_not_show_its_roles_is_not_complete() {
    let shown = secret(r#""secret":"mdb_sa_sk_1","expiresAt":"2026-08-10T11:02:57Z""#);
    let body = account(&shown);
    let (_fake, atlas) = start(move |_, _| Reply::new(201, &body)).await;
    let level = Level::Project(project_id());
    let created = atlas
        .create_service_account(&level, &new_account(), budget(5))
        .await;
    let created = created.expect("an account");
    created
        .shows(&level, &["GROUP_OWNER".to_owned()])
        .expect("shown");
    created
        .shows(&level, &["GROUP_READ_ONLY".to_owned()])
        .expect_err("not shown");
}

#[tokio::test]
async fn an_invitation_is_done_by_an_answer_that_shows_the_role() {
    for (invited, seen, done) in [
        (Reply::new(200, &account("")), unknown(), true),
        (Reply::new(200, "{}"), Reply::new(200, &account("")), true),
        (Reply::new(202, ""), unknown(), false),
        (Reply::new(204, ""), unknown(), false),
        (
            Reply::new(200, &account("").replace("GROUP_OWNER", "GROUP_X")),
            unknown(),
            false,
        ),
    ] {
        let (_fake, atlas) = start(move |method, _| match method {
            "POST" => invited.clone(),
            _ => seen.clone(),
        })
        .await;
        let roles = ["GROUP_OWNER".to_owned()];
        let outcome = atlas
            .invite_service_account_to_project(&project_id(), &client_id(), &roles, budget(5))
            .await;
        assert_eq!(outcome.is_ok(), done, "{outcome:?}");
    }
}

#[tokio::test]
async fn accounts_are_listed_with_their_names() {
    let page = format!(
        r#"{{"results":[{},{}]}}"#,
        account(""),
        account("").replace("\"n\"", "\"n2\"")
    );
    let (_fake, atlas) = start(move |_, _| Reply::new(200, &page)).await;
    let level = Level::Org(org_id());
    let found = atlas.list_service_accounts(&level, budget(5)).await;
    let found = found.expect("a list");
    let names: Vec<_> = found.iter().map(|account| account.name.as_str()).collect();
    assert_eq!(names, ["n", "n2"]);
}

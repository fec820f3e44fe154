//! Tests of the calls about service accounts.

use super::*;
use crate::atlas::fake::{Fake, HEX, Reply, client_id, org_id, patience, project_id};

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
        .create_service_account(&level, &new_account(), patience(5))
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

#[tokio::test]
async fn an_expiry_that_cannot_be_read_is_what_was_asked_for() {
    let body = secret(r#""secret":"mdb_sa_sk_1","createdAt":5,"expiresAt":"soon""#);
    let (_fake, atlas) = start(move |_, _| Reply::new(201, &body)).await;
    let level = Level::Org(org_id());
    let created = atlas
        .create_secret(&level, &client_id(), Hours::new(9), patience(5))
        .await;
    let left = created.expect("a secret").expires_at - atlas.clock().now();
    assert!((530..=540).contains(&left.num_minutes()), "{left}");
}

#[tokio::test]
async fn a_create_without_a_secret_in_the_answer_is_unknown() {
    let body = account(&secret(r#""maskedSecretValue":"mdb_sa_sk_...abcd""#));
    let (fake, atlas) = start(move |_, _| Reply::new(201, &body)).await;
    let level = Level::Project(project_id());
    let outcome = atlas
        .create_service_account(&level, &new_account(), patience(5))
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
    let found = atlas
        .service_account(&level, &client_id(), patience(5))
        .await;
    let secrets = found.expect("an account").secrets;
    assert!(secrets[0].last_used_at.is_some() && secrets[0].expires_at.is_some());
    assert!(secrets[1].last_used_at.is_none() && secrets[1].expires_at.is_none());
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
            .invite_service_account_to_project(&project, &client_id(), &roles, patience(5))
            .await;
        assert_eq!(outcome.is_ok(), found, "{outcome:?}");
        let target = format!(
            "/api/atlas/v2/groups/{HEX}/serviceAccounts/{}:invite",
            client_id()
        );
        assert_eq!(fake.count("POST", &target), 1);
    }
}

#[tokio::test]
async fn accounts_and_secrets_already_gone_are_as_good_as_deleted() {
    for (reply, want) in [
        (Reply::new(204, ""), Some(Deletion::Deleted)),
        (
            Reply::error(404, "RESOURCE_NOT_FOUND"),
            Some(Deletion::AlreadyGone),
        ),
        (Reply::error(404, "ORG_NOT_FOUND"), None),
        (Reply::new(404, ""), None),
        (Reply::error(400, "BAD_REQUEST"), None),
    ] {
        let (_fake, atlas) = start(move |_, _| reply.clone()).await;
        let (org, account) = (org_id(), client_id());
        let outcome = atlas
            .delete_service_account(&org, &account, patience(5))
            .await;
        assert_eq!(outcome.as_ref().ok(), want.as_ref(), "{outcome:?}");
        let (level, secret) = (Level::Org(org), HEX.parse().expect("an id"));
        let outcome = atlas
            .delete_secret(&level, &account, &secret, patience(5))
            .await;
        assert_eq!(outcome.as_ref().ok(), want.as_ref(), "{outcome:?}");
    }
}

#[tokio::test]
async fn accounts_are_found_by_their_exact_name() {
    let page = format!(
        r#"{{"results":[{},{}]}}"#,
        account(""),
        account("").replace("\"n\"", "\"n2\"")
    );
    let (_fake, atlas) = start(move |_, _| Reply::new(200, &page)).await;
    let level = Level::Org(org_id());
    let found = atlas
        .find_service_accounts_by_name(&level, "n", patience(5))
        .await;
    assert_eq!(found.expect("a list").len(), 1);
}

//! Tests of the calls on AI model API keys.

use super::*;
use crate::atlas::fake::{Fake, HEX, Reply, budget, org_id, project_id};

const KEY: &str = "a86r5kwrfsk5r5ku5tgvhmpj";
const KEYS: &str = "/api/atlas/v2/groups/32b6e34b3d91647abb20e7b8/aiModelApiKeys";
const GONE: &str = "RESOURCE_NOT_FOUND";

fn key_id() -> ModelKeyId {
    KEY.parse().expect("an id")
}

fn new_key() -> NewModelKey {
    NewModelKey {
        name: "vault-reader-1".to_owned(),
        scope: scope("ANY", "ANY"),
    }
}

fn scope(cloud: &str, geography: &str) -> ModelScope {
    ModelScope {
        cloud: cloud.to_owned(),
        geography: geography.to_owned(),
    }
}

/// In the form of the description's `AiModelApiKeyResponse`.
fn shown(id: &str) -> String {
    format!(
        r#"{{"apiKeyId":"{id}","cloud":"ANY","createdAt":"2026-01-15 16:47:49.855000+00:00",
        "createdBy":"John Doe","endpoint":"ai.mongodb.com","geography":"ANY","groupId":"{HEX}",
        "lastUsedAt":null,"maskedSecret":"al-****odu2","name":"Production key","status":"ACTIVE"}}"#
    )
}

fn created() -> String {
    shown(KEY).replacen('{', r#"{"secret":"al-s-e-c","#, 1)
}

/// Why an answer cannot be used.
fn reason(error: &AtlasError) -> String {
    let source = std::error::Error::source(error);
    source.map(ToString::to_string).unwrap_or_default()
}

fn list(keys: &[String]) -> Reply {
    Reply::new(
        200,
        &format!(
            r#"{{"results":[{}],"totalCount":{}}}"#,
            keys.join(","),
            keys.len()
        ),
    )
}

#[tokio::test]
async fn a_key_is_made_in_its_project_with_its_scope() {
    let (fake, atlas) = Fake::signed_in(|_| Reply::new(201, &created())).await;
    let made = atlas
        .create_model_key(&project_id(), &new_key(), budget(5))
        .await
        .expect("a key");
    assert_eq!((made.id.as_str(), made.secret.expose()), (KEY, "al-s-e-c"));
    assert_eq!(made.endpoint, "ai.mongodb.com");
    let request = fake.requests().pop().expect("a request");
    assert_eq!(request.line(), format!("POST {KEYS}"));
    assert_eq!(
        request.body,
        r#"{"cloud":"ANY","geography":"ANY","name":"vault-reader-1"}"#
    );
    assert!(made.shows(&scope("any", "ANY")).is_ok());
    let elsewhere = made.shows(&scope("ANY", "EU")).expect_err("another scope");
    assert!(elsewhere.outcome_unknown(), "{elsewhere:?}");
    let told = "for cloud ANY and geography ANY, which was not asked for";
    assert!(reason(&elsewhere).contains(told), "{elsewhere:?}");
    assert!(made.is_of(&project_id(), "Production key").is_ok());
    assert!(made.is_of(&project_id(), "vault-reader-1").is_err());
    let other: ProjectId = "f".repeat(24).parse().expect("an id");
    assert!(made.is_of(&other, "Production key").is_err());
}

/// What an answer leaves out is no scope, and what is no name is not repeated.
#[tokio::test]
async fn a_scope_that_is_not_shown_is_anywhere_at_most() {
    for (geography, told) in [
        (r#""geography":null"#, "geography none"),
        (r#""geography":"<b>""#, "geography no name"),
    ] {
        let answer = created().replace(r#""geography":"ANY""#, geography);
        let (_fake, atlas) = Fake::signed_in(move |_| Reply::new(201, &answer)).await;
        let made = atlas
            .create_model_key(&project_id(), &new_key(), budget(5))
            .await
            .expect("a key");
        let shown = made.shows(&scope("ANY", "EU")).expect_err("not shown");
        assert!(reason(&shown).contains(told), "{shown:?}");
        let anywhere = made.shows(&scope("ANY", "any"));
        assert_eq!(anywhere.is_ok(), told.ends_with("none"), "{geography}");
    }
}

#[tokio::test]
async fn a_create_with_an_unreadable_answer_is_unknown_and_not_repeated() {
    for reply in [
        Reply::new(200, &created()),
        Reply::new(201, &created()[..60]),
        Reply::new(201, &created()).cut(),
        Reply::new(201, &shown(KEY)),
        Reply::new(201, &created().replace("al-s-e-c", "")),
        Reply::new(201, &created().replace(KEY, "../apiKeys")),
        Reply::error(500, "UNEXPECTED_ERROR"),
    ] {
        let (fake, atlas) = Fake::signed_in(move |_| reply.clone()).await;
        let made = atlas
            .create_model_key(&project_id(), &new_key(), budget(5))
            .await;
        let error = made.expect_err("no key");
        assert!(error.outcome_unknown(), "{error:?}");
        assert!(!format!("{error:?}").contains("al-s-e-c"), "{error:?}");
        assert_eq!(fake.count("POST", KEYS), 1);
    }
}

#[tokio::test]
async fn a_refused_create_made_nothing() {
    for (status, code) in [(400, "BAD_REQUEST"), (403, "ACCESS_FORBIDDEN")] {
        let (_fake, atlas) = Fake::signed_in(move |_| Reply::error(status, code)).await;
        let made = atlas
            .create_model_key(&project_id(), &new_key(), budget(5))
            .await;
        assert!(!made.expect_err("refused").outcome_unknown());
    }
}

#[tokio::test]
async fn lists_tell_project_name_and_time() {
    let (fake, atlas) = Fake::signed_in(|_| list(&[shown(KEY)])).await;
    for (level, path) in [
        (Level::Org(org_id()), "orgs"),
        (Level::Project(project_id()), "groups"),
    ] {
        let keys = atlas.list_model_keys(&level, budget(5)).await;
        let [key] = keys.expect("a list").try_into().expect("one key");
        assert_eq!(
            (key.id.as_str(), key.name.as_str()),
            (KEY, "Production key")
        );
        assert_eq!(key.project_id, Some(project_id()));
        let at = key.made_at().map(|at| at.to_rfc3339());
        assert_eq!(at.as_deref(), Some("2026-01-15T16:47:49.855+00:00"));
        let asked = fake.requests().pop().expect("a request").target;
        assert!(asked.starts_with(&format!("/api/atlas/v2/{path}/{HEX}/aiModelApiKeys?")));
    }
}

#[tokio::test]
async fn a_time_that_cannot_be_read_is_none() {
    let reply = list(&[shown(KEY).replace("2026-01-15", "yesterday")]);
    let (_fake, atlas) = Fake::signed_in(move |_| reply.clone()).await;
    let level = Level::Project(project_id());
    let keys = atlas.list_model_keys(&level, budget(5)).await;
    assert_eq!(keys.expect("a list")[0].made_at(), None);
}

/// What is there by GET and by list after a delete that was answered so, and what came of it.
#[tokio::test]
async fn a_key_is_gone_only_by_proof() {
    let there = || Reply::new(200, &shown(KEY));
    for (delete, get, keys, want) in [
        (
            Reply::new(204, ""),
            there(),
            list(&[shown(KEY)]),
            Some(Deletion::Deleted),
        ),
        (
            Reply::error(404, GONE),
            Reply::error(404, GONE),
            list(&[]),
            Some(Deletion::AlreadyGone),
        ),
        (Reply::error(404, GONE), there(), list(&[]), None),
        (
            Reply::error(404, GONE),
            Reply::error(404, GONE),
            list(&[shown(KEY)]),
            None,
        ),
        (
            Reply::error(404, GONE),
            Reply::new(404, "<html>"),
            list(&[]),
            None,
        ),
        (
            Reply::error(404, GONE),
            Reply::error(404, GONE),
            Reply::error(403, "X"),
            None,
        ),
        (
            Reply::new(404, "<html>"),
            Reply::error(404, GONE),
            list(&[]),
            Some(Deletion::AlreadyGone),
        ),
        (Reply::new(202, ""), there(), list(&[]), None),
        (
            Reply::new(202, ""),
            Reply::error(404, GONE),
            list(&[]),
            Some(Deletion::AlreadyGone),
        ),
        (
            Reply::error(404, "GROUP_NOT_FOUND"),
            there(),
            list(&[]),
            None,
        ),
        (
            Reply::error(403, "ACCESS_FORBIDDEN"),
            Reply::error(404, GONE),
            list(&[]),
            None,
        ),
    ] {
        let told = format!("{delete:?} {get:?} {keys:?}");
        let (_fake, atlas) = Fake::signed_in(move |line| {
            if line.starts_with("DELETE") {
                delete.clone()
            } else if line.contains("/aiModelApiKeys/") {
                get.clone()
            } else {
                keys.clone()
            }
        })
        .await;
        let deleted = atlas
            .delete_model_key(&project_id(), &key_id(), budget(5))
            .await;
        assert_eq!(deleted.ok(), want, "{told}");
    }
}

#[tokio::test]
async fn a_key_of_another_id_is_no_proof() {
    let reply = Reply::new(200, &shown("b86r5kwrfsk5r5ku5tgvhmpj"));
    let (_fake, atlas) = Fake::signed_in(move |_| reply.clone()).await;
    let look = atlas
        .model_key_presence(&project_id(), &key_id(), budget(5))
        .await;
    assert!(look.expect_err("another one").outcome_unknown());
}

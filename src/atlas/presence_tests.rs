//! What proves that a credential is out of a project.

use super::*;
use crate::atlas::fake::{Fake, HEX, Reply, api_key_id, budget, client_id, project_id};

/// Takes a key and an account out of a project, where `delete` is the answer to that, `read` that to a
/// look at the account, and `list` that to a list of the project's keys or accounts.
async fn taken_out(
    delete: &Reply,
    read: &Reply,
    list: &Reply,
) -> [Result<Deletion, AtlasError>; 2] {
    let (delete, read, list) = (delete.clone(), read.clone(), list.clone());
    let fake = Fake::start(move |received| match received.target.as_str() {
        "/api/oauth/token" => Reply::token("t"),
        _ if received.method == "DELETE" => delete.clone(),
        target if target.contains("?itemsPerPage=") => list.clone(),
        _ => read.clone(),
    })
    .await;
    let (atlas, project) = (fake.bearer_client(), project_id());
    let (key, account) = (api_key_id(), client_id());
    let of_key = atlas.unassign_api_key_from_project(&project, &key, budget(5));
    let of_key = of_key.await;
    let of_account = atlas.remove_service_account_from_project(&project, &account, budget(5));
    [of_key, of_account.await]
}

fn done(outcomes: [Result<Deletion, AtlasError>; 2]) -> [Option<Deletion>; 2] {
    outcomes.map(Result::ok)
}

fn unknown() -> Reply {
    Reply::error(404, "RESOURCE_NOT_FOUND")
}

/// One that is read as a key as well as an account.
fn there(id: &str) -> String {
    format!(r#"{{"id":"{id}","clientId":"mdb_sa_id_{id}"}}"#)
}

fn page(items: &str) -> Reply {
    Reply::new(200, &format!(r#"{{"results":[{items}]}}"#))
}

/// Answers from which it is not known whether anything was done.
fn unclear() -> [Reply; 5] {
    [
        Reply::new(202, ""),
        Reply::new(200, "{}"),
        Reply::new(404, ""),
        Reply::new(404, r#"{"status":404,"error":"Not Found"}"#),
        unknown(),
    ]
}

#[tokio::test]
async fn a_removal_is_done_by_204() {
    let outcome = taken_out(&Reply::new(204, ""), &unknown(), &unknown()).await;
    assert_eq!(done(outcome), [Some(Deletion::Deleted); 2]);
}

/// In the same request, by two complete lists.
#[tokio::test]
async fn a_removal_of_unknown_outcome_is_settled_by_what_the_project_lists() {
    for delete in unclear() {
        let other = there("000000000000000000000001");
        for list in [page(""), page(&other)] {
            let outcome = taken_out(&delete, &unknown(), &list).await;
            assert_eq!(
                done(outcome),
                [Some(Deletion::AlreadyGone); 2],
                "{delete:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_the_project_still_lists_is_not_out_of_it() {
    let listed = page(&there(HEX));
    for delete in unclear() {
        // The account is seen, or Atlas does not know it although it lists it.
        for read in [Reply::new(200, &there(HEX)), unknown()] {
            let outcome = taken_out(&delete, &read, &listed).await;
            assert_eq!(done(outcome), [None; 2], "{delete:?} {read:?}");
        }
    }
}

#[tokio::test]
async fn a_list_that_cannot_be_read_proves_nobody_out() {
    for list in [
        Reply::new(200, "{}"),
        Reply::new(200, r#"{"results":null}"#),
        Reply::new(200, r#"{"results":[]}"#).with("content-type", "application/json"),
        Reply::error(403, "ACCESS_FORBIDDEN"),
        unknown(),
    ] {
        let outcome = taken_out(&unknown(), &unknown(), &list).await;
        assert_eq!(done(outcome), [None; 2], "{list:?}");
    }
}

/// Of a key Atlas has a code of its own, which needs no look.
#[tokio::test]
async fn the_code_of_an_unknown_key_is_proof_for_keys_alone() {
    let delete = Reply::error(404, "API_KEY_NOT_FOUND");
    let listed = page(&there(HEX));
    let outcome = taken_out(&delete, &Reply::new(200, &there(HEX)), &listed).await;
    assert_eq!(done(outcome), [Some(Deletion::AlreadyGone), None]);
}

/// Out of a project that is gone is everybody: the error says so, whichever call met it.
#[tokio::test]
async fn a_project_that_is_gone_is_reported_as_such() {
    let gone = Reply::error(404, "GROUP_NOT_FOUND");
    for delete in [Reply::new(202, ""), gone.clone()] {
        for outcome in taken_out(&delete, &gone, &gone).await {
            let error = outcome.expect_err("for the caller to judge");
            assert!(error.says_project_is_gone(), "{error}");
        }
    }
}

//! Tests of the one way in which a request is sent.

use std::sync::atomic::AtomicUsize;

use crate::atlas::fake::{Fake, Reply, api_key_id, budget, client_id, org_id, test_clock};
use crate::atlas::{AccessList, Level, NewApiKey, Priority};

use super::*;

fn new_key() -> NewApiKey {
    NewApiKey {
        description: "d".to_owned(),
        roles: vec!["ORG_MEMBER".to_owned()],
    }
}

async fn create(atlas: &Atlas, budget: RequestBudget) -> Result<(), AtlasError> {
    let level = Level::Org(org_id());
    atlas
        .create_api_key(&level, &new_key(), budget)
        .await
        .map(drop)
}

const CREATED: &str = r#"{"id":"32b6e34b3d91647abb20e7b8","publicKey":"p","privateKey":"k"}"#;

#[tokio::test]
async fn a_warm_client_pays_one_request_for_each_step() {
    let fake = Fake::start(
        |received| match (received.signed("Digest"), &*received.method) {
            (false, _) => Reply::challenge("n", false),
            (true, "POST") if received.target.contains("/accessList") => Reply::new(
                200,
                r#"{"results":[{"cidrBlock":"203.0.113.0/24","count":0}]}"#,
            ),
            (true, "POST") => Reply::new(200, CREATED),
            (true, "DELETE") => Reply::new(204, ""),
            (true, _) => Reply::new(200, "{}"),
        },
    )
    .await;
    let atlas = fake.digest_client();
    atlas.who_am_i(budget(5)).await.expect("warm");
    let before = fake.requests().len();
    create(&atlas, budget(5)).await.expect("a key");
    let entry = "203.0.113.0/24";
    let list: AccessList = crate::atlas::AccessEntry::network(entry)
        .into_iter()
        .collect();
    let (org, key) = (org_id(), api_key_id());
    atlas
        .add_api_key_access_list(&org, &key, &list, budget(5))
        .await
        .expect("listed");
    atlas
        .delete_api_key(&org, &key, budget(5))
        .await
        .expect("deleted");
    assert_eq!(fake.requests().len() - before, 3);
}

#[tokio::test]
async fn a_429_is_waited_for_even_by_a_create() {
    let tries = AtomicUsize::new(0);
    let fake = Fake::start(move |received| {
        if received.target == "/api/oauth/token" {
            Reply::token("t")
        } else if tries.fetch_add(1, Ordering::Relaxed) == 0 {
            Reply::error(429, "RATE_LIMITED_TOKEN_BUCKET").with("retry-after", "1")
        } else {
            Reply::new(200, CREATED)
        }
    })
    .await;
    let started = Instant::now();
    let urgent = RequestBudget {
        priority: Priority::Revoke,
        ..budget(10)
    };
    create(&fake.bearer_client(), urgent).await.expect("a key");
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(fake.requests().len(), 3);
}

#[tokio::test]
async fn a_wait_past_the_deadline_fails_at_once_and_sends_nothing() {
    let fake = Fake::start(|received| match received.target.as_str() {
        "/api/oauth/token" => Reply::token("t"),
        _ => Reply::error(429, "RATE_LIMITED_TOKEN_BUCKET").with("retry-after", "60"),
    })
    .await;
    let atlas = fake.bearer_client();
    let started = Instant::now();
    for _ in 0..3 {
        let error = create(&atlas, budget(20)).await.expect_err("limited");
        let AtlasError::RateLimited { retry_after, .. } = error else {
            panic!("{error:?}");
        };
        let reached = atlas.reachability().state();
        assert_eq!(reached.reachable(), Some(true));
        let error = reached.calls["createOrgApiKey"].last_error.clone();
        assert!(error.is_some_and(|(_, text)| text.contains("rate limit reached")));
        assert!((55..65).contains(&retry_after.as_secs()), "{retry_after:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(fake.requests().len(), 2);
}

#[tokio::test]
async fn a_silent_server_is_given_up_at_the_deadline() {
    let fake = Fake::start(|_| Reply::new(200, "{}").after(Duration::from_mins(1))).await;
    let started = Instant::now();
    let impatient = RequestBudget::within(Duration::from_millis(100), Priority::Issue);
    let error = create(&fake.digest_client(), impatient)
        .await
        .expect_err("no answer");
    assert!(error.outcome_unknown(), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_deadline_already_over_sends_nothing() {
    let fake = Fake::start(|_| Reply::new(200, "{}")).await;
    let over = RequestBudget::within(Duration::ZERO, Priority::Issue);
    let error = create(&fake.digest_client(), over)
        .await
        .expect_err("no time");
    assert!(!error.outcome_unknown(), "{error:?}");
    assert_eq!(fake.requests().len(), 0);
}

#[tokio::test]
async fn a_request_that_was_never_sent_costs_no_place_in_the_count() {
    let atlas = {
        let fake = Fake::start(|_| Reply::new(200, "{}")).await;
        fake.digest_client_at(test_clock())
    };
    let impatient = RequestBudget::within(Duration::from_millis(100), Priority::Issue);
    atlas.who_am_i(impatient).await.expect_err("a closed port");
    assert_eq!(atlas.queues(), []);
    let fake = Fake::start(|_| Reply::new(400, r#"{"error":"invalid_grant"}"#)).await;
    let atlas = fake.bearer_client_at(test_clock());
    atlas.who_am_i(budget(5)).await.expect_err("no token");
    let [queue] = atlas.queues().try_into().expect("that of the token alone");
    assert_eq!(queue.calls, "access tokens");
}

/// The token of the first attempt may be alive although the last one surely minted none.
#[tokio::test]
async fn an_attempt_that_surely_failed_does_not_hide_one_that_may_not_have() {
    let tries = AtomicUsize::new(0);
    let fake = Fake::start(move |_| match tries.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::token("t").cut(),
        _ => Reply::error(429, "RATE_LIMITED").with("retry-after", "600"),
    })
    .await;
    let secret = crate::base::Sensitive::new("mdb_sa_sk_x".to_owned());
    let error = fake
        .digest_client()
        .mint_token(&client_id(), &secret, budget(5))
        .await
        .expect_err("no token");
    assert_eq!(fake.requests().len(), 2);
    assert!(matches!(error, AtlasError::NoAnswer { .. }), "{error:?}");
}

#[tokio::test]
async fn only_time_that_passes_ends_a_wait_for_the_limits() {
    let limited = AtomicBool::new(true);
    let fake = Fake::start(move |_| {
        if limited.swap(false, Ordering::Relaxed) {
            Reply::error(429, "RATE_LIMITED").with("retry-after", "600")
        } else {
            Reply::new(200, "{}")
        }
    })
    .await;
    let clock = test_clock();
    let atlas = fake.digest_client_at(clock.clone());
    atlas.who_am_i(budget(1)).await.expect_err("limited");
    clock.jump(chrono::TimeDelta::hours(4));
    atlas.who_am_i(budget(1)).await.expect_err("limited");
    assert_eq!(fake.requests().len(), 1);
    clock.advance(Duration::from_mins(11));
    atlas.who_am_i(budget(1)).await.expect("an answer");
}

#[tokio::test]
async fn a_redirect_is_not_atlass_answer() {
    let fake = Fake::start(|_| Reply::new(301, "").with("location", "/")).await;
    let error = fake
        .digest_client()
        .who_am_i(budget(5))
        .await
        .expect_err("redirected");
    let AtlasError::UnexpectedAnswer { status, source, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*status, 301);
    assert!(source.to_string().contains("base_url"), "{source}");
}

#[tokio::test]
async fn no_error_shows_the_credential() {
    for status in [400, 401, 403, 500] {
        let fake = Fake::start(move |_| Reply::error(status, "NO")).await;
        let error = create(&fake.digest_client(), budget(1))
            .await
            .expect_err("refused");
        let text = format!("{error} {error:?}");
        assert!(
            !text.contains("9f2c-private") && !text.contains("Digest "),
            "{text}"
        );
    }
}

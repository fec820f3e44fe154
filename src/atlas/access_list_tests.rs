//! Tests of access lists and their calls.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;
use crate::atlas::fake::{Fake, Reply, api_key_id, budget, client_id, org_id, project_id};

fn list(texts: &[&str]) -> AccessList {
    let entry = |text: &&str| AccessEntry::network(text).or_else(|_| AccessEntry::address(text));
    texts
        .iter()
        .map(|text| entry(text).expect("an entry"))
        .collect()
}

#[test]
fn entries_take_their_canonical_form() {
    for (text, shown, sent) in [
        (
            "203.0.113.10",
            "203.0.113.10",
            r#"{"ipAddress":"203.0.113.10"}"#,
        ),
        (
            "203.0.113.10/32",
            "203.0.113.10",
            r#"{"ipAddress":"203.0.113.10"}"#,
        ),
        (
            "203.0.113.0/24",
            "203.0.113.0/24",
            r#"{"cidrBlock":"203.0.113.0/24"}"#,
        ),
        ("0.0.0.0/0", "0.0.0.0/0", r#"{"cidrBlock":"0.0.0.0/0"}"#),
        (
            "::ffff:203.0.113.10",
            "203.0.113.10",
            r#"{"ipAddress":"203.0.113.10"}"#,
        ),
        (
            "2001:DB8::1",
            "2001:db8::1",
            r#"{"ipAddress":"2001:db8:0:0:0:0:0:1"}"#,
        ),
        (
            "2001:db8::1/128",
            "2001:db8::1",
            r#"{"ipAddress":"2001:db8:0:0:0:0:0:1"}"#,
        ),
        (
            "2001:db8::/32",
            "2001:db8::/32",
            r#"{"cidrBlock":"2001:db8:0:0:0:0:0:0/32"}"#,
        ),
    ] {
        let list = list(&[text]);
        assert_eq!(list.entries()[0].to_string(), shown, "{text}");
        assert_eq!(list.content().to_string(), format!("[{sent}]"), "{text}");
    }
}

#[test]
fn duplicates_go_and_the_order_stays() {
    let list = list(&[
        "203.0.113.10/32",
        "2001:db8::/32",
        "203.0.113.10",
        "2001:db8:0::/32",
    ]);
    let shown: Vec<_> = list.entries().iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["203.0.113.10", "2001:db8::/32"]);
}

#[test]
fn host_bits_are_refused_with_the_network_to_give() {
    let error = AccessEntry::network("203.0.113.10/24").expect_err("host bits");
    assert!(
        error.to_string().ends_with("the network is 203.0.113.0/24"),
        "{error}"
    );
    let error = AccessEntry::network("2001:db8::1/32").expect_err("host bits");
    assert!(
        error.to_string().ends_with("the network is 2001:db8::/32"),
        "{error}"
    );
}

#[test]
fn other_texts_are_refused() {
    for wrong in [
        "",
        "x",
        "203.0.113",
        "203.0.113.10/24",
        "fe80::1%eth0",
        "203.0.113.010",
    ] {
        assert_eq!(
            AccessEntry::address(wrong),
            Err(AccessEntryError::Address),
            "{wrong}"
        );
    }
    for wrong in [
        "",
        "x/8",
        "203.0.113.10",
        "203.0.113.0/33",
        "::/129",
        "203.0.113.0/",
    ] {
        assert_eq!(
            AccessEntry::network(wrong),
            Err(AccessEntryError::Network),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn after_a_conflict_only_the_missing_is_added() {
    let additions = AtomicUsize::new(0);
    let fake = Fake::start(move |received| match received.method.as_str() {
        _ if received.target == "/api/oauth/token" => Reply::token("t"),
        "POST" if additions.fetch_add(1, Ordering::Relaxed) == 0 => {
            Reply::error(409, "ADDRESS_ALREADY_IN_ACCESS_LIST")
        }
        "POST" => Reply::new(
            200,
            r#"{"results":[{"ipAddress":"203.0.113.10"},{"cidrBlock":"198.51.100.0/24"},
            {"cidrBlock":"2001:db8::/32"}]}"#,
        ),
        _ => Reply::new(
            200,
            r#"{"results":[{"ipAddress":"203.0.113.10","cidrBlock":"203.0.113.10/32","count":0},
            {"cidrBlock":"198.51.100.0/24","ipAddress":null},{"cidrBlock":"odd"}]}"#,
        ),
    })
    .await;
    let wanted = list(&["203.0.113.10", "198.51.100.0/24", "2001:db8::/32"]);
    let atlas = fake.bearer_client();
    let (org, key) = (org_id(), api_key_id());
    let added = atlas.add_api_key_access_list(&org, &key, &wanted, budget(5));
    added.await.expect("added");
    let requests = fake.requests();
    let last = requests.last().expect("a request");
    assert_eq!(last.body, r#"[{"cidrBlock":"2001:db8:0:0:0:0:0:0/32"}]"#);
    assert_eq!(requests.len(), 4);
}

async fn added(answer: &'static str, wanted: &[&str]) -> (Result<(), AtlasError>, Fake) {
    let fake = Fake::start(move |received| match received.target.as_str() {
        "/api/oauth/token" => Reply::token("t"),
        _ => Reply::new(200, answer),
    })
    .await;
    let (org, key, wanted) = (org_id(), api_key_id(), list(wanted));
    let added = fake.bearer_client();
    let added = added.add_api_key_access_list(&org, &key, &wanted, budget(5));
    (added.await, fake)
}

/// Atlas shows entries in forms of its own.
#[tokio::test]
async fn entries_count_as_added_when_the_answer_shows_them() {
    let wanted = [
        "203.0.113.10",
        "198.51.100.0/24",
        "2001:db8::1",
        "2001:db8::/32",
    ];
    for answer in [
        r#"{"results":[{"ipAddress":"203.0.113.10","cidrBlock":"203.0.113.10/32"},
        {"cidrBlock":"198.51.100.0/24"},{"ipAddress":"2001:db8:0:0:0:0:0:1"},
        {"cidrBlock":"2001:db8:0:0:0:0:0:0/32"},{"cidrBlock":"192.0.2.0/24"}]}"#,
        r#"{"totalCount":4,"results":[{"cidrBlock":"2001:0db8::/32"},
        {"cidrBlock":"2001:DB8:0::1/128"},{"cidrBlock":"198.51.100.7/24"},
        {"cidrBlock":"203.0.113.10/32"}]}"#,
    ] {
        let (added, fake) = added(answer, &wanted).await;
        added.expect("added");
        let [_, request] = &fake.requests()[..] else {
            panic!("a token and one request: {:?}", fake.requests());
        };
        assert!(
            request.target.ends_with("/accessList?itemsPerPage=500"),
            "{}",
            request.target
        );
    }
}

#[tokio::test]
async fn an_entry_that_the_answer_lacks_is_not_set() {
    for answer in [
        r#"{"results":[]}"#,
        r#"{"results":[{"cidrBlock":"203.0.113.0/25"}]}"#,
        r#"{"results":[{"ipAddress":"203.0.113.0"}]}"#,
        "{}",
    ] {
        let (added, _) = added(answer, &["203.0.113.0/24"]).await;
        let error = added.expect_err("not set");
        assert!(
            matches!(error, AtlasError::MalformedAnswer { .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn an_endless_conflict_ends_as_a_refusal() {
    let fake = Fake::start(|received| match received.method.as_str() {
        _ if received.target == "/api/oauth/token" => Reply::token("t"),
        "POST" => Reply::error(409, "ADDRESS_ALREADY_IN_ACCESS_LIST"),
        _ => Reply::new(200, r#"{"results":[]}"#),
    })
    .await;
    let level = Level::Project(project_id());
    let wanted = list(&["203.0.113.10"]);
    let atlas = fake.bearer_client();
    let account = client_id();
    let outcome = atlas
        .add_service_account_access_list(&level, &account, &wanted, budget(5))
        .await;
    assert!(
        matches!(outcome, Err(AtlasError::Refused { status: 409, .. })),
        "{outcome:?}"
    );
    assert_eq!(fake.count("POST", "/api/atlas/v2/groups/"), 3);
}

#[tokio::test]
async fn an_empty_list_costs_no_request() {
    let fake = Fake::start(|_| Reply::new(500, "")).await;
    let nothing = AccessList::default();
    let atlas = fake.bearer_client();
    let (org, key) = (org_id(), api_key_id());
    let added = atlas.add_api_key_access_list(&org, &key, &nothing, budget(5));
    added.await.expect("nothing to do");
    assert_eq!(fake.requests().len(), 0);
}

proptest! {
    #[test]
    fn any_text_is_answered_without_panic(text in "[0-9a-fA-F:./ x]{0,50}") {
        let _ = (AccessEntry::address(&text), AccessEntry::network(&text));
    }

    #[test]
    fn what_is_shown_is_read_again(bits in any::<u128>(), v4 in any::<u32>(), prefix in 0_u8..=32) {
        for address in [IpAddr::from(Ipv6Addr::from(bits)), IpAddr::from(v4.to_be_bytes())] {
            let entry = AccessEntry(IpNet::new(address, prefix).expect("a prefix").trunc());
            let shown = entry.to_string();
            let read = AccessEntry::network(&shown).or_else(|_| AccessEntry::address(&shown));
            prop_assert_eq!(read, Ok(entry));
        }
    }
}

//! What clients share that reach Atlas in the same way, and what they never do.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::atlas::client::Atlas;
use crate::atlas::fake::{Fake, Received, Reply, budget, settings, test_clock};
use crate::atlas::settings::Credential;
use crate::base::Sensitive;

const ADDRESS: &str = "https://cloud.example.com";

fn pem() -> Pem {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("one");
    signed.cert.pem().parse().expect("a certificate")
}

#[test]
fn the_same_settings_share_and_others_do_not() {
    let transports = Transports::default();
    let of = |settings: &Settings| transports.connections(settings).expect("connections");
    let trusting = |pem: &Pem| Settings {
        ca_certificate: Some(pem.clone()),
        ..settings(ADDRESS)
    };
    let pem = pem();
    let first = of(&trusting(&pem));
    let patient = Settings {
        request_timeout: Duration::from_mins(1),
        api_version: "2024-08-05".parse().expect("a version"),
        ..trusting(&pem)
    };
    assert!(Arc::ptr_eq(&first, &of(&patient)));
    let others = [
        settings(ADDRESS),
        trusting(&self::pem()),
        Settings {
            base_url: "https://cloud.example.com:8443".parse().expect("a URL"),
            ..trusting(&pem)
        },
        Settings {
            request_timeout: Duration::from_secs(1),
            ..trusting(&pem)
        },
        Settings {
            user_agent: "another/1".to_owned(),
            ..trusting(&pem)
        },
    ];
    for other in others {
        assert!(!Arc::ptr_eq(&first, &of(&other)), "{other:?}");
    }
}

#[test]
fn nothing_is_kept_once_nobody_uses_it() {
    let transports = Transports::default();
    let plain = settings("http://127.0.0.1:1");
    let first = transports.connections(&plain).expect("connections");
    let gone = Arc::downgrade(&first);
    drop(first);
    assert!(gone.upgrade().is_none());
    transports.connections(&plain).expect("connections");
    assert_eq!(transports.open.lock().expect("no panic").len(), 1);
}

/// As when an operator mends the system's certificates and writes the configuration again.
#[test]
fn other_certificates_of_the_platform_make_other_connections() {
    let terms = Terms::of(&settings(ADDRESS));
    let mut mended = terms.clone();
    let places = mended.platform.as_mut().expect("it is TLS");
    places.0.push(("/etc/ssl/mended.pem".into(), None));
    assert!(terms != mended);
}

#[tokio::test]
async fn a_crowd_leaves_room_for_others_and_goes_without_a_trace() {
    let transports = Transports::default();
    let plain = settings("http://127.0.0.1:1");
    let connections = transports.connections(&plain).expect("connections");
    let mut crowd: Vec<_> = (0..MAX_ABOARD).map(|_| connections.board()).collect();
    assert_eq!(connections.lane_count(), 1);
    crowd.push(connections.board());
    assert_eq!(connections.lane_count(), 2);
    crowd.extend((0..MAX_ABOARD * MAX_LANES).map(|_| connections.board()));
    assert_eq!(connections.lane_count(), MAX_LANES);
    let aboard = connections
        .more()
        .iter()
        .map(|lane| lane.aboard())
        .collect::<Vec<_>>();
    let (least, most) = (aboard.iter().min(), aboard.iter().max());
    assert!(
        least
            .zip(most)
            .is_some_and(|(least, most)| most - least <= 1),
        "{aboard:?}"
    );
    crowd.truncate(1);
    assert_eq!(connections.lane_count(), MAX_LANES);
    crowd.clear();
    assert_eq!(connections.lane_count(), 1);
}

fn key(public: &str) -> Credential {
    Credential::ApiKey {
        public_key: public.to_owned(),
        private_key: Sensitive::new(format!("{public}-private")),
    }
}

fn account(id: &str) -> Credential {
    Credential::ServiceAccount {
        client_id: format!("mdb_sa_id_{id}").parse().expect("an id"),
        client_secret: Sensitive::new("mdb_sa_sk_x".to_owned()),
    }
}

/// Each challenge has a nonce of its own and each account a token, so that it shows who used it.
fn atlas_of_many() -> impl Fn(&Received) -> Reply + Send + Sync + 'static {
    let nonces = AtomicUsize::new(0);
    move |request| match request.target.as_str() {
        "/api/oauth/token" => {
            let basic = request.header("authorization").unwrap_or_default();
            Reply::token(&format!("token-of-{}", &basic["Basic ".len()..]))
        }
        _ if request.header("authorization").is_none() => {
            let number = nonces.fetch_add(1, Ordering::Relaxed);
            Reply::challenge(&format!("nonce-{number}"), false)
        }
        _ => Reply::new(200, r#"{"results": [], "totalCount": 0}"#),
    }
}

fn quoted<'a>(header: &'a str, name: &str) -> &'a str {
    let rest = header.split(&format!("{name}=\"")).nth(1);
    rest.and_then(|rest| rest.split('"').next())
        .unwrap_or_default()
}

#[tokio::test]
async fn clients_that_share_connections_share_no_nonce_and_no_token() {
    let fake = Fake::start(atlas_of_many()).await;
    let transports = Transports::default();
    let client = |credential| fake.client_over(&transports, credential, test_clock());
    let accounts = ["32b6e34b3d91647abb20e7b8", "5cf5a45a9ccf6400e60981b7"];
    let clients: Vec<Atlas> = [key("first"), key("second")]
        .into_iter()
        .chain(accounts.map(account))
        .map(client)
        .collect();
    let shared = clients.windows(2).all(|two| {
        Arc::ptr_eq(
            two[0].transport().connections(),
            two[1].transport().connections(),
        )
    });
    assert!(shared);
    for _ in 0..4 {
        for atlas in &clients {
            atlas.organizations(budget(5)).await.expect("a list");
        }
    }
    let headers: Vec<String> = fake
        .requests()
        .iter()
        .filter_map(|request| request.header("authorization").map(ToOwned::to_owned))
        .collect();
    let used = |user: &str| -> BTreeSet<&str> {
        let of_user = headers
            .iter()
            .filter(|header| quoted(header, "username") == user);
        of_user.map(|header| quoted(header, "nonce")).collect()
    };
    let (first, second) = (used("first"), used("second"));
    assert!(!first.is_empty() && !second.is_empty());
    assert!(first.is_disjoint(&second), "{first:?} {second:?}");
    let bearers: Vec<&String> = headers
        .iter()
        .filter(|header| header.starts_with("Bearer"))
        .collect();
    let tokens: BTreeSet<&&String> = bearers.iter().collect();
    assert_eq!((bearers.len(), tokens.len()), (8, 2));
    for header in headers.iter().filter(|header| header.starts_with("Basic")) {
        let own = header.replace("Basic ", "Bearer token-of-");
        let times = bearers.iter().filter(|bearer| ***bearer == own).count();
        assert_eq!(times, 4);
    }
}

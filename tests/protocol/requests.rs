//! Requests: what every answer looks like, which error is which, and what a standby does not do.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::timeout;
use tonic::Code;

use crate::{
    atlas::{Atlas, eventually},
    launch::Launch,
    mount::{HostSide, Mount, asked, org_role},
    store::{Mood, READ_ONLY, Store},
    view::{Presence, state},
};

/// The kind of `ProtoError` whose text the host looks at.
pub(crate) const UNKNOWN: u32 = 0;
/// A user's error.
pub(crate) const USER: u32 = 1;
/// HTTP 405.
pub(crate) const UNSUPPORTED_OPERATION: u32 = 5;
/// HTTP 404.
pub(crate) const UNSUPPORTED_PATH: u32 = 6;

/// Kinds of failure after which a host tries a revocation again; after any other the lease stays
/// for ever.
pub(crate) const RETRIED: [u32; 3] = [UNKNOWN, 2, 3];

/// Go's durations.
pub(crate) trait Nanoseconds {
    /// So many minutes.
    fn minutes(self) -> i64;
}

impl Nanoseconds for i64 {
    fn minutes(self) -> i64 {
        self * 60_000_000_000
    }
}

/// Operations of hosts that this engine has no use for.
const OTHER_OPERATIONS: [&str; 6] = [
    "scan",
    "header",
    "alias-lookahead",
    "resolve-role",
    "recover",
    "of-tomorrow",
];

async fn bare() -> (crate::host::Plugin, Mount) {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.mount(&HostSide::new()).await;
    (plugin, mount)
}

async fn configured() -> (crate::host::Plugin, Mount, Atlas) {
    let (plugin, mount) = bare().await;
    let atlas = Atlas::start().await;
    atlas.configure(&mount).await;
    (plugin, mount, atlas)
}

#[tokio::test]
async fn no_data_null_and_an_empty_object_are_equal() {
    let (_plugin, mount) = bare().await;
    let role = org_role("5f0000000000000000000001");
    mount.write_well("roles/a", role).await;
    let mut answers = Vec::new();
    for data in ["", "null", "{}"] {
        for (operation, path) in [
            ("read", "roles/a"),
            ("list", "roles/"),
            ("update", "roles/a"),
            ("update", "config"),
        ] {
            let mut request = asked(operation, path, &Value::Null);
            data.clone_into(&mut request.data);
            let answer = mount.send(request).await.expect("answered");
            answers.push(format!("{answer:?}"));
        }
    }
    let (first, others) = answers.split_at(4);
    for other in others.chunks(4) {
        assert_eq!(first, other);
    }
}

#[tokio::test]
async fn data_that_is_no_object_is_a_bad_request_and_not_repeated() {
    let (_plugin, mount) = bare().await;
    let deep = "[".repeat(100_000);
    let huge = "{\"ttl\": 1e999}";
    for data in [
        "[\"hunter2\"]",
        "\"hunter2\"",
        "hunter2",
        "{\"hunter2\"",
        "5",
        &deep,
        huge,
    ] {
        let mut request = asked("update", "roles/a", &Value::Null);
        data.clone_into(&mut request.data);
        let answer = mount.send(request).await.expect("answered");
        assert!(!answer.refusal().contains("hunter2"), "{answer:?}");
    }
}

#[tokio::test]
async fn unknown_operations_and_paths_are_reported_by_their_kinds() {
    let (_plugin, mount) = bare().await;
    for operation in OTHER_OPERATIONS {
        for path in ["config", "roles/", "roles/a", "", "nowhere", "../x"] {
            let answer = mount.ask(operation, path, Value::Null).await;
            assert_eq!(answer.failure().kind, UNSUPPORTED_OPERATION, "{operation}");
        }
    }
    for operation in ["create", "update", "read", "list", "delete", "patch"] {
        for path in ["", "nowhere", "config/x/y", "creds/", "\u{0}"] {
            let answer = mount.ask(operation, path, Value::Null).await;
            assert_eq!(
                answer.failure().kind,
                UNSUPPORTED_PATH,
                "{operation} {path}"
            );
        }
    }
    // Below a path that takes a name, what is wrong is the name.
    for operation in ["create", "update", "read", "delete", "patch"] {
        let refusal = mount.ask(operation, "roles/a/b", Value::Null).await;
        assert!(
            refusal.refusal().contains("\"a/b\" cannot be a name"),
            "{operation}"
        );
    }
    for (operation, path) in [("delete", "creds/a"), ("list", "config"), ("read", "roles")] {
        let answer = mount.ask(operation, path, Value::Null).await;
        assert_eq!(answer.failure().kind, UNSUPPORTED_OPERATION, "{path}");
    }
}

/// Any caller gets this far, even without a valid token.
#[tokio::test]
async fn resolving_a_path_only_tells_its_canonical_form() {
    let (_plugin, mount) = bare().await;
    let store = &mount.host.store;
    for (path, canonical) in [
        ("roles/PROD", "roles/prod"),
        ("creds/Prod", "creds/prod"),
        ("config", "config"),
        ("roles/", "roles/"),
    ] {
        let data = json!({"private_key": "hunter2"});
        let answer = mount.ask("resolve-path", path, data).await;
        assert_eq!(answer.data()["path"], canonical);
    }
    let long = "x/".repeat(10_000);
    let odd = [
        "",
        "/",
        "//",
        "..",
        "../",
        "roles/../config",
        "roles/..",
        "roles/%2e%2e/config",
        "roles/a b",
        "roles/\u{212a}elvin",
        "roles/ß",
        "roles/\u{0}",
        "roles/a\nb",
        "sys/mounts",
        &long,
    ];
    for path in odd {
        store.forget_calls();
        let answer = mount.ask("resolve-path", path, Value::Null).await;
        if let Some(failure) = &answer.failure {
            assert!(matches!(failure.kind, 5 | 6), "{path:?}: {answer:?}");
        } else if let Some(data) = &answer.data {
            assert!(data["path"].is_string(), "{path:?}: {answer:?}");
        }
        assert_eq!(store.calls(), [""; 0], "{path:?}");
    }
}

#[tokio::test]
async fn statuses_are_what_users_expect() {
    let (_plugin, mount) = bare().await;
    for path in ["config", "roles/none"] {
        assert!(mount.read(path).await.is_nothing(), "404: {path}");
        let deleted = mount.ask("delete", path, Value::Null).await;
        assert!(deleted.is_nothing(), "204: {path}");
    }
    let empty = mount.ask("list", "roles/", Value::Null).await;
    assert!(empty.data()["keys"].is_null(), "404: {empty:?}");
    let bad = mount
        .write("roles/a", json!({"ttl": "5s", "max_ttl": "1s"}))
        .await;
    assert!(!bad.refusal().is_empty(), "400");
    let role = org_role("5f0000000000000000000001");
    assert!(mount.write("roles/a", role).await.is_nothing(), "204");
    let list = mount.ask("list", "roles/", Value::Null).await;
    assert_eq!(list.data()["keys"], json!(["a"]));
    for path in ["creds/a", "creds/none"] {
        assert!(!mount.read(path).await.refusal().is_empty(), "400");
    }
    let patched = mount.ask("patch", "roles/none", json!({"ttl": 5})).await;
    assert_eq!(patched.failure().status, 404);
}

#[tokio::test]
async fn atlas_decides_the_status_of_its_refusals() {
    let (_plugin, mount, atlas) = configured().await;
    let refusing = async |status: u16, code: &str| {
        let action = json!({"kind": "answer", "status": status, "code": code,
                            "headers": {"Retry-After": "3600"}});
        let fault = json!({"operation": "createOrgApiKey", "count": 0, "action": action});
        atlas.fault(fault).await;
        let answer = mount.read("creds/role").await;
        atlas.no_more_faults().await;
        answer
    };
    let code = "ORG_REQUIRES_ACCESS_LIST";
    let answer = refusing(403, code).await;
    assert!(answer.refusal().contains(code), "400: {answer:?}");
    let answer = refusing(401, "UNAUTHORIZED").await;
    assert_eq!(answer.failure().kind, 2, "500: {answer:?}");
    assert!(mount.read("creds/role").await.is_success());
    let answer = refusing(429, "RATE_LIMITED").await;
    let failure = answer.failure();
    assert_eq!((failure.kind, failure.status), (3, 429), "{failure:?}");
    assert_eq!(mount.host.store.issued().len(), 1, "only of the good one");
}

#[tokio::test]
async fn storages_own_words_come_through_unchanged() {
    let (_plugin, mount) = bare().await;
    let role = org_role("5f0000000000000000000001");
    mount.write_well("roles/a", role.clone()).await;
    let text = "context deadline exceeded: raft apply";
    mount.host.store.set(Mood::Refusing(text));
    let mut answers = vec![mount.ask("list", "roles/", Value::Null).await];
    for path in ["config", "roles/a", "creds/a"] {
        answers.push(mount.read(path).await);
    }
    for path in ["roles/a", "roles/b"] {
        answers.push(mount.ask("update", path, role.clone()).await);
        answers.push(mount.ask("delete", path, Value::Null).await);
    }
    for answer in answers {
        assert_eq!(answer.failure().text, text);
    }
    let check = mount.exists("roles/a", Value::Null).await;
    assert_eq!(check.expect_err("storage failed").text, text);
    let call = Mood::Failing(Code::Unavailable, "the server steps down");
    mount.host.store.set(call);
    let answer = mount.read("roles/a").await;
    assert!(answer.failure().text.contains("steps down"), "{answer:?}");
    mount.host.store.set(Mood::Works);
    assert!(mount.read("roles/a").await.is_success());
}

#[tokio::test]
async fn a_write_where_storage_is_read_only_is_forwarded() {
    let (_plugin, mount, atlas) = configured().await;
    mount.host.store.set(Mood::ReadOnly(READ_ONLY));
    let before = atlas.credentials().await;
    for (operation, path, data) in [
        ("update", "config", atlas.config()),
        ("delete", "config", Value::Null),
        ("update", "roles/role", org_role(atlas.org())),
        ("patch", "roles/role", json!({"ttl": 5})),
        ("delete", "roles/role", Value::Null),
        ("read", "creds/role", Value::Null),
    ] {
        let answer = mount.ask(operation, path, data).await;
        assert_eq!(answer.failure().kind, UNKNOWN, "{operation} {path}");
        assert_eq!(answer.failure().text, READ_ONLY, "{operation} {path}");
    }
    assert!(mount.read("roles/role").await.is_success(), "reads go on");
    assert_eq!(atlas.credentials().await, before);
}

#[tokio::test]
async fn a_standby_or_secondary_forwards_before_it_calls_atlas() {
    let (_plugin, mount, atlas) = configured().await;
    let host = &mount.host;
    let before = atlas.requests().await;
    host.store.forget_calls();
    for (replication, local) in [
        (state::STANDBY, false),
        (state::STANDBY, true),
        (state::SECONDARY, false),
    ] {
        host.view.place(replication, local);
        for (operation, path, data) in [
            ("read", "creds/role", Value::Null),
            ("update", "creds/role", Value::Null),
            ("update", "config", atlas.config()),
        ] {
            let answer = mount.ask(operation, path, data).await;
            assert_eq!(answer.failure().text, READ_ONLY, "{replication} {path}");
        }
        assert!(mount.tick().await.is_success());
        assert!(mount.read("config").await.is_success(), "reads are served");
    }
    assert_eq!(atlas.requests().await, before);
    assert_eq!(host.store.writes(), [""; 0]);
    host.view.place(state::SECONDARY, true);
    let answer = mount.read("creds/role").await;
    assert!(answer.is_success(), "a local mount is its own: {answer:?}");
}

/// Nobody says whether this node may act: then it does not.
#[tokio::test]
async fn a_silent_system_view_fails_a_credential_before_it_is_made() {
    let (_plugin, mount, atlas) = configured().await;
    let before = atlas.requests().await;
    mount.host.view.set(Presence::Missing);
    let missing = mount.read("creds/role").await;
    mount.host.view.set(Presence::Hangs);
    let limit = Duration::from_secs(20);
    let silent = timeout(limit, mount.read("creds/role")).await;
    for answer in [missing, silent.expect("it ends in time")] {
        let text = &answer.failure().text;
        assert!(text.contains("replication"), "{text}");
    }
    assert_eq!(atlas.requests().await, before);
    assert_eq!(mount.host.store.issued(), [""; 0]);
}

#[tokio::test]
async fn an_existence_check_reads_and_no_more() {
    let (_plugin, mount, atlas) = configured().await;
    let requests = atlas.requests().await;
    mount.host.store.forget_calls();
    let role = org_role(atlas.org());
    for (path, found) in [
        ("config", Some(true)),
        ("roles/role", Some(true)),
        ("roles/ROLE", Some(true)),
        ("roles/none", Some(false)),
        ("creds/role", None),
        ("roles/", None),
    ] {
        assert_eq!(mount.exists(path, role.clone()).await, Ok(found), "{path}");
    }
    let unknown = mount.exists("nowhere", Value::Null).await;
    let unknown = unknown.expect_err("an unknown path");
    assert_eq!(unknown.kind, UNSUPPORTED_PATH);
    let bad = mount.exists("roles/role", json!({"ttl": "hunter2"})).await;
    let bad = bad.expect_err("no duration");
    assert_eq!(bad.kind, USER, "a host answers 400 to this kind alone");
    assert!(!bad.text.contains("hunter2"), "{bad:?}");
    assert_eq!(mount.host.store.writes(), [""; 0]);
    assert_eq!(atlas.requests().await, requests);
    mount.host.store.set(Mood::ReadOnly(READ_ONLY));
    assert_eq!(mount.exists("roles/none", role).await, Ok(Some(false)));
}

/// The caller goes away while Atlas takes its time: what is made is removed, and on the way there
/// is no key without a record.
#[tokio::test]
async fn a_request_that_is_given_up_leaves_nothing() {
    let (_plugin, mount, atlas) = configured().await;
    for (role, operation) in [
        ("role", "createOrgApiKey"),
        ("account", "createOrgServiceAccount"),
    ] {
        atlas.control("DELETE", "/requests", Value::Null).await;
        let delay = json!({"kind": "delay", "seconds": 1.0, "after_effect": true});
        atlas
            .fault(json!({"operation": operation, "action": delay}))
            .await;
        let path = format!("creds/{role}");
        let given_up = async {
            tokio::select! {
                answer = mount.read(&path) => panic!("too early: {answer:?}"),
                () = atlas.until_asked(operation) => {}
            }
        };
        given_up.await;
        eventually("nothing is left", async || {
            let records = mount.host.store.issued().len();
            let made = atlas.credentials().await.len();
            assert!(made <= records, "{made} made, {records} records");
            (made, records) == (0, 0)
        })
        .await;
        atlas.no_more_faults().await;
        let answer = mount.read(&path).await;
        assert!(answer.is_success(), "nothing is locked: {answer:?}");
        let ended = mount.revoke(&answer.lease()).await;
        assert!(ended.is_success(), "{ended:?}");
    }
}

/// A server that sheds its load cancels many requests in one moment; the connection is for all mounts.
#[tokio::test]
async fn hundreds_of_cancelled_requests_do_not_cost_the_connection() {
    let (_plugin, mount) = bare().await;
    mount.host.store.set(Mood::Hanging);
    for _ in 0..3 {
        let requests = (0..300).map(|_| mount.read("config"));
        timeout(Duration::from_millis(300), join_all(requests))
            .await
            .expect_err("storage hangs");
    }
    mount.host.store.set(Mood::Works);
    assert!(mount.read("config").await.is_nothing());
}

/// `HashiCorp` Vault has no pages, no transactions and no canonical paths.
#[tokio::test]
async fn everything_works_on_a_host_without_pages_and_transactions() {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.mount(&HostSide::with(Store::of_vault())).await;
    let atlas = Atlas::start().await;
    atlas.configure(&mount).await;
    for name in ["a", "b", "c"] {
        let path = format!("roles/{name}");
        mount.write_well(&path, org_role(atlas.org())).await;
    }
    let all = mount.ask("list", "roles/", Value::Null).await;
    assert_eq!(
        all.data()["keys"],
        json!(["a", "account", "b", "c", "role"])
    );
    let page = json!({"after": "a", "limit": "2"});
    let page = mount.ask("list", "roles/", page).await;
    assert_eq!(page.data()["keys"], json!(["account", "b"]));
    for path in ["creds/role", "creds/account"] {
        let issued = mount.read(path).await;
        let lease = issued.lease();
        let renewed = mount.about_lease("renew", path, &lease, issued.data().clone());
        let renewed = renewed.await.lease();
        assert!(mount.revoke(&renewed).await.is_success());
    }
    assert!(mount.tick().await.is_success());
    assert_eq!(atlas.credentials().await, [""; 0]);
    assert_eq!(mount.host.store.issued(), [""; 0]);
}

/// Such a host applies its policies to the path as it was asked: `PROD` is not `prod` to them.
#[tokio::test]
async fn where_paths_are_not_resolved_no_other_spelling_reaches_a_static_role() {
    let mut plugin = Launch::new().start().await;
    let mount = plugin.mount(&HostSide::with(Store::of_vault())).await;
    let atlas = Atlas::start().await;
    atlas.configure(&mount).await;
    let account = json!({"org_id": atlas.org(), "name": "app", "org_roles": ["ORG_MEMBER"]});
    let account = atlas.control("POST", "/accounts", account).await;
    let role = json!({
        "client_id": account["client_id"], "organization_id": atlas.org(),
        "rotation_period": "1d",
    });
    mount.write_well("static-roles/prod", role.clone()).await;
    for (operation, path) in [
        ("read", "static-creds/PROD"),
        ("read", "static-roles/PROD"),
        ("update", "static-roles/PROD"),
        ("create", "static-roles/OTHER"),
        ("delete", "static-roles/PROD"),
        ("update", "rotate-role/PROD"),
        ("read", "check/ROLE"),
    ] {
        let refused = mount.ask(operation, path, role.clone()).await;
        let text = refused.refusal();
        assert!(
            text.contains("name: must be in lower case"),
            "{path}: {text}"
        );
    }
    let present = mount.read("static-creds/prod").await;
    assert!(present.data()["client_secret"].is_string());
    // As with the Go engine, whose leases are told by the path as it was asked.
    let lease = mount.read("creds/ROLE").await.lease();
    assert!(mount.revoke(&lease).await.is_success());
}

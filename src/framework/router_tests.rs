//! Which requests reach which handler.

use proptest::prelude::*;

use super::*;
use crate::framework::toy::{
    ToyMount, answer, ask, data, description, failure, framework, json_value, nothing, request,
};
use crate::vault::failure::READ_ONLY_TEXT;
use crate::vault::{Replication, Secret};

#[tokio::test]
async fn the_first_path_that_matches_is_asked() {
    let toy = ToyMount::new();
    let answer = ask(&toy, request(Operation::Read, "any/first", json!({"x": 1}))).await;
    assert!(answer.expect("succeeds").is_none());
    assert_eq!(toy.engine.noted(), ["read any/first"]);
}

#[tokio::test]
async fn unknown_paths_and_operations_are_distinguished() {
    for (operation, path, want) in [
        (Operation::Read, "nowhere", Failure::UnsupportedPath),
        (Operation::Read, "", Failure::UnsupportedPath),
        (Operation::ResolvePath, "nowhere", Failure::UnsupportedPath),
        (Operation::Help, "nowhere", Failure::UnsupportedPath),
        (Operation::Update, "creds/a", Failure::UnsupportedOperation),
        (Operation::Patch, "roles/a", Failure::UnsupportedOperation),
        (
            Operation::Unsupported,
            "roles/a",
            Failure::UnsupportedOperation,
        ),
        (
            Operation::Unsupported,
            "nowhere",
            Failure::UnsupportedOperation,
        ),
    ] {
        assert_eq!(
            failure(operation, path, json!({})).await,
            want,
            "{operation:?} {path}"
        );
    }
}

#[tokio::test]
async fn a_name_that_no_path_can_hold_is_reported_as_such() {
    for path in [
        "roles/-x",
        "roles/x-",
        "roles/a b",
        "roles/a/b",
        "roles/r\u{f4}le",
    ] {
        let refused = failure(Operation::Update, path, json!({})).await;
        assert!(
            matches!(&refused, Failure::BadRequest(text) if text.contains("cannot be a name")),
            "{path}: {refused:?}"
        );
    }
    let list = failure(Operation::List, "roles/a/", json!({})).await;
    assert_eq!(list, Failure::UnsupportedPath);
    let resolved = failure(Operation::ResolvePath, "roles/-x", json!({})).await;
    assert_eq!(resolved, Failure::UnsupportedPath);
}

const FORWARDED: [(Operation, &str); 3] = [
    (Operation::Read, "creds/a"),
    (Operation::Create, "roles/a"),
    (Operation::Delete, "roles/a"),
];

async fn is_forwarded(replication: i32, local: bool) -> Vec<bool> {
    let toy = ToyMount::new();
    toy.system.set_replication(Replication(replication));
    toy.system.set_local(local);
    let mut forwarded = Vec::new();
    for (operation, path) in FORWARDED {
        let answer = ask(&toy, request(operation, path, json!({"max_ttl": 5}))).await;
        forwarded.push(answer.is_err_and(|failure| failure.to_string() == READ_ONLY_TEXT));
    }
    forwarded
}

#[tokio::test]
async fn only_the_node_that_may_act_acts() {
    assert_eq!(is_forwarded(8_224, false).await, [false; 3], "active node");
    assert_eq!(is_forwarded(24_576, false).await, [true; 3], "standby");
    assert_eq!(
        is_forwarded(24_576, true).await,
        [true; 3],
        "standby, local mount"
    );
    assert_eq!(is_forwarded(64, false).await, [true; 3], "secondary");
    assert_eq!(
        is_forwarded(64, true).await,
        [false; 3],
        "secondary, local mount"
    );
}

#[tokio::test]
async fn a_standby_answers_what_only_reads() {
    let toy = ToyMount::new();
    toy.system.set_replication(Replication(24_576));
    for (operation, path) in [
        (Operation::Read, "roles/a"),
        (Operation::List, "roles/"),
        (Operation::Read, "mixed"),
        (Operation::Help, "creds/a"),
    ] {
        assert!(
            ask(&toy, request(operation, path, json!({}))).await.is_ok(),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_periodic_run_works_where_the_node_may_act() {
    let toy = ToyMount::new();
    toy.storage
        .plant("wal/a", b"{\"type\": \"key\", \"created_at\": 5}");
    toy.system.set_replication(Replication(24_576));
    let tick = || request(Operation::Rollback, "", json!({}));
    assert!(ask(&toy, tick()).await.expect("does nothing").is_none());
    assert!(toy.engine.noted().is_empty());
    toy.system.set_replication(Replication(8_224));
    assert_eq!(
        ask(&toy, tick()).await.err(),
        Some(Failure::Internal("atlas does not answer".to_owned()))
    );
    assert_eq!(toy.engine.noted(), ["ticked", "undone"]);
    assert!(toy.storage.keys().is_empty());
}

#[tokio::test]
async fn canonical_paths_are_lower_case_where_names_are() {
    for (path, want) in [
        ("roles/PROD", "roles/prod"),
        ("creds/PROD", "creds/PROD"),
        ("roles/", "roles/"),
        ("any/A/b", "any/A/b"),
    ] {
        let answer = answer(Operation::ResolvePath, path, json!({"x": 1})).await;
        assert_eq!(answer.data, Some(data(json!({"path": want}))));
        assert!(answer.warnings.is_empty());
    }
}

#[tokio::test]
async fn help_is_there_for_the_mount_and_every_path() {
    for path in [
        "", "roles", "roles/", "roles/a", "roles/a/", "creds/a", "mixed/", "any/x",
    ] {
        let answer = answer(Operation::Help, path, json!({"requestResponsePrefix": "t"})).await;
        let data = answer.data.expect("has data");
        assert!(
            data["help"].as_str().is_some_and(|text| !text.is_empty()),
            "{path}"
        );
        assert_eq!(data["see_also"], Value::Null);
        assert!(data["openapi"]["paths"].is_object(), "{path}");
    }
    let answer = answer(Operation::Help, "", json!({"requestResponsePrefix": "t"})).await;
    let document = &answer.data.expect("has data")["openapi"];
    assert_eq!(
        document["paths"]["/mixed"]["get"]["operationId"],
        "t-read-mixed"
    );
    assert_eq!(document["info"]["version"], "2.7.2");
}

#[tokio::test]
async fn leases_go_by_their_kind_wherever_they_are() {
    let toy = ToyMount::new();
    toy.system.set_replication(Replication(24_576));
    let mut revoke = request(Operation::Revoke, "gone/path", json!({}));
    revoke.secret = Some(Secret {
        internal_data: data(json!({"secret_type": "key"})),
        ..Secret::default()
    });
    assert!(ask(&toy, revoke).await.expect("revokes").is_none());
    assert_eq!(toy.engine.noted(), ["revoked"]);
}

#[tokio::test]
async fn what_comes_before_each_keeps_what_needs_storage() {
    let toy = ToyMount::new();
    let described = description()
        .path(
            Path::new("own")
                .on(Operation::Read, nothing)
                .forwarded_by_handler(),
        )
        .before_each(async |toy: Arc<crate::framework::toy::Toy>| {
            toy.note("before");
            Err(Failure::Internal("not yet".to_owned()))
        });
    let framework = Arc::new(described).serve(Arc::clone(&toy.engine), toy.mount.clone());
    for (operation, path, is_kept) in [
        (Operation::Read, "roles/a", true),
        (Operation::Read, "own", true),
        (Operation::Update, "roles/a", true),
        (Operation::Renew, "creds/a", true),
        (Operation::Revoke, "creds/a", true),
        (Operation::Rollback, "", true),
        (Operation::Help, "roles/a", false),
        (Operation::ResolvePath, "roles/a", false),
    ] {
        let mut asked = request(operation, path, json!({}));
        asked.secret = Some(Secret {
            internal_data: data(json!({"secret_type": "key"})),
            ..Secret::default()
        });
        let before = toy.engine.noted().len();
        let answer = framework.handle(asked).await;
        let refusal = Failure::Internal("not yet".to_owned());
        assert_eq!(answer.err() == Some(refusal), is_kept, "{operation:?}");
        assert_eq!(toy.engine.noted().len() - before, usize::from(is_kept));
    }
    let known = request(Operation::Update, "roles/known", json!({}));
    assert_eq!(framework.exists(known).await, Ok(Some(true)));
    // Where the host is to forward, it is told so whatever is to come before.
    toy.system.set_replication(Replication(24_576));
    let write = framework
        .handle(request(Operation::Update, "roles/a", json!({})))
        .await;
    assert_eq!(write.err(), Some(Failure::read_only()));
    let own = framework.handle(request(Operation::Read, "own", json!({})));
    assert_eq!(own.await.err(), Some(Failure::read_only()));
    let tick = framework
        .handle(request(Operation::Rollback, "", json!({})))
        .await;
    assert!(tick.is_ok(), "{tick:?}");
}

#[tokio::test]
async fn the_engine_hears_of_start_and_changes() {
    let toy = ToyMount::new();
    let framework = framework(&toy);
    framework.initialize().await.expect("succeeds");
    framework.invalidate("config").await;
    assert_eq!(toy.engine.noted(), ["initialized", "config"]);
    assert_eq!(framework.special_paths(), SpecialPaths::default());
}

/// Two mounts of one engine share the description and nothing else.
#[tokio::test]
async fn mounts_of_one_description_do_not_know_of_each_other() {
    let described = Arc::new(description());
    let (one, other) = (ToyMount::new(), ToyMount::new());
    let serve = |toy: &ToyMount| described.serve(Arc::clone(&toy.engine), toy.mount.clone());
    let (first, second) = (serve(&one), serve(&other));
    assert!(Arc::ptr_eq(&first.described, &second.described));
    let entry = br#"{"type": "key", "created_at": 5}"#;
    for number in 0..101 {
        other.storage.plant(&format!("wal/{number:03}"), entry);
    }
    one.storage.plant("wal/000", entry);
    for framework in [&second, &first] {
        let tick = request(Operation::Rollback, "", json!({}));
        let _ = framework.handle(tick).await;
    }
    first.invalidate("config").await;
    assert_eq!(one.engine.noted(), ["ticked", "undone", "config"]);
    assert_eq!(other.engine.noted().len(), 101, "its tick and 100 entries");
    assert!(one.storage.keys().is_empty());
}

proptest! {
    #[test]
    fn any_path_and_body_is_answered(
        path in "(roles|creds|any)?/?\\PC{0,12}",
        body in json_value(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("starts");
        let body = json!({"ttl": body.clone(), "x": body});
        for operation in [Operation::Read, Operation::Update, Operation::ResolvePath, Operation::Help] {
            let _ = runtime.block_on(ask(&ToyMount::new(), request(operation, &path, body.clone())));
        }
    }
}

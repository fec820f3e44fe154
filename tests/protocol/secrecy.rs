//! No secret in log lines, errors, warnings or help; sealed where it is stored.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    atlas::Atlas,
    host::Plugin,
    launch::Launch,
    logging::lines,
    mount::{HostSide, Mount},
    store::{Mood, Store},
};

/// Whatever a user sends in the place of something else.
const MISPLACED: &str = "hunter2-misplaced";

/// What each type is issued by.
const CREDENTIALS: [&str; 4] = ["creds/role", "creds/account", "creds/model", "creds/user"];

/// Every secret in an answer's data.
fn secrets_of(data: &Value) -> Vec<String> {
    ["private_key", "client_secret", "api_key", "password"]
        .iter()
        .filter_map(|name| data[name].as_str().map(str::to_owned))
        .collect()
}

/// All that can go well and wrong with credentials; what was issued, and every text that was told.
async fn a_day(mount: &Mount, atlas: &Atlas) -> (Vec<String>, Vec<String>) {
    let (mut secrets, mut told) = (Vec::new(), Vec::new());
    for config in [atlas.config(), atlas.account_config()] {
        mount.write_well("config", config).await;
        told.push(format!("{:?}", mount.read("config").await));
        for path in CREDENTIALS {
            let issued = mount.read(path).await;
            let data = issued.data().clone();
            let of_this = secrets_of(&data);
            assert_eq!(of_this.len(), 1, "{path}");
            secrets.extend(of_this);
            told.push(format!("{:?}", issued.warnings));
            let lease = issued.lease();
            told.push(format!("{:?}", lease.internal));
            mount.about_lease("renew", path, &lease, data.clone()).await;
            let ended = mount.about_lease("revoke", path, &lease, data).await;
            assert!(ended.is_success(), "{ended:?}");
        }
        told.extend(Box::pin(failures(mount, atlas)).await);
    }
    for path in ["", "config", "roles/role", "creds/role"] {
        told.push(format!("{:?}", mount.ask("help", path, Value::Null).await));
    }
    (secrets, told)
}

/// Atlas and storage fail in every way while credentials are made and revoked.
async fn failures(mount: &Mount, atlas: &Atlas) -> Vec<String> {
    let mut told = Vec::new();
    let mut leases = Vec::new();
    for path in CREDENTIALS {
        leases.push(mount.read(path).await.lease());
    }
    let misplaced = format!("Authorization: Digest {MISPLACED}");
    for action in [
        json!({"kind": "answer", "status": 400, "code": "VALIDATION_ERROR"}),
        json!({"kind": "answer", "status": 401, "text": misplaced}),
        json!({"kind": "answer", "status": 403, "code": "FORBIDDEN"}),
        json!({"kind": "malformed_json"}),
        json!({"kind": "not_json"}),
    ] {
        for operation in [
            "createOrgApiKey",
            "deleteOrgApiKey",
            "createOrgServiceAccount",
            "deleteOrgServiceAccount",
            "createGroupModelKey",
            "deleteGroupModelKey",
            "createDatabaseUser",
            "deleteDatabaseUser",
        ] {
            let fault = json!({"operation": operation, "count": 0, "action": action});
            atlas.fault(fault).await;
        }
        let issued = join_all(CREDENTIALS.map(|path| mount.read(path)));
        let revoked = join_all(leases.iter().map(|lease| mount.revoke(lease)));
        told.push(format!("{:?}", futures_util::join!(issued, revoked)));
        atlas.no_more_faults().await;
    }
    mount.host.store.set(Mood::Refusing("no quorum"));
    for (path, lease) in CREDENTIALS.iter().zip(&leases) {
        told.push(format!("{:?}", mount.read(path).await));
        told.push(format!("{:?}", mount.revoke(lease).await));
    }
    told.push(format!("{:?}", mount.tick().await));
    mount.host.store.set(Mood::Works);
    for lease in &leases {
        assert!(mount.revoke(lease).await.is_success());
    }
    told
}

/// Secrets in fields that are refused, ignored, or meant for something else.
async fn misplaced(mount: &Mount) -> Vec<String> {
    let mut told = Vec::new();
    for (path, field) in [
        ("config", "base_url"),
        ("config", "api_version"),
        ("config", "ca_certificate"),
        ("config", "request_timeout"),
        ("config", "organization_id"),
        ("config", "of_tomorrow"),
        ("roles/x", "ttl"),
        ("roles/x", "roles"),
        ("roles/x", "project_id"),
        ("roles/x", "ip_addresses"),
        ("roles/x", "of_tomorrow"),
    ] {
        let mut data = json!({"base_url": "nowhere"});
        data[field] = MISPLACED.into();
        for operation in [
            "update",
            "patch",
            "read",
            "resolve-path",
            "list",
            "of-tomorrow",
        ] {
            let answer = mount.ask(operation, path, data.clone()).await;
            told.push(format!("{answer:?}"));
        }
        told.push(format!("{:?}", mount.exists(path, data).await));
    }
    let lease = crate::mount::lease(&json!({
        "secret_type": "programmatic_api_key",
        "programmatic_api_key_id": MISPLACED,
        "organization_id": MISPLACED,
    }));
    told.push(format!("{:?}", mount.revoke(&lease).await.failure));
    mount.host.store.plant("roles/broken", MISPLACED);
    told.push(format!("{:?}", mount.read("creds/broken").await));
    told
}

async fn at_trace() -> (Plugin, Mount, Atlas) {
    let launch = Launch::new().variable("MONGODBATLAS_LOG_LEVEL", "trace");
    let mut plugin = launch.start().await;
    let mount = plugin.mount(&HostSide::new()).await;
    let atlas = Atlas::start().await;
    atlas.without_limits().await;
    atlas.configure(&mount).await;
    for (name, kind) in [("model", "ai_model_key"), ("user", "database_user")] {
        let mut role = json!({ "credential_type": kind, "project_id": atlas.project() });
        if name == "user" {
            role["database_roles"] = json!("read@app");
        }
        mount.write_well(&format!("roles/{name}"), role).await;
    }
    (plugin, mount, atlas)
}

#[tokio::test]
async fn no_secret_is_answered_or_logged() {
    let (plugin, mount, atlas) = at_trace().await;
    let (mut secrets, mut told) = Box::pin(a_day(&mount, &atlas)).await;
    secrets.extend(atlas.secrets().map(str::to_owned));
    secrets.push(MISPLACED.to_owned());
    told.extend(misplaced(&mount).await);
    let exit = plugin.shutdown().await;
    assert!(lines(&exit.stderr).len() > 10, "it logs: {}", exit.stderr);
    told.push(exit.stderr);
    for text in &told {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} in {text}");
        }
        if let Some((form, around)) = form_of_a_secret(text) {
            panic!("{form:?} in: …{around}…");
        }
    }
}

/// The form of an access token, of a digest, or of a header that carries one; with what stands around it.
///
/// A token begins with `eyJ`, in just this case: in another one the letters may stand in any random id.
fn form_of_a_secret(text: &str) -> Option<(&'static str, String)> {
    let lower = text.to_ascii_lowercase();
    let token = text.find("eyJ").map(|at| ("eyJ", at));
    let in_any_case = |form| lower.find(form).map(|at| (form, at));
    let found = token.or_else(|| {
        let mut forms = ["bearer ey", "basic ", "response=\"", "cnonce"].into_iter();
        forms.find_map(in_any_case)
    });
    found.map(|(form, at)| {
        let mut around = String::new();
        for (place, letter) in text.char_indices() {
            if place + 120 >= at && place <= at + 120 {
                around.push(letter);
            }
        }
        (form, around)
    })
}

#[test]
fn a_token_is_distinguished_from_a_random_id() {
    let (form, around) = form_of_a_secret("lease a: eyJhbGciOi, b").expect("a token");
    assert_eq!((form, around.as_str()), ("eyJ", "lease a: eyJhbGciOi, b"));
    assert!(form_of_a_secret("Authorization: Bearer EYx").is_some());
    assert!(form_of_a_secret("Digest cnonce=\"1\"").is_some());
    assert_eq!(form_of_a_secret("journal_id=EyJ3eyj0Eyj9eYJ7"), None);
}

#[tokio::test]
async fn what_is_stored_holds_no_issued_secret_and_seals_the_configuration() {
    let (_plugin, mount, atlas) = at_trace().await;
    let store: &Store = &mount.host.store;
    let mut secrets = Vec::new();
    for path in CREDENTIALS {
        secrets.extend(secrets_of(mount.read(path).await.data()));
    }
    assert_eq!(secrets.len(), CREDENTIALS.len());
    assert!(store.is_sealed("config"));
    let [key, _] = atlas.secrets();
    for name in store.keys() {
        let text = store.json(&name).expect("it is there").to_string();
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{name}");
        }
        assert_eq!(text.contains(key), name == "config", "{name}");
    }
}

#[tokio::test]
async fn reading_the_configuration_shows_no_secret() {
    let (_plugin, mount, atlas) = at_trace().await;
    for config in [atlas.config(), atlas.account_config()] {
        mount.write_well("config", config).await;
        let read = mount.read("config").await;
        let text = read.data().to_string();
        for secret in atlas.secrets() {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(read.data().get("private_key").is_none());
        assert!(read.data().get("client_secret").is_none());
    }
}

#[tokio::test]
async fn a_proxy_never_sees_a_credential_in_clear() {
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = format!("http://{}", proxy.local_addr().expect("its address"));
    let atlas = Atlas::start().await;
    let launch = Launch::new()
        .variable("HTTP_PROXY", &address)
        .variable("http_proxy", &address);
    let mut plugin = launch.start().await;
    let mount = plugin.mount(&HostSide::new()).await;
    tokio::select! {
        () = mount.write_well("config", atlas.config()) => {}
        _ = proxy.accept() => panic!("the request went to the proxy"),
    }
}

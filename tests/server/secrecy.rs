//! Secrets: in no log of the server or the plugin, in no audit log, in nobody else's reach.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::bao::{Extras, plugin_binary};
use crate::support::{Bao, Mount};

const NOBODY: u32 = 65_534;

const AUDIT: &str = r#"audit "file" "log" { options = { file_path = "{folder}/audit.log" } }"#;

/// A server that keeps an audit log, whose plugin logs all that it can; with more of configuration.
pub(crate) async fn talkative_server(config: &str) -> Bao {
    let bao = Bao::on_disk_with(Extras {
        config: format!("{config}\n{AUDIT}"),
        variables: vec![("MONGODBATLAS_LOG_LEVEL".to_owned(), "trace".to_owned())],
        ..Extras::default()
    })
    .await;
    let registered = bao.register(&[]).await;
    assert!(registered.ok(), "{registered:?}");
    bao
}

pub(crate) fn audit_log(bao: &Bao) -> String {
    let file: PathBuf = bao.log.file().with_file_name("audit.log");
    std::fs::read_to_string(file).expect("the audit log")
}

/// Every secret that the tour has come across.
#[derive(Default)]
struct Secrets(BTreeSet<String>);

impl Secrets {
    fn note(&mut self, data: &Value) {
        for name in [
            "private_key",
            "client_secret",
            "access_token",
            "api_key",
            "password",
        ] {
            self.0.extend(data[name].as_str().map(ToOwned::to_owned));
        }
    }
}

async fn configured(mount: &Mount, config: Value, secrets: &mut Secrets) {
    secrets.note(&config);
    let written = mount.write("config", config).await;
    assert!(written.ok(), "{written:?}");
}

async fn life_of_a_credential(mount: &Mount, kind: &str, secrets: &mut Secrets) {
    let role = json!({
        "credential_type": kind, "organization_id": mount.atlas.org(), "roles": "ORG_MEMBER",
        "ip_addresses": "192.0.2.1", "project_assignments": { mount.atlas.project(0): ["GROUP_OWNER"] },
    });
    match kind {
        "ai_model_key" | "database_user" => mount.project_role(kind, 600, 1_200).await,
        _ => mount.role(kind, role).await,
    }
    let issued = mount.issue(kind).await;
    secrets.note(issued.data());
    assert!(mount.renew(&issued.lease_id(), 0).await.ok());
    assert!(mount.revoke(&issued.lease_id()).await.ok());
}

/// What fails is told in errors and logs more than what works.
async fn failures(mount: &Mount, kind: &str) {
    for action in [
        json!({ "kind": "answer", "status": 401, "code": "X" }),
        json!({ "kind": "answer", "status": 403, "code": "ACCESS_FORBIDDEN" }),
        json!({ "kind": "malformed_json" }),
    ] {
        let fault = json!({ "method": "POST", "count": 0, "action": action });
        mount.atlas.fault(fault).await;
        let refused = mount.read(&format!("creds/{kind}")).await;
        assert!(!refused.ok(), "{kind}: {refused:?}");
        mount.atlas.no_more_faults().await;
    }
    mount.atlas.empties(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn no_log_holds_a_secret_however_much_is_logged() {
    let bao = talkative_server("").await;
    let mount = Mount::on(&bao.client()).await;
    let mut secrets = Secrets::default();
    let mut wrong = mount.atlas.key_config();
    wrong["private_key"] = json!("00000000-1111-2222-3333-444444444444");
    secrets.note(&wrong);
    assert!(!mount.write("config", wrong).await.ok());
    for config in [mount.atlas.key_config(), mount.atlas.account_config()] {
        configured(&mount, config, &mut secrets).await;
        for kind in [
            "programmatic_api_key",
            "service_account",
            "ai_model_key",
            "database_user",
        ] {
            life_of_a_credential(&mount, kind, &mut secrets).await;
            failures(&mount, kind).await;
        }
        for path in ["config", "status", "config?help=1", "creds/x"] {
            mount.read(path).await;
        }
    }
    bao.kill_plugins().await;
    while !mount.read("config").await.ok() {}
    assert!(secrets.0.len() >= 11, "{} secrets", secrets.0.len());

    let traced = "createOrgApiKey";
    let log = bao.log.once(traced, |log| log.contains(traced)).await;
    let audit = audit_log(&bao);
    assert!(log.contains("[TRACE]") && log.contains("secrets.mongodbatlas"));
    let path = format!("{}/creds/programmatic_api_key", mount.path);
    assert!(audit.contains(&path) && audit.contains("hmac-sha256:"));
    for secret in &secrets.0 {
        assert!(!log.contains(secret), "a secret is in the server's log");
        assert!(!audit.contains(secret), "a secret is in the audit log");
    }
    for text in ["Bearer ", "Authorization: ", "eyJ"] {
        let line = log
            .lines()
            .find(|line| line.contains("mongodbatlas") && line.contains(text));
        assert_eq!(line, None, "{text:?} is in the server's log");
    }
}

/// A process that may not be dumped has files in `/proc` that belong to root, whoever runs it.
#[test]
fn nobody_can_read_the_plugins_memory() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("plugin");
    std::fs::copy(plugin_binary(), &copy).unwrap();
    let readable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), readable).unwrap();
    let mut command = std::process::Command::new(&copy);
    if std::fs::metadata("/proc/self/environ").unwrap().uid() == 0 {
        command.uid(NOBODY);
    }
    let host = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut plugin = command
        .env(
            "VAULT_BACKEND_PLUGIN",
            "6669da05-b1c8-4f49-97d9-c8e5bed98e20",
        )
        .env("PLUGIN_PROTOCOL_VERSIONS", "5")
        .env("PLUGIN_CLIENT_CERT", host.cert.pem())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(plugin.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    let of_process = |name: &str| format!("/proc/{}/{name}", plugin.id());
    let owner = std::fs::metadata(of_process("mem")).map(|mem| mem.uid());
    let status = std::fs::read_to_string(of_process("status")).unwrap();
    plugin.kill().unwrap();
    plugin.wait().unwrap();
    assert!(line.contains("|grpc"), "it does not serve: {line:?}");
    let uid = status
        .lines()
        .find(|line| line.starts_with("Uid:"))
        .unwrap();
    assert_ne!(
        uid.split_whitespace().nth(1),
        Some("0"),
        "root owns its files anyway"
    );
    assert_eq!(owner.unwrap(), 0);
}

#[tokio::test]
async fn the_plugins_memory_is_written_nowhere() {
    let mount = Mount::configured().await;
    mount.org_role("r", 600, 0).await;
    mount.issue("r").await;
    let [pid] = Bao::shared().plugin_pids().try_into().expect("one plugin");
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .expect("a limit");
    let values: Vec<_> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(values, ["0", "0"], "{core}");
}

//! Where the commands of a page are run: a server on disk, the simulator, and a shell.
//!
//! The commands are run as printed, with these exceptions: the server's folders lie elsewhere,
//! `systemctl` is played, Atlas is the simulator, to which the first write of a credential is led by
//! its `base_url`, and a migration looks at its projects each second.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::page::{Block, Command, Page};
use super::printed::{difference, is_refusal};
use crate::support::bao::{Extras, command, plugin_binary};
use crate::support::{Atlas, Bao};

/// The page with the policies of all who are named in `run as`.
pub(super) const POLICIES: &str = "docs/policies.md";

/// What a command said and how it ended.
pub(super) struct Outcome {
    pub(super) ok: bool,
    pub(super) said: String,
}

/// A server with an audit device, and the simulator.
pub(super) struct Stage {
    pub(super) bao: Bao,
    pub(super) atlas: Arc<Atlas>,
    folder: TempDir,
    policies: Vec<(String, String)>,
    tokens: BTreeMap<String, String>,
}

/// What the command line of the server does here: it leads the first credential to the simulator, and
/// hurries migrations.
const BAO: &str = r#"#!/bin/bash
case " $* " in
  *" write "*mongodbatlas/config\ *public_key=* | *" write "*mongodbatlas/config\ *client_secret=*)
    exec "$REAL_BAO" "$@" "base_url=$ATLAS_URL" ;;
  *" write "*/migrations/*project_ids=*)
    exec "$REAL_BAO" "$@" interval=1s observe=10s ;;
esac
exec "$REAL_BAO" "$@"
"#;

impl Stage {
    /// A server without the plugin in its catalog.
    pub(super) async fn bare() -> Self {
        let audit =
            "audit \"file\" \"file\" {\n  options = { file_path = \"{folder}/audit.log\" }\n}\n";
        let bao = Bao::on_disk_with(Extras {
            config: audit.to_owned(),
            config_folder: true,
            ..Extras::default()
        })
        .await;
        let folder = tempfile::tempdir().expect("a folder");
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin).expect("a folder");
        put_program(&bin.join("bao"), BAO);
        let built = folder.path().join("target/release");
        std::fs::create_dir_all(&built).expect("a folder");
        let built = built.join("vault-plugin-secrets-mongodbatlas");
        std::fs::copy(plugin_binary(), built).expect("the plugin's binary");
        let mut stage = Self {
            bao,
            atlas: Arc::new(Atlas::start().await),
            folder,
            policies: Page::read(POLICIES).policies,
            tokens: BTreeMap::new(),
        };
        stage
            .tokens
            .insert("root".to_owned(), stage.bao.root_token.clone());
        for (name, text) in stage.policies.clone() {
            let path = format!("sys/policies/acl/{name}");
            let written = stage
                .bao
                .client()
                .write(&path, json!({ "policy": text }))
                .await;
            assert!(written.ok(), "policy {name}: {written:?}");
        }
        stage.set_variables().await;
        stage
    }

    /// A server with a configured mount and the roles of the first steps.
    pub(super) async fn configured() -> Self {
        let stage = Self::bare().await;
        stage.enable().await;
        stage
    }

    async fn enable(&self) {
        let client = self.bao.client();
        let file = self
            .bao
            .plugin_folder
            .join("vault-plugin-secrets-mongodbatlas_v0.1.0");
        std::fs::copy(plugin_binary(), &file).expect("the plugin's binary");
        let bytes = std::fs::read(&file).expect("the plugin's binary");
        let plugin = json!({
            "command": "vault-plugin-secrets-mongodbatlas_v0.1.0",
            "sha256": crate::support::bao::sha256(&bytes),
        });
        let auditor = json!({
            "organization_id": self.atlas.org(), "roles": "ORG_READ_ONLY",
            "ip_addresses": "127.0.0.1", "ttl": "30m", "max_ttl": "2h",
        });
        for (path, body) in [
            ("sys/plugins/catalog/secret/mongodbatlas", plugin),
            ("sys/mounts/mongodbatlas", json!({ "type": "mongodbatlas" })),
            ("mongodbatlas/config", self.atlas.key_config()),
            ("mongodbatlas/roles/auditor", auditor),
        ] {
            let written = client.write(path, body).await;
            assert!(written.ok(), "{path}: {written:?}");
        }
    }

    async fn set_variables(&self) {
        let account = json!({
            "org_id": self.atlas.org(), "org_roles": ["ORG_MEMBER"], "name": "seed",
        });
        let account = self.atlas.control("POST", "/accounts", account).await;
        let key = self.atlas.key_config();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let bin = self.folder.path().join("bin");
        let path = std::env::var("PATH").unwrap_or_default();
        let variables = [
            ("PATH", format!("{}:{path}", bin.display())),
            ("HOME", self.folder.path().display().to_string()),
            ("REAL_BAO", command().display().to_string()),
            ("BAO_ADDR", self.bao.address.clone()),
            ("NO_PROXY", "127.0.0.1,localhost".to_owned()),
            ("no_proxy", "127.0.0.1,localhost".to_owned()),
            ("ATLAS_URL", self.atlas.api().to_owned()),
            ("CONTROL", self.atlas.control_url().to_owned()),
            ("ORG", self.atlas.org().to_owned()),
            ("ALPHA", self.atlas.project(0).to_owned()),
            ("BETA", self.atlas.project(1).to_owned()),
            ("GAMMA", self.atlas.project(2).to_owned()),
            ("ATLAS_PUBLIC_KEY", text(&key["public_key"])),
            ("ATLAS_PRIVATE_KEY", text(&key["private_key"])),
            ("CLIENT_ID", text(&account["client_id"])),
            ("CLIENT_SECRET", text(&account["client_secret"])),
        ];
        let lines = variables
            .iter()
            .map(|(name, value)| format!("export {name}='{value}'\n"));
        std::fs::write(self.environment(), lines.collect::<String>()).expect("the variables");
    }

    /// The variables of the shell, from one command to the next.
    fn environment(&self) -> PathBuf {
        self.folder.path().join("environment")
    }

    /// Where a command of this name would be found.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.path().join("bin").join(name)
    }

    /// Sets a variable of the shell.
    pub(super) async fn set(&mut self, name: &str, value: &str) {
        let outcome = self.run("root", &format!("{name}='{value}'")).await;
        assert!(outcome.ok, "{name}: {}", outcome.said);
    }

    /// A token of somebody with the policy of this name: of `docs/policies.md`, or one that the page
    /// loaded before. `NAME@NAMESPACE` is somebody in a namespace, where the policy is loaded as it stands.
    pub(super) async fn token(&mut self, who: &str) -> String {
        if let Some(token) = self.tokens.get(who) {
            return token.clone();
        }
        let (policy, place) = who.split_once('@').unwrap_or((who, ""));
        let at = |path: &str| {
            if place.is_empty() {
                path.to_owned()
            } else {
                format!("{place}/{path}")
            }
        };
        let path = at(&format!("sys/policies/acl/{policy}"));
        let client = self.bao.client();
        let given = self.policies.iter().find(|(name, _)| name == policy);
        if let Some((_, text)) = given.filter(|_| !place.is_empty()) {
            let written = client.write(&path, json!({ "policy": text })).await;
            assert!(written.ok(), "{who}: {written:?}");
        }
        let known = client.read(&path).await;
        assert!(
            known.ok(),
            "neither {POLICIES} nor the page has a policy {who}"
        );
        let body = json!({ "policies": [policy], "display_name": policy });
        let made = client.write(&at("auth/token/create"), body).await;
        let token = made.body["auth"]["client_token"]
            .as_str()
            .expect("a token")
            .to_owned();
        self.tokens.insert(who.to_owned(), token.clone());
        token
    }

    /// Runs all of a page; each command must end and say as the page prints.
    pub(super) async fn play(&mut self, page: &Page) {
        for block in &page.blocks {
            match block {
                Block::Run { who, commands } => {
                    for command in commands {
                        self.check(who, command).await;
                    }
                }
                Block::Setup(commands) => {
                    for command in commands {
                        self.check("root", command).await;
                    }
                }
                Block::NotRun => {}
            }
        }
    }

    async fn check(&mut self, who: &str, command: &Command) {
        let outcome = self.run(who, &command.text).await;
        let (place, text, said) = (&command.place, &command.text, &outcome.said);
        assert_eq!(
            outcome.ok,
            !is_refusal(&command.printed),
            "{place}: as {who}: {text}\n{said}"
        );
        if let Some(difference) = difference(&command.printed, said) {
            panic!("{place}: {text}: the page prints {difference}:\n{said}");
        }
    }

    /// Runs one command with the token of `who`.
    pub(super) async fn run(&mut self, who: &str, text: &str) -> Outcome {
        match text {
            "systemctl reload openbao" => {
                self.bao.reload_config().await;
                Outcome {
                    ok: true,
                    said: String::new(),
                }
            }
            "systemctl restart openbao" => {
                self.bao.restart_as_it_comes().await;
                Outcome {
                    ok: true,
                    said: String::new(),
                }
            }
            _ => {
                let token = self.token(who).await;
                self.shell(&token, text).await
            }
        }
    }

    async fn shell(&self, token: &str, text: &str) -> Outcome {
        let environment = self.environment();
        let environment = environment.display();
        let text = self.placed(text);
        let script = format!(
            ". '{environment}'\nexport BAO_TOKEN='{token}'\nset -a\n{text}\nstatus=$?\nset +a\n\
             export -p >'{environment}'\ndeclare -f >>'{environment}'\nexit $status\n"
        );
        let run = tokio::process::Command::new("bash")
            .args(["-c", &format!("exec 2>&1\n{script}")])
            .env_clear()
            .current_dir(self.folder.path())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_mins(3), run)
            .await
            .unwrap_or_else(|_| panic!("{text} does not end"))
            .expect("bash");
        Outcome {
            ok: output.status.success(),
            said: String::from_utf8_lossy(&output.stdout).into_owned(),
        }
    }

    /// The command with the folders of this stage.
    fn placed(&self, text: &str) -> String {
        let plugins = self.bao.plugin_folder.display().to_string();
        let config = self.bao.config_folder().display().to_string();
        let audit = self
            .bao
            .log
            .file()
            .with_file_name("audit.log")
            .display()
            .to_string();
        text.replace("/opt/openbao/plugins", &plugins)
            .replace("/etc/openbao", &config)
            .replace(
                "/etc/atlas",
                &self.folder.path().join("atlas").display().to_string(),
            )
            .replace("/var/log/openbao/audit.log", &audit)
            .replace(
                "/var/log/openbao/openbao.log",
                &self.bao.log.file().display().to_string(),
            )
            .replace("https://cloud.mongodb.com", self.atlas.api())
    }
}

pub(super) fn put_program(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).expect("a program");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("its mode");
}

//! A real server, started for the tests, and the few calls of its API that they need.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::clock::{PluginClock, Turning};
use super::log::Log;
pub(crate) use super::on_disk::{Extras, raft_config, start_on_disk};
use super::process::{Guarded, binaries, signal, wait_for};

/// Command of the server: `BAO` names it, else PATH is searched.
pub(crate) fn command() -> PathBuf {
    std::env::var_os("BAO").map_or_else(|| PathBuf::from("bao"), PathBuf::from)
}

/// An answer of the server's API.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    /// The answer's data, of a request that must succeed.
    #[track_caller]
    pub(crate) fn data(&self) -> &Value {
        assert!(self.ok(), "the request failed: {self:?}");
        &self.body["data"]
    }

    pub(crate) fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// All error texts in one.
    pub(crate) fn errors(&self) -> String {
        let texts = self.body["errors"].as_array().cloned().unwrap_or_default();
        texts
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join("; ")
    }

    /// All warnings in one.
    pub(crate) fn warnings(&self) -> String {
        let texts = self.body["warnings"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        texts
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join("; ")
    }

    #[track_caller]
    pub(crate) fn lease_id(&self) -> String {
        assert!(self.ok(), "the request failed: {self:?}");
        self.body["lease_id"]
            .as_str()
            .expect("a lease id")
            .to_owned()
    }
}

/// Makes calls with one token.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) address: String,
    pub(crate) token: String,
    http: reqwest::Client,
}

impl Client {
    pub(crate) fn new(address: &str, token: &str) -> Self {
        Self {
            address: address.to_owned(),
            token: token.to_owned(),
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("an HTTP client"),
        }
    }

    /// The same server with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// The same, over connections made in another way.
    pub(crate) fn over(&self, http: reqwest::ClientBuilder) -> Self {
        Self {
            http: http.no_proxy().build().expect("an HTTP client"),
            ..self.clone()
        }
    }

    /// The same, from another address of this machine.
    pub(crate) fn from(&self, address: [u8; 4]) -> Self {
        self.over(reqwest::Client::builder().local_address(std::net::IpAddr::from(address)))
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let answer = self.try_call(method, path, body).await;
        answer.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The same, of a server that may be killed meanwhile.
    pub(crate) async fn try_call(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer, reqwest::Error> {
        let method: reqwest::Method = method.parse().expect("a method");
        let url = format!("{}/v1/{path}", self.address);
        let kind = if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let mut request = self
            .http
            .request(method, url)
            .timeout(Duration::from_mins(2))
            .header("X-Vault-Token", &self.token);
        if let Some(body) = body {
            request = request.header("Content-Type", kind).body(body.to_string());
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap_or_default();
        Ok(Answer {
            status,
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        })
    }

    /// What the server says it is: `[2, 7, 2]`.
    pub(crate) async fn server_version(&self) -> [u32; 3] {
        let health = self.read("sys/health?standbyok=true").await;
        let version = health.body["version"].as_str().expect("a version");
        let numbers = version.split(['.', '-', '+']).map(str::parse);
        let numbers: Vec<u32> = numbers.map_while(Result::ok).collect();
        numbers.try_into().expect("three numbers")
    }

    /// Whether the server finds the spelling of a path before its policies and plugins see it.
    pub(crate) async fn resolves_paths(&self) -> bool {
        self.server_version().await >= [2, 7, 0]
    }

    pub(crate) async fn read(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    pub(crate) async fn write(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, None).await
    }

    pub(crate) async fn list(&self, path: &str) -> Answer {
        self.call("LIST", path, None).await
    }
}

/// A running server.
pub(crate) struct Bao {
    pub(crate) address: String,
    pub(crate) root_token: String,
    pub(crate) log: Log,
    pub(crate) plugin_folder: PathBuf,
    /// Turns the clock of the plugin, not of the server; only of servers started for it.
    pub(crate) clock: Option<PluginClock>,
    pub(super) unseal_key: String,
    pub(super) config_file: Option<PathBuf>,
    pub(super) variables: Vec<(String, String)>,
    /// Removed with the server.
    pub(super) _folder: TempDir,
    pub(super) process: Guarded,
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// The plugin under test: the one of this build, or the one that `PLUGIN_BINARY` names.
pub(crate) fn plugin_binary() -> PathBuf {
    let built = || binaries().join("vault-plugin-secrets-mongodbatlas");
    std::env::var_os("PLUGIN_BINARY").map_or_else(built, PathBuf::from)
}

/// Puts the plugin into `folder` under the name by which mounts find it.
pub(crate) fn place_plugin(folder: &std::path::Path) {
    std::fs::create_dir_all(folder).expect("the plugin folder");
    std::fs::copy(plugin_binary(), folder.join("mongodbatlas")).expect("the plugin's binary");
}

impl Bao {
    /// A development server with our binary in its plugin folder under the name `mongodbatlas`.
    pub(crate) fn dev() -> Self {
        Self::start_dev(None)
    }

    /// The same, with a clock of the plugin that can be turned: time passes for it.
    pub(crate) fn dev_with_clock() -> Self {
        Self::start_dev(Some(Turning::Passes))
    }

    /// The same, with a clock of the plugin that can be set wrong.
    pub(crate) fn dev_with_wrong_clock() -> Self {
        Self::start_dev(Some(Turning::IsSet))
    }

    fn start_dev(turning: Option<Turning>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let plugin_folder = folder.path().join("plugins");
        place_plugin(&plugin_folder);
        let log = folder.path().join("bao.log");
        let port = free_port();
        let address = format!("http://127.0.0.1:{port}");
        let clock = turning.map(|turning| PluginClock::new(folder.path(), turning));
        let process = Guarded::start(
            &command(),
            &[
                "server",
                "-dev",
                "-dev-root-token-id=root",
                "-log-level=trace",
                &format!("-dev-listen-address=127.0.0.1:{port}"),
                &format!("-dev-plugin-dir={}", plugin_folder.display()),
            ],
            &clock
                .as_ref()
                .map(PluginClock::variables)
                .unwrap_or_default(),
            &log,
        );
        let bao = Self {
            address,
            root_token: "root".to_owned(),
            log: Log::in_file(log),
            plugin_folder,
            clock,
            unseal_key: String::new(),
            config_file: None,
            variables: Vec::new(),
            _folder: folder,
            process,
        };
        bao.wait_until_it_answers();
        bao
    }

    fn wait_until_it_answers(&self) {
        let port = self.address.rsplit(':').next().expect("a port").to_owned();
        let up = wait_for(|| {
            let log = self.log.text();
            (log.contains("core: vault is unsealed") || log.contains("post-unseal setup complete"))
                .then_some(())?;
            std::net::TcpStream::connect(format!("127.0.0.1:{port}")).ok()
        });
        assert!(
            up.is_some(),
            "the server did not start:\n{}",
            self.log.text()
        );
    }

    /// The one server that most tests share; each has its own mount.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Bao> = OnceLock::new();
        SHARED.get_or_init(Self::dev)
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.address, &self.root_token)
    }

    /// Pids of the plugin processes that this server started.
    pub(crate) fn plugin_pids(&self) -> Vec<i32> {
        self.process.plugin_pids()
    }

    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Sends a signal to the plugin processes.
    pub(crate) fn signal_plugins(&self, name: &str) {
        for pid in self.plugin_pids() {
            signal(pid, name);
        }
    }

    /// Kills the plugin processes as the kernel would, and waits until the server has noticed.
    pub(crate) async fn kill_plugins(&self) {
        self.signal_plugins("KILL");
        while !self.plugin_pids().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The command's agent with this configuration.
pub(crate) fn agent(config: &std::path::Path, log: &std::path::Path) -> Guarded {
    let config = format!("-config={}", config.display());
    Guarded::start(&command(), &["agent", &config], &[], log)
}

/// Registers the plugin of `folder` in the catalog under the name `mongodbatlas`.
pub(crate) async fn register(
    client: &Client,
    folder: &std::path::Path,
    arguments: &[&str],
) -> Answer {
    register_file(client, folder, "mongodbatlas", arguments).await
}

/// Registers this file of `folder` in the catalog under the name `mongodbatlas`.
pub(crate) async fn register_file(
    client: &Client,
    folder: &std::path::Path,
    command: &str,
    arguments: &[&str],
) -> Answer {
    register_as("mongodbatlas", client, folder, command, arguments).await
}

/// Registers this file of `folder` in the catalog under this name.
pub(crate) async fn register_as(
    name: &str,
    client: &Client,
    folder: &std::path::Path,
    command: &str,
    arguments: &[&str],
) -> Answer {
    let file = std::fs::read(folder.join(command)).expect("the plugin");
    let body = json!({ "sha256": sha256(&file), "command": command, "args": arguments });
    client
        .write(&format!("sys/plugins/catalog/secret/{name}"), body)
        .await
}

/// The checksum by which a plugin is registered.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut child = std::process::Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("sha256sum");
    let mut input = child.stdin.take().expect("standard input");
    std::io::Write::write_all(&mut input, bytes).expect("the bytes");
    drop(input);
    let output = child.wait_with_output().expect("a sum");
    String::from_utf8_lossy(&output.stdout)
        .split(' ')
        .next()
        .expect("a sum")
        .to_owned()
}

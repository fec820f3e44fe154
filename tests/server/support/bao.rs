//! A real server, started for the tests, and the few calls of its API that they need.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::{Guarded, binaries, wait_for};

/// Command of the server: `BAO` names it, else PATH is searched.
fn command() -> PathBuf {
    std::env::var_os("BAO").map_or_else(|| PathBuf::from("bao"), PathBuf::from)
}

/// An answer of the server's API.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// The answer's data, of a request that must succeed.
    #[track_caller]
    pub fn data(&self) -> &Value {
        assert!(self.ok(), "the request failed: {self:?}");
        &self.body["data"]
    }

    pub fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// All error texts in one.
    pub fn errors(&self) -> String {
        let texts = self.body["errors"].as_array().cloned().unwrap_or_default();
        texts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
    }

    /// All warnings in one.
    pub fn warnings(&self) -> String {
        let texts = self.body["warnings"].as_array().cloned().unwrap_or_default();
        texts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
    }

    #[track_caller]
    pub fn lease_id(&self) -> String {
        assert!(self.ok(), "the request failed: {self:?}");
        self.body["lease_id"].as_str().expect("a lease id").to_owned()
    }
}

/// Makes calls with one token.
#[derive(Clone)]
pub struct Client {
    pub address: String,
    pub token: String,
    http: reqwest::Client,
}

impl Client {
    pub fn new(address: &str, token: &str) -> Self {
        Self {
            address: address.to_owned(),
            token: token.to_owned(),
            http: reqwest::Client::builder().no_proxy().build().expect("an HTTP client"),
        }
    }

    /// The same server with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
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
            .timeout(Duration::from_secs(120))
            .header("X-Vault-Token", &self.token);
        if let Some(body) = body {
            request = request.header("Content-Type", kind).body(body.to_string());
        }
        let answer = request.send().await.unwrap_or_else(|error| panic!("{path}: {error}"));
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap_or_default();
        Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    pub async fn read(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    pub async fn write(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, None).await
    }

    pub async fn list(&self, path: &str) -> Answer {
        self.call("LIST", path, None).await
    }

    /// A request that must succeed.
    #[track_caller]
    pub fn must(answer: Answer) -> Answer {
        assert!(answer.ok(), "the request failed: {answer:?}");
        answer
    }
}

/// A running server.
pub struct Bao {
    pub address: String,
    pub root_token: String,
    pub log: PathBuf,
    pub plugin_folder: PathBuf,
    _folder: TempDir,
    process: Guarded,
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Puts the plugin into `folder` under the name by which mounts find it.
fn place_plugin(folder: &std::path::Path) {
    std::fs::create_dir_all(folder).expect("the plugin folder");
    let plugin = binaries().join("vault-plugin-secrets-mongodbatlas");
    std::fs::copy(plugin, folder.join("mongodbatlas")).expect("the plugin's binary");
}

impl Bao {
    /// A development server with our binary in its plugin folder under the name `mongodbatlas`.
    pub fn dev() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let plugin_folder = folder.path().join("plugins");
        place_plugin(&plugin_folder);
        let log = folder.path().join("bao.log");
        let port = free_port();
        let address = format!("http://127.0.0.1:{port}");
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
            &log,
        );
        let bao = Self {
            address,
            root_token: "root".to_owned(),
            log,
            plugin_folder,
            _folder: folder,
            process,
        };
        bao.wait_until_it_answers();
        bao
    }

    fn wait_until_it_answers(&self) {
        let port = self.address.rsplit(':').next().expect("a port").to_owned();
        let up = wait_for(|| {
            let log = std::fs::read_to_string(&self.log).ok()?;
            (log.contains("core: vault is unsealed") || log.contains("post-unseal setup complete"))
                .then_some(())?;
            std::net::TcpStream::connect(format!("127.0.0.1:{port}")).ok()
        });
        assert!(up.is_some(), "the server did not start:\n{}", self.log_text());
    }

    /// The one server that most tests share; each has its own mount.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Bao> = OnceLock::new();
        SHARED.get_or_init(Self::dev)
    }

    pub fn client(&self) -> Client {
        Client::new(&self.address, &self.root_token)
    }

    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Pids of the plugin processes that this server started.
    pub fn plugin_pids(&self) -> Vec<i32> {
        let listing = std::process::Command::new("pgrep")
            .args(["-P", &self.process.pid.to_string(), "-f", "mongodbatlas"])
            .output()
            .expect("pgrep");
        String::from_utf8_lossy(&listing.stdout).lines().filter_map(|pid| pid.parse().ok()).collect()
    }

    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Kills the plugin processes as the kernel would.
    pub fn kill_plugins(&self) {
        for pid in self.plugin_pids() {
            let _ = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
    }
}

/// A secrets engine's mount body.
pub fn mount_body() -> Value {
    json!({ "type": "mongodbatlas" })
}

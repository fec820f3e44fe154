//! A server with raft storage: it can be killed, restarted and configured anew.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::bao::{Answer, Bao, command, free_port, place_plugin, register};
use super::clock::{PluginClock, Turning};
use super::log::Log;
use super::process::{Guarded, wait_for};

/// What a server on disk is started with beside the usual.
#[derive(Default)]
pub(crate) struct Extras {
    /// Whether the plugin's clock can be turned.
    pub(crate) turnable: bool,
    /// Lines of the server's configuration; `{folder}` in it is the server's own folder.
    pub(crate) config: String,
    /// Whether the server reads every file of a folder, so that a test can add to its configuration.
    pub(crate) config_folder: bool,
    pub(crate) variables: Vec<(String, String)>,
}

/// Configuration of a raft node whose data lie in `folder`, with its address. `slowness` multiplies
/// the times after which a silent leader is given up.
pub(crate) fn raft_config(
    folder: &std::path::Path,
    plugin_folder: &std::path::Path,
    name: &str,
    slowness: u8,
) -> (String, String) {
    let data = folder.join("data");
    std::fs::create_dir_all(&data).expect("the data folder");
    let (port, cluster_port) = (free_port(), free_port());
    let address = format!("http://127.0.0.1:{port}");
    let config = format!(
        "storage \"raft\" {{ path = \"{}\" node_id = \"{name}\" performance_multiplier = {slowness} }}\n\
         listener \"tcp\" {{ address = \"127.0.0.1:{port}\" tls_disable = true \
         cluster_address = \"127.0.0.1:{cluster_port}\" }}\n\
         api_addr = \"{address}\"\ncluster_addr = \"http://127.0.0.1:{cluster_port}\"\n\
         plugin_directory = \"{}\"\nlog_level = \"trace\"\n",
        data.display(),
        plugin_folder.display()
    );
    (config, address)
}

impl Bao {
    /// A server with raft storage, initialized and unsealed, without any plugin registered.
    pub(crate) async fn on_disk() -> Self {
        Self::on_disk_with(Extras::default()).await
    }

    /// The same with more configuration.
    pub(crate) async fn on_disk_with(extras: Extras) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let plugin_folder = folder.path().join("plugins");
        place_plugin(&plugin_folder);
        let (config, address) = raft_config(folder.path(), &plugin_folder, "one", 1);
        let own_folder = folder.path().display().to_string();
        let config = config + &extras.config.replace("{folder}", &own_folder);
        let mut file = folder.path().join("bao.hcl");
        if extras.config_folder {
            let config_folder = folder.path().join("config");
            std::fs::create_dir(&config_folder).expect("the folder of the configuration");
            std::fs::write(config_folder.join("bao.hcl"), config).expect("the configuration");
            file = config_folder;
        } else {
            std::fs::write(&file, config).expect("the configuration");
        }
        let log = folder.path().join("bao.log");
        let clock = extras
            .turnable
            .then(|| PluginClock::new(folder.path(), Turning::Passes));
        let mut variables = extras.variables;
        variables.extend(clock.iter().flat_map(PluginClock::variables));
        let process = start_on_disk(&file, &variables, &log);
        let mut bao = Self {
            address,
            root_token: String::new(),
            log: Log::in_file(log),
            plugin_folder,
            clock,
            unseal_key: String::new(),
            config_file: Some(file),
            variables,
            _folder: folder,
            process,
        };
        bao.wait_until_it_listens();
        let body = json!({ "secret_shares": 1, "secret_threshold": 1 });
        let answer = bao.client().call("PUT", "sys/init", Some(body)).await;
        bao.root_token = answer.body["root_token"]
            .as_str()
            .expect("a root token")
            .to_owned();
        bao.unseal_key = answer.body["keys"][0].as_str().expect("a key").to_owned();
        bao.unseal().await;
        bao
    }

    fn wait_until_it_listens(&self) {
        let address = self.address.trim_start_matches("http://").to_owned();
        let up = wait_for(|| std::net::TcpStream::connect(&address).ok());
        assert!(
            up.is_some(),
            "the server did not start:\n{}",
            self.log.text()
        );
    }

    /// Unseals, and waits until the server is active.
    pub(crate) async fn unseal(&self) {
        let client = self.client();
        let unsealed = client
            .call("PUT", "sys/unseal", Some(json!({ "key": self.unseal_key })))
            .await;
        assert!(unsealed.ok(), "{unsealed:?}");
        for _ in 0..600 {
            if client.read("sys/health").await.status == 200 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the server did not become active:\n{}", self.log.text());
    }

    /// Gives the unseal key, whatever comes of it.
    pub(crate) async fn try_unseal(&self) {
        let key = json!({ "key": self.unseal_key });
        self.client().call("PUT", "sys/unseal", Some(key)).await;
    }

    /// Ends the server as the kernel would, and starts it anew on the same storage.
    pub(crate) async fn crash_and_restart(&mut self) {
        self.process.signal("KILL");
        self.start_again().await;
    }

    /// Ends the server in an orderly way, and starts it anew on the same storage.
    pub(crate) async fn restart(&mut self) {
        self.process.signal("TERM");
        self.process.wait();
        self.start_again().await;
    }

    /// Ends the server as the kernel would, starts it anew, and ends it again so long after its first
    /// plugin process came up. It has to be started once more.
    pub(crate) async fn crash_and_crash_in_the_start(&mut self, after: Duration) {
        self.process.signal("KILL");
        self.start_listening();
        let client = self.client();
        let key = json!({ "key": self.unseal_key });
        let unsealing = client.try_call("PUT", "sys/unseal", Some(key));
        let killing = async {
            for _ in 0..1_000 {
                if !self.plugin_pids().is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            tokio::time::sleep(after).await;
            self.process.signal("KILL");
        };
        let _ = tokio::join!(unsealing, killing);
    }

    /// Starts a server anew that was killed, on the same storage.
    pub(crate) async fn start_after_a_kill(&mut self) {
        self.start_again().await;
    }

    async fn start_again(&mut self) {
        self.start_listening();
        self.unseal().await;
    }

    /// Starts the server anew once it has ended.
    fn start_listening(&mut self) {
        self.process.wait();
        let file = self.config_file.clone().expect("a server on disk");
        self.process = start_on_disk(&file, &self.variables, self.log.file());
        self.wait_until_it_listens();
    }

    /// Ends the server in an orderly way, and starts another one from a copy of its storage, as a
    /// restore from a snapshot does, with these variables in its environment. It has to be unsealed.
    pub(crate) fn end_and_copy(&mut self, variables: &[(&str, &str)]) -> Self {
        self.process.signal("TERM");
        self.process.wait();
        let folder = tempfile::tempdir().expect("a folder");
        let own = self.config_file.as_deref().and_then(Path::parent);
        copy_folder(
            &own.expect("a server on disk").join("data"),
            &folder.path().join("data"),
        );
        let (config, address) = raft_config(folder.path(), &self.plugin_folder, "one", 1);
        let file = folder.path().join("bao.hcl");
        std::fs::write(&file, config).expect("the configuration");
        let log = folder.path().join("bao.log");
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables: Vec<_> = variables.iter().map(owned).collect();
        let process = start_on_disk(&file, &variables, &log);
        let copy = Self {
            address,
            root_token: self.root_token.clone(),
            log: Log::in_file(log),
            plugin_folder: self.plugin_folder.clone(),
            clock: None,
            unseal_key: self.unseal_key.clone(),
            config_file: Some(file),
            variables,
            _folder: folder,
            process,
        };
        copy.wait_until_it_listens();
        copy
    }

    /// The folder whose files are the server's configuration.
    pub(crate) fn config_folder(&self) -> &std::path::Path {
        self.config_file.as_deref().expect("a server on disk")
    }

    /// Has the server read its configuration again, and waits until it has.
    pub(crate) async fn reload_config(&self) {
        let read = || self.log.text().matches("notification=READY=1").count();
        let before = read();
        self.signal("HUP");
        for _ in 0..600 {
            if read() > before {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the server does not reload:\n{}", self.log.text());
    }

    /// Ends the server in an orderly way and starts it anew, whether or not it becomes active.
    pub(crate) async fn restart_as_it_comes(&mut self) {
        self.process.signal("TERM");
        self.start_listening();
        self.try_unseal().await;
        for _ in 0..100 {
            if self.client().read("sys/health").await.status == 200 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Registers the plugin in the catalog under the name `mongodbatlas`.
    pub(crate) async fn register(&self, arguments: &[&str]) -> Answer {
        register(&self.client(), &self.plugin_folder, arguments).await
    }

    /// Has every mount of the name `mongodbatlas` start its plugin anew.
    pub(crate) async fn reload(&self) {
        let body = json!({ "plugin": "mongodbatlas" });
        let client = self.client();
        let reloaded = client.write("sys/plugins/reload/backend", body).await;
        assert!(reloaded.ok(), "{reloaded:?}");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a file is copied");
        }
    }
}

/// Starts a server with this configuration file and these variables.
pub(crate) fn start_on_disk(
    config: &std::path::Path,
    variables: &[(String, String)],
    log: &std::path::Path,
) -> Guarded {
    let config = format!("-config={}", config.display());
    Guarded::start(&command(), &["server", &config], variables, log)
}

//! Several servers with raft storage on loopback that make up one cluster.
//!
//! All nodes run the plugin of one folder, and the clocks of their plugins turn together.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::Client;
use super::bao::{place_plugin, raft_config, register, start_on_disk};
use super::clock::{PluginClock, Turning};
use super::log::Log;
use super::process::{Guarded, signal, wait_for};

/// An election may take half a minute, with the slowness below.
const BUDGET: Duration = Duration::from_mins(3);

/// A leader is lost by the test's will alone, not by a busy machine: once the plugins' clocks are
/// turned none can be started, since the server finds its certificate not valid yet.
const SLOWNESS: u8 = 5;

/// One server of the cluster.
pub(crate) struct Node {
    address: String,
    pub(crate) log: Log,
    process: Guarded,
}

/// Servers of which one is active; the first is so at the start.
pub(crate) struct Cluster {
    pub(crate) clock: PluginClock,
    pub(crate) nodes: Vec<Node>,
    root_token: String,
    /// Removed with the cluster.
    folder: TempDir,
}

/// Processes that stand still; a server cannot end before its plugin goes on.
pub(crate) struct Stopped(Vec<i32>);

impl Drop for Stopped {
    fn drop(&mut self) {
        for pid in &self.0 {
            signal(*pid, "CONT");
        }
    }
}

impl Node {
    fn start(folder: &Path, plugins: &Path, clock: &PluginClock, name: &str) -> Self {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).expect("the node's folder");
        let (config, address) = raft_config(&folder, plugins, name, SLOWNESS);
        let file = folder.join("bao.hcl");
        std::fs::write(&file, config).expect("the configuration");
        let log = folder.join("bao.log");
        let process = start_on_disk(&file, &clock.variables(), &log);
        let node = Self {
            address,
            log: Log::in_file(log),
            process,
        };
        let place = node.address.trim_start_matches("http://");
        let up = wait_for(|| std::net::TcpStream::connect(place).ok());
        assert!(up.is_some(), "{name} did not start:\n{}", node.last_words());
        node
    }

    /// The last of the log, for the message of a failed test.
    fn last_words(&self) -> String {
        let text = self.log.text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Ends the server as the kernel would.
    pub(crate) fn kill(&self) {
        self.process.signal("KILL");
    }

    /// Stops the plugin processes of this node until the value is dropped.
    pub(crate) fn stop_plugins(&self) -> Stopped {
        let pids = self.process.plugin_pids();
        for pid in &pids {
            signal(*pid, "STOP");
        }
        Stopped(pids)
    }

    fn client(&self, token: &str) -> Client {
        Client::new(&self.address, token)
    }

    async fn joins(&self, leader: &str, unseal_key: &str) {
        let client = self.client("");
        let body = json!({ "leader_api_addr": leader });
        let joined = client.write("sys/storage/raft/join", body).await;
        assert!(joined.ok(), "{joined:?}");
        let give_up = Instant::now() + BUDGET;
        // A first key only answers the leader's challenge, and may come before the challenge does.
        loop {
            let body = json!({ "key": unseal_key });
            let _ = client.call("PUT", "sys/unseal", Some(body)).await;
            if client.read("sys/seal-status").await.body["sealed"] == json!(false) {
                return;
            }
            assert!(
                Instant::now() < give_up,
                "does not join:\n{}",
                self.last_words()
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Cluster {
    /// This many nodes, unsealed, with the plugin registered.
    pub(crate) async fn start(count: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let plugins = folder.path().join("plugins");
        place_plugin(&plugins);
        let clock = PluginClock::new(folder.path(), Turning::Passes);
        let start = |number| Node::start(folder.path(), &plugins, &clock, &format!("n{number}"));
        let first = start(0);
        let body = json!({ "secret_shares": 1, "secret_threshold": 1 });
        let answer = first
            .client("")
            .call("PUT", "sys/init", Some(body))
            .await
            .body;
        let root_token = answer["root_token"].as_str().expect("a token").to_owned();
        let unseal_key = answer["keys"][0].as_str().expect("a key").to_owned();
        let body = json!({ "key": unseal_key });
        let unsealed = first.client("").call("PUT", "sys/unseal", Some(body)).await;
        assert!(unsealed.ok(), "{unsealed:?}");
        let mut cluster = Self {
            clock,
            nodes: vec![first],
            root_token,
            folder,
        };
        cluster.leader().await;
        for number in 1..count {
            let folder = cluster.folder.path();
            let node = Node::start(folder, &plugins, &cluster.clock, &format!("n{number}"));
            node.joins(&cluster.nodes[0].address, &unseal_key).await;
            cluster.nodes.push(node);
        }
        let registered = register(&cluster.client(0), &plugins, &[]).await;
        assert!(registered.ok(), "{registered:?}");
        cluster.all_vote().await;
        cluster
    }

    /// Waits until every node may become the leader; a new one is watched for some seconds first.
    async fn all_vote(&self) {
        let give_up = Instant::now() + BUDGET;
        loop {
            let path = "sys/storage/raft/configuration";
            let answer = self.client(0).read(path).await;
            let servers = answer.data()["config"]["servers"].as_array().cloned();
            let voters = servers.unwrap_or_default();
            let voters = voters
                .iter()
                .filter(|server| server["voter"] == json!(true));
            if voters.count() == self.nodes.len() {
                return;
            }
            assert!(Instant::now() < give_up, "some do not vote: {answer:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub(crate) fn client(&self, node: usize) -> Client {
        self.nodes[node].client(&self.root_token)
    }

    /// Removes a node that has been killed.
    pub(crate) fn bury(&mut self, node: usize) {
        drop(self.nodes.remove(node));
    }

    /// Waits until a node is active, and tells which.
    pub(crate) async fn leader(&self) -> usize {
        let give_up = Instant::now() + BUDGET;
        while Instant::now() < give_up {
            for number in 0..self.nodes.len() {
                let client = self.client(number);
                let leader = client.read("sys/leader").await;
                if leader.body["is_self"] == Value::Bool(true)
                    && client.read("sys/health").await.status == 200
                {
                    return number;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no node became active:\n{}", self.nodes[0].last_words());
    }
}

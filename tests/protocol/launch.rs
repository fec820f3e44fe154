//! The plugin's process: what it is started with, what it prints, how it ends.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader},
    process::{Child, ChildStderr, ChildStdout, Command},
    task::JoinSet,
    time::timeout,
};

use crate::identity::Identity;

/// The magic cookie of secrets engines.
pub(crate) const COOKIE: (&str, &str) = (
    "VAULT_BACKEND_PLUGIN",
    "6669da05-b1c8-4f49-97d9-c8e5bed98e20",
);
/// Longer than anything but the end after the host's death may take.
const BUDGET: Duration = Duration::from_secs(15);

/// What a host starts the plugin with; a test changes it before the start.
pub(crate) struct Launch {
    /// The host's certificate and key.
    pub(crate) identity: Identity,
    variables: BTreeMap<String, String>,
    arguments: Vec<OsString>,
    starter: Vec<String>,
    folder: TempDir,
}

impl Launch {
    /// As a current server starts a plugin.
    pub(crate) fn new() -> Self {
        let identity = Identity::generate();
        let folder = tempfile::tempdir().expect("a folder for the sockets");
        let launch = Self {
            identity,
            variables: BTreeMap::new(),
            arguments: Vec::new(),
            starter: Vec::new(),
            folder,
        };
        let (certificate, sockets) = (launch.identity.pem.clone(), launch.folder());
        launch
            .variable(COOKIE.0, COOKIE.1)
            .variable("PLUGIN_PROTOCOL_VERSIONS", "5")
            .variable("PLUGIN_CLIENT_CERT", &certificate)
            .variable("PLUGIN_MIN_PORT", "10000")
            .variable("PLUGIN_MAX_PORT", "25000")
            .variable("TMPDIR", &sockets.display().to_string())
    }

    /// The folder that is the plugin's temporary one, for it alone.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Sets an environment variable; the plugin gets no others.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Takes an environment variable away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// Adds an argument.
    pub(crate) fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Has other commands start the binary, each the next.
    pub(crate) fn started_by(mut self, starter: &[&str]) -> Self {
        let starter = starter.iter().map(|command| (*command).to_owned());
        self.starter.extend(starter);
        self
    }

    /// Starts the binary and does no more.
    pub(crate) fn spawn(self) -> Process {
        let binary = env!("CARGO_BIN_EXE_vault-plugin-secrets-mongodbatlas");
        let starter = self.starter.iter().map(String::as_str);
        let mut command = starter.chain([binary]);
        let mut child = Command::new(command.next().unwrap_or(binary))
            .args(command)
            .args(&self.arguments)
            .env_clear()
            .envs(&self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut output = JoinSet::new();
        output.spawn(read_all(child.stderr.take().expect("piped")));
        Process {
            child,
            stdout,
            stderr: output,
            identity: self.identity,
            _folder: self.folder,
        }
    }
}

async fn read_all(mut source: ChildStderr) -> String {
    read_to_end(&mut source).await
}

async fn read_to_end(source: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = String::new();
    source
        .read_to_string(&mut text)
        .await
        .expect("output is UTF-8");
    text
}

/// A started process.
pub(crate) struct Process {
    /// The host's certificate and key.
    pub(crate) identity: Identity,
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: JoinSet<String>,
    _folder: TempDir,
}

/// What a process left.
#[derive(Debug)]
pub(crate) struct Exit {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// What it printed after what was read before.
    pub(crate) stdout: String,
    /// All that it logged.
    pub(crate) stderr: String,
    /// From the call of [`Process::exit`] to the end.
    pub(crate) took: Duration,
}

impl Process {
    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    /// Whether it has not ended.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_none()
    }

    /// The line, newline included; empty if it prints nothing before its end.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = timeout(BUDGET, self.stdout.read_line(&mut line)).await;
        read.expect("a line in time").expect("the line is UTF-8");
        line
    }

    /// Waits for the end; [`Process::exit`] tells what it left.
    pub(crate) async fn ended(&mut self) {
        let ended = timeout(BUDGET, self.child.wait()).await;
        ended
            .expect("the process ends in time")
            .expect("our own child");
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let id = nix::unistd::Pid::from_raw(self.id().try_into().expect("a process number"));
        nix::sys::signal::kill(id, signal).expect("the process takes signals");
    }

    /// Ends the process without asking it, and waits for that.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("our own child");
    }

    /// Waits for the end.
    pub(crate) async fn exit(mut self) -> Exit {
        let start = Instant::now();
        let status = timeout(BUDGET, self.child.wait()).await;
        let status = status
            .expect("the process ends in time")
            .expect("our own child");
        let took = start.elapsed();
        let stdout = read_to_end(&mut self.stdout).await;
        let stderr = self
            .stderr
            .join_next()
            .await
            .expect("one reader")
            .expect("it ends");
        Exit {
            status,
            stdout,
            stderr,
            took,
        }
    }
}

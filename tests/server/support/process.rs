//! Child processes that never outlive the test run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A process that ends when this value is dropped, and also when the whole test run dies: a shell
/// beside it waits for the end of its standard input, which only we hold open.
pub(crate) struct Guarded {
    child: Child,
    /// The process proper, not the shell beside it.
    pub(crate) pid: i32,
}

const WATCH: &str = r#""$@" 3>&- & pid=$!; echo "$pid" >&3; exec 3>&-; cat >/dev/null; kill "$pid" 2>/dev/null; wait "$pid""#;

impl Guarded {
    /// Starts `program` with these variables beside our own; its output goes to `log`.
    pub(crate) fn start(
        program: &Path,
        arguments: &[&str],
        variables: &[(String, String)],
        log: &Path,
    ) -> Self {
        let pid_file = log.with_extension("pid");
        let _ = std::fs::remove_file(&pid_file);
        let script = format!("exec 3>'{}'; {WATCH}", pid_file.display());
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("log file");
        let mut child = Command::new("sh")
            .args(["-c", &script, "sh"])
            .arg(program)
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("log file"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
        let pid = wait_for(|| std::fs::read_to_string(&pid_file).ok()?.trim().parse().ok());
        let Some(pid) = pid else {
            let _ = child.kill();
            panic!("{} did not start", program.display());
        };
        Self { child, pid }
    }

    /// Pids of the plugin processes that the process started.
    pub(crate) fn plugin_pids(&self) -> Vec<i32> {
        let listing = Command::new("pgrep")
            .args(["-P", &self.pid.to_string(), "-f", "mongodbatlas"])
            .output()
            .expect("pgrep");
        String::from_utf8_lossy(&listing.stdout)
            .lines()
            .filter_map(|pid| pid.parse().ok())
            .collect()
    }

    /// Sends a signal to the process proper.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid, name);
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: i32, name: &str) {
    let _ = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status();
}

impl Guarded {
    /// Waits until the process and the shell beside it have ended.
    pub(crate) fn wait(&mut self) {
        let pid = self.pid.to_string();
        let gone = || (!alive(&pid)).then_some(());
        assert!(wait_for(gone).is_some(), "process {pid} does not end");
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn alive(pid: &str) -> bool {
    // A zombie has ended, although nobody has asked for its exit code yet.
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state
        .rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // Closing standard input ends the shell, which ends the process.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Asks again every 20 ms, for at most 30 s, until there is an answer.
pub(crate) fn wait_for<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..1_500 {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    None
}

/// The folder in which cargo put the binaries of this workspace.
pub(crate) fn binaries() -> PathBuf {
    let plugin = PathBuf::from(env!("CARGO_BIN_EXE_vault-plugin-secrets-mongodbatlas"));
    plugin
        .parent()
        .expect("a binary lies in a folder")
        .to_owned()
}

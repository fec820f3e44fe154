//! What the kernel tells of a process, and a plugin started without a server.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Resident memory, in KiB.
pub(crate) fn resident_kib(pid: i32) -> u64 {
    kib(pid, "VmRSS:")
}

/// What of the resident memory is the process's own and no file's, in KiB.
pub(crate) fn anonymous_kib(pid: i32) -> u64 {
    kib(pid, "RssAnon:")
}

/// The most resident memory that it ever had, in KiB.
pub(crate) fn most_resident_kib(pid: i32) -> u64 {
    kib(pid, "VmHWM:")
}

fn kib(pid: i32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status
        .lines()
        .find(|line| line.starts_with(name))
        .expect("its memory");
    line.split_whitespace()
        .nth(1)
        .expect("a number")
        .parse()
        .expect("a number")
}

/// The file that was started.
pub(crate) fn command(pid: i32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = line.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(command).into_owned()
}

/// Interrupts `strace`, so that it writes what it saw, and waits for its end.
pub(crate) fn interrupt(mut tracer: Child) {
    let pid = nix::unistd::Pid::from_raw(tracer.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("the tracer runs");
    tracer.wait().expect("the tracer ends");
}

/// CPU time used so far, in seconds. The kernel counts in hundredths on every usual platform.
pub(crate) fn cpu_seconds(pid: i32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .expect("fields")
        .split_whitespace()
        .collect();
    let ticks = |index: usize| fields[index].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}

/// Starts the plugin as a host does and waits for its line.
pub(crate) fn handshake(binary: &Path) -> Duration {
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
        .and_then(|parameters| parameters.self_signed(&key))
        .expect("a certificate");
    let started = Instant::now();
    let mut child = Command::new(binary)
        .env(
            "VAULT_BACKEND_PLUGIN",
            "6669da05-b1c8-4f49-97d9-c8e5bed98e20",
        )
        // The Go engine asks the server for its certificate without this.
        .env("VAULT_PLUGIN_AUTOMTLS_ENABLED", "true")
        .env("PLUGIN_PROTOCOL_VERSIONS", "5")
        .env("PLUGIN_CLIENT_CERT", certificate.pem())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the plugin starts");
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().expect("standard output"));
    output.read_line(&mut line).expect("a line");
    let taken = started.elapsed();
    assert!(line.starts_with("1|5|unix|"), "{line}");
    let _ = child.kill();
    let _ = child.wait();
    taken
}

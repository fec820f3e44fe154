//! `--self-test`, as an operator runs it.

use nix::unistd::geteuid;

use crate::launch::{COOKIE, Exit, Launch};

async fn tested(launch: Launch) -> Exit {
    let folder = launch.folder();
    let mut process = launch.without(COOKIE.0).argument("--self-test").spawn();
    let first = process.line().await;
    let left = folder.read_dir().map(Iterator::count);
    assert_eq!(left.unwrap_or_default(), 0, "nothing is left behind");
    let exit = process.exit().await;
    assert_eq!(exit.stderr, "");
    Exit {
        stdout: format!("{first}{}", exit.stdout),
        ..exit
    }
}

fn line<'a>(exit: &'a Exit, about: &str) -> &'a str {
    let mut lines = exit.stdout.lines();
    let found = lines.find(|line| line[7..].starts_with(about));
    found.expect(&exit.stdout)
}

#[tokio::test]
async fn a_place_that_is_good_is_told_line_by_line() {
    let launch = Launch::new();
    let folder = launch.folder().display().to_string();
    let exit = tested(launch).await;
    assert_eq!(exit.status.code(), Some(0), "{exit:?}");
    let version = concat!("ok     version: v", env!("CARGO_PKG_VERSION"), ";");
    assert!(exit.stdout.starts_with(version), "{exit:?}");
    let socket = line(&exit, "socket folder: ");
    assert!(
        socket.contains(&format!("{folder} takes a socket")),
        "{socket}"
    );
    for about in [
        "trusted certificates: ",
        "memory lock: ",
        "clock: 2",
        "environment: ",
    ] {
        let line = line(&exit, about);
        assert!(
            line.starts_with("ok  ") || line.starts_with("note"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn what_keeps_a_server_from_starting_it_fails() {
    for (name, value, want) in [
        (
            "TMPDIR",
            "/nowhere",
            "FAILED socket folder: cannot make the socket /nowhere/plugin",
        ),
        (
            "TMPDIR",
            "/dev/null",
            "FAILED socket folder: cannot make the socket /dev/null/plugin",
        ),
        (
            "MONGODBATLAS_HOLD",
            "yes",
            "FAILED environment: MONGODBATLAS_HOLD in the environment",
        ),
        (
            "PLUGIN_UNIX_SOCKET_GROUP",
            "no such group",
            "FAILED socket folder: PLUGIN_UNIX_SOCKET_GROUP is neither a number nor a group",
        ),
    ] {
        let exit = tested(Launch::new().variable(name, value)).await;
        assert_eq!(exit.status.code(), Some(1), "{exit:?}");
        let failed: Vec<_> = exit
            .stdout
            .lines()
            .filter(|line| line.starts_with("FAILED"))
            .collect();
        assert!(failed.len() == 1 && failed[0].starts_with(want), "{exit:?}");
    }
}

/// Under a server that locks memory, of which this user may lock none.
#[tokio::test]
async fn memory_that_a_server_has_locked_in_vain_fails() {
    for (asks, verdict, code) in [("true", "FAILED", 1), ("false", "note", 0)] {
        let mut launch = Launch::new().variable("VAULT_PLUGIN_MLOCK_ENABLED", asks);
        if geteuid().is_root() {
            launch = launch.started_by(&["setpriv", "--bounding-set=-ipc_lock"]);
        }
        let exit = tested(launch.started_by(&["prlimit", "--memlock=0:0"])).await;
        let line = line(&exit, "memory lock: ");
        assert!(line.starts_with(verdict), "{line}");
        assert_eq!(exit.status.code(), Some(code), "{exit:?}");
    }
}

#[tokio::test]
async fn what_matters_to_some_is_noted() {
    let launch = Launch::new()
        .variable("SSL_CERT_FILE", "/nowhere")
        .variable("SSL_CERT_DIR", "/nowhere")
        .variable("MONGODBATLAS_HOLD", "true")
        .variable("MONGODBATLAS_VERIFY_CONNECTION", "maybe");
    let exit = tested(launch).await;
    assert_eq!(exit.status.code(), Some(0), "{exit:?}");
    for about in [
        "trusted certificates: ",
        "environment: MONGODBATLAS_HOLD=true is set",
        "environment: MONGODBATLAS_VERIFY_CONNECTION is ignored",
    ] {
        let line = line(&exit, about);
        assert!(line.starts_with("note"), "{line}");
    }
    assert!(line(&exit, "trusted").contains("install the package ca-certificates"));
}

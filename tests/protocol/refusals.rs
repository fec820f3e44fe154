//! What keeps the process from starting, a test for each reason: it is said on stderr, and stdout stays
//! empty. `docs/install.md` says under "What a message means" what to do about each.

use nix::unistd::geteuid;

use crate::{
    identity::Identity,
    launch::{COOKIE, Launch},
    logging::lines,
};

/// What it logs as the reason.
async fn reason(launch: Launch) -> String {
    let stderr = stderr(launch).await;
    let logged = lines(&stderr);
    let failed = logged.iter().find(|line| {
        line["@message"] == "the plugin failed to start or to serve" && line["@level"] == "error"
    });
    let error = failed.and_then(|line| line["error"].as_str());
    error.expect("a reason").to_owned()
}

async fn stderr(launch: Launch) -> String {
    let folder = launch.folder();
    let mut process = launch.spawn();
    assert_eq!(process.line().await, "", "stdout belongs to the handshake");
    // Where stdout leads elsewhere, the line ends before the process does.
    process.ended().await;
    let left = folder.read_dir().expect("the folder").count();
    assert_eq!(left, 0, "nothing is left behind");
    let exit = process.exit().await;
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
    exit.stderr
}

#[tokio::test]
async fn by_hand() {
    let said = stderr(Launch::new().without(COOKIE.0)).await;
    let want = "This is a secrets engine for Vault and OpenBao. A server starts it; it does nothing when \
                run manually.\n";
    assert!(said.starts_with(want), "{said}");
}

#[tokio::test]
async fn a_protocol_version_of_another_time() {
    let old = Launch::new().variable("PLUGIN_PROTOCOL_VERSIONS", "3,4");
    assert_eq!(
        reason(old).await,
        "PLUGIN_PROTOCOL_VERSIONS offers \"3,4\", and this plugin speaks only version 5; update the server"
    );
}

#[tokio::test]
async fn no_certificate_of_the_server() {
    assert_eq!(
        reason(Launch::new().without("PLUGIN_CLIENT_CERT")).await,
        "PLUGIN_CLIENT_CERT is not set; this plugin serves only over the mutual TLS that a server sets up \
         automatically (AutoMTLS)"
    );
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read() {
    let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    let cut = Identity::generate().pem[..200].to_owned();
    for (pem, want) in [
        ("no PEM at all".to_owned(), "there is none"),
        (cut, "the text is damaged"),
        (hollow, "its content is no X.509 certificate"),
        (Identity::generate().pem.repeat(2), "there is more than one"),
    ] {
        let said = reason(Launch::new().variable("PLUGIN_CLIENT_CERT", &pem)).await;
        let want = format!("PLUGIN_CLIENT_CERT must hold one certificate in PEM: {want}");
        assert_eq!(said, want);
    }
}

/// The socket would lie there.
async fn without_a_socket_in(folder: &str) -> (String, String) {
    let said = reason(Launch::new().variable("TMPDIR", folder)).await;
    let start = format!("cannot make the socket {folder}/plugin");
    let (_, rest) = said.split_once(&start).expect(&said);
    let (name, rest) = rest.split_once(": ").expect(&said);
    (name.to_owned(), rest.to_owned())
}

#[tokio::test]
async fn a_folder_that_is_not_there() {
    let (_, said) = without_a_socket_in("/nowhere/at/all").await;
    assert_eq!(
        said,
        "its folder does not exist; make it, or name another by TMPDIR in the server's environment: No \
         such file or directory (os error 2)"
    );
}

/// Nobody may make files in that one, not even root.
#[tokio::test]
async fn a_folder_that_is_not_writable() {
    let (_, said) = without_a_socket_in("/sys").await;
    let want = "its folder is not writable for the server's user; change that, or name another by TMPDIR in \
                the server's environment: ";
    assert!(said.starts_with(want), "{said}");
}

#[tokio::test]
async fn a_folder_that_is_a_file() {
    let (_, said) = without_a_socket_in("/dev/null").await;
    assert_eq!(
        said,
        "a file lies where its folder should be; name a folder by TMPDIR in the server's environment: Not a \
         directory (os error 20)"
    );
}

#[tokio::test]
async fn a_folder_with_a_long_path() {
    let folder = format!("/tmp/{}", "x".repeat(100));
    let (name, said) = without_a_socket_in(&folder).await;
    assert_eq!(name.len(), 12);
    let want = "no socket may have a path longer than 107 bytes; name a shorter folder by TMPDIR in the \
                server's environment: ";
    assert!(said.starts_with(want), "{said}");
}

#[tokio::test]
async fn an_unknown_group() {
    let launch = Launch::new().variable("PLUGIN_UNIX_SOCKET_GROUP", "no such group");
    assert_eq!(
        reason(launch).await,
        "PLUGIN_UNIX_SOCKET_GROUP is neither a number nor a group in /etc/group: \"no such group\""
    );
}

/// Handing it over takes a right that is taken away here, or a member of the group.
#[tokio::test]
async fn a_group_that_the_user_is_not_in() {
    let mut launch = Launch::new().variable("PLUGIN_UNIX_SOCKET_GROUP", "4711");
    if geteuid().is_root() {
        launch = launch.started_by(&["setpriv", "--bounding-set=-chown"]);
    }
    assert_eq!(
        reason(launch).await,
        "cannot hand the socket to the group in PLUGIN_UNIX_SOCKET_GROUP; add the user that the plugin runs as \
         to that group: Operation not permitted (os error 1)"
    );
}

/// Nobody reads the line, as where the server ended meanwhile. One that was closed before the start is
/// none of this: the process finds `/dev/null` in its place.
#[tokio::test]
async fn a_stdout_that_takes_nothing() {
    let full = Launch::new().started_by(&["sh", "-c", "exec \"$0\" \"$@\" >/dev/full"]);
    assert_eq!(
        reason(full).await,
        "cannot write the handshake line to stdout; the server no longer reads it: it ended or gave the plugin \
         up, and its own log says why: No space left on device (os error 28)"
    );
    let gone = "mkfifo \"$FIFO\" && exec 3<>\"$FIFO\" 1>\"$FIFO\" 3>&- && rm \"$FIFO\" && exec \"$0\" \"$@\"";
    let beside = tempfile::tempdir().expect("a folder");
    let fifo = beside.path().join("stdout").display().to_string();
    let gone = Launch::new()
        .started_by(&["sh", "-c", gone])
        .variable("FIFO", &fifo);
    let gone = gone.variable("PATH", "/usr/bin:/bin");
    let said = reason(gone).await;
    assert!(
        said.ends_with("its own log says why: Broken pipe (os error 32)"),
        "{said}"
    );
}

#[tokio::test]
async fn memory_that_may_not_be_locked() {
    let mut launch = Launch::new().variable("VAULT_PLUGIN_MLOCK_ENABLED", "true");
    // Root may lock any amount, unless it is kept from that.
    if geteuid().is_root() {
        launch = launch.started_by(&["setpriv", "--bounding-set=-ipc_lock"]);
    }
    let said = reason(launch.started_by(&["prlimit", "--memlock=0:0"])).await;
    let want = "cannot lock memory, which PLUGIN_MLOCK_ENABLED=true asks for; grant the plugin the \
                capability CAP_IPC_LOCK (setcap cap_ipc_lock=+ep), raise its memlock limit, or set \
                disable_mlock = true on the server: ";
    assert!(said.starts_with(want), "{said}");
}

#[tokio::test]
async fn a_hold_that_cannot_be_read() {
    let said = reason(Launch::new().variable("MONGODBATLAS_HOLD", "yes")).await;
    assert_eq!(
        said,
        "MONGODBATLAS_HOLD in the environment of the server process has a value that cannot be read: give \
         true, all or false, or remove it; the plugin does not start, as it might touch what it must not"
    );
}

/// The other variables keep no server from starting it.
#[tokio::test]
async fn other_variables_are_ignored_where_they_say_nothing() {
    let launch = Launch::new()
        .variable("MONGODBATLAS_VERIFY_CONNECTION", "maybe")
        .variable("MONGODBATLAS_LOG_LEVEL", "loud");
    let exit = launch.start().await.shutdown().await;
    let want = "environment variable is ignored: its value must be true or false";
    assert!(exit.stderr.contains(want), "{}", exit.stderr);
}

#[tokio::test]
async fn the_reason_is_said_though_nothing_is_to_be_logged() {
    let launch = Launch::new()
        .variable("MONGODBATLAS_LOG_LEVEL", "off")
        .variable("PLUGIN_PROTOCOL_VERSIONS", "4");
    let said = stderr(launch).await;
    let want = "the plugin failed to start or to serve: PLUGIN_PROTOCOL_VERSIONS offers \"4\"";
    assert!(said.starts_with(want), "{said}");
}

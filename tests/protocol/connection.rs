//! The main socket: where it lies, and whom it lets in.

use std::{
    fs,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    sync::Arc,
    time::{Duration, Instant},
};

use nix::unistd::{getegid, geteuid};
use rustls::{
    ProtocolVersion,
    version::{TLS12, TLS13},
};
use tokio::net::UnixStream;
use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    host::{Line, channel, connect},
    identity::{BOTH_VERSIONS, Identity, anonymous},
    launch::Launch,
};

async fn is_served(channel: Channel) -> bool {
    HealthClient::new(channel)
        .check(HealthCheckRequest::default())
        .await
        .is_ok()
}

#[tokio::test]
async fn the_socket_accepts_when_the_line_is_out() {
    let mut process = Launch::new().spawn();
    let line = Line::parse(&process.line().await);
    UnixStream::connect(line.socket())
        .await
        .expect("it accepts");
}

#[tokio::test]
async fn the_socket_lies_where_the_host_wants_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().display().to_string();
    let plugin = Launch::new()
        .variable("PLUGIN_UNIX_SOCKET_DIR", &place)
        .start()
        .await;
    let socket = plugin.line.socket().to_owned();
    assert_eq!(socket.parent(), Some(folder.path()));
    let name = socket
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a name");
    assert!(name.starts_with("plugin"), "{name}");
    assert!(
        fs::metadata(&socket)
            .expect("it is there")
            .file_type()
            .is_socket()
    );
    plugin.shutdown().await;
    assert!(!socket.exists(), "it is gone after the end");
}

#[tokio::test]
async fn the_socket_is_handed_to_the_hosts_group() {
    // Only root can give a file to a group that it is not in; anybody can to their own.
    let group = if geteuid().is_root() {
        1
    } else {
        getegid().as_raw()
    };
    let launch = Launch::new().variable("PLUGIN_UNIX_SOCKET_GROUP", &group.to_string());
    let plugin = launch.start().await;
    let socket = fs::metadata(plugin.line.socket()).expect("it is there");
    assert_eq!(socket.gid(), group);
    assert_eq!(socket.mode() & 0o777, 0o660);
}

#[tokio::test]
async fn an_unknown_group_is_named_as_the_reason() {
    let launch = Launch::new().variable("PLUGIN_UNIX_SOCKET_GROUP", "no such group");
    let folder = launch.folder();
    let mut process = launch.spawn();
    assert_eq!(process.line().await, "");
    let left = fs::read_dir(folder).expect("the folder").count();
    assert_eq!(left, 0, "no socket is left behind");
    let exit = process.exit().await;
    assert_eq!(exit.status.code(), Some(1));
    assert!(
        exit.stderr.contains("PLUGIN_UNIX_SOCKET_GROUP"),
        "{}",
        exit.stderr
    );
}

#[tokio::test]
async fn both_tls_versions_carry_http2() {
    let plugin = Launch::new().start().await;
    for (offered, negotiated) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let certificate = plugin.line.certificate();
        let tls = plugin
            .process
            .identity
            .client_config(&certificate, &[offered]);
        let stream = connect(plugin.line.socket(), Arc::new(tls))
            .await
            .expect("it is let in");
        let session = stream.get_ref().1;
        assert_eq!(session.protocol_version(), Some(negotiated));
        assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
        assert!(
            is_served(plugin.reconnect(&[offered])).await,
            "{negotiated:?}"
        );
    }
}

#[tokio::test]
async fn a_client_without_certificate_is_refused() {
    let plugin = Launch::new().start().await;
    let tls = anonymous(&plugin.line.certificate());
    assert!(!is_served(channel(plugin.line.socket(), tls)).await);
    assert!(
        is_served(plugin.channel.clone()).await,
        "the host is still served"
    );
}

/// The stranger's certificate has the same names as the host's, and another key.
#[tokio::test]
async fn a_client_with_an_equally_named_certificate_is_refused() {
    let plugin = Launch::new().start().await;
    let stranger = Identity::generate();
    for version in BOTH_VERSIONS {
        let tls = stranger.client_config(&plugin.line.certificate(), &[*version]);
        assert!(!is_served(channel(plugin.line.socket(), tls)).await);
    }
    assert!(
        is_served(plugin.channel.clone()).await,
        "the host is still served"
    );
}

#[tokio::test]
async fn a_client_that_shows_the_hosts_certificate_without_its_key_is_refused() {
    let plugin = Launch::new().start().await;
    let thief = Identity::generate().showing(&plugin.process.identity);
    let owner = plugin
        .process
        .identity
        .impostor_config(&plugin.line.certificate(), BOTH_VERSIONS[0]);
    assert!(
        is_served(channel(plugin.line.socket(), owner)).await,
        "with the key it is let in"
    );
    for version in BOTH_VERSIONS {
        let tls = thief.impostor_config(&plugin.line.certificate(), version);
        assert!(!is_served(channel(plugin.line.socket(), tls)).await);
    }
    assert!(
        is_served(plugin.channel.clone()).await,
        "the host is still served"
    );
}

#[tokio::test]
async fn clients_that_stay_silent_do_not_keep_the_host_out() {
    let plugin = Launch::new().start().await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(
            UnixStream::connect(plugin.line.socket())
                .await
                .expect("it accepts"),
        );
    }
    let start = Instant::now();
    assert!(is_served(plugin.reconnect(BOTH_VERSIONS)).await);
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

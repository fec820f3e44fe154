//! The socket's file vanishes, as where somebody empties `/tmp`, while the process runs.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use tokio::time::sleep;
use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{host::channel, identity::BOTH_VERSIONS, launch::Launch, logging::lines};

/// Longer than the process may take to miss its file.
const MISSED: Duration = Duration::from_secs(13);

async fn serves(channel: Channel) -> bool {
    let service = "plugin".to_owned();
    let request = HealthCheckRequest { service };
    HealthClient::new(channel).check(request).await.is_ok()
}

async fn appears(socket: &Path, within: Duration) {
    let start = Instant::now();
    while !socket.exists() {
        assert!(start.elapsed() < within, "the file stays away");
        sleep(Duration::from_millis(20)).await;
    }
}

fn told(stderr: &str, message: &str) -> usize {
    let lines = lines(stderr);
    lines
        .iter()
        .filter(|line| line["@message"] == message)
        .count()
}

const MADE_AGAIN: &str = "the socket's file was gone; it was made again";
const LOST: &str =
    "the socket's file is gone and cannot be made again; the server cannot reconnect";

#[tokio::test]
async fn it_is_made_anew_beside_a_connection_that_stays() {
    let plugin = Launch::new().start().await;
    let socket = plugin.line.socket().to_owned();
    fs::remove_file(&socket).expect("the file");
    assert!(serves(plugin.channel.clone()).await);
    appears(&socket, MISSED).await;
    assert!(serves(plugin.reconnect(BOTH_VERSIONS)).await, "anew");
    assert!(serves(plugin.channel.clone()).await, "and as before");
    let exit = plugin.shutdown().await;
    assert_eq!(exit.status.code(), Some(0), "{exit:?}");
    assert_eq!(told(&exit.stderr, MADE_AGAIN), 1, "{exit:?}");
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_host_whose_connection_ends_finds_it_at_once() {
    let plugin = Launch::new().start().await;
    let (socket, certificate) = (plugin.line.socket().to_owned(), plugin.line.certificate());
    fs::remove_file(&socket).expect("the file");
    let mut process = plugin.die();
    appears(&socket, Duration::from_secs(3)).await;
    let tls = process.identity.client_config(&certificate, BOTH_VERSIONS);
    let back = channel(&socket, tls);
    assert!(serves(back.clone()).await);
    sleep(Duration::from_secs(6)).await;
    assert!(process.runs() && serves(back).await);
}

#[tokio::test]
async fn where_it_cannot_be_made_the_process_ends_with_the_last_connection() {
    let plugin = Launch::new().start().await;
    let folder = plugin.line.socket().parent().expect("a folder").to_owned();
    fs::remove_dir_all(&folder).expect("the folder");
    sleep(MISSED).await;
    assert!(
        serves(plugin.channel.clone()).await,
        "what is connected is served"
    );
    let exit = plugin.die().exit().await;
    assert_eq!(exit.status.code(), Some(0), "{exit:?}");
    assert_eq!(told(&exit.stderr, LOST), 1, "{exit:?}");
}

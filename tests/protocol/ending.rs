//! The end of the process: asked for, forced, and after the host's death.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::time::sleep;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    identity::BOTH_VERSIONS,
    launch::{Exit, Launch},
};

/// A host kills the process after this.
const HOSTS_BUDGET: Duration = Duration::from_secs(2);

fn is_orderly(exit: &Exit) {
    assert_eq!(exit.status.code(), Some(0), "{exit:?}");
    assert!(exit.took < HOSTS_BUDGET, "{exit:?}");
    assert_eq!(exit.stdout, "");
}

#[tokio::test]
async fn shutdown_is_answered_and_ends_the_process() {
    let plugin = Launch::new().start().await;
    let socket = plugin.line.socket().to_owned();
    is_orderly(&plugin.shutdown().await);
    assert!(!socket.exists());
}

#[tokio::test]
async fn shutdown_does_not_wait_for_requests_in_flight() {
    let plugin = Launch::new().start().await;
    let mut watches = Vec::new();
    for _ in 0..3 {
        let mut client = HealthClient::new(plugin.reconnect(BOTH_VERSIONS));
        let request = HealthCheckRequest {
            service: "plugin".to_owned(),
        };
        watches.push(
            client
                .watch(request)
                .await
                .expect("a stream that never ends by itself"),
        );
    }
    is_orderly(&plugin.shutdown().await);
}

#[tokio::test]
async fn sigterm_ends_the_process_in_order() {
    let plugin = Launch::new().start().await;
    let socket = plugin.line.socket().to_owned();
    plugin.process.signal(Signal::SIGTERM);
    is_orderly(&plugin.process.exit().await);
    assert!(!socket.exists());
}

#[tokio::test]
async fn sigint_is_left_to_the_host() {
    let mut plugin = Launch::new().start().await;
    for _ in 0..3 {
        plugin.process.signal(Signal::SIGINT);
    }
    sleep(Duration::from_millis(200)).await;
    assert!(plugin.process.runs());
    is_orderly(&plugin.shutdown().await);
}

#[tokio::test]
async fn after_the_hosts_death_the_process_ends_on_its_own() {
    let plugin = Launch::new().start().await;
    let socket = plugin.line.socket().to_owned();
    let start = Instant::now();
    let exit = plugin.die().exit().await;
    assert_eq!(exit.status.code(), Some(0), "{exit:?}");
    assert!(
        start.elapsed() > Duration::from_secs(4),
        "a host may come back: {exit:?}"
    );
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_host_that_comes_back_is_served_on() {
    let plugin = Launch::new().start().await;
    let second = plugin.reconnect(BOTH_VERSIONS);
    let request = HealthCheckRequest {
        service: "plugin".to_owned(),
    };
    let mut client = HealthClient::new(second);
    client
        .check(request.clone())
        .await
        .expect("the second connection is served");
    let mut process = plugin.die();
    sleep(Duration::from_secs(7)).await;
    assert!(process.runs(), "one connection is left");
    client.check(request).await.expect("it is still served");
}

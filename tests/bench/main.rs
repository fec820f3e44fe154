//! Measures the plugin on a real server and prints what it finds; asserts nothing about time.
//!
//! Run by `scripts/bench`, which names the release binaries in `PLUGIN_BINARY` and
//! `ATLAS_SIM_BINARY` and the server in `BAO`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement ends where it cannot go on, and prints"
)]

#[expect(
    dead_code,
    unused_imports,
    reason = "shared with the tests, which use all of it"
)]
#[path = "../server/support/mod.rs"]
mod support;

/// The host of the tests of the protocol.
macro_rules! host_of_the_protocol {
    ($($path:literal $name:ident)*) => {
        $(
            #[allow(dead_code, clippy::allow_attributes, reason = "shared with the tests, which use all of it")]
            #[path = $path]
            mod $name;
        )*
    };
}

host_of_the_protocol! {
    "../protocol/answer.rs" answer
    "../protocol/atlas.rs" atlas
    "../protocol/host.rs" host
    "../protocol/identity.rs" identity
    "../protocol/launch.rs" launch
    "../protocol/mount.rs" mount
    "../protocol/store.rs" store
    "../protocol/view.rs" view
}

mod beside;
mod host_calls;
mod measure;
mod process;
mod rotation;
mod simulator;
mod waits;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::measure::{percentile, throughput};
use self::process::{cpu_seconds, most_resident_kib, resident_kib};
use self::simulator::Simulator;
use crate::support::{Bao, Client};

/// What a burst left is given back to the system within this.
const SETTLED: Duration = Duration::from_secs(15);

fn line(what: &str, value: impl std::fmt::Display) {
    println!("{what:<64} {value}");
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1_000.0)
}

/// Enables this engine there, with this configuration and a role `r`.
async fn mount(client: &Client, atlas: &Simulator, path: &str, config: Value) {
    mount_of("mongodbatlas", client, atlas, path, config).await;
}

/// The same with the engine that is registered under a name.
async fn mount_of(engine: &str, client: &Client, atlas: &Simulator, path: &str, config: Value) {
    let enabled = client
        .write(&format!("sys/mounts/{path}"), json!({ "type": engine }))
        .await;
    assert!(enabled.ok(), "{enabled:?}");
    let written = client.write(&format!("{path}/config"), config).await;
    assert!(written.ok(), "{written:?}");
    let role = json!({
        "organization_id": atlas.org(), "roles": "ORG_MEMBER", "ttl": 3_600, "max_ttl": 7_200,
    });
    let role = client.write(&format!("{path}/roles/r"), role).await;
    assert!(role.ok(), "{role:?}");
}

#[tokio::main]
async fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    let runs = |part: &str| chosen.is_empty() || chosen.iter().any(|name| name == part);
    if runs("leases") {
        leases().await;
    }
    if runs("beside") {
        beside::beside().await;
    }
    if runs("host-calls") {
        host_calls::host_calls().await;
    }
    if runs("waits") {
        waits::waits().await;
    }
    if runs("rotation") {
        rotation::thousand_at_once().await;
    }
}

async fn leases() {
    size_and_start();
    let bao = Bao::dev();
    let client = bao.client();
    let atlas = Simulator::start();
    atlas.unlimited().await;
    mount(&client, &atlas, "bench", atlas.config()).await;
    let plugin = *bao.plugin_pids().first().expect("a plugin process");
    tokio::time::sleep(Duration::from_secs(2)).await;
    line(
        "resident memory, one configured idle mount",
        format!("{} KiB", resident_kib(plugin)),
    );
    requests_per_operation(&client, &atlas).await;
    latency(&client, &atlas).await;
    load(&client, plugin).await;
    storm(&client, &atlas, plugin).await;
}

/// The binary, and how long it takes from its start to the handshake's line.
fn size_and_start() {
    let binary = support::bao::plugin_binary();
    let size = std::fs::metadata(&binary).expect("the plugin").len();
    line(
        "size of the release binary",
        format!("{:.2} MB", size as f64 / 1e6),
    );
    let mut times: Vec<Duration> = (0..20).map(|_| process::handshake(&binary)).collect();
    line(
        "start of the process to its handshake line, median of 20",
        milliseconds(percentile(&mut times, 50)),
    );
}

async fn requests_per_operation(client: &Client, atlas: &Simulator) {
    let (org, first, second) = (atlas.org(), atlas.project(0), atlas.project(1));
    let key = |extra: serde_json::Value| {
        let mut role = json!({ "organization_id": org, "roles": "ORG_MEMBER" });
        role.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        role
    };
    let account = atlas.account("existing").await;
    let existing = json!({
        "credential_type": "service_account", "organization_id": org,
        "client_id": account["client_id"],
    });
    let shapes = [
        ("organization key", key(json!({}))),
        (
            "organization key, access list",
            key(json!({ "ip_addresses": "192.0.2.1" })),
        ),
        (
            "project key",
            json!({ "project_id": first, "roles": "GROUP_OWNER" }),
        ),
        (
            "organization key, access list, two projects",
            key(json!({
                "ip_addresses": "192.0.2.1",
                "project_assignments": { first: ["GROUP_OWNER"], second: ["GROUP_OWNER"] },
            })),
        ),
        (
            "service account",
            key(json!({ "credential_type": "service_account" })),
        ),
        ("secret of an existing service account", existing),
        (
            "access token",
            key(json!({ "credential_type": "access_token" })),
        ),
    ];
    for (name, role) in shapes {
        assert!(client.delete("bench/roles/shape").await.ok());
        assert!(client.write("bench/roles/shape", role).await.ok());
        let warm = client.read("bench/creds/shape").await.lease_id();
        revoke(client, &warm).await;
        let before = atlas.request_count().await;
        let lease = client.read("bench/creds/shape").await.lease_id();
        let issued = atlas.request_count().await;
        revoke(client, &lease).await;
        let revoked = atlas.request_count().await;
        line(
            &format!("requests to Atlas, {name}"),
            format!(
                "{} to issue, {} to revoke",
                issued - before,
                revoked - issued
            ),
        );
    }
}

async fn revoke(client: &Client, lease: &str) {
    let body = json!({ "lease_id": lease, "sync": true });
    assert!(client.write("sys/leases/revoke", body).await.ok());
}

/// What a credential takes beyond Atlas's own time for it.
async fn latency(client: &Client, atlas: &Simulator) {
    for delay in [0, 20, 100] {
        atlas.delay(delay).await;
        let mut times = Vec::new();
        for _ in 0..200_u32 / (1 + u32::try_from(delay).unwrap() / 50) {
            let started = Instant::now();
            assert!(client.read("bench/creds/r").await.ok());
            times.push(
                started
                    .elapsed()
                    .saturating_sub(Duration::from_millis(delay)),
            );
        }
        let (median, tail) = (percentile(&mut times, 50), percentile(&mut times, 99));
        line(
            &format!("a credential beyond Atlas's {delay} ms, p50 and p99"),
            format!("{} {}", milliseconds(median), milliseconds(tail)),
        );
    }
    atlas.delay(0).await;
    let mut times = Vec::new();
    for _ in 0..200 {
        let started = Instant::now();
        assert!(client.read("bench/config").await.ok());
        times.push(started.elapsed());
    }
    line(
        "for comparison: reading config through the server, p50",
        milliseconds(percentile(&mut times, 50)),
    );
}

async fn load(client: &Client, plugin: i32) {
    let before = cpu_seconds(plugin);
    let rate = throughput(client, "bench/creds/r", 1_000, 16).await;
    line("credentials a second, 16 at once", format!("{rate:.0}"));
    line(
        "CPU seconds of the plugin per 1,000 credentials",
        format!("{:.2}", cpu_seconds(plugin) - before),
    );
    line(
        "resident memory after that",
        format!("{} KiB", resident_kib(plugin)),
    );
}

/// A thousand leases revoked at once against a bucket of 100 requests and 5 more a second.
async fn storm(client: &Client, atlas: &Simulator, plugin: i32) {
    client
        .write("sys/leases/revoke-prefix/bench", json!({ "sync": false }))
        .await;
    atlas.wait_for(0).await;
    throughput(client, "bench/creds/r", 1_000, 16).await;
    atlas.bucket(100, 5).await;
    let started = Instant::now();
    client
        .write("sys/leases/revoke-prefix/bench", json!({ "sync": false }))
        .await;
    atlas.wait_for(0).await;
    let taken = started.elapsed().as_secs_f64();
    line(
        "revoking 1,000 leases at 100 requests + 5 a second (least: 180 s)",
        format!("{taken:.0} s"),
    );
    line(
        "the most resident memory in that",
        format!("{} KiB", most_resident_kib(plugin)),
    );
    tokio::time::sleep(SETTLED).await;
    line(
        "resident memory once it has settled",
        format!("{} KiB", resident_kib(plugin)),
    );
}

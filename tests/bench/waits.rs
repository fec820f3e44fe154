//! How long a small request waits at most while the plugin has something large in its hands.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::line;
use crate::milliseconds;
use crate::process;
use crate::simulator::Simulator;
use crate::support::{Bao, Client};

/// Just below what a server takes.
const LARGE_BODY: usize = 30_000_000;
const LARGE_BODIES: usize = 5;
const MANY_ROLES: usize = 5_000;
const LISTS: usize = 20;

/// Prints the longest read of `config` alone, beside large bodies, and beside large lists.
pub(crate) async fn waits() {
    let bao = Bao::dev();
    let client = bao.client();
    let atlas = Simulator::start();
    crate::mount(&client, &atlas, "bench", atlas.config()).await;
    let rest = async { tokio::time::sleep(Duration::from_secs(3)).await };
    let pid = *bao.plugin_pids().first().expect("a plugin process");
    print("alone", pid, &client, rest).await;
    let bodies = async {
        for _ in 0..LARGE_BODIES {
            let body = json!({ "organization_id": atlas.org(), "roles": "x".repeat(LARGE_BODY) });
            client.write("bench/roles/large", body).await;
        }
    };
    print("beside bodies of 30 MB", pid, &client, bodies).await;
    for number in 0..MANY_ROLES {
        let role = json!({ "organization_id": atlas.org(), "roles": "ORG_MEMBER" });
        let written = client.write(&format!("bench/roles/r{number}"), role).await;
        assert!(written.ok(), "{written:?}");
    }
    let lists = async {
        for _ in 0..LISTS {
            let listed = client.list("bench/roles").await;
            let keys = listed.body["data"]["keys"].as_array().map(Vec::len);
            assert!(keys >= Some(MANY_ROLES));
        }
    };
    print("beside lists of 5,000 roles", pid, &client, lists).await;
}

async fn print(beside: &str, pid: i32, client: &Client, work: impl Future<Output = ()>) {
    let waits = tempfile::NamedTempFile::new().expect("a file");
    let tracer = Command::new("strace")
        .args([
            "-q",
            "-ttt",
            "-T",
            "-e",
            "trace=epoll_wait",
            "-p",
            &pid.to_string(),
            "-o",
        ])
        .arg(waits.path())
        .stderr(Stdio::null())
        .spawn();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let longest = longest(client, work).await;
    line(
        &format!("the longest read of config, {beside}"),
        milliseconds(longest),
    );
    if let Ok(tracer) = tracer {
        process::interrupt(tracer);
        let busy = busy(&std::fs::read_to_string(waits.path()).expect("what it saw"));
        line(
            &format!("the longest poll (between two waits), {beside}"),
            milliseconds(busy),
        );
    }
}

/// The longest that the thread took from the end of a wait for events to the beginning of the next. A
/// line is the time, the call and, in angle brackets, how long it took.
fn busy(trace: &str) -> Duration {
    let (mut longest, mut ended) = (0.0_f64, f64::INFINITY);
    for line in trace.lines() {
        let began = line
            .split(' ')
            .next()
            .and_then(|time| time.parse::<f64>().ok());
        let taken = line
            .rsplit('<')
            .next()
            .and_then(|end| end.strip_suffix('>'));
        let taken = taken.and_then(|time| time.parse::<f64>().ok());
        if let (Some(began), Some(taken)) = (began, taken) {
            longest = longest.max(began - ended);
            ended = began + taken;
        }
    }
    Duration::from_secs_f64(longest)
}

/// The longest read of `config` while `work` goes on.
async fn longest(client: &Client, work: impl Future<Output = ()>) -> Duration {
    let mut reader = JoinSet::new();
    let reading = client.clone();
    let (done, mut is_done) = tokio::sync::oneshot::channel::<()>();
    reader.spawn(async move {
        let mut longest = Duration::ZERO;
        while is_done.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
            let started = Instant::now();
            let read = reading.read("bench/config").await;
            assert!(read.ok() && read.body != Value::Null, "{read:?}");
            longest = longest.max(started.elapsed());
        }
        longest
    });
    work.await;
    drop(done);
    let longest = reader.join_next().await.expect("a reader");
    longest.expect("no panic")
}

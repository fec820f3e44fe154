//! Percentiles and throughput.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::support::Client;

/// The value below which `percent` of all lie.
pub(crate) fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100]
}

/// How long each of `count` reads of `path` took, `at_once` at a time.
pub(crate) async fn times_of(
    client: &Client,
    path: &str,
    count: usize,
    at_once: usize,
) -> Vec<Duration> {
    let mut workers = JoinSet::new();
    for _ in 0..at_once {
        let (client, path) = (client.clone(), path.to_owned());
        workers.spawn(async move {
            let mut times = Vec::new();
            for _ in 0..count / at_once {
                let started = Instant::now();
                let answer = client.read(&path).await;
                assert!(answer.ok(), "{answer:?}");
                times.push(started.elapsed());
            }
            times
        });
    }
    workers.join_all().await.concat()
}

/// Reads `path` `count` times, `at_once` at a time; answers reads a second.
pub(crate) async fn throughput(client: &Client, path: &str, count: usize, at_once: usize) -> f64 {
    let started = Instant::now();
    let times = times_of(client, path, count, at_once).await;
    times.len() as f64 / started.elapsed().as_secs_f64()
}

//! This engine and the Go engine beside each other: the same kind of server, the same simulator, reached
//! at Atlas's own name through the same proxy, with the same certificate.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::measure::{percentile, times_of};
use crate::process::{self, anonymous_kib, cpu_seconds, resident_kib};
use crate::simulator::Simulator;
use crate::support::bao::{Extras, plugin_binary, register_file};
use crate::support::cloud::Cloud;
use crate::support::{Bao, Client};

/// Mounts beside the one that stays.
const MOUNTS: usize = 51;
const BY_ONE: usize = 200;
const BY_MANY: usize = 720;
const READERS: usize = 16;
const STARTS: usize = 20;
const TRACED: usize = 100;

/// One figure: what it is, its unit, and its value.
struct Figure {
    what: &'static str,
    unit: &'static str,
    value: f64,
}

/// Measures each engine by itself, one after the other, and prints both.
pub(crate) async fn beside() {
    let this = plugin_binary();
    let go = std::env::var_os("GO_ENGINE").map(PathBuf::from);
    let mut engines: Vec<&Path> = go.iter().map(PathBuf::as_path).collect();
    engines.push(&this);
    let mut starts = starts(&engines).into_iter();
    let mut columns = Vec::new();
    for engine in engines {
        let mut column = starts.next().expect("its starts");
        column.extend(measured(engine).await);
        columns.push(column);
    }
    print(&columns);
}

fn print(columns: &[Vec<Figure>]) {
    let ours = columns.last().expect("this engine's");
    println!(
        "{:<58} {:>10} {:>12} {:>8}",
        "", "Go engine", "this engine", "ratio"
    );
    for (row, figure) in ours.iter().enumerate() {
        let what = format!("{}, {}", figure.what, figure.unit);
        let other = (columns.len() > 1).then(|| columns[0][row].value);
        let go = other.map_or("-".to_owned(), |value| format!("{value:.2}"));
        let ratio = other.map_or("-".to_owned(), |value| {
            format!("{:.2}", figure.value / value)
        });
        println!("{what:<58} {go:>10} {:>12.2} {ratio:>8}", figure.value);
    }
}

/// Starts each in turn, so that all meet the same weather.
fn starts(engines: &[&Path]) -> Vec<Vec<Figure>> {
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); engines.len()];
    for _ in 0..STARTS {
        for (times, engine) in times.iter_mut().zip(engines) {
            times.push(process::handshake(engine));
        }
    }
    let figures = |times: &mut Vec<Duration>| {
        vec![
            milliseconds("start to the handshake line, median", percentile(times, 50)),
            milliseconds("start to the handshake line, least", percentile(times, 0)),
        ]
    };
    times.iter_mut().map(figures).collect()
}

/// A server whose plugin is one of the engines, and the simulator.
struct Stage {
    bao: Bao,
    client: Client,
    atlas: Simulator,
    _cloud: Cloud,
}

async fn measured(engine: &Path) -> Vec<Figure> {
    let stage = Stage::set(engine).await;
    stage.mount("first").await;
    let lease = stage.client.read("first/creds/r").await.lease_id();
    crate::revoke(&stage.client, &lease).await;
    tokio::time::sleep(crate::SETTLED).await;
    let idle = stage.memory();
    let mut figures = memory(
        ["idle, one mount: resident", "idle, one mount: anonymous"],
        idle,
    );
    for number in 0..MOUNTS {
        let path = format!("further-{number}");
        stage.mount(&path).await;
        let lease = stage.client.read(&format!("{path}/creds/r")).await;
        crate::revoke(&stage.client, &lease.lease_id()).await;
    }
    tokio::time::sleep(crate::SETTLED).await;
    let each = stage.memory().1.saturating_sub(idle.1) as f64 / MOUNTS as f64;
    figures.push(Figure {
        what: "each further mount: anonymous",
        unit: "KiB",
        value: each,
    });
    figures.extend(stage.issues().await);
    figures.extend(stage.revocations().await);
    for number in 0..MOUNTS {
        let path = format!("sys/mounts/further-{number}");
        assert!(stage.client.delete(&path).await.ok());
    }
    tokio::time::sleep(crate::SETTLED).await;
    let after = ["after all that: resident", "after all that: anonymous"];
    figures.extend(memory(after, stage.memory()));
    figures
}

impl Stage {
    async fn set(engine: &Path) -> Self {
        let atlas = Simulator::start();
        atlas.unlimited().await;
        let cloud = Cloud::before(atlas.api()).await;
        let extras = Extras {
            variables: cloud.variables(),
            ..Extras::default()
        };
        let bao = Bao::on_disk_with(extras).await;
        std::fs::copy(engine, bao.plugin_folder.join("mongodbatlas")).expect("the engine");
        assert!(
            register_file(&bao.client(), &bao.plugin_folder, "mongodbatlas", &[])
                .await
                .ok()
        );
        let client = bao.client();
        Self {
            bao,
            client,
            atlas,
            _cloud: cloud,
        }
    }

    async fn mount(&self, path: &str) {
        crate::mount(&self.client, &self.atlas, path, self.atlas.key()).await;
    }

    /// Resident and anonymous memory of the engine's processes, in KiB.
    fn memory(&self) -> (u64, u64) {
        let pids = self.bao.plugin_pids();
        let sum = |of: fn(i32) -> u64| pids.iter().map(|pid| of(*pid)).sum();
        (sum(resident_kib), sum(anonymous_kib))
    }

    fn cpu(&self) -> f64 {
        self.bao
            .plugin_pids()
            .iter()
            .map(|pid| cpu_seconds(*pid))
            .sum()
    }

    async fn issues(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        let names = [
            [
                "one reader: p50",
                "one reader: p99",
                "one reader: CPU per 1,000",
            ],
            [
                "16 readers: p50",
                "16 readers: p99",
                "16 readers: CPU per 1,000",
            ],
        ];
        for (names, (count, readers)) in names.iter().zip([(BY_ONE, 1), (BY_MANY, READERS)]) {
            let (before, started) = (self.cpu(), Instant::now());
            let mut times = times_of(&self.client, "first/creds/r", count, readers).await;
            let taken = started.elapsed().as_secs_f64();
            figures.push(milliseconds(names[0], percentile(&mut times, 50)));
            figures.push(milliseconds(names[1], percentile(&mut times, 99)));
            let cpu = (self.cpu() - before) * 1_000.0 / times.len() as f64;
            figures.push(seconds(names[2], cpu));
            if readers > 1 {
                figures.push(Figure {
                    what: "16 readers: credentials",
                    unit: "a second",
                    value: times.len() as f64 / taken,
                });
            }
        }
        figures.push(Figure {
            what: "one reader: system calls of an issue",
            unit: "(strace)",
            value: self.system_calls().await,
        });
        figures
    }

    /// System calls of one issue, as `strace` counts them; not a number where it is not there.
    async fn system_calls(&self) -> f64 {
        let pids = self.bao.plugin_pids();
        let counts = tempfile::NamedTempFile::new().expect("a file");
        let mut command = Command::new("strace");
        command.args(["-f", "-q", "-c", "-U", "calls,name", "-o"]);
        command.arg(counts.path());
        for pid in pids {
            command.args(["-p", &pid.to_string()]);
        }
        let Ok(mut tracer) = command.stderr(Stdio::null()).spawn() else {
            return f64::NAN;
        };
        tokio::time::sleep(Duration::from_secs(1)).await;
        times_of(&self.client, "first/creds/r", TRACED, 1).await;
        let interrupt = nix::sys::signal::Signal::SIGINT;
        let tracer_id = nix::unistd::Pid::from_raw(tracer.id().cast_signed());
        nix::sys::signal::kill(tracer_id, interrupt).expect("the tracer runs");
        tracer.wait().expect("the tracer ends");
        let table = std::fs::read_to_string(counts.path()).expect("its counts");
        let total = table.lines().rev().find(|line| line.ends_with("total"));
        let calls = total.and_then(|line| line.split_whitespace().next());
        let calls: f64 = calls
            .and_then(|calls| calls.parse().ok())
            .unwrap_or(f64::NAN);
        calls / TRACED as f64
    }

    /// Revokes all that was issued, as fast as it goes.
    async fn revocations(&self) -> Vec<Figure> {
        let count = (BY_ONE + BY_MANY + TRACED) as f64;
        let (before, started) = (self.cpu(), Instant::now());
        let order = json!({ "sync": false });
        self.client
            .write("sys/leases/revoke-prefix/first", order)
            .await;
        self.atlas.wait_for(0).await;
        vec![
            seconds("all revoked: wall", started.elapsed().as_secs_f64()),
            seconds(
                "all revoked: CPU per 1,000",
                (self.cpu() - before) * 1_000.0 / count,
            ),
        ]
    }
}

fn memory(what: [&'static str; 2], (resident, anonymous): (u64, u64)) -> Vec<Figure> {
    let figure = |what, kib: u64| Figure {
        what,
        unit: "MiB",
        value: kib as f64 / 1_024.0,
    };
    vec![figure(what[0], resident), figure(what[1], anonymous)]
}

fn milliseconds(what: &'static str, value: Duration) -> Figure {
    Figure {
        what,
        unit: "ms",
        value: value.as_secs_f64() * 1_000.0,
    }
}

fn seconds(what: &'static str, value: f64) -> Figure {
    Figure {
        what,
        unit: "s",
        value,
    }
}

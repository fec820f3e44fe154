//! This engine and the Go engine beside each other: mounted in one server, with one simulator, which
//! both reach at Atlas's own name through one proxy, and measured in turns.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::measure::{percentile, times_of};
use crate::process::{self, anonymous_kib, cpu_seconds, resident_kib};
use crate::simulator::Simulator;
use crate::support::bao::{Extras, plugin_binary, register_as};
use crate::support::cloud::Cloud;
use crate::support::{Bao, Client};

/// Mounts beside the one that stays.
const MOUNTS: usize = 51;
/// Turns; each engine begins every other one.
const TURNS: usize = 4;
/// Of each turn.
const BY_ONE: usize = 50;
const BY_MANY: usize = 11 * READERS;
const READERS: usize = 16;
/// With an Atlas that is away, in each turn.
const FAR_BY_ONE: usize = 25;
const FAR_BY_MANY: usize = 10 * READERS;
/// How far Atlas is then, there and back.
const FAR: Duration = Duration::from_millis(50);
const STARTS: usize = 20;
const TRACED: usize = 100;
/// Kinds of system calls that are named.
const KINDS: usize = 8;

/// An engine: the name under which its file and the engine are registered, and what was measured.
struct Engine {
    name: &'static str,
    binary: PathBuf,
    /// Credentials of its first mount that live.
    issued: usize,
    figures: Vec<Figure>,
    /// Kinds of system calls of one issue, and how often.
    calls: Vec<(String, f64)>,
}

/// One figure: what it is, its unit, and its value.
struct Figure {
    what: String,
    unit: &'static str,
    value: f64,
}

/// Measures both and prints them; this engine alone where there is no other.
pub(crate) async fn beside() {
    let engine = |name, binary| Engine {
        name,
        binary,
        issued: 0,
        figures: Vec::new(),
        calls: Vec::new(),
    };
    let go = std::env::var_os("GO_ENGINE").map(PathBuf::from);
    let mut engines: Vec<Engine> = go
        .map(|go| engine("go-mongodbatlas", go))
        .into_iter()
        .collect();
    engines.push(engine("this-mongodbatlas", plugin_binary()));
    starts(&mut engines);
    let stage = Stage::set(&engines).await;
    stage.mounts(&mut engines).await;
    stage.requests_to_atlas(&mut engines).await;
    stage.issues(&mut engines, "", [BY_ONE, BY_MANY]).await;
    stage.system_calls(&mut engines).await;
    stage.revocations(&mut engines).await;
    stage.unmounts(&mut engines).await;
    let way = u64::try_from(FAR.as_micros() / 2).expect("less than a year");
    stage.way.store(way, Ordering::Relaxed);
    let away = format!("Atlas {} ms away, ", FAR.as_millis());
    stage
        .issues(&mut engines, &away, [FAR_BY_ONE, FAR_BY_MANY])
        .await;
    print(&engines);
}

fn print(engines: &[Engine]) {
    let (ours, others) = engines.split_last().expect("this engine");
    println!(
        "{:<64} {:>10} {:>12} {:>8}",
        "", "Go engine", "this engine", "ratio"
    );
    for (row, figure) in ours.figures.iter().enumerate() {
        let what = format!("{}, {}", figure.what, figure.unit);
        let go = others.first().map(|other| other.figures[row].value);
        let shown = go.map_or("-".to_owned(), |value| format!("{value:.2}"));
        let ratio = go.map_or("-".to_owned(), |go| format!("{:.2}", figure.value / go));
        println!("{what:<64} {shown:>10} {:>12.2} {ratio:>8}", figure.value);
    }
    for engine in engines {
        let calls = engine.calls.iter().take(KINDS);
        let calls = calls.map(|(name, count)| format!("{name} {count:.1}"));
        let calls = calls.collect::<Vec<_>>().join(", ");
        println!("system calls of an issue, {}: {calls}", engine.name);
    }
}

impl Engine {
    fn note(&mut self, what: impl Into<String>, unit: &'static str, value: f64) {
        let what = what.into();
        self.figures.push(Figure { what, unit, value });
    }

    fn note_times(&mut self, what: &str, times: &mut [Duration]) {
        for percent in [50, 99] {
            let value = percentile(times, percent).as_secs_f64() * 1_000.0;
            self.note(format!("{what}: p{percent}"), "ms", value);
        }
    }

    fn note_memory(&mut self, when: &str, (resident, anonymous): (u64, u64)) {
        for (what, kib) in [("resident", resident), ("anonymous", anonymous)] {
            self.note(format!("{when}: {what}"), "MiB", kib as f64 / 1_024.0);
        }
    }

    /// Its first mount, which stays.
    fn first(&self) -> String {
        format!("{}-first", self.name)
    }

    fn further(&self, number: usize) -> String {
        format!("{}-{number}", self.name)
    }
}

/// Starts each in turn, so that all meet the same weather.
fn starts(engines: &mut [Engine]) {
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); engines.len()];
    for _ in 0..STARTS {
        for (times, engine) in times.iter_mut().zip(&*engines) {
            times.push(process::handshake(&engine.binary));
        }
    }
    for (engine, times) in engines.iter_mut().zip(&mut times) {
        for (percent, what) in [(50, "median"), (0, "least")] {
            let value = percentile(times, percent).as_secs_f64() * 1_000.0;
            engine.note(format!("start to the handshake line, {what}"), "ms", value);
        }
    }
}

/// A server with the engines, and the simulator.
struct Stage {
    bao: Bao,
    client: Client,
    atlas: Simulator,
    /// How long Atlas's bytes are on the way, in microseconds.
    way: Arc<AtomicU64>,
    _cloud: Cloud,
}

impl Stage {
    async fn set(engines: &[Engine]) -> Self {
        let atlas = Simulator::start();
        atlas.unlimited().await;
        let way = Arc::<AtomicU64>::default();
        let cloud = Cloud::before(atlas.api(), Arc::clone(&way)).await;
        let extras = Extras {
            variables: cloud.variables(),
            ..Extras::default()
        };
        let bao = Bao::on_disk_with(extras).await;
        let client = bao.client();
        for Engine { name, binary, .. } in engines {
            std::fs::copy(binary, bao.plugin_folder.join(name)).expect("the engine");
            let registered = register_as(name, &client, &bao.plugin_folder, name, &[]).await;
            assert!(registered.ok(), "{registered:?}");
        }
        Self {
            bao,
            client,
            atlas,
            way,
            _cloud: cloud,
        }
    }

    /// Mounts an engine and has it do all of its work once.
    async fn mount(&self, engine: &Engine, path: &str) {
        let config = self.atlas.key();
        crate::mount_of(engine.name, &self.client, &self.atlas, path, config).await;
        let lease = self.client.read(&format!("{path}/creds/r")).await;
        crate::revoke(&self.client, &lease.lease_id()).await;
    }

    async fn mounts(&self, engines: &mut [Engine]) {
        for engine in &*engines {
            self.mount(engine, &engine.first()).await;
        }
        tokio::time::sleep(crate::SETTLED).await;
        let mut idle = Vec::new();
        for engine in &mut *engines {
            let memory = self.memory(engine);
            engine.note_memory("idle, one mount", memory);
            idle.push(memory.1);
        }
        for number in 0..MOUNTS {
            for engine in &*engines {
                self.mount(engine, &engine.further(number)).await;
            }
        }
        tokio::time::sleep(crate::SETTLED).await;
        for (engine, idle) in engines.iter_mut().zip(idle) {
            let each = self.memory(engine).1.saturating_sub(idle) as f64 / MOUNTS as f64;
            engine.note("each further mount: anonymous", "KiB", each);
        }
    }

    async fn unmounts(&self, engines: &mut [Engine]) {
        for engine in &*engines {
            for number in 0..MOUNTS {
                let path = format!("sys/mounts/{}", engine.further(number));
                assert!(self.client.delete(&path).await.ok());
            }
        }
        tokio::time::sleep(crate::SETTLED).await;
        for engine in engines {
            let memory = self.memory(engine);
            engine.note_memory("after all that", memory);
        }
    }

    fn pids(&self, engine: &Engine) -> Vec<i32> {
        let mut pids = self.bao.plugin_pids();
        pids.retain(|pid| process::command(*pid).ends_with(engine.name));
        pids
    }

    /// Resident and anonymous memory of the engine's processes, in KiB.
    fn memory(&self, engine: &Engine) -> (u64, u64) {
        let pids = self.pids(engine);
        let sum = |of: fn(i32) -> u64| pids.iter().map(|pid| of(*pid)).sum();
        (sum(resident_kib), sum(anonymous_kib))
    }

    fn cpu(&self, engine: &Engine) -> f64 {
        self.pids(engine).into_iter().map(cpu_seconds).sum()
    }

    /// Reads by one, and by many at once.
    async fn issues(&self, engines: &mut [Engine], place: &str, counts: [usize; 2]) {
        for (readers, count) in [1, READERS].into_iter().zip(counts) {
            let mut runs: Vec<Run> = engines.iter().map(|_| Run::default()).collect();
            for turn in 0..TURNS {
                for index in 0..engines.len() {
                    let index = (index + turn) % engines.len();
                    let engine = &engines[index];
                    runs[index].add(self.run(engine, count, readers).await);
                }
            }
            let who = match readers {
                1 => format!("{place}one reader"),
                many => format!("{place}{many} readers"),
            };
            for (engine, mut run) in engines.iter_mut().zip(runs) {
                engine.issued += run.times.len();
                engine.note_times(&who, &mut run.times);
                let count = run.times.len() as f64;
                engine.note(
                    format!("{who}: CPU per 1,000"),
                    "s",
                    run.cpu * 1_000.0 / count,
                );
                let rate = count / run.taken.as_secs_f64();
                engine.note(format!("{who}: credentials"), "a second", rate);
            }
        }
    }

    async fn run(&self, engine: &Engine, count: usize, readers: usize) -> Run {
        let path = format!("{}/creds/r", engine.first());
        let (before, started) = (self.cpu(engine), Instant::now());
        let times = times_of(&self.client, &path, count, readers).await;
        Run {
            times,
            taken: started.elapsed(),
            cpu: self.cpu(engine) - before,
        }
    }

    /// What an issue and its revocation ask of Atlas.
    async fn requests_to_atlas(&self, engines: &mut [Engine]) {
        let (org, project) = (self.atlas.org(), self.atlas.project(0));
        let shapes = [
            (
                "organization",
                json!({ "organization_id": org, "roles": "ORG_MEMBER" }),
            ),
            (
                "project",
                json!({ "project_id": project, "roles": "GROUP_OWNER" }),
            ),
            (
                "organization and project",
                json!({
                    "organization_id": org, "project_id": project, "roles": "ORG_MEMBER",
                    "project_roles": "GROUP_OWNER",
                }),
            ),
        ];
        for (shape, role) in shapes {
            for list in [Value::Null, json!("192.0.2.1")] {
                let mut role = role.clone();
                let mut what = format!("requests to Atlas, key of the {shape}");
                if !list.is_null() {
                    role["ip_addresses"] = list;
                    what.push_str(", access list");
                }
                for engine in &mut *engines {
                    let (issue, revoke) = self.requests(engine, &role).await;
                    engine.note(what.as_str(), "to issue", issue);
                    engine.note(what.as_str(), "to revoke", revoke);
                }
            }
        }
    }

    async fn requests(&self, engine: &Engine, role: &Value) -> (f64, f64) {
        let path = engine.first();
        let shape = format!("{path}/roles/shape");
        assert!(self.client.delete(&shape).await.ok());
        assert!(self.client.write(&shape, role.clone()).await.ok());
        let before = self.atlas.request_count().await;
        let lease = self.client.read(&format!("{path}/creds/shape")).await;
        let issued = self.atlas.request_count().await;
        crate::revoke(&self.client, &lease.lease_id()).await;
        let revoked = self.atlas.request_count().await;
        ((issued - before) as f64, (revoked - issued) as f64)
    }

    async fn system_calls(&self, engines: &mut [Engine]) {
        for engine in engines {
            let calls = self.traced(engine).await;
            // Not a number where there is no tracer.
            let sum = calls.iter().map(|(_, count)| count).sum::<f64>();
            let sum = if calls.is_empty() { f64::NAN } else { sum };
            engine.note("one reader: system calls of an issue", "(strace)", sum);
            engine.calls = calls;
        }
    }

    /// System calls of one issue by kind, as `strace` counts them; none where it is not there.
    async fn traced(&self, engine: &mut Engine) -> Vec<(String, f64)> {
        let counts = tempfile::NamedTempFile::new().expect("a file");
        let mut command = Command::new("strace");
        command.args(["-f", "-q", "-c", "-U", "calls,name", "-o"]);
        command.arg(counts.path());
        for pid in self.pids(engine) {
            command.args(["-p", &pid.to_string()]);
        }
        let Ok(tracer) = command.stderr(Stdio::null()).spawn() else {
            return Vec::new();
        };
        tokio::time::sleep(Duration::from_secs(1)).await;
        let path = format!("{}/creds/r", engine.first());
        engine.issued += times_of(&self.client, &path, TRACED, 1).await.len();
        process::interrupt(tracer);
        calls(counts.path())
    }

    /// Revokes all that was issued, as fast as it goes.
    async fn revocations(&self, engines: &mut [Engine]) {
        for engine in engines {
            let count = std::mem::take(&mut engine.issued);
            let rest = self.atlas.keys().await - count;
            let (before, started) = (self.cpu(engine), Instant::now());
            let path = format!("sys/leases/revoke-prefix/{}", engine.first());
            self.client.write(&path, json!({ "sync": false })).await;
            self.atlas.wait_for(rest).await;
            let taken = started.elapsed().as_secs_f64();
            engine.note("all revoked: wall", "s", taken);
            let cpu = (self.cpu(engine) - before) * 1_000.0 / count as f64;
            engine.note("all revoked: CPU per 1,000", "s", cpu);
        }
    }
}

/// What reads took.
#[derive(Default)]
struct Run {
    times: Vec<Duration>,
    taken: Duration,
    cpu: f64,
}

impl Run {
    fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.taken += other.taken;
        self.cpu += other.cpu;
    }
}

/// The rows of a table of `strace`, the most frequent first, for each issue.
fn calls(table: &Path) -> Vec<(String, f64)> {
    let table = std::fs::read_to_string(table).expect("its counts");
    let rows = table.lines().filter_map(|line| {
        let (count, name) = line.trim().split_once(char::is_whitespace)?;
        let count = count.parse::<f64>().ok()?;
        Some((name.trim().to_owned(), count / TRACED as f64))
    });
    let mut rows: Vec<_> = rows.filter(|(name, _)| name != "total").collect();
    rows.sort_by(|one, other| other.1.total_cmp(&one.1));
    rows
}

//! A thousand static roles that are due in the same minute.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::line;
use crate::process::{cpu_seconds, most_resident_kib, resident_kib};
use crate::simulator::Simulator;
use crate::support::{Bao, Client};

const ROLES: usize = 1_000;
const AT_ONCE: usize = 16;
/// Past the period of every role, and past the overlap of what it replaced.
const A_DAY_LATER: Duration = Duration::from_hours(25);

/// A server whose plugin's clock is turned past the period of every role.
struct Throng {
    bao: Bao,
    atlas: Simulator,
    plugin: i32,
}

/// Measures what the periodic run makes of a thousand roles at once: as fast as the engine goes,
/// and at Atlas's pace.
pub(crate) async fn thousand_at_once() {
    let bao = Bao::dev_with_clock();
    let atlas = Simulator::start();
    atlas.unlimited().await;
    crate::mount(&bao.client(), &atlas, "bench", atlas.config()).await;
    let plugin = *bao.plugin_pids().first().expect("a plugin process");
    let throng = Throng { bao, atlas, plugin };
    throng.adopt().await;
    throng.rotate("without limits").await;
    throng.atlas.bucket(500, 25).await;
    throng
        .rotate("at 500 requests + 25 a second (least: 140 s)")
        .await;
}

impl Throng {
    /// Writes the roles; each keeps its given secret until it is due.
    async fn adopt(&self) {
        let mut roles = Vec::new();
        for number in 0..ROLES {
            let account = self.atlas.account(&format!("app-{number}")).await;
            let role = json!({
                "client_id": account["client_id"], "client_secret": account["client_secret"],
                "organization_id": self.atlas.org(), "rotation_period": "1d", "overlap": "1h",
                "skip_initial_rotation": true,
            });
            roles.push((format!("bench/static-roles/app-{number}"), role));
        }
        let started = Instant::now();
        let mut workers = JoinSet::new();
        for part in roles.chunks(ROLES.div_ceil(AT_ONCE)) {
            workers.spawn(write(self.bao.client(), part.to_vec()));
        }
        workers.join_all().await;
        let taken = started.elapsed().as_secs_f64();
        line("writing 1,000 static roles, 16 at once", seconds(taken));
        self.memory("resident memory with 1,000 static roles");
    }

    /// Turns the clocks and waits until every account has another newest secret, which readers have.
    async fn rotate(&self, pace: &str) {
        let before = self.newest().await;
        let cpu = cpu_seconds(self.plugin);
        self.atlas.turn_clock(A_DAY_LATER).await;
        self.bao
            .clock
            .as_ref()
            .expect("a clock to turn")
            .turn(A_DAY_LATER);
        let mut begun = None;
        loop {
            let now = self.newest().await;
            let rotated = now
                .iter()
                .filter(|(id, secret)| before.get(*id) != Some(secret))
                .count();
            if rotated > 0 {
                begun.get_or_insert_with(Instant::now);
            }
            if rotated >= ROLES && self.all_planned().await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let taken = begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64());
        line(
            &format!("rotating 1,000 static roles {pace}"),
            seconds(taken),
        );
        line(
            "CPU seconds of the plugin for that",
            format!("{:.1}", cpu_seconds(self.plugin) - cpu),
        );
        self.memory("resident memory after that, and the most ever");
    }

    /// The newest secret of each account but the seed's.
    async fn newest(&self) -> HashMap<String, String> {
        let secrets = self.atlas.secrets().await.into_iter();
        secrets
            .filter_map(|(id, mut secrets)| Some((id, secrets.pop()?)))
            .collect()
    }

    /// Whether no role fails and none is due.
    async fn all_planned(&self) -> bool {
        let status = self.bao.client().read("bench/status").await;
        let roles = &status.data()["static_roles"];
        let last = self.bao.client().read("bench/static-roles/app-0").await;
        let (next, of_one) = (
            text(&roles["next_rotation"]),
            text(&last.data()["last_rotated"]),
        );
        roles["failing"] == 0 && next > of_one
    }

    fn memory(&self, what: &str) {
        let (now, most) = (resident_kib(self.plugin), most_resident_kib(self.plugin));
        line(what, format!("{now} KiB {most} KiB"));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn seconds(taken: f64) -> String {
    format!("{taken:.1} s")
}

async fn write(client: Client, roles: Vec<(String, Value)>) {
    for (path, role) in roles {
        let written = client.write(&path, role).await;
        assert!(written.ok(), "{path}: {written:?}");
    }
}

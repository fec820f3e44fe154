//! Carries out the rounds of a soak.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::decisions::{Act, Kill, Random, Round};
use super::stage::{Stage, text};
use crate::support::{Answer, Mount};

/// A stage, and what was issued on it so far.
pub(crate) struct Soak {
    pub(super) stage: Stage,
    /// Public parts by lease, of every answer that came.
    pub(super) issued: Mutex<BTreeMap<String, String>>,
    /// Leases that somebody wanted to end, and that did not: their credentials may be gone.
    pub(super) unrevoked: Mutex<BTreeSet<String>>,
    pub(super) outcomes: Mutex<Outcomes>,
}

/// How many requests came to what.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Outcomes {
    pub(crate) rounds: usize,
    pub(crate) plugin_kills: usize,
    pub(crate) server_kills: usize,
    pub(crate) done: usize,
    pub(crate) failed: usize,
    /// Requests under way when the server was killed: what they made may have no lease.
    pub(crate) cut_off: usize,
    /// Mounts that the server left without a backend, as a reload met a kill of the plugin.
    pub(crate) without_backend: usize,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request to a server that may be killed meanwhile.
pub(super) async fn ask(
    mount: &Mount,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> Option<Answer> {
    let path = format!("{}/{path}", mount.path);
    mount.client.try_call(method, &path, body).await.ok()
}

impl Soak {
    pub(crate) async fn set_up() -> Self {
        Self {
            stage: Stage::set().await,
            issued: Mutex::default(),
            unrevoked: Mutex::default(),
            outcomes: Mutex::default(),
        }
    }

    /// Rounds of this seed, for so long; then order must come back. Tells what is wrong if it does not.
    pub(crate) async fn run(mut self, seed: u64, length: Duration) -> Result<Outcomes, String> {
        let mut random = Random::new(seed);
        let end = Instant::now() + length;
        while Instant::now() < end {
            self.round(Round::draw(&mut random)).await?;
        }
        self.settle().await?;
        Ok(self.outcomes())
    }

    pub(super) fn outcomes(&self) -> Outcomes {
        *lock(&self.outcomes)
    }

    async fn round(&mut self, round: Round) -> Result<(), String> {
        let Stage { app, root, .. } = &self.stage;
        for (mount, fault) in [(app, round.fault), (root, round.root_fault)] {
            if let Some(fault) = fault {
                mount.atlas.fault(fault).await;
            }
        }
        let requests = round.acts.len();
        let reloaded = round.acts.contains(&Act::Reload);
        let acts = join_all(round.acts.into_iter().map(|act| self.act(act)));
        tokio::join!(acts, self.kill(round.kill));
        for mount in [app, root] {
            mount.atlas.no_more_faults().await;
        }
        if let Some(Kill::Server { .. }) = round.kill {
            lock(&self.outcomes).cut_off += requests;
            self.stage.bao.start_after_a_kill().await;
        }
        match round.kill {
            Some(Kill::Plugin { .. }) if reloaded => self.mend().await?,
            _ => self.all_serve().await?,
        }
        lock(&self.outcomes).rounds += 1;
        self.static_credential_works().await
    }

    async fn kill(&self, kill: Option<Kill>) {
        let Some(Kill::Plugin { after } | Kill::Server { after }) = kill else {
            return;
        };
        tokio::time::sleep(Duration::from_millis(after)).await;
        if let Some(Kill::Server { .. }) = kill {
            self.stage.bao.signal("KILL");
            lock(&self.outcomes).server_kills += 1;
        } else {
            self.stage.bao.signal_plugins("KILL");
            lock(&self.outcomes).plugin_kills += 1;
        }
    }

    async fn act(&self, act: Act) {
        let Stage { app, root, .. } = &self.stage;
        let answer = match act {
            Act::Issue(role) => {
                let answer = ask(app, "GET", &format!("creds/{role}"), None).await;
                if let Some(issued) = answer.as_ref().filter(|answer| answer.ok()) {
                    self.note(&issued.body);
                }
                answer
            }
            Act::Renew(number) => {
                let Some(lease) = self.lease(number) else {
                    return;
                };
                let body = json!({ "lease_id": lease, "increment": 0 });
                let path = "sys/leases/renew";
                app.client.try_call("POST", path, Some(body)).await.ok()
            }
            Act::Revoke(number) => match self.lease(number) {
                Some(lease) => self.revoke(lease).await,
                None => return,
            },
            Act::Configure { account } => {
                let config = if account {
                    app.atlas.account_config()
                } else {
                    app.atlas.key_config()
                };
                ask(app, "POST", "config", Some(config)).await
            }
            Act::ChangeRole { role, ttl } => {
                let path = format!("roles/{role}");
                ask(app, "POST", &path, Some(json!({ "ttl": ttl }))).await
            }
            Act::Rotate => {
                let force = json!({ "force": true });
                ask(app, "POST", "rotate-role/app", Some(force)).await
            }
            Act::RotateRoot => {
                let force = json!({ "force": true });
                ask(root, "POST", "config/rotate-root", Some(force)).await
            }
            Act::Reload => {
                let body = json!({ "plugin": "mongodbatlas" });
                let path = "sys/plugins/reload/backend";
                app.client.try_call("POST", path, Some(body)).await.ok()
            }
        };
        let mut outcomes = lock(&self.outcomes);
        if answer.is_some_and(|answer| answer.ok()) {
            outcomes.done += 1;
        } else {
            outcomes.failed += 1;
        }
    }

    pub(super) async fn revoke(&self, lease: String) -> Option<Answer> {
        let body = json!({ "lease_id": lease, "sync": true });
        let client = &self.stage.app.client;
        let answer = client.try_call("POST", "sys/leases/revoke", Some(body));
        let answer = answer.await.ok();
        let mut unrevoked = lock(&self.unrevoked);
        if answer.as_ref().is_some_and(Answer::ok) {
            unrevoked.remove(&lease);
        } else {
            unrevoked.insert(lease);
        }
        answer
    }

    fn note(&self, body: &Value) {
        let data = &body["data"];
        let parts = ["public_key", "client_id", "ai_model_key_id", "username"];
        let public = parts.iter().find_map(|part| data[*part].as_str());
        let lease = body["lease_id"].as_str();
        let (Some(public), Some(lease)) = (public, lease) else {
            panic!("an answer without a lease");
        };
        lock(&self.issued).insert(lease.to_owned(), public.to_owned());
    }

    fn lease(&self, number: u64) -> Option<String> {
        let issued = lock(&self.issued);
        let length = u64::try_from(issued.len()).expect("a length");
        let number = usize::try_from(number.checked_rem(length)?).expect("a small number");
        issued.keys().nth(number).cloned()
    }

    /// What a reader of the static role gets mints, whenever it gets anything.
    pub(super) async fn static_credential_works(&self) -> Result<(), String> {
        let app = &self.stage.app;
        let Some(answer) = ask(app, "GET", "static-creds/app", None).await else {
            return Ok(());
        };
        if !answer.ok() {
            return Ok(());
        }
        let secret = text(&answer.data()["client_secret"]);
        let works = app.atlas.mints(&self.stage.static_account, &secret).await;
        let wrong = || "static-creds/app shows a secret that does not mint".to_owned();
        works.then_some(()).ok_or_else(wrong)
    }
}

//! Carries out the rounds of a soak, then waits until all is in order again.
//!
//! In order: Atlas holds exactly the credentials of the server's leases, and so does the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::decisions::{Act, ROLES, Random, Round};
use crate::support::{Answer, Bao, Mount};

/// Rollback takes two ticks of a minute, a failed expiry up to some minutes of tries.
const SETTLES_WITHIN: Duration = Duration::from_mins(8);

/// A server, a mount, and what was issued so far.
pub(crate) struct Soak {
    bao: Bao,
    mount: Mount,
    /// Public parts by lease, of every answer that came.
    issued: Mutex<BTreeMap<String, String>>,
    /// Leases that somebody wanted to end, and that did not: their credentials may be gone.
    unrevoked: Mutex<BTreeSet<String>>,
    outcomes: Mutex<Outcomes>,
}

/// How many requests came to what.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Outcomes {
    pub(crate) rounds: usize,
    pub(crate) kills: usize,
    pub(crate) done: usize,
    pub(crate) failed: usize,
}

impl Soak {
    pub(crate) async fn set_up() -> Self {
        let bao = Bao::dev_with_clock();
        let mount = Mount::on(&bao.client()).await;
        let room = json!({
            "rate_limits": false, "max_api_keys_per_org": 100_000,
            "max_service_accounts_per_org": 100_000, "max_tokens_per_account": 100_000,
            "token_requests_per_minute": 0,
        });
        mount.atlas.settings(room).await;
        mount.configure().await;
        for role in ROLES {
            mount.role(role, role_body(&mount, role)).await;
        }
        Self {
            bao,
            mount,
            issued: Mutex::default(),
            unrevoked: Mutex::default(),
            outcomes: Mutex::default(),
        }
    }

    /// Rounds of this seed, for so long; then order must come back. Tells what is wrong if it does not.
    pub(crate) async fn run(self, seed: u64, length: Duration) -> Result<Outcomes, String> {
        let mut random = Random::new(seed);
        let end = Instant::now() + length;
        while Instant::now() < end {
            self.round(Round::draw(&mut random)).await;
        }
        self.settle().await?;
        Ok(*self.outcomes())
    }

    fn outcomes(&self) -> std::sync::MutexGuard<'_, Outcomes> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn round(&self, round: Round) {
        if let Some(fault) = round.fault {
            self.mount.atlas.fault(fault).await;
        }
        let acts = join_all(round.acts.into_iter().map(|act| self.act(act)));
        let killing = async {
            if let Some(milliseconds) = round.killed_after {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                self.bao.signal_plugins("KILL");
                self.outcomes().kills += 1;
            }
        };
        tokio::join!(acts, killing);
        self.mount.atlas.no_more_faults().await;
        self.outcomes().rounds += 1;
    }

    async fn act(&self, act: Act) {
        let mount = &self.mount;
        let answer = match act {
            Act::Issue(role) => {
                let answer = mount.read(&format!("creds/{role}")).await;
                if answer.ok() {
                    self.note(&answer.body);
                }
                answer
            }
            Act::Renew(number) => match self.lease(number) {
                Some(lease) => mount.renew(&lease, 0).await,
                None => return,
            },
            Act::Revoke(number) => match self.lease(number) {
                Some(lease) => self.revoke(lease).await,
                None => return,
            },
            Act::Configure { account: true } => {
                mount.write("config", mount.atlas.account_config()).await
            }
            Act::Configure { account: false } => {
                mount.write("config", mount.atlas.key_config()).await
            }
            Act::ChangeRole { role, ttl } => {
                mount
                    .write(&format!("roles/{role}"), json!({ "ttl": ttl }))
                    .await
            }
            Act::Reload => {
                let body = json!({ "plugin": "mongodbatlas" });
                mount.client.write("sys/plugins/reload/backend", body).await
            }
        };
        let mut outcomes = self.outcomes();
        if answer.ok() {
            outcomes.done += 1;
        } else {
            outcomes.failed += 1;
        }
    }

    async fn revoke(&self, lease: String) -> Answer {
        let answer = self.mount.revoke(&lease).await;
        let mut unrevoked = self
            .unrevoked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if answer.ok() {
            unrevoked.remove(&lease);
        } else {
            unrevoked.insert(lease);
        }
        answer
    }

    /// What an operator does with a revocation that failed.
    async fn revoke_again(&self) -> Result<(), String> {
        let unrevoked = std::mem::take(
            &mut *self
                .unrevoked
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for lease in unrevoked {
            let answer = self.mount.revoke(&lease).await;
            // A lease that ended meanwhile is unknown to the server.
            if !answer.ok() && !answer.errors().contains("lease not found") {
                return Err(format!("{lease} cannot be revoked: {answer:?}"));
            }
        }
        Ok(())
    }

    fn note(&self, body: &Value) {
        let data = &body["data"];
        let public = data["public_key"].as_str().or(data["client_id"].as_str());
        let lease = body["lease_id"].as_str();
        let (Some(public), Some(lease)) = (public, lease) else {
            panic!("an answer without a lease");
        };
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.insert(lease.to_owned(), public.to_owned());
    }

    fn lease(&self, number: u64) -> Option<String> {
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let length = u64::try_from(issued.len()).expect("a length");
        let number = usize::try_from(number.checked_rem(length)?).expect("a small number");
        issued.keys().nth(number).cloned()
    }

    /// Public parts of the leases that the server keeps.
    async fn leased(&self) -> BTreeSet<String> {
        let mut leased = BTreeSet::new();
        for role in ROLES {
            let prefix = format!("{}/creds/{role}", self.mount.path);
            let listing = format!("sys/leases/lookup/{prefix}");
            let answer = self.mount.client.list(&listing).await;
            let ids = answer.body["data"]["keys"].as_array().cloned();
            let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
            for id in ids.unwrap_or_default() {
                let lease = format!("{prefix}/{}", id.as_str().unwrap_or_default());
                let unknown = || format!("{lease}, which nobody was told");
                leased.insert(issued.get(&lease).cloned().unwrap_or_else(unknown));
            }
        }
        leased
    }

    async fn settle(&self) -> Result<(), String> {
        let end = Instant::now() + SETTLES_WITHIN;
        while !self.mount.read("config").await.ok() {
            if Instant::now() > end {
                return Err("the mount does not answer".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.revoke_again().await?;
        let by = Duration::from_mins(11);
        self.bao.clock.as_ref().expect("a clock to turn").turn(by);
        self.mount.atlas.turn_clock(by).await;
        loop {
            let Some(wrong) = self.disorder().await else {
                return Ok(());
            };
            if Instant::now() > end {
                return Err(wrong);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn disorder(&self) -> Option<String> {
        let leased = self.leased().await;
        let held = self.mount.atlas.public_parts().await;
        let listed = self.mount.list("issued").await;
        let entries = listed.body["data"]["keys"].as_array().map_or(0, Vec::len);
        let strays: Vec<_> = held.difference(&leased).collect();
        let lost: Vec<_> = leased.difference(&held).collect();
        let in_order = strays.is_empty() && lost.is_empty() && entries == leased.len();
        (!in_order).then(|| {
            format!(
                "{} leases, {entries} journal entries, {} credentials; without a lease: {strays:?}; \
                 gone in spite of a lease: {lost:?}",
                leased.len(),
                held.len()
            )
        })
    }
}

fn role_body(mount: &Mount, role: &str) -> Value {
    let (org, project) = (mount.atlas.org(), mount.atlas.project(0));
    let mut body = match role {
        "project" => json!({ "project_id": project, "roles": "GROUP_READ_ONLY" }),
        "narrow" => json!({
            "organization_id": org, "roles": "ORG_MEMBER", "ip_addresses": "192.0.2.1",
            "project_assignments": { project: ["GROUP_READ_ONLY"] },
        }),
        "account" => json!({
            "credential_type": "service_account", "organization_id": org, "roles": "ORG_MEMBER",
            "cidr_blocks": "192.0.2.0/24", "project_id": project, "project_roles": "GROUP_READ_ONLY",
        }),
        _ => json!({ "organization_id": org, "roles": "ORG_MEMBER" }),
    };
    let (ttl, max_ttl) = if role == "short" {
        (5, 10)
    } else {
        (3_600, 36_000)
    };
    body["ttl"] = json!(ttl);
    body["max_ttl"] = json!(max_ttl);
    body
}

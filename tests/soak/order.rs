//! What must be so after a soak: Atlas and the journal hold what has a lease, and once all leases
//! have ended, nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::run::{Soak, lock};
use super::stage::{ROLES, SECRET, Stage, TOKEN, text};
use crate::support::Answer;

/// Rollback takes two ticks of a minute, a failed expiry up to some minutes of tries.
const SETTLES_WITHIN: Duration = Duration::from_mins(8);

/// An incomplete credential of a killed process is looked at for so long.
const HALF_MADE: Duration = Duration::from_mins(11);

/// For some thousand leases.
const REVOKED_WITHIN: Duration = Duration::from_mins(20);

/// Past the longest lease, and an hour more.
const PAST_ALL_LEASES: Duration = Duration::from_hours(12);

/// What the mount and its Atlas show at one time, or nearly: what was given a short lease goes on
/// ending meanwhile, so that no two listings are of the same moment.
struct Sight {
    /// Public parts of the leases of [`ROLES`] that somebody was told of.
    leased: BTreeSet<String>,
    /// Further leases of these: the server was killed before it could answer.
    untold: usize,
    secret_leases: usize,
    token_leases: usize,
    /// Public parts of what the engine has in Atlas, but for the accounts it keeps.
    held: BTreeSet<String>,
    /// Secrets of the account of somebody else's.
    secrets: usize,
    /// What was in the journal before Atlas was asked, and after it.
    entries: [BTreeMap<String, Entry>; 2],
}

/// One line of `issued/`.
#[derive(Clone)]
struct Entry {
    role: String,
    state: String,
    public: String,
}

impl Soak {
    /// Waits for order, ends all leases, and waits until nothing is left.
    pub(super) async fn settle(&self) -> Result<(), String> {
        // What Atlas does not show within two minutes is gone.
        self.turn(HALF_MADE).await;
        self.revoke_again().await?;
        self.comes_to(async || self.sight().await.disorder(self.outcomes().cut_off))
            .await?;
        let client = &self.stage.app.client;
        self.revoke_all().await?;
        self.turn(PAST_ALL_LEASES).await;
        self.comes_to(async || self.sight().await.remains()).await?;
        self.comes_to(async || self.rotations_are_over().await)
            .await?;
        self.static_credential_works().await?;
        let irrevocable = client.read("sys/leases/count?type=irrevocable").await;
        if irrevocable.data()["lease_count"] != 0 {
            return Err(format!("irrevocable leases: {irrevocable:?}"));
        }
        self.disabled().await
    }

    /// What an operator does with a revocation that failed.
    async fn revoke_again(&self) -> Result<(), String> {
        let unrevoked = std::mem::take(&mut *lock(&self.unrevoked));
        for lease in unrevoked {
            let answer = self.stage.app.revoke(&lease).await;
            // A lease that ended meanwhile is unknown to the server.
            if !answer.ok() && !answer.errors().contains("lease not found") {
                return Err(format!("{lease} cannot be revoked: {answer:?}"));
            }
        }
        Ok(())
    }

    /// Atlas takes five deletions a second, and the server ends a request after 90 s, so that many
    /// leases take several. On a busy machine even the answer to that may stay away.
    async fn revoke_all(&self) -> Result<(), String> {
        let path = format!("sys/leases/revoke-prefix/{}/creds", self.stage.app.path);
        let client = &self.stage.app.client;
        let end = Instant::now() + REVOKED_WITHIN;
        loop {
            let request = json!({ "sync": true });
            let revoked = client.try_call("POST", &path, Some(request)).await;
            if revoked.as_ref().is_ok_and(Answer::ok) {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(format!("not every lease can be revoked: {revoked:?}"));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn turn(&self, by: Duration) {
        let Stage { bao, app, root, .. } = &self.stage;
        bao.clock.as_ref().expect("a clock to turn").turn(by);
        for mount in [app, root] {
            mount.atlas.turn_clock(by).await;
        }
    }

    /// Asks until nothing is wrong any more.
    async fn comes_to(&self, wrong: impl AsyncFn() -> Option<String>) -> Result<(), String> {
        let end = Instant::now() + SETTLES_WITHIN;
        loop {
            let Some(wrong) = wrong().await else {
                return Ok(());
            };
            if Instant::now() > end {
                let status = self.stage.app.read("status").await;
                return Err(format!("{wrong}; status: {}", status.body));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn sight(&self) -> Sight {
        let app = &self.stage.app;
        let before = entries(&app.list("issued").await.body["data"]["key_info"]);
        let mut held = app.atlas.public_parts().await;
        let after = entries(&app.list("issued").await.body["data"]["key_info"]);
        for kept in before.values().filter(|entry| entry.is_kept()) {
            held.remove(&kept.public);
        }
        let shared = app.atlas.known(&self.stage.shared_account).await;
        let (mut leased, mut untold) = (BTreeSet::new(), 0);
        for role in ROLES {
            for lease in self.leases(role).await {
                match lock(&self.issued).get(&lease) {
                    Some(public) => _ = leased.insert(public.clone()),
                    None => untold += 1,
                }
            }
        }
        Sight {
            leased,
            untold,
            secret_leases: self.leases(SECRET).await.len(),
            token_leases: self.leases(TOKEN).await.len(),
            held,
            secrets: shared["secrets"].as_array().map_or(0, Vec::len),
            entries: [before, after],
        }
    }

    async fn leases(&self, role: &str) -> Vec<String> {
        let prefix = format!("{}/creds/{role}", self.stage.app.path);
        let listing = format!("sys/leases/lookup/{prefix}");
        let answer = self.stage.app.client.list(&listing).await;
        let ids = answer.body["data"]["keys"].as_array().cloned();
        let ids = ids.unwrap_or_default();
        ids.iter()
            .map(|id| format!("{prefix}/{}", text(id)))
            .collect()
    }

    /// What is wrong with the static role and the other mount's own key; both rest by now.
    async fn rotations_are_over(&self) -> Option<String> {
        let Stage { app, root, .. } = &self.stage;
        let role = app.read("static-roles/app").await;
        let account = app.atlas.known(&self.stage.static_account).await;
        let secrets = account["secrets"].as_array().map_or(0, Vec::len);
        if secrets != 1 || role.data()["rotation_in_progress"] != false {
            return Some(format!("{secrets} secrets of a static role: {role:?}"));
        }
        let config = root.read("config").await;
        let state = root.atlas.state().await;
        let keys = state["keys"].as_array().cloned().unwrap_or_default();
        let one = keys.len() == 1 && keys[0]["public_key"] == config.data()["public_key"];
        (!one).then(|| format!("a mount whose own keys are {keys:?}: {config:?}"))
    }

    /// With the mount, the accounts kept for tokens go as well.
    async fn disabled(&self) -> Result<(), String> {
        let Stage { app, root, .. } = &self.stage;
        let lease = root.issue("key").await.lease_id();
        for mount in [app, root] {
            let path = format!("sys/mounts/{}", mount.path);
            let disabled = mount.client.delete(&path).await;
            if !disabled.ok() {
                return Err(format!("{path} is not disabled: {disabled:?}"));
            }
        }
        let left = app.atlas.credentials().await;
        let looked = json!({ "lease_id": lease });
        let lease_ended = !root.client.write("sys/leases/lookup", looked).await.ok();
        (left.is_empty() && lease_ended)
            .then_some(())
            .ok_or_else(|| format!("left of a disabled mount: {left:?}"))
    }
}

fn entries(listed: &Value) -> BTreeMap<String, Entry> {
    let listed = listed.as_object().cloned().unwrap_or_default();
    let entry = |value: &Value| Entry {
        role: text(&value["role"]),
        state: text(&value["state"]),
        public: text(&value["public"]),
    };
    let named = listed.iter().map(|(id, value)| (id.clone(), entry(value)));
    named.collect()
}

impl Entry {
    fn is_kept(&self) -> bool {
        self.state == "managed"
    }
}

impl Sight {
    /// Entries that were there before and after, but for the accounts that the engine keeps.
    fn lasting(&self) -> impl Iterator<Item = (&String, &Entry)> {
        let [before, after] = &self.entries;
        let lasting = before.iter().filter(|(id, _)| after.contains_key(*id));
        lasting.filter(|(_, entry)| !entry.is_kept())
    }

    fn entries_of(&self, role: &str) -> usize {
        self.lasting()
            .filter(|(_, entry)| entry.role == role)
            .count()
    }

    /// Entries for which Atlas has nothing.
    fn empty_entries(&self) -> Vec<String> {
        let of_own = self.lasting();
        let of_own = of_own.filter(|(_, entry)| entry.role != TOKEN && entry.role != SECRET);
        let empty = of_own.filter(|(_, entry)| !self.held.contains(&entry.public));
        let shown = empty.map(|(id, entry)| format!("{id} {} {}", entry.state, entry.public));
        shown.collect()
    }

    /// What is in Atlas and in no entry, neither before nor after.
    fn without_entry(&self) -> Vec<&String> {
        let entries = self.entries.iter().flat_map(BTreeMap::values);
        let known: BTreeSet<_> = entries.map(|entry| &entry.public).collect();
        self.held
            .iter()
            .filter(|held| !known.contains(held))
            .collect()
    }

    /// What is not as it should be; of `cut_off` requests, what was made may have no lease. Or an entry
    /// alone is left of it: the plugin still deletes the credential, but can no longer store that.
    fn disorder(&self, cut_off: usize) -> Option<String> {
        let strays: Vec<_> = self.held.difference(&self.leased).collect();
        let lost: Vec<_> = self.leased.difference(&self.held).collect();
        let (empty, unknown) = (self.empty_entries(), self.without_entry());
        let may_stray = self.untold..=self.untold + cut_off;
        let may_be_secrets = self.secret_leases..=self.secret_leases + cut_off;
        let in_order = lost.is_empty()
            && may_stray.contains(&strays.len())
            && empty.len() <= cut_off
            && unknown.is_empty()
            && may_be_secrets.contains(&self.secrets)
            && self.entries_of(SECRET) == self.secrets
            && self.entries_of(TOKEN) >= self.token_leases;
        (!in_order).then(|| {
            format!(
                "{} leases and {} untold ones, {} journal entries, {} credentials; {cut_off} \
                 requests were cut off; {} without a lease; gone in spite of a lease: {lost:?}; \
                 entries of nothing: {empty:?}; in no entry: {unknown:?}; {} leases of secrets, of \
                 which there are {} in {} entries; {} leases of tokens and {} entries",
                self.leased.len(),
                self.untold,
                self.lasting().count(),
                self.held.len(),
                strays.len(),
                self.secret_leases,
                self.secrets,
                self.entries_of(SECRET),
                self.token_leases,
                self.entries_of(TOKEN),
            )
        })
    }

    /// What is left although every lease has ended.
    fn remains(&self) -> Option<String> {
        let entries = self.lasting().count();
        let nothing = self.held.is_empty() && self.secrets == 0 && entries == 0;
        (!nothing).then(|| {
            format!(
                "without any lease: {entries} journal entries, {} secrets, {:?}",
                self.secrets, self.held
            )
        })
    }
}

//! What must be so after a soak: Atlas and the journal hold what has a lease, and once all leases
//! have ended, nothing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::run::{Soak, lock};
use super::stage::{ROLES, SECRET, Stage, TOKEN, text};

/// Rollback takes two ticks of a minute, a failed expiry up to some minutes of tries.
const SETTLES_WITHIN: Duration = Duration::from_mins(8);

/// A half-made credential of a killed process is looked at for so long.
const HALF_MADE: Duration = Duration::from_mins(11);

/// For some thousand leases.
const REVOKED_WITHIN: Duration = Duration::from_mins(20);

/// Past the longest lease, and an hour more.
const PAST_ALL_LEASES: Duration = Duration::from_hours(12);

/// What the mount and its Atlas show at one time.
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
    entries: Vec<Entry>,
}

/// One line of `issued/`.
struct Entry {
    role: String,
    state: String,
    public: String,
}

impl Soak {
    /// Waits for order, ends all leases, and waits until nothing is left.
    pub(super) async fn settle(&self) -> Result<(), String> {
        self.revoke_again().await?;
        self.turn(HALF_MADE).await;
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
    /// leases take several.
    async fn revoke_all(&self) -> Result<(), String> {
        let path = format!("sys/leases/revoke-prefix/{}/creds", self.stage.app.path);
        let end = Instant::now() + REVOKED_WITHIN;
        loop {
            let request = json!({ "sync": true });
            let revoked = self.stage.app.client.write(&path, request).await;
            if revoked.ok() {
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
        let entries = entries(&app.list("issued").await.body["data"]["key_info"]);
        let mut held = app.atlas.public_parts().await;
        for kept in entries.iter().filter(|entry| entry.is_kept()) {
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
            entries,
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

fn entries(listed: &Value) -> Vec<Entry> {
    let listed = listed.as_object().cloned().unwrap_or_default();
    let entry = |value: &Value| Entry {
        role: text(&value["role"]),
        state: text(&value["state"]),
        public: text(&value["public"]),
    };
    listed.values().map(entry).collect()
}

impl Entry {
    fn is_kept(&self) -> bool {
        self.state == "managed"
    }
}

impl Sight {
    fn entries_of(&self, is: impl Fn(&str) -> bool) -> usize {
        let credentials = self.entries.iter().filter(|entry| !entry.is_kept());
        credentials.filter(|entry| is(&entry.role)).count()
    }

    /// What is not as it should be; of `cut_off` requests, what was made may have no lease.
    fn disorder(&self, cut_off: usize) -> Option<String> {
        let strays: Vec<_> = self.held.difference(&self.leased).collect();
        let lost: Vec<_> = self.leased.difference(&self.held).collect();
        let own = self.entries_of(|role| role != TOKEN && role != SECRET);
        let may_stray = self.untold..=self.untold + cut_off;
        let may_be_secrets = self.secret_leases..=self.secret_leases + cut_off;
        let in_order = lost.is_empty()
            && may_stray.contains(&strays.len())
            && own == self.held.len()
            && may_be_secrets.contains(&self.secrets)
            && self.entries_of(|role| role == SECRET) == self.secrets
            && self.entries_of(|role| role == TOKEN) >= self.token_leases;
        (!in_order).then(|| {
            format!(
                "{} leases and {} untold ones, {own} journal entries, {} credentials; {cut_off} \
                 requests were cut off; without a lease: {strays:?}; gone in spite of a lease: {lost:?}; {} leases of secrets, of \
                 which there are {}; {} leases of tokens and {} entries",
                self.leased.len(),
                self.untold,
                self.held.len(),
                self.secret_leases,
                self.secrets,
                self.token_leases,
                self.entries_of(|role| role == TOKEN),
            )
        })
    }

    /// What is left although every lease has ended.
    fn remains(&self) -> Option<String> {
        let entries = self.entries_of(|_| true);
        let nothing = self.held.is_empty() && self.secrets == 0 && entries == 0;
        (!nothing).then(|| {
            format!(
                "without any lease: {entries} journal entries, {} secrets, {:?}",
                self.secrets, self.held
            )
        })
    }
}

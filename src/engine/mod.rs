//! The secrets engine: what a mount holds, the table of its paths, and how it is made.
//!
//! Each module here is a room. Rooms stand in an order, drawn in `docs/architecture.md` and held by
//! `tests/layers.rs`: what is stored low, what is done with it high, and none names one above it. All
//! may name [`Engine`], which puts them together. The lowest are [`names`], [`keys`] and [`error`]; then
//! come what is stored ([`entries`], [`rotation_state`]), the client of the configuration
//! ([`connection`]), the [`journal`], and what people ask for: [`credentials`], [`roles`], [`config`],
//! [`static_roles`].

mod account_use;
mod background;
mod backoff;
mod check;
#[cfg(test)]
mod client_use_tests;
mod config;
mod connection;
mod conversion;
mod credentials;
mod drain;
mod draining;
mod encryption_at_rest;
mod entries;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
#[cfg(test)]
mod guide_tests;
#[cfg(test)]
mod input_tests;
mod journal;
mod keyed_mutex;
mod keys;
#[cfg(test)]
mod lease_advice_tests;
#[cfg(test)]
mod log_lines;
mod lost_secret;
mod measures;
mod metrics;
mod names;
mod origin;
#[cfg(test)]
mod origin_tests;
mod process;
mod rate_waits;
mod resource;
mod role_uses;
mod roles;
mod rotation;
mod rotation_state;
#[cfg(test)]
mod runbook_tests;
#[cfg(test)]
mod sharing_tests;
mod static_roles;
mod status;
mod stored;
#[cfg(test)]
mod testing;
mod unasked;
mod waiters;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::connection::Connection;
use self::conversion::Conversion;
use self::draining::DrainProgress;
use self::encryption_at_rest::Migrations;
use self::error::EngineError;
use self::journal::{Journal, JournalEntry};
use self::keyed_mutex::{KeyedGuard, KeyedMutex};
use self::lost_secret::AmbiguousSecrets;
use self::measures::Measures;
use self::names::{JournalId, RoleName};
pub(crate) use self::process::{ProcessSettings, ServerHold, ignored_variable};
use self::rate_waits::RateWaits;
use self::role_uses::RoleUses;
use self::rotation::LongestSecrets;
use self::static_roles::StaticRoles;
use self::unasked::ClockWatch;
use self::waiters::{ProcessWaiters, Waiters};
use crate::atlas::{ClientId, ProjectId, Transports};
use crate::base::{Clock, Entropy};
use crate::engine::entries::RoleEntry;
use crate::framework::{Description, wal};
use crate::vault::{Backend, Factory, Failure, Mount, SpecialPaths, Storage, SystemView, Tasks};

/// What the help of the mount itself says.
const ABOUT: &str = "The MongoDB Atlas secrets engine issues programmatic API keys, service \
    accounts, access tokens, AI model API keys and database users of MongoDB Atlas. Each lives as long as its lease, with the access \
    list and the Atlas roles of its role, and is deleted in Atlas when the lease ends. Write a \
    credential to config, a role to roles/<name>, and read creds/<name>.";

/// First part of every operation id, as in the Go engine.
const OPERATION_PREFIX: &str = "mongo-db-atlas";

/// One mount's engine.
pub(crate) struct Engine {
    version: String,
    /// The server's id of the mount, by which log lines name it.
    mount_id: String,
    process: ProcessSettings,
    storage: Arc<dyn Storage>,
    system: Arc<dyn SystemView>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    connection: Connection,
    /// Whether storage has the shapes of today.
    conversion: Conversion,
    journal: Journal,
    root: config::Root,
    static_roles: StaticRoles,
    migrations: Migrations,
    longest_secrets: LongestSecrets,
    rate_waits: RateWaits,
    waiters: Waiters,
    measures: Measures,
    scrapes: metrics::Scrapes,
    /// How the drain at work goes.
    drain: DrainProgress,
    /// Secrets of which nobody here can tell whose they are.
    ambiguous: Arc<AmbiguousSecrets>,
    /// Since when this process knows the secrets of managed accounts.
    seen_secrets: credentials::SeenSecrets,
    /// Whether the clocks can be believed.
    clock_watch: ClockWatch,
    /// How long to wait between tries to use what Atlas made a moment ago.
    propagation_delays: &'static [Duration],
    /// Cancelled once the mount is about to end.
    closing: CancellationToken,
    /// Runs what goes on after a request was answered; it ends with the mount.
    tasks: Tasks,
    /// Who works on which service account: adds a secret, rotates, or takes it for a use.
    account_locks: KeyedMutex<ClientId>,
    /// Who works on which project's encryption at rest; held across calls to Atlas.
    project_locks: KeyedMutex<ProjectId>,
    /// Who works on the account kept for which role; held across calls to Atlas.
    role_locks: KeyedMutex<RoleName>,
    /// Who writes or deletes which role; never held across a call to Atlas.
    role_writes: KeyedMutex<RoleName>,
    /// Who issues from which role.
    role_uses: RoleUses,
}

/// What is new in Atlas may not be known everywhere for a few seconds.
const PROPAGATION_DELAYS: &[Duration] = &[
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

impl Engine {
    fn new(
        version: String,
        mount: &Mount,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        transports: Transports,
        process: ProcessSettings,
    ) -> Self {
        let storage = Arc::clone(&mount.storage);
        let ambiguous = Arc::<AmbiguousSecrets>::default();
        Self {
            version,
            process,
            mount_id: mount.uuid.clone(),
            system: Arc::clone(&mount.system),
            connection: Connection::new(
                Arc::clone(&storage),
                Arc::clone(&mount.system),
                Arc::clone(&clock),
                Arc::clone(&entropy),
                transports,
                mount.tasks.cancelled().clone(),
                process.hold,
            ),
            conversion: Conversion::default(),
            journal: Journal::new(Arc::clone(&storage), Arc::clone(&ambiguous), &*clock),
            root: config::Root::default(),
            static_roles: StaticRoles::default(),
            migrations: Migrations::default(),
            longest_secrets: LongestSecrets::default(),
            rate_waits: RateWaits::default(),
            waiters: Waiters::default(),
            measures: Measures::default(),
            scrapes: metrics::Scrapes::default(),
            drain: DrainProgress::default(),
            ambiguous,
            seen_secrets: credentials::SeenSecrets::default(),
            clock_watch: ClockWatch::default(),
            propagation_delays: PROPAGATION_DELAYS,
            closing: mount.tasks.cancelled().clone(),
            tasks: mount.tasks.clone(),
            account_locks: KeyedMutex::default(),
            project_locks: KeyedMutex::default(),
            role_locks: KeyedMutex::default(),
            role_writes: KeyedMutex::default(),
            role_uses: RoleUses::default(),
            storage,
            clock,
            entropy,
        }
    }

    /// A stored role.
    async fn role(&self, name: &RoleName) -> Result<Option<RoleEntry>, EngineError> {
        stored::load(&*self.storage, &keys::role(name)).await
    }

    /// Waits for a service account's lock: rotations and new secrets of one account never overlap, and
    /// whoever takes an account for something else does so with its lock.
    async fn lock_account(
        &self,
        client_id: &ClientId,
        deadline: Instant,
    ) -> Result<KeyedGuard, EngineError> {
        let guard = self.account_locks.wait(client_id, deadline).await;
        guard.ok_or_else(|| EngineError::Busy {
            what: format!("service account {client_id}"),
        })
    }

    /// The same, before requests that wait for the account: for ticks, and for what asks nothing of Atlas.
    async fn lock_account_first(
        &self,
        client_id: &ClientId,
        deadline: Instant,
    ) -> Result<KeyedGuard, EngineError> {
        let guard = self.account_locks.wait_first(client_id, deadline).await;
        guard.ok_or_else(|| EngineError::Busy {
            what: format!("service account {client_id}"),
        })
    }

    /// Waits as long as the caller and the mount are there. Not for what was sent to Atlas: that is
    /// waited for, whoever is gone.
    async fn while_wanted<T>(
        &self,
        gone: &CancellationToken,
        wait: impl Future<Output = T>,
    ) -> Result<T, EngineError> {
        if gone.is_cancelled() {
            return Err(EngineError::CallerGone);
        }
        let wait = gone.run_until_cancelled(wait);
        let outcome = self.closing.run_until_cancelled(wait).await;
        outcome
            .ok_or(EngineError::BeingDisabled)?
            .ok_or(EngineError::CallerGone)
    }

    /// The mount begins on this node: says what it found in storage, and brings it into the shapes of
    /// today. What cannot be done or recorded now is before the first request.
    async fn initialize(&self) -> Result<(), EngineError> {
        status::log_start(self).await;
        if let Err(error) = conversion::ready(self).await {
            let error = crate::vault::failure::chain(&error);
            tracing::warn!(error, "the storage of this mount cannot be used yet");
            return Ok(());
        }
        if let Err(error) = self.connection.begin().await {
            let error = crate::vault::failure::chain(&error);
            tracing::warn!(error, "could not record the origin of earlier entries yet");
        }
        Ok(())
    }

    /// Another node changed this key.
    fn invalidate(&self, key: &str) {
        if key == keys::CONFIG || key == keys::ORIGINS {
            self.connection.reset();
        } else if key.starts_with(keys::ISSUED) {
            self.journal.forget(self.clock.now());
        }
        if key.starts_with(keys::STATIC_ROLES) {
            self.static_roles.forget();
        }
    }

    /// What is served on each mount.
    fn description(clock: Arc<dyn Clock>) -> Description<Self> {
        let described = Description::new()
            .clock(clock)
            .about(ABOUT)
            .paths(config::paths::paths())
            .paths(roles::paths::paths())
            .paths(credentials::paths::paths())
            .paths(check::paths::paths())
            .paths(journal::paths::paths())
            .paths(drain::paths())
            .paths(status::paths())
            .paths(metrics::paths())
            .paths(static_roles::paths::paths())
            .paths(encryption_at_rest::paths::paths());
        let kinds = credentials::paths::secret_types();
        kinds
            .into_iter()
            .fold(described, Description::secret)
            .wal(journal::GO_WAL_KIND, journal::take_over_go_entry)
            .before_each(|engine: Arc<Self>| async move { conversion::ready(&engine).await })
            .on_initialize(|engine: Arc<Self>| async move { engine.initialize().await })
            .periodic(background::tick)
            .on_invalidate(|engine, key| async move { engine.invalidate(&key) })
            .special(SpecialPaths {
                local_storage: vec![wal::PREFIX.to_owned()],
                seal_wrap_storage: [
                    keys::CONFIG,
                    keys::STATIC_ROLES,
                    keys::PRESENT_SECRETS,
                    keys::MANAGED_ACCOUNTS,
                    keys::AZURE_KEY_VAULTS,
                    keys::AZURE_MIGRATIONS,
                ]
                .map(ToOwned::to_owned)
                .into(),
                root: vec![config::MOVE_PATH.to_owned()],
                ..SpecialPaths::default()
            })
    }
}

/// What a lower room asks of a higher one, which it must not name.
impl Engine {
    /// The entry of an account that is kept for a role, brought up to what is stored of the account;
    /// [`None`]: it is the entry of something else.
    async fn entry_of_managed_account(
        &self,
        id: &JournalId,
        entry: &JournalEntry,
    ) -> Result<Option<JournalEntry>, EngineError> {
        let account = credentials::managed_account(self, id, entry).await?;
        Ok(account.map(|account| {
            let mut entry = entry.clone();
            account.complete(&mut entry);
            entry
        }))
    }

    /// The journal ids of all accounts that are kept for roles.
    async fn managed_accounts(&self) -> Result<Vec<JournalId>, EngineError> {
        credentials::managed_accounts(self).await
    }

    /// The name of the static role that holds an account.
    async fn static_role_with(&self, client_id: &ClientId) -> Result<Option<String>, EngineError> {
        let now = self.clock.now();
        let holder = self.static_roles.holder(client_id, &*self.storage, now);
        holder.await
    }
}

/// Makes an engine for each mount.
pub(crate) struct EngineFactory {
    version: String,
    process: ProcessSettings,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    propagation_delays: &'static [Duration],
    look_again_after: Option<Duration>,
    waiters: ProcessWaiters,
    /// The ways to Atlas of all mounts.
    transports: Transports,
    described: Arc<Description<Engine>>,
}

impl EngineFactory {
    /// Engines that report `version`, `vX.Y.Z` or nothing, and live by this clock.
    #[must_use]
    pub(crate) fn new(version: String, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            version,
            process: ProcessSettings::default(),
            described: Arc::new(Engine::description(Arc::clone(&clock))),
            clock,
            entropy,
            propagation_delays: PROPAGATION_DELAYS,
            look_again_after: None,
            waiters: ProcessWaiters::default(),
            transports: Transports::default(),
        }
    }

    /// The same, set as the operator wants it for the process.
    #[must_use]
    pub(crate) fn with_settings(self, process: ProcessSettings) -> Self {
        Self { process, ..self }
    }

    /// Engines that do not wait between tries to use what is new, nor between two looks at what may
    /// be gone: a test turns the clock instead.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn without_delays(self) -> Self {
        Self {
            propagation_delays: &[],
            look_again_after: Some(Duration::ZERO),
            ..self
        }
    }
}

#[async_trait]
impl Factory for EngineFactory {
    async fn create(&self, mount: Mount) -> Result<Arc<dyn Backend>, Failure> {
        let mut engine = Engine::new(
            self.version.clone(),
            &mount,
            Arc::clone(&self.clock),
            Arc::clone(&self.entropy),
            self.transports.clone(),
            self.process,
        );
        engine.propagation_delays = self.propagation_delays;
        engine.connection = engine.connection.looking_again_after(self.look_again_after);
        engine.waiters = Waiters::new(self.waiters.clone());
        Ok(Arc::new(self.described.serve(Arc::new(engine), mount)))
    }

    fn version(&self) -> &str {
        &self.version
    }
}

//! A mount for tests: this engine on storage in memory, and an Atlas simulator in the same process.

mod atlas;
pub(crate) mod fixtures;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub(crate) use self::atlas::{Account, Atlas};
use super::{EngineFactory, ProcessSettings};
use crate::base::time::TestClock;
use crate::base::{Clock as _, SystemEntropy};
use crate::engine::process::ServerHold;
use crate::vault::memory::{FixedSystemView, MemoryStorage};
use crate::vault::{
    Backend, Caller, Data, Factory as _, Failure, Mount, Operation, Request, Response, Secret,
    Tasks,
};

/// An answer to a request of a test.
pub(crate) type Outcome = Result<Option<Response>, Failure>;

/// One mount, its storage, its host's view, its clock, and Atlas.
pub(crate) struct TestMount {
    pub(crate) storage: Arc<MemoryStorage>,
    pub(crate) system: Arc<FixedSystemView>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) atlas: Atlas,
    factory: Arc<EngineFactory>,
    backend: Arc<dyn Backend>,
    tasks: Tasks,
}

impl TestMount {
    /// A mount without configuration.
    pub(crate) async fn new() -> Self {
        Self::new_with(ProcessSettings::default()).await
    }

    /// The same, in a process with these settings.
    pub(crate) async fn new_with(process: ProcessSettings) -> Self {
        let storage = Arc::new(MemoryStorage::default());
        let system = Arc::new(FixedSystemView::default());
        let clock = Arc::new(TestClock::new());
        let factory = factory(&clock, process);
        let (backend, tasks) = backend(&storage, &system, &factory).await;
        Self {
            storage,
            system,
            clock,
            atlas: Atlas::start().await,
            factory,
            backend,
            tasks,
        }
    }

    /// A mount with the simulator's Organization Owner key.
    pub(crate) async fn configured() -> Self {
        let mount = Self::new().await;
        let written = mount.write("config", mount.atlas.key_config()).await;
        assert!(written.is_ok(), "{written:?}");
        mount
    }

    /// A configured mount with the role `reader`: an organization key with one address, and what
    /// `fields` adds or changes.
    pub(crate) async fn with_role(fields: Value) -> Self {
        let mount = Self::configured().await;
        mount.write_reader(fields).await;
        mount
    }

    /// Another mount of the same process, with a storage of its own, on the same Atlas; the role
    /// `reader` as well.
    pub(crate) async fn beside(other: &Self) -> Self {
        let storage = Arc::new(MemoryStorage::default());
        let system = Arc::new(FixedSystemView::default());
        let clock = Arc::clone(&other.clock);
        let factory = Arc::clone(&other.factory);
        let (backend, tasks) = backend(&storage, &system, &factory).await;
        let mount = Self {
            storage,
            system,
            clock,
            atlas: other.atlas.clone(),
            factory,
            backend,
            tasks,
        };
        let written = mount.write("config", mount.atlas.key_config()).await;
        assert!(written.is_ok(), "{written:?}");
        mount.write_reader(json!({})).await;
        mount
    }

    pub(crate) async fn write_reader(&self, fields: Value) {
        let mut role = json!({
            "organization_id": self.atlas.org(), "roles": "ORG_MEMBER", "ip_addresses": "192.0.2.1",
        });
        for (key, value) in fields.as_object().into_iter().flatten() {
            role[key] = value.clone();
        }
        let written = self.write("roles/reader", role).await;
        assert!(written.is_ok(), "{written:?}");
    }

    /// The keys of the journal and of write-ahead log entries.
    pub(crate) fn journal_keys(&self) -> Vec<String> {
        let mut keys = self.storage.keys();
        keys.retain(|key| key.starts_with("issued/") || key.starts_with("wal/"));
        keys
    }

    /// Neither Atlas nor the journal has anything of what was issued.
    pub(crate) async fn assert_nothing_left(&self, what: &str) {
        let nothing: [String; 0] = [];
        assert_eq!(self.atlas.credentials().await, nothing, "{what}");
        assert_eq!(self.journal_keys(), nothing, "{what}");
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A number of `status`, by its place in the journal's part.
    pub(crate) async fn figure(&self, part: &str, name: &str) -> u64 {
        let status = Self::data(self.read("status").await);
        status["journal"][part][name].as_u64().unwrap_or_default()
    }

    /// Ticks as the host does, a minute apart.
    pub(crate) async fn tick_for(&self, minutes: u64) {
        for _ in 0..minutes {
            self.advance(Duration::from_mins(1)).await;
            self.tick().await.expect("a tick");
        }
    }

    /// The process dies and another takes its place: memory is gone, storage and Atlas are not.
    pub(crate) async fn restart(&mut self) {
        self.restart_held(ServerHold::Off).await;
    }

    /// The same, in a server whose environment holds it.
    pub(crate) async fn restart_held(&mut self, hold: ServerHold) {
        self.tasks.close(Duration::ZERO).await;
        let process = ProcessSettings {
            hold,
            ..ProcessSettings::default()
        };
        self.factory = factory(&self.clock, process);
        let (backend, tasks) = backend(&self.storage, &self.system, &self.factory).await;
        (self.backend, self.tasks) = (backend, tasks);
    }

    /// This engine starts on what an earlier one left in storage: this configuration, and whatever
    /// else is there by now.
    pub(crate) async fn take_over(&mut self, config: Value) {
        self.storage.unplant("origins");
        self.storage.unplant("storage-version");
        self.storage.plant("config", config.to_string().as_bytes());
        self.restart().await;
    }

    /// Asks anything.
    pub(crate) async fn ask(&self, operation: Operation, path: &str, data: Value) -> Outcome {
        self.backend.handle(request(operation, path, data)).await
    }

    pub(crate) async fn read(&self, path: &str) -> Outcome {
        self.ask(Operation::Read, path, json!({})).await
    }

    /// A read with data, as the parameters of a query.
    pub(crate) async fn read_with(&self, path: &str, data: Value) -> Outcome {
        self.ask(Operation::Read, path, data).await
    }

    /// A read by a caller who waits no longer than this.
    pub(crate) async fn read_within(&self, path: &str, budget: Duration) -> Outcome {
        let mut request = request(Operation::Read, path, json!({}));
        request.caller = Caller::waiting(budget);
        self.backend.handle(request).await
    }

    /// A read by a caller whose connection the host saw come from there.
    pub(crate) async fn read_from(&self, path: &str, address: &str) -> Outcome {
        let mut request = request(Operation::Read, path, json!({}));
        address.clone_into(&mut request.remote_address);
        self.backend.handle(request).await
    }

    /// A read by a caller who goes away when `gone` is cancelled.
    pub(crate) async fn read_until(&self, path: &str, gone: CancellationToken) -> Outcome {
        let mut request = request(Operation::Read, path, json!({}));
        request.caller.gone = gone;
        self.backend.handle(request).await
    }

    /// A write by a caller who waits no longer than this.
    pub(crate) async fn write_within(&self, path: &str, data: Value, budget: Duration) -> Outcome {
        let mut request = request(Operation::Update, path, data);
        request.caller = Caller::waiting(budget);
        self.backend.handle(request).await
    }

    /// A write by a caller who goes away when `gone` is cancelled.
    pub(crate) async fn write_until(
        &self,
        path: &str,
        data: Value,
        gone: CancellationToken,
    ) -> Outcome {
        let mut request = request(Operation::Update, path, data);
        request.caller.gone = gone;
        self.backend.handle(request).await
    }

    /// The host is about to end the mount: what runs is asked to end.
    pub(crate) async fn close(&self) {
        self.tasks.close(Duration::ZERO).await;
    }

    pub(crate) async fn write(&self, path: &str, data: Value) -> Outcome {
        self.ask(Operation::Update, path, data).await
    }

    pub(crate) async fn list(&self, path: &str) -> Outcome {
        self.ask(Operation::List, path, json!({})).await
    }

    /// A read that must succeed: its data.
    #[track_caller]
    pub(crate) fn data(outcome: Outcome) -> Data {
        let response = outcome
            .expect("the request succeeds")
            .expect("there is an answer");
        response.data.expect("the answer has data")
    }

    /// What a request warns of that must succeed, be it without an answer.
    #[track_caller]
    pub(crate) fn warnings(outcome: Outcome) -> Vec<String> {
        let answer = outcome.expect("the request succeeds");
        answer.map(|answer| answer.warnings).unwrap_or_default()
    }

    /// What a read warns of that must find something.
    pub(crate) async fn read_warnings(&self, path: &str) -> Vec<String> {
        let answer = self.read(path).await.expect("the request succeeds");
        answer.expect("there is an answer").warnings
    }

    /// A credential that must be issued: its data and lease.
    pub(crate) async fn issue(&self, role: &str) -> (Data, Secret) {
        let answer = self.read(&format!("creds/{role}")).await;
        let answer = answer.expect("a credential").expect("an answer");
        (answer.data.expect("data"), answer.secret.expect("a lease"))
    }

    /// Atlas makes a secret of `account` for the role `shared`, the answer is lost, and the account
    /// cannot be read after. Tells how many secrets the account has then.
    pub(crate) async fn lose_a_secret(&self, account: &str) -> usize {
        let lost = json!({ "operation": "createOrgSecret", "action": {"kind": "lose_answer"} });
        let unreadable = json!({
            "operation": "getOrgServiceAccount", "skip": 1, "count": 0,
            "action": {"kind": "answer", "status": 403},
        });
        self.atlas.fault(lost).await;
        self.atlas.fault(unreadable).await;
        self.read("creds/shared").await.expect_err("no answer");
        self.atlas.no_more_faults().await;
        self.atlas.secrets(account).await.len()
    }

    pub(crate) async fn revoke(&self, secret: &Secret) -> Outcome {
        self.about(Operation::Revoke, secret).await
    }

    pub(crate) async fn renew(&self, secret: &Secret) -> Outcome {
        self.about(Operation::Renew, secret).await
    }

    async fn about(&self, operation: Operation, secret: &Secret) -> Outcome {
        let mut request = request(operation, "creds/role", json!({}));
        request.secret = Some(secret.clone());
        self.backend.handle(request).await
    }

    /// A lease as the Go engine left it, of a key of an organization, or of a project alone.
    pub(crate) fn go_lease(&self, key: &str, org: &str, project: &str) -> Secret {
        let internal = json!({
            "programmatic_api_key_id": key, "organization_id": org, "project_id": project,
            "role": "reader", "secret_type": "programmatic_api_key",
        });
        let Value::Object(internal_data) = internal else {
            unreachable!("it is an object");
        };
        Secret {
            internal_data,
            ttl: Duration::from_hours(1),
            max_ttl: Duration::from_hours(2),
            renewable: true,
            increment: Duration::ZERO,
            issue_time: Some(self.now()),
        }
    }

    /// The host's tick.
    pub(crate) async fn tick(&self) -> Outcome {
        self.ask(Operation::Rollback, "", json!({})).await
    }

    /// Another node changed a key.
    pub(crate) async fn invalidate(&self, key: &str) {
        self.backend.invalidate(key).await;
    }

    /// Time passes, for us and for Atlas.
    pub(crate) async fn advance(&self, by: Duration) {
        // Atlas first: what a limiter believes to be refilled is so there as well.
        self.atlas
            .control("POST", "/clock", json!({ "advance_seconds": by.as_secs() }))
            .await;
        self.clock.advance(by);
    }
}

/// What a process makes its mounts with.
fn factory(clock: &Arc<TestClock>, process: ProcessSettings) -> Arc<EngineFactory> {
    let factory = EngineFactory::new(
        "v0.0.0".to_owned(),
        Arc::clone(clock) as _,
        Arc::new(SystemEntropy),
    );
    Arc::new(factory.without_delays().with_settings(process))
}

async fn backend(
    storage: &Arc<MemoryStorage>,
    system: &Arc<FixedSystemView>,
    factory: &EngineFactory,
) -> (Arc<dyn Backend>, Tasks) {
    let tasks = Tasks::new(&CancellationToken::new());
    let mount = Mount {
        uuid: "a-mount".to_owned(),
        storage: Arc::clone(storage) as _,
        system: Arc::clone(system) as _,
        tasks: tasks.clone(),
    };
    let backend = factory.create(mount).await.expect("a backend");
    backend.initialize().await.expect("initialized");
    (backend, tasks)
}

fn request(operation: Operation, path: &str, data: Value) -> Request {
    Request {
        operation,
        path: path.to_owned(),
        data: match data {
            Value::Object(data) => data,
            _ => Data::new(),
        },
        secret: None,
        mount_point: "mongodbatlas/".to_owned(),
        display_name: "token".to_owned(),
        entity_id: String::new(),
        remote_address: String::new(),
        caller: Caller::waiting(Duration::from_secs(30)),
    }
}

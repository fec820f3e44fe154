//! From a request to its handler: an engine's table served as a [`Backend`].

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::call::{Call, Handler, RollbackCall, handler};
use super::field::{Faults, Field, Fields};
use super::path::{Path, PathOperation};
use super::pattern::Match;
use super::secret_type::{self, SecretType};
use super::wal;
use super::{help, openapi};
use crate::base::{Clock, SystemClock};
use crate::vault::system_view::may_act;
use crate::vault::{Backend, Data, Failure, Mount, Operation, Request, Response, SpecialPaths};

/// A path and the fields that its requests share.
pub(super) struct Row<E> {
    pub(super) path: Path<E>,
    declared: Arc<[Field]>,
}

/// An engine, described by what it serves. The order of calls that build it is of no matter, but
/// that of paths: the first that matches is asked.
pub struct Framework<E> {
    engine: Arc<E>,
    mount: Mount,
    clock: Arc<dyn Clock>,
    about: &'static str,
    rows: Vec<Row<E>>,
    secrets: Vec<SecretType<E>>,
    log: wal::Log<E>,
    special: SpecialPaths,
    initialize: Option<Handler<E, (), ()>>,
    periodic: Option<Handler<E, (), ()>>,
    invalidate: Option<Handler<E, String, ()>>,
}

impl<E: Send + Sync + 'static> Framework<E> {
    /// An engine on a mount; so far nothing is served.
    #[must_use]
    pub fn new(engine: Arc<E>, mount: Mount) -> Self {
        Self {
            engine,
            mount,
            clock: Arc::new(SystemClock),
            about: "",
            rows: Vec::new(),
            secrets: Vec::new(),
            log: wal::Log::default(),
            special: SpecialPaths::default(),
            initialize: None,
            periodic: None,
            invalidate: None,
        }
    }

    /// The clock by which entries of the write-ahead log age.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// What the engine is for, told by the help of the mount itself.
    #[must_use]
    pub fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// Serves a path.
    #[must_use]
    pub fn path(mut self, path: Path<E>) -> Self {
        let declared = path.fields.clone().into();
        self.rows.push(Row { path, declared });
        self
    }

    /// Serves paths.
    #[must_use]
    pub fn paths(self, paths: impl IntoIterator<Item = Path<E>>) -> Self {
        paths.into_iter().fold(self, Self::path)
    }

    /// Renews and revokes leases of a kind.
    #[must_use]
    pub fn secret(mut self, kind: SecretType<E>) -> Self {
        self.secrets.push(kind);
        self
    }

    /// Undoes what write-ahead log entries of a kind tell. On success the entry is deleted; on an
    /// error it stays for the next tick.
    #[must_use]
    pub fn wal<X, Work>(
        mut self,
        kind: &'static str,
        undo: impl Fn(Arc<E>, RollbackCall) -> Work + Send + Sync + 'static,
    ) -> Self
    where
        Work: Future<Output = Result<(), X>> + Send + 'static,
        X: Into<Failure>,
    {
        self.log.handlers.insert(kind, handler(undo));
        self
    }

    /// The age above which write-ahead log entries are undone, instead of [`wal::MINIMUM_AGE`].
    #[must_use]
    pub fn wal_minimum_age(mut self, age: std::time::Duration) -> Self {
        self.log.minimum_age = age;
        self
    }

    /// Paths and keys that the host treats in a special way.
    #[must_use]
    pub fn special_paths(mut self, special: SpecialPaths) -> Self {
        self.special = special;
        self
    }

    /// Called by [`Backend::initialize`].
    #[must_use]
    pub fn initialize<X, Work>(
        mut self,
        function: impl Fn(Arc<E>) -> Work + Send + Sync + 'static,
    ) -> Self
    where
        Work: Future<Output = Result<(), X>> + Send + 'static,
        X: Into<Failure>,
    {
        self.initialize = Some(handler(move |engine, ()| function(engine)));
        self
    }

    /// Called by the host's tick, about every minute, where this node may act for the mount.
    #[must_use]
    pub fn periodic<X, Work>(
        mut self,
        function: impl Fn(Arc<E>) -> Work + Send + Sync + 'static,
    ) -> Self
    where
        Work: Future<Output = Result<(), X>> + Send + 'static,
        X: Into<Failure>,
    {
        self.periodic = Some(handler(move |engine, ()| function(engine)));
        self
    }

    /// Called by [`Backend::invalidate`] with the storage key that another node changed.
    #[must_use]
    pub fn invalidate<Work>(
        mut self,
        function: impl Fn(Arc<E>, String) -> Work + Send + Sync + 'static,
    ) -> Self
    where
        Work: Future<Output = ()> + Send + 'static,
    {
        self.invalidate = Some(handler(move |engine, key| {
            let work = function(engine, key);
            async move {
                work.await;
                Ok::<(), Failure>(())
            }
        }));
        self
    }

    fn route(&self, path: &str) -> Result<(&Row<E>, Match), Failure> {
        let mut found = self
            .rows
            .iter()
            .filter_map(|row| Some((row, row.path.pattern.matches(path)?)));
        found.next().ok_or(Failure::UnsupportedPath)
    }

    async fn serve(&self, request: Request) -> Result<Option<Response>, Failure> {
        let (row, found) = self.route(&request.path)?;
        let operation = request.operation;
        let served = row.path.operations.get(&operation);
        let served = served.ok_or(Failure::UnsupportedOperation)?;
        if row.path.forwards(operation, served) && !may_act(&*self.mount.system).await? {
            return Err(Failure::read_only());
        }
        let warnings = row.warnings(&request.data, &found);
        let call = row.call(request, found)?;
        let answer = (served.handler)(Arc::clone(&self.engine), call).await?;
        Ok(answer.map(|mut response| {
            response.warnings.extend(warnings);
            response
        }))
    }

    /// The path with its lower-cased captures lower-cased, so that access rules for one spelling
    /// hold for all. Looks at nothing but the path.
    fn canonical_path(&self, path: &str) -> Result<Option<Response>, Failure> {
        let (row, mut found) = self.route(path)?;
        for (name, value) in &mut found.captures {
            if row.lower_cases(name) {
                *value = value.to_lowercase();
            }
        }
        let mut data = Data::new();
        data.insert("path".to_owned(), row.path.pattern.path_of(&found).into());
        Ok(Some(Response::data(data)))
    }

    /// Periodic work and the write-ahead log; one's failure does not keep the other.
    async fn tick(&self, request: &Request) -> Result<Option<Response>, Failure> {
        if !may_act(&*self.mount.system).await? {
            return Ok(None);
        }
        let mut failures = Vec::new();
        if let Some(periodic) = &self.periodic {
            let outcome = periodic(Arc::clone(&self.engine), ()).await;
            failures.extend(
                outcome
                    .inspect_err(|failure| tracing::warn!(%failure, "periodic work failed"))
                    .err(),
            );
        }
        let walk = wal::Walk {
            engine: &self.engine,
            storage: &*self.mount.storage,
            clock: &*self.clock,
            caller: &request.caller,
            immediate: request.data.contains_key("immediate"),
        };
        failures.extend(self.log.roll_back(&walk).await.err());
        wal::joined(failures).map(|()| None)
    }

    async fn help(&self, request: &Request) -> Result<Option<Response>, Failure> {
        let prefix = request.data.get("requestResponsePrefix");
        // Help must not fail for want of a version.
        let version = self.mount.system.server_version().await.unwrap_or_default();
        let document = openapi::Document {
            special: &self.special,
            default_prefix: prefix.and_then(Value::as_str).unwrap_or_default(),
            version: &version,
        };
        let paths = self.rows.iter().map(|row| &row.path);
        let (text, document) = if request.path.is_empty() {
            let paths: Vec<&Path<E>> = paths.collect();
            (help::of_mount(self.about, &paths), document.of(&paths))
        } else {
            let path = &self.route_leniently(&request.path)?.path;
            (help::of_path(path, &request.path), document.of(&[path]))
        };
        let answer = json!({"help": text, "see_also": null, "openapi": document});
        Ok(answer.as_object().cloned().map(Response::data))
    }

    /// The row of a path, whether or not it ends as it should in a slash.
    fn route_leniently(&self, path: &str) -> Result<&Row<E>, Failure> {
        let other = match path.strip_suffix('/') {
            Some(without) => without.to_owned(),
            None => format!("{path}/"),
        };
        let (row, _) = self.route(path).or_else(|_| self.route(&other))?;
        Ok(row)
    }
}

impl<E: Send + Sync + 'static> Row<E> {
    fn lower_cases(&self, name: &str) -> bool {
        let lower = super::field::Kind::LowercaseText;
        self.declared
            .iter()
            .any(|field| field.name == name && field.kind == lower)
    }

    /// Decodes the fields; all that is wrong with them is one failure.
    fn call(&self, request: Request, found: Match) -> Result<Call, Failure> {
        let mut faults = Faults::new();
        let fields = Fields::decode(&self.declared, request.data, found.captures, &mut faults);
        let operation = request.operation;
        let writes = [Operation::Create, Operation::Update, Operation::Patch];
        if let Some(check) = self.path.check.filter(|_| writes.contains(&operation)) {
            check(operation, &fields, &mut faults);
        }
        faults.into_result()?;
        Ok(Call {
            operation,
            path: request.path,
            fields,
            caller: request.caller,
            request_id: request.id,
            mount_point: request.mount_point,
            mount_accessor: request.mount_accessor,
            display_name: request.display_name,
            entity_id: request.entity_id,
        })
    }

    /// What of the body goes unheard. The texts are those of Vault's SDK.
    fn warnings(&self, body: &Data, found: &Match) -> Vec<String> {
        let declared = |name: &str| self.declared.iter().any(|field| field.name == name);
        let unknown = body.keys().filter(|name| !declared(name));
        let unknown = names(unknown.map(String::as_str));
        let replaced = found.captures.iter().map(|(name, _)| *name);
        let given = |name: &&str| body.get(*name).is_some_and(|value| !value.is_null());
        let replaced = names(replaced.filter(given));
        let ignored = unknown
            .filter(|_| !self.path.takes_anything)
            .map(|names| format!("Endpoint ignored these unrecognized parameters: {names}"));
        let replaced = replaced.map(|names| {
            format!(
                "Endpoint replaced the value of these parameters with the values captured from \
                 the endpoint's path: {names}"
            )
        });
        ignored.into_iter().chain(replaced).collect()
    }
}

/// Names, sorted, as Go prints a list; [`None`] if there are none.
fn names<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    (!names.is_empty()).then(|| format!("[{}]", names.join(" ")))
}

#[async_trait]
impl<E: Send + Sync + 'static> Backend for Framework<E> {
    async fn initialize(&self) -> Result<(), Failure> {
        match &self.initialize {
            Some(initialize) => initialize(Arc::clone(&self.engine), ()).await,
            None => Ok(()),
        }
    }

    async fn handle(&self, request: Request) -> Result<Option<Response>, Failure> {
        let engine = Arc::clone(&self.engine);
        match request.operation {
            Operation::Renew => secret_type::renew(&self.secrets, engine, request).await,
            Operation::Revoke => secret_type::revoke(&self.secrets, engine, request).await,
            Operation::Rollback => self.tick(&request).await,
            Operation::Help => self.help(&request).await,
            Operation::ResolvePath => self.canonical_path(&request.path),
            Operation::Unsupported => Err(Failure::UnsupportedOperation),
            Operation::Create
            | Operation::Update
            | Operation::Read
            | Operation::List
            | Operation::Delete
            | Operation::Patch => self.serve(request).await,
        }
    }

    async fn exists(&self, request: Request) -> Result<Option<bool>, Failure> {
        let (row, found) = self.route(&request.path)?;
        let Some(exists) = &row.path.exists else {
            return Ok(None);
        };
        let call = row.call(request, found)?;
        exists(Arc::clone(&self.engine), call).await.map(Some)
    }

    fn special_paths(&self) -> SpecialPaths {
        self.special.clone()
    }

    async fn invalidate(&self, key: &str) {
        if let Some(invalidate) = &self.invalidate {
            // The handler has no way to fail.
            let _ = invalidate(Arc::clone(&self.engine), key.to_owned()).await;
        }
    }
}

//! From a request to its handler: an engine's table served as a [`Backend`].
//!
//! Leases go by their kind, the tick to periodic work and the write-ahead log, everything else by
//! path: the first that matches is asked.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::builder::Framework;
use super::path::Path;
use super::pattern::Match;
use super::row::Row;
use super::{help, openapi, secret_type, wal};
use crate::vault::system_view::may_act;
use crate::vault::{Backend, Data, Failure, Operation, Request, Response, SpecialPaths};

impl<E: Send + Sync + 'static> Framework<E> {
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
        let call = row.call(request, found, row.check_of(operation))?;
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
        // Checks wait for the write itself: only then is told whether it creates.
        let call = row.call(request, found, None)?;
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

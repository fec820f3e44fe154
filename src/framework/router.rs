//! From a request to its handler: an engine's table served as a [`Backend`].
//!
//! Leases go by their kind, the periodic run to periodic work and the write-ahead log, everything
//! else by path: the first that matches is asked.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::builder::Framework;
use super::field::Faults;
use super::path::Path;
use super::pattern::Match;
use super::row::Row;
use super::{help, openapi, secret_type, wal};
use crate::vault::system_view::may_act;
use crate::vault::{Backend, Data, Failure, Operation, Request, Response, SpecialPaths};

/// How much of a wrong name is repeated, in characters.
const LONGEST_SHOWN: usize = 64;

impl<E: Send + Sync + 'static> Framework<E> {
    fn route(&self, path: &str) -> Result<(&Row<E>, Match), Failure> {
        let mut found = self
            .described
            .rows
            .iter()
            .filter_map(|row| Some((row, row.path.pattern.matches(path)?)));
        found.next().ok_or(Failure::UnsupportedPath)
    }

    /// Why a path is none that is only wrong in its name: "unsupported path" would not tell.
    fn unfit_name(&self, path: &str) -> Option<Failure> {
        let mut rows = self.described.rows.iter();
        let name = rows.find_map(|row| row.path.pattern.unfit_name(path))?;
        let shown: String = name.chars().take(LONGEST_SHOWN).collect();
        Some(Failure::BadRequest(format!(
            "{shown:?} cannot be a name: use letters, digits, \"_\", \"-\" and \".\", with a letter, \
             a digit or \"_\" at both ends"
        )))
    }

    async fn serve(&self, request: Request) -> Result<Option<Response>, Failure> {
        let operation = request.operation;
        let routed = self.route(&request.path);
        let (row, found) = routed.map_err(|failure| {
            let unfit = self.unfit_name(&request.path);
            unfit
                .filter(|_| operation != Operation::List)
                .unwrap_or(failure)
        })?;
        let served = row.path.operations.get(&operation);
        let served = served.ok_or(Failure::UnsupportedOperation)?;
        if row.path.forwards(operation) && !may_act(&*self.mount.system).await? {
            return Err(Failure::read_only());
        }
        if let Err(failure) = self.before().await {
            let by_handler = row.path.forwards_by_handler();
            if by_handler && !may_act(&*self.mount.system).await? {
                return Err(Failure::read_only());
            }
            return Err(failure);
        }
        let warnings = row.warnings(&request.data, &found);
        let misspelled = row.misspelled(&found);
        let call = row.call(request, found, misspelled)?;
        let answer = (served.handler)(Arc::clone(&self.engine), call).await?;
        Ok(warned(operation, answer, warnings))
    }

    async fn before(&self) -> Result<(), Failure> {
        match &self.described.before_each {
            Some(before) => before(Arc::clone(&self.engine), ()).await,
            None => Ok(()),
        }
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
        self.before().await?;
        let mut failures = Vec::new();
        if let Some(periodic) = &self.described.periodic {
            let outcome = periodic(Arc::clone(&self.engine), ()).await;
            failures.extend(
                outcome
                    .inspect_err(|failure| tracing::warn!(%failure, "periodic function failed"))
                    .err(),
            );
        }
        let walk = wal::Walk {
            engine: &self.engine,
            storage: &*self.mount.storage,
            clock: &*self.described.clock,
            position: &self.log_position,
            caller: &request.caller,
            immediate: request.data.contains_key("immediate"),
        };
        failures.extend(self.described.log.roll_back(&walk).await.err());
        wal::joined(failures).map(|()| None)
    }

    async fn help(&self, request: &Request) -> Result<Option<Response>, Failure> {
        let prefix = request.data.get("requestResponsePrefix");
        // Help must not fail for want of a version.
        let version = self.mount.system.server_version().await.unwrap_or_default();
        let document = openapi::Document {
            special: &self.described.special,
            default_prefix: prefix.and_then(Value::as_str).unwrap_or_default(),
            version: &version,
        };
        let paths = self.described.rows.iter().map(|row| &row.path);
        let (text, document) = if request.path.is_empty() {
            let paths: Vec<&Path<E>> = paths.collect();
            (
                help::of_mount(self.described.about, &paths),
                document.of(&paths),
            )
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

/// The answer with the warnings added. A write that has nothing to say answers them alone: with no
/// answer at all nobody would read them. A read that finds nothing stays "nothing", which is 404.
fn warned(
    operation: Operation,
    answer: Option<Response>,
    warnings: Vec<String>,
) -> Option<Response> {
    let writes = matches!(
        operation,
        Operation::Create | Operation::Update | Operation::Patch | Operation::Delete
    );
    let answer = answer.or_else(|| (writes && !warnings.is_empty()).then(Response::default));
    answer.map(|mut response| {
        response.warnings.extend(warnings);
        response
    })
}

#[async_trait]
impl<E: Send + Sync + 'static> Backend for Framework<E> {
    async fn initialize(&self) -> Result<(), Failure> {
        match &self.described.initialize {
            Some(initialize) => initialize(Arc::clone(&self.engine), ()).await,
            None => Ok(()),
        }
    }

    async fn handle(&self, request: Request) -> Result<Option<Response>, Failure> {
        let engine = Arc::clone(&self.engine);
        let secrets = &self.described.secrets;
        match request.operation {
            Operation::Renew => {
                self.before().await?;
                secret_type::renew(secrets, engine, request).await
            }
            Operation::Revoke => {
                self.before().await?;
                secret_type::revoke(secrets, engine, request).await
            }
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
        // The spelling is left to the write itself: a host makes an internal error of what fails here.
        let call = row.call(request, found, Faults::new())?;
        exists(Arc::clone(&self.engine), call).await.map(Some)
    }

    fn special_paths(&self) -> SpecialPaths {
        self.described.special.clone()
    }

    async fn invalidate(&self, key: &str) {
        if let Some(invalidate) = &self.described.invalidate {
            // The handler has no way to fail.
            let _ = invalidate(Arc::clone(&self.engine), key.to_owned()).await;
        }
    }
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;

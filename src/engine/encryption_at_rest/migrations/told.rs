//! What the log, the mount's status and its check say of migrations.

use super::entry::{MigrationEntry, State};
use super::store;
use crate::engine::error::EngineError;
use crate::engine::unasked::held;
use crate::engine::{Engine, keys};

/// What does not go on by itself, and why. Asks storage alone.
pub(in super::super) async fn warnings(engine: &Engine) -> Result<Vec<String>, EngineError> {
    let mut told = Vec::new();
    let held = held(engine).await?.map(|by| format!("waits: {by}"));
    for name in engine.storage.list(keys::AZURE_MIGRATIONS).await? {
        let why = match store::load(engine, &name).await {
            Ok(Some(entry)) => stands(&entry, held.as_deref()),
            Ok(None) => None,
            Err(error @ EngineError::Unreadable { .. }) => Some(error.to_string()),
            Err(error) => return Err(error),
        };
        told.extend(why.map(|why| format!("migration {name} of encryption at rest: {why}")));
    }
    Ok(told)
}

fn stands(entry: &MigrationEntry, held: Option<&str>) -> Option<String> {
    match entry.state {
        State::Running | State::RollingBack => held.map(str::to_owned),
        State::Planning => None,
        state => {
            let reason = entry.reason.as_deref()?;
            Some(format!("{}: {reason}", state.name()))
        }
    }
}

/// Why a migration stopped itself, if it did.
pub(super) fn log_stop(name: &str, reason: Option<String>) {
    if let Some(reason) = reason {
        tracing::warn!(
            name,
            reason,
            "migration of encryption at rest stopped itself"
        );
    }
}

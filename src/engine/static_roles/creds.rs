//! `static-creds/<name>`: the secret that works now. Reads storage alone, on any node.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::entry::StaticRoleEntry;
use super::summary;
use super::write::{load, name};
use crate::base::Rfc3339;
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::framework::Call;
use crate::vault::{Data, Response};

/// Gives the present credential of a static role.
pub(super) async fn read(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let name = name(&call);
    let entry = load(&engine, &name)
        .await?
        .ok_or_else(|| EngineError::NoSuchStaticRole(name.clone()))?;
    let now = engine.clock.now();
    let data = credential(&entry, now).ok_or_else(|| EngineError::NoSecretYet {
        state: entry.rotation.failure.as_ref().map_or_else(
            || "is in progress".to_owned(),
            |failure| {
                format!(
                    "failed; the next attempt is at {}: {}",
                    Rfc3339(failure.next_retry_time),
                    failure.error
                )
            },
        ),
        name,
    })?;
    Ok(Some(Response {
        warnings: summary::warnings(&engine, &entry, now).await,
        ..Response::data(data)
    }))
}

fn credential(entry: &StaticRoleEntry, now: DateTime<Utc>) -> Option<Data> {
    let current = entry.current.as_ref()?;
    let next_rotation = entry.due();
    // What readers hold is good until the next rotation, and for the overlap after it.
    let ends = entry.lost.or(current.expires_at);
    let until = next_rotation.into_iter().chain(ends).min();
    let ttl = until.map_or(0, |until| (until - now).num_seconds().max(0));
    let value = json!({
        "client_id": entry.client_id,
        "client_secret": current.value.expose(),
        "organization_id": entry.organization_id,
        "last_rotated": entry.rotation.last.map(Rfc3339),
        "next_rotation": next_rotation.map(Rfc3339),
        "ttl": ttl,
        "client_secret_expires_at": current.expires_at.map(Rfc3339),
    });
    match value {
        Value::Object(data) => Some(data),
        _ => None,
    }
}

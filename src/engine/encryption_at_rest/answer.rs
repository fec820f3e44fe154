//! What is shown of a project: from storage, and never a secret.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::entry::AzureEntry;
use super::{expiry, grants, note, rotate_told};
use crate::base::Rfc3339;
use crate::vault::{Data, Response};

/// The answer to a read, and to all that changes an entry.
pub(super) fn answer(entry: &AzureEntry, now: DateTime<Utc>) -> Response {
    let mut warnings = expiry::warnings(entry, now);
    warnings.extend(note::warnings(entry));
    warnings.extend(rotate_told::warnings(entry, now));
    Response {
        warnings,
        ..Response::data(shown(entry))
    }
}

fn shown(entry: &AzureEntry) -> Data {
    let principal = entry.principal.as_ref();
    let held = entry.held.as_ref();
    let seen = entry.seen.as_ref();
    let key = entry.key.as_ref();
    let grants = principal.map(|principal| grants::commands(principal, key));
    let expires_at = held.and_then(|held| held.expires_at).map(Rfc3339);
    let value = json!({
        "state": entry.state.name(),
        "role_id": entry.role_id,
        "tenant_id": principal.map(|principal| &principal.tenant),
        "service_principal_id": principal.map(|principal| &principal.object),
        "atlas_azure_app_id": principal.map(|principal| &principal.application),
        "client_id": held.map(|held| &held.client_id),
        "client_secret_expires_at": expires_at,
        "previous_secret_removable_at": rotate_told::earlier_removable_at(entry).map(Rfc3339),
        "rotation_in_progress": entry.pending.is_some(),
        "keep_static": entry.keep_static,
        "observe": entry.observe.as_secs(),
        "settle": entry.settle.as_secs(),
        "mode": seen.map(|seen| seen.mode.name()),
        "valid": seen.and_then(|seen| seen.valid),
        "valid_seen_at": seen.map(|seen| Rfc3339(seen.at)),
        "invalid_since": entry.invalid_since.map(Rfc3339),
        "key_identifier": key.map(|key| &key.key_identifier),
        "require_private_networking": key.and_then(|key| key.require_private_networking),
        "drift": entry.drift,
        "changed_at": entry.changed_at.map(Rfc3339),
        "observe_until": entry.observe_until.map(Rfc3339),
        "retry_until": entry.retry_until.map(Rfc3339),
        "next_retry_time": entry.next_retry_time.map(Rfc3339),
        "last_error": entry.last_error,
        "way_back": entry.way_back(),
        "grants": grants,
    });
    match value {
        Value::Object(data) => data.into_iter().collect(),
        _ => Data::new(),
    }
}

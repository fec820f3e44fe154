//! What is shown of a project: from storage, and never a secret.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::entry::AzureEntry;
use super::{expiry, grants, note, rotate_told};
use crate::base::Rfc3339;
use crate::framework::Field;
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

/// The fields of the answer, for the API document.
pub(super) fn fields() -> Vec<Field> {
    let mut fields = identity();
    fields.extend(course());
    fields
}

/// What was given, and what it came to in Atlas.
fn identity() -> Vec<Field> {
    vec![
        Field::text("state").about(
            "registering, registered, applying, waiting, observing, applied, rotating, rolling_back, \
             static or failed.",
        ),
        Field::text("role_id").about("The principal's registration in the project."),
        Field::text("tenant_id").about("Directory of the principal."),
        Field::text("service_principal_id").about("Its object id there."),
        Field::text("atlas_azure_app_id").about("Atlas's application in Azure."),
        Field::text("client_id").about("Application of the static secret in keeping."),
        Field::time("client_secret_expires_at").about("When that secret expires, if that was given."),
        Field::time("previous_secret_removable_at").about(
            "From when the secret before the last rotation may go from Azure, as far as this project \
             is concerned.",
        ),
        Field::boolean("rotation_in_progress").about("Whether a new secret has not proved itself yet."),
        Field::boolean("keep_static")
            .about("Whether the static secret is kept after the role has proved itself."),
        Field::seconds("observe").about("How long a change is watched."),
        Field::seconds("settle")
            .about("How long after a change a valid that is false may mean nothing."),
        Field::text("way_back")
            .about("available, unproved, no secret in keeping, or refused by Atlas."),
        Field::texts("grants").about("Commands that let the principal use the key."),
    ]
}

/// How Atlas stood when it was last asked, and what is under way.
fn course() -> Vec<Field> {
    vec![
        Field::text("mode").about("How Atlas signs in to the key vault: role, static or none."),
        Field::boolean("valid").about("Whether Atlas can use the key."),
        Field::time("valid_seen_at").about("When Atlas was last asked."),
        Field::time("invalid_since").about("Since when Atlas says that it cannot."),
        Field::text("key_identifier").about("The address of the key."),
        Field::boolean("require_private_networking")
            .about("Whether the key is reached through private endpoints alone."),
        Field::texts("drift").about("In what Atlas differs from what it last took from here."),
        Field::time("changed_at").about("When Atlas took the last change from here."),
        Field::time("observe_until").about("Until when that change is watched."),
        Field::time("retry_until").about("Until when a change that lacks a grant is tried again."),
        Field::time("next_retry_time").about("When what is not finished is tried next."),
        Field::text("last_error").about("Why the last change came to nothing."),
    ]
}

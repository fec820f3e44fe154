//! What people are told of static roles: on read, after a write, and in the mount's status.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::entry::StaticRoleEntry;
use crate::base::Rfc3339;
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::journal::Owner;
use crate::engine::rotation_state::{ExpiryStatus, RotationMode};
use crate::engine::unasked::held;
use crate::vault::Data;

/// Roles that fail are listed up to this number; how many there are is told in any case.
const MOST_LISTED: usize = 20;

/// Everything but secrets.
pub(super) fn shown(entry: &StaticRoleEntry) -> Data {
    let options = &entry.options;
    let mut data = rotated(entry);
    entry.rotation.show(entry.due(), &mut data);
    let project = entry.project_id.as_ref();
    let values = [
        ("client_id", json!(entry.client_id)),
        ("organization_id", json!(entry.organization_id)),
        ("project_id", json!(project.map_or("", |id| id.as_str()))),
        ("rotation_mode", json!(options.rotation_mode.name())),
        ("secret_ttl", json!(options.secret_ttl.as_secs())),
        ("overlap", json!(options.overlap.as_secs())),
        (
            "rotation_in_progress",
            json!(entry.others.pending.is_some()),
        ),
    ];
    data.extend(values.map(|(name, value)| (name.to_owned(), value)));
    let retiring = entry.others.retiring.iter().map(|each| {
        json!({
            "id": each.id,
            "replaced_at": Rfc3339(each.since),
            "in_use": each.in_use,
            "removed_by": Rfc3339(each.since + options.overlap * 2),
        })
    });
    data.insert("previous_secrets".to_owned(), retiring.collect());
    data
}

/// The times of a role's rotations.
pub(super) fn rotated(entry: &StaticRoleEntry) -> Data {
    let value = json!({
        "last_rotated": entry.rotation.last.map(Rfc3339),
        "next_rotation": entry.due().map(Rfc3339),
        "client_secret_expires_at": entry.expires_at().map(Rfc3339),
    });
    match value {
        Value::Object(data) => data,
        _ => Data::new(),
    }
}

/// What readers should know.
pub(super) async fn warnings(
    engine: &Engine,
    entry: &StaticRoleEntry,
    now: DateTime<Utc>,
) -> Vec<String> {
    let mut warnings = entry.rotation.warnings();
    let in_use = entry.others.retiring.iter().filter(|each| each.in_use);
    warnings.extend(in_use.map(|each| {
        format!(
            "the replaced secret {} is still in use; it is deleted by {}",
            each.id,
            Rfc3339(each.since + entry.options.overlap * 2)
        )
    }));
    let remedy = match entry.options.rotation_mode {
        RotationMode::Admin => "rotate it now, with rotate-role",
        RotationMode::Own => "write a working one manually",
    };
    if let Some(lost) = entry.lost {
        warnings.push(format!(
            "the client_secret was found to be deleted in Atlas at {}: {remedy}",
            Rfc3339(lost)
        ));
        return warnings;
    }
    let expiry = entry.expiry().with_held(is_held(engine, entry, now).await);
    warnings.extend(expiry.warning("the client_secret", remedy, now));
    warnings
}

/// Whether rotations are held, asked only where it matters. Readers get their secret whatever is
/// wrong with the configuration.
async fn is_held(engine: &Engine, entry: &StaticRoleEntry, now: DateTime<Utc>) -> bool {
    let expiry = entry.expiry().with_held(true);
    expiry.threshold(now).is_some() && held(engine).await.is_ok_and(|by| by.is_some())
}

/// What is to be expected of the secret of each.
pub(crate) async fn expiries(engine: &Engine) -> Result<Vec<ExpiryStatus>, EngineError> {
    let now = engine.clock.now();
    let briefs = engine.static_roles.briefs(&*engine.storage, now).await?;
    // Without a configuration that can be read nothing is rotated either.
    let held = !matches!(held(engine).await, Ok(None));
    let expiries = briefs.values().map(|brief| brief.expiry.with_held(held));
    Ok(expiries.collect())
}

/// How the mount's static roles are doing, for its status.
pub(crate) async fn summary(engine: &Engine) -> Result<Value, EngineError> {
    let now = engine.clock.now();
    let briefs = engine.static_roles.briefs(&*engine.storage, now).await?;
    let roles = briefs.values();
    let is_ours = |owner: &Owner| matches!(owner, Owner::StaticRole { .. });
    let left = engine.journal.accounts_with_left_secrets(is_ours).await?;
    let failing = roles.clone().filter_map(|brief| {
        let failure = brief.failure.as_ref()?;
        Some(json!({
            "name": brief.name,
            "failures": failure.failures,
            "last_error": failure.error,
            "next_retry_time": Rfc3339(failure.next_retry_time),
        }))
    });
    let held = held(engine).await?.is_some();
    let ending = roles
        .clone()
        .filter(|brief| brief.expiry.with_held(held).threshold(now).is_some());
    let next = roles
        .clone()
        .filter_map(|brief| brief.expiry.next_rotation)
        .min();
    Ok(json!({
        "roles": roles.count(),
        "deleting": left.len(),
        "next_rotation": next.map(Rfc3339),
        "failing": failing.clone().count(),
        "failing_roles": failing.take(MOST_LISTED).collect::<Vec<Value>>(),
        "expiring_roles": ending.map(|brief| brief.name.as_str()).take(MOST_LISTED).collect::<Vec<&str>>(),
    }))
}

//! What a look at a project means: how it differs from what was sent, and whether the key can be used.
//! It only notes and tells; nothing is changed in Atlas.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::apply_input::LONGEST_RETRY;
use super::entry::{AzureEntry, DEFAULT_SETTLE, LONGEST_SETTLE, Mode, Seen, State, later};
use super::input::LONGEST_OBSERVE;
use super::plan::mode_of;
use super::watch::is_sent;
use crate::atlas::{AzureKeyVault, ProjectId, RoleId, VaultKey};

/// Two looks this far apart count as two. A little less than the minute between periodic runs.
pub(super) const APART: Duration = Duration::from_secs(50);

/// Whether a look now and that one count as two.
pub(super) fn is_apart(last: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    later(last, APART).is_some_and(|next| next <= now)
}

/// With private networking no `valid: false` means nothing for longer.
pub(super) const LONGEST_PRIVATE_SETTLE: Duration = Duration::from_mins(10);

/// Notes what Atlas shows, and says in the log what turned.
pub(super) fn note(
    entry: &mut AzureEntry,
    project: &ProjectId,
    vault: Option<&AzureKeyVault>,
    now: DateTime<Utc>,
) {
    entry.look_failure = None;
    believe_clock(entry, now);
    note_validity(entry, project, vault, now);
    note_secret(entry, vault, now);
    // While a change is under way nobody knows with what to compare.
    if entry.sending.is_none() {
        note_drift(entry, project, vault);
    }
    entry.key = vault.map(|vault| vault.key.clone());
    entry.seen = Some(Seen {
        mode: mode_of(vault),
        valid: vault.and_then(|vault| vault.valid),
        static_left: vault.is_some_and(is_static_left),
        other_application: vault.is_some_and(|vault| is_of_another(entry, vault)),
        at: now,
    });
}

/// Whether static credentials are shown beside the role: Atlas has not proved it yet.
pub(super) fn is_static_left(vault: &AzureKeyVault) -> bool {
    vault.role_id.is_some() && vault.client_id.is_some()
}

/// Whether static credentials are in force that are not those of the secret in keeping.
fn is_of_another(entry: &AzureEntry, vault: &AzureKeyVault) -> bool {
    let held = entry.held.as_ref();
    vault.role_id.is_none() && held.is_some_and(|held| !held.is_of(vault))
}

/// Whether `valid: true` may be of the credentials of before: with private networking Atlas keeps them
/// beside the role until its data nodes have used that.
pub(super) fn is_untried(vault: &AzureKeyVault) -> bool {
    vault.is_private() && is_static_left(vault)
}

/// Takes for now what was noted in the future: the clock was set back, and nothing may wait for it to
/// come there again.
fn believe_clock(entry: &mut AzureEntry, now: DateTime<Utc>) {
    let length = entry.changed_at.zip(entry.observe_until);
    let is_turned_back = entry.changed_at.is_some_and(|at| at > now);
    let past = [
        &mut entry.changed_at,
        &mut entry.applied_at,
        &mut entry.valid_since,
        &mut entry.valid_counted_at,
        &mut entry.invalid_since,
        &mut entry.ordered_at,
        &mut entry.static_ordered_at,
    ];
    let kept = entry.held.as_mut().map(|held| &mut held.since);
    let taken = entry.pending.as_mut().map(|pending| &mut pending.taken_at);
    for time in past.into_iter().chain(kept).chain(taken) {
        *time = time.map(|time| time.min(now));
    }
    if let Some((from, until)) = length.filter(|_| is_turned_back) {
        entry.observe_until = now.checked_add_signed(until - from);
    }
    let within = |until: Option<DateTime<Utc>>, longest| {
        let end = later(now, longest);
        until.map(|until| end.map_or(until, |end| until.min(end)))
    };
    entry.observe_until = within(entry.observe_until, LONGEST_OBSERVE);
    entry.retry_until = within(entry.retry_until, LONGEST_RETRY);
}

/// Whether somebody put a static secret in the place of the role that was taken from here, and an earlier look
/// showed it too. Soon after the change it may be shown as it was before.
pub(super) fn is_put_back(entry: &AzureEntry, now: DateTime<Utc>) -> bool {
    let settled = entry.changed_at.and_then(|at| later(at, DEFAULT_SETTLE));
    let is_seen = entry.seen.as_ref().is_some_and(|seen| {
        let is_settled = settled.is_none_or(|end| end <= seen.at);
        seen.mode == Mode::Static && is_settled && is_apart(seen.at, now)
    });
    is_seen && is_sent(entry, Mode::Role)
}

/// What Atlas shows of the secret in keeping: its directory, and that it is not in force any more or does
/// not work, which ends what was proved of it.
fn note_secret(entry: &mut AzureEntry, vault: Option<&AzureKeyVault>, now: DateTime<Utc>) {
    // One answer may be an old one, and what Atlas signs in with must not be lost.
    let last = entry.seen.as_ref();
    let is_since = |at| entry.changed_at.is_none_or(|changed| changed <= at);
    // Whoever put a secret back need not have put back this one.
    let is_put_back = is_put_back(entry, now);
    let is_other = |seen: &&Seen| seen.mode != Mode::Static || seen.other_application;
    let last = last.filter(is_other).filter(|seen| is_since(seen.at));
    let is_second = last.is_some_and(|seen| is_apart(seen.at, now));
    let is_invalid = entry.invalid_since.is_some();
    // While another may be in force, what Atlas shows may be of that one.
    let is_clear = entry.sending.is_none() && entry.pending.is_none();
    let Some(held) = entry.held.as_mut().filter(|_| is_clear) else {
        return;
    };
    let Some(vault) = vault.filter(|vault| vault.role_id.is_none()) else {
        held.in_force &= !is_second;
        return;
    };
    if !held.is_of(vault) {
        held.in_force &= !is_second;
        held.proved &= !is_second;
    } else if vault.client_id.is_some() {
        held.tenant_id = held.tenant_id.take().or_else(|| vault.tenant_id.clone());
        held.proved &= !is_invalid && !is_put_back;
    }
}

fn note_validity(
    entry: &mut AzureEntry,
    project: &ProjectId,
    vault: Option<&AzureKeyVault>,
    now: DateTime<Utc>,
) {
    let Some(vault) = vault else {
        entry.valid_since = None;
        entry.invalid_since = None;
        return;
    };
    match vault.valid {
        Some(true) => {
            entry.valid_since.get_or_insert(now);
            let apart = APART.min(entry.watched_for(vault.is_private()) / 2);
            let apart = TimeDelta::from_std(apart).unwrap_or_default();
            let is_another = |counted| now - counted >= apart;
            // A new secret is on trial until the rotation ends: before the data nodes' verdict `valid` may be
            // of the one before.
            let is_static = vault.is_private() && vault.role_id.is_none();
            let is_on_trial =
                is_static && matches!(entry.state, State::Rotating | State::RollingBack);
            if !is_on_trial && !is_untried(vault) && is_sent(entry, mode_of(Some(vault))) {
                entry.never_worked = false;
            }
            if !is_untried(vault) && entry.valid_counted_at.is_none_or(is_another) {
                entry.valid_looks = entry.valid_looks.saturating_add(1);
                entry.valid_counted_at = Some(now);
            }
            if entry.invalid_since.take().is_some() {
                tracing::info!(%project, "Atlas can use the project's key again");
            }
        }
        Some(false) if !is_settling(entry, now) => {
            entry.valid_since = None;
            entry.valid_looks = 0;
            entry.valid_counted_at = None;
            if entry.invalid_since.is_none() {
                entry.invalid_since = Some(now);
                tracing::warn!(
                    %project, mode = mode_of(Some(vault)).name(),
                    "Atlas cannot use the project's key, and stops its clusters at its next check"
                );
            }
        }
        // Not tried yet, or not told.
        Some(false) | None => {}
    }
}

/// Whether a `valid: false` may only mean that the change was not tried yet: with private networking
/// the data nodes do that later, and elsewhere Atlas may be a little behind itself.
pub(super) fn is_settling(entry: &AzureEntry, now: DateTime<Utc>) -> bool {
    // Atlas stops clusters at its check, and until then there has to be time for a way back.
    let longest = if entry.is_private() {
        LONGEST_PRIVATE_SETTLE
    } else {
        LONGEST_SETTLE
    };
    // What words sent unseen was sent once, at its order, however late it was found.
    let ordered = entry.ordered_at.filter(|_| entry.unproved);
    let changed = entry.changed_at;
    let changed = changed.map(|at| ordered.map_or(at, |ordered| ordered.min(at)));
    let is_within = |settle| {
        let end = changed.and_then(|at| later(at, settle));
        end.is_some_and(|end| now < end)
    };
    let settle = entry.settle.min(longest);
    if entry.is_private() {
        // An answer soon after the change may show how all was before, and its `valid` is no verdict.
        is_within(settle.max(DEFAULT_SETTLE))
    } else {
        entry.valid_since.is_none() && is_within(settle)
    }
}

fn note_drift(entry: &mut AzureEntry, project: &ProjectId, vault: Option<&AzureKeyVault>) {
    let drift = drift(entry, vault);
    if !drift.is_empty() && drift != entry.drift {
        tracing::warn!(
            %project, drift = drift.join("; "),
            "encryption at rest differs from what was sent; it is left as it is"
        );
    }
    entry.drift = drift;
}

/// In what Atlas differs from what it took last from here, with both values.
pub(super) fn drift(entry: &AzureEntry, vault: Option<&AzureKeyVault>) -> Vec<String> {
    let Some(sent) = &entry.sent else {
        return Vec::new();
    };
    let Some(vault) = vault else {
        return vec!["encryption at rest with Azure Key Vault is off, and was on".to_owned()];
    };
    let mut drift = Vec::new();
    drift.extend(match sent.mode {
        Mode::Role => other_than_role(entry, vault),
        Mode::Static => other_than_static(entry, vault),
        Mode::None => None,
    });
    drift.extend(other_key(&sent.key, &vault.key));
    drift
}

fn other_than_role(entry: &AzureEntry, vault: &AzureKeyVault) -> Option<String> {
    let role = entry.role_id.as_ref()?;
    match (&vault.role_id, &vault.client_id) {
        (Some(shown), _) if shown == role => None,
        (Some(other), _) => Some(format!("Atlas signs in by role {other}, and not {role}")),
        (None, Some(client_id)) => Some(format!(
            "Atlas signs in with a static secret of application {client_id}, and not by role {role}"
        )),
        (None, None) => Some(format!(
            "Atlas signs in with a static secret, and not by role {role}"
        )),
    }
}

fn other_than_static(entry: &AzureEntry, vault: &AzureKeyVault) -> Option<String> {
    let by_role = |role: &RoleId| format!("Atlas signs in by role {role}, and not with a secret");
    if let Some(role) = &vault.role_id {
        return Some(by_role(role));
    }
    let (held, shown) = (entry.held.as_ref()?, vault.client_id.as_ref()?);
    if held.client_id != *shown {
        let own = &held.client_id;
        return Some(format!(
            "Atlas signs in as application {shown}, and not {own}"
        ));
    }
    let (own, shown) = (held.tenant_id.as_ref()?, vault.tenant_id.as_ref()?);
    (own != shown).then(|| format!("Atlas signs in to directory {shown}, and not to {own}"))
}

/// The parts of the key that differ.
fn other_key(sent: &VaultKey, shown: &VaultKey) -> Vec<String> {
    let private = |key: &VaultKey| key.require_private_networking.unwrap_or(false).to_string();
    let pairs = [
        (
            "azure_environment",
            shown.environment.clone(),
            sent.environment.clone(),
        ),
        (
            "subscription_id",
            shown.subscription_id.clone(),
            sent.subscription_id.clone(),
        ),
        (
            "resource_group_name",
            shown.resource_group.clone(),
            sent.resource_group.clone(),
        ),
        ("key_vault_name", shown.vault.clone(), sent.vault.clone()),
        (
            "key_identifier",
            shown.key_identifier.clone(),
            sent.key_identifier.clone(),
        ),
        ("require_private_networking", private(shown), private(sent)),
    ];
    let others = pairs.into_iter().filter(|(_, shown, sent)| shown != sent);
    others
        .map(|(name, shown, sent)| format!("{name} is {shown}, and was sent as {sent}"))
        .collect()
}

/// What a reader of the entry should know.
pub(super) fn warnings(entry: &AzureEntry) -> Vec<String> {
    use crate::base::Rfc3339;

    let mut warnings = Vec::new();
    if let Some(since) = entry.invalid_since {
        warnings.push(format!(
            "Atlas cannot use the project's key (seen since {}), and stops its clusters at its next \
             check: repair the grants, the key or the secret in Azure",
            Rfc3339(since)
        ));
    }
    warnings.extend(entry.drift.iter().cloned());
    let failed = entry.last_error.as_deref().zip(entry.next_retry_time);
    if let Some((error, next)) = failed {
        let next = Rfc3339(next);
        warnings.push(format!("{error}; tried again at {next}"));
    }
    if let Some(failure) = &entry.look_failure {
        let since = Rfc3339(failure.since);
        warnings.push(format!(
            "Atlas could not be asked since {since}: {}",
            failure.error
        ));
    }
    warnings
}

//! Whether a static secret is sent to Atlas. All that sends one asks here, with what Atlas showed a moment
//! ago: a way back, one that began by itself, a rotation, and each of them once more.
//!
//! Without private networking Atlas tries a secret before it takes it. With it Atlas takes any, and stops
//! the clusters later. So there one rule holds: what Atlas takes unseen is sent only by whoever orders it,
//! while he orders it: by the request, or by the work of a migration that runs. The periodic function looks
//! what came of it, and never sends it again. By itself a secret goes only where nothing is lost by it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::entry::{
    Accepted, AzureEntry, DEFAULT_OBSERVE, HeldSecret, Mode, PendingSecret, Seen, later,
};
use super::note::is_apart;
use super::plan::mode_of;
use super::watch::{is_seen_twice, is_sent};
use crate::atlas::AzureKeyVault;
use crate::engine::error::EncryptionError;

/// What Atlas tries before it takes it is sent no later after its order: nobody expects it any more.
pub(super) const ORDER_LASTS: Duration = Duration::from_mins(65);
/// What was sent unseen, and is not shown so long after its order, was not taken.
const TAKEN_WITHIN: Duration = Duration::from_mins(5);
/// After so many tries in vain what Atlas shows counts, and not that an answer was understood.
pub(super) const TRIES: u32 = 6;

/// Who wants a way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ordered {
    /// Somebody, now.
    Now,
    /// A migration, now: what others set since is nothing that somebody wants written over.
    ByMigration,
    /// Nobody: the change before turned out bad.
    ByItself,
    /// Nobody any more: it was begun, and how it ended is not known.
    Before,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is sent.
    Send,
    /// A secret of the same application is in force, which need not be this one.
    Arrived,
    /// Not now: what is to be known is not known.
    Wait(EncryptionError),
    /// It is not sent any more.
    Never(EncryptionError),
}

/// Whether Atlas cannot use the key as it is: it says so, and did at a look before. Where it says nothing,
/// it may.
fn is_lost(entry: &AzureEntry, vault: &AzureKeyVault, now: DateTime<Utc>) -> bool {
    vault.valid == Some(false) && is_seen_twice(entry, now)
}

/// Whether what is in force was sent from here, and was not seen to work since. Of anything else `valid:
/// false` may only say that the vault is out of reach, and then Atlas stops nothing.
fn never_worked(entry: &AzureEntry, vault: &AzureKeyVault) -> bool {
    entry.never_worked && is_sent(entry, mode_of(Some(vault)))
}

/// Whether the order to send a secret is too old to be carried out.
pub(super) fn is_too_old(entry: &AzureEntry, now: DateTime<Utc>) -> bool {
    let end = entry.static_ordered_at;
    let end = end.and_then(|at| later(at, ORDER_LASTS));
    end.is_some_and(|end| end < now)
}

fn too_old(entry: &AzureEntry) -> EncryptionError {
    let last = entry.last_error.as_ref();
    EncryptionError::SecretOrderTooOld {
        last: last.map_or_else(String::new, |error| format!(" (the last try: {error})")),
    }
}

/// Whether a change that Atlas takes unseen, and to which no answer was understood, is seen not to be taken:
/// at this look, and at the one before, both some time after its order.
pub(super) fn is_not_taken(
    last: Option<&Seen>,
    ordered_at: Option<DateTime<Utc>>,
    shown: Mode,
    now: DateTime<Utc>,
) -> bool {
    let end = ordered_at.and_then(|at| later(at, TAKEN_WITHIN));
    let last = last.filter(|last| last.mode == shown && is_apart(last.at, now));
    last.is_some_and(|last| end.is_none_or(|end| end <= last.at))
}

/// Whether Atlas is done with the static secret that was sent last, whatever came of it.
pub(super) fn is_over(entry: &AzureEntry, now: DateTime<Utc>) -> bool {
    let end = entry.static_ordered_at;
    let end = end.and_then(|at| later(at, TAKEN_WITHIN));
    end.is_none_or(|end| end <= now)
}

/// Whether the secret in keeping is sent. `accepted` is what this order accepts.
pub(super) fn way_back(
    entry: &AzureEntry,
    held: &HeldSecret,
    vault: &AzureKeyVault,
    ordered: Ordered,
    accepted: Accepted,
    now: DateTime<Utc>,
) -> Verdict {
    let is_by_role = entry.is_by_role(vault);
    if let Some(role) = vault.role_id.clone().filter(|_| !is_by_role) {
        return Verdict::Never(EncryptionError::RoleOfOthers { role });
    }
    let is_late = is_too_old(entry, now);
    if ordered != Ordered::Now && vault.role_id.is_none() && !held.is_of(vault) {
        return Verdict::Never(of_others(&held.client_id.to_string(), vault));
    }
    if !vault.is_private() {
        let is_valid = is_by_role && vault.valid == Some(true);
        return match ordered {
            Ordered::Before if is_late => Verdict::Never(too_old(entry)),
            Ordered::Before if is_valid && entry.failures >= TRIES => {
                Verdict::Never(EncryptionError::WayBackUnanswered)
            }
            _ => Verdict::Send,
        };
    }
    let is_arrived = is_sent(entry, Mode::Role) || vault.valid == Some(true);
    let goes_on = matches!(ordered, Ordered::Before | Ordered::ByMigration);
    if goes_on && !is_by_role && is_arrived {
        return Verdict::Arrived;
    }
    // By the role the watch begins it anew. From a new secret nothing else leads back, and nothing is lost.
    if ordered == Ordered::Before && is_by_role && is_late {
        return Verdict::Never(too_old(entry));
    }
    if held.expires_at.is_some_and(|end| end <= now) {
        return Verdict::Never(EncryptionError::SecretExpired);
    }
    let is_orderers = matches!(ordered, Ordered::Now | Ordered::ByMigration);
    let is_meant = is_orderers || !is_by_role || is_of_before(entry, held);
    if (is_orderers && accepted.is_both()) || (is_meant && loses_nothing(entry, held, vault, now)) {
        Verdict::Send
    } else if ordered == Ordered::Before {
        Verdict::Wait(EncryptionError::PrivateWayBack)
    } else {
        Verdict::Never(EncryptionError::PrivateWayBack)
    }
}

/// Whether the secret in keeping is of the application with which Atlas signed in before the role.
fn is_of_before(entry: &AzureEntry, held: &HeldSecret) -> bool {
    let before = entry.before.as_ref();
    let before = before.filter(|before| before.mode == Mode::Static);
    before.is_some_and(|before| {
        let client = before.client_id.as_ref();
        client.is_none_or(|client| *client == held.client_id)
    })
}

/// Whether nothing is lost by sending the secret in keeping unseen: Atlas cannot use the key as it is, and
/// the secret is known to work, or what is in force was sent from here, never worked, and is proved by
/// nothing. What worked before may do so again.
fn loses_nothing(
    entry: &AzureEntry,
    held: &HeldSecret,
    vault: &AzureKeyVault,
    now: DateTime<Utc>,
) -> bool {
    let is_proved = entry.is_by_role(vault) && !entry.unproved;
    let may_work = is_proved || !never_worked(entry, vault);
    is_lost(entry, vault, now) && (!may_work || held.is_good(now))
}

/// Whether the secret in keeping would go over the role by itself, if Atlas could not use the key by that.
pub(super) fn leads_back(entry: &AzureEntry, now: DateTime<Utc>) -> bool {
    let is_good = |held: &HeldSecret| held.is_good(now) || (entry.never_worked && entry.unproved);
    entry.held.as_ref().is_some_and(is_good)
}

/// Whether the key is lost with whichever secret is in force, and the one in keeping is known to work.
pub(super) fn is_back_better(
    entry: &AzureEntry,
    vault: &AzureKeyVault,
    now: DateTime<Utc>,
) -> bool {
    has_known_secret(entry, vault, now) && is_lost(entry, vault, now)
}

/// Whether a secret that Atlas may have taken unseen may still turn out bad, and the one before is known to
/// work: it is watched until Atlas's next check has gone by, and as long as a look that said so waits for the
/// one that confirms it.
pub(super) fn may_be_taken_back(
    entry: &AzureEntry,
    vault: &AzureKeyVault,
    now: DateTime<Utc>,
) -> bool {
    let end = entry.static_ordered_at;
    let end = end.and_then(|at| later(at, DEFAULT_OBSERVE));
    let is_watched = entry.invalid_since.is_some() || end.is_some_and(|end| now < end);
    has_known_secret(entry, vault, now) && is_watched
}

fn has_known_secret(entry: &AzureEntry, vault: &AzureKeyVault, now: DateTime<Utc>) -> bool {
    let held = entry.held.as_ref();
    held.is_some_and(|held| held.is_good(now) && held.is_of(vault))
}

/// Whether a new secret is sent. `accepted` is what this order accepts; [`None`]: nobody orders it now.
pub(super) fn rotation(
    entry: &AzureEntry,
    pending: &PendingSecret,
    vault: &AzureKeyVault,
    accepted: Option<Accepted>,
    now: DateTime<Utc>,
) -> Verdict {
    if !pending.is_of(vault) {
        let own = pending.client_id.as_ref().map(ToString::to_string);
        return Verdict::Never(of_others(&own.unwrap_or_default(), vault));
    }
    if !vault.is_private() {
        return if is_too_old(entry, now) {
            Verdict::Never(too_old(entry))
        } else {
            Verdict::Send
        };
    }
    let Some(accepted) = accepted else {
        return Verdict::Wait(EncryptionError::NewSecretUnanswered);
    };
    if pending.expires_at.is_some_and(|end| end <= now) {
        return Verdict::Never(EncryptionError::SecretExpired);
    }
    let has_way_back = has_known_secret(entry, vault, now);
    let is_useless = is_lost(entry, vault, now) && never_worked(entry, vault);
    let may_lose = !is_useless && !has_way_back;
    if may_lose && !accepted.is_both() {
        Verdict::Wait(EncryptionError::NoKnownSecret)
    } else if !accepted.unvalidated {
        Verdict::Wait(EncryptionError::UnvalidatedSecret)
    } else {
        Verdict::Send
    }
}

/// Somebody else's credentials are in force.
pub(super) fn of_others(own: &str, vault: &AzureKeyVault) -> EncryptionError {
    let name = |client: Option<String>, tenant: Option<String>| match (client, tenant) {
        (Some(client), Some(tenant)) => format!("{client} of directory {tenant}"),
        (Some(client), None) => client,
        _ => "unknown".to_owned(),
    };
    let client = vault.client_id.as_ref().map(ToString::to_string);
    let tenant = vault.tenant_id.as_ref().map(ToString::to_string);
    EncryptionError::OtherApplication {
        shown: name(client, tenant),
        own: own.to_owned(),
    }
}

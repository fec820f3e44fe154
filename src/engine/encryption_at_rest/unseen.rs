//! Whether a static secret is sent to Atlas. All that sends one asks here, with what Atlas showed a moment
//! ago: a way back, one that began by itself, a rotation, and each of them once more.
//!
//! Without private networking Atlas tries a secret before it takes it. With it Atlas takes any, and stops
//! the clusters later: there a secret is sent where nothing is left to be lost, or where both words were
//! given with this order and for this secret.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::entry::{Accepted, AzureEntry, HeldSecret, Mode, PendingSecret, later};
use super::note::is_static_left;
use super::plan::mode_of;
use super::watch::{is_seen_twice, is_sent};
use crate::atlas::AzureKeyVault;
use crate::engine::error::EncryptionError;

/// An order is sent no later: nobody expects it any more, and its words were for how things stood then.
pub(super) const ORDER_LASTS: Duration = Duration::from_mins(65);
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
    /// It was begun, and how it ended is not known.
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

/// Whether the secret in keeping is sent. `accepted` is what was accepted for this.
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
    if ordered != Ordered::Now && vault.role_id.is_none() && !held.is_of(vault) {
        return Verdict::Never(of_others(&held.client_id.to_string(), vault));
    }
    let is_lost = is_lost(entry, vault, now);
    if ordered == Ordered::Before {
        if is_too_old(entry, now) && !(vault.is_private() && is_lost) {
            return Verdict::Never(too_old(entry));
        }
        if is_by_role && vault.valid == Some(true) && entry.failures >= TRIES {
            return Verdict::Never(EncryptionError::WayBackUnanswered);
        }
    }
    if !vault.is_private() {
        return Verdict::Send;
    }
    let is_arrived = is_sent(entry, Mode::Role) || vault.valid == Some(true);
    if ordered == Ordered::Before && !is_by_role && is_arrived {
        return Verdict::Arrived;
    }
    if held.expires_at.is_some_and(|end| end <= now) {
        return Verdict::Never(EncryptionError::SecretExpired);
    }
    // What worked before may do so again, and the static credentials that Atlas still has beside the role
    // may work: either may be better than an unproved secret.
    let may_work = is_static_left(vault) || !never_worked(entry, vault);
    let may_lose = !is_lost || (may_work && !held.is_good(now));
    // The second word alone was given for the change that turned out bad.
    let is_later = matches!(ordered, Ordered::ByItself | Ordered::Before);
    let is_accepted = if is_lost && is_later {
        accepted.no_way_back
    } else {
        accepted.is_both()
    };
    if !may_lose || is_accepted {
        Verdict::Send
    } else if ordered == Ordered::Before && vault.valid != Some(true) {
        Verdict::Wait(EncryptionError::PrivateWayBack)
    } else {
        Verdict::Never(EncryptionError::PrivateWayBack)
    }
}

/// Whether a new secret is sent. `accepted` is what was accepted for this one.
pub(super) fn rotation(
    entry: &AzureEntry,
    pending: &PendingSecret,
    vault: &AzureKeyVault,
    accepted: Accepted,
    now: DateTime<Utc>,
) -> Verdict {
    if !pending.is_of(vault) {
        let own = pending.client_id.as_ref().map(ToString::to_string);
        return Verdict::Never(of_others(&own.unwrap_or_default(), vault));
    }
    if is_too_old(entry, now) {
        return Verdict::Never(too_old(entry));
    }
    if !vault.is_private() {
        return Verdict::Send;
    }
    if pending.expires_at.is_some_and(|end| end <= now) {
        return Verdict::Never(EncryptionError::SecretExpired);
    }
    let held = entry.held.as_ref();
    let has_way_back = held.is_some_and(|held| held.is_good(now) && held.is_of(vault));
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

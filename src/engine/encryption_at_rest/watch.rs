//! The look at a project: one question to Atlas, and what follows from the answer. A change that was
//! ordered goes on, and is done once the role has proved itself. What somebody else changed is told and
//! never fought.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::entry::{AzureEntry, DEFAULT_SETTLE, Mode, State, later};
use super::note::{APART, LONGEST_PRIVATE_SETTLE, is_apart, is_untried, note};
use super::paths::store;
use super::rollback;
use crate::atlas::{Atlas, AzureKeyVault, ProjectId, RequestBudget};
use crate::base::Rfc3339;
use crate::engine::error::{EncryptionError, EngineError};
use crate::engine::unasked::held;
use crate::engine::{Engine, backoff};
use crate::vault::failure::chain;

/// A change is done when the key was seen to be valid so often, looks that are a minute apart.
pub(super) const LOOKS_THAT_PROVE: u32 = 2;
/// The same of a static secret that Atlas took unseen: two nodes' clocks may differ, so that the time alone
/// proves nothing.
const LOOKS_UNSEEN: u32 = 13;
/// So long after its order a change that failed may still turn out to have been taken.
const MAY_COME_LATE: Duration = Duration::from_mins(70);
/// What is not finished is tried again no later: Atlas stops clusters after a quarter of an hour.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// What is asked, for an error.
pub(super) fn reading(project: &ProjectId) -> String {
    format!("reading encryption at rest of project {project}")
}

/// How a project's way to its key stands in Atlas; [`None`]: encryption with Azure Key Vault is off.
pub(super) async fn ask(
    atlas: &Atlas,
    project: &ProjectId,
    budget: RequestBudget,
) -> Result<Option<AzureKeyVault>, EngineError> {
    let shown = atlas.azure_key_vault(project, budget).await;
    shown.map_err(|error| EngineError::atlas(&reading(project), error))
}

/// How a project stands after Atlas took a change. What it answered to the change counts where it cannot
/// be asked again.
pub(super) async fn ask_after(
    atlas: &Atlas,
    project: &ProjectId,
    answer: AzureKeyVault,
    budget: RequestBudget,
) -> Option<AzureKeyVault> {
    let shown = atlas.azure_key_vault(project, budget).await;
    shown.unwrap_or_else(|error| {
        tracing::debug!(%project, %error, "no look after a change of encryption at rest");
        Some(answer)
    })
}

/// Looks at a project in any state, and does what follows from that. The entry is stored.
pub(super) async fn look(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let vault = ask(atlas, project, budget).await?;
    let now = engine.clock.now();
    if let Some(vault) = &vault {
        find_in_force(entry, project, vault, now);
    }
    let last = entry.seen.clone();
    let was_by_role = last.as_ref().is_some_and(|seen| seen.mode == Mode::Role);
    note(entry, project, vault.as_ref(), now);
    // What a clock that was set forward would prove is nothing that data nodes have tried.
    let is_sure = !entry.is_private() || believes_clock(engine).await;
    if let Some(vault) = vault.as_ref().filter(|_| is_sure) {
        prove_static(entry, vault, now);
    }
    end_watch(entry, project, vault.as_ref(), was_by_role, is_sure, now);
    let is_over = static_is_over(entry, now);
    let is_new_over = entry.pending.is_some() && role_has_served(entry, now);
    if (is_over || is_new_over) && engine.may_delete_unasked().await?.is_ok() {
        entry.forget_pending();
        if is_over {
            entry.held = None;
            tracing::info!(%project, "static secret dropped: the role has proved itself");
        }
    }
    store(engine, project, entry).await?;
    match vault {
        Some(vault) if must_go_back(entry, &vault, now) => {
            let is_first = last.is_none_or(|seen| !is_seen_twice(entry, seen.at));
            go_back(engine, atlas, project, entry, is_first, budget).await
        }
        _ => Ok(()),
    }
}

/// Whether what the wall clock tells may be acted on where Atlas took a change unseen.
pub(super) async fn believes_clock(engine: &Engine) -> bool {
    matches!(engine.may_believe_clock().await, Ok(Ok(_)))
}

/// Atlas signs in by the role already: the change whose outcome was not known had taken effect, or
/// somebody else made it.
fn find_in_force(
    entry: &mut AzureEntry,
    project: &ProjectId,
    vault: &AzureKeyVault,
    now: DateTime<Utc>,
) {
    if !entry.is_by_role(vault) {
        return;
    }
    let is_late = is_late(entry, now);
    match entry.state {
        State::Registered => found_changed_over(entry, vault, now),
        State::Failed if !is_late => {
            // A key that is not the one that was sent stays drift.
            let sent = entry.sent.take().filter(|sent| sent.mode == Mode::Role);
            found_changed_over(entry, vault, now);
            entry.sent = sent.or(entry.sent.take());
        }
        State::Applying | State::Waiting => {
            entry.sending.get_or_insert_with(|| vault.key.clone());
            changed_over(entry, project, now);
        }
        _ if is_late => {
            // A key that is not the one that was sent stays drift.
            let sent = entry.sent.as_ref().filter(|sent| sent.mode == Mode::Role);
            let key = sent.map_or_else(|| vault.key.clone(), |sent| sent.key.clone());
            entry.sending = Some(key);
            let called_off = EncryptionError::CalledOff.to_string();
            let is_called_off = entry.last_error.as_ref() == Some(&called_off);
            changed_over(entry, project, now);
            if is_called_off {
                tracing::warn!(%project, "a change that was called off took effect all the same");
                entry.last_error = Some(EncryptionError::CameLate.to_string());
            }
        }
        _ => {}
    }
}

/// Whether a change that failed was taken all the same. Much later it is somebody else's change, and no
/// watch of ours leads back from it.
pub(super) fn is_late(entry: &AzureEntry, now: DateTime<Utc>) -> bool {
    let end = entry.ordered_at.and_then(|at| later(at, MAY_COME_LATE));
    let is_failed = entry.state == State::Failed;
    is_failed && entry.before.is_some() && end.is_some_and(|end| now < end)
}

/// Somebody leaves the project as it is after a change that failed. Why it has to stay `failed` is
/// answered where a change or a secret may still turn out to have been taken.
pub(super) fn leave_failed(entry: &mut AzureEntry, now: DateTime<Utc>) -> Option<String> {
    if entry.state != State::Failed {
        return None;
    }
    if entry.pending.is_some() {
        let text = "it stays failed: Atlas may hold the new secret or the one before; rotate again";
        return Some(text.to_owned());
    }
    let end = entry.ordered_at.and_then(|at| later(at, MAY_COME_LATE));
    if let Some(end) = end.filter(|_| is_late(entry, now)) {
        return Some(format!(
            "it stays failed until {}: the change may still turn out to have been taken; write it again \
             then",
            Rfc3339(end)
        ));
    }
    let state = if entry.role_id.is_some() {
        State::Registered
    } else {
        State::Static
    };
    entry.give_up(state);
    entry.forget_trouble();
    None
}

pub(super) fn is_sent(entry: &AzureEntry, mode: Mode) -> bool {
    entry.sent.as_ref().is_some_and(|sent| sent.mode == mode)
}

/// Atlas took the change to the role. From now on it is watched.
pub(super) fn changed_over(entry: &mut AzureEntry, project: &ProjectId, now: DateTime<Utc>) {
    let is_failed = entry.state == State::Failed;
    let is_shown_again = is_failed && is_sent(entry, Mode::Role);
    // What was taken from here, with nothing ordered since, may work again as it did before.
    let has_worked = is_shown_again && !entry.never_worked && entry.changed_at >= entry.ordered_at;
    if is_failed {
        // It may be somebody else's, and has all its time from now on; one that is shown again may as well be
        // from here, so it has no more than any has.
        let longest = entry.settle.min(LONGEST_PRIVATE_SETTLE);
        let over = longest.saturating_sub(DEFAULT_SETTLE);
        let over = TimeDelta::from_std(over).unwrap_or_default();
        let began = entry.ordered_at.max(now.checked_sub_signed(over));
        entry.ordered_at = began.filter(|_| is_shown_again).or(Some(now));
    }
    entry.arrive(Mode::Role, now);
    entry.never_worked = !has_worked;
    entry.state = State::Observing;
    tracing::info!(%project, "encryption at rest changed over to the registered principal");
}

/// Atlas signed in by the role before anything was sent from here.
pub(super) fn found_changed_over(
    entry: &mut AzureEntry,
    vault: &AzureKeyVault,
    now: DateTime<Utc>,
) {
    entry.sending = Some(vault.key.clone());
    entry.arrive(Mode::Role, now);
    entry.never_worked = false;
    entry.unproved = false;
    entry.observe_until = None;
    entry.applied_at = Some(now);
    entry.state = State::Applied;
}

/// Ends the watch over a change once its time has passed.
fn end_watch(
    entry: &mut AzureEntry,
    project: &ProjectId,
    vault: Option<&AzureKeyVault>,
    was_by_role: bool,
    is_sure: bool,
    now: DateTime<Utc>,
) {
    if entry.observe_until.is_none_or(|until| now < until) {
        return;
    }
    if entry.state != State::Observing {
        entry.observe_until = None;
        return;
    }
    let Some(vault) = vault.filter(|vault| entry.is_by_role(vault)) else {
        // One answer may be an old one: the next look decides.
        if was_by_role {
            return;
        }
        entry.observe_until = None;
        entry.state = State::Failed;
        entry.last_error = Some(entry.drift.join("; "));
        return;
    };
    // Else it stays watched until it proves itself, or somebody decides.
    let is_tried = vault.valid == Some(true) && !is_untried(vault);
    if is_tried && is_sure && entry.valid_looks >= LOOKS_THAT_PROVE {
        entry.observe_until = None;
        entry.applied_at = Some(now);
        entry.state = State::Applied;
        entry.forget_pending();
        tracing::info!(%project, "the registered principal has proved itself");
    }
}

/// A secret in keeping that Atlas took from here, and with which it was seen to use the key.
fn prove_static(entry: &mut AzureEntry, vault: &AzureKeyVault, now: DateTime<Utc>) {
    let is_clear = entry.sending.is_none() && entry.pending.is_none();
    let is_proved = is_clear && has_proved_itself(entry, vault, now);
    if let Some(held) = &mut entry.held {
        let is_used = held.in_force && vault.role_id.is_none() && held.is_of(vault);
        held.proved |= is_used && is_proved;
    }
}

/// Whether the credentials that are in force were seen to work for as long as a change is watched, and not
/// at one look alone.
pub(super) fn has_proved_itself(
    entry: &AzureEntry,
    vault: &AzureKeyVault,
    now: DateTime<Utc>,
) -> bool {
    let watched = entry.watched_for(vault.is_private());
    let end = entry.valid_since.and_then(|since| later(since, watched));
    let looks = if vault.is_private() {
        LOOKS_UNSEEN
    } else {
        LOOKS_THAT_PROVE
    };
    vault.valid == Some(true) && entry.valid_looks >= looks && end.is_some_and(|end| end <= now)
}

/// Whether the static secret has done its service. One that was handed in after the change is for the
/// way back and stays.
fn static_is_over(entry: &AzureEntry, now: DateTime<Utc>) -> bool {
    let Some((held, applied_at)) = entry.held.as_ref().zip(entry.applied_at) else {
        return false;
    };
    let is_of_before = held.since.is_none_or(|since| since <= applied_at);
    !entry.keep_static && is_of_before && role_has_served(entry, now)
}

/// Whether the role has proved itself, and long enough ago that nothing of before is needed any more.
fn role_has_served(entry: &AzureEntry, now: DateTime<Utc>) -> bool {
    let kept_for = entry.watched_for(entry.is_private());
    let end = entry.applied_at.and_then(|at| later(at, kept_for));
    let is_over = end.is_some_and(|end| end <= now);
    let is_proved = entry.state == State::Applied
        && entry.valid_since.is_some()
        && entry.valid_looks >= LOOKS_THAT_PROVE
        && !(entry.is_private() && entry.seen.as_ref().is_some_and(|seen| seen.static_left))
        && entry.drift.is_empty();
    is_over && is_proved
}

/// Whether there is a way back worth trying from a role that turned out bad.
pub(super) fn has_way_back(entry: &AzureEntry, now: DateTime<Utc>) -> bool {
    let was_worse = entry
        .before
        .as_ref()
        .is_none_or(|before| before.mode != Mode::Static || before.valid == Some(false));
    let client_id = entry.before.as_ref().and_then(|it| it.client_id.as_ref());
    let lives = entry.held.as_ref().is_some_and(|held| {
        held.expires_at.is_none_or(|end| now < end)
            && client_id.is_none_or(|before| *before == held.client_id)
    });
    lives && !was_worse && entry.way_back_refused.is_none()
}

/// Whether a change that is watched has turned out bad in a project with private networking, where
/// Atlas took it unseen, and there is a way back worth trying.
fn must_go_back(entry: &AzureEntry, vault: &AzureKeyVault, now: DateTime<Utc>) -> bool {
    entry.state == State::Observing
        && vault.is_private()
        && entry.is_by_role(vault)
        && vault.valid == Some(false)
        && is_seen_twice(entry, now)
        && has_way_back(entry, now)
        && entry.next_retry_time.is_none_or(|next| next <= now)
}

/// Whether a look at this time is a second one at which the key cannot be used. One answer may be an old
/// one, and the way back cannot be undone.
pub(super) fn is_seen_twice(entry: &AzureEntry, look: DateTime<Utc>) -> bool {
    entry.invalid_since.is_some_and(|at| is_apart(at, look))
}

/// Goes back by itself. That it did not work is noted with the entry, and tried again.
async fn go_back(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    is_first: bool,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    if let Some(by) = held(engine).await? {
        if is_first {
            tracing::warn!(
                %project, reason = %by,
                "on hold: the project is not changed back to its static secret"
            );
        }
        return Ok(());
    }
    // Its data nodes may not have had the time to try it.
    if !believes_clock(engine).await {
        if is_first {
            tracing::warn!(
                %project,
                "the clock is in doubt: the project is not changed back to its static secret"
            );
        }
        return Ok(());
    }
    let outcome = rollback::by_itself(engine, atlas, project, entry, budget).await;
    let Err(error) = outcome else {
        tracing::warn!(
            %project,
            "changed back to the static secret: Atlas could not use the key by the role"
        );
        entry.last_error = Some(EncryptionError::RoleTakenBack.to_string());
        return store(engine, project, entry).await;
    };
    // Asked once more, Atlas can use the key by the role; or it has not tried it yet, and the secret
    // in keeping is not known to be any better.
    if matches!(
        error,
        EngineError::Encryption(EncryptionError::PrivateWayBack)
    ) {
        let is_unproved = entry.held.as_ref().is_some_and(|held| !held.proved);
        if is_first && is_unproved {
            tracing::warn!(
                %project,
                "the project is not changed back by itself to a static secret that is not proved"
            );
        }
        return Ok(());
    }
    if error.is_mere_wait() || matches!(error, EngineError::Storage(_)) {
        return Err(error);
    }
    note_failure(engine, project, entry, &error).await
}

/// Notes with the entry that what is not finished failed once more, for the next try and for people.
pub(super) async fn note_failure(
    engine: &Engine,
    project: &ProjectId,
    entry: &mut AzureEntry,
    error: &EngineError,
) -> Result<(), EngineError> {
    let is_gone =
        matches!(error, EngineError::Atlas { source, .. } if source.says_project_is_gone());
    let error = chain(error);
    if is_gone && entry.failed_by(&error) {
        tracing::warn!(%project, error, "the project is gone; its encryption is not changed");
        entry.retry_until = None;
        entry.fail(error);
        return store(engine, project, entry).await;
    }
    entry.failures = entry.failures.saturating_add(1);
    // The next try is a second look, which decides.
    let pause = backoff::pause(entry.failures, &*engine.entropy).clamp(APART, LONGEST_PAUSE);
    entry.next_retry_time = later(engine.clock.now(), pause);
    tracing::warn!(
        %project, state = entry.state.name(), error,
        "change of encryption at rest is not finished; retrying"
    );
    entry.last_error = Some(error);
    store(engine, project, entry).await
}

//! The change to the role: ask, note, send, look. Each step can be repeated, so that a crash or a lost
//! answer leaves a project on its role or as it was, and never between.
//!
//! Atlas offers no way to make the question and the change one. What somebody else changes in between
//! is put back by the change, as all is sent as it was shown; what he changes after it is told as drift.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::apply_told::{advice, forget_what_is_over, is_decided, is_left, is_too_late};
use super::entry::{Accepted, AzureEntry, Before, Mode, State, later};
use super::note::{is_put_back, note};
use super::paths::store;
use super::plan::Standing;
use super::private::{self, Proofs};
use super::watch::{
    ask_after, believes_clock, changed_over, found_changed_over, is_late, is_seen_twice,
};
use super::{migrations, rollback, unseen};
use crate::atlas::{
    Atlas, AtlasError, AzureKeyVault, KeyVaultRefusal, ProjectId, RequestBudget, RoleId,
    VaultCredential, VaultKey,
};
use crate::engine::error::{EncryptionError, EngineError};
use crate::engine::{Engine, backoff};
use crate::vault::failure::chain;

/// A grant comes within minutes: the tries for it are no further apart.
const LONGEST_WAIT: Duration = Duration::from_mins(4);

/// What is asked for.
pub(super) struct ApplyRequest {
    /// The key to switch encryption on with, where it is off.
    pub(super) enable: Option<VaultKey>,
    /// How long to try again where a grant is missing.
    pub(super) retry_for: Duration,
    /// That Atlas tries the change only after it took it.
    pub(super) accept_unvalidated: bool,
    /// That Atlas may not let the project go back.
    pub(super) accept_no_way_back: bool,
    /// Take over the role that Atlas uses, whoever registered it.
    pub(super) adopt: bool,
    /// The migration that asks; [`None`]: a person does.
    pub(super) migration: Option<String>,
    /// What other projects prove, if whoever asks has read that already.
    pub(super) proofs: Option<Proofs>,
}

impl ApplyRequest {
    /// What was asked for before, for one more try. What was accepted then is not accepted now.
    fn again(enable: Option<VaultKey>) -> Self {
        Self {
            enable,
            retry_for: Duration::ZERO,
            accept_unvalidated: false,
            accept_no_way_back: false,
            adopt: false,
            migration: None,
            proofs: None,
        }
    }

    pub(super) fn accepted(&self) -> Accepted {
        Accepted {
            unvalidated: self.accept_unvalidated,
            no_way_back: self.accept_no_way_back,
        }
    }
}

/// How an entry was before an order. Where Atlas does not take that, it is so again.
#[derive(Debug, Clone, Copy)]
struct Reached {
    state: State,
    /// Whether both words sent what may be in force, or may still come.
    unproved: bool,
}

impl Reached {
    fn of(entry: &AzureEntry, now: DateTime<Utc>) -> Self {
        let state = entry.state;
        let may_come = match state {
            State::Registered | State::Static => false,
            State::Failed => is_late(entry, now),
            // What it sent was replaced by somebody.
            State::Observing | State::Applied => !is_put_back(entry, now),
            _ => true,
        };
        Self {
            state,
            unproved: entry.unproved && may_come,
        }
    }
}

/// Changes the project over to its registration, unless it is there already. The entry is stored at
/// every step.
pub(super) async fn apply(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    request: &ApplyRequest,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    if matches!(entry.state, State::Registering | State::Rotating) {
        return Err(entry.under_way().into());
    }
    let role = role_of(entry)?;
    let mut standing = Standing::ask_vault(atlas, project, budget).await?;
    let now = engine.clock.now();
    let reached = Reached::of(entry, now);
    let by_role = standing.vault.as_ref();
    let by_role = by_role.filter(|vault| entry.is_by_role(vault));
    if reached.state == State::RollingBack {
        // A way back that Atlas did not take is not wanted any more.
        let vault = by_role.ok_or_else(|| entry.under_way())?;
        rollback::call_off(entry, vault, now);
    }
    if let Some(vault) = &standing.vault {
        if entry.is_by_role(vault) {
            return in_force(engine, project, entry, vault, now).await;
        }
        if request.adopt
            && let Some(other) = &vault.role_id
        {
            return adopt(engine, atlas, project, entry, vault, other, budget).await;
        }
    }
    note(entry, project, standing.vault.as_ref(), now);
    let sent = to_send(
        engine,
        atlas,
        project,
        entry,
        &mut standing,
        request,
        budget,
    );
    let key = match sent.await {
        Ok(key) => key,
        Err(error) => {
            store(engine, project, entry).await?;
            return Err(error);
        }
    };
    entry.unproved = standing.is_private() && request.accepted().is_both();
    entry.ordered_at = Some(now);
    entry.migration.clone_from(&request.migration);
    entry.retry_until = Some(request.retry_for)
        .filter(|wait| !wait.is_zero())
        .and_then(|wait| later(now, wait));
    entry.way_back_refused = None;
    entry.forget_trouble();
    begin(engine, project, entry, &standing, &key).await?;
    send(engine, atlas, project, entry, &role, &key, reached, budget).await
}

/// Goes on with a change whose outcome is not known, or that waits for a grant. One that Atlas takes unseen
/// is sent again only where another project proves it; else what Atlas shows tells what came of it.
pub(super) async fn resume(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let role = role_of(entry)?;
    let mut standing = Standing::ask_vault(atlas, project, budget).await?;
    let now = engine.clock.now();
    if let Some(vault) = standing
        .vault
        .as_ref()
        .filter(|vault| entry.is_by_role(vault))
    {
        return in_force(engine, project, entry, vault, now).await;
    }
    let last = entry.seen.clone();
    note(entry, project, standing.vault.as_ref(), now);
    let before = entry.before.as_ref();
    let enable = before.filter(|before| before.mode == Mode::None);
    let request = ApplyRequest::again(enable.map(|before| before.key.clone()));
    let key = if is_too_late(entry, now) && believes_clock(engine).await {
        let last = entry.last_error.as_ref();
        let last = last.map_or_else(String::new, |error| format!(" (the last try: {error})"));
        Err(EncryptionError::OrderTooOld { last }.into())
    } else if migrations::is_stopped(engine, entry).await? {
        Err(EncryptionError::NotTaken.into())
    } else {
        let asked = &mut standing;
        let key = to_send(engine, atlas, project, entry, asked, &request, budget);
        key.await
    };
    let key = match key {
        // One that waits was refused for certain, and ends by the reason itself.
        Err(error) if is_left(entry, &error, &standing) && entry.state == State::Applying => {
            let shown = standing.mode();
            if !unseen::is_not_taken(last.as_ref(), entry.ordered_at, shown, now) {
                forget_what_is_over(entry, &error);
                return store(engine, project, entry).await;
            }
            // The words were for the order that came to nothing.
            entry.unproved = false;
            Err(EncryptionError::NotTaken.into())
        }
        key => key,
    };
    let outcome = match key {
        Ok(key) => {
            let reached = Reached {
                state: State::Applying,
                unproved: entry.unproved,
            };
            entry.unproved = false;
            begin(engine, project, entry, &standing, &key).await?;
            send(engine, atlas, project, entry, &role, &key, reached, budget).await
        }
        // One answer may be an old one.
        Err(error @ EngineError::Encryption(_)) if !is_decided(entry, &error) => Err(error),
        Err(error @ EngineError::Encryption(_)) => {
            entry.fail(chain(&error));
            entry.retry_until = None;
            store(engine, project, entry).await?;
            Err(error)
        }
        Err(error) => Err(error),
    };
    match outcome {
        // It is decided, and nobody waits for the answer.
        Err(error) if entry.state == State::Failed => {
            tracing::warn!(
                %project, error = chain(&error),
                "encryption at rest could not be changed over; the project stays as it was"
            );
            Ok(())
        }
        outcome => outcome,
    }
}

fn role_of(entry: &AzureEntry) -> Result<RoleId, EncryptionError> {
    let role = entry.role_id.clone();
    role.ok_or(EncryptionError::NotRegistered)
}

/// The key that is sent back with the change, or why there is none to be sent.
async fn to_send(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &AzureEntry,
    standing: &mut Standing,
    request: &ApplyRequest,
    budget: RequestBudget,
) -> Result<VaultKey, EngineError> {
    let enable = request.enable.as_ref();
    let key = standing.key(enable).ok_or(EncryptionError::NotEnabled)?;
    let used = standing
        .vault
        .as_ref()
        .and_then(|vault| vault.role_id.clone());
    if let Some(role) = used {
        return Err(EncryptionError::OtherRole { role }.into());
    }
    // What was asked to be switched on is on: with this key or with none.
    if enable.is_some_and(|asked| asked.key_identifier != key.key_identifier) {
        let key = key.key_identifier;
        return Err(EncryptionError::OnWithOtherKey { key }.into());
    }
    standing.ask_endpoints(atlas, project, budget).await?;
    private::may_change(engine, atlas, project, entry, standing, request, budget).await?;
    Ok(key)
}

/// Notes what is about to be sent and how the project stood. It is stored also where that is noted
/// already: who may write no more must send no more either.
async fn begin(
    engine: &Engine,
    project: &ProjectId,
    entry: &mut AzureEntry,
    standing: &Standing,
    key: &VaultKey,
) -> Result<(), EngineError> {
    let vault = standing.vault.as_ref();
    let valid = vault.and_then(|vault| vault.valid);
    let before = Some(Before {
        mode: standing.mode(),
        key: key.clone(),
        tenant_id: vault.and_then(|vault| vault.tenant_id.clone()),
        client_id: vault.and_then(|vault| vault.client_id.clone()),
        // One answer may be an old one, and takes no way back away.
        valid: valid.filter(|valid| *valid || is_seen_twice(entry, engine.clock.now())),
    });
    let tenant_id = before.as_ref().and_then(|before| before.tenant_id.clone());
    entry.static_tenant_id = tenant_id.or(entry.static_tenant_id.take());
    entry.before = before;
    if let Some(vault) = vault {
        entry.keep_pending(vault);
    }
    entry.begin(State::Applying, key);
    store(engine, project, entry).await
}

/// Sends the change. Of what is not known to have failed, the look that follows decides.
#[expect(clippy::too_many_arguments, reason = "the whole of one change")]
async fn send(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    role: &RoleId,
    key: &VaultKey,
    reached: Reached,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let credential = VaultCredential::Role(role);
    let sent = atlas.set_vault_credential(project, key, credential, budget);
    let error = match sent.await {
        Ok(answer) => {
            let shown = ask_after(atlas, project, answer, budget).await;
            return took(engine, project, entry, key, shown).await;
        }
        Err(error) => error,
    };
    if error.outcome_unknown() {
        tracing::debug!(%project, %error, "outcome of a change of encryption at rest unknown");
        let shown = atlas.azure_key_vault(project, budget).await;
        let shown = shown.ok().flatten();
        if let Some(vault) = shown.filter(|vault| entry.is_by_role(vault)) {
            return took(engine, project, entry, key, Some(vault)).await;
        }
        // Stays under way: the periodic run asks again, and sends it again if need be.
        return Err(EngineError::atlas(&doing(project), error));
    }
    if let Some(refusal) = error.key_vault_refusal() {
        // What is in force is told by Atlas, as far as it can be asked.
        if let Ok(shown) = atlas.azure_key_vault(project, budget).await {
            entry.sending = None;
            note(entry, project, shown.as_ref(), engine.clock.now());
        }
        return refused(engine, project, entry, refusal, error, reached).await;
    }
    // Nothing was sent, or Atlas did not look at it.
    entry.unproved = reached.unproved;
    if reached.state != State::Applying {
        entry.give_up(reached.state);
    }
    store(engine, project, entry).await?;
    Err(EngineError::atlas(&doing(project), error))
}

fn doing(project: &ProjectId) -> String {
    format!("changing encryption at rest of project {project} to its role")
}

/// Atlas took the change; `shown` is what it showed after.
async fn took(
    engine: &Engine,
    project: &ProjectId,
    entry: &mut AzureEntry,
    key: &VaultKey,
    shown: Option<AzureKeyVault>,
) -> Result<(), EngineError> {
    let now = engine.clock.now();
    entry.sending = Some(key.clone());
    changed_over(entry, project, now);
    note(entry, project, shown.as_ref(), now);
    store(engine, project, entry).await
}

/// The project is on its role. A change that was under way has taken effect; to one that was ordered
/// again, all is as it should be, and what differs from what was sent is known to who ordered it.
async fn in_force(
    engine: &Engine,
    project: &ProjectId,
    entry: &mut AzureEntry,
    vault: &AzureKeyVault,
    now: DateTime<Utc>,
) -> Result<(), EngineError> {
    match entry.state {
        State::Failed if !is_late(entry, now) => found_changed_over(entry, vault, now),
        State::Applying | State::Waiting | State::Failed => {
            entry.sending.get_or_insert_with(|| vault.key.clone());
            changed_over(entry, project, now);
        }
        State::Observing | State::Applied => {
            if let Some(sent) = entry.sent.as_mut().filter(|sent| sent.key != vault.key) {
                let (was, is) = (&sent.key.key_identifier, &vault.key.key_identifier);
                tracing::info!(%project, %was, %is, "a key changed by others was taken as known");
                sent.key = vault.key.clone();
            }
        }
        _ => found_changed_over(entry, vault, now),
    }
    note(entry, project, Some(vault), now);
    store(engine, project, entry).await
}

/// Takes over the registration that Atlas uses. Nothing is sent.
async fn adopt(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    vault: &AzureKeyVault,
    role: &RoleId,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let listed = atlas.azure_registrations(project, budget).await;
    let listed = listed.map_err(|error| {
        EngineError::atlas(&format!("listing the roles of project {project}"), error)
    })?;
    let found = listed.into_iter().find(|known| known.id == *role);
    let found = found.ok_or_else(|| EncryptionError::UnknownRole { role: role.clone() })?;
    if let Some(principal) = &mut entry.principal {
        principal.tenant = found.tenant_id;
        principal.object = found.service_principal_id;
    }
    entry.role_id = Some(found.id);
    entry.made_by_us = false;
    let now = engine.clock.now();
    found_changed_over(entry, vault, now);
    note(entry, project, Some(vault), now);
    store(engine, project, entry).await
}

/// Atlas refused the change, so that all is as it was.
async fn refused(
    engine: &Engine,
    project: &ProjectId,
    entry: &mut AzureEntry,
    refusal: KeyVaultRefusal,
    source: AtlasError,
    reached: Reached,
) -> Result<(), EngineError> {
    let now = engine.clock.now();
    let was_off = entry
        .before
        .as_ref()
        .is_some_and(|before| before.mode == Mode::None);
    let error = EngineError::from(EncryptionError::Refused {
        in_force: if was_off {
            "encryption at rest stays off"
        } else {
            "the static credentials stay in force"
        },
        advice: advice(refusal, entry),
        source,
    });
    // What was sent by words is not sent again without them.
    let waits = refusal == KeyVaultRefusal::NoAccess
        && !entry.unproved
        && entry.retry_until.is_some_and(|until| now < until);
    // Of this order nothing is left; what one before sent may be in force, or still come.
    entry.unproved = reached.unproved;
    if !waits {
        entry.fail(chain(&error));
        entry.retry_until = None;
        store(engine, project, entry).await?;
        return Err(error);
    }
    entry.give_up(State::Waiting);
    entry.last_error = Some(chain(&error));
    entry.failures = entry.failures.saturating_add(1);
    let pause = backoff::pause(entry.failures, &*engine.entropy).min(LONGEST_WAIT);
    let next = later(now, pause);
    // The last try is when the time is over.
    entry.next_retry_time = next.zip(entry.retry_until).map(|(next, end)| next.min(end));
    store(engine, project, entry).await
}

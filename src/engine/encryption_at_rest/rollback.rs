//! The way back to the static secret in keeping. Whether Atlas lets a project go it is not documented:
//! it is tried, and a refusal is told.

use chrono::{DateTime, Utc};

use super::entry::{Accepted, AzureEntry, HeldSecret, Mode, State};
use super::note::{is_apart, note};
use super::paths::store;
use super::plan::mode_of;
use super::unseen::{self, Ordered, Verdict};
use super::watch::{LOOKS_THAT_PROVE, ask, ask_after, believes_clock, is_sent};
use crate::atlas::{
    Atlas, AtlasError, AzureKeyVault, KeyVaultRefusal, ProjectId, RequestBudget, TenantId,
    VaultCredential,
};
use crate::engine::Engine;
use crate::engine::error::{EncryptionError, EngineError};
use crate::vault::failure::chain;

/// Lets Atlas sign in with the secret in keeping again, as somebody asks for it now. It can be repeated.
///
/// With private networking Atlas takes any secret unseen. Where it may be able to use the key as it is,
/// that has to be accepted. A change to the role that is not there yet is called off: nothing is sent.
pub(super) async fn roll_back(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    ordered: Ordered,
    is_accepted: bool,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let reached = entry.state;
    if matches!(reached, State::Registering | State::Rotating) {
        return Err(entry.under_way().into());
    }
    let is_waiting = matches!(reached, State::Applying | State::Waiting);
    if !is_waiting && entry.held.is_none() {
        return Err(EncryptionError::NoSecretInKeeping.into());
    }
    let vault = ask(atlas, project, budget).await?;
    let is_by_role = vault.as_ref().is_some_and(|vault| entry.is_by_role(vault));
    if is_waiting && !is_by_role {
        entry.fail(EncryptionError::CalledOff.to_string());
        entry.retry_until = None;
        note(entry, project, vault.as_ref(), engine.clock.now());
        return store(engine, project, entry).await;
    }
    // Without words of its own, an order leaves one that is begun as it is.
    let is_private = vault.as_ref().is_some_and(AzureKeyVault::is_private);
    let goes_on = reached == State::RollingBack && is_private && !is_accepted;
    let ordered = if goes_on { Ordered::Before } else { ordered };
    let accepted = Accepted::both_if(is_accepted);
    change(
        engine, atlas, project, entry, vault, ordered, accepted, budget,
    )
    .await
}

/// The same where a change that Atlas took unseen turned out bad. Nobody's words count for it: the secret is
/// sent where nothing is lost by it.
pub(super) async fn by_itself(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let vault = ask(atlas, project, budget).await?;
    let (ordered, accepted) = (Ordered::ByItself, Accepted::default());
    change(
        engine, atlas, project, entry, vault, ordered, accepted, budget,
    )
    .await
}

/// Sends the secret in keeping, if that is to be done as things stand. The entry is stored.
#[expect(clippy::too_many_arguments, reason = "the whole of one change")]
async fn change(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    vault: Option<AzureKeyVault>,
    ordered: Ordered,
    accepted: Accepted,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let (now, reached, last) = (engine.clock.now(), entry.state, entry.clone());
    let goes_on = reached == State::RollingBack;
    let none = || EncryptionError::NoSecretInKeeping;
    let Some(held) = entry.held.clone() else {
        return stop(engine, project, entry, None, none()).await;
    };
    let Some(vault) = vault else {
        return off(engine, project, entry, now).await;
    };
    if goes_on {
        note(entry, project, Some(&vault), now);
    }
    // Without private networking Atlas tries the secret, and what was ordered goes on.
    let is_unasked = ordered == Ordered::Before && vault.is_private();
    let has_arrived = has_arrived(entry, &held, &vault);
    let verdict = if has_arrived {
        Verdict::Arrived
    } else {
        unseen::way_back(entry, &held, &vault, ordered, accepted, now)
    };
    match seen_once(&verdict) {
        Some(once) if goes_on && !is_seen_again(&last, &once, now) => {
            return doubt(engine, project, entry, last, once).await;
        }
        // The migration was shown the role a moment ago, and looks again.
        Some(once) if !goes_on && ordered == Ordered::ByMigration => return Err(once.into()),
        _ => {}
    }
    let (seen, shown) = (last.seen.as_ref(), mode_of(Some(&vault)));
    let is_not_taken = unseen::is_not_taken(seen, entry.static_ordered_at, shown, now);
    let tenant_id = match verdict {
        Verdict::Never(error)
            if ordered != Ordered::Now && error.is_by_clock() && !believes_clock(engine).await =>
        {
            store(engine, project, entry).await?;
            return Err(error.into());
        }
        Verdict::Send => tenant_of(entry, &held, &vault),
        Verdict::Arrived if has_arrived => {
            return took(engine, project, entry, &held, Some(vault), Answer::None).await;
        }
        Verdict::Arrived => return arrived(engine, project, entry, &held, vault).await,
        Verdict::Wait(_) if is_not_taken => {
            let error = EncryptionError::NotTaken;
            return stop(engine, project, entry, Some(&vault), error).await;
        }
        Verdict::Wait(error) => return wait(engine, project, entry, error).await,
        Verdict::Never(error) => return stop(engine, project, entry, Some(&vault), error).await,
    };
    let Some(tenant_id) = tenant_id else {
        return stop(engine, project, entry, Some(&vault), none()).await;
    };
    // Stored whatever is noted already: who may write no more must send no more either.
    entry.begin(State::RollingBack, &vault.key);
    if is_unasked || ordered != Ordered::Before {
        entry.static_ordered_at = Some(now);
    }
    store(engine, project, entry).await?;
    let budget = if matches!(ordered, Ordered::ByItself | Ordered::Before) {
        budget.with_time_for_a_change()
    } else {
        budget
    };
    let credential = VaultCredential::Secret {
        tenant_id: &tenant_id,
        client_id: &held.client_id,
        secret: &held.client_secret,
    };
    let sent = atlas.set_vault_credential(project, &vault.key, credential, budget);
    match sent.await {
        Ok(answer) => {
            let tenant_id = Some(tenant_id.clone());
            let held = HeldSecret { tenant_id, ..held };
            let shown = ask_after(atlas, project, answer, budget).await;
            took(engine, project, entry, &held, shown, Answer::Taken).await
        }
        Err(error) => {
            if !goes_on && !error.outcome_unknown() {
                // What is in force is what was.
                entry.pending = last.pending;
            }
            refused(engine, atlas, project, entry, reached, error, budget).await
        }
    }
}

/// Nothing is sent now, and the next look decides.
async fn wait(
    engine: &Engine,
    project: &ProjectId,
    entry: &mut AzureEntry,
    error: EncryptionError,
) -> Result<(), EngineError> {
    // What was seen once before was an old answer.
    entry.last_error = Some(error.to_string());
    store(engine, project, entry).await?;
    Err(error.into())
}

/// What ends a way back, and may be an old answer if it is seen once.
fn seen_once(verdict: &Verdict) -> Option<EncryptionError> {
    let what = match verdict {
        Verdict::Arrived => "Atlas signs in with a static secret again".to_owned(),
        Verdict::Never(
            error @ (EncryptionError::OtherApplication { .. }
            | EncryptionError::RoleOfOthers { .. }),
        ) => error.to_string(),
        _ => return None,
    };
    Some(EncryptionError::SeenOnce { what })
}

/// Whether the look before, some time ago, showed the same.
fn is_seen_again(last: &AzureEntry, once: &EncryptionError, now: DateTime<Utc>) -> bool {
    let seen = last.seen.as_ref();
    let is_second = seen.is_some_and(|seen| is_apart(seen.at, now));
    last.last_error == Some(once.to_string()) && is_second
}

/// One answer may be an old one: nothing of it is noted but that it came, and the next one decides.
async fn doubt(
    engine: &Engine,
    project: &ProjectId,
    entry: &mut AzureEntry,
    last: AzureEntry,
    once: EncryptionError,
) -> Result<(), EngineError> {
    let is_first = last.last_error != Some(once.to_string());
    let seen = if is_first {
        entry.seen.take()
    } else {
        last.seen.clone()
    };
    let last_error = Some(once.to_string());
    *entry = AzureEntry {
        seen,
        last_error,
        ..last
    };
    store(engine, project, entry).await?;
    Err(once.into())
}

/// The way back is not sent. One that was begun ends here.
async fn stop(
    engine: &Engine,
    project: &ProjectId,
    entry: &mut AzureEntry,
    vault: Option<&AzureKeyVault>,
    error: EncryptionError,
) -> Result<(), EngineError> {
    if entry.state == State::RollingBack {
        let now = engine.clock.now();
        let state = state_before(entry, vault, now);
        entry.give_up(state);
        entry.forget_failures();
        if vault.is_some() {
            note(entry, project, vault, now);
        }
        store(engine, project, entry).await?;
    }
    Err(error.into())
}

/// Encryption is shown as off. One answer may be an old one: a way back that was begun ends at the second.
async fn off(
    engine: &Engine,
    project: &ProjectId,
    entry: &mut AzureEntry,
    now: DateTime<Utc>,
) -> Result<(), EngineError> {
    let last = entry.seen.as_ref().filter(|seen| seen.mode == Mode::None);
    let is_first = last.is_none();
    let is_second = last.is_some_and(|seen| is_apart(seen.at, now));
    if entry.state == State::RollingBack {
        if is_second {
            entry.give_up(State::Failed);
            entry.forget_failures();
        }
        if is_first || is_second {
            note(entry, project, None, now);
        }
        store(engine, project, entry).await?;
    }
    Err(EncryptionError::Off.into())
}

/// Whether Atlas signs in with the secret that was sent, though no answer to it was understood.
fn has_arrived(entry: &AzureEntry, held: &HeldSecret, vault: &AzureKeyVault) -> bool {
    entry.state == State::RollingBack
        && entry.failures >= unseen::TRIES
        && is_sent(entry, Mode::Role)
        && vault.role_id.is_none()
        && vault.client_id.as_ref() == Some(&held.client_id)
}

/// A secret of the same application is in force, and no answer told that it is the one in keeping.
async fn arrived(
    engine: &Engine,
    project: &ProjectId,
    entry: &mut AzureEntry,
    held: &HeldSecret,
    vault: AzureKeyVault,
) -> Result<(), EngineError> {
    let mut pending = entry.pending.iter().chain(&entry.pending_before);
    if pending.all(|new| new.client_secret.expose() == held.client_secret.expose()) {
        return took(engine, project, entry, held, Some(vault), Answer::None).await;
    }
    let error = EncryptionError::EitherSecret;
    stop(engine, project, entry, Some(&vault), error).await
}

/// Goes on with a way back whose outcome is not known: the same again decides, unless it is not wanted
/// any more. With private networking what Atlas shows decides, and the secret is sent again only where
/// nothing is lost by it.
pub(super) async fn resume(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let vault = ask(atlas, project, budget).await?;
    let (ordered, accepted) = (Ordered::Before, Accepted::default());
    let was_lost = entry.is_private() && entry.invalid_since.is_some();
    let was_role = is_sent(entry, Mode::Role);
    let outcome = change(
        engine, atlas, project, entry, vault, ordered, accepted, budget,
    );
    match outcome.await {
        Ok(()) => {
            tracing::info!(%project, "changed back to the static secret in keeping");
            if was_lost {
                let reason = if was_role {
                    EncryptionError::RoleTakenBack
                } else {
                    EncryptionError::SecretTakenBack
                };
                entry.last_error = Some(reason.to_string());
                store(engine, project, entry).await?;
            }
            Ok(())
        }
        Err(EngineError::Encryption(EncryptionError::PrivateWayBack))
            if entry.state == State::RollingBack =>
        {
            Ok(())
        }
        Err(error) if entry.state == State::RollingBack => Err(error),
        Err(error) => give_up(engine, project, entry, &error).await,
    }
}

/// It is decided, and nobody waits for the answer.
async fn give_up(
    engine: &Engine,
    project: &ProjectId,
    entry: &mut AzureEntry,
    error: &EngineError,
) -> Result<(), EngineError> {
    tracing::warn!(
        %project, error = chain(error),
        "encryption at rest could not be changed back to the static secret"
    );
    entry.last_error = Some(chain(error));
    entry.forget_failures();
    store(engine, project, entry).await
}

/// The directory of the application: as Atlas showed it with this one, or else the principal's.
fn tenant_of(entry: &AzureEntry, held: &HeldSecret, vault: &AzureKeyVault) -> Option<TenantId> {
    let own = held.tenant_id.clone();
    let before = entry.before.as_ref();
    let client = before.and_then(|before| before.client_id.as_ref());
    let is_of_before = client.is_none_or(|client| *client == held.client_id);
    let stored = entry.static_tenant_id.clone().filter(|_| is_of_before);
    let before = before.filter(|_| is_of_before);
    let before = before.and_then(|before| before.tenant_id.clone());
    let is_shown = vault.client_id.as_ref() == Some(&held.client_id);
    let shown = vault.tenant_id.clone().filter(|_| is_shown);
    let principal = || Some(entry.principal.as_ref()?.tenant.clone());
    own.or(stored).or(before).or(shown).or_else(principal)
}

/// How it is known that a secret is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Atlas answered that it took it.
    Taken,
    /// Atlas shows its application, and that may be another secret.
    None,
}

async fn took(
    engine: &Engine,
    project: &ProjectId,
    entry: &mut AzureEntry,
    held: &HeldSecret,
    shown: Option<AzureKeyVault>,
    answer: Answer,
) -> Result<(), EngineError> {
    let now = engine.clock.now();
    entry.arrive(Mode::Static, now);
    entry.state = State::Static;
    entry.forget_pending();
    let is_taken = answer == Answer::Taken;
    entry.never_worked &= is_taken;
    // With private networking that Atlas took it proves nothing yet.
    let is_tried = is_taken && shown.as_ref().is_some_and(|vault| !vault.is_private());
    entry.held = Some(HeldSecret {
        proved: held.proved || is_tried,
        in_force: is_taken,
        ..held.clone()
    });
    note(entry, project, shown.as_ref(), now);
    store(engine, project, entry).await
}

async fn refused(
    engine: &Engine,
    atlas: &Atlas,
    project: &ProjectId,
    entry: &mut AzureEntry,
    reached: State,
    error: AtlasError,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let doing = format!("changing encryption at rest of project {project} back");
    if error.outcome_unknown() {
        // Stays under way: the same again decides.
        return Err(EngineError::atlas(&doing, error));
    }
    let Some(refusal) = error.key_vault_refusal() else {
        // Nothing was sent, or Atlas did not look at it.
        if reached != State::RollingBack {
            entry.give_up(reached);
            store(engine, project, entry).await?;
        }
        return Err(EngineError::atlas(&doing, error));
    };
    let shown = match atlas.azure_key_vault(project, budget).await {
        Ok(shown) => shown,
        // Where it is not known how all stands, the next look decides.
        Err(_) if reached == State::RollingBack => return Err(EngineError::atlas(&doing, error)),
        Err(_) => None,
    };
    let is_by_role = shown.as_ref().is_some_and(|vault| entry.is_by_role(vault));
    // Only this is Atlas's last word: a secret that does not work says nothing of the way, and other
    // refusals may pass.
    let is_last_word = refusal == KeyVaultRefusal::StaticCredentials;
    // After a rotation the next look decides, as the watch does by the role.
    let is_rotated = entry.pending.is_some() && entry.is_private() && !is_by_role;
    if reached == State::RollingBack && is_rotated && !is_last_word {
        return Err(EngineError::atlas(&doing, error));
    }
    let state = match reached {
        State::RollingBack => state_before(entry, shown.as_ref(), engine.clock.now()),
        reached => reached,
    };
    entry.give_up(state);
    if is_last_word {
        entry.way_back_refused = Some(error.to_string());
    }
    if let Some(vault) = &shown {
        note(entry, project, Some(vault), engine.clock.now());
    }
    store(engine, project, entry).await?;
    Err(EncryptionError::WayBackRefused {
        principal: principal_of(entry),
        source: error,
    }
    .into())
}

/// Where a way back began of which nothing came, after a restart. A role that has not proved itself is
/// watched.
fn state_before(
    entry: &mut AzureEntry,
    shown: Option<&AzureKeyVault>,
    now: DateTime<Utc>,
) -> State {
    let Some(vault) = shown.filter(|vault| entry.is_by_role(vault)) else {
        return State::Failed;
    };
    let is_proved = vault.valid == Some(true) && entry.valid_looks >= LOOKS_THAT_PROVE;
    if !is_proved {
        entry.observe_until.get_or_insert(now);
    }
    if entry.observe_until.is_some() {
        State::Observing
    } else {
        State::Applied
    }
}

/// Ends a way back that was begun and is not wanted any more. The project is on its role.
pub(super) fn call_off(entry: &mut AzureEntry, vault: &AzureKeyVault, now: DateTime<Utc>) {
    let state = state_before(entry, Some(vault), now);
    entry.give_up(state);
    entry.forget_trouble();
}

fn principal_of(entry: &AzureEntry) -> String {
    let principal = entry.principal.as_ref();
    principal.map_or_else(String::new, |known| known.object.to_string())
}

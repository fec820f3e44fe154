//! What a migration has done with one project: exactly what a person would, with the project's lock, and
//! by the same functions.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::super::apply::{self, ApplyRequest};
use super::super::entry::{AzureEntry, Mode, State as ProjectState};
use super::super::note::note;
use super::super::paths::{load, store as store_project};
use super::super::private::Proofs;
use super::super::unseen::Ordered;
use super::super::{register, rollback, watch};
use super::entry::{Order, State};
use super::row::{Row, Step};
use super::store;
use crate::atlas::{
    AtlasError, AzureKeyVault, KeyVaultRefusal, Priority, ProjectId, RequestBudget,
};
use crate::engine::Engine;
use crate::engine::error::{EncryptionError, EngineError};
use crate::engine::keyed_mutex::KeyedGuard;
use crate::engine::origin::BoundTo;

/// Atlas may take a minute for a change, and is asked before and after.
const PATIENCE: Duration = Duration::from_secs(85);

/// A project with its lock.
struct Opened {
    _lock: KeyedGuard,
    entry: Option<AzureEntry>,
    budget: RequestBudget,
}

async fn open(engine: &Engine, project: &ProjectId) -> Result<Opened, EngineError> {
    let deadline = Instant::now() + PATIENCE;
    let lock = engine.project_locks.wait_first(project, deadline).await;
    let lock = lock.ok_or_else(|| EngineError::Busy {
        what: format!("encryption at rest of project {project}"),
    })?;
    Ok(Opened {
        _lock: lock,
        entry: load(engine, project).await?,
        budget: RequestBudget {
            deadline,
            priority: Priority::Rotate,
        },
    })
}

/// Makes sure that the principal is registered, as a write to the project does.
pub(super) async fn register(
    engine: &Engine,
    order: &Order,
    origin: &BoundTo,
    project: &ProjectId,
) -> Result<(), EngineError> {
    let opened = open(engine, project).await?;
    let before = opened.entry;
    let origin = before.as_ref().map_or(origin, |entry| &entry.origin);
    let linked = engine.connection.linked_to(origin).await?;
    let fresh = || AzureEntry::new(BoundTo::client(&linked));
    let mut entry = before.clone().unwrap_or_else(fresh);
    let other = |known: &_| *known != order.principal;
    if entry.principal.as_ref().is_some_and(other) {
        return Err(EngineError::BadInput(
            "the project is registered with another principal: delete its entry first".to_owned(),
        ));
    }
    entry.principal = Some(order.principal.clone());
    entry.observe = order.observe;
    entry.keep_static = order.keep_static.unwrap_or(entry.keep_static);
    // What is not authorized may be why a change failed: it is looked at again.
    let is_open = matches!(
        entry.state,
        ProjectState::Registering | ProjectState::Failed
    );
    if entry.role_id.is_some() && !is_open {
        return store_project(engine, project, &entry).await;
    }
    let vault = watch::ask(&linked.atlas, project, opened.budget).await?;
    note(&mut entry, project, vault.as_ref(), engine.clock.now());
    register::register(
        engine,
        &linked.atlas,
        project,
        &mut entry,
        before.as_ref(),
        opened.budget,
    )
    .await
}

/// What became of a project that is to be changed over.
pub(super) enum Changed {
    /// Atlas took it.
    Over(Box<AzureEntry>),
    /// It was on its role before this migration sent anything.
    Before,
    /// It is not wanted any more, and nothing was sent.
    Not,
}

/// The order as it is at this moment, if the migration is still in this state, and wants this step of the
/// project.
async fn wanted(
    engine: &Engine,
    name: &str,
    project: &ProjectId,
    (state, step): (State, Step),
) -> Result<Option<Order>, EngineError> {
    let entry = store::load(engine, name).await?;
    let entry = entry.filter(|entry| entry.state == state);
    Ok(entry.and_then(|mut entry| {
        let is_at = entry.row_mut(project)?.step == step;
        is_at.then_some(entry.order)
    }))
}

/// Changes the project over, as `apply` does. What was begun at `begun` and changed back by a person since
/// is left to him.
pub(super) async fn change(
    engine: &Engine,
    name: &str,
    row: &Row,
    is_consented: bool,
    begun: Option<DateTime<Utc>>,
    proofs: Option<Proofs>,
) -> Result<Changed, EngineError> {
    let begins = begun.unwrap_or_else(|| engine.clock.now());
    let project = &row.project;
    let opened = open(engine, project).await?;
    let mut entry = opened.entry.ok_or(EncryptionError::NotRegistered)?;
    let since = begun.zip(entry.changed_at);
    if entry.state == ProjectState::Static && since.is_some_and(|(begun, at)| begun <= at) {
        return Err(EngineError::BadInput(
            "somebody gave the project a static secret while it was being changed".to_owned(),
        ));
    }
    let is_called_off = entry.last_error == Some(EncryptionError::CalledOff.to_string());
    let ordered = begun.zip(entry.ordered_at);
    if is_called_off && ordered.is_some_and(|(begun, at)| begun <= at) {
        return Err(EngineError::BadInput(
            "somebody called the change off while it was being made".to_owned(),
        ));
    }
    let linked = engine.connection.linked_to(&entry.origin).await?;
    // Somebody may have worked on the project until now, and paused the migration meanwhile.
    let step = (State::Running, Step::Changing);
    if wanted(engine, name, project, step).await?.is_none() {
        return Ok(Changed::Not);
    }
    let request = ApplyRequest {
        enable: None,
        retry_for: Duration::ZERO,
        accept_unvalidated: is_consented,
        accept_no_way_back: is_consented,
        adopt: false,
        migration: Some(name.to_owned()),
        proofs,
    };
    let atlas = &linked.atlas;
    apply::apply(engine, atlas, project, &mut entry, &request, opened.budget).await?;
    // What was found in force was ordered before, by somebody else, or not here at all.
    let is_own = entry.migration.as_deref() == Some(name);
    Ok(
        if is_own && entry.ordered_at.is_some_and(|at| begins <= at) {
            Changed::Over(Box::new(entry))
        } else {
            Changed::Before
        },
    )
}

/// Of a project that is not to be changed any more nothing was sent.
pub(super) async fn put_back(
    engine: &Engine,
    name: &str,
    project: &ProjectId,
) -> Result<(), EngineError> {
    let now = engine.clock.now();
    store::update(engine, name, |entry| {
        let row = entry.row_mut(project);
        if let Some(row) = row.filter(|row| row.step == Step::Changing) {
            row.reach(Step::Registered, now);
        }
    })
    .await
}

/// Whether a change of the project may have been sent, and the periodic function finds what came of it.
pub(super) async fn is_in_doubt(engine: &Engine, project: &ProjectId) -> Result<bool, EngineError> {
    match load(engine, project).await {
        Ok(entry) => Ok(entry.is_some_and(|entry| is_under_way(&entry))),
        Err(EngineError::Unreadable { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether Atlas refused a change as it could not use the key, which a grant may mend that is on its way.
pub(super) fn is_for_want_of_a_grant(error: &EngineError) -> bool {
    let EngineError::Encryption(EncryptionError::Refused { source, .. }) = error else {
        return false;
    };
    source.key_vault_refusal() == Some(KeyVaultRefusal::NoAccess)
}

/// Of these nobody knows yet what they come to.
pub(super) fn is_under_way(entry: &AzureEntry) -> bool {
    matches!(
        entry.state,
        ProjectState::Applying | ProjectState::Waiting | ProjectState::RollingBack
    )
}

/// Looks at a project that was changed, with the consequences that a look has for anybody.
pub(super) async fn look(engine: &Engine, project: &ProjectId) -> Result<AzureEntry, EngineError> {
    let opened = open(engine, project).await?;
    let mut entry = opened.entry.ok_or(EncryptionError::NotRegistered)?;
    let linked = engine.connection.linked_to(&entry.origin).await?;
    watch::look(engine, &linked.atlas, project, &mut entry, opened.budget).await?;
    Ok(entry)
}

/// What became of a project that is to be changed back.
pub(super) enum Left {
    /// Atlas shows it as it was, and nothing was sent: that may be an old answer.
    OffRole,
    /// It is as it was.
    Back {
        /// Whether Atlas took the secret unseen.
        private: bool,
    },
    /// It is not wanted any more, and nothing was sent.
    Not,
    /// It is still on its role, and why.
    Kept(&'static str),
}

/// Changes the project back, as `rollback` does, unless it never was changed.
pub(super) async fn roll_back(engine: &Engine, name: &str, row: &Row) -> Result<Left, EngineError> {
    let project = &row.project;
    let opened = open(engine, project).await?;
    let mut entry = opened.entry.ok_or(EncryptionError::NoSecretInKeeping)?;
    // Words may have been withdrawn while the project was waited for.
    let step = (State::RollingBack, Step::Leaving);
    let Some(order) = wanted(engine, name, project, step).await? else {
        return Ok(Left::Not);
    };
    let linked = engine.connection.linked_to(&entry.origin).await?;
    let atlas = &linked.atlas;
    let vault = watch::ask(atlas, project, opened.budget).await?;
    let vault = vault.as_ref();
    let is_by_role = vault.is_some_and(|vault| vault.role_id.is_some());
    let is_private = vault.is_some_and(AzureKeyVault::is_private);
    if is_by_role && !vault.is_some_and(|vault| entry.is_by_role(vault)) {
        return Ok(Left::Kept(
            "Atlas signs in by a role that is not this migration's: it is left as it is",
        ));
    }
    // The way back may have ended without this migration, or by an earlier order.
    let is_watched = entry.observe_until.is_some() && watch::is_sent(&entry, Mode::Static);
    let is_back = (is_private && is_watched) || is_known_to_be_back(&entry, row);
    if !is_by_role && is_back {
        return Ok(Left::Back {
            private: is_private,
        });
    }
    if !is_by_role && !is_under_way(&entry) {
        return Ok(Left::OffRole);
    }
    if !is_by_role && entry.state != ProjectState::RollingBack {
        // It signs in as before: that the change is not sent again is all there is to do.
        entry.give_up(ProjectState::Failed);
        entry.last_error = Some(EncryptionError::CalledOff.to_string());
        entry.retry_until = None;
        entry.forget_failures();
        store_project(engine, project, &entry).await?;
        return Ok(Left::OffRole);
    }
    if entry.held.is_none() {
        return Ok(Left::Kept("no static secret in keeping"));
    }
    // One that became private since the plan is not one that was accepted.
    let accepts = row.private && order.accepted().is_both();
    let (ordered, budget) = (Ordered::ByMigration, opened.budget);
    rollback::roll_back(engine, atlas, project, &mut entry, ordered, accepts, budget).await?;
    Ok(match entry.seen.map(|seen| seen.mode) {
        Some(Mode::Role) => Left::Kept("Atlas still signs in by the role"),
        _ => Left::Back {
            private: is_private,
        },
    })
}

/// Whether Atlas took the static secret from here since the row reached its step.
pub(super) fn is_known_to_be_back(entry: &AzureEntry, row: &Row) -> bool {
    let since = row.since.zip(entry.changed_at);
    entry.state == ProjectState::Static
        && watch::is_sent(entry, Mode::Static)
        && since.is_some_and(|(since, at)| since <= at)
}

/// Whether another project proves a private one, by what is known of its key.
pub(super) async fn is_proved(
    engine: &Engine,
    order: &Order,
    project: &ProjectId,
    proofs: &Proofs,
) -> Result<bool, EngineError> {
    let key = load(engine, project).await?.and_then(|entry| entry.key);
    let proof = key.and_then(|key| proofs.of(project, &key, &order.principal));
    Ok(proof.is_some())
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The project's: Atlas or Azure refused it.
    Project,
    /// Nobody's: what became of it is not known, or it has to wait.
    Unclear,
    /// Nobody's, and nothing was tried: it has to wait, mostly for Atlas's limit.
    Limited,
    /// The mount's: no project would fare better.
    Mount,
    /// Storage's or the process's: whoever reads storage next goes on.
    Interrupted,
}

/// Whose fault it is.
pub(super) fn trouble(error: &EngineError) -> Trouble {
    match error {
        EngineError::Storage(_)
        | EngineError::SystemView(_)
        | EngineError::BeingDisabled
        | EngineError::CallerGone
        | EngineError::NotConverted => Trouble::Interrupted,
        EngineError::NotConfigured
        | EngineError::EverythingHeld
        | EngineError::OtherOrigin { .. }
        | EngineError::Settings(_)
        | EngineError::CredentialRefused(_) => Trouble::Mount,
        EngineError::Busy { .. } | EngineError::Encryption(EncryptionError::SeenOnce { .. }) => {
            Trouble::Unclear
        }
        error if error.is_mere_wait() => Trouble::Limited,
        EngineError::Atlas { source, .. } => match source {
            AtlasError::Refused { .. } => Trouble::Project,
            _ => Trouble::Unclear,
        },
        _ => Trouble::Project,
    }
}

//! Taking an account into the engine's care: it is found in Atlas, its secret is proved, and its
//! first rotation is done. What is wrong is told, and nothing is stored then.

use std::sync::Arc;

use super::entry::StaticRoleEntry;
use super::input::Input;
use super::record::RoleRecord;
use super::work;
use crate::atlas::{
    Atlas, AtlasError, ClientId, Hours, Level, OrgId, ProjectId, RequestBudget, SecretState,
    ServiceAccount,
};
use crate::base::Sensitive;
use crate::engine::Engine;
use crate::engine::error::{EngineError, RotationError};
use crate::engine::journal::{Part, clean_up_left_secrets};
use crate::engine::origin::BoundTo;
use crate::engine::rotation::{Manager, Record as _, account_error, prove};
use crate::engine::rotation_state::{ClientSecret, OtherSecrets, RotationMode, RotationState};
use crate::engine::unasked::Mandate;
use crate::vault::failure::chain;

/// What Atlas tells of an account that is to be rotated.
pub(super) struct Found {
    pub(super) organization_id: OrgId,
    pub(super) project_id: Option<ProjectId>,
    pub(super) origin: BoundTo,
    /// The secret that was given, proved.
    pub(super) current: Option<ClientSecret>,
}

/// Stores a new role and rotates it for the first time, unless its secret is to be kept.
pub(super) async fn adopt(
    engine: Arc<Engine>,
    name: String,
    input: Input,
    budget: RequestBudget,
) -> Result<Vec<String>, EngineError> {
    let now = engine.clock.now();
    if !input.skip_initial_rotation {
        engine.refuse_while_draining().await?;
    }
    let found = find(&engine, &input, None, budget).await?;
    let others = left_at(&engine, &input.client_id, budget).await?;
    let mut record = RoleRecord {
        engine: Arc::clone(&engine),
        name,
        entry: StaticRoleEntry {
            client_id: input.client_id,
            organization_id: found.organization_id,
            project_id: found.project_id,
            origin: found.origin,
            options: input.options,
            current: found.current,
            others,
            rotation: RotationState::of(input.timing),
            lost: None,
        },
    };
    record.plan_next(now);
    if input.skip_initial_rotation {
        record.store().await?;
    } else if let Err(error) =
        work::rotate_by_manager(&mut record, Mandate::Ordered, budget, false).await
    {
        return first_rotation_failed(record, error).await;
    }
    record.note();
    let client_id = record.entry.client_id.clone();
    if let Err(error) = engine.journal.forget_left_secrets(&client_id).await {
        // Beside the role it does not count, and goes with the next periodic run.
        tracing::warn!(
            %client_id,
            error = %chain(&error),
            "could not delete the cleanup record of an earlier static role"
        );
    }
    work::end_at_once(&mut record, Mandate::Ordered, budget).await;
    record.note();
    Ok(super::summary::warnings(&engine, &record.entry, now).await)
}

/// What an earlier role, or the configuration, has left at the account: it is this role's to remove from
/// now on.
///
/// What is to go by now goes before: it may be in the way of the first rotation.
async fn left_at(
    engine: &Arc<Engine>,
    client_id: &ClientId,
    budget: RequestBudget,
) -> Result<OtherSecrets, EngineError> {
    let Some(entry) = engine.journal.left_secrets(client_id).await? else {
        return Ok(OtherSecrets::default());
    };
    // What is left there is looked for there, so it cannot be this role's to remove.
    engine.connection.linked_to(&entry.origin).await?;
    // A failure is told with the entry.
    let _ = clean_up_left_secrets(engine, client_id, budget).await;
    let entry = engine.journal.left_secrets(client_id).await?;
    Ok(match entry.and_then(|entry| entry.part) {
        Some(Part::Secrets(left)) => left.others,
        _ => OtherSecrets::default(),
    })
}

/// What storage holds decides: the entry there may be all that knows of a secret in Atlas. It is
/// erased only where no such secret is left; else the role stays and the periodic run finishes its
/// rotation.
async fn first_rotation_failed(
    mut record: RoleRecord,
    error: EngineError,
) -> Result<Vec<String>, EngineError> {
    let engine = Arc::clone(&record.engine);
    let stored = match super::write::load(&engine, &record.name).await {
        Ok(Some(stored)) => stored,
        Ok(None) => return Err(refusal(error)),
        Err(unread) => {
            tracing::warn!(
                role = record.name, error = %chain(&unread),
                "could not confirm whether the static role was stored; the next periodic run checks"
            );
            engine.static_roles.forget();
            return Err(error);
        }
    };
    let published = record.entry.rotation.last.is_some();
    let nothing_made = record.entry.others.pending.is_none() && !published;
    if nothing_made && record.erase().await.is_ok() {
        return Err(refusal(error));
    }
    record.entry = stored;
    record.note();
    Ok(vec![format!(
        "the static role is stored, but its first rotation is not finished and is tried again \
         every minute: {}",
        chain(&error)
    )])
}

/// Of a refused role nothing is stored, so that waiting does not help.
fn refusal(error: EngineError) -> EngineError {
    match error {
        EngineError::Rotation(RotationError::SlotsFull { kept, .. }) => {
            EngineError::BadInput(format!(
                "client_id: the account already holds two secrets, Atlas's limit, and {kept} may be \
                 in use: delete it in Atlas if it is not needed; or give the secret that is in use as \
                 client_secret, with skip_initial_rotation=true if both are; nothing was stored"
            ))
        }
        error => error,
    }
}

/// Finds the account and proves what is given.
pub(super) async fn find(
    engine: &Engine,
    input: &Input,
    stored: Option<&StaticRoleEntry>,
    budget: RequestBudget,
) -> Result<Found, EngineError> {
    let present = stored.and_then(|role| role.current.as_ref());
    let secret = input
        .client_secret
        .as_ref()
        .or_else(|| present.map(|held| &held.value));
    let mode = input.options.rotation_mode;
    let linked = match stored {
        Some(role) => engine.connection.linked_to(&role.origin).await?,
        None => engine.connection.linked().await?,
    };
    let origin = BoundTo::client(&linked);
    let manager = Manager::of(linked, mode, &input.client_id, secret)?;
    if let Some(secret) = &input.client_secret {
        prove_given(&manager.atlas, input, secret, budget).await?;
    }
    let level = match (&input.level, stored) {
        (Some(level), _) => level.clone(),
        (None, Some(role)) => role.level(),
        (None, None) => return Err(EngineError::OrganizationUnknown),
    };
    let outcome = ask(engine, &manager, input, &level, budget).await;
    let (organization_id, account) = manager.done(outcome).await?;
    let now = engine.clock.now();
    Ok(Found {
        organization_id,
        project_id: match level {
            Level::Org(_) => None,
            Level::Project(project) => Some(project),
        },
        origin,
        current: input.client_secret.clone().map(|secret| {
            let state = SecretState::only_match(&account.secrets, &secret, now);
            ClientSecret {
                id: state.map(|state| state.id.clone()),
                expires_at: state.and_then(|state| state.expires_at),
                value: secret,
            }
        }),
    })
}

async fn prove_given(
    atlas: &Atlas,
    input: &Input,
    secret: &Sensitive,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    match prove(atlas, &input.client_id, secret, budget).await {
        Ok(()) => Ok(()),
        Err(AtlasError::Unauthenticated { .. }) => Err(EngineError::BadInput(
            "client_secret: Atlas gives no access token for this client_id and client_secret; \
             nothing \
             was stored"
                .to_owned(),
        )),
        Err(error) => Err(EngineError::atlas("proving client_secret", error)),
    }
}

async fn ask(
    engine: &Engine,
    manager: &Manager,
    input: &Input,
    level: &Level,
    budget: RequestBudget,
) -> Result<(OrgId, ServiceAccount), EngineError> {
    let explained = |doing, error| account_error(level, &input.client_id, doing, error);
    let org = match level {
        Level::Org(org) => org.clone(),
        Level::Project(project) => {
            let found = manager.atlas.project(project, budget).await;
            found
                .map_err(|error| explained("project_id: reading the project", error))?
                .org_id
        }
    };
    let ours = manager.linked.organization_id.as_ref();
    if input.options.rotation_mode == RotationMode::Admin && ours.is_some_and(|ours| *ours != org) {
        let field = match level {
            Level::Org(_) => "organization_id",
            Level::Project(_) => "project_id",
        };
        return Err(EngineError::BadInput(format!(
            "{field}: this mount's credential belongs to another organization"
        )));
    }
    let account = manager
        .atlas
        .service_account(level, &input.client_id, budget)
        .await
        .map_err(|error| explained("client_id: reading the service account", error))?;
    let longest = engine.longest_secret(&manager.atlas, &org, budget).await;
    refuse_too_long(engine, input, longest)?;
    Ok((org, account))
}

/// Refuses what the role's organization would refuse at each rotation.
pub(super) async fn check_lifetime(
    record: &RoleRecord,
    input: &Input,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let engine = &record.engine;
    let linked = engine.connection.linked_to(&record.entry.origin).await?;
    let org = &record.entry.organization_id;
    let longest = engine.longest_secret(&linked.atlas, org, budget).await;
    refuse_too_long(engine, input, longest)
}

fn refuse_too_long(engine: &Engine, input: &Input, longest: Hours) -> Result<(), EngineError> {
    let (options, timing) = (&input.options, &input.timing);
    let now = engine.clock.now();
    let limit = longest.duration();
    if options.secret_ttl > limit {
        return Err(EngineError::BadInput(format!(
            "secret_ttl: the organization allows secrets of at most {} s ({} h)",
            limit.as_secs(),
            longest.get()
        )));
    }
    let intervals = timing.plan().and_then(|plan| plan.intervals(now));
    if intervals.is_some_and(|intervals| intervals.longest.saturating_add(options.overlap) > limit)
    {
        let field = if timing.schedule.is_empty() {
            "rotation_period"
        } else {
            "rotation_schedule"
        };
        return Err(EngineError::BadInput(format!(
            "{field}: the time between two rotations plus overlap is longer than the {} s ({} h) \
             that the organization allows as the lifetime of a secret",
            limit.as_secs(),
            longest.get()
        )));
    }
    Ok(())
}

//! `encryption-at-rest/azure/…`: its fields and handlers.

use std::sync::Arc;

use super::answer::{self, answer};
use super::entry::{AzureEntry, HeldSecret, Mode, State};
use super::input::{self, Input};
use super::note::note;
use super::{apply_input, changes, check, delete, migrations, plan, register, rotate_path, watch};
use crate::atlas::{Priority, ProjectId, RequestBudget};
use crate::engine::error::{EncryptionError, EngineError};
use crate::engine::keyed_mutex::KeyedGuard;
use crate::engine::origin::BoundTo;
use crate::engine::{Engine, OPERATION_PREFIX, keys, stored};
use crate::framework::{Answer, Call, Display, Faults, Field, Page, Path, PathOperation, list};
use crate::vault::{Operation, Response};

/// The paths of encryption at rest.
pub(crate) fn paths() -> Vec<Path<Engine>> {
    let mut paths = migrations::paths::paths();
    paths.extend(of_projects());
    paths
}

fn of_projects() -> Vec<Path<Engine>> {
    let read = PathOperation::new(read)
        .summary("Read what is known of a project's key vault.")
        .answers(shows());
    let write = PathOperation::new(write)
        .summary("Register the principal, or hand in a static secret.")
        .answers(shows());
    vec![
        Path::new("encryption-at-rest/azure/?")
            .help(
                "List the projects whose key vaults are looked after.",
                "Ids of all projects that were written below this path.",
            )
            .display(Display::operation(
                OPERATION_PREFIX,
                "list",
                "azure-key-vaults",
            ))
            .fields(Page::fields())
            .on(Operation::List, list_projects)
            .summary(Operation::List, "List the projects."),
        Path::new("encryption-at-rest/azure/{project_id}")
            .help(
                "Look after how Atlas signs in to a project's Azure Key Vault.",
                "A write registers the service principal of Atlas's application in the project, \
                 takes the static secret that Atlas signs in with now into keeping, or both. It \
                 changes nothing about the encryption. The answer names the commands that grant \
                 the principal the use of the key.",
            )
            .display(Display::operation(OPERATION_PREFIX, "", "azure-key-vault"))
            .fields(input::fields())
            .field(
                Field::boolean("deauthorize")
                    .about(
                        "On delete: also remove the registration, if this engine made it and \
                         nothing uses it.",
                    )
                    .query(),
            )
            .field(
                Field::boolean("force")
                    .about(
                        "On delete: also delete a static secret that is in keeping, and an entry that \
                         cannot be read. On a write: keep another secret in the place of one that may \
                         still be needed.",
                    )
                    .query(),
            )
            .exists(exists)
            .operation(Operation::Read, read)
            .operation(Operation::Create, write.clone())
            .operation(Operation::Update, write)
            .on(Operation::Delete, delete::delete)
            .summary(Operation::Delete, "Forget a project's key vault.")
            .writes_forwarded(),
        Path::new("encryption-at-rest/azure/{project_id}/apply")
            .help(
                "Let Atlas sign in to the key vault by the registered principal.",
                "Without private networking Atlas tries the key before it takes the change, and where a \
                 grant is missing nothing is changed. With dry_run nothing is changed in any case, and the \
                 answer says what would be; the key is not tried by that.",
            )
            .display(Display::operation(
                OPERATION_PREFIX,
                "apply",
                "azure-key-vault",
            ))
            .fields(apply_input::fields())
            .operation(
                Operation::Update,
                PathOperation::new(changes::change_over)
                    .summary("Change over to the registered principal.")
                    .answers(shows_or_plans()),
            )
            .forwarded(),
        rollback_path(),
        rotate_path::path(),
        check::path(),
    ]
}

/// The answer of all that changes an entry, and of a read.
pub(super) fn shows() -> Answer {
    Answer::new(200, "How the project stands.", answer::fields())
}

/// The same where a dry run answers what would be changed.
fn shows_or_plans() -> Answer {
    let fields = answer::fields().into_iter().chain(plan::fields());
    Answer::new(
        200,
        "How the project stands; with dry_run, what would be changed.",
        fields,
    )
}

fn rollback_path() -> Path<Engine> {
    Path::new("encryption-at-rest/azure/{project_id}/rollback")
        .help(
            "Let Atlas sign in with the static secret in keeping again.",
            "Atlas may refuse that once a project uses a principal; then nothing is changed. A change to \
             the principal that is not there yet is called off, and nothing is sent.",
        )
        .display(Display::operation(
            OPERATION_PREFIX,
            "roll-back",
            "azure-key-vault",
        ))
        .field(input::project_id())
        .field(
            Field::boolean("accept_unvalidated")
                .about(
                    "With private networking: go back although the key can be used as it is, \
                     and Atlas tries the secret only after the change.",
                )
                .default(false),
        )
        .field(
            Field::boolean("accept_no_way_back")
                .about(
                    "With accept_unvalidated: although nothing may lead forward again from a secret \
                     that does not work.",
                )
                .default(false),
        )
        .operation(
            Operation::Update,
            PathOperation::new(changes::change_back)
                .summary("Change back to the static secret in keeping.")
                .answers(shows()),
        )
        .forwarded()
}

/// The project that a path names.
pub(super) fn project(call: &Call) -> Result<ProjectId, EngineError> {
    let text = call.fields.captured("project_id");
    let id = text.parse();
    id.map_err(|error| EngineError::BadInput(format!("project_id: {error}")))
}

/// A project's entry, if it was ever written.
pub(super) async fn load(
    engine: &Engine,
    project: &ProjectId,
) -> Result<Option<AzureEntry>, EngineError> {
    stored::load(&*engine.storage, &keys::azure_key_vault(project)).await
}

/// Stores a project's entry.
pub(super) async fn store(
    engine: &Engine,
    project: &ProjectId,
    entry: &AzureEntry,
) -> Result<(), EngineError> {
    stored::save(
        &*engine.storage,
        keys::azure_key_vault(project),
        entry,
        true,
    )
    .await
}

/// Stores what was there before, or that there was nothing.
pub(super) async fn put_back(
    engine: &Engine,
    project: &ProjectId,
    before: Option<&AzureEntry>,
) -> Result<(), EngineError> {
    match before {
        Some(entry) => store(engine, project, entry).await,
        None => Ok(engine
            .storage
            .delete(&keys::azure_key_vault(project))
            .await?),
    }
}

/// One at a time for each project, held across calls to Atlas.
pub(super) async fn lock(
    engine: &Engine,
    project: &ProjectId,
    call: &Call,
) -> Result<KeyedGuard, EngineError> {
    let lock = engine.project_locks.wait(project, call.caller.deadline);
    let lock = engine.while_wanted(&call.caller.gone, lock).await?;
    lock.ok_or_else(|| EngineError::Busy {
        what: format!("encryption at rest of project {project}"),
    })
}

pub(super) fn budget(call: &Call) -> RequestBudget {
    RequestBudget {
        deadline: call.caller.deadline,
        priority: Priority::Rotate,
    }
}

async fn exists(engine: Arc<Engine>, call: Call) -> Result<bool, EngineError> {
    Ok(load(&engine, &project(&call)?).await?.is_some())
}

async fn list_projects(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let page = Page::of(&call.fields);
    let keys = page.keys(&*engine.storage, keys::AZURE_KEY_VAULTS).await?;
    Ok(Some(list(keys)))
}

/// From storage alone.
async fn read(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let entry = load(&engine, &project(&call)?).await?;
    let now = engine.clock.now();
    Ok(entry.map(|entry| answer(&entry, now)))
}

async fn write(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let project = project(&call)?;
    let _lock = lock(&engine, &project, &call).await?;
    let before = load(&engine, &project).await?;
    let mut faults = Faults::new();
    let now = engine.clock.now();
    let input = Input::read(&call.fields, before.as_ref(), now, &mut faults);
    if !faults.is_empty() {
        return Err(EngineError::BadInput(faults.to_string()));
    }
    let linked = match &before {
        Some(entry) => engine.connection.linked_to(&entry.origin).await?,
        None => engine.connection.linked().await?,
    };
    let fresh = || AzureEntry::new(BoundTo::client(&linked));
    let mut entry = before.clone().unwrap_or_else(fresh);
    may_replace(&entry, &input, &call)?;
    let registers = input.principal.is_some() && (entry.role_id.is_none() || is_asked(&call));
    let gives_secret = input.held.is_some();
    let doubted = input::secret_id(&call.fields).map(|why| format!("client_secret: {why}"));
    take(&mut entry, input);
    let (atlas, budget) = (&linked.atlas.until(&call.caller.gone), budget(&call));
    if registers {
        let vault = watch::ask(atlas, &project, budget).await;
        let vault = vault.map_err(|error| error.in_project(&project))?;
        note(&mut entry, &project, vault.as_ref(), now);
        let registered = register::register(
            &engine,
            atlas,
            &project,
            &mut entry,
            before.as_ref(),
            budget,
        );
        registered
            .await
            .map_err(|error| error.in_project(&project))?;
        let mut answer = answer(&entry, engine.clock.now());
        answer.warnings.extend(doubted);
        return Ok(Some(answer));
    }
    // Who prepares the next change leaves nothing as it is.
    let stays = if gives_secret {
        None
    } else {
        watch::leave_failed(&mut entry, now)
    };
    store(&engine, &project, &entry).await?;
    let mut answer = answer(&entry, engine.clock.now());
    answer.warnings.extend(stays.into_iter().chain(doubted));
    Ok(Some(answer))
}

/// Whether the write names the principal, so that its registration is looked at again.
fn is_asked(call: &Call) -> bool {
    ["tenant_id", "service_principal_id"]
        .iter()
        .any(|name| call.fields.text(name).is_some())
}

/// Refuses another secret in the place of one that may still be needed. Atlas shows none, so this may be
/// the only copy of it.
fn may_replace(entry: &AzureEntry, input: &Input, call: &Call) -> Result<(), EncryptionError> {
    let Some((held, given)) = entry.held.as_ref().zip(input.held.as_ref()) else {
        return Ok(());
    };
    if held.is_same(given) {
        return Ok(());
    }
    let is_forced = call.fields.boolean("force").unwrap_or(false);
    match entry.state {
        // It is what is sent next.
        State::Rotating | State::RollingBack => Err(entry.under_way()),
        State::Observing if !is_forced => Err(EncryptionError::SecretNeeded),
        // Whether it has ended is told by a clock.
        _ if may_be_in_force(entry, held) && !is_forced => Err(EncryptionError::SecretNeeded),
        _ => Ok(()),
    }
}

/// Whether Atlas may sign in with the secret in keeping, or was seen to.
fn may_be_in_force(entry: &AzureEntry, held: &HeldSecret) -> bool {
    // Of a way back whose answer was lost nothing more is known.
    let is_shown = watch::is_sent(entry, Mode::Static) && entry.drift.is_empty();
    let kept = held.since.zip(entry.changed_at);
    let is_of_before = kept.is_some_and(|(since, changed)| since < changed);
    held.proved || held.in_force || (is_shown && is_of_before)
}

fn take(entry: &mut AzureEntry, input: Input) {
    entry.principal = input.principal.or(entry.principal.take());
    let before = entry.held.take();
    entry.held = match input.held {
        Some(held) => Some(held.instead_of(before)),
        None => before,
    };
    entry.keep_static = input.keep_static.unwrap_or(entry.keep_static);
    entry.observe = input.observe.unwrap_or(entry.observe);
    entry.settle = input.settle.unwrap_or(entry.settle);
}

//! `config/rotate-root`: a new credential for this mount, asked for by somebody.

use std::sync::Arc;

use serde_json::json;

use super::entry::RootType;
use super::left::{self, clean_up};
use super::record::RootRecord;
use super::{replacement, tick};
use crate::atlas::{Atlas, AtlasError, Priority, RequestBudget, SecretState};
use crate::base::Rfc3339;
use crate::engine::error::{EngineError, RotationError};
use crate::engine::rotation::{Learnt, Record as _, RotationContext, look, retire, rotate_secret};
use crate::engine::rotation_state::refuse_too_soon;
use crate::engine::unasked::Mandate;
use crate::engine::waiters::{Awaited, Crowd};
use crate::engine::{Engine, OPERATION_PREFIX, keys};
use crate::framework::{Call, Display, Field, Path, PathOperation};
use crate::vault::failure::chain;
use crate::vault::{Data, Operation, Response};

/// The most credentials that wait to be removed before no more are made.
const MAX_REMOVALS: usize = 4;

/// The path of the rotation by hand.
pub(in crate::engine::config) fn path() -> Path<Engine> {
    Path::new("config/rotate-root")
        .help(
            "Replace the credential of this mount by a new one.",
            "An API key is replaced by a new key with the same roles, projects and access list, or, \
             with credential_type=service_account, by a service account with the same reach; a \
             service account gets a new secret. The new credential is verified before it is \
             stored, and the old one is deleted in Atlas afterwards.",
        )
        .display(Display::operation(OPERATION_PREFIX, "rotate", "root-credentials"))
        .field(
            Field::text("credential_type")
                .about(
                    "Type of the new credential; by default, that of the current one. \
                     service_account replaces an API key by a service account, permanently.",
                )
                .one_of(RootType::NAMES),
        )
        .field(
            Field::boolean("force")
                .about(
                    "Rotate even right after another rotation; and if a service account already \
                     holds two secrets, immediately delete the one that is not in use here, even \
                     if somebody uses it.",
                )
                .default(false),
        )
        .operation(
            Operation::Update,
            PathOperation::new(manual).summary("Replace the credential of this mount."),
        )
        .forwarded()
}

async fn manual(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let budget = RequestBudget {
        deadline: call.caller.deadline,
        priority: Priority::Rotate,
    };
    let awaited = Awaited::Configuration;
    let _waiter = engine.waiters.enter(Crowd::Operators, [awaited])?;
    let _lock = engine.root.lock(budget.deadline).await?;
    let record = RootRecord::load(&engine).await?;
    let mut record = record.ok_or(EngineError::NotConfigured)?;
    record.entry.refuse_while_draining()?;
    let to = wanted(&call, record.entry.root_type())?;
    let now = engine.clock.now();
    let force = call.fields.boolean("force").unwrap_or(false);
    refuse_too_soon(record.entry.rotation.state.last, now, force)?;
    rotate(&mut record, to, force, Mandate::Ordered, budget).await?;
    Ok(Some(Response {
        warnings: tick::warnings(&engine, &record.entry, now).await?,
        ..Response::data(response(&record))
    }))
}

fn wanted(call: &Call, present: RootType) -> Result<RootType, EngineError> {
    let bad = |reason: &str| Err(EngineError::BadInput(format!("credential_type: {reason}")));
    match call.fields.text("credential_type").map(str::trim) {
        None | Some("") => Ok(present),
        Some(name) => match (RootType::named(name), present) {
            (Some(to), present) if to == present => Ok(to),
            (Some(RootType::ServiceAccount), _) => Ok(RootType::ServiceAccount),
            (Some(RootType::ProgrammaticApiKey), _) => bad(
                "a service account is not replaced by an API key; write the key to config instead",
            ),
            _ => bad("give programmatic_api_key or service_account"),
        },
    }
}

fn response(record: &RootRecord) -> Data {
    let entry = &record.entry;
    let mut data = Data::from_iter([
        (
            "credential_type".to_owned(),
            json!(entry.root_type().name()),
        ),
        (
            "last_rotated".to_owned(),
            json!(entry.rotation.state.last.map(Rfc3339)),
        ),
        ("next_rotation".to_owned(), json!(entry.due().map(Rfc3339))),
    ]);
    if let Some(client_id) = &entry.client_id {
        data.insert("client_id".to_owned(), json!(client_id));
        let expires_at = entry.client_secret_expires_at.map(Rfc3339);
        data.insert("client_secret_expires_at".to_owned(), json!(expires_at));
    } else {
        data.insert("public_key".to_owned(), json!(entry.public_key));
    }
    data
}

/// Rotates now, and removes the old credential if no request works with it any more; else the
/// periodic run does that. A failure is noted with the configuration, but for want of rate. `force`
/// deletes another secret of the account that is in the way, even if it is in use.
pub(super) async fn rotate(
    record: &mut RootRecord,
    to: RootType,
    force: bool,
    mandate: Mandate,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let outcome = replace(record, to, force, mandate, budget).await;
    if let Err(error) = &outcome {
        if !error.is_mere_wait() {
            note_failure(record, error).await;
        }
        return outcome;
    }
    record.engine.rate_waits.forget(keys::CONFIG);
    tracing::info!(credential_type = to.name(), "root credential rotated");
    // The new credential is in use: a failure here is logged, and the periodic run tries again.
    let _ = tidy_up(record, mandate, budget).await;
    Ok(())
}

async fn replace(
    record: &mut RootRecord,
    to: RootType,
    force: bool,
    mandate: Mandate,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let present = record.entry.root_type();
    if (present, to) == (RootType::ServiceAccount, RootType::ServiceAccount) {
        return rotate_secret_of_account(record, force, mandate, budget).await;
    }
    // What an earlier attempt may have left is looked at before anything new is made.
    let linked = record.engine.connection.linked().await?;
    clean_up(record, &linked, mandate, budget).await?;
    drop(linked);
    if left::left(&record.engine, &record.entry).await?.len() >= MAX_REMOVALS {
        return Err(RotationError::TooManyRemovals.into());
    }
    replacement::create_replacement(record, to, budget).await
}

async fn rotate_secret_of_account(
    record: &mut RootRecord,
    force: bool,
    mandate: Mandate,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let engine = Arc::clone(&record.engine);
    let linked = engine.connection.linked().await?;
    let org = record.entry.organization_id.clone();
    let org = org.ok_or(EngineError::OrganizationUnknown)?;
    let lifetime = replacement::lifetime(record, &linked, &org, budget).await;
    let context = RotationContext {
        engine: &engine,
        atlas: &linked.atlas,
        budget,
        lifetime,
        mandate,
    };
    let before = record.entry.rotation.state.last;
    let outcome = rotate_secret(&mut record.account()?, &context, force).await;
    if outcome.is_err() && record.entry.rotation.state.last != before {
        // Published, but not known to be stored: what is stored decides.
        engine.connection.reset();
    }
    outcome?;
    record.activate().await
}

/// Removes replaced credentials and incomplete ones, as far as they may go now.
pub(super) async fn tidy_up(
    record: &mut RootRecord,
    mandate: Mandate,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let engine = Arc::clone(&record.engine);
    let linked = engine.connection.linked().await?;
    let cleaned = clean_up(record, &linked, mandate, budget).await;
    let retiring = !record.entry.rotation.others.retiring.is_empty();
    if retiring && !engine.root.is_old_in_use() {
        let context = context(&engine, &linked.atlas, mandate, budget);
        let mut account = record.account()?;
        if let Err(error) = retire(&mut account, &context).await {
            if error.is_rate_limited() {
                return Err(error);
            }
            tracing::warn!(
                error = %chain(&error),
                "replaced root secret could not be deleted yet; retrying"
            );
            return Err(error);
        }
    }
    cleaned
}

fn context<'a>(
    engine: &'a Engine,
    atlas: &'a Atlas,
    mandate: Mandate,
    budget: RequestBudget,
) -> RotationContext<'a> {
    RotationContext {
        engine,
        atlas,
        budget,
        lifetime: crate::atlas::Hours::SHORTEST_SECRET,
        mandate,
    }
}

/// Looks at the configuration's own account: what Atlas tells of its secret is noted.
pub(super) async fn inspect(
    record: &mut RootRecord,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let engine = Arc::clone(&record.engine);
    let linked = engine.connection.linked().await?;
    let context = context(&engine, &linked.atlas, Mandate::Unasked, budget);
    let mut account = record.account()?;
    let (_, learnt) = look(&mut account, &context).await?;
    match learnt {
        Learnt::Something => account.store().await,
        Learnt::Nothing => Ok(()),
    }
}

/// Notes a failure for the next try and for people.
async fn note_failure(record: &mut RootRecord, error: &EngineError) {
    let (now, entropy) = (record.engine.clock.now(), &*record.engine.entropy);
    let state = &mut record.entry.rotation.state;
    let failure = state.note_failure(error, now, entropy);
    tracing::warn!(
        error = failure.error, next_retry_time = %Rfc3339(failure.next_retry_time),
        "root credential rotation failed; the current credential stays in use"
    );
    let is_storage = matches!(error, EngineError::Storage(_));
    // After a failed write nobody knows what is stored: it is not written over.
    if is_storage {
        return;
    }
    if let Err(error) = record.store().await {
        tracing::warn!(error = %chain(&error), "could not store the rotation failure");
    }
}

/// Tells of a time between rotations that the organization's limit on secrets does not allow.
pub(in crate::engine::config) async fn warning_of_limit(
    engine: &Engine,
    atlas: &Atlas,
    entry: &crate::engine::entries::ConfigEntry,
    budget: RequestBudget,
) -> Option<String> {
    let (Some(_), Some(org)) = (&entry.client_id, &entry.organization_id) else {
        return None;
    };
    let now = engine.clock.now();
    let wanted = entry.rotation.plan().intervals(now)?.longest;
    let limit = engine.longest_secret(atlas, org, budget).await;
    let field = if entry.rotation.state.timing.schedule.is_empty() {
        "rotation_period"
    } else {
        "rotation_schedule"
    };
    (wanted >= limit.duration()).then(|| {
        format!(
            "{field}: the organization allows a secret lifetime of {} h only, no longer than the \
             time between two rotations: the secret is rotated before it expires instead",
            limit.get()
        )
    })
}

/// What Atlas tells of the secret that is being configured, if it tells.
pub(in crate::engine::config) async fn learn(
    engine: &Engine,
    atlas: &Atlas,
    entry: &mut crate::engine::entries::ConfigEntry,
    budget: RequestBudget,
) {
    let (Some(client_id), Some(org)) = (&entry.client_id, &entry.organization_id) else {
        return;
    };
    let level = crate::atlas::Level::Org(org.clone());
    let account: Result<_, AtlasError> = atlas.service_account(&level, client_id, budget).await;
    let now = engine.clock.now();
    let secrets = account.map(|account| account.secrets).unwrap_or_default();
    if let Some(state) = SecretState::only_match(&secrets, &entry.client_secret, now) {
        entry.client_secret_expires_at = state.expires_at;
        entry.rotation.client_secret_id = Some(state.id.clone());
    }
}

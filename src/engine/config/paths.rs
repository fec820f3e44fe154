//! `config`: write, read, delete.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::answer::{answer, is_unverified, shown};
use super::draining::{self, DrainEnd};
use super::{address, deletion, relocation, rotation, trust};
use crate::atlas::{ApiVersion, AtlasError, Hours, OrgId, Priority, RequestBudget, Settings};
use crate::base::Sensitive;
use crate::engine::connection::{ConfiguredClient, Ownership, identify};
use crate::engine::credentials::roles_without_owner;
use crate::engine::entries::{ConfigEntry, UNVERIFIED, config};
use crate::engine::error::EngineError;
use crate::engine::journal::EndedBy;
use crate::engine::origin::Origins;
use crate::engine::rotation_state::Timing;
use crate::engine::waiters::{Awaited, Crowd};
use crate::engine::{Engine, OPERATION_PREFIX, account_use, keys, stored};
use crate::framework::{Answer, Call, Display, Faults, Field, Fields, Path, PathOperation};
use crate::vault::{Operation, Response};

/// Longest `request_timeout`; the server gives up on a whole request after 90 s.
const MAX_REQUEST_TIMEOUT: Duration = Duration::from_secs(80);

/// The path of the configuration.
pub(crate) fn paths() -> Vec<Path<Engine>> {
    vec![
        Path::new("config")
            .help(
                "Configure the credential with which this mount acts in Atlas.",
                "Give either a programmatic API key (public_key, private_key) or a service account \
                 (client_id, client_secret); giving one replaces the other. It needs the Atlas role \
                 Organization Owner to issue credentials of the organization. The credential is \
                 verified with Atlas before anything is stored, unless verify_connection is false.",
            )
            .display(Display::operation(OPERATION_PREFIX, "", ""))
            .fields(fields())
            .exists(exists)
            .operation(
                Operation::Read,
                PathOperation::new(read)
                    .summary("Read the configuration, without secrets.")
                    .display(Display::operation("", "", "configuration"))
                    .answers(Answer::new(200, "The configuration, without secrets.", answer())),
            )
            .operation(Operation::Create, configure())
            .operation(Operation::Update, configure())
            .operation(
                Operation::Delete,
                PathOperation::new(deletion::delete)
                    .summary("Delete the configuration.")
                    .display(Display::operation("", "", "configuration")),
            )
            .writes_forwarded(),
        rotation::path(),
        relocation::path(),
    ]
}

fn configure() -> PathOperation<Engine> {
    PathOperation::new(write)
        .summary("Configure the credential with which this mount acts in Atlas.")
        .display(Display::operation("", "configure", ""))
}

fn fields() -> Vec<Field> {
    let mut fields = vec![
        Field::text("public_key").about("Public key of a programmatic API key."),
        Field::text("private_key")
            .about("Private key of a programmatic API key.")
            .sensitive(),
        Field::text("client_id").about("Client id of a service account, instead of an API key."),
        Field::text("client_secret")
            .about("Secret of the service account.")
            .sensitive(),
        Field::text("organization_id").about(
            "Organization of the credential. Detected if the credential has access to exactly one.",
        ),
        Field::text("base_url")
            .about("Address of Atlas.")
            .default(config::DEFAULT_BASE_URL),
        Field::text("api_version")
            .about("Version of the Atlas Administration API, a date.")
            .default(config::DEFAULT_API_VERSION),
        Field::text("ca_certificate").about("PEM certificates to trust beside the system's."),
        Field::seconds("request_timeout")
            .refuse_empty_text()
            .about("Time for one HTTP request to Atlas.")
            .default(config::DEFAULT_REQUEST_TIMEOUT.as_secs()),
        Field::boolean("verify_connection")
            .about(
                "Whether to verify the credential with Atlas before storing it. Not stored. \
                 MONGODBATLAS_VERIFY_CONNECTION=false in the plugin's environment changes the default.",
            )
            .default(true),
        Field::boolean("hold").refuse_empty_text().about(
            "Suspend automatic deletions and automatic rotations: credentials that are \
             incomplete, outlived their leases or were replaced are not deleted, and tidy deletes \
             nothing. Use it after a restore from a snapshot, when the journal may not know what \
             was issued or renewed since: run tidy with dry_run first. Revocations of leases \
             continue, as the server asks for them. MONGODBATLAS_HOLD=true in the environment of \
             the server process does the same, even before the unsealing; MONGODBATLAS_HOLD=all \
             refuses every request that would reach Atlas.",
        ),
        Field::boolean("force")
            .about(
                "On delete: also while there are active credentials, static roles, projects of \
                 encryption-at-rest, or replaced credentials awaiting deletion.",
            )
            .default(false)
            .query(),
        Field::boolean("disable_automated_rotation")
            .refuse_empty_text()
            .about(
                "Rotate this credential manually only, whatever its period or schedule.",
            )
            .default(false),
    ];
    fields.extend(Timing::fields());
    fields
}

pub(super) async fn load(engine: &Engine) -> Result<Option<ConfigEntry>, EngineError> {
    stored::load(&*engine.storage, keys::CONFIG).await
}

async fn exists(engine: Arc<Engine>, _: Call) -> Result<bool, EngineError> {
    Ok(load(&engine).await?.is_some())
}

async fn read(engine: Arc<Engine>, _: Call) -> Result<Option<Response>, EngineError> {
    let Some(entry) = load(&engine).await? else {
        return Ok(None);
    };
    let now = engine.clock.now();
    let (data, mut warnings) = tokio::try_join!(
        shown(&engine, &entry),
        rotation::warnings(&engine, &entry, now)
    )?;
    if is_unverified(&engine, &entry).await {
        warnings.push(UNVERIFIED.to_owned());
    }
    warnings.extend(engine.process.hold.warning().map(ToOwned::to_owned));
    Ok(Some(Response {
        warnings,
        ..Response::data(data)
    }))
}

async fn write(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let awaited = Awaited::Configuration;
    let _waiter = engine.waiters.enter(Crowd::Operators, [awaited])?;
    let _lock = engine.root.lock(call.caller.deadline).await?;
    // Recorded by what is stored until now.
    let origins = engine.connection.origins().await?;
    let stored = load(&engine).await?;
    let before = stored.clone().unwrap_or_default();
    let mut entry = before.clone();
    let mut faults = Faults::new();
    apply(&mut entry, &call.fields, &mut faults);
    address::bind(&mut entry, &before, &origins, &call.fields, &mut faults);
    let is_same = same_credential(&entry, &before, &origins);
    apply_rotation(
        &mut entry,
        &before,
        is_same,
        &call.fields,
        engine.clock.now(),
        &mut faults,
    );
    if address::gives_secret(&call.fields) {
        trust::check(&engine, stored.as_ref(), &entry, &mut faults).await?;
    }
    if !faults.is_empty() {
        return Err(EngineError::BadInput(faults.to_string()));
    }
    // Told at once, and not held while Atlas is asked: others use the account, or may want it.
    let (account, deadline) = (entry.client_id.clone(), call.caller.deadline);
    drop(account_use::take_for_config(&engine, account.as_ref(), deadline).await?);
    // What was seen of an earlier credential says nothing of this one.
    entry.organization_owner = None;
    entry.draining = None;
    let mut linked = engine.connection.link(&entry).await?;
    let mut warnings = Vec::new();
    let budget = RequestBudget {
        deadline: call.caller.deadline,
        priority: Priority::Rotate,
    };
    let verify_connection = call.fields.boolean("verify_connection");
    let verifies = verify_connection.unwrap_or(engine.process.verify_connection);
    entry.unverified = !verifies;
    if verifies {
        warnings.extend(examine(&engine, &mut linked, &mut entry, budget).await?);
    } else {
        warnings.push(UNVERIFIED.to_owned());
    }
    linked.ownership = Ownership::of_stored(entry.organization_owner, engine.clock.monotonic());
    if entry.hold {
        warnings.push(
            "hold is on: incomplete credentials, and those that outlive their leases, stay in \
             Atlas, and no automatic rotation takes place"
                .to_owned(),
        );
    }
    warnings.extend(engine.process.hold.warning().map(ToOwned::to_owned));
    let _account_lock = account_use::take_for_config(&engine, account.as_ref(), deadline).await?;
    trust::check_again(&engine, stored.as_ref(), &entry).await?;
    if !is_same {
        let by = EndedBy::of(&call);
        let told = rotation::settle_former(&engine, &before, &mut entry, &linked, by, budget);
        warnings.extend(told.await?);
    }
    address::remember_organization(&engine, &before, &entry, is_same, budget).await?;
    if let Some(stored) = &stored {
        trust::remember(&engine, stored, Some(&entry)).await?;
    }
    linked.learn_origins(engine.connection.origins().await?);
    trust::check_again(&engine, stored.as_ref(), &entry).await?;
    let saved = stored::save(&*engine.storage, keys::CONFIG.to_owned(), &entry, true).await;
    // What failed may have been stored all the same.
    engine.drain.changed();
    saved?;
    let old = engine.connection.replace(linked);
    engine.root.replaced(old.as_ref());
    warnings.extend(trust::warning(stored.as_ref(), &entry, &call.fields));
    warnings.extend(draining::ended(&before, DrainEnd::Write));
    if !is_same {
        engine.ambiguous.forget(keys::CONFIG);
    }
    warnings.extend(address::settled(&engine, &before, &entry).await?);
    warnings.extend(address::left_projects(&engine, &before, &entry).await?);
    Ok((!warnings.is_empty()).then(|| Response {
        warnings,
        ..Response::default()
    }))
}

/// Verifies the credential, and completes the entry with what Atlas tells of it: the warnings.
async fn examine(
    engine: &Engine,
    linked: &mut ConfiguredClient,
    entry: &mut ConfigEntry,
    budget: RequestBudget,
) -> Result<Vec<String>, EngineError> {
    let mut warnings = Vec::new();
    entry.organization_id = verify(linked, entry.organization_id.as_ref(), budget).await?;
    if entry.organization_id.is_none() {
        warnings.push(
            "the credential has access to more than one organization: give organization_id"
                .to_owned(),
        );
    }
    linked.organization_id.clone_from(&entry.organization_id);
    rotation::learn(engine, &linked.atlas, entry, budget).await;
    learn(linked, entry, budget, &mut warnings).await;
    let limit = rotation::warning_of_limit(engine, &linked.atlas, entry, budget).await;
    warnings.extend(limit);
    Ok(warnings)
}

/// Asks Atlas which organizations the credential sees: nothing is stored that does not work.
pub(super) async fn verify(
    linked: &ConfiguredClient,
    given: Option<&OrgId>,
    budget: RequestBudget,
) -> Result<Option<OrgId>, EngineError> {
    let seen = linked
        .atlas
        .organizations(budget)
        .await
        .map_err(not_verified)?;
    match (given, seen.as_slice()) {
        (Some(given), _) if seen.iter().any(|org| org.id == *given) => Ok(Some(given.clone())),
        (Some(_), _) => Err(EngineError::BadInput(
            "organization_id: the credential has no access to this organization; nothing was stored"
                .to_owned(),
        )),
        (None, [only]) => Ok(Some(only.id.clone())),
        (None, []) => Err(EngineError::BadInput(
            "the credential has no access to any organization; nothing was stored".to_owned(),
        )),
        (None, _) => Ok(None),
    }
}

/// Finds out in advance whether the credential can delete what it makes, and when its secret ends.
/// Where Atlas does not tell, that is no fault of the configuration.
async fn learn(
    linked: &ConfiguredClient,
    entry: &mut ConfigEntry,
    budget: RequestBudget,
    warnings: &mut Vec<String>,
) {
    let org = entry.organization_id.clone();
    let identity = match identify(linked, org.as_ref(), budget).await {
        Ok(identity) => identity,
        Err(error) => {
            tracing::debug!(%error, "Atlas did not identify the configured credential");
            return;
        }
    };
    entry.organization_owner = identity.is_owner();
    if let Some(end) = identity.secret_expires_at(&entry.client_secret) {
        entry.client_secret_expires_at = Some(end);
    }
    if entry.organization_owner == Some(false) {
        warnings.push(format!(
            "the credential is not an Organization Owner: it could not delete the API keys and \
             service accounts that it creates, so only {}, can issue credentials",
            roles_without_owner()
        ));
    }
}

fn not_verified(error: AtlasError) -> EngineError {
    let doing = "verifying the credential with Atlas (nothing was stored; verify_connection=false \
                 skips this)";
    match error {
        // Here the credential is the user's input, not the mount's state.
        AtlasError::Unauthenticated { .. } => EngineError::BadInput(format!(
            "Atlas refused the credential; nothing was stored: {error}"
        )),
        error => EngineError::atlas(doing, error),
    }
}

/// Takes over what is given.
fn apply(entry: &mut ConfigEntry, fields: &Fields, faults: &mut Faults) {
    apply_credential(entry, fields, faults);
    if let Some(text) = fields.text("organization_id") {
        entry.organization_id = parsed("organization_id", text, faults);
    }
    for (name, target) in [
        ("base_url", &mut entry.base_url),
        ("api_version", &mut entry.api_version),
        ("ca_certificate", &mut entry.ca_certificate),
    ] {
        if let Some(text) = fields.text(name) {
            text.trim().clone_into(target);
        }
    }
    if let Some(hold) = fields.boolean("hold") {
        entry.hold = hold;
    }
    if let Some(timeout) = fields.duration("request_timeout") {
        if timeout > MAX_REQUEST_TIMEOUT {
            let reason = format!("must be at most {} s", MAX_REQUEST_TIMEOUT.as_secs());
            faults.add("request_timeout", reason);
        }
        entry.request_timeout = timeout;
    }
    check_settings(entry, faults);
}

/// Refuses what no client could be made from.
pub(super) fn check_settings(entry: &ConfigEntry, faults: &mut Faults) {
    let settings = [
        Settings::base_url(entry.base_url()).err(),
        entry.api_version().parse::<ApiVersion>().err(),
        entry.trusted().err(),
    ];
    for error in settings.into_iter().flatten() {
        faults.add(error.field(), error.to_string());
    }
}

/// Whether two configurations sign in with the same credential: writing it again changes nothing.
fn same_credential(one: &ConfigEntry, other: &ConfigEntry, origins: &Origins) -> bool {
    let parts = |entry: &ConfigEntry| (entry.public_key.clone(), entry.client_id.clone());
    parts(one) == parts(other)
        && origins.home(&one.origin) == origins.home(&other.origin)
        && one.private_key.expose() == other.private_key.expose()
        && one.client_secret.expose() == other.client_secret.expose()
}

/// Takes over when to rotate. A credential that was given by hand begins anew.
fn apply_rotation(
    entry: &mut ConfigEntry,
    before: &ConfigEntry,
    is_same: bool,
    fields: &Fields,
    now: DateTime<Utc>,
    faults: &mut Faults,
) {
    let rotation = &mut entry.rotation;
    rotation.state.timing.apply(fields, faults);
    if let Some(disable) = fields.boolean("disable_automated_rotation") {
        rotation.disable_automated_rotation = disable;
    }
    let plan = rotation.state.timing.check(now, faults);
    let longest = Hours::LONGEST_SECRET.duration();
    if entry.client_id.is_some()
        && plan
            .intervals(now)
            .is_some_and(|intervals| intervals.longest >= longest)
    {
        let reason = "must be shorter than 365 days, the longest lifetime of a secret";
        faults.add("rotation_period", reason);
    }
    let same_timing = rotation.state.timing == before.rotation.state.timing
        && rotation.disable_automated_rotation == before.rotation.disable_automated_rotation;
    if !is_same {
        entry.rotation.reset(now);
    } else if !same_timing {
        entry.rotation.plan_anew(now);
    }
}

/// Exactly one of the two pairs is held; giving one replaces the other.
fn apply_credential(entry: &mut ConfigEntry, fields: &Fields, faults: &mut Faults) {
    const PARTS: [&str; 4] = ["public_key", "private_key", "client_id", "client_secret"];
    let given = PARTS.map(|name| fields.filled(name, faults));
    let is_empty = |name: &str| fields.text(name).is_some_and(|text| text.trim().is_empty());
    if PARTS.into_iter().any(is_empty) {
        return;
    }
    let [public_key, private_key, client_id, client_secret] = given;
    let key = public_key.is_some() || private_key.is_some();
    let account = client_id.is_some() || client_secret.is_some();
    if key && account {
        faults.add(
            "client_id",
            "give an API key or a service account, not both",
        );
        return;
    }
    if key {
        entry.client_id = None;
        entry.client_secret = Sensitive::default();
        entry.client_secret_expires_at = None;
        if let Some(public_key) = public_key {
            public_key.clone_into(&mut entry.public_key);
        }
        if let Some(private_key) = private_key {
            entry.private_key = Sensitive::new(private_key.to_owned());
        }
    }
    if account {
        entry.public_key = String::new();
        entry.private_key = Sensitive::default();
        entry.client_secret_expires_at = None;
        if let Some(client_id) = client_id {
            entry.client_id = parsed("client_id", client_id, faults);
        }
        if let Some(client_secret) = client_secret {
            entry.client_secret = Sensitive::new(client_secret.to_owned());
        }
    }
    require_a_pair(entry, account, faults);
}

fn require_a_pair(entry: &ConfigEntry, account: bool, faults: &mut Faults) {
    let missing = "is missing: a credential has two parts";
    if account || entry.client_id.is_some() {
        if entry.client_id.is_none() {
            faults.add("client_id", missing);
        }
        if entry.client_secret.is_empty() {
            faults.add("client_secret", missing);
        }
        return;
    }
    if entry.public_key.is_empty() {
        faults.add("public_key", missing);
    }
    if entry.private_key.is_empty() {
        faults.add("private_key", missing);
    }
}

fn parsed<T>(field: &'static str, text: &str, faults: &mut Faults) -> Option<T>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    if text.trim().is_empty() {
        return None;
    }
    text.trim()
        .parse()
        .map_err(|error: T::Err| faults.add(field, error.to_string()))
        .ok()
}

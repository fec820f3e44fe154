//! What people have a migration do. An order is stored, and the migration's task carries it out: the
//! request waits for no more than the plan.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::{Instant, timeout_at};

use super::entry::{MOST_PROJECTS, MigrationEntry, Order, State, Then};
use super::input::{self, Action, PLAN_ID_LENGTH, Words};
use super::paths::name;
use super::row::{Row, Step};
use super::store::{Outcome, change, load};
use super::task::wake;
use super::{plan, shown, way_back};
use crate::atlas::{Priority, ProjectId, RequestBudget};
use crate::base::base62;
use crate::engine::Engine;
use crate::engine::error::{EncryptionError, EngineError};
use crate::engine::origin::BoundTo;
use crate::engine::unasked::held;
use crate::framework::{Call, Faults};
use crate::vault::Response;

/// So long before its caller gives up, a request answers with what is planned by then.
const MARGIN: Duration = Duration::from_secs(5);
/// How long a look at storage waits to be told of a step.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A write: a plan, or an order about it.
pub(super) async fn write(
    engine: Arc<Engine>,
    call: Call,
) -> Result<Option<Response>, EngineError> {
    let name = name(&call);
    let mut faults = Faults::new();
    let action = input::action(&call.fields, &mut faults);
    if !faults.is_empty() {
        return Err(EngineError::BadInput(faults.to_string()));
    }
    match action {
        Action::Pause => {
            checked(|faults| input::for_pause(&call.fields, faults))?;
            order(&engine, &name, pause).await?;
        }
        Action::RollBack => {
            let words = checked(|faults| input::for_way_back(&call.fields, faults))?;
            let begin = |entry: &mut _, now| roll_back(entry, &words, now);
            order(&engine, &name, begin).await?;
        }
        Action::Plan | Action::Start | Action::Resume => {
            let stored = load(&engine, &name).await?;
            match onward(action, stored.as_ref())? {
                Onward::Back => {
                    let words = checked(|faults| input::for_way_back(&call.fields, faults))?;
                    let resume = |entry: &mut _, now| resume_way_back(entry, &words, now);
                    order(&engine, &name, resume).await?;
                }
                Onward::Forth(then) => {
                    define(&engine, &call, &name, action, stored.as_ref(), then).await?;
                }
            }
        }
    }
    wake(&engine, &name);
    planned(&engine, &call, &name).await
}

/// What is read of a request, unless something is wrong with it.
fn checked<T>(read: impl FnOnce(&mut Faults) -> T) -> Result<T, EngineError> {
    let mut faults = Faults::new();
    let read = read(&mut faults);
    if faults.is_empty() {
        return Ok(read);
    }
    Err(EngineError::BadInput(faults.to_string()))
}

/// What a read or a write answers.
pub(super) async fn answer(
    engine: &Engine,
    entry: &MigrationEntry,
) -> Result<Response, EngineError> {
    let mut warnings: Vec<String> = entry.reason.iter().cloned().collect();
    if entry.state.is_at_work() && entry.state != State::Planning {
        let held = held(engine).await?;
        warnings.extend(held.map(|by| format!("the migration waits: {by}")));
    }
    Ok(Response {
        warnings,
        ..Response::data(shown::shown(entry, engine.clock.now()))
    })
}

/// Waits for the plan, if there is one to wait for.
async fn planned(
    engine: &Arc<Engine>,
    call: &Call,
    name: &str,
) -> Result<Option<Response>, EngineError> {
    let deadline = call.caller.deadline.checked_sub(MARGIN);
    let deadline = deadline.unwrap_or(call.caller.deadline);
    loop {
        let mut stepped = std::pin::pin!(engine.migrations.stepped.notified());
        stepped.as_mut().enable();
        let Some(entry) = load(engine, name).await? else {
            return Ok(None);
        };
        if entry.state != State::Planning || Instant::now() >= deadline {
            return Ok(Some(answer(engine, &entry).await?));
        }
        let until = deadline.min(Instant::now() + LOOK_AGAIN);
        let wait = timeout_at(until, stepped);
        let told = engine.while_wanted(&call.caller.gone, wait).await?;
        if told.is_err() {
            // Where storage failed, the work has ended.
            wake(engine, name);
        }
    }
}

/// An order about a migration that is there.
async fn order(
    engine: &Engine,
    name: &str,
    edit: impl FnOnce(&mut MigrationEntry, DateTime<Utc>) -> Result<(), EncryptionError>,
) -> Result<(), EngineError> {
    let now = engine.clock.now();
    change(engine, name, |entry| {
        let mut entry = entry.ok_or(EncryptionError::NoSuchMigration)?;
        edit(&mut entry, now)?;
        Ok(Outcome::Save(Box::new(entry), ()))
    })
    .await
}

fn pause(entry: &mut MigrationEntry, now: DateTime<Utc>) -> Result<(), EncryptionError> {
    match entry.state {
        State::Paused => Ok(()),
        state if state.is_at_work() => {
            entry.stop("paused by request", now);
            Ok(())
        }
        state => Err(not_now("pause", state)),
    }
}

/// What was accepted for the way over, or for an earlier way back, is not accepted for this one.
fn roll_back(
    entry: &mut MigrationEntry,
    words: &Words,
    now: DateTime<Utc>,
) -> Result<(), EncryptionError> {
    let accepted = words.accepted_for(entry)?;
    match entry.state {
        State::RollingBack => {}
        State::Planning => return Err(not_now("rollback", entry.state)),
        _ => {
            if !way_back::begin(entry, now) {
                return Err(EncryptionError::NothingMigrated);
            }
        }
    }
    entry.order.accept(accepted, now);
    Ok(())
}

/// Where a migration goes on to.
enum Onward {
    /// The projects are planned, and this follows.
    Forth(Then),
    /// The way back goes on.
    Back,
}

/// What a plan, `start` and `resume` mean for a migration as it is stored.
fn onward(action: Action, stored: Option<&MigrationEntry>) -> Result<Onward, EncryptionError> {
    let is_resume = action == Action::Resume;
    let then = match stored {
        _ if action == Action::Plan => Then::Rest,
        // What a pause interrupted.
        Some(entry) if is_resume => entry.then,
        _ => Then::Run,
    };
    let Some(entry) = stored else {
        let missing = EncryptionError::NoSuchMigration;
        return if is_resume {
            Err(missing)
        } else {
            Ok(Onward::Forth(then))
        };
    };
    // What is at work is told so by what follows.
    match (entry.state, entry.then) {
        (State::Paused, Then::RollBack) if is_resume => Ok(Onward::Back),
        // Either would have the projects that are to go back stay where they are.
        (State::Paused, Then::RollBack) if action == Action::Plan => {
            Err(not_now("a plan", entry.state))
        }
        (State::Paused, Then::RollBack) => Err(not_now("start", entry.state)),
        (state, _) if is_resume && state != State::Paused && !state.is_at_work() => {
            Err(not_now("resume", state))
        }
        _ => Ok(Onward::Forth(then)),
    }
}

fn resume_way_back(
    entry: &mut MigrationEntry,
    words: &Words,
    now: DateTime<Utc>,
) -> Result<(), EncryptionError> {
    if (entry.state, entry.then) != (State::Paused, Then::RollBack) {
        return Err(not_now("resume", entry.state));
    }
    entry.order.accept(words.accepted_for(entry)?, now);
    entry.enter(State::RollingBack, now);
    Ok(())
}

fn not_now(action: &'static str, state: State) -> EncryptionError {
    let state = state.name();
    EncryptionError::MigrationState { action, state }
}

/// Takes what is asked for of a migration that is stored like this, and has it planned.
async fn define(
    engine: &Engine,
    call: &Call,
    name: &str,
    action: Action,
    stored: Option<&MigrationEntry>,
    then: Then,
) -> Result<(), EngineError> {
    refuse_at_work(stored)?;
    let asked = asked(call, action, stored, then)?;
    let linked = match stored {
        Some(entry) => engine.connection.linked_to(&entry.origin).await?,
        None => engine.connection.linked().await?,
    };
    let projects = if asked.lists {
        let budget = RequestBudget {
            deadline: call.caller.deadline,
            priority: Priority::Rotate,
        };
        let all = linked.atlas.projects(budget).await;
        let all = all.map_err(|error| EngineError::atlas("listing the projects", error))?;
        let own = |org: &_| linked.organization_id.as_ref().is_none_or(|own| own == org);
        let ids = all.into_iter().filter(|each| own(&each.org_id));
        Some(ids.map(|each| each.id).collect())
    } else {
        asked.projects
    };
    if projects
        .as_ref()
        .is_some_and(|all: &Vec<_>| all.len() > MOST_PROJECTS)
    {
        return Err(EncryptionError::TooManyProjects {
            most: MOST_PROJECTS,
        }
        .into());
    }
    let origin = BoundTo::client(&linked);
    let plan_id = base62(&*engine.entropy, PLAN_ID_LENGTH);
    let now = engine.clock.now();
    change(engine, name, |entry| {
        refuse_at_work(entry.as_ref())?;
        // Listing the projects takes its time, and what was ordered meanwhile is not undone.
        if written(entry.as_ref()) != written(stored) {
            let what = format!("migration {name:?}");
            return Err(EngineError::Busy { what });
        }
        let mut entry = entry.unwrap_or_else(|| fresh(asked.order.clone(), origin, now));
        entry.order = asked.order;
        entry.order.accept(asked.words.accepted_for(&entry)?, now);
        let consented = consented(&entry);
        if let Some(projects) = projects {
            take(&mut entry, projects)?;
        }
        plan::begin(&mut entry, plan_id, then, now);
        for row in &mut entry.rows {
            row.consented |= consented.contains(&row.project);
        }
        Ok(Outcome::Save(Box::new(entry), ()))
    })
    .await
}

/// The projects for which this order's consents are: those that were shown to be private, and are still to
/// be changed.
fn consented(entry: &MigrationEntry) -> BTreeSet<ProjectId> {
    let is_open =
        |row: &Row| row.step == Step::Changing || row.is_in_doubt() || !row.may_be_changed();
    let meant = |row: &&Row| row.may_be_consented() && is_open(row);
    let meant = entry.rows.iter().filter(meant);
    let is_accepted = entry.order.accepted().is_both();
    let meant = meant.filter(|_| is_accepted);
    meant.map(|row| row.project.clone()).collect()
}

/// What each write changes.
fn written(entry: Option<&MigrationEntry>) -> Option<(State, Then, DateTime<Utc>)> {
    entry.map(|entry| (entry.state, entry.then, entry.since))
}

fn refuse_at_work(entry: Option<&MigrationEntry>) -> Result<(), EngineError> {
    match entry {
        Some(entry) if entry.state.is_at_work() => {
            let state = entry.state.name();
            Err(EncryptionError::MigrationAtWork { state }.into())
        }
        _ => Ok(()),
    }
}

struct Asked {
    order: Order,
    words: Words,
    /// Whether all projects are to be listed.
    lists: bool,
    projects: Option<Vec<ProjectId>>,
}

fn asked(
    call: &Call,
    action: Action,
    stored: Option<&MigrationEntry>,
    then: Then,
) -> Result<Asked, EngineError> {
    let mut faults = Faults::new();
    let projects = input::projects(&call.fields, &mut faults);
    let order = input::order(&call.fields, stored, &mut faults);
    let is_shown = then != Then::Rest && stored.is_some();
    let words = input::for_way_over(&call.fields, is_shown, &mut faults);
    match order {
        Some(order) if faults.is_empty() => Ok(Asked {
            lists: order.all_static
                && input::takes_projects(&call.fields, action, order.all_static),
            order,
            words,
            projects,
        }),
        _ => Err(EngineError::BadInput(faults.to_string())),
    }
}

fn fresh(order: Order, origin: BoundTo, now: DateTime<Utc>) -> MigrationEntry {
    MigrationEntry {
        state: State::Planned,
        since: now,
        reason: None,
        then: Then::Rest,
        order,
        plan_id: String::new(),
        canary: None,
        rows: Vec::new(),
        vaults: Vec::new(),
        started_at: None,
        next_step_time: None,
        tries: 0,
        origin,
    }
}

/// Takes these projects. What was changed is not forgotten, as it may have to be changed back.
fn take(entry: &mut MigrationEntry, projects: Vec<ProjectId>) -> Result<(), EngineError> {
    let wanted: BTreeSet<&ProjectId> = projects.iter().collect();
    let mut rows: Vec<Row> = std::mem::take(&mut entry.rows);
    rows.retain(Row::may_be_changed);
    if !entry.order.all_static {
        let lost = rows.iter().find(|row| !wanted.contains(&row.project));
        if let Some(lost) = lost {
            let project = lost.project.clone();
            return Err(EncryptionError::MigratedProject { project }.into());
        }
    }
    let known: BTreeSet<ProjectId> = rows.iter().map(|row| row.project.clone()).collect();
    let new = projects.into_iter().filter(|id| !known.contains(id));
    rows.extend(new.map(Row::new));
    entry.rows = rows;
    Ok(())
}

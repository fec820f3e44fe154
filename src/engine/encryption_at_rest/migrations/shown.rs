//! What a read shows.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::super::entry::DEFAULT_OBSERVE;
use super::super::grants;
use super::entry::{MigrationEntry, State, Then};
use super::input;
use super::row::{Row, Step, Verdict};
use crate::base::Rfc3339;
use crate::framework::Field;
use crate::vault::Data;

/// The fields of an answer, for the API document.
pub(super) fn answer() -> Vec<Field> {
    let of_requests = ["name", "project_ids", "dry_run", "action"];
    let mut asked = input::fields();
    asked.retain(|field| !of_requests.contains(&field.name));
    asked.extend(progress());
    asked
}

fn progress() -> Vec<Field> {
    vec![
        Field::text("state")
            .about("planning, planned, running, paused, rolling_back, rolled_back or done."),
        Field::time("since").about("Since when it is in that state."),
        Field::text("reason").about("Why it does not go on by itself."),
        Field::int("total").about("How many projects it has."),
        Field::int("ready").about("Of them, how many are to be changed or were."),
        Field::int("done").about("How many are through; of a rollback, back."),
        Field::int("left").about("How many are still to come."),
        Field::int("failed").about("How many failed, or could not be changed back."),
        Field::int("skipped").about("How many are kept out by their verdict."),
        Field::map("at_work").about("The project at work: project_id, step, since, looks."),
        Field::time("started_at").about("When it was first started."),
        Field::time("next_step_time").about("When the next step is due."),
        Field::time("expected_end").about("When it ends, if nothing fails."),
        Field::texts("grants")
            .about("Commands that let the principal use the projects' keys, once for each vault."),
        Field::objects("rows").about(
            "Each project in the order of the changes: project_id, verdicts, private, step, since, \
             error.",
        ),
    ]
}

/// What a read shows; there is no secret in it.
pub(super) fn shown(entry: &MigrationEntry, now: DateTime<Utc>) -> Data {
    let order = &entry.order;
    let progress = Progress::of(entry);
    let value = json!({
        "state": entry.state.name(),
        "since": Rfc3339(entry.since),
        "reason": entry.reason,
        "all_static": order.all_static,
        "tenant_id": order.principal.tenant,
        "service_principal_id": order.principal.object,
        "atlas_azure_app_id": order.principal.application,
        "plan_id": plan_id(entry),
        "canary": entry.canary.as_ref().or(order.canary.as_ref()),
        "observe": order.observe.as_secs(),
        "interval": order.interval.as_secs(),
        "max_failures": order.max_failures,
        "accept_unvalidated": order.accept_unvalidated,
        "accept_no_way_back": order.accept_no_way_back,
        "keep_static": order.keep_static,
        "total": entry.rows.len(),
        "ready": entry.rows.iter().filter(|row| row.is_candidate()).count(),
        "done": progress.done,
        "left": progress.left,
        "failed": progress.failed,
        "skipped": entry.count(&[Step::Skipped]),
        "at_work": at_work(entry),
        "started_at": entry.started_at.map(Rfc3339),
        "next_step_time": entry.next_step_time.map(Rfc3339),
        "expected_end": expected_end(entry, now).map(Rfc3339),
        "grants": commands(entry),
        "rows": entry.rows.iter().map(row).collect::<Vec<_>>(),
    });
    match value {
        Value::Object(data) => data.into_iter().collect(),
        _ => Data::new(),
    }
}

/// What is not all there yet cannot be accepted.
fn plan_id(entry: &MigrationEntry) -> Option<&str> {
    let is_there = entry.state != State::Planning && !entry.plan_id.is_empty();
    is_there.then_some(entry.plan_id.as_str())
}

/// How many are how far.
struct Progress {
    done: usize,
    left: usize,
    failed: usize,
}

impl Progress {
    fn of(entry: &MigrationEntry) -> Self {
        let is_back = match entry.state {
            State::RollingBack | State::RolledBack => true,
            State::Paused => entry.then == Then::RollBack,
            _ => false,
        };
        if is_back {
            return Self {
                done: entry.count(&[Step::RolledBack]),
                left: entry.count(&[Step::Leaving]),
                failed: entry.count(&[Step::Kept]),
            };
        }
        Self {
            done: entry.count(&[Step::Changed]),
            left: entry.rows.iter().filter(|row| row.is_open()).count(),
            failed: entry.count(&[Step::Failed, Step::Kept]),
        }
    }
}

fn row(row: &Row) -> Value {
    let mut shown = json!({
        "project_id": row.project,
        "verdicts": verdicts(row),
        "step": row.step.name(),
    });
    if row.private {
        shown["private"] = json!(true);
    }
    if let Some(since) = row.since {
        shown["since"] = json!(Rfc3339(since));
    }
    if let Some(error) = &row.error {
        shown["error"] = json!(error);
    }
    shown
}

fn verdicts(row: &Row) -> Vec<String> {
    let mut told: Vec<String> = row.verdict.iter().map(Verdict::to_string).collect();
    if row.is_candidate() && !row.way_back {
        told.push("way back: none".to_owned());
    }
    told
}

fn at_work(entry: &MigrationEntry) -> Value {
    let row = match entry.state {
        State::RollingBack => {
            let mut rows = entry.rows.iter().rev();
            rows.find(|row| row.step == Step::Leaving)
        }
        State::Running | State::Paused => entry.rows.iter().find(|row| row.step.is_at_work()),
        _ => None,
    };
    row.map_or(Value::Null, |row| {
        json!({
            "project_id": row.project, "step": row.step.name(),
            "since": row.since.map(Rfc3339), "looks": row.looks,
        })
    })
}

/// The commands for each vault, once.
fn commands(entry: &MigrationEntry) -> Vec<String> {
    let vaults = entry.vaults.iter();
    let commands = vaults.flat_map(|key| grants::commands(&entry.order.principal, Some(key)));
    commands.collect()
}

/// When it ends, if nothing fails and Atlas answers at once.
fn expected_end(entry: &MigrationEntry, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if !matches!(entry.state, State::Running | State::RollingBack) {
        return None;
    }
    let mut end = now;
    for (row, (takes, is_begun)) in entry
        .rows
        .iter()
        .filter_map(|row| Some((row, takes(entry, row)?)))
    {
        let gone = row.since.filter(|_| is_begun);
        let gone = gone.map_or(Duration::ZERO, |since| {
            (now - since).to_std().unwrap_or_default()
        });
        let left = TimeDelta::from_std(takes.saturating_sub(gone)).ok()?;
        end = end.checked_add_signed(left)?;
    }
    Some(end)
}

/// How long a project that is still to come is watched, and whether that has begun.
fn takes(entry: &MigrationEntry, row: &Row) -> Option<(Duration, bool)> {
    let order = &entry.order;
    // The data nodes of a private project need their time, however short `observe` is.
    let watch = if row.private {
        order.observe.max(DEFAULT_OBSERVE)
    } else {
        order.observe
    };
    if entry.state == State::RollingBack {
        let is_watched = row.step == Step::Leaving && row.private;
        return is_watched.then_some((watch, !row.taken));
    }
    let takes = if entry.is_watched_to_the_end(row) {
        watch.max(order.interval)
    } else {
        order.interval
    };
    row.is_open().then(|| (takes, row.step.is_at_work()))
}

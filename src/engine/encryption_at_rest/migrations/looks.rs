//! The looks at a project that was changed over: whether it is on its role and works, and when that has
//! failed.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::super::entry::{AzureEntry, Mode, State as ProjectState};
use super::super::note::APART;
use super::super::{unseen, watch};
use super::entry::MigrationEntry;
use super::project;
use super::row::{Row, Step};
use super::store::update;
use super::task::Next;
use super::told::log_stop;
use super::work::{delta, failed, note};
use crate::atlas::ProjectId;
use crate::engine::Engine;
use crate::engine::error::{EncryptionError, EngineError};

/// `valid` has to be seen so often, an interval apart, before the next project is changed.
pub(super) const LOOKS: u32 = 2;
/// What Atlas may take to tell that a change is valid, beyond all that is waited for anyway.
pub(super) const MARGIN: Duration = Duration::from_mins(5);
/// A project's own `settle` is waited for no longer.
const LONGEST_SETTLE: Duration = Duration::from_hours(1);

/// Whether the key is seen to be used by the role. With private networking `valid` may be of the static
/// credentials, as long as they are shown beside it.
pub(super) fn is_valid(entry: &AzureEntry) -> bool {
    let is_tried = |left: bool| !(left && entry.is_private());
    entry.seen.as_ref().is_some_and(|seen| {
        seen.mode == Mode::Role && seen.valid == Some(true) && is_tried(seen.static_left)
    })
}

pub(super) async fn look(engine: &Engine, name: &str, row: &Row) -> Result<Next, EngineError> {
    let seen = match project::look(engine, &row.project).await {
        Ok(seen) => seen,
        Err(error) => {
            let outcome = vec![(row.project.clone(), Err::<(), _>(error.into()))];
            note(engine, name, outcome, |_, (), _| {}).await?;
            return Ok(Next::Again);
        }
    };
    let now = engine.clock.now();
    let mut stopped = None;
    update(engine, name, |entry| {
        if let Some(index) = watched(entry, &row.project) {
            stopped = note_look(entry, index, &seen, now);
        }
    })
    .await?;
    log_stop(name, stopped);
    Ok(Next::Again)
}

/// Notes what a look showed; the answer is why the migration stops, if it does.
fn note_look(
    entry: &mut MigrationEntry,
    index: usize,
    seen: &AzureEntry,
    now: DateTime<Utc>,
) -> Option<String> {
    let patience = patience(entry, seen);
    let to_the_end = entry.is_watched_to_the_end(&entry.rows[index]);
    let next_look = now.checked_add_signed(delta(entry.order.interval));
    let row = &mut entry.rows[index];
    entry.tries = 0;
    entry.next_step_time = next_look;
    let judgement = judge(seen, row, now, patience);
    if let Judgement::Failed(_) = &judgement
        && !may_be_by_role(seen)
        && !project::is_known_to_be_back(seen, row)
    {
        // One answer may be an old one: the project would be on its role, and nobody would know.
        if !row.is_off_role_twice(now) {
            row.looks = 0;
            entry.next_step_time = now.checked_add_signed(delta(entry.order.interval.max(APART)));
            return None;
        }
    } else {
        row.off_role_since = None;
    }
    match judgement {
        Judgement::Wait => row.looks = 0,
        Judgement::Valid => {
            row.looks = row.looks.saturating_add(1);
            let is_proved = !to_the_end || seen.state == ProjectState::Applied;
            if row.looks >= LOOKS && is_proved {
                row.reach(Step::Changed, now);
                entry.next_step_time = None;
            } else if to_the_end && is_late(row, now, patience) {
                let error = "the role has not proved itself in time";
                return watch_failed(entry, index, seen, error, now);
            }
        }
        // Atlas did not take it, and it is ordered once more.
        Judgement::Failed(_) if was_not_taken(seen) && (row.consented || !row.private) => {
            row.reach(Step::Changing, now);
            entry.next_step_time = None;
        }
        Judgement::Failed(error) => return watch_failed(entry, index, seen, &error, now),
    }
    None
}

fn watch_failed(
    entry: &mut MigrationEntry,
    index: usize,
    seen: &AzureEntry,
    error: &str,
    now: DateTime<Utc>,
) -> Option<String> {
    let row = &mut entry.rows[index];
    row.end(Step::Failed, error, now);
    // One that is as it was is planned anew by a resume.
    row.taken &= may_be_by_role(seen);
    entry.next_step_time = None;
    let project = row.project.clone();
    failed(entry, &project, now)
}

fn was_not_taken(seen: &AzureEntry) -> bool {
    let not_taken = EncryptionError::NotTaken.to_string();
    seen.state == ProjectState::Failed && seen.last_error == Some(not_taken)
}

fn is_late(row: &Row, now: DateTime<Utc>, patience: Duration) -> bool {
    row.since.is_some_and(|since| now - since > delta(patience))
}

fn may_be_by_role(entry: &AzureEntry) -> bool {
    let seen = entry.seen.as_ref();
    project::is_under_way(entry) || seen.is_none_or(|seen| seen.mode == Mode::Role)
}

/// The row that is watched; [`None`]: somebody has it changed back meanwhile.
fn watched(entry: &MigrationEntry, project: &ProjectId) -> Option<usize> {
    let is_it = |row: &Row| row.project == *project && row.step == Step::Watching;
    entry.rows.iter().position(is_it)
}

/// How long Atlas may take to show that a change is valid.
fn patience(entry: &MigrationEntry, seen: &AzureEntry) -> Duration {
    // The watch of a private project is longer than a short `observe`.
    let watched = entry.order.observe.max(seen.watched_for(seen.is_private()));
    watched + settle(seen) + 3 * entry.order.interval + MARGIN
}

/// How long a first `valid: false` may only mean "not tried yet", as far as a migration waits for that.
pub(super) fn settle(seen: &AzureEntry) -> Duration {
    seen.settle.min(LONGEST_SETTLE)
}

/// What a look means.
enum Judgement {
    Wait,
    Valid,
    Failed(String),
}

fn judge(seen: &AzureEntry, row: &Row, now: DateTime<Utc>, patience: Duration) -> Judgement {
    let under_way = project::is_under_way(seen);
    let is_changed = matches!(seen.state, ProjectState::Observing | ProjectState::Applied);
    if !under_way && !is_changed {
        return Judgement::Failed(format!(
            "the project is {} again: {}",
            seen.state.name(),
            seen.last_error.as_deref().unwrap_or("somebody changed it")
        ));
    }
    if is_changed {
        if let Some(drift) = seen.drift.first() {
            return Judgement::Failed(format!("somebody else changed it: {drift}"));
        }
        if is_valid(seen) {
            return Judgement::Valid;
        }
        // A private project that can go back does so by the look itself.
        let goes_back = watch::has_way_back(seen, now) && unseen::leads_back(seen, now);
        let stays = !(row.private && goes_back);
        if seen.invalid_since.is_some() && stays {
            return Judgement::Failed("Atlas cannot use the key by the role".to_owned());
        }
    }
    if is_late(row, now, patience) {
        return Judgement::Failed("Atlas did not show in time that the key is valid".to_owned());
    }
    Judgement::Wait
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::base::Sensitive;
    use crate::engine::encryption_at_rest::entry::{Before, HeldSecret, Seen};
    use crate::engine::origin::BoundTo;

    /// A role that turned bad, with a secret in keeping that nobody saw to work.
    #[test]
    fn a_project_that_does_not_go_back_by_itself_is_not_waited_for() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let key = crate::atlas::VaultKey {
            environment: "AZURE".to_owned(),
            subscription_id: String::new(),
            resource_group: String::new(),
            vault: String::new(),
            key_identifier: String::new(),
            require_private_networking: Some(true),
        };
        let client_id = "33333333-3333-4333-8333-333333333333".parse();
        let mut seen = AzureEntry::new(BoundTo::default());
        seen.state = ProjectState::Observing;
        seen.never_worked = true;
        seen.invalid_since = Some(now);
        seen.seen = Some(Seen {
            mode: Mode::Role,
            valid: Some(false),
            static_left: true,
            other_application: false,
            at: now,
        });
        seen.before = Some(Before {
            mode: Mode::Static,
            key: key.clone(),
            tenant_id: None,
            client_id: None,
            valid: Some(true),
        });
        seen.key = Some(key);
        seen.held = Some(HeldSecret {
            client_id: client_id.expect("an id"),
            client_secret: Sensitive::new("s".to_owned()),
            tenant_id: None,
            expires_at: None,
            proved: false,
            in_force: false,
            since: None,
        });
        let mut row = Row::new("000000000000000000000001".parse().expect("an id"));
        row.private = true;
        row.reach(Step::Watching, now);
        let mut is_waited_for = |unproved| {
            seen.unproved = unproved;
            let judgement = judge(&seen, &row, now, Duration::from_hours(1));
            matches!(judgement, Judgement::Wait)
        };
        assert!(is_waited_for(true), "it goes back by itself");
        assert!(
            !is_waited_for(false),
            "it stays on a role that others prove"
        );
    }
}

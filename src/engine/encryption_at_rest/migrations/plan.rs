//! The plan: how each project stands. Asks Atlas, and changes nothing there.

use std::cmp::Reverse;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use tokio::sync::OnceCell;

use super::super::entry::{AzureEntry, State as ProjectState};
use super::super::paths::load;
use super::super::plan::{Standing, Unreached};
use super::super::private::Proofs;
use super::entry::{MigrationEntry, Order, State, Then};
use super::project::{Trouble, trouble};
use super::row::{Row, Step, Verdict, shortened};
use super::store::update;
use super::task::Next;
use crate::atlas::{
    Atlas, AtlasError, AzureKeyVault, Priority, ProjectId, RequestBudget, VaultKey,
};
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::vault::failure::chain;

/// Projects that are asked for at the same time, and noted together.
const AT_ONCE: usize = 8;
const PATIENCE: Duration = Duration::from_secs(45);
/// So often in a row may Atlas give no answer.
const MOST_TRIES: u32 = 3;
/// Where it gives none, or limits requests.
const PAUSE: TimeDelta = TimeDelta::seconds(10);

/// What was found of a project.
struct Finding {
    project: ProjectId,
    verdict: Verdict,
    error: Option<String>,
    key: Option<VaultKey>,
    way_back: bool,
}

/// What came of a question.
enum Asked {
    Found(Finding),
    /// Atlas limits requests.
    Limited,
    /// There was no answer, or none of Atlas's; what is noted if that stays so.
    Unclear(Finding),
}

/// Has a migration planned anew, by the name `plan_id`; what it may have changed stays as it is.
pub(super) fn begin(entry: &mut MigrationEntry, plan_id: String, then: Then, now: DateTime<Utc>) {
    entry.plan_id = plan_id;
    for row in &mut entry.rows {
        // The words of the order that began it were for that one.
        row.consented = false;
        if row.is_in_doubt() || row.step == Step::Leaving {
            // It is on its role, and may work by now.
            row.reach(Step::Watching, now);
            row.looks = 0;
        } else if row.step != Step::Changing && !row.may_be_changed() {
            *row = Row::new(row.project.clone());
        }
    }
    entry.vaults.clear();
    entry.enter(State::Planning, now);
    entry.then = then;
}

/// Asks for some of the projects, or ends the plan.
pub(super) async fn step(
    engine: &Engine,
    name: &str,
    entry: &MigrationEntry,
) -> Result<Next, EngineError> {
    let unknown = entry.rows.iter().filter(|row| row.verdict.is_none());
    let some: Vec<&Row> = unknown.take(AT_ONCE).collect();
    if some.is_empty() {
        update(engine, name, |entry| end(entry, engine.clock.now())).await?;
        return Ok(Next::Again);
    }
    let linked = match engine.connection.linked_to(&entry.origin).await {
        Ok(linked) => linked,
        Err(error) if trouble(&error) == Trouble::Interrupted => return Err(error),
        Err(error) => {
            let reason = chain(&error);
            update(engine, name, |entry| {
                give_up(entry, &reason, engine.clock.now());
            })
            .await?;
            return Ok(Next::Again);
        }
    };
    let may_try_again = entry.tries < MOST_TRIES;
    let known = Known {
        engine,
        order: &entry.order,
        proofs: OnceCell::new(),
    };
    let asked = some.into_iter().map(|row| ask(&known, &linked.atlas, row));
    let (mut findings, mut waits, mut tries) = (Vec::new(), false, 0);
    for found in join_all(asked).await {
        match found? {
            Asked::Limited => waits = true,
            Asked::Unclear(_) if may_try_again => (waits, tries) = (true, entry.tries + 1),
            Asked::Found(finding) | Asked::Unclear(finding) => findings.push(finding),
        }
    }
    let now = engine.clock.now();
    update(engine, name, |entry| {
        if entry.state != State::Planning {
            return;
        }
        entry.next_step_time = waits.then(|| now + PAUSE);
        entry.tries = tries;
        for finding in findings {
            note(entry, finding);
        }
    })
    .await?;
    Ok(Next::Again)
}

fn note(entry: &mut MigrationEntry, finding: Finding) {
    let private = |key: &VaultKey| key.require_private_networking == Some(true);
    let is_private = finding.key.as_ref().is_some_and(private);
    let Some(row) = entry.row_mut(&finding.project) else {
        return;
    };
    row.private = is_private;
    row.way_back = finding.way_back;
    row.verdict = Some(finding.verdict);
    row.error = finding.error;
    if let Some(key) = finding.key.filter(|_| row.is_candidate()) {
        entry.note_vault(key);
    }
}

fn give_up(entry: &mut MigrationEntry, reason: &str, now: DateTime<Utc>) {
    if entry.state == State::Planning {
        entry.enter(State::Planned, now);
        entry.reason = Some(shortened(reason));
    }
}

/// All is known: who is in, who goes first, and whether it goes on.
fn end(entry: &mut MigrationEntry, now: DateTime<Utc>) {
    if entry.state != State::Planning {
        return;
    }
    if entry.order.all_static {
        let is_static = |row: &Row| {
            let other = [Verdict::NotEnabled, Verdict::AlreadyOnRole];
            row.may_be_changed() || !row.verdict.as_ref().is_some_and(|it| other.contains(it))
        };
        entry.rows.retain(is_static);
    }
    for row in &mut entry.rows {
        if !row.may_be_changed() && !row.is_candidate() {
            row.step = Step::Skipped;
        }
    }
    // Those that were changed stay in the order in which that was done.
    let canary = entry.order.canary.clone();
    entry.rows.sort_by_key(|row| {
        (
            Reverse(row.may_be_changed()),
            Reverse(canary.as_ref() == Some(&row.project)),
            Reverse(row.is_candidate()),
            row.private,
        )
    });
    let refused = choose_canary(entry);
    let then = std::mem::take(&mut entry.then);
    match (then, refused) {
        (_, Some(reason)) => {
            entry.enter(State::Planned, now);
            entry.reason = Some(reason);
        }
        (Then::Run, None) => {
            entry.enter(State::Running, now);
            entry.started_at.get_or_insert(now);
        }
        (Then::Rest | Then::RollBack, None) => entry.enter(State::Planned, now),
    }
}

/// The one that goes first. A project that was changed before stays it; why there is none that was asked
/// for is the answer.
fn choose_canary(entry: &mut MigrationEntry) -> Option<String> {
    let is_changed = |row: &Row| row.may_be_changed();
    if entry.rows.iter().any(is_changed) {
        return None;
    }
    let Some(wanted) = &entry.order.canary else {
        let mut rows = entry.rows.iter().filter(|row| row.is_candidate());
        let first = rows.clone().find(|row| may_go_first(row));
        let first = first.or_else(|| rows.next());
        entry.canary = first.map(|row| row.project.clone());
        return None;
    };
    let row = entry.rows.iter().find(|row| row.project == *wanted);
    if row.is_some_and(may_go_first) {
        entry.canary = Some(wanted.clone());
        return None;
    }
    let verdict = row.and_then(|row| row.verdict.as_ref());
    let verdict = verdict.map_or_else(|| "not among the projects".to_owned(), ToString::to_string);
    Some(format!("canary: project {wanted} is {verdict}"))
}

/// Not one that needs to be proved by others.
fn may_go_first(row: &Row) -> bool {
    row.is_candidate() && row.verdict != Some(Verdict::NeedsConsent)
}

/// What the questions of one step have in common.
struct Known<'a> {
    engine: &'a Engine,
    order: &'a Order,
    /// Read once, where a private project needs them.
    proofs: OnceCell<Proofs>,
}

/// How a project stands.
async fn ask(known: &Known<'_>, atlas: &Atlas, row: &Row) -> Result<Asked, EngineError> {
    let project = &row.project;
    let stored = match load(known.engine, project).await {
        Ok(stored) => stored,
        // Nothing is known of it, which does not keep the others from their plan.
        Err(error @ EngineError::Unreadable { .. }) => {
            return Ok(Asked::Found(Finding {
                project: project.clone(),
                verdict: Verdict::Unknown,
                error: Some(shortened(&chain(&error))),
                key: None,
                way_back: false,
            }));
        }
        Err(error) => return Err(error),
    };
    let budget = RequestBudget::within(PATIENCE, Priority::Rotate);
    let way_back = stored.as_ref().is_some_and(|entry| entry.held.is_some());
    let finding = |verdict, error: Option<String>, key| Finding {
        project: project.clone(),
        verdict,
        error,
        key,
        way_back,
    };
    let asked = match Standing::ask(atlas, project, budget).await {
        Ok(standing) => match owner(atlas, project, &standing, budget).await {
            Ok(()) => Ok(standing),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    let standing = match asked {
        Ok(standing) => standing,
        Err(error) => {
            let told = Some(shortened(&chain(&error)));
            return match trouble(&error) {
                Trouble::Interrupted => Err(error),
                Trouble::Limited => Ok(Asked::Limited),
                Trouble::Unclear => Ok(Asked::Unclear(finding(Verdict::Unknown, told, None))),
                _ if lacks_right(&error) => {
                    Ok(Asked::Found(finding(Verdict::NoPermission, told, None)))
                }
                _ => Ok(Asked::Found(finding(Verdict::Unknown, told, None))),
            };
        }
    };
    let verdict = judge(known, row, &standing, stored.as_ref()).await?;
    let key = standing.vault.map(|vault| vault.key);
    Ok(Asked::Found(finding(verdict, None, key)))
}

/// Whether the configured credential may change the project. Atlas shows private endpoints to Project
/// Owners alone, whether or not there are some.
async fn owner(
    atlas: &Atlas,
    project: &ProjectId,
    standing: &Standing,
    budget: RequestBudget,
) -> Result<(), EngineError> {
    let is_in_question =
        |vault: &AzureKeyVault| vault.role_id.is_none() && vault.valid != Some(false);
    if !standing.vault.as_ref().is_some_and(is_in_question) {
        return Ok(());
    }
    match atlas.azure_private_endpoints(project, budget).await {
        Err(error @ (AtlasError::Refused { .. } | AtlasError::RateLimited { .. })) => {
            Err(EngineError::atlas(
                &format!("reading private endpoints of project {project}"),
                error,
            ))
        }
        _ => Ok(()),
    }
}

fn lacks_right(error: &EngineError) -> bool {
    let EngineError::Atlas { source, .. } = error else {
        return false;
    };
    matches!(
        source,
        AtlasError::Refused {
            status: 401 | 403,
            ..
        }
    )
}

async fn judge(
    known: &Known<'_>,
    row: &Row,
    standing: &Standing,
    stored: Option<&AzureEntry>,
) -> Result<Verdict, EngineError> {
    let order = known.order;
    let Some(vault) = &standing.vault else {
        return Ok(Verdict::NotEnabled);
    };
    if vault.role_id.is_some() {
        return Ok(Verdict::AlreadyOnRole);
    }
    let principal = stored.and_then(|entry| entry.principal.as_ref());
    if principal.is_some_and(|known| *known != order.principal) {
        return Ok(Verdict::OtherPrincipal);
    }
    let is_under_way = |entry: &AzureEntry| {
        matches!(
            entry.state,
            ProjectState::Rotating | ProjectState::RollingBack
        )
    };
    if stored.is_some_and(is_under_way) {
        return Ok(Verdict::UnderWay);
    }
    let other = vault.tenant_id.clone();
    if let Some(other) = other.filter(|tenant| *tenant != order.principal.tenant) {
        return Ok(Verdict::OtherDirectory(other));
    }
    // Before the key: without its endpoints Atlas cannot try it.
    match standing.unreached().next() {
        Some(Unreached::NoEndpoint) => return Ok(Verdict::NoEndpoint),
        Some(Unreached::Down(endpoint)) => {
            return Ok(Verdict::EndpointNotActive(endpoint.region.clone()));
        }
        None => {}
    }
    if vault.valid == Some(false) {
        return Ok(Verdict::InvalidNow);
    }
    if !vault.is_private() {
        return Ok(Verdict::Ready);
    }
    let proofs = known.proofs.get_or_try_init(|| Proofs::read(known.engine));
    let proof = proofs.await?.of(&row.project, &vault.key, &order.principal);
    Ok(match proof {
        Some(other) => Verdict::ProvedBy(other.clone()),
        None if row.consented => Verdict::Ready,
        None => Verdict::NeedsConsent,
    })
}

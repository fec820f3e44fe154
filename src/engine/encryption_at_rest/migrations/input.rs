//! What a write asks for, checked as far as that goes without Atlas.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::entry::{Accepted, DEFAULT_OBSERVE};
use super::super::input::{LONGEST_OBSERVE, principal, principal_fields};
use super::entry::{MOST_PROJECTS, MigrationEntry, Order};
use crate::atlas::ProjectId;
use crate::engine::error::EncryptionError;
use crate::framework::{Faults, Field, Fields};

const DEFAULT_INTERVAL: Duration = Duration::from_mins(1);
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_hours(1);
const DEFAULT_FAILURES: u32 = 1;

/// What may be given with an order about what is there already.
const WITH_ORDERS: [&str; 2] = ["action", "dry_run"];
/// The consents, which the way back takes besides, with the plan that they are for.
const CONSENTS: [&str; 2] = ["accept_unvalidated", "accept_no_way_back"];
const PLAN_ID: &str = "plan_id";
/// So long is a plan's name.
pub(super) const PLAN_ID_LENGTH: usize = 10;

/// What a person has a migration do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Plan, and change nothing.
    Plan,
    Start,
    Pause,
    Resume,
    RollBack,
}

const ACTIONS: &[&str] = &["start", "pause", "resume", "rollback"];

/// The fields of a migration.
pub(super) fn fields() -> Vec<Field> {
    let [tenant_id, service_principal_id, atlas_azure_app_id] = principal_fields();
    vec![
        name(),
        Field::comma_texts("project_ids").about("Projects to be changed over, at most 1000."),
        Field::boolean("all_static")
            .about(
                "Instead of project_ids: all projects that the credential sees and that sign in \
                 with static credentials.",
            )
            .default(false),
        tenant_id,
        service_principal_id,
        atlas_azure_app_id,
        Field::boolean("dry_run")
            .about("Ask Atlas how the projects stand, and change nothing.")
            .default(true),
        Field::text("canary").about(
            "Project that is changed first, and watched to the end before any other. The first \
             one that can be changed, if not given.",
        ),
        Field::seconds("observe")
            .about("How long the canary, and each private project, is watched.")
            .default(DEFAULT_OBSERVE.as_secs()),
        Field::seconds("interval")
            .about("How long between two looks at a project.")
            .default(DEFAULT_INTERVAL.as_secs()),
        Field::int("max_failures")
            .about("So many failed projects stop the migration.")
            .default(DEFAULT_FAILURES),
        Field::boolean("accept_unvalidated")
            .about(
                "With start or resume: change the private projects that the plan showed, also where \
                 no other project proves them; with accept_no_way_back and plan_id. Atlas validates \
                 them only after the change. Of this order alone.",
            )
            .default(false),
        Field::boolean("accept_no_way_back")
            .about("With accept_unvalidated: although Atlas may refuse the way back.")
            .default(false),
        Field::text(PLAN_ID).about(
            "The plan that the order is about, as a read shows it: an order for another one is \
             refused. Needed with accept_unvalidated and accept_no_way_back.",
        ),
        Field::boolean("keep_static").about(
            "Keep the projects' static secrets after the role has proved itself. What stands in \
             each project's entry, if not given.",
        ),
        Field::text("action")
            .about("start, pause, resume or rollback.")
            .one_of(ACTIONS),
    ]
}

pub(super) fn name() -> Field {
    Field::lowercase("name")
        .refuse_upper_case()
        .about("Name of the migration, in lower case.")
}

/// What is to be done.
pub(super) fn action(fields: &Fields, faults: &mut Faults) -> Action {
    let dry_run = fields.boolean("dry_run");
    let action = match fields.text("action").map(str::trim) {
        None if dry_run == Some(false) => Action::Start,
        None => Action::Plan,
        Some("start") => Action::Start,
        Some("pause") => Action::Pause,
        Some("resume") => Action::Resume,
        Some("rollback") => Action::RollBack,
        Some(_) => {
            faults.add("action", "must be start, pause, resume or rollback");
            Action::Plan
        }
    };
    // A policy that allows one action cannot refuse a write without any field.
    if fields.patch().is_empty() {
        faults.add(
            "action",
            "is missing: give an action, or dry_run=true to have the projects planned anew",
        );
    }
    if dry_run == Some(true) && action != Action::Plan {
        faults.add("dry_run", "goes without action, which changes something");
    }
    action
}

/// Names what would be without effect.
pub(super) fn for_pause(given: &Fields, faults: &mut Faults) {
    nothing_but(given, &WITH_ORDERS, "goes without action=pause", faults);
}

/// What an order accepts, and for which plan.
pub(super) struct Words {
    accepted: Accepted,
    plan_id: Option<String>,
}

impl Words {
    /// A consent is one of the write that gives it, and for the projects that its sender saw.
    fn read(given: &Fields, faults: &mut Faults) -> Self {
        let [unvalidated, no_way_back] = CONSENTS.map(|name| given.boolean(name) == Some(true));
        let plan_id = given.text(PLAN_ID).map(str::trim).map(str::to_owned);
        let plan_id = plan_id.filter(|id| !id.is_empty());
        if (unvalidated || no_way_back) && plan_id.is_none() {
            faults.add(
                PLAN_ID,
                "is missing: what is accepted is for the projects of one plan, which a read of the \
                 migration shows with its plan_id",
            );
        }
        Self {
            accepted: Accepted {
                unvalidated,
                no_way_back,
            },
            plan_id,
        }
    }

    /// What is accepted for this migration, unless somebody has it planned anew by now.
    pub(super) fn accepted_for(&self, entry: &MigrationEntry) -> Result<Accepted, EncryptionError> {
        match &self.plan_id {
            Some(id) if *id != entry.plan_id => Err(EncryptionError::OtherPlan),
            _ => Ok(self.accepted),
        }
    }
}

/// The consents to a way back, which are no others than those given with it; what would be without
/// effect is named.
pub(super) fn for_way_back(given: &Fields, faults: &mut Faults) -> Words {
    let taken = [&WITH_ORDERS[..], &CONSENTS, &[PLAN_ID]].concat();
    nothing_but(given, &taken, "changes nothing about the way back", faults);
    Words::read(given, faults)
}

/// The consents to the way over. They are for what a plan has shown, so that they go with an order that
/// follows one.
pub(super) fn for_way_over(given: &Fields, is_shown: bool, faults: &mut Faults) -> Words {
    if given.text(PLAN_ID).is_some() && !is_shown {
        faults.add(PLAN_ID, "goes with an order about a plan that is there");
    }
    for name in CONSENTS {
        if given.boolean(name) == Some(true) && !is_shown {
            faults.add(
                name,
                "is for the private projects that a plan has shown: plan first, then give it with \
                 action=start or action=resume",
            );
        }
    }
    Words::read(given, faults)
}

fn nothing_but(given: &Fields, taken: &[&str], why: &str, faults: &mut Faults) {
    let body = given.patch();
    for field in fields() {
        if body.contains_key(field.name) && !taken.contains(&field.name) {
            faults.add(field.name, why);
        }
    }
}

/// The projects of a write; [`None`]: it names none.
pub(super) fn projects(fields: &Fields, faults: &mut Faults) -> Option<Vec<ProjectId>> {
    let texts = fields.list("project_ids")?;
    if texts.len() > MOST_PROJECTS {
        let told = format!("at most {MOST_PROJECTS} projects: make several migrations");
        faults.add("project_ids", told);
        return None;
    }
    if texts.is_empty() {
        faults.add("project_ids", "must name a project");
    }
    let (mut seen, mut projects) = (BTreeSet::new(), Vec::new());
    for (index, text) in texts.iter().enumerate() {
        match text.parse::<ProjectId>() {
            Ok(project) if seen.insert(project.clone()) => projects.push(project),
            Ok(_) => {}
            Err(error) => faults.add("project_ids", format!("element {}: {error}", index + 1)),
        }
    }
    Some(projects)
}

/// What is asked for, on top of what is stored, with nothing accepted. [`None`]: something is wrong.
pub(super) fn order(
    fields: &Fields,
    stored: Option<&MigrationEntry>,
    faults: &mut Faults,
) -> Option<Order> {
    let before = stored.map(|entry| &entry.order);
    let given = principal(fields, before.map(|order| &order.principal), faults);
    if given.is_none() && before.is_none() {
        for field in ["tenant_id", "service_principal_id"] {
            faults.add(field, "is missing: give tenant_id and service_principal_id");
        }
    }
    let all_static = fields.boolean("all_static");
    let all_static = all_static.unwrap_or_else(|| before.is_some_and(|order| order.all_static));
    if all_static && fields.list("project_ids").is_some() {
        faults.add("all_static", "goes without project_ids");
    } else if stored.is_none() && !all_static && fields.list("project_ids").is_none() {
        faults.add(
            "project_ids",
            "is missing: give project_ids or all_static=true",
        );
    }
    Some(Order {
        all_static,
        canary: canary(fields, before, faults),
        observe: observe(fields, before, faults),
        interval: interval(fields, before, faults),
        max_failures: max_failures(fields, before, faults),
        accept_unvalidated: false,
        accept_no_way_back: false,
        accepted_at: None,
        keep_static: fields
            .boolean("keep_static")
            .or_else(|| before.and_then(|order| order.keep_static)),
        principal: given.or_else(|| before.map(|order| order.principal.clone()))?,
    })
}

/// Whether a write says which projects it is about. `start` and `resume` take those that were planned.
pub(super) fn takes_projects(fields: &Fields, action: Action, all_static: bool) -> bool {
    let is_named = fields.list("project_ids").is_some() || fields.boolean("all_static").is_some();
    is_named || (all_static && action == Action::Plan)
}

fn canary(fields: &Fields, before: Option<&Order>, faults: &mut Faults) -> Option<ProjectId> {
    let Some(text) = fields.text("canary") else {
        return before.and_then(|order| order.canary.clone());
    };
    if text.trim().is_empty() {
        return None;
    }
    let id = text.trim().parse();
    id.map_err(|error| faults.add("canary", format!("{error}")))
        .ok()
}

fn observe(fields: &Fields, before: Option<&Order>, faults: &mut Faults) -> Duration {
    let given = fields.duration("observe");
    if given.is_some_and(|observe| observe > LONGEST_OBSERVE) {
        faults.add("observe", "must be at most 24 hours");
    }
    given.unwrap_or_else(|| before.map_or(DEFAULT_OBSERVE, |order| order.observe))
}

fn interval(fields: &Fields, before: Option<&Order>, faults: &mut Faults) -> Duration {
    let given = fields.duration("interval");
    let fits = SHORTEST_INTERVAL..=LONGEST_INTERVAL;
    if given.is_some_and(|interval| !fits.contains(&interval)) {
        faults.add("interval", "must be from a second to an hour");
    }
    given.unwrap_or_else(|| before.map_or(DEFAULT_INTERVAL, |order| order.interval))
}

fn max_failures(fields: &Fields, before: Option<&Order>, faults: &mut Faults) -> u32 {
    let stored = before.map_or(DEFAULT_FAILURES, |order| order.max_failures);
    let Some(given) = fields.int("max_failures") else {
        return stored;
    };
    match u32::try_from(given) {
        Ok(given) if given > 0 => given,
        _ => {
            faults.add("max_failures", "must be at least 1");
            stored
        }
    }
}

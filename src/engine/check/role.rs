//! Whether a role would work with the configured credential.

use std::time::Duration;

use crate::atlas::{Hours, Level, OrgId, ProjectId};
use crate::base::Short;
use crate::engine::credentials::{
    CheckContext, CredentialKind, Grant, LeaseTtl, MountTimes, Report, cut_warning, kind_of,
};
use crate::engine::entries::RoleEntry;
use crate::engine::error::EngineError;
use crate::engine::roles::warnings;

/// Adds what stands against the role.
pub(super) async fn check_role(
    context: &CheckContext<'_>,
    role: &RoleEntry,
    report: &mut Report,
) -> Result<(), EngineError> {
    let grant = match Grant::of_stored(role) {
        Ok(grant) => grant,
        Err(faults) => {
            report.problem(format!("the role cannot be used: {faults}"));
            return Ok(());
        }
    };
    check_organization(context, &grant, report);
    let kind = kind_of(role);
    check_rights(context, kind, &grant, report);
    let projects = grant.project.iter();
    let further = grant.assignments.iter().map(|(project, _)| project);
    let mut projects: Vec<&ProjectId> = projects.chain(further).collect();
    projects.sort_unstable();
    projects.dedup();
    for project in projects {
        check_project(context, project, report).await?;
    }
    let times = MountTimes::of(&*context.engine.system).await?;
    let life = kind.bounded(LeaseTtl::of(role, times), Duration::ZERO);
    check_lifetime(context, kind, life, report);
    check_lease(kind, role, times, life, report);
    for warning in warnings(role) {
        report.warning(warning);
    }
    kind.check(context, &grant, report).await
}

fn check_organization(context: &CheckContext<'_>, grant: &Grant, report: &mut Report) {
    if let (Level::Org(org), Some(own)) = (&grant.level, &context.identity.organization_id)
        && org != own
    {
        report.problem(format!(
            "the role's organization {org} is not the credential's, {own}: correct \
             organization_id of the role, or configure a credential of that organization"
        ));
    }
}

/// What is made is deleted at the organization, wherever it was made; only the secrets of an existing account
/// are managed where that is, and what belongs to a project there.
fn check_rights(
    context: &CheckContext<'_>,
    kind: &dyn CredentialKind,
    grant: &Grant,
    report: &mut Report,
) {
    if context.identity.is_owner() != Some(false) {
        return;
    }
    match &grant.level {
        _ if kind.ends_in_organization() => report.problem(
            "the credential is not an Organization Owner: it could not delete what it makes for \
             this role; give it the Atlas role Organization Owner (ORG_OWNER)",
        ),
        Level::Org(_) => report.problem(
            "the credential is not an Organization Owner: it cannot add secrets to an account of \
             the organization; give it that Atlas role (ORG_OWNER), or let the role name the \
             account's project",
        ),
        Level::Project(project) => check_rights_in(context, kind, project, report),
    }
}

/// Whether the credential has one of the Atlas roles that manage what the type makes in a project.
fn check_rights_in(
    context: &CheckContext<'_>,
    kind: &dyn CredentialKind,
    project: &ProjectId,
    report: &mut Report,
) {
    let managers = kind.project_managers();
    let names: Vec<&str> = managers.iter().map(|(name, _)| *name).collect();
    let names = names.join(" or ");
    let held = context.identity.project_roles.get(project);
    let is_manager = |role: &String| managers.iter().any(|(_, manager)| is_like(role, manager));
    match held.map(|roles| roles.iter().any(is_manager)) {
        Some(true) => {}
        // A service account that may not read itself does not tell its projects.
        None if context.identity.client_id.is_some() => report.warning(format!(
            "Atlas does not show whether the credential is a {names} of {project}, which it must be"
        )),
        Some(false) | None => {
            let constants: Vec<&str> = managers.iter().map(|(_, constant)| *constant).collect();
            let constants = constants.join(" or ");
            report.problem(format!(
                "the credential is not a {names} of {project}: give it that Atlas role ({constants})"
            ));
        }
    }
}

/// Whether an Atlas role is this one, or one of a longer name with all its words: how Atlas spells the roles
/// that are seldom met is not verified, and what works is no problem.
fn is_like(role: &str, constant: &str) -> bool {
    let mut words = constant.split('_');
    let is_told_apart = constant.split('_').count() > 2;
    role == constant || is_told_apart && words.all(|word| role.split('_').any(|each| each == word))
}

async fn check_project(
    context: &CheckContext<'_>,
    project: &ProjectId,
    report: &mut Report,
) -> Result<(), EngineError> {
    let found = context.linked.atlas.project(project, context.budget).await;
    if let Err(error) = &found
        && error.says_project_is_gone()
    {
        report.problem(format!("there is no project {project}: correct the role"));
        return Ok(());
    }
    let doing = format!("reading project {project}");
    let Some(found) = report.asked(&doing, found)? else {
        return Ok(());
    };
    let differs = |own: &&OrgId| **own != found.org_id;
    if let Some(own) = context.identity.organization_id.as_ref().filter(differs) {
        report.problem(format!(
            "project {project} belongs to organization {}, the credential to {own}",
            found.org_id
        ));
    }
    Ok(())
}

/// The secret must live as long as the longest lease. One that is kept for access tokens takes what
/// the organization allows.
fn check_lifetime(
    context: &CheckContext<'_>,
    kind: &dyn CredentialKind,
    life: LeaseTtl,
    report: &mut Report,
) {
    let Some(hours) = kind.secret_lifetime(life) else {
        return;
    };
    report.fact("secret_hours", hours.get());
    let longest = context
        .settings
        .as_ref()
        .map(|settings| settings.longest_secret.unwrap_or(Hours::LONGEST_SECRET));
    if let Some(longest) = longest.filter(|longest| *longest < hours) {
        report.problem(format!(
            "leases of the role may last {} h and the organization allows secrets of {} h: give \
             the role a max_ttl of {} h at most",
            hours.get(),
            longest.get(),
            longest.get()
        ));
    }
}

/// How long leases really last, and what remains of a credential whose lease is gone.
fn check_lease(
    kind: &dyn CredentialKind,
    role: &RoleEntry,
    times: MountTimes,
    life: LeaseTtl,
    report: &mut Report,
) {
    if let Some(warning) = life.warning() {
        report.warning(warning);
    } else if role.ttl.is_zero() {
        let default = times.default_ttl;
        if default > life.max_ttl {
            report.warning(cut_warning(default, life.max_ttl));
        }
    }
    if role.max_ttl.is_zero() && kind.outlives_lease() {
        report.warning(format!(
            "the role has no max_ttl: a credential may outlive a forced revocation of its lease by \
             up to {}, the mount's maximum lease TTL; give the role a max_ttl to shorten that",
            Short(life.max_ttl)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn a_role_is_known_by_all_its_words() {
        assert!(is_like("GROUP_MODEL_OWNER", "GROUP_MODEL_OWNER"));
        assert!(is_like("GROUP_AI_MODEL_API_KEY_OWNER", "GROUP_MODEL_OWNER"));
        for other in ["GROUP_OWNER", "GROUP_MODEL_READ_ONLY", "ORG_MODEL_OWNER"] {
            assert!(!is_like(other, "GROUP_MODEL_OWNER"), "{other}");
        }
        assert!(!is_like("GROUP_DATA_ACCESS_OWNER", "GROUP_OWNER"));
    }
}

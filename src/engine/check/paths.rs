//! `check` and `check/<role>`: would it work?

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::json;

use super::role::check_role;
use crate::atlas::{OrgId, OrganizationSettings, Priority, RequestBudget};
use crate::base::Rfc3339;
use crate::engine::connection::{ConfiguredClient, Identity, identify};
use crate::engine::credentials::{CheckContext, Report, roles_without_owner};
use crate::engine::entries::{ConfigEntry, UNVERIFIED};
use crate::engine::error::EngineError;
use crate::engine::names::RoleName;
use crate::engine::rotation_state::ExpiryStatus;
use crate::engine::waiters::Crowd;
use crate::engine::{Engine, OPERATION_PREFIX, encryption_at_rest, keys, stored};
use crate::framework::{Answer, Call, Display, Field, Path, PathOperation};
use crate::vault::{Operation, Response};

/// A configured secret that ends sooner than this, and that no rotation will replace before, is warned
/// of.
const ENDS_SOON: TimeDelta = TimeDelta::days(14);

/// The paths of checks.
pub(crate) fn paths() -> Vec<Path<Engine>> {
    vec![
        Path::new("check")
            .help(
                "Check the configured credential.",
                "Verifies the credential with Atlas, and what it may do, and names what is wrong with \
                 projects of encryption-at-rest, as it was last seen. Only reads are sent. The \
                 result is in ok, problems and warnings; an error means that Atlas did not answer.",
            )
            .display(Display::operation(
                OPERATION_PREFIX,
                "check",
                "configuration",
            ))
            .operation(Operation::Read, operation(Vec::new()))
            .forwarded(),
        Path::new("check/{name}")
            .help(
                "Check whether a role would work.",
                "As check, and whether the credential can create and delete what the role \
                 describes: its organization, projects, secret lifetime, access list and, with \
                 client_id, the account and its free slots. Only reads are sent, nothing is \
                 issued.",
            )
            .display(Display::operation(OPERATION_PREFIX, "check", "role"))
            .field(
                Field::lowercase("name")
                    .refuse_upper_case()
                    .about("Name of the role, in lower case."),
            )
            .operation(Operation::Read, operation(role_fields()))
            .forwarded(),
    ]
}

fn operation(more: Vec<Field>) -> PathOperation<Engine> {
    let mut fields = vec![
        Field::boolean("ok").about("Whether no problem was found."),
        Field::texts("problems").about("What does not work, and what to do."),
        Field::texts("warnings").about("What works but needs attention."),
        Field::text("credential_type").about("Kind of the configured credential."),
        Field::text("public_key").about("Public key, of an API key."),
        Field::text("client_id").about("Client id, of a service account."),
        Field::text("organization_id").about("The credential's organization."),
        Field::texts("organization_roles").about("Its Atlas roles there."),
        Field::map_of_lists("project_roles").about("Its Atlas roles in projects."),
        Field::boolean("organization_owner")
            .about("Whether it can also delete what it creates; absent if Atlas does not say."),
        Field::time("client_secret_expires_at").about("When the service account's secret expires."),
        Field::int("longest_secret_hours")
            .about("Longest lifetime of a service account's secret in the organization, in hours."),
        Field::boolean("access_list_required")
            .about("Whether the organization refuses credentials without an access list."),
    ];
    fields.extend(more);
    PathOperation::new(check)
        .summary("Ask Atlas whether it would work.")
        .answers(Answer::new(200, "What was found.", fields))
}

fn role_fields() -> Vec<Field> {
    vec![
        Field::text("role").about("The role that was checked."),
        Field::int("secret_hours")
            .about("Lifetime of the secrets that the role asks for, in hours."),
        Field::int("free_secrets")
            .about("With client_id: how many secrets the account has room for."),
        Field::int("database_users")
            .about("Of database users: how many the project has, people's included."),
    ]
}

async fn check(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let name = call.path.strip_prefix("check/").map(RoleName::new);
    let role = match &name {
        Some(name) => {
            let role = engine.role(name).await?;
            Some(role.ok_or_else(|| EngineError::NoSuchRole(name.to_string()))?)
        }
        None => None,
    };
    let config: Option<ConfigEntry> = stored::load(&*engine.storage, keys::CONFIG).await?;
    let config = config.ok_or(EngineError::NotConfigured)?;
    let linked = engine.connection.linked().await?;
    let _waiter = engine.waiters.enter(Crowd::Readers, [])?;
    let budget = RequestBudget {
        deadline: call.caller.deadline,
        priority: Priority::Background,
    };
    let mut report = Report::default();
    report.fact("credential_type", config.credential_type().name());
    let context = gather(&engine, &linked, &config, budget, &mut report).await?;
    if let (Some(context), Some(name), Some(role)) = (&context, &name, &role) {
        report.fact("role", name.to_string());
        check_role(context, role, &mut report).await?;
    }
    if name.is_none() {
        key_vaults(&engine, &mut report).await?;
    }
    Ok(Some(Response::data(report.into_data())))
}

/// What is wrong with the projects whose key vaults are looked after, as the periodic run last saw them.
async fn key_vaults(engine: &Engine, report: &mut Report) -> Result<(), EngineError> {
    let found = encryption_at_rest::findings(engine).await?;
    for text in found.problems {
        report.problem(text);
    }
    for text in found.warnings {
        report.warning(text);
    }
    Ok(())
}

/// The credential and its organization; [`None`] if Atlas does not even take the credential.
async fn gather<'a>(
    engine: &'a Engine,
    linked: &'a ConfiguredClient,
    config: &ConfigEntry,
    budget: RequestBudget,
    report: &mut Report,
) -> Result<Option<CheckContext<'a>>, EngineError> {
    let org = organization(linked, config, budget, report).await;
    let unverified = config.unverified && !linked.atlas.was_accepted();
    if unverified {
        report.warning(UNVERIFIED);
    }
    let org = org.map_err(|source| {
        if unverified {
            EngineError::StillUnverified(Box::new(source))
        } else {
            source
        }
    })?;
    let Some(org) = org else {
        return Ok(None);
    };
    let identity = identify(linked, org.as_ref(), budget).await;
    let doing = "asking Atlas who the configured credential is";
    let Some(identity) = report.asked(doing, identity)? else {
        return Ok(None);
    };
    report_identity(engine, &identity, config, report);
    let settings = settings(engine, linked, &identity, budget, report).await?;
    Ok(Some(CheckContext {
        engine,
        linked,
        identity,
        settings,
        budget,
    }))
}

/// The configured organization, or the only one the credential sees; the outer [`None`]: Atlas does
/// not take the credential.
async fn organization(
    linked: &ConfiguredClient,
    config: &ConfigEntry,
    budget: RequestBudget,
    report: &mut Report,
) -> Result<Option<Option<OrgId>>, EngineError> {
    let seen = linked.atlas.organizations(budget).await;
    let doing = "listing the organizations of the configured credential";
    let Some(seen) = report.asked(doing, seen)? else {
        return Ok(None);
    };
    let org = match (&config.organization_id, seen.as_slice()) {
        (Some(given), seen) => {
            if !seen.iter().any(|org| org.id == *given) {
                report.problem(format!(
                    "the credential does not see the configured organization {given}: correct \
                     organization_id of this mount's config"
                ));
            }
            Some(given.clone())
        }
        (None, [only]) => Some(only.id.clone()),
        (None, []) => {
            report.problem(
                "the credential has no access to any organization: write another one \
                            to config",
            );
            None
        }
        (None, _) => {
            report.problem(
                "the credential has access to more than one organization: write organization_id \
                 to config",
            );
            None
        }
    };
    Ok(Some(org))
}

fn report_identity(
    engine: &Engine,
    identity: &Identity,
    config: &ConfigEntry,
    report: &mut Report,
) {
    if let Some((_, public_key)) = &identity.api_key {
        report.fact("public_key", public_key.as_str());
    }
    if let Some(client_id) = &identity.client_id {
        report.fact("client_id", client_id.as_str());
    }
    if let Some(org) = &identity.organization_id {
        report.fact("organization_id", org.as_str());
    }
    if let Some(roles) = &identity.organization_roles {
        report.fact("organization_roles", json!(roles));
    }
    report.fact("project_roles", json!(identity.project_roles));
    match identity.is_owner() {
        Some(owner) => {
            report.fact("organization_owner", owner);
            if !owner {
                report.warning(format!(
                    "the credential is not an Organization Owner: it can delete no API key and no \
                     service account, so only {}, can work",
                    roles_without_owner()
                ));
            }
        }
        None => report.warning("Atlas does not show the roles of the credential"),
    }
    let told = identity.secret_expires_at(&config.client_secret);
    if let Some(end) = told.or(config.client_secret_expires_at) {
        report.fact("client_secret_expires_at", json!(Rfc3339(end)));
        let now = engine.clock.now();
        let expiry = ExpiryStatus {
            expires_at: Some(end),
            ..config.expiry()
        };
        if end - now < ENDS_SOON {
            let remedy = "write a new one to config";
            let warning = expiry.warning("the configured client_secret", remedy, now);
            if let Some(warning) = warning {
                report.warning(warning);
            }
        }
    }
}

async fn settings(
    engine: &Engine,
    linked: &ConfiguredClient,
    identity: &Identity,
    budget: RequestBudget,
    report: &mut Report,
) -> Result<Option<OrganizationSettings>, EngineError> {
    let Some(org) = &identity.organization_id else {
        return Ok(None);
    };
    let settings = engine.settings_of(&linked.atlas, org, budget).await;
    let doing = format!("reading the settings of organization {org}");
    let Some(settings) = report.asked(&doing, settings)? else {
        return Ok(None);
    };
    let longest = settings
        .longest_secret
        .unwrap_or(crate::atlas::Hours::LONGEST_SECRET);
    report.fact("longest_secret_hours", longest.get());
    report.fact("access_list_required", settings.api_access_list_required);
    Ok(Some(settings))
}

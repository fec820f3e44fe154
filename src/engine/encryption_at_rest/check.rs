//! `encryption-at-rest/azure/<project_id>/check`: how a project really stands. Asks Atlas, and changes
//! nothing anywhere.

use std::sync::Arc;

use serde_json::json;

use super::entry::AzureEntry;
use super::note::drift;
use super::plan::{self, mode_of};
use super::watch::reading;
use super::{census, expiry, paths};
use crate::atlas::{
    AzureKeyVault, AzureRegistration, EndpointStatus, Priority, PrivateEndpoint, ProjectId,
    RequestBudget, RoleId,
};
use crate::engine::connection::{ConfiguredClient, Identity, identify};
use crate::engine::credentials::Report;
use crate::engine::error::{EncryptionError, EngineError};
use crate::engine::waiters::Crowd;
use crate::engine::{Engine, OPERATION_PREFIX};
use crate::framework::{Answer, Call, Display, Field, Path, PathOperation};
use crate::vault::{Operation, Response};

/// The Atlas role that manages what belongs to a project.
const PROJECT_OWNER: &str = "GROUP_OWNER";

/// The path of the check.
pub(super) fn path() -> Path<Engine> {
    Path::new("encryption-at-rest/azure/{project_id}/check")
        .help(
            "Check how Atlas signs in to a project's Azure Key Vault.",
            "Asks Atlas how the project is set up, whether its key can be used, which registrations \
             and private endpoints there are, and whether the configured credential may change it. \
             Only reads are sent. The result is in ok, problems and warnings; an error means that \
             Atlas did not answer. The project need not be written before.",
        )
        .display(Display::operation(
            OPERATION_PREFIX,
            "check",
            "azure-key-vault",
        ))
        .field(super::input::project_id())
        .operation(
            Operation::Read,
            PathOperation::new(check)
                .summary("Ask Atlas how the project stands.")
                .answers(Answer::new(200, "What was found.", fields())),
        )
        .forwarded()
}

fn fields() -> Vec<Field> {
    vec![
        Field::boolean("ok").about("Whether no problem was found."),
        Field::texts("problems").about("What does not work, and what to do."),
        Field::texts("warnings").about("What works but needs attention."),
        Field::text("state").about("How far the entry is; empty if there is none."),
        Field::text("mode").about("How Atlas signs in to the key vault: role, static or none."),
        Field::boolean("valid")
            .about("Whether Atlas can use the key; absent if Atlas does not say."),
        Field::text("role_id").about("The registration with which Atlas signs in, if by one."),
        Field::text("role_owner").about(
            "Whose that is: entry (this entry's), project (another registration of this project), \
             unknown (none that Atlas lists in this project), or none.",
        ),
        Field::texts("feature_usages")
            .about("What uses the entry's registration, in Atlas's words."),
        Field::text("client_id").about("The application of the static credentials, if by such."),
        Field::text("key_identifier").about("The address of the key."),
        Field::boolean("require_private_networking")
            .about("Whether the key is reached through private endpoints alone."),
        plan::endpoints_field(),
        Field::texts("drift").about("In what Atlas differs from what it last took from here."),
        Field::boolean("project_owner").about(
            "Whether the configured credential may change the project's encryption; absent if Atlas \
             does not say.",
        ),
        Field::text("way_back").about("As in a read of the entry."),
    ]
}

async fn check(engine: Arc<Engine>, call: Call) -> Result<Option<Response>, EngineError> {
    let project = paths::project(&call)?;
    let entry = paths::load(&engine, &project).await?;
    let linked = match &entry {
        Some(entry) => engine.connection.linked_to(&entry.origin).await?,
        None => engine.connection.linked().await?,
    };
    let _waiter = engine.waiters.enter(Crowd::Readers, [])?;
    let budget = RequestBudget {
        deadline: call.caller.deadline,
        priority: Priority::Background,
    };
    let mut look = Look {
        linked: &linked,
        project: &project,
        entry: entry.as_ref(),
        budget,
        report: Report::default(),
    };
    look.rights().await?;
    look.key_vault().await?;
    let mut report = look.report;
    if let Some(entry) = &entry {
        stored(entry, engine.clock.now(), &mut report);
    } else {
        report.fact("state", "");
    }
    Ok(Some(Response::data(report.into_data())))
}

/// A look at one project.
struct Look<'a> {
    linked: &'a ConfiguredClient,
    project: &'a ProjectId,
    entry: Option<&'a AzureEntry>,
    budget: RequestBudget,
    report: Report,
}

impl Look<'_> {
    /// Whether the configured credential may change the project's encryption.
    async fn rights(&mut self) -> Result<(), EngineError> {
        let (linked, project) = (self.linked, self.project);
        let found = linked.atlas.project(project, self.budget).await;
        if let Err(error) = &found
            && error.says_project_is_gone()
        {
            self.report.problem(format!(
                "there is no project {project}, or the configured credential does not see it"
            ));
            return Ok(());
        }
        let doing = format!("reading project {project}");
        let Some(found) = self.report.asked(&doing, found)? else {
            return Ok(());
        };
        let own = linked.organization_id.as_ref();
        let identity = identify(linked, own, self.budget).await;
        let doing = "asking Atlas who the configured credential is";
        let Some(identity) = self.report.asked(doing, identity)? else {
            return Ok(());
        };
        let is_elsewhere = identity
            .organization_id
            .as_ref()
            .is_some_and(|own| *own != found.org_id);
        if is_elsewhere {
            self.report.problem(format!(
                "project {project} belongs to organization {}, and the configured credential to \
                 another: write a credential of its organization to config, or delete this entry",
                found.org_id
            ));
        }
        match owns(&identity, project, is_elsewhere) {
            Some(owns) => {
                self.report.fact("project_owner", owns);
                if !owns {
                    self.report.problem(format!(
                        "the configured credential needs the role Project Owner in project {project}"
                    ));
                }
            }
            None => self.report.warning(format!(
                "Atlas does not show whether the configured credential is a Project Owner of \
                 {project}, which it must be"
            )),
        }
        Ok(())
    }

    async fn key_vault(&mut self) -> Result<(), EngineError> {
        let (atlas, project) = (&self.linked.atlas, self.project);
        let vault = atlas.azure_key_vault(project, self.budget).await;
        let Some(vault) = self.report.asked(&reading(project), vault)? else {
            return Ok(());
        };
        self.report.fact("mode", mode_of(vault.as_ref()).name());
        let listed = atlas.azure_registrations(project, self.budget).await;
        let doing = format!("listing the registrations of project {project}");
        let listed = self.report.asked(&doing, listed)?;
        if let Some(listed) = &listed {
            self.registrations(listed, vault.as_ref());
        }
        let Some(vault) = vault else {
            self.off();
            return Ok(());
        };
        self.key(&vault);
        if vault.is_private() {
            let endpoints = atlas.azure_private_endpoints(project, self.budget).await;
            let doing = format!("listing the private endpoints of project {project}");
            if let Some(endpoints) = self.report.asked(&doing, endpoints)? {
                self.endpoints(&endpoints);
            }
        }
        Ok(())
    }

    /// No key of Azure's is set. That is as it should be where none was set from here.
    fn off(&mut self) {
        let drift = self
            .entry
            .map(|entry| drift(entry, None))
            .unwrap_or_default();
        self.report.fact("drift", json!(drift));
        if drift.is_empty() {
            self.report.warning(EncryptionError::Off.to_string());
        }
        for text in drift {
            self.report.problem(text);
        }
    }

    fn registrations(&mut self, listed: &[AzureRegistration], vault: Option<&AzureKeyVault>) {
        let own = self.entry.and_then(|entry| entry.role_id.as_ref());
        let used = vault.and_then(|vault| vault.role_id.as_ref());
        let find = |id: &RoleId| listed.iter().find(|known| known.id == *id);
        let owner = match used {
            None => "none",
            Some(used) if own == Some(used) => "entry",
            Some(used) if find(used).is_some() => "project",
            Some(_) => "unknown",
        };
        self.report.fact("role_owner", owner);
        if let Some(used) = used {
            self.report.fact("role_id", used.as_str());
        }
        let Some(own) = own else {
            return;
        };
        match find(own) {
            Some(known) => {
                let usages = known.feature_usages.iter().map(|usage| &usage.feature_type);
                self.report
                    .fact("feature_usages", json!(usages.collect::<Vec<_>>()));
            }
            None => self.report.problem(format!(
                "Atlas does not know this entry's role {own} any more: write tenant_id and \
                 service_principal_id again"
            )),
        }
    }

    fn key(&mut self, vault: &AzureKeyVault) {
        let report = &mut self.report;
        if let Some(valid) = vault.valid {
            report.fact("valid", valid);
            if !valid {
                report.problem(
                    "Atlas cannot use the key, and stops the project's clusters at its next check, \
                     within 15 minutes: see the grants and the key in Azure",
                );
            }
        }
        if let Some(client_id) = &vault.client_id {
            report.fact("client_id", json!(client_id));
        }
        report.fact("key_identifier", vault.key.key_identifier.as_str());
        report.fact("require_private_networking", vault.is_private());
        let drift = self.entry.map(|entry| drift(entry, Some(vault)));
        let drift = drift.unwrap_or_default();
        for text in &drift {
            report.warning(text.as_str());
        }
        report.fact("drift", json!(drift));
    }

    fn endpoints(&mut self, endpoints: &[PrivateEndpoint]) {
        let shown = endpoints.iter().map(
            |endpoint| json!({"region": endpoint.region, "status": endpoint.status.to_string()}),
        );
        let shown = shown.collect::<Vec<_>>();
        self.report.fact("private_endpoints", json!(shown));
        if endpoints.is_empty() {
            self.report.problem(EncryptionError::NoEndpoint.to_string());
        }
        for endpoint in endpoints {
            if endpoint.status != EndpointStatus::Active {
                self.report.problem(format!(
                    "private endpoint in {} is {}; approve it in Azure first",
                    endpoint.region, endpoint.status
                ));
            }
        }
    }
}

/// Whether the credential may change what belongs to the project; [`None`]: Atlas does not tell.
fn owns(identity: &Identity, project: &ProjectId, is_elsewhere: bool) -> Option<bool> {
    if identity.is_owner() == Some(true) && !is_elsewhere {
        return Some(true);
    }
    let roles = identity.project_roles.get(project);
    match roles.map(|roles| roles.iter().any(|role| role == PROJECT_OWNER)) {
        // A service account that may not read itself does not tell its projects.
        None if identity.client_id.is_some() || identity.organization_roles.is_none() => None,
        owns => Some(owns.unwrap_or(false)),
    }
}

/// What is known without Atlas.
fn stored(entry: &AzureEntry, now: chrono::DateTime<chrono::Utc>, report: &mut Report) {
    report.fact("state", entry.state.name());
    report.fact("way_back", entry.way_back());
    for text in expiry::warnings(entry, now) {
        if expiry::is_over(entry, now) {
            report.problem(text);
        } else {
            report.warning(text);
        }
    }
    if let Some(text) = census::last_failure(entry) {
        report.warning(text);
    }
}

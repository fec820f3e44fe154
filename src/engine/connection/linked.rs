//! The client of a configuration, and what is known of its credential and organization.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::listings::Listings;
use super::ownership::Ownership;
use crate::atlas::{
    Atlas, AtlasError, ClientId, Level, OrgId, ProjectId, Reachability, RequestBudget,
};
use crate::engine::error::EngineError;
use crate::engine::origin::{BoundTo, Origins};

/// Most projects whose organization is remembered; Atlas allows 250 in one organization.
const MAX_REMEMBERED_PROJECTS: usize = 1_000;

/// The organization in which something is managed.
pub(crate) struct Managing {
    pub(crate) org: OrgId,
    /// How well it is known to be that one.
    pub(crate) certainty: Certainty,
}

/// How well an organization is known to be the one that something was made in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// It is: what it does not know is gone.
    Same,
    /// Nobody ever noted which one it was.
    Unknown,
    /// It was another one, so that finding nothing here proves nothing.
    Another,
}

/// Under which configuration something was made, as far as that was noted.
#[derive(Clone, Copy)]
pub(crate) struct MadeUnder<'a> {
    pub(crate) bound: &'a BoundTo,
    pub(crate) organization: Option<&'a OrgId>,
}

/// A client and what is known of its credential.
pub(crate) struct ConfiguredClient {
    /// The client.
    pub(crate) atlas: Atlas,
    /// The organization of the credential, if the configuration knows it.
    pub(crate) organization_id: Option<OrgId>,
    /// The service account of the configuration; [`None`]: it holds an API key.
    pub(crate) client_id: Option<ClientId>,
    /// Whether the credential may delete what it makes.
    pub(crate) ownership: Ownership,
    /// Whether the configuration was not written since the origin of earlier entries was recorded.
    pub(crate) is_legacy: bool,
    /// What may go where.
    origins: Arc<Origins>,
    org_of_project: Mutex<HashMap<ProjectId, OrgId>>,
    /// Lists of what organizations have, shared by all who look through one at the same time.
    pub(crate) listings: Listings,
}

impl ConfiguredClient {
    pub(crate) fn new(atlas: Atlas, organization_id: Option<OrgId>, origins: Arc<Origins>) -> Self {
        Self {
            atlas,
            organization_id,
            client_id: None,
            ownership: Ownership::default(),
            is_legacy: false,
            origins,
            org_of_project: Mutex::default(),
            listings: Listings::default(),
        }
    }

    /// The same, telling there what becomes of its calls.
    pub(super) fn reporting_to(self, reachability: Arc<Reachability>) -> Self {
        Self {
            atlas: self.atlas.reporting_to(reachability),
            ..self
        }
    }

    /// Goes by what is recorded now.
    pub(crate) fn learn_origins(&mut self, origins: Arc<Origins>) {
        self.origins = origins;
    }

    /// Whether what is stored may be sent, and looked for, where this client sends everything.
    pub(crate) fn serves(&self, bound: &BoundTo) -> bool {
        self.origins.admits(bound, self.atlas.origin())
    }

    /// Why it may not.
    pub(crate) fn admit(&self, bound: &BoundTo) -> Result<(), EngineError> {
        self.origins.admit(bound, self.atlas.origin())
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<ProjectId, OrgId>> {
        self.org_of_project
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The organization in which something made at `level` is managed: asked of Atlas once for each
    /// project, since a configuration may have changed to another organization meanwhile.
    pub(crate) async fn organization_of(
        &self,
        level: &Level,
        budget: RequestBudget,
    ) -> Result<OrgId, AtlasError> {
        let project = match level {
            Level::Org(org) => return Ok(org.clone()),
            Level::Project(project) => project,
        };
        if let Some(org) = self.remembered().get(project) {
            return Ok(org.clone());
        }
        let org = self.atlas.project(project, budget).await?.org_id;
        let mut remembered = self.remembered();
        if remembered.len() < MAX_REMEMBERED_PROJECTS {
            remembered.insert(project.clone(), org.clone());
        }
        Ok(org)
    }

    /// The organization in which a credential is managed that was made in `project`, or nobody
    /// knows where. A project may be gone while what was made in it is not: that belongs to the
    /// organization. Then it is the credential's own, which may be another by now: `made` says whether
    /// it is proof where that organization does not know it.
    pub(crate) async fn managing_organization(
        &self,
        project: Option<&ProjectId>,
        made: MadeUnder<'_>,
        budget: RequestBudget,
    ) -> Result<Managing, EngineError> {
        if let Some(project) = project {
            let level = Level::Project(project.clone());
            match self.organization_of(&level, budget).await {
                Err(error) if error.says_project_is_gone() => {}
                outcome => {
                    let doing = format!("looking up the organization of project {project}");
                    let org = outcome.map_err(|error| EngineError::atlas(&doing, error))?;
                    let certainty = Certainty::Same;
                    return Ok(Managing { org, certainty });
                }
            }
        }
        let org = self.own_organization(budget).await?;
        let certainty = self.certainty(&org, made);
        Ok(Managing { org, certainty })
    }

    /// Whether something was made under a configuration of this organization.
    fn certainty(&self, org: &OrgId, made: MadeUnder<'_>) -> Certainty {
        let legacy = self.origins.legacy_organization_id.as_ref();
        let known = made
            .organization
            .or(legacy.filter(|_| made.bound.is_legacy()));
        match known {
            Some(known) if known == org => Certainty::Same,
            Some(_) => Certainty::Another,
            // Of a configuration that was never written since, it is the present one's.
            None if self.is_legacy => Certainty::Same,
            None => Certainty::Unknown,
        }
    }

    /// The organization of the credential itself. A configuration that the Go engine wrote does not
    /// name it; then Atlas is asked.
    pub(crate) async fn own_organization(
        &self,
        budget: RequestBudget,
    ) -> Result<OrgId, EngineError> {
        if let Some(org) = &self.organization_id {
            return Ok(org.clone());
        }
        let seen = self.seen_organizations(budget).await?;
        match seen.as_slice() {
            [only] => Ok(only.clone()),
            _ => Err(EngineError::OrganizationUnknown),
        }
    }

    /// The organizations that the credential is of, as Atlas says at this moment, whatever the
    /// configuration names.
    pub(crate) async fn seen_organizations(
        &self,
        budget: RequestBudget,
    ) -> Result<Vec<OrgId>, EngineError> {
        let seen = self.atlas.organizations(budget).await;
        let seen = seen.map_err(|error| {
            EngineError::atlas("asking Atlas for the credential's organization", error)
        })?;
        Ok(seen.into_iter().map(|each| each.id).collect())
    }
}

impl BoundTo {
    /// What is made or proved with this client belongs where it was made.
    pub(crate) fn client(linked: &ConfiguredClient) -> Self {
        Self::origin(linked.atlas.origin().clone())
    }
}

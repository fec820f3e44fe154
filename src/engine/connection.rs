//! The Atlas client in use: made from the configuration, replaced whole when that changes.
//!
//! Requests under way finish on the client they began with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::config::ConfigEntry;
use super::error::EngineError;
use super::listings::Listings;
use super::origin::{BoundTo, Origins};
use super::ownership::Ownership;
use super::{ServerHold, keys, stored};
use crate::atlas::{
    Atlas, AtlasError, ClientId, Level, OrgId, OrganizationSettings, Patience, ProjectId,
    Reachability, Reached,
};
use crate::base::{Clock, Entropy};
use crate::vault::system_view::may_act;
use crate::vault::{Storage, SystemView};

/// Most projects whose organization is remembered; Atlas allows 250 in one organization.
const MAX_REMEMBERED_PROJECTS: usize = 1_000;

/// How long an organization's settings are believed: Atlas allows five reads a minute.
const SETTINGS_KEPT: Duration = Duration::from_mins(5);
/// Most organizations whose settings are remembered; a credential belongs to one.
const MAX_REMEMBERED_SETTINGS: usize = 16;

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
pub(crate) struct Linked {
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
    settings: Mutex<HashMap<OrgId, (Duration, OrganizationSettings)>>,
    org_of_project: Mutex<HashMap<ProjectId, OrgId>>,
    /// Lists of what organizations have, shared by all who look through one at the same time.
    pub(crate) listings: Listings,
}

impl Linked {
    pub(crate) fn new(atlas: Atlas, organization_id: Option<OrgId>, origins: Arc<Origins>) -> Self {
        Self {
            atlas,
            organization_id,
            client_id: None,
            ownership: Ownership::default(),
            is_legacy: false,
            origins,
            settings: Mutex::default(),
            org_of_project: Mutex::default(),
            listings: Listings::default(),
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
        patience: Patience,
    ) -> Result<OrgId, AtlasError> {
        let project = match level {
            Level::Org(org) => return Ok(org.clone()),
            Level::Project(project) => project,
        };
        if let Some(org) = self.remembered().get(project) {
            return Ok(org.clone());
        }
        let org = self.atlas.project(project, patience).await?.org_id;
        let mut remembered = self.remembered();
        if remembered.len() < MAX_REMEMBERED_PROJECTS {
            remembered.insert(project.clone(), org.clone());
        }
        Ok(org)
    }

    /// An organization's settings, a few minutes old at most at this monotonic time.
    pub(crate) async fn settings_of(
        &self,
        org: &OrgId,
        now: Duration,
        patience: Patience,
    ) -> Result<OrganizationSettings, AtlasError> {
        if let Some((read_at, settings)) = self.known_settings().get(org)
            && now.saturating_sub(*read_at) < SETTINGS_KEPT
        {
            return Ok(settings.clone());
        }
        let settings = self.atlas.organization_settings(org, patience).await?;
        let mut known = self.known_settings();
        known.retain(|_, (read_at, _)| now.saturating_sub(*read_at) < SETTINGS_KEPT);
        if known.len() < MAX_REMEMBERED_SETTINGS {
            known.insert(org.clone(), (now, settings.clone()));
        }
        Ok(settings)
    }

    fn known_settings(&self) -> MutexGuard<'_, HashMap<OrgId, (Duration, OrganizationSettings)>> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The organization in which a credential is managed that was made in `project`, or nobody
    /// knows where. A project may be gone while what was made in it is not: that belongs to the
    /// organization. Then it is the credential's own, which may be another by now: `made` says whether
    /// it is proof where that organization does not know it.
    pub(crate) async fn managing_organization(
        &self,
        project: Option<&ProjectId>,
        made: MadeUnder<'_>,
        patience: Patience,
    ) -> Result<Managing, EngineError> {
        if let Some(project) = project {
            let level = Level::Project(project.clone());
            match self.organization_of(&level, patience).await {
                Err(error) if error.says_project_is_gone() => {}
                outcome => {
                    let doing = format!("looking up the organization of project {project}");
                    let org = outcome.map_err(|error| EngineError::atlas(&doing, error))?;
                    let certainty = Certainty::Same;
                    return Ok(Managing { org, certainty });
                }
            }
        }
        let org = self.own_organization(patience).await?;
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
    pub(crate) async fn own_organization(&self, patience: Patience) -> Result<OrgId, EngineError> {
        if let Some(org) = &self.organization_id {
            return Ok(org.clone());
        }
        let seen = self.atlas.organizations(patience).await;
        let seen = seen.map_err(|error| {
            EngineError::atlas("asking Atlas for the credential's organization", error)
        })?;
        match seen.as_slice() {
            [only] => Ok(only.id.clone()),
            _ => Err(EngineError::OrganizationUnknown),
        }
    }
}

/// Gives the client in use, making it when it is first needed.
pub(crate) struct Connection {
    storage: Arc<dyn Storage>,
    system: Arc<dyn SystemView>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// Cancelled once the mount is about to end.
    closing: CancellationToken,
    /// Held while the origin of earlier entries is recorded: by the configuration of before, not by
    /// one that is written meanwhile.
    recording: tokio::sync::Mutex<()>,
    /// The time between two looks at Atlas which together prove that something is gone; [`None`]: as
    /// the client has it.
    look_again_after: Option<Duration>,
    hold: ServerHold,
    /// What became of the calls of the clients in use, whichever configuration they were made from.
    reachability: Arc<Reachability>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Counts changes, so that a client made from what was read before one is not kept after it.
    generation: u64,
    linked: Option<Arc<Linked>>,
    origins: Option<Arc<Origins>>,
}

impl Connection {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        system: Arc<dyn SystemView>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        closing: CancellationToken,
        hold: ServerHold,
    ) -> Self {
        Self {
            storage,
            system,
            clock,
            entropy,
            closing,
            recording: tokio::sync::Mutex::default(),
            look_again_after: None,
            hold,
            reachability: Arc::default(),
            state: Mutex::default(),
        }
    }

    /// Clients that wait so long between two looks.
    pub(crate) fn looking_again_after(self, look_again_after: Option<Duration>) -> Self {
        Self {
            look_again_after,
            ..self
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client of the stored configuration.
    pub(crate) async fn linked(&self) -> Result<Arc<Linked>, EngineError> {
        if self.hold == ServerHold::All {
            return Err(EngineError::EverythingHeld);
        }
        let generation = {
            let state = self.state();
            if let Some(linked) = &state.linked {
                return Ok(Arc::clone(linked));
            }
            state.generation
        };
        let entry: Option<ConfigEntry> = stored::load(&*self.storage, keys::CONFIG).await?;
        let linked = self.link(&entry.ok_or(EngineError::NotConfigured)?).await?;
        let linked = Arc::new(self.reporting(linked));
        let mut state = self.state();
        if state.generation == generation {
            // Two requests may have come here at once: the first one's client serves both.
            return Ok(Arc::clone(state.linked.get_or_insert(linked)));
        }
        Ok(linked)
    }

    /// The client for something stored, if it may go where the configuration is now. For what is new,
    /// or of the configuration itself, [`linked`](Self::linked) is enough.
    pub(crate) async fn linked_to(&self, bound: &BoundTo) -> Result<Arc<Linked>, EngineError> {
        let linked = self.linked().await?;
        linked.admit(bound)?;
        Ok(linked)
    }

    /// Whether something stored may go where the configuration is now, or why not. Sends nothing, so that
    /// it is told where everything is held, too.
    pub(crate) async fn admit(&self, bound: &BoundTo) -> Result<(), EngineError> {
        if self.hold != ServerHold::All {
            return self.linked_to(bound).await.map(drop);
        }
        let entry: Option<ConfigEntry> = stored::load(&*self.storage, keys::CONFIG).await?;
        let entry = entry.ok_or(EngineError::NotConfigured)?;
        self.client_of(&entry).await?.admit(bound)
    }

    /// What may go where. Recorded when it is first asked for on a node that may write, from the
    /// configuration that is stored then: so it is asked for before a configuration is written.
    pub(crate) async fn origins(&self) -> Result<Arc<Origins>, EngineError> {
        let _recording = self.recording.lock().await;
        let generation = {
            let state = self.state();
            if let Some(origins) = &state.origins {
                return Ok(Arc::clone(origins));
            }
            state.generation
        };
        let stored: Option<Origins> = stored::load(&*self.storage, keys::ORIGINS).await?;
        let origins = if let Some(origins) = stored {
            Arc::new(origins)
        } else {
            let config = self.storage.get(keys::CONFIG).await?;
            let config = config.as_ref().map(|entry| entry.value.as_slice());
            let origins = Arc::new(Origins::of_stored(config)?);
            if !may_act(&*self.system).await? {
                return Ok(origins);
            }
            stored::save(&*self.storage, keys::ORIGINS.to_owned(), &*origins, false).await?;
            origins
        };
        let mut state = self.state();
        if state.generation == generation {
            state.origins = Some(Arc::clone(&origins));
        }
        Ok(origins)
    }

    /// Records it at the start, where a configuration is stored: without one nothing was made yet that
    /// would not belong where the Go engine sends everything.
    pub(crate) async fn begin(&self) -> Result<(), EngineError> {
        if self.storage.get(keys::CONFIG).await?.is_some() {
            self.origins().await?;
        }
        Ok(())
    }

    /// Stores what may go where from now on. The caller has the configuration's turn.
    pub(crate) async fn store_origins(&self, origins: Origins) -> Result<(), EngineError> {
        let _recording = self.recording.lock().await;
        let saved = stored::save(&*self.storage, keys::ORIGINS.to_owned(), &origins, false).await;
        // Where the write failed, storage tells what there is.
        self.reset();
        saved
    }

    /// A client of a configuration that need not be stored. Without one nothing reaches Atlas, so
    /// there is none where everything is held.
    pub(crate) async fn link(&self, entry: &ConfigEntry) -> Result<Linked, EngineError> {
        if self.hold == ServerHold::All {
            return Err(EngineError::EverythingHeld);
        }
        self.client_of(entry).await
    }

    async fn client_of(&self, entry: &ConfigEntry) -> Result<Linked, EngineError> {
        let origins = self.origins().await?;
        let atlas = Atlas::new(
            &entry.settings()?,
            entry.credential()?,
            Arc::clone(&self.clock),
            Arc::clone(&self.entropy),
        )?;
        let origins = match origins.seen_from(&entry.origin, atlas.origin()) {
            Some(seen) => Arc::new(seen),
            None => origins,
        };
        origins.admit(&entry.origin, atlas.origin())?;
        let mut atlas = atlas.closing_with(self.closing.clone());
        if let Some(pause) = self.look_again_after {
            atlas = atlas.looking_again_after(pause);
        }
        let mut linked = Linked::new(atlas, entry.organization_id.clone(), origins);
        linked.client_id.clone_from(&entry.client_id);
        linked.ownership = Ownership::of_stored(entry.organization_owner, self.clock.monotonic());
        linked.is_legacy = entry.origin.is_legacy();
        Ok(linked)
    }

    /// Drops the lists that were read for half-made credentials: they are out of date.
    pub(crate) fn forget_lists(&self) {
        if let Some(linked) = &self.state().linked {
            linked.listings.forget();
        }
    }

    /// How the calls of the clients in use went.
    pub(crate) fn reached(&self) -> Reached {
        self.reachability.state()
    }

    /// The client as one in use. What a client did before, a configuration that was refused, stays out
    /// of the record.
    fn reporting(&self, linked: Linked) -> Linked {
        self.reachability.absorb(linked.atlas.reachability());
        Linked {
            atlas: linked.atlas.reporting_to(Arc::clone(&self.reachability)),
            ..linked
        }
    }

    /// Forgets the client: the next request makes one from what is stored then.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        state.generation += 1;
        state.linked = None;
        state.origins = None;
    }

    /// Replaces the client by one whose configuration has just been stored, and gives back the one
    /// that was in use: requests under way may still hold it.
    pub(crate) fn replace(&self, linked: Linked) -> Option<Arc<Linked>> {
        let linked = Arc::new(self.reporting(linked));
        let mut state = self.state();
        state.generation += 1;
        state.linked.replace(linked)
    }
}

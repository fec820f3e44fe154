//! The Atlas client in use: made from the configuration, replaced whole when that changes. What is
//! known of the client's credential and organization is known here too.
//!
//! Requests under way finish on the client they began with.

mod identity;
mod linked;
mod listings;
pub(crate) mod ownership;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub(crate) use self::identity::{Identity, identify};
pub(crate) use self::linked::{Certainty, ConfiguredClient, MadeUnder, Managing};
pub(crate) use self::listings::{List, Listed, Search};
pub(crate) use self::ownership::Ownership;
use super::error::EngineError;
use super::origin::{BoundTo, Origins};
use super::process::ServerHold;
use super::{keys, stored};
use crate::atlas::{Atlas, Reachability, Reached, Transports};
use crate::base::{Clock, Entropy};
use crate::engine::entries::ConfigEntry;
use crate::vault::system_view::may_act;
use crate::vault::{Storage, SystemView};

/// Gives the client in use, making it when it is first needed.
pub(crate) struct Connection {
    storage: Arc<dyn Storage>,
    system: Arc<dyn SystemView>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// The ways to Atlas, shared with other mounts.
    transports: Transports,
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
    linked: Option<Arc<ConfiguredClient>>,
    origins: Option<Arc<Origins>>,
}

impl Connection {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        system: Arc<dyn SystemView>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        transports: Transports,
        closing: CancellationToken,
        hold: ServerHold,
    ) -> Self {
        Self {
            storage,
            system,
            clock,
            entropy,
            transports,
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
    pub(crate) async fn linked(&self) -> Result<Arc<ConfiguredClient>, EngineError> {
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

    /// The client that is in use, if there is one. Storage is not asked.
    pub(crate) fn at_hand(&self) -> Option<Arc<ConfiguredClient>> {
        self.state().linked.clone()
    }

    /// The client for something stored, if it may go where the configuration is now. For what is new,
    /// or of the configuration itself, [`linked`](Self::linked) is enough.
    pub(crate) async fn linked_to(
        &self,
        bound: &BoundTo,
    ) -> Result<Arc<ConfiguredClient>, EngineError> {
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
    pub(crate) async fn link(&self, entry: &ConfigEntry) -> Result<ConfiguredClient, EngineError> {
        if self.hold == ServerHold::All {
            return Err(EngineError::EverythingHeld);
        }
        self.client_of(entry).await
    }

    async fn client_of(&self, entry: &ConfigEntry) -> Result<ConfiguredClient, EngineError> {
        let origins = self.origins().await?;
        let atlas = Atlas::new(
            &entry.settings()?,
            entry.credential()?,
            Arc::clone(&self.clock),
            Arc::clone(&self.entropy),
            &self.transports,
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
        let mut linked = ConfiguredClient::new(atlas, entry.organization_id.clone(), origins);
        linked.client_id.clone_from(&entry.client_id);
        linked.ownership = Ownership::of_stored(entry.organization_owner, self.clock.monotonic());
        linked.is_legacy = entry.origin.is_legacy();
        Ok(linked)
    }

    /// Drops the lists that were read for incomplete credentials: they are out of date.
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
    fn reporting(&self, linked: ConfiguredClient) -> ConfiguredClient {
        self.reachability.absorb(linked.atlas.reachability());
        linked.reporting_to(Arc::clone(&self.reachability))
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
    pub(crate) fn replace(&self, linked: ConfiguredClient) -> Option<Arc<ConfiguredClient>> {
        let linked = Arc::new(self.reporting(linked));
        let mut state = self.state();
        state.generation += 1;
        state.linked.replace(linked)
    }
}

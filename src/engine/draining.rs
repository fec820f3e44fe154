//! Whether everything that was issued is being ended: the order that is stored, and how far this process
//! is with it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::entries::Draining;
use super::error::EngineError;
use super::process::ServerHold;
use super::{Engine, keys, stored};
use crate::engine::entries::ConfigEntry;
use crate::vault::failure::chain;

/// What this process did for the drain at work.
#[derive(Debug, Default)]
pub(crate) struct DrainProgress {
    changes: AtomicU64,
    state: Mutex<DrainState>,
}

/// What is known of one drain.
#[derive(Debug, Default)]
pub(crate) struct DrainState {
    /// Of which drain this is.
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) ended: u64,
    pub(crate) last_error: Option<(DateTime<Utc>, String)>,
    /// The last failure keeps everything from its end, not one credential alone: it counts for none.
    pub(crate) is_blocked: bool,
    pub(crate) told: Told,
}

/// What the log has been told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Told {
    #[default]
    Nothing,
    /// That something cannot be ended yet.
    Failing,
    /// That nothing is left.
    Done,
}

impl DrainProgress {
    /// How many orders came to this process, or were called off: who compares two of these knows whether
    /// one came between.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// An order was, or may have been, stored or called off. Called before anything that is left is
    /// counted.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Of this drain; what is known of an earlier one is forgotten.
    pub(crate) fn of(&self, draining: &Draining) -> MutexGuard<'_, DrainState> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.since != Some(draining.since) {
            *state = DrainState {
                since: Some(draining.since),
                ..DrainState::default()
            };
        }
        state
    }

    /// So many credentials were ended.
    pub(crate) fn ended(&self, draining: &Draining, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let mut state = self.of(draining);
        state.ended = state.ended.saturating_add(count);
        state.is_blocked &= count == 0;
    }

    /// An attempt has failed, and with it perhaps all that are still to come: Atlas refuses the credential,
    /// or storage fails. Texts of errors hold no secret.
    pub(crate) fn failed(
        &self,
        draining: &Draining,
        now: DateTime<Utc>,
        error: &EngineError,
        is_blocked: bool,
    ) {
        let mut state = self.of(draining);
        state.last_error = Some((now, chain(error)));
        state.is_blocked = is_blocked;
    }
}

/// An order that is being carried out.
#[derive(Debug, Clone)]
pub(crate) struct DrainAtWork {
    pub(crate) draining: Draining,
    /// How many changes of orders had come before it was read.
    changes: u64,
}

impl DrainAtWork {
    /// Whether it may have been called off since.
    pub(crate) fn is_over(&self, engine: &Engine) -> bool {
        engine.drain.changes() != self.changes
    }
}

impl Engine {
    /// The order that is stored, if there is one.
    pub(crate) async fn draining(&self) -> Result<Option<Draining>, EngineError> {
        let config: Option<ConfigEntry> = stored::load(&*self.storage, keys::CONFIG).await?;
        Ok(config.and_then(|entry| entry.draining))
    }

    /// The order that the periodic runs carry out: a restored snapshot may hold one that is long
    /// over, so the hold of the environment rests it. That of the configuration does not: the order
    /// came after it.
    pub(crate) async fn drain_at_work(&self) -> Result<Option<DrainAtWork>, EngineError> {
        if self.process.hold != ServerHold::Off {
            return Ok(None);
        }
        let changes = self.drain.changes();
        let draining = self.draining().await?;
        Ok(draining.map(|draining| DrainAtWork { draining, changes }))
    }

    /// Refuses to make anything new while the mount is being drained.
    pub(crate) async fn refuse_while_draining(&self) -> Result<(), EngineError> {
        match self.draining().await? {
            Some(draining) => Err(draining.refusal()),
            None => Ok(()),
        }
    }

    /// The same for who has seen that the mount was not being drained, after so many changes of orders.
    /// Storage is asked only where another came since: only the active node makes anything, and orders
    /// pass here.
    pub(crate) async fn refuse_if_drained_since(&self, changes: u64) -> Result<(), EngineError> {
        if self.drain.changes() == changes {
            return Ok(());
        }
        self.refuse_while_draining().await
    }
}

impl ConfigEntry {
    /// Refuses to make anything new while the mount is being drained.
    pub(crate) fn refuse_while_draining(&self) -> Result<(), EngineError> {
        match &self.draining {
            Some(draining) => Err(draining.clone().refusal()),
            None => Ok(()),
        }
    }
}

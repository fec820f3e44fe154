//! The drain of a mount: an order, stored with the configuration, to end everything that was issued
//! here and to make nothing new. It comes before the mount is disabled, and with it its journal.
//!
//! What is stored decides, so that a restart and another active node go on with it. Any write of the
//! configuration ends it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::entry::ConfigEntry;
use super::paths::load;
use crate::atlas::{OrgId, Patience, Priority};
use crate::base::Rfc3339;
use crate::engine::error::EngineError;
use crate::engine::process::ServerHold;
use crate::engine::{Engine, keys, stored};
use crate::framework::Call;
use crate::vault::Data;

/// An order to end everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Draining {
    /// When it was given first.
    pub(crate) since: DateTime<Utc>,
    /// How the token of who gave it is shown to people.
    pub(crate) display_name: String,
    /// The identity entity of who gave it; empty for none.
    pub(crate) entity_id: String,
}

impl Draining {
    /// Ordered now by whoever sent a request.
    pub(crate) fn ordered(engine: &Engine, call: &Call) -> Self {
        Self {
            since: engine.clock.now(),
            display_name: call.display_name.clone(),
            entity_id: call.entity_id.clone(),
        }
    }

    /// As people are shown it.
    pub(crate) fn shown(&self) -> Data {
        Data::from_iter([
            ("since".to_owned(), json!(Rfc3339(self.since))),
            ("display_name".to_owned(), json!(self.display_name)),
            ("entity_id".to_owned(), json!(self.entity_id)),
        ])
    }

    fn refusal(self) -> EngineError {
        EngineError::Draining {
            since: Rfc3339(self.since),
            by: self.display_name,
        }
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
        Ok(load(self).await?.and_then(|entry| entry.draining))
    }

    /// The order that the ticks carry out: a restored snapshot may hold one that is long over, so the
    /// hold of the environment rests it. That of the configuration does not: the order came after it.
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
    pub(super) fn refuse_while_draining(&self) -> Result<(), EngineError> {
        match &self.draining {
            Some(draining) => Err(draining.clone().refusal()),
            None => Ok(()),
        }
    }
}

/// Stores an order for the mount of this organization, unless there is one already; answers the one that
/// counts.
pub(crate) async fn begin(
    engine: &Engine,
    order: Draining,
    given: &OrgId,
    deadline: Instant,
) -> Result<Draining, EngineError> {
    let _turn = engine.root.turn(deadline).await?;
    // Nobody writes another configuration from here on.
    let mut entry = of_organization(engine, given, deadline).await?;
    if let Some(draining) = entry.draining {
        return Ok(draining);
    }
    entry.draining = Some(order.clone());
    let saved = stored::save(&*engine.storage, keys::CONFIG.to_owned(), &entry, true).await;
    // What failed may have been stored all the same.
    engine.drain.changed();
    saved?;
    tracing::info!(
        display_name = order.display_name,
        entity_id = order.entity_id,
        "draining this mount: all issued credentials are ended, and no new ones are created"
    );
    Ok(order)
}

/// The configuration, of which the caller must name the organization: any other is refused.
pub(crate) async fn of_organization(
    engine: &Engine,
    given: &OrgId,
    deadline: Instant,
) -> Result<ConfigEntry, EngineError> {
    let config = load(engine).await?.ok_or(EngineError::NotConfigured)?;
    let own = if let Some(own) = &config.organization_id {
        own.clone()
    } else {
        let patience = Patience {
            deadline,
            priority: Priority::Background,
        };
        let linked = engine.connection.linked().await?;
        linked.own_organization(patience).await?
    };
    if *given == own {
        return Ok(config);
    }
    Err(EngineError::BadInput(format!(
        "organization_id: the configuration of this mount belongs to organization {own}, not to \
         {given}: nothing was changed"
    )))
}

/// What ended a drain together with the order that was stored for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DrainEnd {
    /// A write of the configuration.
    Write,
    /// Its deletion.
    Deletion,
}

/// What whoever writes or deletes the configuration is told of the drain that ends with it. It is over
/// when this is asked for.
pub(super) fn ended(before: &ConfigEntry, by: DrainEnd) -> Option<String> {
    let draining = before.draining.as_ref()?;
    let since = Rfc3339(draining.since);
    let outcome = match by {
        DrainEnd::Write => {
            tracing::info!(%since, "drain of this mount ended: its configuration was written");
            "with this write: credentials are issued again, and what was ended stays ended"
        }
        DrainEnd::Deletion => {
            tracing::info!(%since, "drain of this mount ended: its configuration was deleted");
            "with its configuration: what was ended stays ended, and what is left needs another \
             configuration and another order"
        }
    };
    let ordered_by = &draining.display_name;
    Some(format!(
        "the drain of this mount, begun at {since} by {ordered_by}, is over {outcome}"
    ))
}

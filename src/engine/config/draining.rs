//! The drain of a mount: an order, stored with the configuration, to end everything that was issued
//! here and to make nothing new. It comes before the mount is disabled, and with it its journal.
//!
//! What is stored decides, so that a restart and another active node go on with it. Any write of the
//! configuration ends it.

use tokio::time::Instant;

use super::paths::load;
use crate::atlas::{OrgId, Priority, RequestBudget};
use crate::base::Rfc3339;
use crate::engine::entries::{ConfigEntry, Draining};
use crate::engine::error::EngineError;
use crate::engine::{Engine, keys, stored};

/// Stores an order for the mount of this organization, unless there is one already; answers the one that
/// counts.
pub(crate) async fn begin(
    engine: &Engine,
    order: Draining,
    given: &OrgId,
    deadline: Instant,
) -> Result<Draining, EngineError> {
    let _lock = engine.root.lock(deadline).await?;
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
        let budget = RequestBudget {
            deadline,
            priority: Priority::Background,
        };
        let linked = engine.connection.linked().await?;
        linked.own_organization(budget).await?
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

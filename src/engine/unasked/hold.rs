//! The hold that an operator orders: in the configuration, or from before the server is unsealed by
//! the environment of its process.

use std::fmt;

use super::super::error::EngineError;
use super::super::process::ServerHold;
use super::super::{Engine, keys, stored};
use crate::engine::entries::ConfigEntry;

/// Where a hold comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeldBy {
    /// The field `hold` of the configuration.
    Configuration,
    /// The environment of the server's process.
    Environment(ServerHold),
}

impl fmt::Display for HeldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration => f.write_str("hold is on in config: switch it off"),
            Self::Environment(hold) => write!(
                f,
                "{}={} is set in the environment of the server process: start the server without it",
                ServerHold::VARIABLE,
                hold.name()
            ),
        }
    }
}

impl Engine {
    /// The hold of a configuration with this field, or of the environment, which goes first.
    pub(crate) fn held_with(&self, configured: bool) -> Option<HeldBy> {
        match self.process.hold {
            ServerHold::Off => configured.then_some(HeldBy::Configuration),
            hold => Some(HeldBy::Environment(hold)),
        }
    }
}

/// Whether an operator holds what nobody asks for, and where.
pub(crate) async fn held(engine: &Engine) -> Result<Option<HeldBy>, EngineError> {
    let entry: Option<ConfigEntry> = stored::load(&*engine.storage, keys::CONFIG).await?;
    Ok(engine.held_with(entry.is_some_and(|entry| entry.hold)))
}

//! The hold that an operator orders: in the configuration, or from before the server is unsealed by
//! the environment of its process.

use std::fmt;

use super::super::config::ConfigEntry;
use super::super::error::EngineError;
use super::super::{Engine, keys, stored};

/// What the environment of the server's process holds, for every mount of this plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ServerHold {
    /// Nothing.
    #[default]
    Off,
    /// What nobody asks for.
    Unasked,
    /// Everything that reaches Atlas.
    All,
}

/// The variable says neither that there is a hold nor that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "MONGODBATLAS_HOLD in the environment of the server process has a value that cannot be read: \
     give true, all or false, or remove it; the plugin does not start, as it might touch what it \
     must not"
)]
pub(crate) struct HoldError;

impl ServerHold {
    /// The variable's name.
    pub(crate) const VARIABLE: &'static str = "MONGODBATLAS_HOLD";

    /// Reads the variable's value. One that cannot be read, an empty one included, is an error: a
    /// slip must not start what was to be held.
    pub(crate) fn parse(value: Option<&str>) -> Result<Self, HoldError> {
        let Some(text) = value else {
            return Ok(Self::Off);
        };
        match text.trim().to_ascii_lowercase().as_str() {
            "false" => Ok(Self::Off),
            "true" => Ok(Self::Unasked),
            "all" => Ok(Self::All),
            _ => Err(HoldError),
        }
    }

    /// The variable's value.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Off => "false",
            Self::Unasked => "true",
            Self::All => "all",
        }
    }

    /// What people are told while it is on.
    #[must_use]
    pub(crate) fn warning(self) -> Option<&'static str> {
        match self {
            Self::Off => None,
            Self::Unasked => Some(
                "MONGODBATLAS_HOLD=true is set in the environment of the server process: nothing is \
                 written to Atlas unasked and no rotation comes by itself; revocations go on",
            ),
            Self::All => Some(
                "MONGODBATLAS_HOLD=all is set in the environment of the server process: nothing is \
                 sent to Atlas; credentials and revocations are refused, and leases may become \
                 irrevocable; leases are renewed where that needs no Atlas",
            ),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_not_taken_for_no_hold() {
        for (value, hold) in [
            (None, ServerHold::Off),
            (Some("false"), ServerHold::Off),
            (Some("true"), ServerHold::Unasked),
            (Some(" True\n"), ServerHold::Unasked),
            (Some("ALL"), ServerHold::All),
        ] {
            assert_eq!(ServerHold::parse(value), Ok(hold), "{value:?}");
        }
        for value in ["", "1", "yes", "al", "0", "\u{fffd}"] {
            assert_eq!(ServerHold::parse(Some(value)), Err(HoldError), "{value:?}");
        }
    }
}

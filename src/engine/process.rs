//! What an operator sets for the whole process, in the environment of the server or, at registration,
//! of the plugin. Read once, at the start.

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
                "MONGODBATLAS_HOLD=true is set in the environment of the server process: \
                 automatic deletions and rotations are suspended; revocations continue",
            ),
            Self::All => Some(
                "MONGODBATLAS_HOLD=all is set in the environment of the server process: nothing is \
                 sent to Atlas; credentials and revocations are refused, and leases may become \
                 irrevocable; leases are renewed where that needs no Atlas",
            ),
        }
    }
}

const VERIFY_CONNECTION: &str = "MONGODBATLAS_VERIFY_CONNECTION";

/// Settings of the process, the same for all its mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessSettings {
    /// What a write of `config` does that does not give `verify_connection`.
    pub verify_connection: bool,
    /// What is held, be it only for the time after a restore.
    pub hold: ServerHold,
}

impl Default for ProcessSettings {
    fn default() -> Self {
        Self {
            verify_connection: true,
            hold: ServerHold::Off,
        }
    }
}

impl ProcessSettings {
    /// The settings of an environment. A value that is neither true nor false leaves the default, and
    /// is told in the log; but what is to be held has to be read for certain.
    pub(crate) fn of_environment<'a>(
        variable: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<Self, HoldError> {
        let default = Self::default();
        let truth = |name: &str, default: bool| match variable(name) {
            Some(text) => parsed(name, text).unwrap_or(default),
            None => default,
        };
        Ok(Self {
            verify_connection: truth(VERIFY_CONNECTION, default.verify_connection),
            hold: ServerHold::parse(variable(ServerHold::VARIABLE))?,
        })
    }
}

/// The variable of that name is set and says nothing, so that its default holds.
pub(crate) fn ignored_variable<'a>(
    variable: impl Fn(&str) -> Option<&'a str>,
) -> Option<&'static str> {
    let text = variable(VERIFY_CONNECTION)?;
    truth(text).is_none().then_some(VERIFY_CONNECTION)
}

fn parsed(name: &str, text: &str) -> Option<bool> {
    let read = truth(text);
    if read.is_none() {
        tracing::warn!(
            variable = name,
            "environment variable is ignored: its value must be true or false"
        );
    }
    read
}

fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verifies(value: Option<&str>) -> bool {
        let variable = |name: &str| value.filter(|_| name == "MONGODBATLAS_VERIFY_CONNECTION");
        let settings = ProcessSettings::of_environment(variable);
        settings.expect("nothing is held").verify_connection
    }

    #[test]
    fn connections_are_verified_unless_the_environment_says_no() {
        for value in [None, Some("true"), Some("1"), Some(""), Some("nonsense")] {
            assert!(verifies(value), "{value:?}");
        }
        for value in ["false", "FALSE", "0", " false "] {
            assert!(!verifies(Some(value)), "{value:?}");
        }
    }

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

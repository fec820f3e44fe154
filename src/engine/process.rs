//! What an operator sets for the whole process, in the environment of the server or, at registration,
//! of the plugin. Read once, at the start.

use super::unasked::{HoldError, ServerHold};

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
            verify_connection: truth("MONGODBATLAS_VERIFY_CONNECTION", default.verify_connection),
            hold: ServerHold::parse(variable(ServerHold::VARIABLE))?,
        })
    }
}

fn parsed(name: &str, text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => {
            tracing::warn!(
                variable = name,
                "environment variable is ignored: its value must be true or false"
            );
            None
        }
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
}

//! The environment variables that a host starts the process with, as a value.
//!
//! A value, so that nothing else reads the process's environment and a test can make one up.

use std::{collections::HashMap, env, fmt};

/// Variables by name.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    variables: HashMap<String, String>,
}

impl Environment {
    /// This process's variables. What is not UTF-8 in a value is replaced, so that a variable that is
    /// set never counts as absent; one with such a name does, as nothing here has that.
    #[must_use]
    pub(crate) fn of_process() -> Self {
        env::vars_os()
            .filter_map(|(name, value)| {
                Some((
                    name.into_string().ok()?,
                    value.to_string_lossy().into_owned(),
                ))
            })
            .collect()
    }

    /// The value of `name`, which may be empty.
    #[must_use]
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The value of a variable that two families of hosts name differently: `BAO_` and `suffix` if
    /// that is present, even when empty, else `VAULT_` and `suffix`.
    ///
    /// Source: `OpenBao`'s api package, `ReadBaoVariable`.
    #[must_use]
    pub(crate) fn paired(&self, suffix: &str) -> Option<&str> {
        self.variable(&format!("BAO_{suffix}"))
            .or_else(|| self.variable(&format!("VAULT_{suffix}")))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let variables = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self { variables }
    }
}

/// Shows no values: a server's environment holds tokens and seal credentials.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({} variables)", self.variables.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bao_variable_wins_over_its_vault_twin_even_when_empty() {
        let both = Environment::from_iter([("BAO_X", ""), ("VAULT_X", "true"), ("VAULT_Y", "1")]);
        assert_eq!(both.paired("X"), Some(""));
        assert_eq!(both.paired("Y"), Some("1"));
        assert_eq!(both.paired("Z"), None);
    }

    #[test]
    fn debug_shows_no_value() {
        let environment = Environment::from_iter([("VAULT_TOKEN", "hvs.secret")]);
        assert!(!format!("{environment:?}").contains("hvs"));
    }
}

//! The name of a role.

use std::fmt;

/// A role's name, lower-cased as in the Go engine, so that `PROD` and `prod` are one role.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RoleName(String);

impl RoleName {
    /// The role of a path's capture, which the router has checked.
    pub(crate) fn new(captured: &str) -> Self {
        Self(captured.to_ascii_lowercase())
    }

    /// The name with every character outside `alphabet` replaced by `_`, cut to `length` bytes.
    ///
    /// Role names are ASCII, so a byte is a character.
    pub(crate) fn fitted(&self, length: usize, alphabet: impl Fn(char) -> bool) -> String {
        self.0
            .chars()
            .map(|c| if alphabet(c) { c } else { '_' })
            .take(length)
            .collect()
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

//! A value that must not leak: redacted when printed, wiped when dropped, with one way out.

use std::fmt;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// A private key, client secret or access token.
///
/// There is no `Display`, no `Serialize` and no `PartialEq`; `Debug` prints `Sensitive(..)`. The
/// memory is overwritten when the value is dropped.
#[derive(Clone, Default)]
pub(crate) struct Sensitive(Zeroizing<String>);

impl Sensitive {
    /// Takes ownership of the plain text.
    #[must_use]
    pub(crate) fn new(plain: String) -> Self {
        Self(Zeroizing::new(plain))
    }

    /// The plain text. Every use of it is a call of this, easy to search for.
    #[must_use]
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is any text at all.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sensitive(..)")
    }
}

impl<'de> Deserialize<'de> for Sensitive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_value() {
        let key = Sensitive::new("9f2c-secret".to_owned());
        assert_eq!(format!("{key:?}"), "Sensitive(..)");
        assert_eq!(key.expose(), "9f2c-secret");
    }
}

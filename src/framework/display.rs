//! How the operations of a path are named in the `OpenAPI` document, and so by clients made from it.

/// The parts of an operation id. Empty text means not set.
/// Source: `DisplayAttributes` of Vault's SDK framework.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Display {
    /// First part of the operation id.
    pub prefix: &'static str,
    /// Second part of the operation id.
    pub verb: &'static str,
    /// Last part of the operation id; alternatives for the variants of a path stand between `|`.
    pub suffix: &'static str,
}

impl Display {
    /// The parts of an operation id; empty ones are taken from the path or made up.
    #[must_use]
    pub(crate) fn operation(
        prefix: &'static str,
        verb: &'static str,
        suffix: &'static str,
    ) -> Self {
        Self {
            prefix,
            verb,
            suffix,
        }
    }
}

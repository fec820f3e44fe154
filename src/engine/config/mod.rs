//! The configuration: which credential this mount acts with, and where Atlas is.

mod entry;
pub(crate) mod paths;

pub(crate) use entry::ConfigEntry;
pub(crate) use paths::deletions_held;

//! The configuration: which credential this mount acts with, and where Atlas is.

mod address;
#[cfg(test)]
mod address_tests;
mod answer;
mod census;
mod deletion;
mod draining;
pub(crate) mod paths;
mod relocation;
#[cfg(test)]
mod relocation_tests;
mod rotation;
mod trust;
#[cfg(test)]
mod trust_tests;

pub(crate) use answer::is_unverified;
pub(crate) use draining::{begin as begin_draining, of_organization};
pub(crate) use relocation::MOVE_PATH;
pub(crate) use rotation::{Root, expiry as rotation_expiry, run_due, state as rotation_state};

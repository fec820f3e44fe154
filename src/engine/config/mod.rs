//! The configuration: which credential this mount acts with, and where Atlas is.

mod address;
#[cfg(test)]
mod address_tests;
mod answer;
mod census;
mod deletion;
mod draining;
mod entry;
mod leaving;
#[cfg(test)]
mod leaving_tests;
pub(crate) mod paths;
mod principal;
mod relocation;
#[cfg(test)]
mod relocation_tests;
mod rotate;
#[cfg(test)]
mod rotate_clock_tests;
mod rotate_entry;
#[cfg(test)]
mod rotate_fault_tests;
#[cfg(test)]
mod rotate_lost_tests;
mod rotate_record;
mod rotate_removal;
#[cfg(test)]
mod rotate_stray_tests;
mod rotate_successor;
#[cfg(test)]
mod rotate_tests;
mod rotate_tick;
#[cfg(test)]
mod rotate_timing_tests;
mod trust;
#[cfg(test)]
mod trust_tests;

pub(crate) use draining::{DrainAtWork, Draining, begin as begin_draining, of_organization};
pub(crate) use entry::{ConfigEntry, UNVERIFIED};
pub(crate) use paths::load;
pub(crate) use relocation::MOVE_PATH;
pub(crate) use rotate_record::Root;
pub(crate) use rotate_tick::{rotation, run_due};

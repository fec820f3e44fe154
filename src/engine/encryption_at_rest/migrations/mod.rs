//! `encryption-at-rest/migrations/<name>`: many projects changed over to a service principal, one after
//! the other, a canary first.
//!
//! A migration changes nothing by itself: it sends each project the way that a person would, with the
//! project's lock, and decides only who is next and when to stop. What it did stands in its entry after
//! each step, so that whoever reads that next, after a crash, a seal or on another node, goes on there.

#[cfg(test)]
mod again_tests;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod doubt_tests;
mod entry;
#[cfg(test)]
mod fleet_tests;
mod input;
mod looks;
#[cfg(test)]
mod moved_tests;
#[cfg(test)]
mod old_answer_tests;
#[cfg(test)]
mod order_tests;
mod orders;
#[cfg(test)]
mod others_tests;
pub(super) mod paths;
mod plan;
#[cfg(test)]
mod plan_tests;
mod project;
mod row;
#[cfg(test)]
mod run_tests;
mod shown;
mod store;
mod task;
mod told;
mod way_back;
mod work;

#[cfg(any(test, fuzzing))]
pub(crate) use entry::MigrationEntry;
pub(super) use store::is_stopped;
pub(crate) use task::{Migrations, run_due};
pub(super) use told::warnings;

//! `encryption-at-rest/`: how Atlas signs in to a customer's Azure Key Vault.
//!
//! This room changes the credential and nothing else. What the key is, how the vault is reached and
//! what is set for other providers is the customer's.

#[cfg(test)]
mod again_tests;
mod answer;
#[cfg(test)]
mod answer_tests;
mod apply;
mod apply_input;
#[cfg(test)]
mod apply_tests;
mod apply_told;
#[cfg(test)]
mod caution_tests;
mod census;
#[cfg(test)]
mod change_tests;
mod changes;
mod check;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod customer_tests;
mod delete;
#[cfg(test)]
mod doubtful_tests;
#[cfg(test)]
mod ended_tests;
mod entry;
mod expiry;
mod grants;
mod input;
#[cfg(test)]
mod late_tests;
mod migrations;
#[cfg(test)]
mod mishap_tests;
mod note;
#[cfg(test)]
mod order_tests;
pub(crate) mod paths;
mod plan;
mod private;
#[cfg(test)]
mod private_tests;
#[cfg(test)]
mod proof_tests;
#[cfg(test)]
mod refused_tests;
mod register;
#[cfg(test)]
mod register_tests;
mod rollback;
mod rotate;
#[cfg(test)]
mod rotate_faults_tests;
mod rotate_path;
#[cfg(test)]
mod rotate_tests;
mod rotate_told;
#[cfg(test)]
mod round_tests;
#[cfg(test)]
mod second_look_tests;
mod secret;
#[cfg(test)]
mod secret_tests;
mod static_block;
#[cfg(test)]
mod stored_tests;
mod tick;
#[cfg(test)]
mod told_tests;
#[cfg(test)]
mod unknowns_tests;
#[cfg(test)]
mod unreadable_tests;
mod unseen;
#[cfg(test)]
mod unseen_tests;
#[cfg(test)]
mod verdict_tests;
mod watch;
#[cfg(test)]
mod watch_tests;
#[cfg(test)]
mod ways_out_tests;

#[cfg(any(test, fuzzing))]
pub(crate) use entry::AzureEntry;
#[cfg(any(test, fuzzing))]
pub(crate) use migrations::MigrationEntry;

pub(crate) use census::{Counts, counts, findings, status};
pub(crate) use migrations::{Migrations, run_due as run_migrations};
pub(crate) use tick::tick;

//! The journal: what this mount has made in Atlas, written before it is made.

mod comparison;
mod drain;
#[cfg(test)]
mod ended_tests;
mod ending;
#[cfg(test)]
mod ending_tests;
mod entry;
pub(crate) mod find;
mod go_entry;
mod index;
mod lately;
#[cfg(test)]
mod lately_tests;
mod left_secrets;
#[cfg(test)]
mod lost_lease_tests;
mod own;
#[cfg(test)]
mod own_tests;
mod owner;
#[cfg(test)]
mod owner_tests;
mod ownership_tag;
mod parts;
pub(crate) mod paths;
mod reaper;
mod rollback;
mod state;
mod store;
mod sweep;
mod tally;
mod tidy;
mod tidy_report;

pub(crate) use drain::{Left, end_what_lost_its_account};
pub(crate) use drain::{
    log_progress as log_drain, progress as drain_progress, status as drain_status,
};
pub(crate) use entry::{EndedBy, JournalEntry, Part, SecretPart, State};
pub(crate) use go_entry::{GO_WAL_KIND, take_over_go_entry};
pub(crate) use left_secrets::{Leaving, LeftAccount, clean_up_left_secrets};
pub(crate) use owner::{Owned, Owner};
#[cfg(any(test, fuzzing))]
pub(crate) use ownership_tag::MarkEntry;
#[cfg(test)]
pub(crate) use ownership_tag::OwnershipTag;
pub(crate) use parts::LiveToken;
pub(crate) use rollback::finish;
pub(crate) use state::state;
pub(crate) use store::{Hold, Journal};
pub(crate) use sweep::tick;

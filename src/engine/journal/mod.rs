//! The journal: what this mount has made in Atlas, written before it is made.

mod entry;
mod rollback;
mod store;

pub(crate) use entry::{JournalEntry, JournalId, Made, Part, Stage};
pub(crate) use rollback::{GO_WAL_KIND, finish, finish_go_entry, roll_back};
pub(crate) use store::{Journal, LiveToken};

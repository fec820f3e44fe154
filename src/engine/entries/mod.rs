//! What is stored and read by more than one room: its shapes, and nothing of what is done with them.
//!
//! What only one room reads is defined there.

mod draining;
mod role;

pub(crate) use draining::Draining;
pub(crate) use role::{CredentialType, RoleEntry, names_with_account};

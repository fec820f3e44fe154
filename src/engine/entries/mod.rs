//! What is stored and read by more than one room: its shapes, and nothing of what is done with them.
//!
//! What only one room reads is defined there.

pub(crate) mod config;
mod draining;
mod role;
mod root_rotation;

pub(crate) use config::{ConfigEntry, UNVERIFIED};
pub(crate) use draining::Draining;
pub(crate) use role::{
    ANY_SCOPE, CredentialType, RoleEntry, names_with_account, projects_of_roles,
};
pub(crate) use root_rotation::{RootRotation, RootType};

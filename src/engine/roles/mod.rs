//! Roles: what a credential may do, and how long it lives.

mod advice;
mod atlas_role;
mod entry;
mod grant;
pub(crate) mod paths;

pub(crate) use advice::warnings;
pub(crate) use entry::{CredentialType, RoleEntry};
pub(crate) use grant::Grant;

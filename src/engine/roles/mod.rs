//! Roles: what a credential may do, and how long it lives.

mod entry;
mod grant;
mod name;
pub(crate) mod paths;

pub(crate) use entry::{CredentialType, RoleEntry};
pub(crate) use grant::Grant;
pub(crate) use name::RoleName;

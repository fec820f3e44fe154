//! Roles: what a credential may do, and how long it lives.

mod advice;
mod atlas_role;
mod entry;
mod grant;
mod name;
pub(crate) mod paths;
mod uses;

pub(crate) use advice::warnings;
pub(crate) use entry::{CredentialType, RoleEntry};
pub(crate) use grant::Grant;
pub(crate) use name::RoleName;
pub(crate) use uses::{RoleUse, RoleUses};

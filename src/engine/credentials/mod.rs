//! Credentials: what all of them have in common, and a file or folder for each type.
//!
//! | all | |
//! | --- | --- |
//! | `paths` | `creds/<role>`, and the table of leases |
//! | `kind` | what a type says of itself, and which type a role issues |
//! | `grant` | what a role grants, in checked types |
//! | `caller_address` | `bind_to_caller`: the caller's address on the access list |
//! | `issue`, `granted`, `pending`, `issued` | the way to a new one: role, journal, Atlas, journal, answer |
//! | `life`, `renew` | how long a lease may run |
//! | `lease`, `revoke`, `organization_end`, `project_end` | its end |
//!
//! A type's file has its parts in the order of a credential's life: what the role grants, create, answer,
//! renew, revoke.

mod access_token;
mod account_secret;
mod ai_model_key;
mod api_key;
mod caller_address;
#[cfg(test)]
mod crowd_tests;
mod database_user;
#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod gone_tests;
mod grant;
mod granted;
mod issue;
mod issued;
mod kind;
mod lease;
mod lease_ttl;
#[cfg(test)]
mod left_project_tests;
mod organization_end;
pub(crate) mod paths;
mod pending;
mod project_end;
#[cfg(test)]
mod project_type_tests;
#[cfg(test)]
mod proof_tests;
mod renew;
mod report;
mod revoke;
#[cfg(test)]
mod role_change_tests;
mod service_account;

#[cfg(any(test, fuzzing))]
pub(crate) use access_token::ManagedAccountsEntry;
pub(crate) use access_token::{
    SeenSecrets, managed_account, managed_accounts, reconcile, retire_account,
};
pub(crate) use caller_address::has_own_access_list;
pub(crate) use database_user::{
    DEFAULT_WAIT, names_come_again, short_database_roles, short_scopes,
};
pub(crate) use grant::{Grant, atlas_role};
pub(crate) use kind::{CredentialKind, kind_of, roles_without_owner};
pub(crate) use lease_ttl::{LeaseTtl, MountTimes, cut_warning};
pub(crate) use report::{CheckContext, Report};

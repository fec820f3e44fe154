//! The service accounts that are kept for roles of access tokens: made at first use, their secrets
//! renewed in time, replaced with the role's reach, deleted once their last tokens have ended.

mod drain;
mod end;
mod entry;
mod ready;
mod reconcile;
mod refresh;
mod seen;

pub(super) use end::delete_all;
pub(crate) use end::retire_account;
#[cfg(any(test, fuzzing))]
pub(crate) use entry::ManagedAccounts as ManagedAccountsEntry;
pub(super) use entry::{ManagedAccount, ManagedAccounts, ManagedSecret, TOKEN_LIFE};
pub(crate) use entry::{managed_account, managed_accounts};
pub(super) use ready::{AccountCheck, ready, verify};
pub(crate) use reconcile::reconcile;
pub(crate) use seen::SeenSecrets;

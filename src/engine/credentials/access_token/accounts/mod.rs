//! The service accounts that are kept for roles of access tokens: made at first use, their secrets
//! renewed in time, replaced with the role's reach, deleted once their last tokens have ended.

mod drain;
mod end;
mod entry;
mod ready;
mod refresh;
mod seen;
mod tend;

pub(super) use end::dissolve;
pub(crate) use end::retire_account;
pub(super) use entry::{ManagedAccount, ManagedAccounts, ManagedSecret, TOKEN_LIFE};
pub(crate) use entry::{managed_account, managed_accounts};
pub(super) use ready::{examine, ready};
pub(crate) use seen::SeenSecrets;
pub(crate) use tend::tend;

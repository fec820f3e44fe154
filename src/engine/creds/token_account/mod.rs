//! The service accounts that are kept for roles of access tokens: made at first use, their secrets
//! renewed in time, replaced with the role's reach, deleted once their last tokens have ended.

mod entry;
mod ready;
mod refresh;
mod tend;

pub(super) use entry::{KeptAccount, KeptSecret, TOKEN_LIFE, TokenAccounts};
pub(super) use ready::{examine, ready};
pub(crate) use tend::{is_kept, retire_account, tend};

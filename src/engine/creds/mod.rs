//! Credentials: issue, renew, revoke, and the removal that all of them share.

mod access_token;
mod account_secret;
mod api_key;
mod issue;
mod life;
pub(crate) mod paths;
mod removal;
mod renew;
mod revoke;
mod service_account;
mod token_account;

pub(crate) use account_secret::MOST_SECRETS;
pub(crate) use removal::{find, remove};
pub(crate) use token_account::{is_kept, retire_account, tend};
